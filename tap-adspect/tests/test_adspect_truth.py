"""Rows, field by field, against the simulator's truth: in every shape that the vendor may send them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tap_adspect.reports import METRICS
from tap_adspect.tap import TapAdspect
from vendor_simulators.adspect import AdspectSimulator
from vendor_simulators.faults import Fault

if TYPE_CHECKING:
    from singer_adtech.testing import Run, TapRunner
    from vendor_simulators.pytest_plugin import Simulate

EVERY = tuple(TapAdspect(validate_config=False).streams)
ALL_METRICS = [*METRICS]
# The newest minutes are not read: 20:30:40 less 15 minutes, to the minute
LOG_END = dt.datetime(2025, 4, 1, 20, 15, tzinfo=dt.timezone.utc)


def settings(simulator: AdspectSimulator, **more: Any) -> dict[str, Any]:
    """Return settings that fail if an item of a list is missing."""
    return {**simulator.settings(), "row_count_check": "fail", **more}


def assert_true(run: Run, simulator: AdspectSimulator, stream: str, **asked: Any) -> None:
    """Compare what a run wrote for a stream with the simulator's truth, every field of every row."""
    if stream == "click_log":
        asked = {"until": LOG_END, **asked}
    truth = simulator.truth(stream, **asked)
    assert truth
    assert run.by_key(stream) == truth


@pytest.mark.parametrize(
    "options",
    [
        {"totals": "head"},
        {"totals": "none"},
        {"totals": "none", "past_end": "empty"},
        {"totals": "none", "past_end": "not_found"},
        {"totals": "head_404"},
        {"totals": "head_405", "list_body": "items"},
        {"list_body": "items"},
        {"list_body": "items", "collections": "objects"},
        {"date_to": "inclusive"},
        {"date_to": "inclusive", "log_order": "ascending"},
        {"report_body": "array"},
        {"counts": "number", "empty_ratio": "nan"},
        {"money": "string", "empty_ratio": "inf"},
        {"empty_ratio": "zero"},
        {"empty_ratio": "blank"},
        {"blank_dimension": "empty"},
        {"blank_id": "empty"},
        {"asn": "digits", "lists": "json"},
        {"asn": "prefixed", "lists": "commas", "codes": "string"},
        {"asn": "halves", "money": "string"},
        {"collections": "objects"},
        {"collections": "codes"},
        {"empty_days": (dt.date(2025, 3, 30), dt.date(2025, 3, 31))},
        {"undeclared": False, "extremes": False},
    ],
    ids=lambda options: ",".join(f"{name}={value}" for name, value in options.items()),
)
def test_the_tap_survives(run_tap: TapRunner, simulate: Simulate, options: dict[str, Any]) -> None:
    # Given a vendor that does what no document settles in another way; 8 streams are two full pages
    simulator = simulate(
        AdspectSimulator(first_day=dt.date(2025, 3, 28), days=5, rows_per_day=30, **{"streams": 8, **options})
    )
    report = {"name": "funnel_networks", "dimensions": ["date", "asn", "sub_id"], "metrics": ALL_METRICS}
    # When
    run = run_tap(
        settings(simulator, page_size=4, window_days=2, log_window_minutes=1440, reports=[report]),
        *(name for name in EVERY if name != "funnel_daily"),
        "funnel_networks",
    )
    # Then
    for stream in EVERY:
        if stream != "funnel_daily":
            assert_true(run, simulator, stream)
    asked: dict[str, Any] = {"dimensions": report["dimensions"], "metrics": ALL_METRICS}
    assert run.by_key("funnel_networks", *report["dimensions"]) == simulator.truth("funnel_networks", **asked)
    assert simulator.violations == []


def test_a_collection_of_another_shape_is_skipped(run_tap: TapRunner, simulate: Simulate) -> None:
    simulator = simulate(AdspectSimulator(days=1, collections="unknown"))
    run = run_tap(settings(simulator), "collections")
    assert run.records("collections") == []
    assert len(simulator.journal) == 12
    warnings = [one for one in run.warnings() if "has an unknown format: skipped" in one]
    assert len(warnings) == 12
    assert warnings[0] == "stream collections: The collection presets has an unknown format: skipped"


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kathmandu"])
@pytest.mark.parametrize(
    "dimensions",
    [
        ["date"],
        ["date", "month", "country_code", "os", "browser", "engine", "mode"],
        ["language", "date", "target"],
        ["date", "tag"],
        ["month", "stream_id"],
        ["month"],
    ],
    ids=",".join,
)
def test_a_report_of_one_s_own(run_tap: TapRunner, adspect: AdspectSimulator, zone: str, dimensions: list[str]) -> None:
    # Given days of which one has 23 hours in Berlin, and that it is tomorrow already in Kathmandu
    report = {"name": "funnel_own", "dimensions": dimensions, "metrics": ALL_METRICS, "time_zone": zone}
    first = dt.date(2025, 3, 28 if "date" in dimensions else 1)
    today = dt.date(2025, 4, 2 if zone == "Asia/Kathmandu" else 1)
    # When
    run = run_tap(settings(adspect, window_days=2, reports=[report]), "funnel_own")
    # Then
    truth = adspect.truth(
        "funnel_own", first_day=first, last_day=today, time_zone=zone, dimensions=dimensions, metrics=ALL_METRICS
    )
    assert run.by_key("funnel_own", *dimensions) == truth
    assert {record["time_zone"] for record in run.records("funnel_own")} == {zone}
    assert adspect.violations == []


@pytest.mark.parametrize(
    "filters",
    [
        {"country_code": ["AE", "US"], "os": "iOS"},
        {"asn": [13335, "AS1.10"], "target": 0},
        {"sub_id": "zone 2"},
        {"sub_id": ["кампания-3", "a&b=c,5", 'quo"te\\4']},
        {"mode": ["Filter"], "engine": [], "browser": ["Apple Safari"]},
    ],
    ids=str,
)
def test_filters_change_rows_as_the_vendor_says(
    run_tap: TapRunner, adspect: AdspectSimulator, filters: dict[str, Any]
) -> None:
    report = {"name": "funnel_own", "dimensions": ["date", "country_code"], "filters": filters}
    run = run_tap(settings(adspect, reports=[report]), "funnel_own")
    lists = {name: one if isinstance(one, list) else [one] for name, one in filters.items() if one != []}
    truth = adspect.truth("funnel_own", dimensions=["date", "country_code"], filters=lists)
    assert run.by_key("funnel_own", "date", "country_code") == truth
    assert 0 < len(truth) < len(adspect.truth("funnel_own", dimensions=["date", "country_code"]))
    assert adspect.violations == []


def test_chosen_streams_are_the_only_ones_everywhere(run_tap: TapRunner, adspect: AdspectSimulator) -> None:
    # Given two of the streams that have clicks, and a report with a choice of its own
    clicked = sorted({str(row["stream_id"]) for row in adspect.truth("funnel_daily")})
    chosen, other = clicked[:2], clicked[2:3]
    reports = [
        {"name": "funnel_daily", "dimensions": ["date", "stream_id"]},
        {"name": "funnel_other", "dimensions": ["date", "stream_id"], "filters": {"stream_id": other}},
        {"name": "funnel_all", "dimensions": ["date", "stream_id"], "filters": {"stream_id": []}},
    ]
    names = ("streams", "stream_ip_lists", "click_log", "funnel_daily", "funnel_other", "funnel_all")
    # When
    given = {"stream_ids": chosen, "reports": reports, "page_size": 10, "log_window_minutes": 240}
    run = run_tap(settings(adspect, **given), *names)
    # Then all streams were counted, and only these came out
    for stream in ("streams", "stream_ip_lists", "click_log", "funnel_daily"):
        assert_true(run, adspect, stream, stream_ids=chosen)
    assert run.by_key("funnel_other", "date", "stream_id") == adspect.truth("funnel_other", stream_ids=other)
    assert run.by_key("funnel_all", "date", "stream_id") == adspect.truth("funnel_all")
    assert len(adspect.journal.matching("/v1/streams/*")) == 4
    assert adspect.violations == []


def test_numbers_keep_every_digit(run_tap: TapRunner, adspect: AdspectSimulator) -> None:
    run = run_tap({**adspect.settings(), "end_date": "2025-03-28"}, "account", "funnel_daily", "click_log")
    assert '"balance":12345678901234567.89,' in run.output
    expenses = max(Decimal(str(record["expenses"])) for record in run.records("funnel_daily"))
    assert 0 <= expenses - Decimal("123456789012345678.25") < 1000
    assert f'"expenses":{expenses},' in run.output
    assert '"cost":123456789012345678.25,' in run.output
    assert any(record["givt"] > 2**53 and record["givt"] % 2 for record in run.records("funnel_daily"))


def test_restated_and_late_rows_arrive_with_the_second_run(run_tap: TapRunner, adspect: AdspectSimulator) -> None:
    # Given a first run, after which the vendor restates the last two days
    first = run_tap(settings(adspect), "funnel_daily", "click_log")
    restated = adspect.restate(days=2)
    assert restated.changed
    assert len(restated.added) == 2
    # When
    adspect.journal.clear()
    second = run_tap(
        settings(adspect, lookback_days=2, log_lookback_hours=48),
        "funnel_daily",
        "click_log",
        state=first.states[-1],
    )
    # Then it reads the look-backs and nothing else, and both runs together hold the truth
    grouped = [one for one in adspect.journal.matching("/v1/reports/funnel") if one.param("group_by[]")]
    assert len(grouped) == 1
    assert len(adspect.journal.matching("/v1/reports/log")) == 48
    for stream in ("funnel_daily", "click_log"):
        key = first.key_properties(stream)
        rows = [*first.records(stream), *second.records(stream)]
        loaded = {tuple(record[name] for name in key): record for record in rows}
        asked: dict[str, Any] = {"until": LOG_END} if stream == "click_log" else {}
        assert [loaded[one] for one in sorted(loaded)] == adspect.truth(stream, **asked)
    old = {record["_row_key"]: record for record in first.records("click_log")}
    new = {record["_row_key"] for record in second.records("click_log") if old.get(record["_row_key"]) != record}
    assert new
    assert new <= {*map(str, restated.changed), *map(str, restated.added)}


def test_a_run_through_every_fault_yields_the_same_rows(run_tap: TapRunner, adspect: AdspectSimulator) -> None:
    # Given a vendor that fails in every way that passes, four times at most for one request
    faults = [
        Fault(path="/v1/streams", status=503),
        Fault(path="/v1/streams", params={"page": 2}, action="drop"),
        Fault(path="/v1/streams", params={"page": 2}, action="broken_json", nth=2),
        Fault(path="/v1/reports/funnel", action="cut"),
        Fault(path="/v1/reports/funnel", action="broken_json", nth=2),
        Fault(path="/v1/reports/funnel", status=200, body='["2025-03-28", "x", "1"', nth=3),
        Fault(path="/v1/reports/funnel", action="html", status=200, nth=4),
        Fault(path="/v1/reports/log", action="html"),
        Fault(path="/v1/reports/log", action="broken_json", nth=2),
        Fault(path="/v1/reports/log", status=429, headers={"Retry-After": "7"}, nth=3),
        Fault(path="/v1/account", status=429),
    ]
    adspect.faults.add(*faults)
    # When
    names = ("streams", "account", "funnel_daily", "click_log")
    run = run_tap(settings(adspect, page_size=20, log_window_minutes=240), *names)
    # Then
    for stream in names:
        assert_true(run, adspect, stream)
    assert adspect.violations == []
    assert [fault.fired for fault in faults] == [1] * len(faults)
    assert sorted(run.clock.waits) == sorted([1, 1, 2, 1, 2, 4, 8, 1, 2, 7, 1])


def test_the_printed_examples_come_out(run_tap: TapRunner, simulate: Simulate) -> None:
    # Given the clicks of the document's own examples
    simulator = simulate(AdspectSimulator(printed=True))
    metrics = ["clicks", "money_hits", "safe_hits", "quality"]
    stream = "07ac03df-268e-41ff-84ba-adfe2241beb2"
    reports = [
        {"name": "funnel_month", "dimensions": ["month", "stream_id"], "metrics": metrics},
        {"name": "funnel_day", "dimensions": ["date"], "metrics": metrics, "filters": {"stream_id": stream}},
    ]
    run = run_tap({**simulator.settings(), "end_date": "2024-04-04", "reports": reports}, "funnel_month", "funnel_day")
    # Then numbers are numbers
    rows = [[record[name] for name in ("stream_id", *metrics)] for record in run.records("funnel_month")]
    assert rows == [
        [stream, 3219, 2034, 1125, Decimal("0.6318732525629077")],
        ["1ec5880e-bcb6-49b8-9778-a31d22b70708", 1453, 754, 699, Decimal("0.5189263592567103")],
        ["7a3d39f7-fe75-431e-8be6-9ea9b56b1e4a", 179, 0, 179, 0],
        ["9f79b75f-20ef-4654-8141-b8bbb2124ec4", 65, 0, 65, 0],
    ]
    assert [[record[name] for name in ("date", *metrics)] for record in run.records("funnel_day")] == [
        ["2024-04-01", 931, 343, 582, Decimal("0.3684210526315789")],
        ["2024-04-02", 1166, 829, 300, Decimal("0.7109777015437393")],
        ["2024-04-03", 1113, 855, 243, Decimal("0.7681940700808625")],
        ["2024-04-04", 9, 7, 0, Decimal("0.7777777777777778")],
    ]
