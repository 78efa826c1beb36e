"""Selection of streams and columns, and block_ads, which follows from blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.testing import select
from tap_spotwatch.tap import TapSpotwatch

if TYPE_CHECKING:
    from singer_adtech.testing import TapRunner
    from vendor_simulators.spotwatch import SpotwatchSimulator


def fields(name: str) -> list[str]:
    """Return the columns of a stream that the tap requests by name, without optional ones."""
    schema = TapSpotwatch(validate_config=False).streams[name].schema
    return [column for column in schema["properties"] if column != "_extra"]


ADS = fields("ads")


@pytest.mark.parametrize("settings", [{}, {"message_queue": True}, {"include_media": True, "regions": ["de"]}])
def test_no_setting_changes_the_list_of_streams(settings: dict[str, Any]) -> None:
    tap = TapSpotwatch(config={"api_key": "made-up", "start_date": "2024-06-01", **settings})
    assert tap.streams.keys() == TapSpotwatch(validate_config=False).streams.keys()


@pytest.mark.parametrize("media", [False, True])
@pytest.mark.parametrize("payload", [False, True])
def test_optional_columns_are_in_the_schema_and_asked_for_only_if_wanted(
    run_tap: TapRunner, spotwatch: SpotwatchSimulator, *, media: bool, payload: bool
) -> None:
    # given
    optional = [name for name, on in (("media", media), ("user_payload", payload)) if on]
    # when
    wanted = {"include_media": media, "include_user_payload": payload}
    run = run_tap({**spotwatch.settings(), "end_date": "2024-06-12", **wanted}, "ads")
    # then
    schema = next(one["schema"] for one in run.messages if one["type"] == "SCHEMA")
    assert list(schema["properties"]) == [*ADS, *optional, "_extra"]
    requested = {one.param("ad_fields") for one in spotwatch.journal if one.path == "/get-ads"}
    assert requested == {",".join([*ADS, *optional])}
    truth = spotwatch.truth("ads", last_day=spotwatch.last_day, include_media=media, include_user_payload=payload)
    assert run.by_key("ads", "id") == truth
    assert any(record.get("media") for record in truth) is media


@pytest.mark.parametrize("wanted", [False, True])
def test_the_fields_of_an_ad_in_its_airings_are_optional(
    run_tap: TapRunner, spotwatch: SpotwatchSimulator, *, wanted: bool
) -> None:
    # given
    of_ad = ["ad_brand", "ad_categories", "ad_description", "ad_duration", "ad_nbroadcasts", "ad_user_payload"]
    without = fields("broadcasts")
    expected = [*without, *of_ad] if wanted else without
    # when
    run = run_tap({**spotwatch.settings(), "end_date": "2024-06-12", "include_ad_fields": wanted}, "broadcasts")
    # then
    schema = next(one["schema"] for one in run.messages if one["type"] == "SCHEMA")
    assert list(schema["properties"]) == [*expected, "_extra"]
    assert {one.param("broadcast_fields") for one in spotwatch.journal} == {",".join(expected)}
    truth = spotwatch.truth("broadcasts", last_day=spotwatch.last_day, include_ad_fields=wanted)
    assert run.by_key("broadcasts", "id") == truth
    assert any(row.get("ad_brand") for row in truth) is wanted


@pytest.mark.parametrize(
    ("stream", "argument", "without", "expected"),
    [
        ("ads", "ad_fields", ["brand", "_extra", "related"], [one for one in ADS if one not in {"brand", "related"}]),
        ("ads", "ad_fields", ADS, ["id", "lastseen"]),
        ("broadcasts", "broadcast_fields", ["_extra", *fields("broadcasts")], ["id", "time"]),
    ],
)
def test_exactly_the_selected_fields_are_asked_for(  # noqa: PLR0913, PLR0917 - a case and its fixtures
    run_tap: TapRunner,
    spotwatch: SpotwatchSimulator,
    stream: str,
    argument: str,
    without: list[str],
    expected: list[str],
) -> None:
    # given a catalog, of a tool that does not know that keys are always selected
    catalog = select(TapSpotwatch, stream, without=without)
    for entry in catalog["streams"]:
        for one in entry["metadata"]:
            one["metadata"].pop("inclusion", None)
    # when
    run_tap({**spotwatch.settings(), "end_date": "2024-06-08"}, catalog=catalog)
    # then
    asked = [one.param(argument) for one in spotwatch.journal if one.params]
    assert set(asked) == {",".join(expected)}


def test_a_column_that_the_catalog_lacks_is_not_asked_for(run_tap: TapRunner, spotwatch: SpotwatchSimulator) -> None:
    # given a catalog made before `include_media` was set
    catalog = select(TapSpotwatch, "ads")
    # when
    run = run_tap({**spotwatch.settings(), "end_date": "2024-06-08", "include_media": True}, catalog=catalog)
    # then
    assert spotwatch.journal[0].param("ad_fields") == ",".join(ADS)
    assert set(run.records("ads")[0]) == {*ADS, "_extra"}


def test_broadcasts_of_ads_are_never_asked_for() -> None:
    assert "broadcasts" not in ADS


def test_without_a_catalog_the_streams_selected_by_default_are_read(
    run_tap: TapRunner, spotwatch: SpotwatchSimulator
) -> None:
    run = run_tap({**spotwatch.settings(), "end_date": "2024-06-08"})
    read = {one["stream"] for one in run.messages if one["type"] == "SCHEMA"}
    streams = TapSpotwatch(validate_config=False).streams.values()
    assert read == {stream.name for stream in streams if stream.selected_by_default}
    assert spotwatch.violations == []


@pytest.mark.parametrize("others", ["deselected", "omitted"])
@pytest.mark.parametrize("selected", [("blocks",), ("block_ads",), ("blocks", "block_ads")])
def test_blocks_and_block_ads_are_selected_separately(
    run_tap: TapRunner, spotwatch: SpotwatchSimulator, selected: tuple[str, ...], others: str
) -> None:
    # given
    catalog = select(TapSpotwatch, *selected)
    if others == "omitted":
        catalog["streams"] = [one for one in catalog["streams"] if one["tap_stream_id"] in selected]
    # when
    settings = {**spotwatch.settings(), "end_date": "2024-06-12", "page_size": 20}
    run = run_tap(settings, catalog=catalog)
    # then: the rows of those selected, each with one SCHEMA, and the requests of blocks in each case
    for stream, key in (("blocks", ("id",)), ("block_ads", ("block_id", "position"))):
        truth = spotwatch.truth(stream, last_day=spotwatch.last_day)
        assert run.by_key(stream, *key) == (truth if stream in selected else [])
    assert [one["stream"] for one in run.messages if one["type"] == "SCHEMA"] == list(selected)
    firsts = [one for one in spotwatch.journal if one.path == "/get-blocks"]
    assert len(firsts) == 2 * 5
    assert run.bookmarks("blocks")[-1] == "2024-06-13T00:00:00Z"
    assert run.states[-1]["bookmarks"].get("block_ads", {}) == {}
    counts = [one for one in run.log if '"record_count"' in one and '"stream":"block_ads"' in one.replace(" ", "")]
    assert len(counts) == ("block_ads" in selected)


def test_an_ad_that_stands_twice_in_a_break_has_two_rows(run_tap: TapRunner, spotwatch: SpotwatchSimulator) -> None:
    run = run_tap({**spotwatch.settings(), "end_date": "2024-06-12"}, "block_ads")
    rows = run.records("block_ads")
    twice = [
        row for row in rows if sum((row["block_id"], row["ad_id"]) == (o["block_id"], o["ad_id"]) for o in rows) > 1
    ]
    assert len({row["position"] for row in twice}) > 1


def test_columns_that_are_not_selected_are_left_out_of_block_ads(
    run_tap: TapRunner, spotwatch: SpotwatchSimulator
) -> None:
    # given blocks whose `ads` is not selected
    without = ["ads", "start", "_extra", "finish", "program", "genre", "subgenre", "region"]
    catalog = select(TapSpotwatch, "blocks", "block_ads", without=without)
    # when
    run = run_tap({**spotwatch.settings(), "end_date": "2024-06-12"}, catalog=catalog)
    # then block_ads has its rows all the same
    truth = spotwatch.truth("block_ads", last_day=spotwatch.last_day)
    kept = ("block_id", "position", "ad_id", "channel", "updated")
    assert run.by_key("block_ads", "block_id", "position") == [{name: row[name] for name in kept} for row in truth]
    assert set(run.records("blocks")[0]) == {"id", "updated", "channel"}
