"""Rows, field by field, against the simulator's truth: in every shape that the vendor may send them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from vendor_simulators.faults import Fault
from vendor_simulators.ispot import ISpotSimulator

if TYPE_CHECKING:
    from ispot_fixtures import Run, RunTap
    from vendor_simulators.pytest_plugin import Simulate

# The tap sends no filter by type to /airings/updates: the specification names the airing streams only
ALL_TYPES: dict[str, Any] = {"airing_types": ("N", "R", "L", "SC", "NS"), "national_only": False}
# Those in which rows take different shapes
SHAPED = ("attention_airings", "airings", "airing_updates", "brands", "product_categories", "spots", "account")


def assert_true(run: Run, simulator: ISpotSimulator, stream: str, **asked: Any) -> None:
    """Compare what a run wrote for a stream with the simulator's truth, every field of every row."""
    truth = simulator.truth(stream, **(ALL_TYPES if stream == "airing_updates" else {}), **asked)
    assert truth
    assert run.by_key(stream) == truth


def settings(simulator: ISpotSimulator, **more: Any) -> dict[str, Any]:
    """Return settings that read all days of a simulator, and fail if a row is missing."""
    return {**simulator.settings(), "end_date": simulator.last_day.isoformat(), "row_count_check": "fail", **more}


@pytest.fixture
def small(simulate: Simulate) -> ISpotSimulator:
    """Two days, the second of which has 23 hours, with 50 airings each."""
    return simulate(ISpotSimulator(first_day=date(2024, 3, 9), days=2, rows_per_day=50))


@pytest.mark.parametrize(
    "options",
    [
        {"token_response": "token_only"},
        {"links": "empty_list"},
        {"links": "null"},
        {"links": "absent"},
        {"empty_total_pages": 0, "empty_days": (date(2024, 3, 9),)},
        {"empty_total_pages": 1, "empty_days": (date(2024, 3, 9),)},
        {"empty_to_one": "null_data"},
        {"empty_to_one": "null"},
        {"empty_to_one": "missing"},
        {"catalogue_row": "wrapped"},
        {"catalogue_row": "wrapped", "ids": "digits", "empty_to_one": "null"},
        {"ids": "digits"},
        {"audience_numbers": "string"},
        {"markets": "number"},
        {"markets": "object"},
        {"markets": "wrapped"},
        {"product": "list"},
        {"account": "list"},
        {"clamp_page_size": 7},
        {"ties": "stable"},
        {"limit_headers": "delta"},
        {"limit_headers": "dashed"},
        {"limit_headers": "standard"},
        {"limit_headers": "none"},
        {"airings_row": "bare"},
        {"airings_row": "bare", "markets": "wrapped", "empty_to_one": "null", "product": "list"},
        {"pagination": "absent"},
        {"rights": ("impressions", "attention")},
        {"undeclared": False},
        {"extremes": False},
    ],
    ids=lambda options: ",".join(f"{name}={value}" for name, value in options.items()),
)
def test_the_tap_survives(run_tap: RunTap, simulate: Simulate, options: dict[str, Any]) -> None:
    # Given a vendor that does what no document settles in another way
    simulator = simulate(ISpotSimulator(first_day=date(2024, 3, 9), days=2, rows_per_day=24, **options))
    # When
    run = run_tap(settings(simulator), *SHAPED)
    # Then
    for stream in SHAPED:
        assert_true(run, simulator, stream)
    assert simulator.violations == []
    # Regional airings, whose markets take the most shapes, are among them
    assert [one for one in run.records("attention_airings") if one["airing_dma"] or one["airing_dma_id"]]


@pytest.mark.parametrize("day", [date(2024, 3, 10), date(2024, 11, 3)])
def test_days_of_a_clock_change_are_whole(run_tap: RunTap, simulate: Simulate, frozen: Any, day: date) -> None:
    # Given a day of 23 or 25 hours between two others
    before, after = day.fromordinal(day.toordinal() - 1), day.fromordinal(day.toordinal() + 1)
    simulator = simulate(ISpotSimulator(first_day=before, days=3, rows_per_day=60))
    # When
    run = run_tap(settings(simulator), "audience_airings", clock=frozen("2024-12-01T12:00:00-05:00"))
    # Then
    assert_true(run, simulator, "audience_airings")
    days = [request.param("filter[start_date]") for request in simulator.journal[1:]]
    assert days == [before.isoformat(), day.isoformat(), after.isoformat()]
    offsets = {str(record["airing_aired_at_et"])[-6:] for record in run.records()}
    assert offsets == {"-05:00", "-04:00"}


@pytest.mark.parametrize(
    ("configured", "asked"),
    [
        ({"airing_types": ["L", "SC", "NS"]}, {"airing_types": ("L", "SC", "NS")}),
        ({"airing_types": []}, {"airing_types": ("N", "R", "L", "SC", "NS")}),
        ({"national_only": False}, {"national_only": False}),
        ({"brand_ids": [2001, 2100, 2106, 2109]}, {"brand_ids": (2001, 2100, 2106, 2109)}),
        ({"industry_ids": [119, 202, 206, 210]}, {"industry_ids": (119, 202, 206, 210)}),
        ({"network_ids": [300, 305]}, {"network_ids": (300, 305)}),
        ({"airing_includes": ["brand.parent", "product"]}, {"include": ("brand.parent", "product")}),
        (
            {"airing_includes": ["brand", "brand.parent", "industry.parent"]},
            {"include": ("brand", "brand.parent", "industry.parent")},
        ),
    ],
    ids=str,
)
def test_filters_change_rows_as_the_vendor_says(
    run_tap: RunTap, simulate: Simulate, configured: dict[str, Any], asked: dict[str, Any]
) -> None:
    simulator = simulate(ISpotSimulator(first_day=date(2024, 3, 9), days=2, rows_per_day=90))
    run = run_tap(settings(simulator, **configured), "audience_airings")
    assert_true(run, simulator, "audience_airings", **asked)
    assert simulator.truth("audience_airings", **asked) != simulator.truth("audience_airings")


def test_lists_hold_what_the_account_may_not_read_if_asked(run_tap: RunTap, small: ISpotSimulator) -> None:
    run = run_tap(settings(small, accessible_only=False), "brands", "industries")
    for stream in ("brands", "industries"):
        assert_true(run, small, stream, accessible_only=False)
        assert len(run.records(stream)) > len(small.truth(stream))


def test_numbers_keep_every_digit(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    # Given a first day with extreme values
    run = run_tap({**ispot.settings(), "end_date": "2024-03-08"}, "audience_airings")
    # Then they stand in the output as they were sent
    assert '"airing_spend_estimated":123456789012345678.90' in run.output
    assert '"audience_impressions":12345678901234567.125' in run.output
    assert '"audience_impressions_raw":1234567890.123456789' in run.output
    assert any(int(record["airing_id"]) > 2**64 for record in run.records())


def test_the_printed_record_field_by_field(run_tap: RunTap, simulate: Simulate) -> None:
    # Given the day of the vendor's own example
    simulator = simulate(ISpotSimulator(first_day=date(2021, 1, 1), days=1, rows_per_day=20))
    # When
    run = run_tap({**simulator.settings(), "end_date": "2021-01-01"}, "tv_airings")
    # Then what the document prints of it arrives
    record = next(one for one in run.records("tv_airings") if one["airing_id"] == "287222137")
    printed = {
        "airing_id": "287222137",
        "airing_type": "National",
        "airing_aired_at_et": "2021-01-01T00:04:12-05:00",
        "airing_aired_at_pt": "2021-01-01T00:04:12-08:00",
        "airing_pod": 4,
        "airing_pod_order": 1,
        "airing_pod_position": "F",
        "airing_pod_position_abmyz": "A",
        "airing_pod_position_fm1": "F",
        "airing_dma": None,
        "airing_mso": None,
        "airing_spend_estimated": Decimal("845199.10"),
        "airing_media_value": Decimal("0.00"),
        "spot_id": 3145253,
        "spot_title": "Google TV Spot, 'Year in Search 2020' Song by Peter CottonTale",
        "spot_title_short": "Year in Search 2020",
        "spot_title_custom": None,
        "spot_custom_id": None,
        "spot_description": None,
        "spot_slug": "google-year-in-search-2020-song-by-peter-cottontale",
        "spot_hash": None,
    }
    assert {name: record[name] for name in printed} == printed
    assert '"airing_spend_estimated":845199.10,' in run.output


def test_restated_and_late_rows_arrive_with_the_second_run(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    # Given a first run, after which the vendor restates the last three days
    first = run_tap(settings(ispot), "audience_airings")
    restated = ispot.restate(days=3)
    assert len(restated.changed) >= 3
    assert len(restated.added) == 3
    # When
    ispot.journal.clear()
    second = run_tap(settings(ispot, lookback_days=3), "audience_airings", state=first.states[-1])
    # Then it reads the look-back and nothing else, and both runs together hold the truth
    days = [request.param("filter[start_date]") for request in ispot.journal[1:]]
    assert days == ["2024-03-10", "2024-03-11", "2024-03-12"]
    assert second.by_key() == ispot.truth("audience_airings", first_day=date(2024, 3, 10))
    loaded = {record["airing_id"]: record for record in [*first.records(), *second.records()]}
    assert [loaded[number] for number in sorted(loaded)] == ispot.truth("audience_airings")
    old = {record["airing_id"]: record for record in first.records()}
    assert {number for number, record in loaded.items() if old.get(number) != record} == {
        *map(str, restated.changed),
        *map(str, restated.added),
    }


def test_a_run_through_every_fault_yields_the_same_rows(run_tap: RunTap, small: ISpotSimulator) -> None:
    # Given a vendor that fails in every way that passes, at the login, on first and on later pages
    path = "/v4/metrics/audience/airings"
    second = {"page[number]": 2}
    faults = [
        Fault(path="/v4/oauth2/token", action="status", status=503),
        Fault(path="/v4/oauth2/token", action="status", status=429, nth=2),
        Fault(path=path, action="status", status=500),
        Fault(path=path, action="html", nth=2),
        Fault(path=path, action="drop", nth=3),
        Fault(path=path, action="cut", nth=4),
        Fault(path=path, action="broken_json", nth=5),
        Fault(path=path, action="status", status=429, headers={"Retry-After": "7"}, params=second),
        Fault(path=path, action="status", status=200, body='{"meta": {}}', params=second, nth=2),
        Fault(path=path, action="status", status=401, params=second, nth=3),
        Fault(path=path, action="expire_token", params=second, nth=5),
    ]
    small.faults.add(*faults)
    # When
    run = run_tap(settings(small, page_size=20), "audience_airings")
    # Then
    assert_true(run, small, "audience_airings")
    assert small.violations == []
    assert [fault.fired for fault in faults] == [1] * len(faults)
    assert run.clock.waits == [1, 1, 1, 2, 4, 8, 16, 7, 1]
    assert len(small.tokens.issued) == 3
    assert len(run.records()) == len({record["airing_id"] for record in run.records()})
