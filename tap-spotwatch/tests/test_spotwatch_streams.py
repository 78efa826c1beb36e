"""Streams and columns against the specification's tables; selection, and block_ads, which follows from blocks."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.streams.base import AdTechStream
from singer_adtech.testing import select
from tap_spotwatch import schemas
from tap_spotwatch.tap import TapSpotwatch

if TYPE_CHECKING:
    from singer_adtech.testing import TapRunner
    from vendor_simulators.spotwatch import SpotwatchSimulator

# name: path, key, replication key, method, on by default
STREAMS: dict[str, tuple[str, tuple[str, ...], str | None, str, bool]] = {
    "ads": ("/get-ads", ("id",), "lastseen", "INCREMENTAL", True),
    "broadcasts": ("/get-broadcasts", ("id",), "time", "INCREMENTAL", True),
    "blocks": ("/get-blocks", ("id",), "updated", "INCREMENTAL", True),
    "block_ads": ("/get-blocks", ("block_id", "position"), None, "FULL_TABLE", False),
    "channels": ("/get-all-channels", ("region", "channel"), None, "FULL_TABLE", True),
    "regions": ("/get-all-regions", ("region",), None, "FULL_TABLE", True),
    "categories": ("/get-all-categories", ("category",), None, "FULL_TABLE", True),
    "brands": ("/get-all-brands", ("brand",), None, "FULL_TABLE", True),
    "tv_genres": ("/get-all-tv-genres", ("region", "genre", "subgenre"), None, "FULL_TABLE", True),
    "broadcast_messages": ("/get-message-queue", ("broadcast_id",), None, "FULL_TABLE", False),
}
PROGRAMME = {"program": "string", "genre": "string", "subgenre": "string"}
ADS = {
    "id": "integer",
    "created": "string date-time",
    "lastseen": "string date-time",
    "duration": "integer",
    "brand": "string",
    "description": "string",
    "regions": "array string",
    "categories": "array string",
    "nbroadcasts": "integer",
    "self_promo": "boolean",
    "url": "string",
    "related": "array integer",
    "cross_region_ads": "object",
}
COLUMNS: dict[str, dict[str, str]] = {
    "ads": {**ADS, "media": "object", "user_payload": "string"},
    "broadcasts": {
        "id": "integer",
        "time": "string date-time",
        "ad": "integer",
        "region": "string",
        "channel": "string",
        "block": "integer",
        "blockindex": "integer",
        "block_length": "integer",
        "pic_in_pic": "boolean",
        **PROGRAMME,
    },
    "blocks": {
        "id": "integer",
        "start": "string date-time",
        "finish": "string date-time",
        "updated": "string date-time",
        "region": "string",
        "channel": "string",
        "ads": "array object",
        **PROGRAMME,
    },
    "block_ads": {
        "block_id": "integer",
        "position": "integer",
        "ad_id": "integer",
        "region": "string",
        "channel": "string",
        "start": "string date-time",
        "updated": "string date-time",
    },
    "channels": {"region": "string", "channel": "string", "tracked": "boolean"},
    "regions": {"region": "string"},
    "categories": {"category": "string"},
    "brands": {"brand": "string"},
    "tv_genres": {"region": "string", "genre": "string", "subgenre": "string"},
    "broadcast_messages": {
        "broadcast_id": "integer",
        "push_type": "string",
        "timings_start": "string date-time",
        "timings_end": "string date-time",
        "timings_detected": "string date-time",
        "broadcast": "object",
        "ad": "object",
    },
}


def kinds(schema: dict[str, Any]) -> dict[str, str]:
    """Return the types of a schema's columns: without null, with the format or the type of items."""
    found = {}
    for name, column in schema["properties"].items():
        items = column.get("items", {}).get("type")
        parts = [*(kind for kind in column["type"] if kind != "null"), column.get("format"), items]
        found[name] = " ".join(filter(None, parts))
    return found


def declared(name: str) -> dict[str, Any]:
    """Read a schema file."""
    schema: dict[str, Any] = json.loads(files(schemas).joinpath(f"{name}.json").read_text(encoding="utf-8"))
    return schema


@pytest.mark.parametrize("settings", [{}, {"message_queue": True}, {"include_media": True, "regions": ["de"]}])
def test_all_ten_are_listed_whatever_the_settings(settings: dict[str, Any]) -> None:
    tap = TapSpotwatch(config={"api_key": "made-up", "start_date": "2024-06-01", **settings})
    assert tap.streams.keys() == STREAMS.keys()


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_as_the_table_says(name: str) -> None:
    path, keys, replication_key, method, on = STREAMS[name]
    tap = TapSpotwatch(validate_config=False)
    stream = tap.streams[name]
    entry = next(one for one in json.loads(tap.catalog_json_text)["streams"] if one["tap_stream_id"] == name)
    told = next(one["metadata"] for one in entry["metadata"] if one["breadcrumb"] == [])
    assert isinstance(stream, AdTechStream)
    assert (stream.path, tuple(stream.primary_keys), stream.replication_key) == (path, keys, replication_key)
    assert (entry["key_properties"], entry["replication_method"]) == (list(keys), method)
    assert told["selected"] is on
    assert stream.is_sorted is False


def test_there_is_one_schema_file_for_each_stream() -> None:
    names = {path.name for path in files(schemas).iterdir() if path.name.endswith(".json")}
    assert names == {f"{name}.json" for name in STREAMS}


@pytest.mark.parametrize("name", STREAMS)
def test_columns_are_those_of_the_table_described_and_null_but_for_keys(name: str) -> None:
    schema = declared(name)
    assert kinds(schema) == {**COLUMNS[name], "_extra": "object"}
    assert all(len(column["description"]) > 10 for column in schema["properties"].values())
    never_null = {key for key, column in schema["properties"].items() if "null" not in column["type"]}
    assert never_null == set(STREAMS[name][1]) == set(schema["required"])


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
    fields = {one.param("ad_fields") for one in spotwatch.journal if one.path == "/get-ads"}
    assert fields == {",".join([*ADS, *optional])}
    truth = spotwatch.truth("ads", last_day=spotwatch.last_day, include_media=media, include_user_payload=payload)
    assert run.by_key("ads", "id") == truth
    assert any(record.get("media") for record in truth) is media


@pytest.mark.parametrize(
    ("stream", "argument", "without", "expected"),
    [
        ("ads", "ad_fields", ["brand", "_extra", "related"], [one for one in ADS if one not in {"brand", "related"}]),
        ("ads", "ad_fields", list(ADS), ["id", "lastseen"]),
        ("broadcasts", "broadcast_fields", ["_extra", *COLUMNS["broadcasts"]], ["id", "time"]),
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
    assert "broadcasts" not in declared("ads")["properties"]


def test_without_a_catalog_the_streams_of_the_table_are_read(run_tap: TapRunner, spotwatch: SpotwatchSimulator) -> None:
    run = run_tap({**spotwatch.settings(), "end_date": "2024-06-08"})
    read = {one["stream"] for one in run.messages if one["type"] == "SCHEMA"}
    assert read == {name for name, (*_, on) in STREAMS.items() if on}
    assert spotwatch.violations == []


@pytest.mark.parametrize("selected", [("blocks",), ("block_ads",), ("blocks", "block_ads")])
def test_blocks_and_block_ads_are_selected_by_themselves(
    run_tap: TapRunner, spotwatch: SpotwatchSimulator, selected: tuple[str, ...]
) -> None:
    # when
    settings = {**spotwatch.settings(), "end_date": "2024-06-12", "page_size": 20}
    run = run_tap(settings, catalog=select(TapSpotwatch, *selected))
    # then: the rows of those selected, each with one SCHEMA, and the requests of blocks in each case
    for stream, key in (("blocks", ("id",)), ("block_ads", ("block_id", "position"))):
        truth = spotwatch.truth(stream, last_day=spotwatch.last_day)
        assert run.by_key(stream, *key) == (truth if stream in selected else [])
    assert [one["stream"] for one in run.messages if one["type"] == "SCHEMA"] == list(selected)
    firsts = [one for one in spotwatch.journal if one.path == "/get-blocks"]
    assert len(firsts) == 5
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
