"""The column type of a property, and possible changes of it."""

from __future__ import annotations

from typing import Any

import pytest
from target_duckdb_arrow.types import ColumnType, cast, type_from_schema, type_from_sql, widen


@pytest.mark.parametrize(
    ("schema", "sql"),
    [
        ({"type": "integer"}, "BIGINT"),
        ({"type": ["null", "integer"]}, "BIGINT"),
        ({"type": "number"}, "DECIMAL(38,10)"),
        ({"type": ["integer", "number", "null"]}, "DECIMAL(38,10)"),
        ({"type": "string", "format": "singer.decimal"}, "DECIMAL(38,10)"),
        ({"type": ["string", "null"], "format": "x-singer.decimal"}, "DECIMAL(38,10)"),
        ({"type": "boolean"}, "BOOLEAN"),
        ({"type": "string"}, "VARCHAR"),
        ({"type": "string", "format": "uri"}, "VARCHAR"),
        ({"type": "string", "format": "time"}, "VARCHAR"),
        ({"type": ["string", "null"], "format": "date-time"}, "TIMESTAMP WITH TIME ZONE"),
        ({"type": "string", "format": "date"}, "DATE"),
        ({"type": "object", "properties": {"a": {"type": "integer"}}}, "JSON"),
        ({"type": "object"}, "JSON"),
        ({}, "JSON"),
        ({"type": "null"}, "JSON"),
        ({"enum": ["a", "b"]}, "JSON"),
        ({"type": ["string", "integer"]}, "JSON"),
        ({"type": ["boolean", "null", "object"]}, "JSON"),
        ({"type": "array"}, "JSON"),
        ({"type": "array", "items": {}}, "JSON"),
        ({"type": "array", "items": [{"type": "integer"}, {"type": "string"}]}, "JSON"),
        ({"type": "array", "items": {"type": ["string", "integer"]}}, "JSON"),
        ({"type": "array", "items": {"type": "object"}}, "JSON"),
        ({"type": ["array", "null"], "items": {"type": ["integer", "null"]}}, "BIGINT[]"),
        ({"type": "array", "items": {"type": "string", "format": "date"}}, "DATE[]"),
        ({"type": "array", "items": {"type": "array", "items": {"type": "number"}}}, "DECIMAL(38,10)[][]"),
        ({"type": ["array", "string"], "items": {"type": "string"}}, "JSON"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "BIGINT"),
        ({"oneOf": [{"type": "number"}, {"type": "integer"}]}, "DECIMAL(38,10)"),
        ({"anyOf": [{"type": "string", "format": "date-time"}, {"type": ["string", "null"]}]}, "VARCHAR"),
        ({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}, "TIMESTAMP WITH TIME ZONE"),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "JSON"),
        ({"type": "string", "anyOf": [{"format": "date"}, {"type": "null"}]}, "DATE"),
    ],
)
def test_the_column_type_of_a_property(schema: dict[str, Any], sql: str) -> None:
    # given a JSON Schema / when / then
    assert type_from_schema(schema).sql == sql


@pytest.mark.parametrize(
    ("table", "asked", "result"),
    [
        ("BIGINT", "BIGINT", "BIGINT"),
        ("BIGINT", "HUGEINT", "HUGEINT"),
        ("HUGEINT", "BIGINT", "HUGEINT"),
        ("BIGINT", "DECIMAL(38,10)", "DECIMAL(38,10)"),
        ("DECIMAL(38,17)", "BIGINT", "DECIMAL(38,17)"),
        ("DOUBLE", "DECIMAL(38,10)", "DOUBLE"),
        ("BIGINT", "VARCHAR", "VARCHAR"),
        ("VARCHAR", "HUGEINT", "VARCHAR"),
        ("DATE", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITH TIME ZONE"),
        ("TIMESTAMP WITH TIME ZONE", "DATE", "TIMESTAMP WITH TIME ZONE"),
        ("VARCHAR", "JSON", "JSON"),
        ("BOOLEAN", "JSON", "JSON"),
        ("DECIMAL(38,10)", "JSON", "JSON"),
        ("JSON", "BIGINT", "JSON"),
        ("JSON", "VARCHAR[]", "JSON"),
        ("BIGINT[]", "DECIMAL(38,10)[]", "DECIMAL(38,10)[]"),
        ("DATE", "JSON", None),
        ("BIGINT[]", "JSON", None),
        ("VARCHAR", "DATE", None),
        ("VARCHAR", "DECIMAL(38,10)", None),
        ("DECIMAL(38,10)", "VARCHAR", None),
        ("BOOLEAN", "BIGINT", None),
        ("VARCHAR", "VARCHAR[]", None),
        ("VARCHAR[][]", "VARCHAR[]", None),
        ("TIMESTAMP WITH TIME ZONE", "VARCHAR", None),
    ],
)
def test_columns_widen_only_without_loss(table: str, asked: str, result: str | None) -> None:
    # given
    present, wanted = type_from_sql(table), type_from_sql(asked)
    assert present is not None
    assert wanted is not None

    # when
    merged = widen(present, wanted)

    # then
    assert (merged.sql if merged else None) == result


@pytest.mark.parametrize(
    "sql",
    ["INTEGER", "DECIMAL(18,3)", "TIMESTAMP", "STRUCT(a INTEGER)", "BIGINT[3]", "TIME", "BLOB"],
)
def test_types_that_the_loader_never_creates_are_unknown(sql: str) -> None:
    assert type_from_sql(sql) is None


def test_lists_are_cast_element_by_element() -> None:
    # given
    wanted = ColumnType("DOUBLE", 2)

    # when
    sql = cast("x", ColumnType("DECIMAL(38,10)", 2), wanted)

    # then
    assert sql == "[[CAST(CAST(element_1 AS VARCHAR) AS DOUBLE) FOR element_1 IN element_0] FOR element_0 IN x]"
