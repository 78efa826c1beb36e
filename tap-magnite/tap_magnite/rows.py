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
"""Dimensions whose own value is a number."""

WITHOUT_TWIN = frozenset({"day", "hour", "year"})
"""Dimensions beside which no identifier stands; assumed of `year`."""

INTEGER_TWINS = frozenset({"seat", "publisher", "brand", "supply", "adUnit", "network", "currency"})
"""Dimensions whose identifier is a number; of others it is a text."""


def twin_column(dimension: str) -> str:
    """Return the column with the identifier of a dimension; that of `currency` has a name of its own."""
    return "currencyId" if dimension == "currency" else f"{dimension}IdLink"


def text(value: Any) -> str | None:
    """Return a value of a dimension as text; numbers in decimal notation.

    Raises:
        DataError: It is an array or an object.
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
    """Make text of dimensions, and of identifiers that are no numbers."""
    made: dict[str, Any] = dict(row)
    for name in dimensions:
        if name not in INTEGER_DIMENSIONS and name in row:
            made[name] = text(row[name])
        twin = twin_column(name)
        if name not in WITHOUT_TWIN | INTEGER_TWINS and twin in row:
            made[twin] = text(row[twin])
    return made


def with_numbers(row: Mapping[str, Any], metrics: Iterable[str]) -> dict[str, Any]:
    """Make numbers of metrics that came as strings; an empty one is null.

    Args:
        row: A row.
        metrics: Its metrics that are numbers.

    Raises:
        DataError: A metric is some other text.
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
    """Return the key of a row: a digest of its dimensions, each by its identifier where the row has one.

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
    if name not in WITHOUT_TWIN:
        for twin in (f"{name}IdLink", f"{name}Id"):
            # `supplySeatId` may be a dimension of its own, and then says nothing of `supplySeat`.
            found = None if twin in dimensions else _number_text(row.get(twin), whole=name in INTEGER_TWINS)
            if found is not None:
                return "id", found
    return "value", _number_text(row.get(name), whole=name in INTEGER_DIMENSIONS)


def _number_text(value: Any, *, whole: bool) -> str | None:
    """Return text; of what stands in a column of integers, the digits that the column has."""
    if whole and value is not None:
        try:
            return text(to_integer(value))
        except ConversionError:
            return text(value)
    return text(value)
