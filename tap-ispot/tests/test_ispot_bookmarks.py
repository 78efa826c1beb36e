"""Incremental behaviour: which days are read, what the bookmark says after each window, and what it never does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from ispot_fixtures import FakeClock, RunTap, Script, Scripted
    from vendor_simulators.ispot import ISpotSimulator
    from vendor_simulators.messages import Request, Response

AIRED = "airing_aired_at_et"


def state(position: str, stream: str = "audience_airings", key: str = AIRED) -> dict[str, Any]:
    """Make a state with one bookmark."""
    return {"bookmarks": {stream: {"replication_key": key, "replication_key_value": position}}}


def days(vendor: Scripted) -> list[tuple[str | None, str | None]]:
    """Return the windows that were asked for."""
    return [
        (request.param("filter[start_date]"), request.param("filter[end_date]")) for request in vendor.data_requests
    ]


@pytest.fixture
def empty(script: Script) -> Scripted:
    """A vendor without a single row."""
    return script.rows(total=0, total_pages=1)


def settings(vendor: Scripted, **more: Any) -> dict[str, Any]:
    """Return settings without a last day."""
    return {**vendor.settings(), "end_date": None, **more}


def test_empty_days_move_the_bookmark_too(run_tap: RunTap, empty: Scripted) -> None:
    run = run_tap(settings(empty, end_date="2024-03-10"), "audience_airings")
    assert run.records() == []
    assert run.bookmarks() == [
        "2024-03-09T00:00:00-05:00",
        "2024-03-10T00:00:00-05:00",
        "2024-03-11T00:00:00-04:00",
    ]


def test_bookmarks_on_the_days_of_a_clock_change_in_autumn(
    run_tap: RunTap, empty: Scripted, frozen: Callable[[str], FakeClock]
) -> None:
    clock = frozen("2024-12-01T12:00:00-05:00")
    dates = {"start_date": "2024-11-02", "end_date": "2024-11-04"}
    run = run_tap(settings(empty, **dates), "audience_airings", clock=clock)
    assert run.bookmarks() == [
        "2024-11-03T00:00:00-04:00",
        "2024-11-04T00:00:00-05:00",
        "2024-11-05T00:00:00-05:00",
    ]


@pytest.mark.parametrize("end_date", [None, "2024-03-20", "2024-03-21", "2030-01-01"])
@pytest.mark.parametrize(
    ("stream", "last"), [("audience_airings", "2024-03-20T00:00:00-04:00"), ("airing_updates", "2024-03-20")]
)
def test_today_is_read_and_not_passed(
    run_tap: RunTap, empty: Scripted, end_date: str | None, stream: str, last: str
) -> None:
    # Given that it is noon of 2024-03-20
    run = run_tap(settings(empty, start_date="2024-03-19", end_date=end_date), stream)
    # Then today is read, an end in the future counts as today, and the bookmark stays before it
    assert days(empty) == [("2024-03-19", "2024-03-19"), ("2024-03-20", "2024-03-20")]
    assert run.bookmarks(stream) == [last, last]


def test_today_is_eastern(run_tap: RunTap, empty: Scripted, frozen: Callable[[str], FakeClock]) -> None:
    # Given an instant that is in the 21st in UTC, and still in the 20th in New York
    clock = frozen("2024-03-21T03:59:59+00:00")
    run = run_tap(settings(empty, start_date="2024-03-20"), "audience_airings", clock=clock)
    assert days(empty) == [("2024-03-20", "2024-03-20")]
    assert run.bookmarks() == ["2024-03-20T00:00:00-04:00"]


def test_a_long_window_that_holds_today_does_not_pass_it(run_tap: RunTap, empty: Scripted) -> None:
    run = run_tap(settings(empty, start_date="2024-03-18", window_days=31), "audience_airings")
    assert days(empty) == [("2024-03-18", "2024-03-20")]
    assert run.bookmarks() == ["2024-03-20T00:00:00-04:00"]


def test_the_next_day_goes_on_from_what_was_today(
    run_tap: RunTap, empty: Scripted, frozen: Callable[[str], FakeClock]
) -> None:
    # Given a run at noon of the 20th, without look-back
    given = settings(empty, start_date="2024-03-19", lookback_days=0)
    first = run_tap(given, "audience_airings", "airing_updates")
    empty.journal.clear()
    # When it runs again at noon of the 21st
    clock = frozen("2024-03-21T12:00:00-04:00")
    second = run_tap(given, "audience_airings", "airing_updates", state=first.states[-1], clock=clock)
    # Then the 20th, of which half was read, is read again
    both = [("2024-03-20", "2024-03-20"), ("2024-03-21", "2024-03-21")]
    assert days(empty) == both * 2
    assert second.bookmarks()[-1] == "2024-03-21T00:00:00-04:00"
    assert second.bookmarks("airing_updates")[-1] == "2024-03-21"


@pytest.mark.parametrize(
    ("start_date", "first"),
    [
        ("2024-03-18", "2024-03-18"),
        ("2024-03-18T23:30:00", "2024-03-18"),
        ("2024-03-18T23:30:00-04:00", "2024-03-18"),
        ("2024-03-18T23:30:00-07:00", "2024-03-19"),
        ("2024-03-18T03:59:00Z", "2024-03-17"),
        ("2024-03-18T04:00:00+00:00", "2024-03-18"),
    ],
)
def test_an_instant_means_the_eastern_day_it_falls_in(
    run_tap: RunTap, empty: Scripted, start_date: str, first: str
) -> None:
    run_tap(settings(empty, start_date=start_date, end_date="2024-03-19T12:00:00-04:00"), "audience_airings")
    assert days(empty)[0] == (first, first)
    assert days(empty)[-1] == ("2024-03-19", "2024-03-19")


@pytest.mark.parametrize(
    "position",
    [
        "2024-03-11T00:00:00-04:00",
        "2024-03-11T04:00:00+00:00",
        "2024-03-11T04:00:00Z",
        "2024-03-10T23:00:00-05:00",
        "2024-03-10T21:00:00-07:00",
        "2024-03-11T00:00:00",
        "2024-03-11",
    ],
)
def test_a_bookmark_is_an_instant_however_it_is_spelled(run_tap: RunTap, empty: Scripted, position: str) -> None:
    # Given the instant at which 2024-03-11 begins in New York
    given = settings(empty, lookback_days=2, end_date="2024-03-11")
    run = run_tap(given, "audience_airings", state=state(position))
    # Then it means that day, and is neither left behind by the look-back nor passed before its day is read
    assert [first for first, _ in days(empty)] == ["2024-03-09", "2024-03-10", "2024-03-11"]
    assert run.bookmarks() == [position, position, position, "2024-03-12T00:00:00-04:00"]


def test_a_bookmark_in_the_hour_that_comes_twice(
    run_tap: RunTap, empty: Scripted, frozen: Callable[[str], FakeClock]
) -> None:
    # Given an instant whose text is greater than that of the next midnight's, were zones the same
    clock = frozen("2024-11-04T12:00:00-05:00")
    given = settings(empty, start_date="2024-11-01", end_date="2024-11-03", lookback_days=0)
    run = run_tap(given, "audience_airings", state=state("2024-11-04T00:30:00-04:00"), clock=clock)
    # Then it is still in the 3rd in New York, whose end is later
    assert days(empty) == [("2024-11-03", "2024-11-03")]
    assert run.bookmarks()[-1] == "2024-11-04T00:00:00-05:00"


@pytest.mark.parametrize(
    ("lookback", "first"),
    [(0, "2024-03-15"), (1, "2024-03-14"), (7, "2024-03-08"), (30, "2024-03-08"), (365, "2024-03-08")],
)
def test_the_look_back_begins_at_the_start_date_at_most(
    run_tap: RunTap, empty: Scripted, lookback: int, first: str
) -> None:
    given = settings(empty, lookback_days=lookback, end_date="2024-03-15")
    run_tap(given, "audience_airings", state=state("2024-03-15T00:00:00-04:00"))
    assert days(empty)[0][0] == first


def test_the_first_run_looks_back_at_nothing(run_tap: RunTap, empty: Scripted) -> None:
    run_tap(settings(empty, start_date="2024-03-15", end_date="2024-03-15", lookback_days=30), "audience_airings")
    assert days(empty) == [("2024-03-15", "2024-03-15")]


@pytest.mark.parametrize(
    ("position", "end_date"),
    [("2024-03-18T00:00:00-04:00", "2024-03-10"), ("2025-01-01T00:00:00-05:00", None)],
)
def test_the_bookmark_never_moves_back(run_tap: RunTap, empty: Scripted, position: str, end_date: str | None) -> None:
    # Given a bookmark after the last day
    run = run_tap(settings(empty, lookback_days=30, end_date=end_date), "audience_airings", state=state(position))
    # Then the look-back alone is read
    assert set(run.bookmarks()) == {position}
    assert all(str(last) <= (end_date or "2024-03-20") for _, last in days(empty))


def test_updates_keep_a_day_as_their_bookmark(run_tap: RunTap, empty: Scripted) -> None:
    given = settings(empty, lookback_days=1, end_date="2024-03-12")
    run = run_tap(given, "airing_updates", state=state("2024-03-12", "airing_updates", "update_date"))
    assert [first for first, _ in days(empty)] == ["2024-03-11", "2024-03-12"]
    assert run.bookmarks("airing_updates") == ["2024-03-12", "2024-03-12", "2024-03-13"]


def test_no_state_is_written_within_a_window(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    run = run_tap({**ispot.settings(), "end_date": "2024-03-09", "page_size": 5}, "audience_airings")
    kinds = [one["type"] for one in run.messages]
    rows = [len(ispot.truth("audience_airings", first_day=day, last_day=day)) for day in (ispot.first_day,)]
    assert kinds[0] == "SCHEMA"
    assert kinds.index("STATE") == rows[0] + 1
    assert kinds.count("STATE") == 2
    assert kinds[-1] == "STATE"


def test_a_run_that_fails_leaves_the_bookmark_before_the_window(run_tap: RunTap, script: Script) -> None:
    # Given a second day that is refused on its second page
    def answer(request: Request) -> Response:
        if request.param("filter[start_date]") == "2024-03-08":
            return script.page([script.airing(1)])
        if request.param("page[number]") == "1":
            return script.page([script.airing(2, "2024-03-09T20:00:00-05:00")], total=2, total_pages=2)
        refusal = script.page([])
        refusal.status = 403
        return refusal

    vendor = script(answer)
    # When
    run = run_tap(settings(vendor, end_date="2024-03-09"), "audience_airings", fails=True)
    # Then
    assert run.error.startswith("stream audience_airings, window 2024-03-09..2024-03-09: HTTP 403 ")
    assert run.records()[0]["airing_id"] == "1"
    assert run.bookmarks() == ["2024-03-09T00:00:00-05:00"]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (
            state("yesterday"),
            (
                "stream audience_airings: the state's bookmark 'yesterday' is not a date or date-time: repair the "
                "state, or clear it to read the stream from the beginning"
            ),
        ),
        (
            state("2024-03-10", key="id"),
            (
                "stream audience_airings: the state's bookmark belongs to id, and the stream's replication key is "
                "airing_aired_at_et: clear the state of this stream to read it from the beginning"
            ),
        ),
    ],
    ids=["text", "key"],
)
def test_a_state_that_is_not_ours_is_refused(run_tap: RunTap, empty: Scripted, bad: dict[str, Any], said: str) -> None:
    run = run_tap(settings(empty), "audience_airings", state=bad, fails=True)
    assert run.error == said
    assert empty.data_requests == []


def test_lists_leave_no_bookmark(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    run = run_tap(ispot.settings(), "movies")
    assert run.states == [{"bookmarks": {"movies": {}}}]


FILTERS: dict[str, Any] = {
    "airing_types": ["N", "R"],
    "national_only": True,
    "brand_ids": [],
    "industry_ids": [],
    "network_ids": [],
}


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ({"airing_types": ["N"]}, {"airing_types": ["N", "SC"]}, "airing_types N, now N, SC"),
        ({"airing_types": ["N"]}, {"airing_types": []}, "airing_types N, now none"),
        ({"national_only": True}, {"national_only": False}, "national_only true, now false"),
        ({"brand_ids": [2, 1]}, {"brand_ids": [3, 1, 2]}, "brand_ids [1,2], now [1,2,3]"),
        ({"industry_ids": [1]}, {"industry_ids": [2]}, "industry_ids [1], now [2]"),
        ({"network_ids": [1]}, {"network_ids": []}, "network_ids [1], now none"),
    ],
)
def test_a_filter_that_was_widened_is_refused(
    run_tap: RunTap, script: Script, before: dict[str, Any], now: dict[str, Any], said: str
) -> None:
    # Given
    vendor = script.rows()
    first = run_tap({**vendor.settings(), **before}, "audience_airings").states[-1]
    vendor.journal.clear()
    # When
    run = run_tap({**vendor.settings(), **now}, "audience_airings", state=first, fails=True)
    # Then nothing is asked for
    assert len(vendor.journal) == 0
    assert run.error == (
        f"stream audience_airings: its state was made with {said}: undo the change, or read everything again under a "
        "new state id or with `--full-refresh`"
    )


def test_a_filter_that_was_narrowed_is_continued_and_may_not_be_widened_again(run_tap: RunTap, script: Script) -> None:
    # Given the defaults
    vendor = script.rows()
    first = run_tap(vendor.settings(), "audience_airings").states[-1]
    assert {name: first["bookmarks"]["audience_airings"][name] for name in FILTERS} == FILTERS
    # When
    second = run_tap({**vendor.settings(), "brand_ids": [7]}, "audience_airings", state=first).states[-1]
    third = run_tap(vendor.settings(), "audience_airings", state=second, fails=True)
    # Then
    assert second["bookmarks"]["audience_airings"]["brand_ids"] == [7]
    assert "its state was made with brand_ids [7], now none" in third.error


def test_corrections_are_asked_for_without_filters_and_so_not_signed(run_tap: RunTap, script: Script) -> None:
    # When
    state = run_tap(script.rows().settings(), "airing_updates").states[-1]["bookmarks"]["airing_updates"]
    # Then
    assert state.keys() == {"replication_key", "replication_key_value", "read_from"}


def test_airings_of_another_account_are_refused_where_the_account_is_read(run_tap: RunTap, script: Script) -> None:
    # Given a run that reads the account too
    first = script(lambda request: script.page([{"id": 5}] if request.path.endswith("account") else []))
    state = run_tap(first.settings(), "account", "audience_airings").states[-1]
    # When
    other = script(lambda request: script.page([{"id": 6}] if request.path.endswith("account") else []))
    run = run_tap(other.settings(), "account", "audience_airings", state=state, fails=True)
    # Then no airing is asked for
    assert [request.path for request in other.data_requests] == ["/v4/account"]
    assert "its state was made with account 5, and the responses belong to account 6" in run.error
