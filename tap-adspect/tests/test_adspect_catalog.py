"""The list of streams and their schemas, against tables that are written out here by hand."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest
from tap_adspect import schemas
from tap_adspect.tap import TapAdspect

INC, FULL = "INCREMENTAL", "FULL_TABLE"

# name: primary key, replication key, method, on by default
STREAMS: dict[str, tuple[tuple[str, ...], str | None, str, bool]] = {
    "streams": (("stream_id",), None, FULL, True),
    "account": (("account_id",), None, FULL, True),
    "saved_queries": (("query_id",), None, FULL, True),
    "funnel_daily": (("date", "stream_id"), "date", INC, True),
    "click_log": (("_row_key",), "timestamp", INC, False),
    "stream_ip_lists": (("stream_id", "list_type", "entry"), None, FULL, False),
    "account_ip_lists": (("list_type", "entry"), None, FULL, False),
    "collections": (("collection", "value"), None, FULL, False),
}

# column: type, of those that are no text
TYPES: dict[str, dict[str, str]] = {
    "streams": {
        **dict.fromkeys(
            ["tags", "countries", "os", "browsers", "engines", "languages", "ua_blacklist", "ua_whitelist"],
            "array string",
        ),
        **dict.fromkeys(["money_pages", "safe_pages", "url_rules", "schedule"], "array object"),
        **dict.fromkeys(["skip_clicks", "extrapolate_ipv4", "extrapolate_ipv6"], "integer"),
        **dict.fromkeys(
            [
                "enable_fp",
                "enable_ua",
                "require_unique",
                "require_touch",
                "allow_apps",
                "allow_embed",
                "require_language",
                "ip_on_review",
                "tz_match_ip",
            ],
            "boolean",
        ),
        "timezones": "array integer",
    },
    "account": {
        "balance": "number",
        **dict.fromkeys(["expires", "expires_comsign", "comsign_limit", "comsign_extra_limit"], "integer"),
    },
    "saved_queries": {
        **dict.fromkeys(
            [
                "group_by",
                "stream_id",
                "ip_address",
                "asn",
                "country_code",
                "os",
                "browser",
                "engine",
                "sub_id",
                "click_id",
                "mode",
            ],
            "array string",
        ),
        "target": "array integer",
    },
    "click_log": {
        "timestamp": "string date-time",
        **dict.fromkeys(["asn", "sequence", "target"], "integer"),
        "cost": "number",
        **dict.fromkeys(["languages", "tags"], "array string"),
    },
}

COLUMNS: dict[str, str] = {
    "streams": "stream_id account_id name tags mode notes money_pages rotator safe_pages skip_clicks skip_clicks_mode "
    "filter_level enable_fp enable_ua require_unique require_touch allow_apps allow_embed countries os browsers "
    "engines languages require_language sub_id click_id click_cost ip_list_mode ua_list_mode ip_on_review "
    "extrapolate_ipv4 extrapolate_ipv6 ua_blacklist ua_whitelist referer_regex url_rules schedule timezones "
    "tz_match_ip _extra",
    "account": "account_id email telegram language timezone balance expires expires_comsign comsign_limit "
    "comsign_extra_limit _extra",
    "saved_queries": "query_id owner_id date_from date_to time_zone group_by stream_id ip_address country_code os "
    "browser engine sub_id click_id mode asn target _extra",
    "click_log": "_row_key timestamp ip_address asn account_id stream_id country_code os browser engine languages cost "
    "sub_id click_id mode sequence target tags _extra",
    "stream_ip_lists": "stream_id list_type entry",
    "account_ip_lists": "list_type entry",
    "collections": "collection value label _extra",
}


@pytest.fixture(scope="module")
def discovered() -> dict[str, dict[str, Any]]:
    """The catalog of a tap without any setting."""
    catalog = json.loads(TapAdspect(validate_config=False).catalog_json_text)
    return {entry["tap_stream_id"]: entry for entry in catalog["streams"]}


def test_the_streams_are_those_of_the_table(discovered: dict[str, dict[str, Any]]) -> None:
    assert discovered.keys() == STREAMS.keys()


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_as_the_table_says(discovered: dict[str, dict[str, Any]], name: str) -> None:
    keys, replication_key, method, on = STREAMS[name]
    told = next(one["metadata"] for one in discovered[name]["metadata"] if one["breadcrumb"] == [])
    assert discovered[name]["key_properties"] == list(keys)
    assert discovered[name].get("replication_key") == replication_key
    assert discovered[name]["replication_method"] == method
    assert told["selected"] is on


def kind(column: dict[str, Any]) -> str:
    """Return a column's type, `null` left out, with its format or the type of its items."""
    [name] = [one for one in column["type"] if one != "null"]
    beside = column.get("format") or column.get("items", {}).get("type")
    return f"{name} {beside}" if beside else str(name)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_schema_is_as_the_table_says(name: str) -> None:
    schema = json.loads(files(schemas).joinpath(f"{name}.json").read_text(encoding="utf-8"))
    columns = COLUMNS[name].split()
    types = {"_extra": "object", **TYPES.get(name, {})}
    assert {column: kind(one) for column, one in schema["properties"].items()} == {
        column: types.get(column, "string") for column in columns
    }
    keys, replication_key, _, _ = STREAMS[name]
    never_null = {*keys, *filter(None, [replication_key])}
    assert {column for column, one in schema["properties"].items() if "null" not in one["type"]} == never_null
    assert set(schema["required"]) == never_null
    assert all(len(one["description"]) > 10 for one in schema["properties"].values())


def test_there_is_one_schema_file_for_each_stream_that_no_report_makes() -> None:
    names = {path.name for path in files(schemas).iterdir() if path.name.endswith(".json")}
    assert names == {f"{name}.json" for name in COLUMNS}
