"""Column types for JSON Schemas, and the possible changes of a column's type."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from target_duckdb_arrow.decimals import DEFAULT_SCALE, PRECISION

if TYPE_CHECKING:
    from collections.abc import Mapping

_DECIMAL = re.compile(rf"DECIMAL\({PRECISION},\s*(\d+)\)")
# A decimal sent as a string: the first is singer-sdk's format, the second that of singer-python users.
_DECIMAL_FORMATS = frozenset({"x-singer.decimal", "singer.decimal"})


# Deeper lists are JSON, because each level of a LIST nests the SQL of every cast.
_DEEPEST_LIST = 10


@dataclass(frozen=True)
class ColumnType:
    """A DuckDB type that this target uses.

    Attributes:
        base: the scalar type, in DuckDB's spelling.
        depth: number of enclosing LISTs; 2 is a list of lists.
        from_text: whether numbers may come as strings (`format: singer.decimal`). Not part of the type itself.
        maybe_whole: whether the values may all be whole numbers, which are then BIGINT. Not part of the type itself.
    """

    base: str
    depth: int = 0
    from_text: bool = field(default=False, compare=False)
    maybe_whole: bool = field(default=False, compare=False)

    @property
    def sql(self) -> str:
        """The type in SQL."""
        return self.base + "[]" * self.depth

    @property
    def scale(self) -> int | None:
        """The scale s of a DECIMAL(38, s), or None."""
        match = _DECIMAL.fullmatch(self.base)
        return int(match[1]) if match else None

    @property
    def is_integer(self) -> bool:
        """Whether it is BIGINT or HUGEINT, or lists of them."""
        return self.base in {"BIGINT", "HUGEINT"}

    @property
    def is_number(self) -> bool:
        """Whether it is DECIMAL or DOUBLE, or lists of them. The values decide between these."""
        return self.base == "DOUBLE" or self.scale is not None

    def with_base(self, base: str) -> ColumnType:
        """Return the type with another scalar in the same lists."""
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
    """Return DECIMAL(38, scale), or DOUBLE without a scale."""
    return DOUBLE if scale is None else ColumnType(f"DECIMAL({PRECISION},{scale})")


NUMBER = replace(decimal_type(DEFAULT_SCALE), maybe_whole=True)


def type_from_sql(sql: str) -> ColumnType | None:
    """Parse a type of DuckDB's catalogue. Return None for types that this target never creates."""
    base = sql.rstrip("[]")
    candidate = ColumnType(base, (len(sql) - len(base)) // 2)
    known = {BOOLEAN.base, BIGINT.base, HUGEINT.base, DOUBLE.base, VARCHAR.base, DATE.base, TIMESTAMPTZ.base, JSON.base}
    if candidate.sql == sql and (base in known or candidate.scale is not None):
        return candidate
    return None


def type_from_schema(schema: Mapping[str, Any]) -> ColumnType:
    """Choose the type of a property's column.

    A single type besides null determines the column. Integer with number is number, and strings of several formats are
    VARCHAR. Other mixtures, objects, arrays of objects or mixed values, and properties without a type are JSON.
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
    """Collect the possible types of a property, without null."""
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
    if not isinstance(name, str):  # older drafts of JSON Schema allow schemas as types
        return JSON
    if name == "string":
        return _string(schema.get("format"))
    if name == "array":
        items = schema.get("items")
        element = type_from_schema(items) if isinstance(items, dict) and items else JSON
        if element.depth >= _DEEPEST_LIST:
            return JSON
        return JSON if element == JSON else replace(element, depth=element.depth + 1)
    return {"boolean": BOOLEAN, "integer": BIGINT, "number": NUMBER}.get(name, JSON)


def _string(text_format: Any) -> ColumnType:
    if not isinstance(text_format, str):
        return VARCHAR
    if text_format in _DECIMAL_FORMATS:
        return replace(NUMBER, from_text=True)
    # A `time` stays text, because TIME would drop the offset that RFC 3339 requires.
    return {"date-time": TIMESTAMPTZ, "date": DATE}.get(text_format, VARCHAR)


def widen(table: ColumnType, wanted: ColumnType) -> ColumnType | None:
    """Find a type that holds the values of two types without loss.

    Args:
        table: the type of the existing column.
        wanted: the type that the schema requires.

    Returns:
        The type, or None. Between number types the values decide later: the result is then only one of the two.
    """
    if table in (wanted, JSON):
        return table
    if wanted == JSON:
        # The text of these is JSON, or becomes JSON by quoting. That of dates and lists would differ from the tap's.
        fine = table.depth == 0 and (table in (BOOLEAN, VARCHAR) or table.is_integer or table.is_number)
        return JSON if fine else None
    if table.depth != wanted.depth:
        return None
    return _widen_scalar(table, wanted)


def _widen_scalar(table: ColumnType, wanted: ColumnType) -> ColumnType | None:
    if table.is_number and (wanted.is_number or wanted.is_integer):
        return table
    if table.is_integer and wanted.is_number:
        return wanted
    if table.is_integer and wanted.is_integer:
        return table.with_base("HUGEINT")
    bases = {table.base, wanted.base}
    if bases == {DATE.base, TIMESTAMPTZ.base}:
        return table.with_base(TIMESTAMPTZ.base)
    if VARCHAR.base in bases and (table.is_integer or wanted.is_integer):
        return table.with_base(VARCHAR.base)
    return None


def cast(expression: str, source: ColumnType, wanted: ColumnType, level: int = 0) -> str:
    """Write the SQL that converts a value to another type allowed by `widen` or the number rule."""
    if source == wanted:
        return expression
    if source.depth:
        name = f"element_{level}"
        inner = cast(name, _element(source), _element(wanted), level + 1)
        return f"[{inner} FOR {name} IN {expression}]"
    if wanted == JSON and source == VARCHAR:
        return f"to_json({expression})"
    if wanted in (JSON, DOUBLE):
        # Via text: the direct cast of DECIMAL to DOUBLE divides and may miss the nearest double, and the cast to JSON
        # uses DOUBLE.
        return f"CAST(CAST({expression} AS VARCHAR) AS {wanted.sql})"
    return f"CAST({expression} AS {wanted.sql})"


def _element(column_type: ColumnType) -> ColumnType:
    return ColumnType(column_type.base, column_type.depth - 1, column_type.from_text)
