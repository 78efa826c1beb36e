"""Rows, field by field, against the simulator's truth: in every shape that the vendor may send them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.testing import assert_truth
from tap_magnite.tap import TapMagnite
from vendor_simulators.faults import Fault
from vendor_simulators.magnite import MagniteSimulator

if TYPE_CHECKING:
    from singer_adtech.testing import TapRunner
    from vendor_simulators.pytest_plugin import Simulate

STREAMS = TapMagnite(validate_config=False).streams
METADATA = tuple(name for name in STREAMS if name.startswith("query_"))
INVENTORY = tuple(name for name in STREAMS if name not in {*METADATA, "adstats_daily", "deals_daily"})
BASE = "/v1/resources"


def settings(simulator: MagniteSimulator, **more: Any) -> dict[str, Any]:
    """Return settings that read all days of a simulator."""
    return {**simulator.settings(), "end_date": simulator.last_day.isoformat(), **more}


def small(simulate: Simulate, **options: Any) -> MagniteSimulator:
    """Start a vendor with two days of 40 rows."""
    return simulate(MagniteSimulator(first_day=date(2025, 3, 1), days=2, rows_per_day=40, **options))


def test_without_details_the_inventory_has_the_columns_of_its_lists(
    run_tap: TapRunner, magnite: MagniteSimulator
) -> None:
    run = run_tap(settings(magnite, include_details=False), *INVENTORY)
    for stream in INVENTORY:
        assert_truth(run, magnite, stream, details=False)
    assert magnite.violations == []


@pytest.mark.parametrize(
    ("options", "configured"),
    [
        ({"login_cookies": "ApiSession"}, {}),
        ({"login_cookies": "none"}, {}),
        ({"reads_cookie": "VhfpSession"}, {}),
        ({"session_code": "cookie"}, {}),
        ({"session_code": "cookie", "login_cookies": "ApiSession"}, {}),
        ({"not_logged_in": 419}, {}),
        ({"submit_status": 201}, {}),
        ({"submit_status": 202}, {}),
        ({"status": "digits"}, {}),
        ({"status": "word"}, {}),
        ({"status": "short_word"}, {}),
        ({"status": "object"}, {}),
        ({"polls": 0}, {}),
        ({"polls": 7}, {}),
        ({"sources_path": "queries"}, {}),
        ({"sources_path": "queries", "source_in_path": "name"}, {}),
        ({"sources_path": "queries", "source_in_path": "id"}, {}),
        ({"source_in_path": "name"}, {}),
        ({"source_in_path": "id"}, {}),
        ({"source_in_path": "id", "source_ids": "number"}, {}),
        ({"source_ids": "number"}, {}),
        ({"source_ids": "absent"}, {}),
        ({"foreign_query": 3}, {}),
        ({"results_once": True}, {}),
        ({"codes_survive_login": False}, {}),
        ({"missing_ids": "never"}, {}),
        ({"missing_ids": "always"}, {}),
        ({"metrics": "strings"}, {}),
        ({"metrics": "numbers"}, {}),
        ({"order": "requested"}, {}),
        ({"updated_name": "lastUpdated"}, {"include_details": True}),
        ({"updated_name": "both"}, {"include_details": True}),
        ({"supply_path": "supplies"}, {"include_details": True, "resource_paths": {"supply": "/supplies"}}),
        ({"ad_units_path": "adunits"}, {"include_details": True, "resource_paths": {"ad_units": "/adunits/"}}),
        ({"undeclared": False}, {"include_details": True}),
        ({"extremes": False}, {}),
        ({"empty_days": (date(2025, 3, 1),)}, {}),
    ],
    ids=str,
)
def test_the_tap_survives(
    run_tap: TapRunner, simulate: Simulate, options: dict[str, Any], configured: dict[str, Any]
) -> None:
    # Given a vendor that does what no document settles in another way
    simulator = small(simulate, **options)
    # When
    run = run_tap(settings(simulator, window_days=1, **configured))
    # Then
    for stream in INVENTORY:
        assert_truth(run, simulator, stream, details=configured.get("include_details", False))
    for stream in (*METADATA, "adstats_daily"):
        assert_truth(run, simulator, stream)
    assert simulator.violations == []
    assert len(simulator.sessions.issued) == 1
    assert simulator.sessions.open_codes == []


def test_ids_and_amounts_keep_every_digit(run_tap: TapRunner, magnite: MagniteSimulator) -> None:
    run = run_tap({**magnite.settings(), "end_date": "2025-03-01"}, "adstats_daily", "ad_units")
    # 2^53 + 1, which no float holds, and an amount of 24 digits
    assert '"id":9007199254740993,' in run.output
    assert '"adUnitIdLink":9007199254740993,' in run.output
    assert "123456789012345678.901234" in run.output


def test_the_printed_rows_arrive(run_tap: TapRunner, simulate: Simulate) -> None:
    # Given the day of the guide's sample, and a report of its fields
    simulator = simulate(MagniteSimulator(first_day=date(2016, 4, 25), days=1, rows_per_day=30))
    report: dict[str, Any] = {
        "name": "sample",
        "dimensions": ["adUnit", "day", "hour"],
        "metrics": ["fillRate", "impressions", "requests", "useRate"],
        "filters": [{"field": "adUnit", "negate": "false", "value": [1000]}],
    }
    # When
    run = run_tap(settings(simulator, reports=[report]), "sample")
    # Then its four rows are there, rates to the digit
    rows = {record["hour"]: record for record in run.records("sample")}
    assert rows.keys() == {14, 10, 1, 3}
    assert {name: rows[14][name] for name in (*report["dimensions"], *report["metrics"], "adUnitIdLink")} == {
        "adUnit": "My Monkey Unit",
        "adUnitIdLink": 1000,
        "day": "2016-04-25",
        "fillRate": Decimal("0.79"),
        "hour": 14,
        "impressions": 267,
        "requests": 2386,
        "useRate": Decimal("0.142"),
    }
    assert [(rows[hour]["fillRate"], rows[hour]["useRate"]) for hour in (10, 1, 3)] == [
        (Decimal("0.904"), Decimal("0.291")),
        (Decimal("0.79"), Decimal("0.394")),
        (Decimal("0.656"), Decimal("0.396")),
    ]


def test_the_printed_entities_arrive(run_tap: TapRunner, magnite: MagniteSimulator) -> None:
    run = run_tap({**magnite.settings(), "include_details": True}, "supply", "ad_units")
    supply = next(record for record in run.records("supply") if record["id"] == 2000)
    assert supply["creationDate"] == "2014-06-04T04:49:27.000+00:00"
    assert supply["updateDate"] == "2014-06-04T04:49:27.000+00:00"
    assert supply["brand"]["publisher"]["seat"] == {"id": 5000, "name": "Monkey Media, LLC", "code": "frykr"}
    assert [supply[name] for name in ("seat_id", "publisher_id", "brand_id")] == [5000, 4000, 3000]
    assert (supply["keys"], supply["allowVastWrappers"], supply["_extra"]) == ([], True, None)
    unit = next(record for record in run.records("ad_units") if record["id"] == 1000)
    assert [unit[name] for name in ("seat_id", "publisher_id", "brand_id", "supply_id")] == [5000, 4000, 3000, 2000]
    assert unit["linearity"] == {"id": 1, "name": "Linear/In-stream"}
    assert unit["mimes"] == ["video/flash"]


@pytest.mark.parametrize(
    "report",
    [
        {"dimensions": ["day", "hour", "year", "seat", "brand"], "metrics": ["requests"]},
        {"dimensions": ["day", "supplySeat", "supplySeatId"], "metrics": ["netRevenue", "completionRate"]},
        {"dimensions": ["supplyType", "platform", "day", "network"], "metrics": ["clicks", "netCpm"]},
        {"dimensions": ["day", "dealCode", "season", "isLive", "currency"], "metrics": ["grossRevenue"]},
        {
            "dimensions": ["day", "publisher"],
            "metrics": ["requests", "impressions"],
            "filters": [{"field": "publisher", "value": 4000, "negate": True}],
            "constraints": [{"field": "requests", "operator": ">=", "value": 10000}],
        },
        {"source": "deals-publisher", "dimensions": ["day", "dealCode"], "metrics": ["requests"]},
    ],
    ids=lambda report: "-".join(report["dimensions"]),
)
def test_a_report_of_ones_own_equals_the_truth(
    run_tap: TapRunner, magnite: MagniteSimulator, report: dict[str, Any]
) -> None:
    run = run_tap(settings(magnite, reports=[{"name": "own", **report}]), "own")
    filters = [{**item, "negate": True, "value": [4000]} for item in report.get("filters", [])]
    assert_truth(run, magnite, "own", **{**report, "filters": filters})
    assert magnite.violations == []


def test_restated_and_late_rows_arrive_with_the_second_run(run_tap: TapRunner, magnite: MagniteSimulator) -> None:
    # Given a first run, after which the vendor restates the last three days
    first = run_tap(settings(magnite), "adstats_daily")
    restated = magnite.restate(days=3)
    assert len(restated.changed) >= 3
    assert len(restated.added) == 3
    # When
    magnite.journal.clear()
    second = run_tap(settings(magnite), "adstats_daily", state=first.states[-1])
    # Then it reads the look-back and nothing else, and both runs together hold the truth
    submits = magnite.journal.matching(f"{BASE}/queries", "POST")
    assert [(one.json()["range"]["fromDate"], one.json()["range"]["toDate"]) for one in submits] == [
        ("2025-03-07", "2025-03-10")
    ]
    loaded = {
        record["row_key"]: record for record in [*first.records("adstats_daily"), *second.records("adstats_daily")]
    }
    assert [loaded[key] for key in sorted(loaded)] == magnite.truth("adstats_daily")
    old = {record["row_key"]: record for record in first.records("adstats_daily")}
    assert {key for key, record in loaded.items() if old.get(key) != record} == {*restated.changed, *restated.added}


def test_a_run_through_every_fault_yields_the_same_rows(run_tap: TapRunner, simulate: Simulate) -> None:
    # Given a vendor that fails in every way that passes: at the login, on lists, details, submits, polls, results
    simulator = small(simulate)
    sessions, queries = f"{BASE}/sessions", f"{BASE}/queries"
    polls, results = f"{queries}/?????????", f"{queries}/*/results"
    faults = [
        Fault(path=sessions, method="POST", status=503),
        Fault(path=sessions, method="POST", status=429, headers={"Retry-After": "5"}, nth=2),
        Fault(path=sessions, method="POST", action="broken_json", nth=3),
        Fault(path=f"{BASE}/seats", action="drop"),
        Fault(path=f"{BASE}/brands", action="html"),
        Fault(path=f"{BASE}/adUnits", action="cut"),
        Fault(path=f"{BASE}/adUnits/1001", action="status", status=500),
        Fault(path=f"{BASE}/supply/2001", action="expire_token"),
        Fault(path=f"{BASE}/query/sources", action="broken_json"),
        Fault(path=queries, method="POST", action="cut"),
        Fault(path=queries, method="POST", status=502, nth=4),
        Fault(path=polls, action="status", status=429, headers={"Retry-After": "7"}),
        Fault(path=polls, action="expire_token", nth=2),
        Fault(path=polls, action="cut", nth=4),
        Fault(path=results, action="broken_json"),
        Fault(path=results, action="drop", nth=3),
    ]
    simulator.faults.add(*faults)
    # When
    run = run_tap(settings(simulator, include_details=True, window_days=1))
    # Then
    for stream in INVENTORY:
        assert_truth(run, simulator, stream, details=True)
    for stream in (*METADATA, "adstats_daily"):
        assert_truth(run, simulator, stream)
    assert [fault.fired for fault in faults] == [1] * len(faults)
    assert simulator.violations == []
    assert simulator.sessions.open_codes == []
    assert len(run.records("adstats_daily")) == len({record["row_key"] for record in run.records("adstats_daily")})
