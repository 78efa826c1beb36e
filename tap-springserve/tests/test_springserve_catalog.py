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


def catalog(**settings: Any) -> dict[str, dict[str, Any]]:
    """Return the entries of the catalog by stream."""
    tap = TapSpringServe(config=settings, validate_config=False)
    return {entry["tap_stream_id"]: entry for entry in json.loads(tap.catalog_json_text)["streams"]}


def test_with_v0_the_lists_of_both_versions_have_no_replication_key() -> None:
    incremental = {name for name, entry in catalog(resource_version="v0").items() if entry.get("replication_key")}

    assert incremental == {"geo_lists", "supply_daily", "demand_daily"}


def test_the_125_columns_of_supply_tags_are_there() -> None:
    # The newer spellings of two fields, and `_extra`, come on top.
    columns = set(SCHEMAS["supply_tags"]["properties"])
    newer = {"targeted_iab_tier2_category_white_list", "targeted_iab_tier2_categories", "_extra"}

    assert newer <= columns
    assert len(columns - newer) == 125


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
