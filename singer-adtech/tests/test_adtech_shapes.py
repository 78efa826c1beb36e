"""Rows made into records: wrappers, names, types, undeclared fields."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_adtech.errors import DataError
from singer_adtech.records.exact_json import exact_json
from singer_adtech.records.shapes import EXTRA, RecordShape, flatten, unwrap
from singer_adtech.records.values import (
    ConversionError,
    to_array,
    to_boolean,
    to_integer,
    to_number,
    to_object,
    to_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from singer_adtech.records.shapes import ExtraFields

LOGGER = logging.getLogger("tap-test")
SCHEMA = {
    "type": "object",
    "properties": {
        "airing_id": {"type": "string"},
        "airing_pod": {"type": ["integer", "null"]},
        "airing_spend": {"type": ["null", "number"]},
        "airing_live": {"type": ["boolean", "null"]},
        "spot_title": {"type": ["string", "null"]},
        "children": {"type": ["array", "null"], "items": {"type": "object"}},
        "settings": {"type": ["object", "null"]},
        EXTRA: {"type": ["object", "null"]},
    },
}


def make_shape(extra_fields: ExtraFields = "keep", schema: dict[str, Any] | None = None) -> RecordShape:
    return RecordShape(schema or SCHEMA, primary_keys=("airing_id",), extra_fields=extra_fields, logger=LOGGER)


# ------------------------------------------------------------------------------------------------------------- flatten


@pytest.mark.parametrize(
    ("row", "flat"),
    [
        # a wrapper is an object with `data` and at most `meta` and `links` beside it
        ({"airing": {"data": {"id": "1"}}}, {"airing_id": "1"}),
        ({"airing": {"data": {"id": "1"}, "meta": {"x": 1}, "links": []}}, {"airing_id": "1"}),
        ({"airing": {"data": {"id": "1"}, "other": 2}}, {"airing_data_id": "1", "airing_other": 2}),
        ({"airing": {"data": {"data": {"id": "1"}}}}, {"airing_id": "1"}),
        # without a wrapper a nested object is the same
        ({"airing": {"id": "1"}}, {"airing_id": "1"}),
        # entities nest, wrapped again
        ({"brand": {"data": {"parent": {"data": {"name": "P"}}}}}, {"brand_parent_name": "P"}),
        ({"conversion": {"matched": {"incremental": 5}}}, {"conversion_matched_incremental": 5}),
        # none, in all its spellings
        ({"show": {"data": []}}, {}),
        ({"show": []}, {}),
        ({"show": {"data": {}}}, {}),
        ({"show": {"data": None}}, {"show": None}),
        ({"show": None}, {"show": None}),
        # a list where one object was expected stays whole
        ({"product": {"data": [{"id": 1}]}}, {"product": [{"id": 1}]}),
        ({}, {}),
    ],
)
def test_wrappers_fall_away_and_names_join(row: dict[str, Any], flat: dict[str, Any]) -> None:
    assert flatten(row) == flat


def test_columns_that_hold_arrays_have_flat_items() -> None:
    # given
    row = {
        "children": {"data": [{"data": {"id": 1, "brand": {"data": {"name": "B"}}}}, {"id": 2}, 3]},
        "products": [],
        "events": {"data": []},
        "tags": "none",
    }
    # when
    flat = flatten(row, arrays=("children", "products", "events", "tags"))
    # then
    assert flat == {
        "children": [{"id": 1, "brand_name": "B"}, {"id": 2}, 3],
        "products": [],
        "events": [],
        "tags": "none",
    }


def test_columns_that_hold_objects_are_not_taken_apart() -> None:
    assert flatten({"a": {"settings": {"x": {"y": 1}}}}, objects=("a_settings",)) == {"a_settings": {"x": {"y": 1}}}


@pytest.mark.parametrize(
    ("row", "flat"),
    [
        # equal values are one
        ({"brand_id": 7, "brand": {"id": 7}}, {"brand_id": 7}),
        # the less nested wins, whichever comes first
        ({"brand_id": 7, "brand": {"id": 8}}, {"brand_id": 7, "brand.id": 8}),
        ({"brand": {"id": 8}, "brand_id": 7}, {"brand_id": 7, "brand.id": 8}),
        ({"a": {"b": {"c": 1}}, "a_b": {"c": 2}}, {"a_b_c": 2, "a.b.c": 1}),
        # equally nested: the first
        ({"a": {"b_c": 1}, "a_b": {"c": 2}}, {"a_b_c": 1, "a_b.c": 2}),
        # three of them
        ({"a": {"b": {"c": 1}}, "a_b": {"c": 2}, "a_b_c": 3}, {"a_b_c": 3, "a_b.c": 2, "a.b.c": 1}),
        ({"a": {"b": {"c": 1}}, "a_b": {"c": 1}, "a_b_c": 2}, {"a_b_c": 2, "a_b.c": 1}),
    ],
)
def test_two_paths_with_one_name(row: dict[str, Any], flat: dict[str, Any]) -> None:
    assert flatten(row) == flat


JSON_VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=12,
)


@given(row=st.dictionaries(st.sampled_from("abcd"), JSON_VALUES, max_size=4))
def test_no_value_of_a_row_is_lost(row: dict[str, Any]) -> None:
    # given: every value that is neither an object nor an empty list, at whatever depth outside of lists
    def values(node: Any) -> list[str]:
        if isinstance(node, dict):
            return [value for inner in node.values() for value in values(inner)]
        return [] if node == [] else [repr(node)]

    # when
    flat = flatten(row)
    # then
    assert {*values(row)} == {repr(value) for value in flat.values()}


def test_what_stands_for_an_object_is_unwrapped_to_the_end() -> None:
    assert unwrap({"data": {"data": 5}, "links": {}}) == 5
    assert unwrap({"meta": {}}) == {"meta": {}}
    assert unwrap([1]) == [1]


# --------------------------------------------------------------------------------------------------------------- types


@pytest.mark.parametrize(
    ("convert", "sent", "value"),
    [
        (to_integer, "0012", 12),
        (to_integer, " -7 ", -7),
        (to_integer, "", None),
        (to_integer, " ", None),
        (to_integer, Decimal("3.0"), 3),
        (to_integer, Decimal("1E+2"), 100),
        (to_integer, "123456789012345678901234567890", 123456789012345678901234567890),
        (to_integer, 2**70, 2**70),
        (to_number, "845199.10", Decimal("845199.10")),
        (to_number, "12", 12),
        (to_number, "-.5", Decimal("-0.5")),
        (to_number, "1e-3", Decimal("0.001")),
        (to_number, "", None),
        (to_number, Decimal("0.1"), Decimal("0.1")),
        (to_number, 0, 0),
        (to_text, "", ""),
        (to_text, 287222137, "287222137"),
        (to_text, Decimal("1.10"), "1.10"),
        (to_text, 98765432109876543210, "98765432109876543210"),
        (to_boolean, True, True),
        (to_boolean, 0, False),
        (to_boolean, "TRUE", True),
        (to_boolean, "0", False),
        (to_boolean, "", None),
        (to_array, [1], [1]),
        (to_object, {"a": 1}, {"a": 1}),
    ],
)
def test_a_value_becomes_one_of_its_type(convert: Callable[[Any], Any], sent: Any, value: Any) -> None:
    # when
    converted = convert(sent)
    # then: the type counts too, as 3, Decimal(3) and True are equal in Python; and the digits
    assert (type(converted), str(converted)) == (type(value), str(value))


@pytest.mark.parametrize(
    ("convert", "sent"),
    [
        (to_integer, "1.5"),
        (to_integer, Decimal("1.5")),
        (to_integer, True),
        (to_integer, "12a"),
        (to_integer, [1]),
        (to_integer, "١٢"),
        (to_integer, "9" * 5000),
        (to_integer, Decimal("1E+999999999")),
        (to_number, "1,5"),
        (to_number, "NaN"),
        (to_number, "Infinity"),
        (to_number, True),
        (to_number, {"amount": 1}),
        (to_number, "1e999999999999999999999"),
        (to_number, 1.5),
        (to_text, True),
        (to_text, {"id": 1}),
        (to_text, ["a"]),
        (to_boolean, 2),
        (to_boolean, "yes"),
        (to_boolean, Decimal(1)),
        (to_array, {"a": 1}),
        (to_array, "a"),
        (to_object, [1]),
    ],
)
def test_a_value_that_does_not_fit_is_a_misfit(convert: Callable[[Any], Any], sent: Any) -> None:
    with pytest.raises(ConversionError):
        convert(sent)


@given(digits=st.decimals(allow_nan=False, allow_infinity=False, places=6) | st.integers())
def test_numbers_keep_every_digit_from_text_and_from_json(digits: Decimal | int) -> None:
    # when
    from_text = to_number(f"{digits}")
    from_json = to_number(exact_json(f"{digits}".encode()))
    # then
    assert str(from_text) == str(from_json) == str(digits)


# ------------------------------------------------------------------------------------------------------------- records


def test_a_record_has_every_column_with_its_type(log: list[str]) -> None:
    # when
    record = make_shape().record(
        {"airing_id": 287222137, "airing_pod": "3", "airing_spend": "845199.10", "airing_live": 1, "spot_title": None}
    )
    # then
    assert record == {
        "airing_id": "287222137",
        "airing_pod": 3,
        "airing_spend": Decimal("845199.10"),
        "airing_live": True,
        "spot_title": None,
        "children": None,
        "settings": None,
        "_extra": None,
    }
    assert log == []


def test_undeclared_fields_and_misfits_are_kept_and_named_once(log: list[str]) -> None:
    # given
    shape = make_shape()
    # when
    records = [
        shape.record({"airing_id": "1", "new": {"a": Decimal("1.10")}, "airing_pod": "A"}),
        shape.record({"airing_id": "2", "new": 2, "airing_pod": [1], "_extra": 5}),
        shape.record({"airing_id": "3", "new": None}),
    ]
    # then
    assert [record["_extra"] for record in records] == [
        {"new": {"a": Decimal("1.10")}, "airing_pod": "A"},
        {"new": 2, "airing_pod": [1], "_extra": 5},
        None,
    ]
    assert [record["airing_pod"] for record in records] == [None, None, None]
    misfit = "has a value that does not fit the schema (a JSON string): null, and the value is kept in `_extra`"
    assert log == [
        "The field `new` is not in the schema: kept in `_extra`",
        f"The field `airing_pod` {misfit}",
        "The field `_extra` is not in the schema: kept in `_extra`",
    ]


def test_undeclared_fields_can_be_dropped(log: list[str]) -> None:
    # given
    shape = make_shape("drop")
    # when
    records = [shape.record({"airing_id": str(number), "new": 1, "airing_pod": "A"}) for number in range(2)]
    # then
    assert [record["_extra"] for record in records] == [None, None]
    misfit = "has a value that does not fit the schema (a JSON string): null, and the value is dropped"
    assert log == ["The field `new` is not in the schema: dropped", f"The field `airing_pod` {misfit}"]


@pytest.mark.parametrize(
    ("flat", "words"),
    [
        ({"new": 1}, "the vendor sent the field `new`, which the schema does not declare"),
        ({"airing_pod": "A"}, "the field `airing_pod` has a value that does not fit the schema (a JSON string)"),
    ],
)
def test_undeclared_fields_can_fail_the_run(flat: dict[str, Any], words: str) -> None:
    # when
    with pytest.raises(DataError) as caught:
        make_shape("fail").record({"airing_id": "1"} | flat)
    # then
    assert str(caught.value) == f"{words}: set `extra_fields` to `keep` or `drop`"


def test_a_schema_without_the_column_cannot_keep_and_says_so(log: list[str]) -> None:
    # given
    shape = make_shape(schema={"properties": {"airing_id": {"type": "string"}}})
    # when
    record = shape.record({"airing_id": "1", "new": 1})
    # then
    assert record == {"airing_id": "1"}
    assert log == ["The field `new` is not in the schema: dropped"]


@pytest.mark.parametrize(
    ("flat", "words"),
    [
        ({}, "a row has no value for its key `airing_id`"),
        ({"airing_id": None}, "a row has no value for its key `airing_id`"),
        ({"airing_id": {"x": 1}}, "a row has the value {'x': 1} for its key `airing_id`"),
    ],
)
def test_a_row_without_its_key_fails_the_run(flat: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words.replace("{", r"\{")):
        make_shape().record(flat)


def test_the_shape_knows_which_columns_hold_objects_and_arrays() -> None:
    # given
    shape = make_shape()
    # then
    assert shape.arrays == {"children"}
    assert shape.objects == {"settings", EXTRA}


@pytest.mark.parametrize("row", [{"airing_id": "1", "settings": "s3cret"}, {"airing_id": {"is": "s3cret"}}])
def test_a_private_column_s_value_is_in_no_message(row: dict[str, Any]) -> None:
    # given
    shape = RecordShape(
        SCHEMA,
        primary_keys=("airing_id",),
        extra_fields="fail",
        logger=LOGGER,
        private=("airing_id", "settings"),
    )
    # when
    with pytest.raises(DataError) as refused:
        shape.record(row)
    # then
    assert "has a value" in str(refused.value)
    assert "s3cret" not in str(refused.value)
