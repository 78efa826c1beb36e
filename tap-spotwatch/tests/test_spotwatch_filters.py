"""The optional filters of the three paged calls: what is sent, which rows come, and what the state keeps."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.testing import assert_truth
from tap_spotwatch.filters import FILTERS
from vendor_simulators.spotwatch import SpotwatchSimulator
from vendor_simulators.spotwatch.rules import CALLS

if TYPE_CHECKING:
    from singer_adtech.testing import TapRunner
    from vendor_simulators.pytest_plugin import Simulate

LAST = date(2024, 6, 12)
BLOCK, AD = 661, 3893859079416045
CASES: list[tuple[str, str, Any, str, Any]] = [
    ("ads", "ids", [AD, 2**63 - 25], f"{AD},{2**63 - 25}", [AD, 2**63 - 25]),
    ("ads", "category", ["food", "travel & leisure"], "food,travel & leisure", ["food", "travel & leisure"]),
    ("ads", "brand", ["emma", "café müller"], "emma,café müller", ["emma", "café müller"]),
    ("ads", "keyword", ["flat"], "flat", ["flat"]),
    ("ads", "unidentified", False, "false", False),
    ("ads", "self_promo", False, "false", False),
    ("ads", "created_from", "2024-06-01", "2024-06-01T00:00:00Z", 1717200000),
    ("ads", "created_from", "2024-06-01T02:00:00+02:00", "2024-06-01T00:00:00Z", 1717200000),
    ("ads", "created_to", "2024-06-01", "2024-06-02T00:00:00Z", 1717286400),
    ("ads", "created_to", "2024-06-01T12:00:00Z", "2024-06-01T12:00:00Z", 1717243200),
    ("ads", "duration_from", 15, "15", 15),
    ("ads", "duration_to", 15, "15", 15),
    ("broadcasts", "ad_id", [AD], f"{AD}", [AD]),
    ("broadcasts", "ad_brand", ["sony", "emma"], "sony,emma", ["sony", "emma"]),
    ("broadcasts", "ad_category", ["food"], "food", ["food"]),
    ("broadcasts", "ad_identified", True, "true", True),
    ("broadcasts", "block_id", [1259], "1259", [1259]),
    ("blocks", "ad_id", [767171625096234], "767171625096234", [767171625096234]),
]


def test_every_documented_argument_is_sent_or_has_a_setting() -> None:
    sent = {"region", "ad_fields", "broadcast_fields", "time_fmt", "page_lim"}
    bounds = {
        "ads": {"lastseen_from", "lastseen_to", "time_seen_from", "time_seen_to"},
        "broadcasts": {"time_from", "time_to", "channel"},
        "blocks": {"updated_from", "updated_to", "start_from", "start_to", "channel"},
    }
    for stream, filters in FILTERS.items():
        documented = set(CALLS[f"/get-{stream}"].arguments)
        assert documented == (sent & documented) | bounds[stream] | {one.argument for one in filters}
    assert {f"{stream}_{argument}" for stream, argument, *_ in CASES} == {
        f"{stream}_{one.argument}" for stream, filters in FILTERS.items() for one in filters
    }


@pytest.mark.parametrize(("stream", "argument", "value", "sent", "meant"), CASES, ids=lambda value: str(value)[:25])
def test_a_filter_is_sent_and_selects_rows(  # noqa: PLR0913, PLR0917 - a case and its fixtures
    run_tap: TapRunner, simulate: Simulate, stream: str, argument: str, value: Any, sent: str, meant: Any
) -> None:
    # given
    vendor = simulate(SpotwatchSimulator(first_day=date(2024, 6, 8), days=5, rows_per_day=60))
    settings = {**vendor.settings(), "end_date": LAST.isoformat(), "page_size": 20}
    others = [one for one in ("ads", "broadcasts", "blocks") if one != stream]
    # when
    run = run_tap({**settings, f"{stream}_{argument}": value}, "ads", "broadcasts", "blocks")
    # then the rows of the stream are those that the vendor's argument selects, and other streams are unchanged
    assert_truth(run, vendor, stream, last_day=LAST, filters={argument: meant})
    assert_truth(run, vendor, *others, last_day=LAST)
    assert 0 < len(run.records(stream)) < len(vendor.truth(stream, last_day=LAST))
    firsts = [one for one in vendor.journal if one.params]
    assert {one.param(argument) for one in firsts if one.path == f"/get-{stream}"} == {sent}
    assert vendor.violations == []
    # and the filter is in the state
    kept = sorted(value) if isinstance(value, list) else value
    assert run.states[-1]["bookmarks"][stream][f"{stream}_{argument}"] == kept


def test_a_long_filter_is_sent_as_json_with_its_types(run_tap: TapRunner, spotwatch: SpotwatchSimulator) -> None:
    # given more ids than an address may have
    ids = [AD, *range(1, 1500)]
    filters = {"ads_ids": ids, "ads_unidentified": False, "ads_duration_to": 20, "ads_brand": ["vodafone"]}
    # when
    run = run_tap({**spotwatch.settings(), **filters, "end_date": LAST.isoformat()}, "ads")
    # then
    request = spotwatch.journal[-1]
    body = request.json()
    assert (request.method, body["ids"], body["unidentified"], body["duration_to"]) == ("POST", ids, False, 20)
    assert [row["id"] for row in run.records("ads")] == [AD]
    assert spotwatch.violations == []


@pytest.mark.parametrize(
    ("settings", "stream"),
    [
        ({"ads_unidentified": True, "ads_self_promo": True, "ads_ids": []}, "ads"),
        ({"broadcasts_ad_identified": False}, "broadcasts"),
    ],
)
def test_the_vendors_defaults_are_neither_sent_nor_kept(
    run_tap: TapRunner, spotwatch: SpotwatchSimulator, settings: dict[str, Any], stream: str
) -> None:
    run = run_tap({**spotwatch.settings(), "end_date": "2024-06-08", **settings}, stream)
    assert not {name for name, _ in spotwatch.journal[0].params} & {
        "unidentified",
        "self_promo",
        "ids",
        "ad_identified",
    }
    assert not [name for name in run.states[-1]["bookmarks"][stream] if name.startswith(f"{stream}_")]


@pytest.mark.parametrize(
    ("then", "now", "refused"),
    [
        ({"ads_brand": ["emma", "sony"]}, {"ads_brand": ["emma"]}, None),
        ({}, {"ads_brand": ["emma"], "ads_duration_to": 20, "ads_self_promo": False}, None),
        ({"ads_brand": ["emma"]}, {"ads_brand": ["emma", "sony"]}, "ads_brand emma, now emma, sony"),
        ({"ads_brand": ["emma"]}, {}, "ads_brand emma, now none"),
        ({"ads_ids": [7, 3]}, {"ads_ids": [3, 7, 8]}, "ads_ids [3,7], now [3,7,8]"),
        ({"ads_ids": [7, 3]}, {"ads_ids": [7]}, None),
        ({"ads_unidentified": False}, {}, "ads_unidentified false, now none"),
        (
            {"ads_created_from": "2024-06-02"},
            {"ads_created_from": "2024-06-01"},
            "ads_created_from 2024-06-02, now 2024-06-01",
        ),
        ({"ads_duration_from": 0}, {"ads_duration_from": 0}, None),
        ({"broadcasts_block_id": [7]}, {"broadcasts_block_id": [8]}, "broadcasts_block_id [7], now [8]"),
        ({"broadcasts_ad_identified": True}, {}, "broadcasts_ad_identified true, now none"),
        ({"blocks_ad_id": [7]}, {}, "blocks_ad_id [7], now none"),
        ({"blocks_ad_id": [7, 8]}, {"blocks_ad_id": [8]}, None),
    ],
    ids=str,
)
def test_a_widened_filter_is_refused_and_a_narrowed_one_is_not(
    run_tap: TapRunner, spotwatch: SpotwatchSimulator, then: dict[str, Any], now: dict[str, Any], refused: str | None
) -> None:
    # given a state
    stream = next(iter({**then, **now})).partition("_")[0]
    given = {**spotwatch.settings(), "end_date": LAST.isoformat(), "window_days": 366}
    state = run_tap({**given, **then}, stream).states[-1]
    spotwatch.journal.clear()
    # when
    run = run_tap({**given, **now}, stream, state=state, fails=refused is not None)
    # then
    if refused is None:
        assert {name: run.states[-1]["bookmarks"][stream].get(name) for name in now} == now
        return
    assert len(spotwatch.journal) == 0
    assert run.error.startswith(f"stream {stream}: its state was made with {refused}: undo the change")


@pytest.mark.parametrize("name", ["ads_brand", "ads_category", "ads_keyword", "broadcasts_ad_brand"])
def test_a_filter_without_rows_is_warned_of(run_tap: TapRunner, spotwatch: SpotwatchSimulator, name: str) -> None:
    stream = name.partition("_")[0]
    run = run_tap({**spotwatch.settings(), name: ["nobody"], "regions": ["de"]}, stream)
    assert run.warnings() == [
        f"stream {stream}: no rows: check the names in `regions` and `{name}`; the vendor accepts unknown names"
    ]
