"""From nested rows to flat records: the rules of the specification's section 5.2, each with a literal row."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.errors import DataError
from singer_adtech.records.exact_json import exact_json
from tap_ispot.client import ISpotStream
from tap_ispot.tap import TapISpot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ispot_fixtures import Run, RunTap, Script

AIRED = "2024-03-08T00:04:12-05:00"


def stream(name: str, **settings: Any) -> ISpotStream:
    """Make a stream as a run would, without a vendor."""
    given = {"client_id": "a", "client_secret": "b", "start_date": "2024-03-08", **settings}
    found = TapISpot(config=given).streams[name]
    assert isinstance(found, ISpotStream)
    return found


def record(name: str, row: str, **settings: Any) -> dict[str, Any]:
    """Make the record of a row of JSON, and leave out what is null."""
    one = stream(name, **settings)
    made: Mapping[str, Any] = one.shape.record(one.flat_row(exact_json(row.encode()), None))
    return {column: value for column, value in made.items() if value is not None}


def airing(more: str, **settings: Any) -> dict[str, Any]:
    """Make the record of an airing with something beside it, and leave out the airing."""
    row = f'{{"airing": {{"data": {{"id": "7", "aired_at_et": "{AIRED}"}}}}, {more}}}'
    made = record("audience_airings", row, **settings)
    assert (made.pop("airing_id"), made.pop("airing_aired_at_et")) == ("7", AIRED)
    return made


@pytest.mark.parametrize(
    "row",
    [
        '"brand": {"data": {"id": 5, "name": "Acme"}}',
        '"brand": {"data": {"id": 5, "name": "Acme"}, "meta": {"a": 1}, "links": []}',
        '"brand": {"id": 5, "name": "Acme"}',
        '"brand": {"data": {"data": {"id": 5, "name": "Acme"}}}',
    ],
)
def test_rule_1_a_wrapper_falls_away(row: str) -> None:
    assert airing(row) == {"brand_id": 5, "brand_name": "Acme"}


def test_rule_1_an_object_with_data_and_something_else_is_no_wrapper() -> None:
    assert airing('"brand": {"data": {"id": 5}, "id": 6}') == {"brand_id": 6, "_extra": {"brand_data_id": 5}}


def test_rule_2_names_join() -> None:
    row = '"brand": {"data": {"parent": {"data": {"name": "Alphabet"}}}}, "conversion": {"matched": {"incremental": 1}}'
    assert airing(row) == {
        "brand_parent_name": "Alphabet",
        "_extra": {"conversion_matched_incremental": 1},
    }


@pytest.mark.parametrize("row", ['"brand": {"data": []}', '"brand": {"data": null}', '"brand": null', '"brand": []'])
def test_rule_3_none_in_every_spelling_is_null(row: str) -> None:
    assert airing(row) == {}


@pytest.mark.parametrize(
    ("sent", "children"),
    [
        (
            '{"data": [{"id": 1, "title": "A", "type": {"data": {"id": 2, "name": "T"}}}, {"data": {"id": 3}}]}',
            [{"id": 1, "title": "A", "type_id": 2, "type_name": "T"}, {"id": 3}],
        ),
        ('[{"id": 1}]', [{"id": 1}]),
        ('{"data": []}', []),
        ('{"data": null}', []),
        ("null", []),
        ("[]", []),
    ],
)
def test_rule_4_to_many_is_an_array_of_flat_items(sent: str, children: list[dict[str, Any]]) -> None:
    made = record("spots", f'{{"id": 1, "children": {sent}}}')
    assert made == {"id": 1, "children": children, "products": [], "events": []}


def test_rule_4_to_many_that_was_not_asked_for_is_unknown() -> None:
    assert record("spots", '{"id": 1}', spot_includes=["brand", "events"]) == {"id": 1, "events": []}


def test_rule_5_a_list_under_a_to_one_name_goes_to_extra() -> None:
    row = '"product": {"data": [{"id": 1, "name": "A"}, {"id": 2, "name": "B"}]}'
    assert airing(row) == {"_extra": {"product": [{"id": 1, "name": "A"}, {"id": 2, "name": "B"}]}}


@pytest.mark.parametrize(
    "row",
    [
        '{"id": 5, "name": "Acme", "industry": {"data": {"id": 9, "name": "Cars"}}, "parent": {"data": []}}',
        '{"brand": {"data": {"id": 5, "name": "Acme"}}, "industry": {"data": {"id": 9, "name": "Cars"}}}',
        '{"brand": {"id": 5, "name": "Acme", "industry": {"id": 9, "name": "Cars"}}}',
    ],
)
def test_rule_6_a_list_row_may_be_wrapped_in_its_own_name(row: str) -> None:
    assert record("brands", row) == {"id": 5, "name": "Acme", "industry_id": 9, "industry_name": "Cars"}


def test_rule_6_a_row_with_an_id_at_the_top_is_not_wrapped() -> None:
    row = '{"id": 5, "brand": {"data": {"id": 9, "name": "Other"}}}'
    assert record("brands", row) == {"id": 5, "_extra": {"brand_id": 9, "brand_name": "Other"}}


@pytest.mark.parametrize("name", ["airings", "tv_airings", "audience_airings", "attention_airings"])
def test_rule_6_bare_fields_of_an_airing_get_its_name(name: str) -> None:
    row = f'{{"id": "7", "aired_at_et": "{AIRED}", "type": "National", "dma": {{"id": 501, "name": "Boston"}}, '
    row += '"feed": "W", "spot": {"data": {"id": 3}}, "product": null}'
    assert record(name, row) == {
        "airing_id": "7",
        "airing_aired_at_et": AIRED,
        "airing_type": "National",
        "airing_dma_id": 501,
        "airing_dma_name": "Boston",
        "spot_id": 3,
        "_extra": {"airing_feed": "W"},
    }


def test_rule_7_equal_values_of_one_name_are_one() -> None:
    assert airing('"network_brand_id": 4, "network": {"data": {"brand": {"id": 4}}}') == {"network_brand_id": 4}


@pytest.mark.parametrize(
    "row",
    [
        '"network": {"data": {"brand_id": 4, "brand": {"id": 5}}}',
        '"network": {"data": {"brand": {"id": 5}, "brand_id": 4}}',
    ],
)
def test_rule_7_the_less_nested_value_wins_and_the_other_is_kept(row: str) -> None:
    assert airing(row) == {"network_brand_id": 4, "_extra": {"network.brand.id": 5}}


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ('"spot": {"id": "3145253"}', {"spot_id": 3145253}),
        ('"spot": {"id": ""}', {}),
        ('"spot": {"id": 3.0}', {"spot_id": 3}),
        ('"spot": {"id": "3x"}', {"_extra": {"spot_id": "3x"}}),
        ('"spot": {"id": 3.5}', {"_extra": {"spot_id": Decimal("3.5")}}),
        ('"spot": {"title": 12}', {"spot_title": "12"}),
        ('"spot": {"title": true}', {"_extra": {"spot_title": True}}),
        ('"spot": {"title": ["a"]}', {"_extra": {"spot_title": ["a"]}}),
        (
            '"audience": {"impressions": "12345678901234567.125"}',
            {"audience_impressions": Decimal("12345678901234567.125")},
        ),
        ('"audience": {"impressions": 10000}', {"audience_impressions": 10000}),
        ('"audience": {"impressions": ""}', {}),
        ('"audience": {"impressions": "n/a"}', {"_extra": {"audience_impressions": "n/a"}}),
    ],
)
def test_rule_8_types(row: str, columns: dict[str, Any]) -> None:
    assert airing(row) == columns


@pytest.mark.parametrize(("sent", "digits"), [('"18446744073710551616"', "18446744073710551616"), ("7", "7")])
def test_rule_8_an_airing_id_is_a_string(sent: str, digits: str) -> None:
    made = record("tv_airings", f'{{"airing": {{"id": {sent}, "aired_at_et": "{AIRED}"}}}}')
    assert made == {"airing_id": digits, "airing_aired_at_et": AIRED}


def test_rule_8_numbers_sent_as_text_are_exact() -> None:
    row = f'{{"airing": {{"id": "1", "aired_at_et": "{AIRED}", "pod": "4", "pod_order": "", "dma": 501, '
    row += '"spend_estimated": "845199.10", "media_value": "0.00"}}'
    made = record("tv_airings", row)
    assert made == {
        "airing_id": "1",
        "airing_aired_at_et": AIRED,
        "airing_pod": 4,
        "airing_dma": "501",
        "airing_spend_estimated": Decimal("845199.10"),
        "airing_media_value": Decimal("0.00"),
    }
    assert str(made["airing_spend_estimated"]) == "845199.10"


def test_rule_9_extra_is_null_or_holds_values_as_sent() -> None:
    one = stream("brands")
    assert one.shape.record(one.flat_row({"id": 1}, None))["_extra"] is None
    row = '{"id": 1, "logo": {"data": {"url": "x", "size": {"w": "10"}}}, "tags": ["a"], "none": null}'
    assert record("brands", row) == {"id": 1, "_extra": {"logo_url": "x", "logo_size_w": "10", "tags": ["a"]}}


@pytest.mark.parametrize("mso", ['"5"', "5", '{"id": 5, "name": "Op"}', '{"data": {"id": "5", "name": "Op"}}', "null"])
def test_a_market_is_text_or_an_id_and_a_name(mso: str) -> None:
    made = record("tv_airings", f'{{"airing": {{"id": "1", "aired_at_et": "{AIRED}", "mso": {mso}}}}}')
    columns = {name: value for name, value in made.items() if name.startswith("airing_mso")}
    if mso == "null":
        assert columns == {}
    elif mso.startswith("{"):
        assert columns == {"airing_mso_id": 5, "airing_mso_name": "Op"}
    else:
        assert columns == {"airing_mso": "5"}


@pytest.mark.parametrize(
    ("name", "row", "column"),
    [
        ("audience_airings", f'{{"airing": {{"aired_at_et": "{AIRED}"}}}}', "airing_id"),
        ("audience_airings", '{"airing": {"id": "1", "aired_at_et": null}}', "airing_aired_at_et"),
        ("audience_airings", '{"airing": {"data": []}, "spot": {"id": 1}}', "airing_id"),
        ("brands", '{"name": "Acme"}', "id"),
        ("brands", '{"id": "x"}', "id"),
    ],
)
def test_a_row_without_its_key_is_an_error(name: str, row: str, column: str) -> None:
    with pytest.raises(DataError, match=f"for its key `{column}`"):
        record(name, row)


def digest(text: str) -> str:
    """Return the key of a row with this JSON."""
    return hashlib.sha256(text.encode()).hexdigest()


def keys(run: Run, name: str, key: str) -> list[str]:
    """Return the keys of a stream's records."""
    return [one[key] for one in run.records(name)]


def test_keys_are_digests_where_the_vendor_gives_none(run_tap: RunTap, script: Script) -> None:
    # Given rows of which two are the same but for the order of their fields
    rows = ({"name": "TV", "id": 1, "since": {"b": 1, "a": "é"}}, {"since": {"a": "é", "b": 1}, "id": 1, "name": "TV"})
    vendor = script.rows(*rows, {"id": 2, "name": "OTT"}, total=2)
    # When
    run = run_tap(vendor.settings(), "access", "airing_updates")
    # Then
    first, second = digest('{"id":1,"name":"TV","since":{"a":"é","b":1}}'), digest('{"id":2,"name":"OTT"}')
    assert keys(run, "access", "access_key") == [first, second]
    assert keys(run, "airing_updates", "update_key") == [first, second]
    assert keys(run, "airing_updates", "update_date") == ["2024-03-08", "2024-03-08"]


def test_an_update_told_twice_is_one_row_and_no_missing_one(run_tap: RunTap, script: Script) -> None:
    row = {"id": 7, "status": "deleted", "aired_at_et": AIRED, "old": {"spend": "1.50"}}
    vendor = script.rows(row, row, total=2, total_pages=1)
    run = run_tap({**vendor.settings(), "row_count_check": "fail"}, "airing_updates")
    assert run.records("airing_updates") == [
        {
            "update_date": "2024-03-08",
            "update_key": digest(
                '{"aired_at_et":"2024-03-08T00:04:12-05:00","id":7,"old":{"spend":"1.50"},"status":"deleted"}'
            ),
            "airing_id": "7",
            "status": "deleted",
            "airing_aired_at_et": AIRED,
            "_extra": {"old_spend": "1.50"},
        }
    ]


def test_an_update_that_did_not_come_is_noticed(run_tap: RunTap, script: Script) -> None:
    vendor = script.rows({"id": 7, "status": "deleted", "aired_at_et": AIRED}, total=2, total_pages=1)
    run = run_tap({**vendor.settings(), "row_count_check": "fail"}, "airing_updates", fails=True)
    assert "window 2024-03-08..2024-03-08: 1 rows read, and the reported total is 2 (read 2 times)" in run.error


def test_fields_that_are_kept_are_named_once(run_tap: RunTap, script: Script) -> None:
    vendor = script.rows(*({"id": number, "logo": "x", "name": [number]} for number in (1, 2, 3)))
    run = run_tap(vendor.settings(), "celebrities")
    assert [one["_extra"] for one in run.records("celebrities")] == [
        {"logo": "x", "name": [1]},
        {"logo": "x", "name": [2]},
        {"logo": "x", "name": [3]},
    ]
    said = [one.removeprefix("stream celebrities: ") for one in run.warnings()]
    misfit = "has a value that does not fit the schema (a JSON array): null, and the value is kept in `_extra`"
    assert sorted(said) == ["The field `logo` is not in the schema: kept in `_extra`", f"The field `name` {misfit}"]


def test_fields_that_are_dropped_are_named_once(run_tap: RunTap, script: Script) -> None:
    vendor = script.rows(*({"id": number, "logo": "x"} for number in (1, 2)))
    run = run_tap({**vendor.settings(), "extra_fields": "drop"}, "celebrities")
    assert [one["_extra"] for one in run.records("celebrities")] == [None, None]
    said = [one.removeprefix("stream celebrities: ") for one in run.warnings()]
    assert said == ["The field `logo` is not in the schema: dropped"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"id": 1, "logo": "x"}, "the vendor sent the field `logo`, which the schema does not declare"),
        ({"id": 1, "name": ["x"]}, "the field `name` has a value that does not fit the schema (a JSON array)"),
    ],
)
def test_fields_may_fail_the_run(run_tap: RunTap, script: Script, row: dict[str, Any], said: str) -> None:
    vendor = script.rows(row)
    run = run_tap({**vendor.settings(), "extra_fields": "fail"}, "celebrities", fails=True)
    assert run.error == f"stream celebrities: {said}: set `extra_fields` to `keep` or `drop`"


def test_data_that_is_no_object_is_refused(run_tap: RunTap, script: Script) -> None:
    vendor = script.rows({"id": 1}, "two")
    run = run_tap(vendor.settings(), "celebrities", fails=True)
    assert run.error.startswith("stream celebrities: `data` contains a value that is not an object")
