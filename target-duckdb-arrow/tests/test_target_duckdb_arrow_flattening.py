"""Flattening and stream maps: no property is dropped, and errors name the setting."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.exceptions import SingerSDKError
from target_duckdb_arrow.errors import LoadError, RecordError, SchemaError
from target_duckdb_arrow_fixtures import INTEGER, STRING

if TYPE_CHECKING:
    from target_duckdb_arrow_fixtures import Load, Query

FLAT = {"flattening_enabled": True, "flattening_max_depth": 2}
NULL = {"type": "null"}


@pytest.mark.parametrize(
    ("definition", "value", "columns", "found"),
    [
        ({"anyOf": [{"type": "integer"}, NULL]}, 5, {"p": "BIGINT"}, {"p": 5}),
        ({"oneOf": [NULL, {"type": "integer"}]}, 5, {"p": "BIGINT"}, {"p": 5}),
        ({"anyOf": [{"type": "number"}, {"type": "integer"}]}, 5, {"p": "BIGINT"}, {"p": 5}),
        ({"anyOf": [NULL, {"type": "boolean"}]}, True, {"p": "BOOLEAN"}, {"p": True}),
        ({"anyOf": [{"type": "string", "format": "date"}, NULL]}, "2024-01-01", {"p": "DATE"}, None),
        ({"anyOf": [{"type": "string", "format": "date"}, {"type": "string"}]}, "x", {"p": "VARCHAR"}, {"p": "x"}),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, 5, {"p": "JSON"}, {"p": "5"}),
        ({"anyOf": [{"type": "object"}, {"type": "integer"}]}, {"a": 1}, {"p": "JSON"}, {"p": '{"a":1}'}),
        ({}, 5, {"p": "JSON"}, {"p": "5"}),
        ({}, "text", {"p": "JSON"}, {"p": '"text"'}),
        ({}, {"a": [1.10]}, {"p": "JSON"}, {"p": '{"a":[1.1]}'}),
        ({"enum": ["a", "b"]}, "a", {"p": "JSON"}, {"p": '"a"'}),
        ({"type": [{"type": "integer"}]}, 5, {"p": "JSON"}, {"p": "5"}),
        ({"type": "array", "items": INTEGER}, [1, 2], {"p": "VARCHAR"}, {"p": "[1,2]"}),
        ({"type": "object"}, {"a": 1}, {"p": "VARCHAR"}, {"p": '{"a":1}'}),
        (
            {"anyOf": [{"type": "object", "properties": {"a": INTEGER, "b": {"anyOf": [INTEGER, NULL]}}}, NULL]},
            {"a": 1, "b": 2},
            {"p__a": "BIGINT", "p__b": "BIGINT"},
            {"p__a": 1, "p__b": 2},
        ),
        (
            {"type": "object", "properties": {"o": {"type": "object", "properties": {"any": {}}}}},
            {"o": {"any": {"deep": [1]}}},
            {"p__o__any": "JSON"},
            {"p__o__any": '{"deep":[1]}'},
        ),
    ],
)
def test_flattening_keeps_every_property(  # noqa: PLR0913, PLR0917 - four are parameters of the table
    load: Load,
    query: Query,
    definition: dict[str, Any],
    value: object,
    columns: dict[str, str],
    found: dict[str, Any] | None,
) -> None:
    # given / when
    load({"id": INTEGER, "p": definition}, [{"id": 1, "p": value}, {"id": 2}], keys=["id"], **FLAT)

    # then
    assert {name: kind for name, kind, *_ in query("DESCRIBE s")} == {"id": "BIGINT", **columns}
    names = ", ".join(columns)
    first, second = query(f"SELECT {names} FROM s ORDER BY id")  # noqa: S608 - names of this file
    assert set(second) == {None}
    assert found is None or dict(zip(columns, first, strict=True)) == found


def test_numbers_in_flattened_text_keep_their_digits(feed: Load, query: Query) -> None:
    schema = {
        "type": "SCHEMA",
        "stream": "s",
        "schema": {"properties": {"p": {"type": "object"}}},
        "key_properties": [],
    }
    feed(
        [schema, '{"type": "RECORD", "stream": "s", "record": {"p": {"n": 12345678901234567.891, "m": 1.10}}}'], **FLAT
    )
    assert query("SELECT p FROM s") == [('{"n":12345678901234567.891,"m":1.10}',)]


@pytest.mark.parametrize("expression", ["id + 1", "record['id'] * 2", "x == 'a'"])
def test_the_error_of_a_computed_column_with_unknown_type_names_the_remedy(load: Load, expression: str) -> None:
    # given an expression that singer-sdk treats as text
    maps = {"s": {"made": expression}}

    # when / then
    with pytest.raises(RecordError) as error:
        load({"id": INTEGER, "x": STRING}, [{"id": 1, "x": "a"}], keys=["id"], stream_maps=maps)
    assert "computed by stream_maps" in str(error.value)
    assert f"write int({expression})" in str(error.value)
    assert "Correct the stream's schema" not in str(error.value)

    # when the remedy is applied / then
    load(
        {"id": INTEGER, "x": STRING},
        [{"id": 1, "x": "a"}],
        keys=["id"],
        stream_maps={"s": {"made": f"int({expression})"}},
    )


@pytest.mark.parametrize(
    ("maps", "reason"),
    [
        ({"s": {"made": "nowhere + 1"}}, "NameNotDefined: 'nowhere'"),
        ({"s": {"made": "len(x)"}}, "FunctionNotDefined: 'len'"),
        ({"s": {"made": "int(x)"}}, r"\(ValueError\)"),
        ({"s": {"made": "x / 0"}}, r"\(TypeError\)"),
        ({"s": {"made": "record['none']"}}, r"\(KeyError\)"),
        ({"s": {"__filter__": "1 / (id - 1) > 0"}}, r"\(ZeroDivisionError\)"),
    ],
)
def test_the_error_of_an_expression_does_not_quote_the_record(load: Load, maps: dict[str, Any], reason: str) -> None:
    with pytest.raises(
        RecordError, match=f"^Stream 's', line 2 of the input: stream_maps or flattening .*{reason}"
    ) as error:
        load({"id": INTEGER, "x": STRING}, [{"id": 1, "x": "secret@example.com"}], keys=["id"], stream_maps=maps)
    assert "secret" not in str(error.value)


def test_two_properties_with_one_flattened_name_are_refused(load: Load) -> None:
    properties = {"a__b": INTEGER, "a": {"type": "object", "properties": {"b": INTEGER}}}
    with pytest.raises(SchemaError, match=r"^Stream 's': the schema cannot be read .*Duplicate column .*: a__b"):
        load(properties, [], **FLAT)


def test_keys_below_a_microsecond_end_the_run_and_the_remedy_works(load: Load, query: Query) -> None:
    # given rows with keys that TIMESTAMP WITH TIME ZONE cannot distinguish
    properties = {"ts": {"type": ["string", "null"], "format": "date-time"}, "v": INTEGER}
    rows = [{"ts": f"2024-01-01T00:00:00.123456{digit}Z", "v": digit} for digit in (0, 1, 2)]

    # when / then
    with pytest.raises(
        RecordError, match=r"^Stream 's', column 'ts': the date-time of line 3 is finer than micro"
    ) as error:
        load(properties, rows, keys=["ts"])

    # when the stream map of the message is set / then
    maps = json.loads(str(error.value).split("such as ")[1].split(", or set")[0])
    load(properties, rows, keys=["ts"], stream_maps=maps)
    assert query("SELECT count(*), count(DISTINCT ts), typeof(any_value(ts)) FROM s") == [(3, 3, "VARCHAR")]


def test_keys_below_a_microsecond_may_be_appended(load: Load, query: Query) -> None:
    properties = {"ts": {"type": "string", "format": "date-time"}}
    load(properties, [{"ts": "2024-01-01T00:00:00.1234567Z"}] * 2, keys=["ts"], load_method="append-only")
    assert query("SELECT count(*) FROM s") == [(2,)]


@pytest.mark.parametrize(
    "settings",
    [
        {"stream_maps": {"__else__": "x"}},
        {"stream_maps": {"s": "x"}},
        {"stream_maps": {"s": {"a": 5}}},
        {"stream_maps": {"s": {"a": "("}}},
        {"stream_maps": {"s": {"__key_properties__": ["none"]}}},
        {"stream_maps": {"s": {"id": None}}},
    ],
)
def test_invalid_stream_maps_end_the_run(load: Load, settings: dict[str, Any]) -> None:
    with pytest.raises((LoadError, SingerSDKError)):  # the command line reports both in one line
        load({"id": INTEGER}, [{"id": 1}], keys=["id"], **settings)
