"""What the tap offers: streams, keys, columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tap_springserve
from tap_springserve.tap import TapSpringServe

SCHEMAS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in (Path(tap_springserve.__file__).parent / "schemas").glob("*.json")
}
KEYSET = {
    *("supply_tags", "demand_tags", "creatives", "supply_labels", "demand_labels", "domain_lists", "app_bundle_lists"),
    *("app_name_lists", "deal_lists", "partner_segments", "bills", "geo_lists"),
}
ON = {
    *("supply_tags", "demand_tags", "creatives", "supply_labels", "demand_labels", "domain_lists", "app_bundle_lists"),
    *("campaigns", "supply_partners", "demand_partners", "supply_routers", "supply_daily", "demand_daily"),
}
KEYS = {
    "geo_lists": ["type", "id"],
    "domain_list_domains": ["domain_list_id", "name"],
    "app_bundle_list_app_bundles": ["app_bundle_list_id", "app_bundle"],
    "app_name_list_app_names": ["app_name_list_id", "app_name"],
    "key_values": ["key_id", "id"],
    "bill_items": ["bill_id", "id"],
    "demand_tag_priorities": ["supply_tag_id", "demand_tag_id", "tier"],
    "supply_daily": ["date", "supply_tag_id"],
    "demand_daily": ["date", "demand_tag_id"],
}


def catalog(**settings: Any) -> dict[str, dict[str, Any]]:
    """Return the entries of the catalog by stream."""
    tap = TapSpringServe(config=settings, validate_config=False)
    return {entry["tap_stream_id"]: entry for entry in json.loads(tap.catalog_json_text)["streams"]}


def test_streams_keys_and_methods_are_those_of_the_specification() -> None:
    entries = catalog()

    assert len(entries) == 28
    for name, entry in entries.items():
        report = name in {"supply_daily", "demand_daily"}
        assert (name, entry["key_properties"]) == (name, KEYS.get(name, ["id"]))
        replication = "updated_at" if name in KEYSET else "date" if report else None
        assert (name, entry.get("replication_key")) == (name, replication)
        assert entry["replication_method"] == ("INCREMENTAL" if replication else "FULL_TABLE")
        selected = next(one["metadata"] for one in entry["metadata"] if one["breadcrumb"] == [])
        assert (name, selected["selected-by-default"]) == (name, name in ON)


def test_with_v0_the_lists_of_both_versions_have_no_replication_key() -> None:
    incremental = {name for name, entry in catalog(resource_version="v0").items() if entry.get("replication_key")}

    assert incremental == {"geo_lists", "supply_daily", "demand_daily"}


def test_the_125_columns_of_supply_tags_are_there() -> None:
    # The newer spellings of two fields, and `_extra`, come on top.
    columns = set(SCHEMAS["supply_tags"]["properties"])
    newer = {"targeted_iab_tier2_category_white_list", "targeted_iab_tier2_categories", "_extra"}

    assert newer <= columns
    assert len(columns - newer) == 125


def test_every_column_has_a_description_and_only_keys_are_not_nullable() -> None:
    for name, schema in SCHEMAS.items():
        assert schema["required"] == KEYS.get(name, ["id"])
        assert schema["properties"]["_extra"]["type"] == ["object", "null"]
        for column, declared in schema["properties"].items():
            assert declared["description"].endswith("."), (name, column)
            assert ("null" in declared["type"]) == (column not in schema["required"]), (name, column)


def test_each_schema_belongs_to_a_stream() -> None:
    assert set(SCHEMAS) == set(catalog()) - {"supply_daily", "demand_daily"}


def test_columns_of_a_report_follow_from_its_dimensions_and_metrics() -> None:
    report = {
        "name": "mine",
        "interval": "cumulative",
        "dimensions": ["supply_tag_id", "device_brand", "supply_tag_name"],
        "metrics": ["revenue"],
    }

    properties = catalog(reports=[report])["mine"]["schema"]["properties"]

    assert {name: declared["type"] for name, declared in properties.items()} == {
        "date": ["string"],
        "end_date": ["string", "null"],
        "supply_tag_id": ["integer"],
        "device_brand": ["string"],
        "supply_tag_name": ["string"],
        "revenue": ["number", "null"],
        "_extra": ["object", "null"],
    }
    assert properties["date"]["format"] == "date"
