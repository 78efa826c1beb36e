"""Reports without days, of predefined ranges, of deals, with further members; and warnings of silent losses."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from tap_magnite.reports import QueryReport
from tap_magnite.tap import TapMagnite
from vendor_simulators.magnite import MagniteSimulator

if TYPE_CHECKING:
    from magnite_fixtures import Script
    from singer_adtech.testing import TapRunner
    from vendor_simulators.pytest_plugin import Simulate

QUERIES = "/v1/resources/queries"
TOTALS: dict[str, Any] = {"name": "totals", "dimensions": ["adUnit"], "metrics": ["impressions"]}


def day(number: int) -> dt.date:
    """Return a day of March 2025."""
    return dt.date(2025, 3, number)


def bodies(vendor: Any) -> list[dict[str, Any]]:
    """Return the definitions of all queries."""
    return [one.json() for one in vendor.journal.matching(QUERIES, "POST")]


@pytest.fixture
def month(simulate: Simulate) -> MagniteSimulator:
    """A vendor with the 24 days of March 2025 up to today."""
    return simulate(MagniteSimulator(first_day=day(1), days=24, rows_per_day=10))


def of_windows(vendor: MagniteSimulator, report: dict[str, Any], *windows: tuple[int, int]) -> list[dict[str, Any]]:
    """Return the true totals of windows, by key."""
    fields = {name: report[name] for name in ("dimensions", "metrics")}
    rows = [
        {"from_date": day(first).isoformat(), "to_date": day(last).isoformat(), **row}
        for first, last in windows
        for row in vendor.truth("totals", first_day=day(first), last_day=day(last), **fields)
    ]
    return sorted(rows, key=lambda row: (row["from_date"], row["row_key"]))


@pytest.mark.parametrize("dimensions", [["adUnit"], ["currency", "publisher"], []], ids=str)
def test_a_report_without_days_has_totals_of_its_windows(
    run_tap: TapRunner, month: MagniteSimulator, dimensions: list[str]
) -> None:
    # Given the fields of the guide's sample of a range
    report = {**TOTALS, "dimensions": dimensions, "window_days": 8}
    # When it is read
    settings = {**month.settings(), "reports": [report], "end_date": "2025-03-20"}
    run = run_tap(settings, "totals")
    # Then each row has the days of its window, which are part of its key
    assert run.key_properties("totals") == ("from_date", "row_key")
    assert run.by_key("totals") == of_windows(month, report, (1, 8), (9, 16), (17, 20))
    assert run.bookmarks("totals")[-1] == "2025-03-20"
    assert "orderings" not in bodies(month)[0]
    assert month.violations == []
    # And the next run reads whole windows again, so that rows replace those of the same window
    month.journal.clear()
    second = run_tap({**settings, "end_date": "2025-03-24"}, "totals", state=run.states[-1])
    assert second.by_key("totals") == of_windows(month, report, (17, 24))


@pytest.mark.parametrize(("before", "after"), [(8, 7), (8, 1), (1, 8)])
def test_other_windows_of_totals_are_refused(
    run_tap: TapRunner, month: MagniteSimulator, before: int, after: int
) -> None:
    settings = {**month.settings(), "end_date": "2025-03-08"}
    reports = {days: [{**TOTALS, "window_days": days}] for days in (before, after)}
    state = run_tap({**settings, "reports": reports[before]}, "totals").states[-1]
    run = run_tap({**settings, "reports": reports[after]}, "totals", state=state, fails=True)
    assert f"its state was made with window_days {before}, counted from 1970-01-0" in run.error
    assert f", now {after}, counted from 1970-01-0" in run.error


def test_totals_counted_from_another_day_are_refused(run_tap: TapRunner, month: MagniteSimulator) -> None:
    settings = {**month.settings(), "reports": [{**TOTALS, "window_days": 8}], "end_date": "2025-03-08"}
    state = run_tap(settings, "totals").states[-1]
    later = {**settings, "start_date": "2025-03-02"}
    assert "its state was made with window_days 8, " in run_tap(later, "totals", state=state, fails=True).error
    # Eight days later, the windows are the same
    same = run_tap({**settings, "start_date": "2025-03-09", "end_date": "2025-03-10"}, "totals", state=state)
    assert {row["from_date"] for row in same.records("totals")} == {"2025-03-09"}


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("today", day(24), day(24)),
        ("yesterday", day(23), day(23)),
        ("thisWeek", day(24), day(24)),
        ("lastWeek", day(17), day(23)),
        ("thisMonth", day(1), day(24)),
        ("lastSevenDays", day(17), day(23)),
    ],
)
@pytest.mark.parametrize("dimensions", [["adUnit"], ["day", "adUnit"]], ids=str)
def test_a_predefined_range_is_read_completely(  # noqa: PLR0913, PLR0917 - the parts of a range
    run_tap: TapRunner, month: MagniteSimulator, name: str, first: dt.date, last: dt.date, dimensions: list[str]
) -> None:
    report = {**TOTALS, "range": name, "dimensions": dimensions}
    run = run_tap({**month.settings(), "reports": [report]}, "totals")
    # Then there is one query, and no bookmark
    assert [body["range"] for body in bodies(month)] == [{"range": name, "timeZone": "UTC"}]
    truth = month.truth("totals", dimensions=dimensions, metrics=["impressions"], first_day=first, last_day=last)
    assert run.by_key("totals", "row_key") == truth
    assert run.bookmarks("totals") == []
    assert month.violations == []


def test_further_members_of_a_query_are_sent(run_tap: TapRunner, script: Script) -> None:
    # Given a report with all members
    members = {
        "orderings": [{"field": "impressions", "direction": "desc"}],
        "conversions": [{"field": "currency", "value": 1}],
        "parent": {"field": "seat", "value": 60749},
    }
    report = {**TOTALS, **members, "definition": {"rowLimit": 10, "sampling": {"rate": 0.5}}}
    vendor = script.rows()
    # When
    settings = {**vendor.settings(), "end_date": "2025-03-02", "reports": [report]}
    run = run_tap(settings, "totals")
    # Then the query has them
    assert bodies(vendor) == [
        {
            "source": "adstats-publisher",
            "fields": ["adUnit", "impressions"],
            **members,
            "range": {"fromDate": "2025-03-01", "toDate": "2025-03-02", "timeZone": "UTC"},
            "rowLimit": 10,
            "sampling": {"rate": 0.5},
        }
    ]
    # And those that change rows are in the state
    signature = run.states[-1]["bookmarks"]["totals"]
    assert signature["definition"] == {"rowLimit": 10, "sampling": {"rate": "0.5"}}
    changed = {**report, "parent": {"field": "seat", "value": 1}}
    refused = run_tap({**settings, "reports": [changed]}, "totals", state=run.states[-1], fails=True)
    assert "its state was made with parent" in refused.error


def test_conversions_and_a_parent_have_effect(run_tap: TapRunner, month: MagniteSimulator) -> None:
    fields: dict[str, Any] = {"dimensions": ["day", "currency"], "metrics": ["netRevenue"]}
    members: dict[str, Any] = {
        "conversions": [{"field": "currency", "value": 1}],
        "parent": {"field": "seat", "value": 5000},
    }
    run = run_tap({**month.settings(), "reports": [{"name": "own", **fields, **members}]}, "own")
    assert run.by_key("own") == month.truth("own", **fields, **members)
    assert month.violations == []


def test_the_report_of_deals_is_off_by_default(run_tap: TapRunner, month: MagniteSimulator) -> None:
    streams = TapMagnite(config=month.settings()).streams
    assert [name for name in ("adstats_daily", "deals_daily") if streams[name].selected_by_default] == ["adstats_daily"]
    run = run_tap(month.settings(), "deals_daily")
    assert run.by_key("deals_daily") == month.truth("deals_daily")
    assert month.violations == []


def test_reports_are_compiled(month: MagniteSimulator) -> None:
    reports = [TOTALS, {**TOTALS, "name": "named", "range": "today"}, {**TOTALS, "name": "days", "dimensions": ["day"]}]
    streams = TapMagnite(config={**month.settings(), "reports": reports}).streams
    for name in ("totals", "named", "days"):
        stream = streams[name]
        assert isinstance(stream, QueryReport)
        assert stream.compiles


def test_a_field_that_is_in_no_row_is_named(run_tap: TapRunner, script: Script) -> None:
    # Given rows without one of the dimensions and one of the metrics, of which a null is a value
    rows = [{"day": f"2025-03-0{number}", "adUnit": None, "requests": None} for number in (1, 2)]
    report = {"name": "own", "dimensions": ["day", "adUnit", "adunit"], "metrics": ["requests", "clicks"]}
    run = run_tap({**script.rows(*rows).settings(), "end_date": "2025-03-02", "reports": [report]}, "own")
    where = "stream own: window 2025-03-01..2025-03-02: no row has the requested"
    assert run.warnings() == [f"{where} dimension `adunit`", f"{where} metric `clicks`"]


@pytest.mark.parametrize(
    ("window_days", "days", "warned"),
    [
        (2, (1, 3), True),
        (2, (1, 2, 3), False),
        (2, (1, 3, 4), False),
        # Windows without any row prove nothing, unless they have one day.
        (2, (), False),
        (1, (), True),
    ],
)
def test_a_last_day_that_stays_empty_is_noticed(
    run_tap: TapRunner, simulate: Simulate, window_days: int, days: tuple[int, ...], *, warned: bool
) -> None:
    empty = tuple(day(number) for number in range(1, 5) if number not in days)
    vendor = simulate(MagniteSimulator(first_day=day(1), days=4, rows_per_day=5, empty_days=empty))
    run = run_tap({**vendor.settings(), "end_date": "2025-03-04", "window_days": window_days}, "adstats_daily")
    said = [one for one in run.warnings() if "may not include `toDate`" in one]
    assert len(said) == int(warned)


def test_today_is_not_a_whole_day(run_tap: TapRunner, script: Script) -> None:
    vendor = script.rows()
    settings = {**vendor.settings(), "start_date": "2025-03-23", "end_date": "2025-03-24", "window_days": 1}
    assert run_tap(settings, "adstats_daily").warnings() == []


@pytest.mark.parametrize(
    ("count", "warned"), [(0, False), (99, False), (100, True), (500, True), (999, False), (1000, True), (2000, True)]
)
def test_a_round_number_of_rows_is_noticed(run_tap: TapRunner, script: Script, count: int, *, warned: bool) -> None:
    vendor = script.rows(*({"id": number, "name": "A"} for number in range(count)))
    run = run_tap(vendor.settings(), "seats")
    said = f"stream seats: the response has exactly {count:,} rows, a round number: the vendor may have an undocumented"
    assert [one.startswith(said) for one in run.warnings()] == ([True] if warned else [])
