"""Assumptions that a vendor breaks: what the tap warns about, and what ends a stream."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.progress.windows import InstantWindow
from tap_adspect.checks import LogWindows
from vendor_simulators.adspect import AdspectSimulator
from vendor_simulators.faults import Fault
from vendor_simulators.messages import Response

if TYPE_CHECKING:
    from adspect_fixtures import Script
    from singer_adtech.testing import TapRunner
    from vendor_simulators.messages import Request
    from vendor_simulators.pytest_plugin import Simulate

DAY = dt.date(2025, 3, 28)


def day(**options: Any) -> AdspectSimulator:
    """Make a vendor with one day of clicks."""
    return AdspectSimulator(**{"first_day": DAY, "days": 1, "streams": 3, **options})


@pytest.mark.parametrize("compared", ["off", "forbidden"])
def test_windows_with_one_maximum_of_rows_may_be_capped(run_tap: TapRunner, simulate: Simulate, compared: str) -> None:
    # Given a hidden cap, and no counts to compare with
    simulator = simulate(day(rows_per_day=240, log_cap=8))
    simulator.faults.add(Fault(path="/v1/reports/funnel", status=403, times=None))
    given = {**simulator.settings(), "end_date": "2025-03-28", "log_count_check": compared == "forbidden"}
    # When
    run = run_tap(given, "click_log")
    # Then
    hours = [0] * 24
    for row in simulator.truth("click_log"):
        hours[int(row["timestamp"][11:13])] += 1
    capped = sum(rows >= 8 for rows in hours)
    assert len(run.records("click_log")) == sum(min(rows, 8) for rows in hours)
    warnings = [one for one in run.warnings() if "could not be read" not in one]
    assert warnings == [
        (
            f"stream click_log: {capped} of 24 windows have 8 rows, and none has more: the vendor may omit further "
            "rows: set `log_row_limit` to 8, or compare windows with the funnel by `log_count_check`, and read this "
            "range again"
        )
    ]
    # And with the limit, the log is complete
    run = run_tap({**given, "log_row_limit": 8, "log_count_check": False}, "click_log")
    assert run.by_key("click_log", "_row_key") == simulator.truth("click_log")


@pytest.mark.parametrize(
    ("rows", "warned"),
    [
        ([500, 500, 20, 500], "3 of 4 windows have 500 rows, and none has more"),
        ([5, 5, 5], "3 of 3 windows have 5 rows, and none has more"),
        ([500, 500, 20], None),
        ([500, 500, 500, 501], None),
        # Quiet hours are often alike
        ([4, 4, 4, 4], None),
        ([0, 0, 0], None),
        ([], None),
    ],
)
def test_equal_maxima(rows: list[int], warned: str | None) -> None:
    windows = LogWindows()
    start = dt.datetime(2025, 3, 28, tzinfo=dt.timezone.utc)
    for number, count in enumerate(rows):
        window = InstantWindow(start + dt.timedelta(hours=number), start + dt.timedelta(hours=number + 1))
        # A window that is read twice counts once, and one that was compared does not count
        windows.add(window, count, (), compared=False)
        windows.add(window, count, (), compared=False)
        windows.add(InstantWindow(window.end, window.end + dt.timedelta(days=1)), 500, (), compared=True)
    assert [one.split(":")[0] for one in windows.warnings()] == ([warned] if warned else [])


@pytest.mark.parametrize(("date_from", "date_to"), [("inclusive", "exclusive"), ("exclusive", "inclusive")])
def test_one_inclusive_bound_is_enough(run_tap: TapRunner, simulate: Simulate, date_from: str, date_to: str) -> None:
    simulator = simulate(day(rows_per_day=300, date_from=date_from, date_to=date_to))
    given = {**simulator.settings(), "start_date": "2025-03-27T23:00:00Z", "end_date": "2025-03-28"}
    run = run_tap(given, "click_log")
    assert run.by_key("click_log", "_row_key") == simulator.truth("click_log")
    assert run.warnings() == []


@pytest.mark.parametrize(("first", "last", "warned"), [(2, 0, True), (0, 0, False), (2, 1, False)])
def test_two_exclusive_bounds_are_a_warning(
    run_tap: TapRunner,
    script: Script,
    first: int,
    last: int,
    warned: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    # Given a click in every other second, and a vendor without those at one or both bounds
    def answer(request: Request) -> Response:
        start, end = (int(request.param(name) or 0) for name in ("date_from", "date_to"))
        times = (dt.datetime.fromtimestamp(at, dt.timezone.utc) for at in range(start + first, end + last, 2))
        names = [value for name, value in request.params if name == "columns[]"]
        rows = ([{"timestamp": f"{at:%Y-%m-%d %H:%M:%S}", "sequence": 0}.get(name) for name in names] for at in times)
        return Response.text("".join(f"{json.dumps(row)}\n" for row in rows))

    vendor = script(answer)
    given = {**vendor.settings(), "start_date": "2025-04-01T19:30:00Z", "log_count_check": False}
    run = run_tap({**given, "log_window_minutes": 1}, "click_log")
    warning = (
        "stream click_log: no row is in the first second of any of 45 windows, although about 22 are expected: the "
        "vendor may exclude both `date_from` and `date_to`: raise `log_window_minutes` to lose fewer rows, and report "
        "this to the tap's authors"
    )
    assert [one for one in run.warnings() if "first second" in one] == ([warning] if warned else [])


def test_a_zone_that_only_displays_is_a_warning_in_the_west(run_tap: TapRunner, simulate: Simulate) -> None:
    # Given a vendor that cuts days in UTC
    simulator = simulate(day(days=2, rows_per_day=200, time_zone="display"))
    report = {"name": "daily", "dimensions": ["date"], "metrics": ["clicks"], "time_zone": "America/New_York"}
    given = {**simulator.settings(), "end_date": "2025-03-28", "reports": [report]}
    run = run_tap(given, "daily")
    # Then the clicks of four hours are missing, and counted
    lost = simulator.truth("click_log", first_day=DAY)
    count = sum("2025-03-29T00" <= row["timestamp"] < "2025-03-29T04" and row["sequence"] == 0 for row in lost)
    assert count > 0
    [warning] = run.warnings()
    assert warning.startswith(f"stream daily: {count} clicks in 1 row of days after their windows were dropped ")
    assert warning.endswith("than `time_zone` (America/New_York), and totals are wrong: set it to UTC")


def test_a_zone_that_only_displays_ends_the_stream_in_the_east(run_tap: TapRunner, simulate: Simulate) -> None:
    simulator = simulate(day(first_day=dt.date(2025, 3, 27), days=2, rows_per_day=200, time_zone="display"))
    report = {"name": "daily", "dimensions": ["date"], "metrics": ["clicks"], "time_zone": "Asia/Dubai"}
    given = {**simulator.settings(), "start_date": "2025-03-28", "end_date": "2025-03-28", "reports": [report]}
    run = run_tap(given, "daily", fails=True)
    assert "the response has a row of 2025-03-27, outside of the requested window: " in run.error
    assert " clicks in 1 row before it: " in run.error


def test_rows_of_the_log_outside_of_the_window_are_counted(run_tap: TapRunner, script: Script) -> None:
    # Given times in another zone than UTC: one hour earlier, and one hour later
    rows = [
        ("2025-03-27 23:59:59", 0),
        ("2025-03-27 23:10:00", 1),
        ("2025-03-28 00:30:00", 0),
        ("2025-03-28 01:30:00", 0),
    ]

    def answer(request: Request) -> Response:
        names = [value for name, value in request.params if name == "columns[]"]
        made = ([{"timestamp": at, "sequence": sequence}.get(name) for name in names] for at, sequence in rows)
        return Response.text("".join(f"{json.dumps(row)}\n" for row in made))

    vendor = script(answer)
    run = run_tap({**vendor.settings(), "end_date": "2025-03-28", "log_count_check": False}, "click_log", fails=True)
    assert run.error == (
        "stream click_log, window 2025-03-28T00:00:00+00:00..2025-03-28T01:00:00+00:00: the response has a row of "
        "2025-03-27, outside of the requested window: 1 click in 2 rows before it and 1 click in 1 row after it: a "
        "cache or a gateway may have sent the response, or the vendor ignored `date_from` and `date_to`, or its times "
        "are not in UTC: run again later; if it happens again, report it to the vendor"
    )
    assert run.records("click_log") == []


@pytest.mark.parametrize(
    ("body", "warned"),
    [
        ('["many", "0"]', "a count of the funnel is not a whole number"),
        ('["5.5", "0"]', "a count of the funnel is not a whole number"),
        ('["1", "0"]\n["1", "0"]', "the funnel has 2 rows without a breakdown"),
        ('["2", null]', "the log has 1 clicks and 0 conversions, but the funnel has 2 and 0"),
        ("[2.0, 0]", "the log has 1 clicks and 0 conversions, but the funnel has 2 and 0"),
        ('["1", ""]', None),
    ],
)
def test_counts_that_cannot_be_read_are_not_zero(
    run_tap: TapRunner, script: Script, body: str, warned: str | None
) -> None:
    def answer(request: Request) -> Response:
        if request.path.endswith("/funnel"):
            return Response.text(body)
        names = [value for name, value in request.params if name == "columns[]"]
        row = {"timestamp": "2025-03-28 00:00:00", "sequence": "0"}
        return Response.text(json.dumps([row.get(name) for name in names]))

    vendor = script(answer)
    run = run_tap({**vendor.settings(), "end_date": "2025-03-28", "log_window_minutes": 1440}, "click_log")
    assert len(run.records("click_log")) == 1
    assert len(run.warnings()) == (1 if warned else 0)
    assert all(warned and warned in one for one in run.warnings())


@pytest.mark.parametrize(
    ("stream", "body"),
    [("account_ip_lists", '["192.0.2.1"]'), ("collections", '["x"]'), ("daily", '["2025-03-28", "1"]')],
)
@pytest.mark.parametrize("header", ["X-Pagination-Total-Count", "X-Pagination-Page-Count"])
def test_pages_where_none_are_documented_end_the_stream(
    run_tap: TapRunner, script: Script, stream: str, body: str, header: str
) -> None:
    def answer(_: Request) -> Response:
        response = Response.text(body, 200, "application/json")
        response.headers.append((header, "2"))
        return response

    report = {"name": "daily", "dimensions": ["date"], "metrics": ["clicks"]}
    given = {**script(answer).settings(), "end_date": "2025-03-28", "reports": [report]}
    run = run_tap(given, stream, fails=True)
    assert "the response has 1 rows, but the vendor reports " in run.error
    assert run.records(stream) == []


@pytest.mark.parametrize(("entries", "warned"), [(99, 0), (100, 2), (1000, 2)])
def test_a_round_number_of_entries_may_be_a_limit(
    run_tap: TapRunner, script: Script, entries: int, warned: int
) -> None:
    run = run_tap(script.body(json.dumps([str(number) for number in range(entries)])).settings(), "account_ip_lists")
    assert len(run.records("account_ip_lists")) == 2 * entries
    assert run.warnings() == [
        f"stream account_ip_lists: /accounts/self/ip-{kind} has exactly {entries} rows, which may be an undocumented "
        "limit: compare them with the vendor's site"
        for kind in ("blacklist", "whitelist")[:warned]
    ]


def test_a_report_with_a_round_number_of_rows_may_be_capped(run_tap: TapRunner, simulate: Simulate) -> None:
    simulator = simulate(day(rows_per_day=2000, funnel_cap=500))
    report = {"name": "daily", "dimensions": ["date", "stream_id", "os", "browser", "asn", "sub_id"]}
    run = run_tap({**simulator.settings(), "end_date": "2025-03-28", "reports": [report]}, "daily")
    assert len(run.records("daily")) == 500
    assert run.warnings() == [
        (
            "stream daily: window 2025-03-28..2025-03-28 has exactly 500 rows, which may be an undocumented limit: "
            "compare them with the vendor's site"
        )
    ]


@pytest.mark.parametrize("totals", ["get", "head", "none"])
def test_a_size_of_pages_that_the_vendor_ignores(run_tap: TapRunner, simulate: Simulate, totals: str) -> None:
    simulator = simulate(day(streams=25, per_page="default", totals=totals, undeclared=False))
    run = run_tap(simulator.settings(), "streams")
    assert run.by_key("streams", "stream_id") == simulator.truth("streams")
    assert run.warnings() == []


def test_stream_ids_that_are_not_in_the_account(run_tap: TapRunner, simulate: Simulate) -> None:
    simulator = simulate(day(undeclared=False))
    known = str(simulator.truth("streams")[0]["stream_id"])
    run = run_tap({**simulator.settings(), "stream_ids": [known, "typo", known.upper()]}, "streams")
    assert [record["stream_id"] for record in run.records("streams")] == [known]
    assert run.warnings() == [
        (
            f"stream streams: setting `stream_ids`: not in the account: {known.upper()}, typo: compare their spelling "
            "with the vendor's site"
        )
    ]
