"""JSON Schema to column types, and how a column may change its type."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from target_duckdb_arrow.decimals import DEFAULT_SCALE, PRECISION

if TYPE_CHECKING:
    from collections.abc import Mapping

_DECIMAL = re.compile(rf"DECIMAL\({PRECISION},\s*(\d+)\)")
# singer-sdk writes the first, singer-python users the second: a decimal sent as a string.
_DECIMAL_FORMATS = frozenset({"x-singer.decimal", "singer.decimal"})


# Deeper lists are JSON: each level of a LIST is a level of nested SQL in every cast.
_DEEPEST_LIST = 10


@dataclass(frozen=True)
class ColumnType:
    """A type of DuckDB as this target makes it.

    Attributes:
        base: the scalar type, in DuckDB's spelling.
        depth: how many LISTs are around it; 2 is a list of lists.
        from_text: whether numbers may come as strings (`format: singer.decimal`). No part of the type itself.
    """

    base: str
    depth: int = 0
    from_text: bool = field(default=False, compare=False)

    @property
    def sql(self) -> str:
        """The type in DuckDB's SQL."""
        return self.base + "[]" * self.depth

    @property
    def scale(self) -> int | None:
        """Decimals of a DECIMAL(38, s), else None."""
        match = _DECIMAL.fullmatch(self.base)
        return int(match[1]) if match else None

    @property
    def is_integer(self) -> bool:
        """Whether it is BIGINT or HUGEINT, or lists of them."""
        return self.base in {"BIGINT", "HUGEINT"}

    @property
    def is_number(self) -> bool:
        """Whether it is DECIMAL or DOUBLE, or lists of them: the types between which the values decide."""
        return self.base == "DOUBLE" or self.scale is not None

    def with_base(self, base: str) -> ColumnType:
        """Give the same lists around another scalar."""
        return ColumnType(base, self.depth, self.from_text)


BOOLEAN = ColumnType("BOOLEAN")
BIGINT = ColumnType("BIGINT")
HUGEINT = ColumnType("HUGEINT")
DOUBLE = ColumnType("DOUBLE")
VARCHAR = ColumnType("VARCHAR")
DATE = ColumnType("DATE")
TIMESTAMPTZ = ColumnType("TIMESTAMP WITH TIME ZONE")
JSON = ColumnType("JSON")

_STRINGS = {VARCHAR, DATE, TIMESTAMPTZ}


def decimal_type(scale: int | None) -> ColumnType:
    """Give DECIMAL(38, scale), or DOUBLE where there is no scale."""
    return DOUBLE if scale is None else ColumnType(f"DECIMAL({PRECISION},{scale})")


NUMBER = decimal_type(DEFAULT_SCALE)


def type_from_sql(sql: str) -> ColumnType | None:
    """Read a type as DuckDB's catalogue writes it; None for those this target never makes."""
    base = sql.rstrip("[]")
    candidate = ColumnType(base, (len(sql) - len(base)) // 2)
    known = {BOOLEAN.base, BIGINT.base, HUGEINT.base, DOUBLE.base, VARCHAR.base, DATE.base, TIMESTAMPTZ.base, JSON.base}
    if candidate.sql == sql and (base in known or candidate.scale is not None):
        return candidate
    return None


def type_from_schema(schema: Mapping[str, Any]) -> ColumnType:
    """Choose the type of a property's column.

    One real type beside null makes its column; integer with number is number; strings of several formats are VARCHAR;
    every other mixture, an object, an array of objects or of mixed values, and a property without a type are JSON.
    """
    types = _alternatives(schema)
    if len(types) == 1:
        return types.pop()
    if types and all(one.depth == 0 and (one.is_integer or one.is_number) for one in types):
        return NUMBER
    if types and types <= _STRINGS:
        return VARCHAR
    return JSON


def _alternatives(schema: Mapping[str, Any]) -> set[ColumnType]:
    """Collect the types a property may have, null left out."""
    for word in ("anyOf", "oneOf"):
        branches = schema.get(word)
        if isinstance(branches, list) and branches:
            rest = {key: value for key, value in schema.items() if key not in {"anyOf", "oneOf"}}
            return set().union(*(_alternatives({**rest, **branch}) for branch in branches if isinstance(branch, dict)))
    names = schema.get("type")
    if not names:
        return {JSON}
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list):
        return {JSON}
    return {_scalar_or_list(name, schema) for name in names if name != "null"}


def _scalar_or_list(name: Any, schema: Mapping[str, Any]) -> ColumnType:
    if not isinstance(name, str):  # older drafts allow schemas among the types
        return JSON
    if name == "string":
        return _string(schema.get("format"))
    if name == "array":
        items = schema.get("items")
        element = type_from_schema(items) if isinstance(items, dict) and items else JSON
        if element.depth >= _DEEPEST_LIST:
            return JSON
        return JSON if element == JSON else ColumnType(element.base, element.depth + 1, element.from_text)
    return {"boolean": BOOLEAN, "integer": BIGINT, "number": NUMBER}.get(name, JSON)


def _string(text_format: Any) -> ColumnType:
    if not isinstance(text_format, str):
        return VARCHAR
    if text_format in _DECIMAL_FORMATS:
        return ColumnType(NUMBER.base, from_text=True)
    # A `time` stays text: RFC 3339 gives it an offset, which TIME would drop.
    return {"date-time": TIMESTAMPTZ, "date": DATE}.get(text_format, VARCHAR)


def widen(table: ColumnType, asked: ColumnType) -> ColumnType | None:
    """Give the type that holds what the column has and what is asked of it, without loss.

    Between number types the values decide: the answer is then only that a number is possible, namely the table's type
    where that is one, else the asked one.

    Returns:
        The type, or None where there is none.
    """
    if table in (asked, JSON):
        return table
    if asked == JSON:
        # Text of these is JSON, or becomes it by quoting. Of dates and lists it would not be what the tap sends.
        fine = table.depth == 0 and (table in (BOOLEAN, VARCHAR) or table.is_integer or table.is_number)
        return JSON if fine else None
    if table.depth != asked.depth:
        return None
    return _widen_scalar(table, asked)


def _widen_scalar(table: ColumnType, asked: ColumnType) -> ColumnType | None:
    if table.is_number and (asked.is_number or asked.is_integer):
        return table
    if table.is_integer and asked.is_number:
        return asked
    if table.is_integer and asked.is_integer:
        return table.with_base("HUGEINT")
    bases = {table.base, asked.base}
    if bases == {DATE.base, TIMESTAMPTZ.base}:
        return table.with_base(TIMESTAMPTZ.base)
    if VARCHAR.base in bases and (table.is_integer or asked.is_integer):
        return table.with_base(VARCHAR.base)
    return None


def cast(expression: str, source: ColumnType, wanted: ColumnType, level: int = 0) -> str:
    """Write the SQL which turns a value of one type into another that `widen` or the number rule allows."""
    if source == wanted:
        return expression
    if source.depth:
        name = f"element_{level}"
        inner = cast(name, _element(source), _element(wanted), level + 1)
        return f"[{inner} FOR {name} IN {expression}]"
    if wanted == JSON and source == VARCHAR:
        return f"to_json({expression})"
    if wanted in (JSON, DOUBLE):
        # By way of text: the direct cast of DECIMAL to DOUBLE divides, and may miss the nearest double; to JSON it
        # goes by DOUBLE.
        return f"CAST(CAST({expression} AS VARCHAR) AS {wanted.sql})"
    return f"CAST({expression} AS {wanted.sql})"


def _element(column_type: ColumnType) -> ColumnType:
    return ColumnType(column_type.base, column_type.depth - 1, column_type.from_text)
