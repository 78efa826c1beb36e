"""Rows, field by field, against the simulator's truth: in every shape that the vendor may send them."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.testing import assert_truth
from tap_spotwatch.tap import TapSpotwatch
from vendor_simulators.faults import Fault
from vendor_simulators.spotwatch import SpotwatchSimulator

if TYPE_CHECKING:
    from singer_adtech.testing import TapRunner
    from spotwatch_fixtures import Script
    from vendor_simulators.pytest_plugin import Simulate

STREAMS = tuple(TapSpotwatch(validate_config=False).streams)
PAGED = ("ads", "broadcasts", "blocks", "block_ads")
LISTS = tuple(name for name in STREAMS if name not in {*PAGED, "broadcast_messages"})


def settings(simulator: SpotwatchSimulator, **more: Any) -> dict[str, Any]:
    """Return settings that read all that a simulator has, in small pages, and fail if a row is missing."""
    common = {"page_size": 11, "row_count_check": "fail", "message_queue": True, "window_days": 2}
    return {**simulator.settings(), **common, **more}


@pytest.mark.parametrize("parallel", [1, 2])
def test_without_an_end_all_rows_arrive(run_tap: TapRunner, spotwatch: SpotwatchSimulator, parallel: int) -> None:
    run = run_tap(settings(spotwatch, parallel_requests=parallel), *PAGED)
    assert_truth(run, spotwatch, *PAGED)
    assert spotwatch.violations == []
    assert spotwatch.journal.concurrency() <= parallel


def test_with_an_end_the_rows_after_it_are_left_out(run_tap: TapRunner, spotwatch: SpotwatchSimulator) -> None:
    end = date(2024, 6, 10)
    run = run_tap(settings(spotwatch, end_date=end.isoformat()), *PAGED)
    assert_truth(run, spotwatch, *PAGED, last_day=end)
    assert len(run.records("broadcasts")) == 180


@pytest.mark.parametrize(
    "options",
    [
        {"bounds": "upper_exclusive"},
        {"bounds": "lower_exclusive"},
        {"links": "keyed"},
        {"links": "once"},
        {"lost_link_status": 403, "links": "once"},
        {"updated": "absent"},
        {"updated": "absent", "bounds": "upper_exclusive"},
        {"updated": "changed"},
        {"block_broadcasts": "block"},
        {"block_broadcasts": "ads"},
        {"empty_pages_total": 1},
        {"order": "time"},
        {"lists": "objects"},
        {"channel_lists": "objects"},
        {"genres": "list"},
        {"genres": "two_lists"},
        {"brand_filters": "required"},
        {"unknown_field": "ignored"},
        {"undeclared": True},
        {"undeclared": True, "block_broadcasts": "ads", "lists": "objects"},
        {"queue_response": "array"},
        {"key_places": "any"},
        {"extremes": False},
    ],
    ids=lambda options: ",".join(f"{name}={value}" for name, value in options.items()),
)
def test_the_tap_survives(run_tap: TapRunner, simulate: Simulate, options: dict[str, Any]) -> None:
    # given a vendor that does what no document settles in another way
    simulator = simulate(SpotwatchSimulator(first_day=date(2024, 6, 10), days=3, rows_per_day=30, **options))
    messages = simulator.truth("broadcast_messages")
    # when
    run = run_tap(settings(simulator, end_date="2024-06-12"), *STREAMS)
    # then
    assert_truth(run, simulator, *PAGED, last_day=date(2024, 6, 12))
    assert_truth(run, simulator, *LISTS)
    assert run.by_key("broadcast_messages", "broadcast_id") == messages
    assert simulator.violations == []


@pytest.mark.parametrize(("error", "readings"), [(1, 2), (-1, 1)])
def test_the_tap_survives_totals_that_do_not_fit(
    run_tap: TapRunner, simulate: Simulate, error: int, readings: int
) -> None:
    simulator = simulate(SpotwatchSimulator(days=2, rows_per_day=30, total_error=error))
    run = run_tap({**simulator.settings(), "end_date": "2024-03-02", "row_count_check": "warn"}, "broadcasts")
    assert_truth(run, simulator, "broadcasts", last_day=date(2024, 3, 2))
    # two windows, each read twice where rows seem to be missing, with a warning for each reading; more are no loss
    assert len(simulator.journal) == 2 * readings
    assert len(run.warnings()) == (4 if error > 0 else 0)


def test_the_tap_survives_links_that_die_while_it_reads(run_tap: TapRunner, simulate: Simulate) -> None:
    # given that every link dies once in the middle of the first window and once in that of the second
    simulator = simulate(SpotwatchSimulator(days=2, rows_per_day=60))
    simulator.faults.add(*(Fault(path="/????????????????????", action="expire_token", nth=nth) for nth in (2, 8)))
    run = run_tap(settings(simulator, end_date="2024-03-02", parallel_requests=1, window_days=1), "broadcasts")
    assert_truth(run, simulator, "broadcasts", last_day=date(2024, 3, 2))
    assert len(run.records("broadcasts")) == 120
    assert len(run.warnings()) == 2


@pytest.mark.parametrize(
    ("configured", "asked"),
    [
        ({"regions": ["de"]}, {"regions": ["de"]}),
        (
            {"regions": ["at", "fr"], "channels": ["orf1", "tf1", "vox"]},
            {"regions": ["at", "fr"], "channels": ["orf1", "tf1"]},
        ),
        ({"channels": ["vox", "dmax"]}, {"channels": ["vox", "dmax"]}),
    ],
    ids=str,
)
def test_filters_change_rows_as_the_vendor_says(
    run_tap: TapRunner, simulate: Simulate, configured: dict[str, Any], asked: dict[str, Any]
) -> None:
    simulator = simulate(SpotwatchSimulator(first_day=date(2024, 6, 10), days=3, rows_per_day=80))
    run = run_tap(settings(simulator, **configured), *PAGED, "channels")
    assert_truth(run, simulator, *PAGED, **asked)
    assert simulator.truth("broadcasts", **asked) != simulator.truth("broadcasts")
    # no filter applies to the lists
    assert_truth(run, simulator, "channels")


def test_ids_beyond_a_float_keep_every_digit(run_tap: TapRunner, spotwatch: SpotwatchSimulator) -> None:
    run = run_tap(settings(spotwatch), "ads")
    assert f'"id":{2**63 - 25},' in run.output


def test_the_printed_rows_arrive(run_tap: TapRunner, spotwatch: SpotwatchSimulator) -> None:
    # given the days of the vendor's own samples
    run = run_tap(settings(spotwatch, include_media=True), "ads", "broadcasts", "blocks")
    # then what the page prints of them arrives
    ad = next(one for one in run.records("ads") if one["id"] == 3893859079416045)
    assert ad == {
        "id": 3893859079416045,
        "created": "2024-03-31T06:07:07Z",
        "lastseen": "2024-06-12T22:26:26Z",
        "duration": 20,
        "brand": "vodafone",
        "description": "allnet flat",
        "regions": None,
        "categories": ["telecommunication"],
        "nbroadcasts": 1,
        "self_promo": None,
        "url": None,
        "related": [2798804439039186],
        "cross_region_ads": None,
        "media": {
            "video": {"mp4": "/klwc7ilp41lgb8kiopye"},
            "image": {"preview": "/9dgnbp81g6jndapeazyy", "grid": "/pjbphmperbfaopf4qx8s"},
        },
        "_extra": None,
    }
    assert next(one for one in run.records("broadcasts") if one["id"] == 39840) == {
        "id": 39840,
        "time": "2024-06-11T18:08:46Z",
        "ad": 3893859079416045,
        "region": "de",
        "channel": "vox",
        "block": 1259,
        "blockindex": 3,
        "block_length": None,
        "pic_in_pic": None,
        "program": "gute zeiten, schlechte zeiten",
        "genre": "serien",
        "subgenre": "daily soap",
        "_extra": None,
    }
    block = next(one for one in run.records("blocks") if one["id"] == 661)
    assert (block["channel"], block["ads"]) == ("sat1", [{"id": 767171625096234}])
    assert (block["start"], block["finish"]) == ("2024-06-11T01:00:00Z", "2024-06-11T01:01:31Z")


def test_an_empty_brand_stays_empty(run_tap: TapRunner, spotwatch: SpotwatchSimulator) -> None:
    run = run_tap(settings(spotwatch), "ads")
    assert {one["brand"] for one in run.records("ads")} >= {"", "vodafone"}


ROW: dict[str, Any] = {"id": 1, "time": "2024-06-01T12:00:00Z", "new": {"a": [], "b": None}, "ad": "x"}


@pytest.mark.parametrize(
    ("mode", "extra", "warnings"),
    [("keep", {"new": {"a": [], "b": None}, "ad": "x"}, 2), ("drop", None, 2)],
)
def test_undeclared_fields_and_values_that_do_not_fit(
    run_tap: TapRunner, script: Script, mode: str, extra: Any, warnings: int
) -> None:
    vendor = script.pages(script.page(ROW, {**ROW, "id": 2}))
    run = run_tap({**vendor.settings(), "extra_fields": mode}, "broadcasts")
    assert [(row["ad"], row["_extra"]) for row in run.records("broadcasts")] == [(None, extra)] * 2
    assert len(run.warnings()) == warnings


def test_undeclared_fields_may_fail_the_run(run_tap: TapRunner, script: Script) -> None:
    vendor = script.pages(script.page(ROW))
    run = run_tap({**vendor.settings(), "extra_fields": "fail"}, "broadcasts", fails=True)
    assert run.error.endswith(
        "the vendor sent the field `new`, which the schema does not declare: set `extra_fields` to `keep` or `drop`"
    )


def test_restated_and_late_rows_arrive_with_the_second_run(run_tap: TapRunner, spotwatch: SpotwatchSimulator) -> None:
    # given a first run, after which the vendor restates the last three days
    given = {**spotwatch.settings(), "end_date": None}
    first = run_tap(given, *PAGED, clock=None)
    old = {stream: spotwatch.truth(stream) for stream in PAGED}
    restated = spotwatch.restate(days=3)
    assert len(restated.added) == 3
    # when it runs again, with a bookmark before that: the change stamps are those of the restatement
    state = {
        "bookmarks": {
            name: {"replication_key": key, "replication_key_value": "2024-06-12T12:00:00Z"}
            for name, key in (("ads", "lastseen"), ("broadcasts", "time"), ("blocks", "updated"))
        }
    }
    spotwatch.journal.clear()
    second = run_tap(given, *PAGED, state=state)
    # then both runs together hold the truth, and the second read its look-backs only
    for stream in PAGED:
        rows = [*first.records(stream), *second.records(stream)]
        loaded = {tuple(row[name] for name in first.key_properties(stream)): row for row in rows}
        assert [loaded[key] for key in sorted(loaded)] == spotwatch.truth(stream)
        assert spotwatch.truth(stream) != old[stream]
    begins = {
        name: min(one.param(f"{name}_from") or "z" for one in spotwatch.journal)
        for name in ("time", "updated", "lastseen")
    }
    assert begins == {
        "time": "2024-06-09T12:00:00Z",
        "updated": "2024-06-12T11:00:00Z",
        "lastseen": "2024-06-08T00:00:00Z",
    }


def test_a_run_through_every_fault_yields_the_same_rows(run_tap: TapRunner, spotwatch: SpotwatchSimulator) -> None:
    # given a vendor that fails in every way that passes, on first requests and on links
    call, link = "/get-broadcasts", "/????????????????????"
    faults = [
        Fault(path=call, status=500),
        Fault(path=call, action="html", nth=2),
        Fault(path=call, action="drop", nth=3),
        Fault(path=call, action="cut", nth=4),
        Fault(path=call, action="broken_json", nth=5),
        Fault(path=link, status=429, headers={"Retry-After": "7"}),
        Fault(path=link, status=503, nth=3),
        Fault(path=link, action="drop", nth=5),
        Fault(path=link, action="expire_token", nth=7),
        Fault(path=link, action="cut", nth=9),
        Fault(path=link, status=404, nth=12, body="Link not found."),
        Fault(path=call, status=429, nth=9),
    ]
    spotwatch.faults.add(*faults)
    # when
    run = run_tap(settings(spotwatch, window_days=1, parallel_requests=1), "broadcasts")
    # then
    assert_truth(run, spotwatch, "broadcasts")
    assert spotwatch.violations == []
    assert [fault.fired for fault in faults] == [1] * len(faults)
    assert run.clock.waits[:5] == [1, 2, 4, 8, 16]
    assert len(run.records("broadcasts")) == len({row["id"] for row in run.records("broadcasts")})
