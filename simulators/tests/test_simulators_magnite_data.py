"""Magnite data and expected records."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from vendor_simulators.magnite import MagniteSimulator
from vendor_simulators.magnite.definitions import read_definition

BEYOND = 2**53 + 1


def simulator(**options: Any) -> MagniteSimulator:
    """Return a simulator of four days that is not served."""
    return MagniteSimulator(first_day=date(2025, 3, 1), days=4, rows_per_day=60, **options)


def digest(key: list[list[Any]]) -> str:
    """Return the key of a row as in the specification."""
    return hashlib.sha256(json.dumps(key, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def test_the_same_seed_gives_the_same_data() -> None:
    assert simulator().truth("adstats_daily") == simulator().truth("adstats_daily")
    assert simulator().truth("adstats_daily") != simulator(seed=8).truth("adstats_daily")


def test_a_day_does_not_depend_on_the_range() -> None:
    one = simulator()
    whole = one.truth("adstats_daily")
    parts = [
        record
        for day in range(1, 5)
        for record in one.truth("adstats_daily", first_day=date(2025, 3, day), last_day=date(2025, 3, day))
    ]
    assert sorted(parts, key=lambda record: record["row_key"]) == whole
    assert len(whole) == 4 * 60


def test_a_record_of_the_report() -> None:
    record = next(one for one in simulator().truth("adstats_daily") if one["adUnitIdLink"] == 1002)
    assert record["row_key"] == digest(
        [
            ["adUnit", "id", "1002"],
            ["currency", "id", "1"],
            ["day", "value", record["day"]],
            ["publisher", "id", str(record["publisherIdLink"])],
            ["supply", "id", str(record["supplyIdLink"])],
        ]
    )
    assert (record["currency"], record["currencyId"]) == ("USD", 1)
    assert isinstance(record["netRevenue"], Decimal)


def test_ad_units_with_the_same_name_have_rows_every_day() -> None:
    records = [one for one in simulator().truth("adstats_daily") if one["adUnitIdLink"] in {1002, 1003}]
    assert len({record["adUnit"] for record in records}) == 1
    assert len({(record["day"], record["adUnitIdLink"]) for record in records}) == 8
    assert simulator(missing_ids="always").inventory.by_id["ad_units"][1003].name.endswith("1003")


@pytest.mark.parametrize(
    ("option", "some", "others"), [("few", True, True), ("never", False, True), ("always", True, False)]
)
def test_identifiers_may_be_missing(option: str, some: bool, others: bool) -> None:  # noqa: FBT001 - a table of cases
    records = simulator(missing_ids=option).truth("adstats_daily")
    assert any(record["adUnitIdLink"] is None for record in records) is some
    assert any(record["adUnitIdLink"] is not None for record in records) is others
    assert len({record["row_key"] for record in records}) == len(records)


def sent(one: MagniteSimulator, **definition: Any) -> list[dict[str, Any]]:
    """Return the rows sent for a query over all days, with numbers as decimals."""
    whole = {
        "source": "adstats-publisher",
        "fields": ["day", "publisher", "supply", "adUnit", "currency", "requests", "netRevenue", "grossRevenue"],
        "range": {"fromDate": "2025-03-01", "toDate": "2025-03-04"},
        **definition,
    }
    rows = one.warehouse.rows(read_definition(whole, today=one.last_day))
    found: list[dict[str, Any]] = json.loads(one.results.json(rows), parse_float=Decimal)
    return found


def test_rows_have_all_documented_shapes() -> None:
    rows = sent(simulator())
    assert any(row.get("adUnitIdLink", 0) is None for row in rows)
    assert any("adUnitIdLink" not in row for row in rows)
    assert any(isinstance(row["requests"], str) for row in rows)
    assert any(isinstance(row["netRevenue"], Decimal) for row in rows)
    assert any(row["grossRevenue"] is None for row in rows)
    assert any("dataVersion" in row for row in rows)
    assert any(row.get("adUnitIdLink") == BEYOND for row in rows)
    assert any(Decimal(row["netRevenue"]) >= Decimal("123456789012345678.901234") for row in rows)
    assert [list(row) for row in rows] == [sorted(row) for row in rows]


@pytest.mark.parametrize(("option", "kinds"), [("strings", {str}), ("numbers", {int}), ("mixed", {str, int})])
def test_metrics_are_text_or_numbers(option: str, kinds: set[type]) -> None:
    assert {type(row["requests"]) for row in sent(simulator(metrics=option))} == kinds


def test_the_time_zone_defines_the_days() -> None:
    # Given all facts by UTC day and hour
    one, hours = simulator(), {"fields": ["day", "hour", "requests"]}
    days = {"fromDate": "2025-03-02", "toDate": "2025-03-02"}
    # When one day of Tokyo (UTC+9) is requested
    tokyo = sent(one, **hours, range={**days, "timeZone": "Asia/Tokyo"})
    # Then it has the facts from 15:00 of the day before to 14:00, with the hours of Tokyo
    utc = sent(one, **hours, range={"fromDate": "2025-03-01", "toDate": "2025-03-02"})
    expected = [
        {"day": "2025-03-02", "hour": (row["hour"] + 9) % 24, "requests": int(row["requests"])}
        for row in utc
        if (row["day"] == "2025-03-01") == (row["hour"] >= 15)
    ]
    found = [{**row, "requests": int(row["requests"])} for row in tokyo]
    assert [{name: row[name] for name in expected[0]} for row in sorted(found, key=lambda row: row["hour"])] == sorted(
        expected, key=lambda row: row["hour"]
    )


def test_filters_and_constraints() -> None:
    one = simulator()
    everything = sent(one)
    only = sent(one, filters=[{"field": "publisher", "negate": False, "value": [4000]}])
    others = sent(one, filters=[{"field": "publisher", "negate": "true", "value": [4000]}])
    assert {row["publisherIdLink"] for row in only} == {4000}
    assert 4000 not in {row["publisherIdLink"] for row in others}
    assert len(only) + len(others) == len(everything)
    many = sent(one, constraints=[{"field": "requests", "operator": ">=", "value": 5000}])
    few = sent(one, constraints=[{"field": "requests", "operator": "<", "value": 5000}])
    assert min(int(row["requests"]) for row in many) >= 5000
    assert len(many) + len(few) == len(everything)


def test_named_ranges() -> None:
    today = date(2025, 3, 12)  # a Wednesday
    names = {
        "today": ("2025-03-12", "2025-03-12"),
        "yesterday": ("2025-03-11", "2025-03-11"),
        "thisWeek": ("2025-03-10", "2025-03-12"),
        "lastWeek": ("2025-03-03", "2025-03-09"),
        "thisMonth": ("2025-03-01", "2025-03-12"),
        "lastMonth": ("2025-02-01", "2025-02-28"),
        "lastSevenDays": ("2025-03-05", "2025-03-11"),
        "lastThirtyDays": ("2025-02-10", "2025-03-11"),
    }
    for name, days in names.items():
        definition = {"source": "adstats-publisher", "fields": ["day"], "range": {"range": name}}
        query = read_definition(definition, today=today)
        assert (name, query.first_day.isoformat(), query.last_day.isoformat()) == (name, *days)


def test_a_restatement_changes_and_adds_rows() -> None:
    one = simulator()
    before = {record["row_key"]: record for record in one.truth("adstats_daily")}
    restated = one.restate(seed=3, days=2)
    after = {record["row_key"]: record for record in one.truth("adstats_daily")}
    assert set(restated.added) == after.keys() - before.keys()
    assert set(restated.changed) == {key for key in before if before[key] != after[key]}
    assert len(restated.added) == 2
    assert len(restated.changed) >= 2
    assert {after[str(key)]["day"] for key in [*restated.changed, *restated.added]} == {"2025-03-03", "2025-03-04"}


def test_empty_days_have_no_rows() -> None:
    records = simulator(empty_days=(date(2025, 3, 2),)).truth("adstats_daily")
    assert {record["day"] for record in records} == {"2025-03-01", "2025-03-03", "2025-03-04"}


def test_details_add_fields() -> None:
    one = simulator()
    listed, whole = one.truth("supply"), one.truth("supply", details=True)
    assert [record["domain"] for record in listed] == [None] * 12
    assert whole[0]["creationDate"] == "2014-06-04T04:49:27.000+00:00"
    assert any(record["_extra"] for record in whole)
    assert [record["id"] for record in whole] == sorted(record["id"] for record in whole)
    assert (whole[0]["seat_id"], whole[0]["publisher_id"], whole[0]["brand_id"]) == (5000, 4000, 3000)


@pytest.mark.parametrize(
    ("option", "names"),
    [("updateDate", {"updateDate"}), ("lastUpdated", {"lastUpdated"}), ("both", {"updateDate", "lastUpdated"})],
)
def test_the_date_of_the_last_change_may_have_either_name(option: str, names: set[str]) -> None:
    record = simulator(updated_name=option).truth("brands", details=True)[0]
    assert {name for name in ("updateDate", "lastUpdated") if record[name]} == names


def test_metadata() -> None:
    one = simulator(source_ids="absent", undeclared=False)
    assert one.truth("query_sources")[0] == {"name": "adstats-publisher", "id": None, "_extra": None}
    assert {record["source"] for record in one.truth("query_metrics")} == {
        *("adstats-publisher", "deals-publisher", "platform-adsource-publisher", "platform-supply-publisher")
    }


@pytest.mark.parametrize("source", ["adstats-publisher", "deals-publisher"])
def test_all_fields_of_a_source_have_values(source: str) -> None:
    # Given the fields of public clients
    one = simulator()
    fields = {
        kind: [row["id"] for row in one.truth(f"query_{kind}") if row["source"] == source]
        for kind in ("dimensions", "metrics")
    }
    known = {record["id"] for kind in fields for record in one.truth(f"query_{kind}")}
    assert len(known & {record["id"] for record in one.truth("query_dimensions")}) > 40
    assert len(known & {record["id"] for record in one.truth("query_metrics")}) > 40
    # When all are requested at once
    rows = sent(one, source=source, fields=[*fields["dimensions"], *fields["metrics"]])
    # Then each has a value in some row
    assert [name for names in fields.values() for name in names if not any(row[name] is not None for row in rows)] == []


def test_conversions_and_a_parent() -> None:
    one = simulator(extremes=False)
    own = sent(one)
    converted = sent(one, conversions=[{"field": "currency", "value": 1}])
    assert {row["currency"] for row in own} == {"USD", "EUR"}
    assert {row["currency"] for row in converted} == {"USD"}
    seat = sent(one, fields=["seat", "requests"], parent={"field": "seat", "value": 5000}, conversions=None)
    assert [row["seatIdLink"] for row in seat] == [5000]


def test_an_unknown_stream() -> None:
    with pytest.raises(ValueError, match="no stream 'nothing'"):
        simulator().truth("nothing")
