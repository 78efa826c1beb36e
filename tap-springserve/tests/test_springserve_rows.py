"""What becomes of a row's values."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from vendor_simulators.springserve import SpringServeSimulator
from vendor_simulators.springserve.sample import SAMPLE, SAMPLE_ID

if TYPE_CHECKING:
    from singer_adtech.testing import Run, TapRunner
    from springserve_fixtures import Script
    from vendor_simulators.pytest_plugin import Simulate

A = "2026-01-01T00:00:00.000Z"


def read(run_tap: TapRunner, script: Script, stream: str = "supply_tags", **row: Any) -> tuple[dict[str, Any], Run]:
    """Read one row and return its record."""
    vendor = script.answers(script.page({"id": 1, "updated_at": A, **row}))
    run = run_tap(vendor.settings(), stream)
    (record,) = run.records(stream)
    return record, run


CASES: list[tuple[str, Any, Any]] = [
    ("rate", "10.20", Decimal("10.20")),
    ("rate", 70, 70),
    ("rate", "27.0", Decimal("27.0")),
    ("openrtb_floor", 13.24, Decimal("13.24")),
    ("supply_partner_id", "66463", 66463),
    ("supply_partner_id", 9007199254740993, 9007199254740993),
    ("timeout", 3000.0, 3000),
    ("creative_language_allow_list", " ", None),
    ("country_white_list", "", None),
    ("country_white_list", False, False),
    ("dma_white_list", "true", True),
    ("supply_type", None, None),
    ("note", 17, "17"),
    ("note", 1.50, "1.5"),
    ("min_aspect_ratio", "16:9", "16:9"),
    ("player_sizes", ["xs", "s"], ["xs", "s"]),
    ("player_sizes", [1, 2], [1, 2]),
    ("dma_codes", [525], [525]),
    ("day_parting", [[True] * 24] * 7, [[True] * 24] * 7),
    ("pod", SAMPLE["pod"], SAMPLE["pod"]),
    ("segment_groups", SAMPLE["segment_groups"], SAMPLE["segment_groups"]),
    ("optimization", SAMPLE["optimization"], SAMPLE["optimization"]),
    ("created_at", "2021-03-19T14:30:06.675Z", "2021-03-19T14:30:06.675Z"),
    ("created_at", "2021-03-19 14:30:06 UTC", "2021-03-19T14:30:06Z"),
    ("created_at", "", None),
    ("app_name__targeting", "All", None),
]
"""Column, value as sent, value as emitted."""


def test_a_value_becomes_what_its_column_declares(run_tap: TapRunner, script: Script) -> None:
    # Given a row for each case
    rows = [{"id": number, "updated_at": A, column: sent} for number, (column, sent, _) in enumerate(CASES)]
    vendor = script.answers(script.page(*rows))
    # When they are read
    run = run_tap(vendor.settings(), "supply_tags")
    # Then each value is what its column declares, with its type, and nothing is kept aside
    schema = next(one for one in run.messages if one["type"] == "SCHEMA")["schema"]
    for record, (column, sent, emitted) in zip(run.records("supply_tags"), CASES, strict=True):
        value = record.get(column)
        assert (value, type(value), record["_extra"]) == (emitted, type(emitted), None), (column, sent)
        # And a loader that checks records takes it
        assert [*Draft202012Validator(schema).iter_errors(record)] == [], (column, sent)
    assert run.warnings() == []


@pytest.mark.parametrize(
    ("column", "sent"),
    [
        ("rate", "n/a"),
        ("supply_partner_id", 1.5),
        ("active", "maybe"),
        ("note", ["x"]),
        ("pod", "none"),
        ("key_ids", 3),
        ("created_at", "yesterday"),
    ],
)
def test_a_value_that_fits_no_rule_is_kept_aside_with_one_warning(
    run_tap: TapRunner, script: Script, column: str, sent: Any
) -> None:
    vendor = script.answers(script.page(*({"id": one, "updated_at": A, column: sent} for one in (1, 2))))

    run = run_tap(vendor.settings(), "supply_tags")

    emitted = Decimal(str(sent)) if isinstance(sent, float) else sent
    assert [(one[column], one["_extra"]) for one in run.records("supply_tags")] == [(None, {column: emitted})] * 2
    assert len([one for one in run.warnings() if f"`{column}`" in one]) == 1


SPELLINGS: list[tuple[dict[str, Any], str | None]] = [
    ({"app_name__targeting": "Allowlist"}, "Allowlist"),
    ({"app_name__targeting": "Allowlist", "app_name_targeting": "All"}, "All"),
    ({"app_name__targeting": "Allowlist", "app_name_targeting": None}, "Allowlist"),
    ({"app_name__targeting": None, "app_name_targeting": "All"}, "All"),
    ({"app_name_targeting": "All"}, "All"),
    ({}, None),
]
"""Fields as sent, value as emitted."""


@pytest.mark.parametrize("first", range(len(SPELLINGS)))
def test_both_spellings_of_a_field_become_one_column(run_tap: TapRunner, script: Script, first: int) -> None:
    # Given many rows of each spelling, in several orders
    cases = [SPELLINGS[first]] * 30 + SPELLINGS * 30
    rows = [{"id": number, "updated_at": A, **sent} for number, (sent, _) in enumerate(cases)]
    # When they are read
    run = run_tap(script.answers(script.page(*rows)).settings(), "supply_tags")
    # Then the usual one decides, if it has a value
    records = run.records("supply_tags")
    assert [one["app_name_targeting"] for one in records] == [emitted for _, emitted in cases]
    assert {one["_extra"] for one in records} == {None}
    assert "app_name__targeting" not in records[0]


def test_active_and_is_active_are_emitted_as_they_come(run_tap: TapRunner, script: Script) -> None:
    record, _ = read(run_tap, script, active=True)
    assert (record["active"], record["is_active"]) == (True, None)

    record, _ = read(run_tap, script, active=True, is_active=False)
    assert (record["active"], record["is_active"]) == (True, False)


def test_fields_that_are_not_listed_go_to_extra_whole(run_tap: TapRunner, script: Script) -> None:
    record, run = read(run_tap, script, metro_area_codes=[1], deep={"a": {"b": [0.10]}}, empty=None)

    assert record["_extra"] == {"metro_area_codes": [1], "deep": {"a": {"b": [Decimal("0.1")]}}}
    assert sorted(one for one in run.warnings() if "not in the schema" in one) == [
        "stream supply_tags: The field `deep` is not in the schema: kept in `_extra`",
        "stream supply_tags: The field `metro_area_codes` is not in the schema: kept in `_extra`",
    ]


def test_ids_that_come_as_text_become_integers_in_demand_tags(run_tap: TapRunner, script: Script) -> None:
    record, _ = read(run_tap, script, "demand_tags", creative_id="77", media_file_min_duration="6", rate="27.0")

    assert (record["creative_id"], record["media_file_min_duration"], record["rate"]) == (77, 6, Decimal("27.0"))


def test_the_tag_of_the_wiki_comes_out_as_it_is_printed(run_tap: TapRunner, simulate: Simulate) -> None:
    # Given the examples that the wiki prints, numbers as numbers
    vendor = simulate(SpringServeSimulator(days=1, rows_per_day=5, numbers="number"))
    # When the tags are read
    run = run_tap(vendor.settings(), "supply_tags")
    # Then each example is in its column; a blank means all
    (record,) = [one for one in run.records("supply_tags") if one["id"] == SAMPLE_ID]
    expected = {**SAMPLE, "creative_language_allow_list": None}
    for name, value in expected.items():
        assert record[name] == (Decimal(str(value)) if isinstance(value, float) else value), name


def test_a_row_without_its_key_ends_the_run(run_tap: TapRunner, script: Script) -> None:
    vendor = script.answers([{"name": "no id"}], [])

    assert "a row has no value for its key `id`" in run_tap(vendor.settings(), "campaigns", fails=True).error


@pytest.mark.parametrize(("mode", "extra"), [("drop", None), ("keep", {"new": 1})])
def test_undeclared_fields_are_kept_or_dropped(
    run_tap: TapRunner, script: Script, mode: str, extra: dict[str, int] | None
) -> None:
    vendor = script.answers([{"id": 1, "new": 1}], [])

    run = run_tap({**vendor.settings(), "extra_fields": mode}, "campaigns")

    assert run.records("campaigns")[0]["_extra"] == extra


def test_undeclared_fields_may_end_the_run(run_tap: TapRunner, script: Script) -> None:
    vendor = script.answers([{"id": 1, "new": 1}], [])

    run = run_tap({**vendor.settings(), "extra_fields": "fail"}, "campaigns", fails=True)

    assert "the vendor sent the field `new`, which the schema does not declare" in run.error


@pytest.mark.parametrize(
    ("zone", "sent", "emitted"),
    [
        (None, "2021-03-19T14:30:06.675", "2021-03-19T14:30:06.675Z"),
        ("UTC", "2021-03-19 14:30:06", "2021-03-19T14:30:06+00:00"),
        ("America/New_York", "2021-03-19T14:30:06.675", "2021-03-19T14:30:06.675-04:00"),
        ("America/New_York", "2021-12-19 14:30", "2021-12-19T14:30:00-05:00"),
        ("America/New_York", "2021-12-19", "2021-12-19T00:00:00-05:00"),
        ("America/New_York", "2021-11-07T01:30:00", "2021-11-07T01:30:00-04:00"),
        ("America/New_York", "2021-03-19T14:30:06.675Z", "2021-03-19T14:30:06.675Z"),
    ],
)
def test_a_timestamp_without_an_offset_is_in_a_zone_of_the_settings(
    run_tap: TapRunner, script: Script, zone: str | None, sent: str, emitted: str
) -> None:
    # Given two such timestamps
    vendor = script.answers(script.page(*({"id": number, "updated_at": A, "created_at": sent} for number in (1, 2))))
    # When they are read
    run = run_tap({**vendor.settings(), "timestamp_zone": zone}, "supply_tags")
    # Then they have the zone's offset, and there is one warning if the zone is not known
    assert [record["created_at"] for record in run.records("supply_tags")] == [emitted, emitted]
    unknown = ["stream supply_tags: timestamps have no offset: read as UTC. Set `timestamp_zone` to their zone"]
    assert run.warnings() == ([] if zone else unknown)
