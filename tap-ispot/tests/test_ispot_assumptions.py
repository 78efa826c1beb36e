"""Assumptions about the vendor that would lose rows or values silently if wrong: each has a check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tap_ispot.client import ISpotStream
from tap_ispot.tap import TapISpot

if TYPE_CHECKING:
    from ispot_fixtures import RunTap, Script
    from vendor_simulators.ispot import ISpotSimulator
    from vendor_simulators.messages import Request, Response

WINDOW = "stream audience_airings, window 2024-03-08..2024-03-08"
REGIONAL = ({"dma": "501", "spend_estimated": "1.00"}, {"dma": "502", "spend_estimated": "2.00"})


def regional(script: Script, *differing: dict[str, Any]) -> list[dict[str, Any]]:
    """Make airings of one id that have these fields."""
    rows = [script.airing(7, network={"data": {"id": 300}}) for _ in differing]
    for row, fields in zip(rows, differing, strict=True):
        row["airing"]["data"].update(fields)
    return rows


@pytest.mark.parametrize(
    ("markets", "column"),
    [(REGIONAL, "airing_dma"), (({"dma": {"id": 501}}, {"dma": {"id": 502}}), "airing_dma_id")],
    ids=["text", "object"],
)
def test_two_airings_of_one_id_fail_with_the_columns_that_differ(
    run_tap: RunTap, script: Script, markets: tuple[dict[str, Any], ...], column: str
) -> None:
    # Given a regional airing that has one id in two markets
    vendor = script.rows(script.airing(1), *regional(script, *markets))
    # When
    run = run_tap(vendor.settings(), "audience_airings", fails=True)
    # Then the stream fails after a second reading
    assert run.error == (
        f"{WINDOW}: two different airings have the key '7' and differ in {column}: set `dma_in_key`, so that the "
        "market is a part of the key"
    )
    assert len(vendor.data_requests) == 2
    assert run.states == []


@pytest.mark.parametrize(
    ("fields", "columns"),
    [
        ({"aired_at_et": "2024-03-08T01:00:00-05:00"}, "airing_aired_at_et"),
        ({"mso": {"id": 5, "name": "Op"}}, "airing_mso_id"),
    ],
)
def test_other_columns_that_differ_are_reported_to_the_vendor(
    run_tap: RunTap, script: Script, fields: dict[str, Any], columns: str
) -> None:
    vendor = script.rows(*regional(script, {}, fields))
    run = run_tap(vendor.settings(), "audience_airings", fails=True)
    assert run.error == (
        f"{WINDOW}: two different airings have the key '7' and differ in {columns}: report this to the vendor"
    )


def test_an_airing_that_is_corrected_between_two_pages_is_read_again(run_tap: RunTap, script: Script) -> None:
    # Given an airing that comes again on the second page, with another time, and only in the first reading
    pages = 0

    def answer(request: Request) -> Response:
        nonlocal pages
        pages += 1
        aired = "2024-03-08T02:00:00-05:00" if pages > 1 else "2024-03-08T01:00:00-05:00"
        number = request.param("page[number]")
        rows = [script.airing(1, aired), script.airing(2)] if number == "1" else [script.airing(1, aired)]
        return script.page(rows, total=2, total_pages=2)

    vendor = script(answer)
    # When
    run = run_tap({**vendor.settings(), "parallel_requests": 1}, "audience_airings")
    # Then the corrected airing follows the first one, so that loaders keep it
    assert [(one["airing_id"], one["airing_aired_at_et"][11:13]) for one in run.records()] == [
        ("1", "01"),
        ("2", "00"),
        ("1", "02"),
    ]
    assert len(run.warnings()) == 1


def test_figures_may_change_between_two_pages(run_tap: RunTap, script: Script) -> None:
    vendor = script.rows(*regional(script, {"spend_estimated": "1.00"}, {"spend_estimated": "2.00"}), total=1)
    run = run_tap(vendor.settings(), "audience_airings")
    assert [one["airing_id"] for one in run.records()] == ["7"]


@pytest.mark.parametrize(
    ("markets", "keys"),
    [
        (REGIONAL, [("1", "", 0), ("7", "501", 0), ("7", "502", 0)]),
        (({"dma": {"id": 501}}, {"dma": {"id": 502}}), [("1", "", 0), ("7", "", 501), ("7", "", 502)]),
    ],
    ids=["text", "object"],
)
def test_the_market_can_be_a_part_of_the_key(
    run_tap: RunTap, script: Script, markets: tuple[dict[str, Any], ...], keys: list[tuple[str, str, int]]
) -> None:
    # Given the same airings, and a national one
    vendor = script.rows(script.airing(1), *regional(script, *markets), total=3)
    # When the market is in the key
    run = run_tap({**vendor.settings(), "dma_in_key": True}, "audience_airings")
    # Then all are loaded, no key is null, and the state contains the setting
    schema = run.messages[0]
    assert schema["key_properties"] == ["airing_id", "airing_dma", "airing_dma_id"]
    types = [schema["schema"]["properties"][name]["type"] for name in ("airing_dma", "airing_dma_id")]
    assert types == [["string"], ["integer"]]
    assert [(one["airing_id"], one["airing_dma"], one["airing_dma_id"]) for one in run.records()] == keys
    state = run.states[-1]
    assert state["bookmarks"]["audience_airings"]["dma_in_key"] is True
    refused = run_tap(vendor.settings(), "audience_airings", state=state, fails=True)
    assert "its state was made with dma_in_key true, now false" in refused.error


def test_rows_of_the_simulator_are_the_same_with_the_market_in_the_key(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    settings = {**ispot.settings(), "end_date": "2024-03-12", "airing_types": [], "dma_in_key": True}
    run = run_tap(settings, "audience_airings")
    truth = ispot.truth("audience_airings", airing_types=())
    assert run.by_key("audience_airings", "airing_id") == [
        {**one, "airing_dma": one["airing_dma"] or "", "airing_dma_id": 0} for one in truth
    ]


def test_settings_of_this_file_do_not_make_airings_slow() -> None:
    chosen = {"brand_ids": [1], "dma_in_key": True, "catalog_sort": ""}
    tap = TapISpot(config={"client_id": "a", "client_secret": "b", "start_date": "2024-03-08", **chosen})
    for name in ("audience_airings", "tv_airings", "attention_airings", "airings", "brands"):
        stream = tap.streams[name]
        assert isinstance(stream, ISpotStream)
        assert stream.compiles


@pytest.mark.parametrize(
    ("setting", "entity", "said"),
    [
        ("brand_ids", "brand", "a row has brand_id 5, which `brand_ids` does not contain"),
        ("parent_brand_ids", "parent_brand", "a row has parent_brand_id 5, which"),
        ("industry_ids", "industry", "a row has industry_id 5, which"),
        ("network_ids", "network", "a row has network_id 5, which"),
        ("show_ids", "show", "a row has show_id 5, which"),
        ("spot_ids", "spot", "a row has spot_id 5, which"),
        ("creative_ids", "creative", "a row has creative_id 5, which"),
        ("product_ids", "product", "a row has product_id 5, which"),
    ],
)
def test_a_filter_that_the_vendor_ignores_is_noticed_once(
    run_tap: RunTap, script: Script, setting: str, entity: str, said: str
) -> None:
    # Given a vendor that returns rows of another entity
    vendor = script.rows(*({**script.airing(number), entity: {"data": {"id": number}}} for number in (4, 5, 6)))
    # When the filter is set
    run = run_tap({**vendor.settings(), setting: [4]}, "audience_airings")
    # Then all rows are loaded, with one warning
    assert len(run.records()) == 3
    warned = [one for one in run.warnings() if "may ignore" in one]
    assert len(warned) == 1
    assert said in warned[0]
    assert warned[0].endswith(f"the vendor may ignore `filter[{entity}]`")


def test_a_filter_that_is_honoured_is_not_mentioned(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    first = ispot.truth("audience_airings")[0]
    ids: dict[str, Any] = {
        "brand_ids": [first["brand_id"]],
        "spot_ids": [first["spot_id"]],
        "creative_ids": [first["creative_id"]],
        "network_ids": [first["network_id"]],
        "show_ids": [first["show_id"]],
        "languages": [first["network_language"]],
        "spot_types": [1, 2, 3, 4, 5, 6],
    }
    run = run_tap({**ispot.settings(), "end_date": "2024-03-12", **ids}, "audience_airings")
    assert run.by_key("audience_airings") == ispot.truth("audience_airings", **ids)
    assert first in run.records()
    assert run.warnings() == []


def test_an_entity_that_never_comes_is_named(run_tap: RunTap, script: Script) -> None:
    # Given 100 airings, of which one has a show and none an episode
    rows = [script.airing(number) for number in range(100)]
    rows[50]["show"] = {"data": {"id": 1}}
    chosen = {"airing_includes": ["show", "episode", "publisher"]}
    # When they are read, then only entities with columns are named
    vendor = script.rows(*rows)
    run = run_tap({**vendor.settings(), **chosen}, "audience_airings")
    said = "none of 100 rows has a value for episode, requested by `include`: the vendor may not know the name, or the"
    assert run.warnings() == [f"stream audience_airings: {said} account may have no access"]
    # And fewer rows prove nothing
    few = script.rows(*rows[:99])
    assert run_tap({**few.settings(), **chosen}, "audience_airings").warnings() == []


@pytest.mark.parametrize("stream", ["airing_updates", "spot_updates"])
@pytest.mark.parametrize(("days", "warned"), [(6, False), (7, True)])
def test_a_week_without_corrections_is_noticed(
    run_tap: RunTap, script: Script, stream: str, *, days: int, warned: bool
) -> None:
    vendor = script.rows(total=0)
    run = run_tap({**vendor.settings(), "end_date": f"2024-03-{7 + days:02}"}, stream)
    assert bool(run.warnings()) == warned
    if warned:
        assert run.warnings()[0].startswith(f"stream {stream}: no correction in 7 days: the vendor may not filter /")
