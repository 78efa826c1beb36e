"""Warnings of fields that the schema does not name: few, true, and of bounded memory."""

from __future__ import annotations

import logging
from typing import Any

from singer_adtech.records.shapes import MOST_COUNTED, MOST_NAMED, RecordShape

LOGGER = logging.getLogger("tap-test")
COLUMNS: dict[str, Any] = {
    "airing_id": {"type": "string"},
    "airing_pod": {"type": ["integer", "null"]},
    "_extra": {"type": ["object", "null"]},
}


def make_shape(*, extra_selected: bool = True) -> RecordShape:
    return RecordShape(
        {"type": "object", "properties": COLUMNS},
        primary_keys=("airing_id",),
        extra_fields="keep",
        logger=LOGGER,
        deselected=() if extra_selected else ("_extra",),
    )


def test_very_many_undeclared_fields_are_twenty_warnings_and_a_count(log: list[str]) -> None:
    # given
    shape = make_shape()
    # when: a hundred thousand names, each of them twice
    for number in range(100_000):
        shape.record({"airing_id": "1", f"new_{number}": 1})
        shape.record({"airing_id": "2", f"new_{number}": 1})
    shape.warn_of_rest()
    # then: no more names are remembered than are needed for an honest count
    assert len(log) == MOST_NAMED + 1
    assert log[MOST_NAMED - 1] == "The field `new_19` is not in the schema: kept in `_extra`"
    assert log[-1] == "at least 9,980 more fields are not in the schema: kept in `_extra`"
    assert shape.undeclared == MOST_COUNTED


def test_some_more_undeclared_fields_are_counted_exactly(log: list[str]) -> None:
    # given
    shape = make_shape()
    # when
    shape.record({"airing_id": "1", **{f"new_{number}": 1 for number in range(25)}})
    shape.warn_of_rest()
    # then
    assert log[MOST_NAMED:] == ["5 more fields are not in the schema: kept in `_extra`"]


def test_a_name_as_long_as_a_body_is_cut(log: list[str]) -> None:
    # when
    make_shape().record({"airing_id": "1", "x" * 1_000_000: 1})
    # then
    assert len(log[0]) < 200


def test_a_field_is_not_said_to_be_kept_where_its_column_is_deselected(log: list[str]) -> None:
    # given
    shape = make_shape(extra_selected=False)
    # when
    shape.record({"airing_id": "1", "new": 1, "airing_pod": "A"})
    # then
    fate = "dropped, because `_extra` is deselected: select it to keep the field"
    misfit = "has a value that does not fit the schema (a JSON string): null, and the value is"
    assert log == [f"The field `new` is not in the schema: {fate}", f"The field `airing_pod` {misfit} {fate}"]
