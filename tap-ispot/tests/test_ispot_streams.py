"""The list of streams, their schemas and the request budgets, against tables that are written out here by hand."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest
from tap_ispot import schemas
from tap_ispot.client import FAMILIES, ISpotStream
from tap_ispot.tap import TapISpot

AIRED, INC, FULL = "airing_aired_at_et", "INCREMENTAL", "FULL_TABLE"

# name: path, primary key, replication key, method, on by default
STREAMS: dict[str, tuple[str, tuple[str, ...], str | None, str, bool]] = {
    "audience_airings": ("/metrics/audience/airings", ("airing_id",), AIRED, INC, True),
    "tv_airings": ("/metrics/tv/airings", ("airing_id",), AIRED, INC, False),
    "attention_airings": ("/metrics/attention/airings", ("airing_id",), AIRED, INC, False),
    "airings": ("/airings", ("airing_id",), AIRED, INC, False),
    "airing_updates": ("/airings/updates", ("update_date", "update_key"), "update_date", INC, False),
    "brands": ("/brands", ("id",), None, FULL, True),
    "industries": ("/industries", ("id",), None, FULL, True),
    "networks": ("/networks", ("id",), None, FULL, True),
    "shows": ("/shows", ("id",), None, FULL, True),
    "products": ("/products", ("id",), None, FULL, True),
    "product_categories": ("/product-categories", ("id",), None, FULL, True),
    "spots": ("/spots", ("id",), None, FULL, True),
    "celebrities": ("/celebrities", ("id",), None, FULL, True),
    "movies": ("/movies", ("id",), None, FULL, True),
    "events": ("/events", ("id",), None, FULL, True),
    "episodes": ("/episodes", ("id",), None, FULL, False),
    "account": ("/account", ("id",), None, FULL, False),
    "users": ("/users", ("id",), None, FULL, False),
    "access": ("/access", ("access_key",), None, FULL, False),
    "notifications": ("/notifications", ("id",), None, FULL, False),
}

# column: JSON type, of all four airing streams
AIRING_COLUMNS = {
    "airing_id": "string",
    "airing_type": "string",
    "airing_aired_at_et": "string date-time",
    "airing_aired_at_pt": "string date-time",
    "airing_pod": "integer",
    "airing_pod_order": "integer",
    "airing_pod_position": "string",
    "airing_pod_position_abmyz": "string",
    "airing_pod_position_fm1": "string",
    "airing_dma": "string",
    "airing_dma_id": "integer",
    "airing_dma_name": "string",
    "airing_mso": "string",
    "airing_mso_id": "integer",
    "airing_mso_name": "string",
    "airing_spend_estimated": "number",
    "airing_media_value": "number",
    "spot_id": "integer",
    "spot_title": "string",
    "spot_title_short": "string",
    "spot_title_custom": "string",
    "spot_custom_id": "string",
    "spot_description": "string",
    "spot_slug": "string",
    "spot_hash": "string",
    "creative_id": "integer",
    "creative_spot_id": "integer",
    "creative_title": "string",
    "creative_title_short": "string",
    "creative_slug": "string",
    "creative_airing_date_first_et": "string",
    "brand_id": "integer",
    "brand_name": "string",
    "brand_slug": "string",
    "brand_parent_id": "integer",
    "brand_parent_name": "string",
    "parent_brand_id": "integer",
    "parent_brand_name": "string",
    "parent_brand_slug": "string",
    "industry_id": "integer",
    "industry_name": "string",
    "industry_slug": "string",
    "industry_parent_id": "integer",
    "industry_parent_name": "string",
    "network_id": "integer",
    "network_name": "string",
    "network_call_sign": "string",
    "network_language": "string",
    "network_brand_id": "integer",
    "show_id": "integer",
    "show_title": "string",
    "show_name": "string",
    "episode_id": "integer",
    "episode_title": "string",
    "episode_name": "string",
    "genre_id": "integer",
    "genre_name": "string",
    "sub_genre_id": "integer",
    "sub_genre_name": "string",
    "day_part_id": "integer",
    "day_part_name": "string",
    "day_of_week_id": "integer",
    "day_of_week_name": "string",
    "product_id": "integer",
    "product_name": "string",
    "_extra": "object",
}
AUDIENCE_COLUMNS = {
    "audience_impressions": "number",
    "audience_impressions_raw": "number",
    "audience_impressions_per_airing": "number",
    "audience_impressions_national_live": "number",
    "audience_impressions_national_linear": "number",
}
ATTENTION_COLUMNS = {"attention_completed": "number", "view_completion_rate_interruption": "number"}

# Beside `id` and `_extra`; `*_id` is an integer and the rest strings, but for the arrays of spots.
LISTS = {
    "brands": "name slug industry_id industry_name parent_id parent_name",
    "industries": "name slug parent_id parent_name",
    "networks": "name call_sign language brand_id",
    "shows": "title name slug genre_id genre_name sub_genre_id sub_genre_name",
    "episodes": "title name slug show_id show_title show_name",
    "products": "name slug",
    "product_categories": "name slug brand_id brand_name industry_id industry_name product_id product_name",
    "spots": "title title_short title_custom custom_id description slug hash brand_id brand_name parent_id "
    "parent_title type_id type_name children products events",
    "celebrities": "name slug",
    "movies": "title name slug",
    "events": "title name slug",
    "users": "name email",
    "account": "name",
    "notifications": "",
}

LIMITS = {
    "/access": [(100, 900)],
    "/account": [(100, 900)],
    "/airings": [(50, 60)],
    "/airings/updates": [(50, 60)],
    "/metrics/audience/airings": [(25, 10), (75, 60)],
    "/metrics/tv/airings": [(25, 10), (50, 60)],
    "/metrics/attention/airings": [(10, 10)],
    "/industries": [(50, 300)],
    "/notifications": [(100, 60)],
    **{
        f"/{name}": [(50, 60)]
        for name in (
            "brands",
            "celebrities",
            "episodes",
            "events",
            "movies",
            "networks",
            "product-categories",
            "products",
            "shows",
            "spots",
            "users",
        )
    },
}


@pytest.fixture(scope="module")
def discovered() -> dict[str, dict[str, Any]]:
    """The catalog of a tap without any setting."""
    catalog = json.loads(TapISpot(validate_config=False).catalog_json_text)
    return {entry["tap_stream_id"]: entry for entry in catalog["streams"]}


def metadata(entry: dict[str, Any]) -> dict[str, Any]:
    """Return what a catalog says of a whole stream."""
    found: dict[str, Any] = next(one["metadata"] for one in entry["metadata"] if one["breadcrumb"] == [])
    return found


def test_discovery_needs_no_settings_and_lists_the_streams_of_the_table(
    discovered: dict[str, dict[str, Any]],
) -> None:
    assert discovered.keys() == STREAMS.keys()
    assert len(discovered) == 20


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_as_the_table_says(discovered: dict[str, dict[str, Any]], name: str) -> None:
    path, keys, replication_key, method, on = STREAMS[name]
    stream = TapISpot(validate_config=False).streams[name]
    assert isinstance(stream, ISpotStream)
    told = metadata(discovered[name])
    assert (stream.path, tuple(stream.primary_keys), stream.replication_key) == (path, keys, replication_key)
    assert discovered[name]["key_properties"] == list(keys)
    assert discovered[name].get("replication_key") == replication_key
    assert discovered[name]["replication_method"] == method
    assert told["selected"] is on
    assert told["table-key-properties"] == list(keys)


def declared(name: str) -> dict[str, Any]:
    """Read a schema file."""
    schema: dict[str, Any] = json.loads(files(schemas).joinpath(f"{name}.json").read_text(encoding="utf-8"))
    return schema


def kinds(schema: dict[str, Any]) -> dict[str, str]:
    """Return the types of a schema's columns, `null` left out and the format added."""
    return {
        name: " ".join([*(kind for kind in column["type"] if kind != "null"), *filter(None, [column.get("format")])])
        for name, column in schema["properties"].items()
    }


def test_there_is_one_schema_file_for_each_stream() -> None:
    assert {
        path.name.removesuffix(".json") for path in files(schemas).iterdir() if path.name.endswith(".json")
    } == STREAMS.keys()


@pytest.mark.parametrize("name", STREAMS)
def test_each_column_is_described_and_only_keys_are_never_null(name: str) -> None:
    schema = declared(name)
    never_null = {*STREAMS[name][1], *filter(None, [STREAMS[name][2]])}
    assert all(len(column["description"]) > 10 for column in schema["properties"].values())
    assert {key for key, column in schema["properties"].items() if "null" not in column["type"]} == never_null
    assert set(schema["required"]) == never_null
    assert schema["properties"]["_extra"]["type"] == ["object", "null"]


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("airings", AIRING_COLUMNS),
        ("tv_airings", AIRING_COLUMNS),
        ("audience_airings", AIRING_COLUMNS | AUDIENCE_COLUMNS),
        ("attention_airings", AIRING_COLUMNS | AUDIENCE_COLUMNS | ATTENTION_COLUMNS),
    ],
)
def test_airing_streams_have_the_columns_of_the_table(name: str, columns: dict[str, str]) -> None:
    assert kinds(declared(name)) == columns


@pytest.mark.parametrize("name", LISTS)
def test_lists_have_the_columns_of_the_table(name: str) -> None:
    def kind(column: str) -> str:
        if column in {"children", "products", "events"}:
            return "array"
        return "integer" if column.endswith("_id") and column != "custom_id" else "string"

    assert kinds(declared(name)) == {
        "id": "integer",
        **{column: kind(column) for column in LISTS[name].split()},
        "_extra": "object",
    }


def test_access_and_updates_have_the_columns_of_the_table() -> None:
    assert kinds(declared("access")) == {
        "access_key": "string",
        "id": "integer",
        "name": "string",
        "_extra": "object",
    }
    assert kinds(declared("airing_updates")) == {
        "update_date": "string date",
        "update_key": "string",
        "airing_id": "string",
        "status": "string",
        "airing_aired_at_et": "string date-time",
        "_extra": "object",
    }


@pytest.mark.parametrize("path", LIMITS)
def test_each_path_has_the_budget_of_the_table(path: str) -> None:
    families = [family for family in FAMILIES if family.covers(path)]
    assert len(families) == 1
    assert [(limit.requests, limit.seconds) for limit in families[0].limits] == LIMITS[path]


def test_every_stream_is_in_a_family_and_airings_share_theirs() -> None:
    assert {path for path, *_ in STREAMS.values()} == LIMITS.keys()
    shared = [family.name for family in FAMILIES if family.covers("/airings") or family.covers("/airings/updates")]
    assert shared == ["airings"]
    assert not [family.name for family in FAMILIES if family.covers("/oauth2/token")]
