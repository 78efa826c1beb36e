"""Which days reports ask for, and where their bookmarks stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from vendor_simulators.messages import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from singer_adtech.testing import FakeClock, TapRunner
    from springserve_fixtures import Script, Scripted

MINE: dict[str, Any] = {"name": "mine", "dimensions": [], "metrics": ["revenue"]}


def windows(vendor: Scripted) -> list[tuple[str, str]]:
    """Return first and last day of each report asked for."""
    return [(one.json()["start_date"][5:], one.json()["end_date"][5:]) for one in vendor.data_requests]


def state(day: str, stream: str = "mine") -> dict[str, Any]:
    return {"bookmarks": {stream: {"replication_key": "date", "replication_key_value": day}}}


@pytest.fixture
def empty(script: Script) -> Scripted:
    """A vendor without rows: empty windows move bookmarks too."""
    return script(lambda _: Response.json({"status": "COMPLETE", "report_id": "x", "total_rows": 0, "data": []}))


def test_the_example_of_the_specification(
    run_tap: TapRunner, empty: Scripted, frozen: Callable[[str], FakeClock]
) -> None:
    # When reports are read on 18 February for the first time
    first = run_tap(empty.settings(), "supply_daily", clock=frozen("2026-02-18T12:00:00+00:00"))
    # Then there are three windows, of which each moves the bookmark
    assert windows(empty) == [("02-01", "02-07"), ("02-08", "02-14"), ("02-15", "02-18")]
    bookmarks = dict.fromkeys(first.bookmarks("supply_daily"))
    assert list(bookmarks) == ["2026-02-07", "2026-02-14", "2026-02-18"]
    # When they are read again on the next day
    empty.journal.clear()
    clock = frozen("2026-02-19T12:00:00+00:00")
    second = run_tap(empty.settings(), "supply_daily", state=first.states[-1], clock=clock)
    # Then the last days are read again, and the bookmark goes on
    assert windows(empty) == [("02-15", "02-19")]
    assert second.bookmarks("supply_daily")[-1] == "2026-02-19"


@pytest.mark.parametrize(
    ("settings", "bookmark", "asked"),
    [
        ({}, None, [("02-01", "02-07"), ("02-08", "02-10")]),
        ({"end_date": "2026-02-03"}, None, [("02-01", "02-03")]),
        ({"end_date": "2026-03-03"}, None, [("02-01", "02-07"), ("02-08", "02-10")]),
        ({"lookback_days": 0}, "2026-02-10", [("02-10", "02-10")]),
        ({"lookback_days": 0}, "2026-02-08", [("02-08", "02-10")]),
        ({"lookback_days": 30}, "2026-02-08", [("02-01", "02-07"), ("02-08", "02-10")]),
        ({"window_days": 366}, None, [("02-01", "02-10")]),
        ({"start_date": "2026-02-05", "end_date": "2026-02-06"}, "2026-02-10", []),
    ],
)
def test_days_run_from_start_or_bookmark_to_end_or_today(
    run_tap: TapRunner, empty: Scripted, settings: dict[str, Any], bookmark: str | None, asked: list[tuple[str, str]]
) -> None:
    given = state(bookmark) if bookmark else None

    run_tap({**empty.settings(), "reports": [MINE], **settings}, "mine", state=given)

    assert windows(empty) == asked


def test_a_bookmark_in_the_look_back_does_not_go_back(run_tap: TapRunner, empty: Scripted) -> None:
    settings = {**empty.settings(), "reports": [MINE], "window_days": 1}

    run = run_tap(settings, "mine", state=state("2026-02-10"))

    assert len(windows(empty)) == 4
    assert set(run.bookmarks("mine")) == {"2026-02-10"}


def test_today_is_that_of_the_reports_zone(
    run_tap: TapRunner, empty: Scripted, frozen: Callable[[str], FakeClock]
) -> None:
    # Given 02:00 UTC on 10 February, which is the 9th in New York
    reports = [{**MINE, "time_zone": "America/New_York"}, {**MINE, "name": "utc"}]
    clock = frozen("2026-02-10T02:00:00+00:00")

    run = run_tap({**empty.settings(), "reports": reports, "window_days": 30}, "mine", "utc", clock=clock)

    assert windows(empty) == [("02-01", "02-09"), ("02-01", "02-10")]
    assert [one.json()["timezone"] for one in empty.data_requests] == ["America/New_York", "UTC"]
    assert (run.bookmarks("mine")[-1], run.bookmarks("utc")[-1]) == ("2026-02-09", "2026-02-10")


def test_a_report_overrides_what_the_settings_say(run_tap: TapRunner, empty: Scripted) -> None:
    report = {**MINE, "window_days": 2, "lookback_days": 1}

    run_tap({**empty.settings(), "reports": [report]}, "mine", state=state("2026-02-07"))

    assert windows(empty) == [("02-06", "02-07"), ("02-08", "02-09"), ("02-10", "02-10")]


def test_an_hourly_report_has_windows_of_a_day_and_a_bookmark_at_midnight(run_tap: TapRunner, empty: Scripted) -> None:
    report = {**MINE, "interval": "hour"}

    run = run_tap({**empty.settings(), "reports": [report], "end_date": "2026-02-02"}, "mine")

    assert windows(empty) == [("02-01", "02-01"), ("02-02", "02-02")]
    assert list(dict.fromkeys(run.bookmarks("mine"))) == ["2026-02-01T00:00:00+00:00", "2026-02-02T00:00:00+00:00"]
    # And it goes on from there
    empty.journal.clear()
    run_tap({**empty.settings(), "reports": [report], "lookback_days": 0}, "mine", state=run.states[-1])
    assert windows(empty)[0] == ("02-02", "02-02")


def test_cumulative_windows_are_counted_from_the_first_day(run_tap: TapRunner, empty: Scripted) -> None:
    # Given a bookmark in the middle of a window
    report = {**MINE, "interval": "cumulative", "window_days": 4}
    # When three days before it are read again
    run_tap({**empty.settings(), "reports": [report]}, "mine", state=state("2026-02-09"))
    # Then the windows are those of the first run, from the one that holds the first of these days on
    assert windows(empty) == [("02-05", "02-08"), ("02-09", "02-10")]


@pytest.mark.parametrize("name", ["detected_domain", "app_bundle", "declared_domains"])
def test_a_report_by_domain_that_asks_further_back_than_a_week_warns_once(
    run_tap: TapRunner, empty: Scripted, name: str
) -> None:
    report = {**MINE, "dimensions": [name]} if name != "declared_domains" else {**MINE, "filters": {name: ["a.b"]}}

    run = run_tap({**empty.settings(), "reports": [report]}, "mine")

    assert [one for one in run.warnings() if "only the last 7 days" in one] == [
        "stream mine: domains are requested from 2026-02-01 on, but the vendor documents only the last 7 days"
    ]
    recent = run_tap({**empty.settings(), "start_date": "2026-02-03", "reports": [report]}, "mine")
    assert recent.warnings() == []


def test_a_state_of_another_report_is_refused(run_tap: TapRunner, empty: Scripted) -> None:
    # Given a bookmark of a report in UTC
    settings = {**empty.settings(), "reports": [MINE]}
    first = run_tap(settings, "mine")
    empty.journal.clear()
    # When the report is of days of New York now
    changed = {**settings, "reports": [{**MINE, "time_zone": "America/New_York"}]}
    run = run_tap(changed, "mine", state=first.states[-1], fails=True)
    # Then the run ends before any request
    assert "its state was made with time_zone UTC, now America/New_York" in run.error
    assert len(empty.journal) == 0


def test_windows_that_are_counted_from_another_day_are_refused(run_tap: TapRunner, empty: Scripted) -> None:
    # Given a cumulative report, whose rows are of whole windows
    report = {**MINE, "interval": "cumulative", "window_days": 7}
    given = {**empty.settings(), "reports": [report]}
    state = run_tap({**given, "start_date": "2026-02-01"}, "mine").states[-1]
    empty.journal.clear()
    # When they would begin on another day
    moved = run_tap({**given, "start_date": "2026-02-02"}, "mine", state=state, fails=True)
    # Then
    assert "its state was made with window_days 7, counted from 1970-01-04, now 7, counted from" in moved.error
    assert len(empty.journal) == 0
    # And neither may they become longer or shorter, down to single days
    daily = {**given, "reports": [{**report, "window_days": 1}], "start_date": "2026-02-01"}
    shorter = run_tap(daily, "mine", state=state, fails=True)
    assert "its state was made with window_days 7, counted from 1970-01-04, now 1, counted from" in shorter.error
    state_of_days = run_tap(daily, "mine").states[-1]
    longer = run_tap({**given, "start_date": "2026-02-01"}, "mine", state=state_of_days, fails=True)
    assert "its state was made with window_days 1, counted from 1970-01-01, now 7, counted from" in longer.error
    # And a start that is earlier by whole windows has the same
    run_tap({**given, "start_date": "2026-01-25"}, "mine", state=state)
