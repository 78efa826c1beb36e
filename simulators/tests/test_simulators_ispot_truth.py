"""iSpot: responses, flattened by the specification's rules, equal the expected records for all options."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from vendor_simulators.calls import call
from vendor_simulators.ispot import ISpotSimulator
from vendor_simulators.ispot.truth import INCLUDE

if TYPE_CHECKING:
    from vendor_simulators.pytest_plugin import Simulate

Record = dict[str, Any]

LISTS = {
    "brands": ("brand", "industry,parent"),
    "industries": ("industry", "parent"),
    "networks": ("network", ""),
    "shows": ("show", "genre,sub_genre"),
    "episodes": ("episode", "show"),
    "products": ("product", ""),
    "product_categories": ("product_category", "brand,industry,product"),
    "spots": ("spot", "brand,parent,type,children,products,events"),
    "celebrities": ("celebrity", ""),
    "movies": ("movie", ""),
    "events": ("event", ""),
    "users": ("user", ""),
    "account": ("account", ""),
    "notifications": ("notification", ""),
}
AIRINGS = {
    "audience_airings": "/metrics/audience/airings",
    "tv_airings": "/metrics/tv/airings",
    "attention_airings": "/metrics/attention/airings",
    "airings": "/airings",
}
VARIANTS: list[dict[str, Any]] = [
    {},
    {"links": "empty_list", "empty_total_pages": 0, "token_response": "token_only"},
    {"links": "null", "limit_headers": "delta", "too_many": "text"},
    {"links": "absent", "limit_headers": "none"},
    {"empty_to_one": "null_data"},
    {"empty_to_one": "null"},
    {"empty_to_one": "missing", "ids": "digits", "audience_numbers": "string"},
    {"catalogue_row": "wrapped", "account": "list", "airings_row": "bare"},
    {"catalogue_row": "wrapped", "empty_to_one": "missing", "ids": "digits"},
    {"markets": "number"},
    {"clamp_page_size": 7},
    {"ties": "stable"},
]
SEPARATE: list[dict[str, Any]] = [
    {"markets": "object"},
    {"markets": "wrapped", "ids": "digits"},
    {"product": "list", "ids": "digits"},
    {"rights": ("impressions", "attention")},
    {"undeclared": False, "extremes": False},
    {"empty_days": (date(2024, 3, 9), date(2024, 3, 10), date(2024, 3, 11))},
]


def read(simulator: ISpotSimulator, path: str, params: Record) -> list[Record]:
    """Read all pages of an endpoint, with exact numbers."""
    headers = {"Authorization": f"Bearer {simulator.tokens.issue()}"}
    rows: list[Record] = []
    number = pages = 1
    while number <= pages:
        page = {"page[number]": number, "page[size]": 100, **params}
        reply = call(simulator.url, f"/v4{path}", params=page, headers=headers)
        assert reply.status == 200, reply.body
        body = json.loads(reply.body, parse_float=Decimal)
        rows += body["data"] if isinstance(body["data"], list) else [body["data"]]
        pages = body["meta"]["pagination"]["total_pages"]
        number += 1
    return rows


def flatten(value: Record, prefix: str = "") -> Record:
    """Flatten an object by section 5.2: unwrap, join names with an underscore, turn empty objects into None."""
    flat: Record = {}
    for name, item in value.items():
        column = f"{prefix}{name}"
        inner = item["data"] if isinstance(item, dict) and set(item) <= {"data", "meta", "links"} else item
        if isinstance(inner, dict):
            flat |= flatten(inner, f"{column}_")
        elif column in ("children", "products", "events") or (isinstance(inner, list) and inner):
            flat[column] = [flatten(entry) for entry in inner]
        elif inner is not None and inner != []:
            flat[column] = inner
    return flat


def typed(flat: Record, columns: set[str]) -> Record:
    """Convert a flat row to the columns and types of sections 5.3 and 5.4; other fields go to `_extra`."""
    record: Record = dict.fromkeys(columns)
    extra = {name: value for name, value in flat.items() if name not in columns}
    for name, value in flat.items():
        if name not in columns:
            continue
        if name == "airing_id":
            record[name] = str(value)
        elif name == "id" or (name.endswith("_id") and name not in {"spot_custom_id", "custom_id"}):
            record[name] = int(value)
        elif name in ("airing_pod", "airing_pod_order"):
            record[name] = int(value) if value else None
        elif name in ("airing_spend_estimated", "airing_media_value") or name.startswith(
            ("audience_", "attention_", "view_")
        ):
            record[name] = Decimal(value)
        elif name in ("airing_dma", "airing_mso"):
            record[name] = str(value)
        else:
            record[name] = value
    record["_extra"] = extra or None
    return record


def expected_airings(
    simulator: ISpotSimulator, stream: str, include: tuple[str, ...] = INCLUDE
) -> tuple[list[Record], list[Record]]:
    rows = read(
        simulator,
        AIRINGS[stream],
        {
            "filter[start_date]": simulator.first_day,
            "filter[end_date]": simulator.last_day,
            "filter[airing_type]": "N,R",
            "filter[national_only]": 1,
            "include": ",".join(include),
            "sort": "airing_date_et,id",
        },
    )
    truth = simulator.truth(stream, include=include)
    columns = set(truth[0]) if truth else set()
    records = []
    for row in rows:
        flat = flatten(row)
        if "airing" not in row:
            flat = {f"airing_{name}" if name in row and name not in INCLUDE else name: v for name, v in flat.items()}
            flat = {(f"airing_{name}" if name.startswith(("dma_", "mso_")) else name): v for name, v in flat.items()}
        records.append(typed(flat, columns))
    return sorted(records, key=lambda record: str(record["airing_id"])), truth


def expected_list(simulator: ISpotSimulator, stream: str) -> tuple[list[Record], list[Record]]:
    wrapper, include = LISTS[stream]
    params: Record = {} if stream == "account" else {"sort": "id"}
    if include:
        params["include"] = include
    if stream in ("brands", "industries"):
        params["filter[access]"] = 1
    if stream == "spots":
        params |= {"filter[start_date]": simulator.first_day, "filter[end_date]": simulator.last_day}
    rows = read(simulator, f"/{stream.replace('_', '-')}", params)
    truth = simulator.truth(stream)
    columns = set(truth[0]) if truth else set()
    records = []
    for row in rows:
        own = row.pop(wrapper, None) if isinstance(row.get(wrapper), dict) and "id" not in row else None
        records.append(typed(flatten((own["data"] if own else {}) | row), columns))
    return sorted(records, key=lambda record: int(record["id"])), truth


@pytest.mark.parametrize("options", VARIANTS + SEPARATE, ids=str)
def test_flattened_rows_equal_the_truth(simulate: Simulate, options: dict[str, Any]) -> None:
    # Given three days around a clock change in one of the variants
    simulator = simulate(ISpotSimulator(first_day=date(2024, 3, 9), days=3, rows_per_day=35, **options))

    # When every stream is read and flattened by the rules of the specification
    read_and_true = {stream: expected_airings(simulator, stream) for stream in AIRINGS}
    read_and_true |= {stream: expected_list(simulator, stream) for stream in LISTS}

    # Then the records are equal, and no request was a violation
    for stream, (found, truth) in read_and_true.items():
        assert found == truth, stream
    assert simulator.violations == []


@pytest.mark.parametrize("empty_to_one", ["empty_list", "null_data", "null", "missing"])
def test_parents_inside_brands_and_industries_equal_the_truth(simulate: Simulate, empty_to_one: str) -> None:
    # Given two days, in each variant of a missing parent
    simulator = simulate(ISpotSimulator(days=2, rows_per_day=60, empty_to_one=empty_to_one, ids="digits"))

    # When rows are read with parents inside, and then with other includes
    parents, truth = expected_airings(simulator, "tv_airings", ("brand.parent", "industry.parent", "show"))
    brands, other_truth = expected_airings(simulator, "tv_airings", ("brand", "industry"))

    # Then both equal the expected records, and only the first have parents
    assert parents == truth
    assert brands == other_truth
    assert len({record["brand_parent_name"] for record in parents}) > 2
    assert None in {record["brand_parent_name"] for record in parents}
    assert {record["brand_parent_name"] for record in brands} == {None}


@pytest.mark.parametrize("options", VARIANTS[1:], ids=str)
def test_truth_does_not_depend_on_the_options(options: dict[str, Any]) -> None:
    # Given the default options and a variant, over the same days
    first = ISpotSimulator(first_day=date(2024, 3, 9), days=3, rows_per_day=35)
    variant = ISpotSimulator(first_day=date(2024, 3, 9), days=3, rows_per_day=35, **options)

    # Then both have the same expected records
    for stream in [*AIRINGS, *LISTS, "access", "airing_updates"]:
        assert variant.truth(stream) == first.truth(stream)
        assert len(first.truth(stream)) > 0


def test_access_keys_are_digests_of_the_rows_as_sent(simulate: Simulate) -> None:
    # Given the variant that could change the row
    simulator = simulate(ISpotSimulator(days=1, ids="digits", catalogue_row="wrapped"))

    # When the rows are read and digested
    rows = read(simulator, "/access", {})
    keys = [hashlib.sha256(json.dumps(row, sort_keys=True, separators=(",", ":")).encode()).hexdigest() for row in rows]

    # Then the keys are these digests
    truth = simulator.truth("access")
    assert sorted(keys) == [record["access_key"] for record in truth]
    assert {record["name"]: record["_extra"] for record in truth} == {
        row["name"]: {"since": row["since"]} for row in rows
    }


def test_identical_updates_give_one_record(simulate: Simulate) -> None:
    # Given two days, on one of which a deletion is reported twice
    simulator = simulate(ISpotSimulator(first_day=date(2024, 3, 9), days=2, rows_per_day=60))
    found = []
    count = 0

    # When each day is read
    for day in (date(2024, 3, 9), date(2024, 3, 10)):
        params = {"filter[start_date]": day, "filter[end_date]": day, "filter[airing_type]": "N,R"}
        for row in read(simulator, "/airings/updates", {**params, "filter[national_only]": 1}):
            count += 1
            digest = hashlib.sha256(json.dumps(row, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
            extra = {name: value for name, value in flatten(row).items() if name[:4] in ("old_", "new_")}
            record = {"update_date": str(day), "update_key": digest, "airing_id": row["id"], "status": row["status"]}
            record |= {"airing_aired_at_et": row["aired_at_et"], "_extra": extra}
            if record not in found:
                found.append(record)

    # Then the distinct rows are the expected records
    found.sort(key=lambda record: (record["update_date"], record["update_key"]))
    assert simulator.truth("airing_updates") == found
    assert count == len(found) + 1
    assert {record["status"] for record in found} == {"updated", "deleted"}


def test_truth_depends_on_the_settings_of_a_tap() -> None:
    # Given two days
    simulator = ISpotSimulator(first_day=date(2024, 3, 9), days=2, rows_per_day=100)
    everything = simulator.truth("tv_airings", airing_types=(), national_only=False)
    assert len(everything) == 200

    # When settings select rows, then these rows remain
    assert simulator.truth("tv_airings", first_day=date(2024, 3, 10), airing_types=(), national_only=False) == [
        record for record in everything if record["airing_aired_at_et"].startswith("2024-03-10")
    ]
    assert simulator.truth("tv_airings", airing_types=("L", "SC"), national_only=False) == [
        record for record in everything if record["airing_type"] in ("Local", "Spot Cable")
    ]
    assert simulator.truth("tv_airings", airing_types=(), national_only=False, brand_ids=(2002,)) == [
        record for record in everything if record["brand_id"] == 2002
    ]
    assert simulator.truth("tv_airings", airing_types=(), national_only=False, network_ids=(300, 301)) == [
        record for record in everything if record["network_id"] in (300, 301)
    ]
    industry = everything[0]["industry_id"]
    assert simulator.truth("tv_airings", airing_types=(), national_only=False, industry_ids=(industry,)) == [
        record for record in everything if record["industry_id"] == industry
    ]
    nested = simulator.truth("tv_airings", include=("brand.parent", "industry.parent"))
    assert {record["industry_parent_name"] for record in nested} > {"Technology"}
    assert {record["show_id"] for record in nested} == {None}
    assert len(simulator.truth("brands", accessible_only=False)) > len(simulator.truth("brands"))
    with pytest.raises(ValueError, match="no stream 'rubbish'"):
        simulator.truth("rubbish")
