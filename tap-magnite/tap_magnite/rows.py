"""Rows of query results: dimensions as text, exact numbers, row keys (Public API Guide, "JSON Results")."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from singer_adtech.errors import DataError
from singer_adtech.records.values import ConversionError, json_kind, to_integer, to_number

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

INTEGER_DIMENSIONS = frozenset({"hour", "year"})
"""Dimensions with integer values."""

WITHOUT_ID = frozenset({"day", "hour", "year"})
"""Dimensions without an identifier. Assumed for `year`."""

INTEGER_IDS = frozenset({"seat", "publisher", "brand", "supply", "adUnit", "network", "currency"})
"""Dimensions with integer identifiers; other identifiers are strings."""


def id_column(dimension: str) -> str:
    """Return the name of a dimension's identifier column; the one of `currency` is irregular."""
    return "currencyId" if dimension == "currency" else f"{dimension}IdLink"


def text(value: Any) -> str | None:
    """Convert the value of a dimension to a string; numbers in decimal notation.

    Raises:
        DataError: The value is an array or an object.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    raise DataError(f"the value of a dimension is a JSON {json_kind(value)}", "report this to the tap's authors")


def with_text(row: Mapping[str, Any], dimensions: Iterable[str]) -> dict[str, Any]:
    """Convert dimensions and identifiers to strings, except integers."""
    made: dict[str, Any] = dict(row)
    for name in dimensions:
        if name not in INTEGER_DIMENSIONS and name in row:
            made[name] = text(row[name])
        id_name = id_column(name)
        if name not in WITHOUT_ID | INTEGER_IDS and id_name in row:
            made[id_name] = text(row[id_name])
    return made


def with_numbers(row: Mapping[str, Any], metrics: Iterable[str]) -> dict[str, Any]:
    """Convert metrics that were sent as strings to numbers; an empty string becomes null.

    Args:
        row: A row.
        metrics: The numeric metrics.

    Raises:
        DataError: A string is not a number.
    """
    made: dict[str, Any] = dict(row)
    for name in metrics:
        if isinstance(row.get(name), str):
            try:
                made[name] = to_number(row[name])
            except ConversionError:
                raise DataError(
                    f"the metric {name} has a string that is not a number",
                    "remove the metric from the report, and report this to the tap's authors",
                ) from None
    return made


def row_key(row: Mapping[str, Any], dimensions: Collection[str]) -> str:
    """Return the key of a row: a digest of its dimensions, by their identifiers if the row has them.

    Args:
        row: The row as sent.
        dimensions: The report's dimensions, in any order.

    Returns:
        SHA-256 (hex) of the compact UTF-8 JSON of a list with one `[dimension, "id" | "value", text or null]` for each
        dimension, sorted by dimension.
    """
    parts = [[name, *_identity(row, name, dimensions)] for name in sorted(dimensions)]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def _identity(row: Mapping[str, Any], name: str, dimensions: Collection[str]) -> tuple[str, str | None]:
    if name not in WITHOUT_ID:
        for id_name in (f"{name}IdLink", f"{name}Id"):
            # `supplySeatId` may be a dimension, and is then not the identifier of `supplySeat`.
            found = None if id_name in dimensions else _number_text(row.get(id_name), whole=name in INTEGER_IDS)
            if found is not None:
                return "id", found
    return "value", _number_text(row.get(name), whole=name in INTEGER_DIMENSIONS)


def _number_text(value: Any, *, whole: bool) -> str | None:
    """Convert a value to a string; in an integer column, to the digits of the emitted integer."""
    if whole and value is not None:
        try:
            return text(to_integer(value))
        except ConversionError:
            return text(value)
    return text(value)
