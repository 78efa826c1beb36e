"""What a run says of its catalog and its state before the first request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.errors import SettingError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable

    from acme_vendor import AcmeVendor


def days(acme: AcmeVendor) -> list[str]:
    """Return the days that were asked for, in order and once each."""
    return list(dict.fromkeys(day for day, _ in acme.data_calls()))


def moved_back(log: list[str]) -> list[str]:
    return [one for one in log if "moved back" in one]


def test_nothing_selected_is_an_error_and_no_request(acme: AcmeVendor, run_tap: Callable[..., Any]) -> None:
    # when
    run = run_tap("no such stream")
    # then
    assert isinstance(run.error, SettingError)
    assert str(run.error) == (
        "no stream is selected, so nothing would be read: select streams in the catalog, or by `select` in "
        "meltano.yml; the streams are airings, events, spots"
    )
    assert acme.server.calls == []


def test_the_state_keeps_the_earliest_day_that_was_read(acme: AcmeVendor, run_tap: Callable[..., Any]) -> None:
    # when
    first = run_tap("airings", start_date="2024-03-09")
    second = run_tap("airings", start_date="2024-03-09", state=first.states[-1])
    # then: from the first window on, and in later runs as it was
    kept = [state["bookmarks"]["airings"]["read_from"] for state in first.states + second.states[1:]]
    assert kept == ["2024-03-09"] * len(kept)
    assert len(acme.server.calls) > 0


def test_a_start_date_moved_back_is_one_warning_with_the_command_that_reads_what_is_missing(
    acme: AcmeVendor, run_tap: Callable[..., Any], log: list[str]
) -> None:
    # given: a first run from the 10th
    state = run_tap("airings", start_date="2024-03-10").states[-1]
    acme.server.calls.clear()
    # when: the user wants the 7th to the 9th as well
    run = run_tap("airings", start_date="2024-03-07", state=state, lookback_days=0)
    # then
    (line,) = moved_back(log)
    assert line == (
        "`start_date` was moved back to 2024-03-07, and according to the state, earlier runs began later: the days "
        "from 2024-03-07 to 2024-03-09 (America/New_York) are not read for airings. Read them by "
        "TAP_ACME_START_DATE=2024-03-07 TAP_ACME_END_DATE=2024-03-09 meltano el tap-acme <loader> "
        "--state-id tap-acme-2024-03-07; with `start_date` set back, this warning ends"
    )
    assert run.error is None
    # and the state does not say that they were read
    assert {state["bookmarks"]["airings"]["read_from"] for state in run.states} == {"2024-03-10"}


def test_a_look_back_that_reaches_the_new_start_is_no_reason_to_warn(
    acme: AcmeVendor, run_tap: Callable[..., Any], log: list[str]
) -> None:
    # given
    state = run_tap("airings", start_date="2024-03-10").states[-1]
    acme.server.calls.clear()
    # when
    run = run_tap("airings", start_date="2024-03-08", state=state, lookback_days=9)
    # then: all is read, and counts as read once the days before are in
    assert days(acme) == ["2024-03-08", "2024-03-09", "2024-03-10"]
    assert moved_back(log) == []
    kept = [state["bookmarks"]["airings"]["read_from"] for state in run.states]
    assert kept == ["2024-03-10", "2024-03-10", "2024-03-08", "2024-03-08"]


@pytest.mark.parametrize(
    ("start", "change"),
    [
        ("2024-03-10", {}),
        ("2024-03-09", {"read_from": None}),
        ("2024-03-09T00:00:00-05:00", {"read_from": "2024-03-09"}),
    ],
)
def test_a_start_moved_forward_a_state_of_an_older_version_and_another_spelling_are_silent(
    acme: AcmeVendor, run_tap: Callable[..., Any], log: list[str], start: str, change: dict[str, Any]
) -> None:
    # given
    state = run_tap("airings", start_date="2024-03-09").states[-1]
    entry = state["bookmarks"]["airings"] | change
    state["bookmarks"]["airings"] = {name: value for name, value in entry.items() if value is not None}
    # when
    run = run_tap("airings", start_date=start, state=state, lookback_days=0)
    # then
    assert (run.error, moved_back(log)) == (None, [])
    assert len(acme.server.calls) > 0


@pytest.mark.parametrize("value", [5, None, "soon", []])
def test_a_broken_earliest_day_is_refused_unless_it_is_null(
    acme: AcmeVendor, run_tap: Callable[..., Any], value: Any
) -> None:
    # given
    state = run_tap("airings").states[-1]
    state["bookmarks"]["airings"]["read_from"] = value
    # when
    run = run_tap("airings", state=state)
    # then
    assert isinstance(run.error, StateError) == (value is not None)
    assert len(acme.server.calls) > 0


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({}, "reads 2024-03-08 to 2024-03-10 (America/New_York), 3 windows"),
        ({"window_days": 3}, "reads 2024-03-08 to 2024-03-10 (America/New_York), 1 window"),
    ],
)
def test_the_range_is_said_before_the_first_request(
    acme: AcmeVendor, run_tap: Callable[..., Any], log: list[str], settings: dict[str, Any], line: str
) -> None:
    # given
    before: list[int] = []
    acme.before = lambda _: before.append(sum(line in one for one in log))
    # when
    run_tap("airings", **settings)
    # then
    assert before[0] == 1
    assert [one for one in log if "reads" in one] == [f"stream airings: {line}"]


def test_a_state_of_another_account_is_refused_before_the_bookmark_moves(
    acme: AcmeVendor, run_tap: Callable[..., Any]
) -> None:
    # given: answers say whose they are
    def of(account: str) -> Callable[[Any], None]:
        return lambda tap: setattr(tap, "account", account)

    first = run_tap("airings", patch=of("7"))
    same = run_tap("airings", patch=of("7"), state=first.states[-1])
    unknown = run_tap("airings", state=first.states[-1])
    acme.server.calls.clear()
    # when
    other = run_tap("airings", patch=of("8"), state=first.states[-1])
    # then
    assert first.states[-1]["bookmarks"]["airings"]["account"] == "7"
    assert (same.error, unknown.error) == (None, None)
    assert str(other.error) == (
        "stream airings: its state was made with account 7, and the responses belong to account 8: check the "
        "credentials, or use a separate state id and schema for the new account"
    )
    assert acme.server.calls == []
