"""Rows of query results: dimensions as text, exact numbers, row keys (Public API Guide, "JSON Results")."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from hashlib import sha256
from json.encoder import encode_basestring
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from singer_adtech.errors import DataError
from singer_adtech.records.values import ConversionError, json_kind, to_integer, to_number

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence

    from singer_adtech.records.page import Row

INTEGER_DIMENSIONS = frozenset({"hour", "year"})
"""Dimensions with integer values."""

WITHOUT_ID = frozenset({"day", "hour", "year"})
"""Dimensions without an identifier. Assumed for `year`."""

INTEGER_IDS = frozenset({"seat", "publisher", "brand", "supply", "adUnit", "network", "currency"})
"""Dimensions with integer identifiers; other identifiers are strings."""


class RowError(DataError):
    """A row with a value that is not allowed."""


def id_column(dimension: str) -> str:
    """Return the name of a dimension's identifier column; the one of `currency` is irregular."""
    return "currencyId" if dimension == "currency" else f"{dimension}IdLink"


def text(value: Any) -> str | None:
    """Convert the value of a dimension to a string; numbers in decimal notation.

    Raises:
        RowError: The value is an array or an object.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    raise RowError(f"the value of a dimension is a JSON {json_kind(value)}", "report this to the tap's authors")


def with_numbers(fields: Iterable[tuple[str, Any]], metrics: Container[str]) -> Iterator[tuple[str, Any]]:
    """Convert metrics that were sent as strings to numbers; an empty string becomes null.

    Args:
        fields: The names and values of a row.
        metrics: The numeric metrics.

    Raises:
        RowError: A string is not a number.
    """
    for name, value in fields:
        if not isinstance(value, str) or name not in metrics:
            yield name, value
            continue
        try:
            yield name, to_number(value)
        except ConversionError:
            raise RowError(
                f"the metric {name} has a string that is not a number",
                "remove the metric from the report, and report this to the tap's authors",
            ) from None


class RowKeys:
    """The keys of a report's rows: digests of their dimensions, by their identifiers if the rows have them.

    A key is the SHA-256 (hex) of the compact UTF-8 JSON of a list with one `[dimension, "id" | "value", text or null]`
    for each dimension, sorted by dimension.

    Args:
        dimensions: The report's dimensions, in any order; one is `day`.
    """

    def __init__(self, dimensions: Collection[str]) -> None:
        fields: list[str] = []
        self._dimensions: list[tuple[list[_Source], str]] = []
        for name in sorted(dimensions):
            ids = () if name in WITHOUT_ID else (f"{name}IdLink", f"{name}Id")
            # `supplySeatId` may be a dimension, and is then not the identifier of `supplySeat`.
            known = [one for one in ids if one not in dimensions]
            quoted = encode_basestring(name)
            sources = [
                *((len(fields) + place, f'[{quoted},"id",', name in INTEGER_IDS) for place in range(len(known))),
                (len(fields) + len(known), f'[{quoted},"value",', name in INTEGER_DIMENSIONS),
            ]
            self._dimensions.append((sources, f'[{quoted},"value",null]'))
            fields += [*known, name]
        fields.append("day")
        self._fields = fields
        attributes = {name: f"f{place}" for place, name in enumerate(dict.fromkeys(fields))}
        self._decode: Callable[[Row], Any]
        self._get: Callable[[Any], Sequence[Any]]
        try:
            kind = msgspec.defstruct(
                "Dimensions",
                [(attribute, Any, None) for attribute in attributes.values()],
                rename={attribute: name for name, attribute in attributes.items()},
                gc=False,
            )
        except ValueError:  # a name with a quotation mark
            self._decode = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode
            self._get = self._look_up
        else:
            self._decode = msgspec.json.Decoder(kind, float_hook=Decimal).decode
            self._get = attrgetter(*(attributes[name] for name in fields))

    def _look_up(self, row: Mapping[str, Any]) -> Sequence[Any]:
        return [row.get(name) for name in self._fields]

    def keys(
        self, rows: Iterable[Row], decode_row: Callable[[Row], Mapping[str, Any]], check_day: Callable[[Any], None]
    ) -> Iterator[str]:
        """Compute the keys of rows.

        Args:
            rows: The rows as sent.
            decode_row: Decodes a row that is not usual.
            check_day: Raises for a day that is not valid.

        Raises:
            RowError: The value of a dimension is an array or an object.
        """
        decode, get, dimensions = self._decode, self._get, self._dimensions
        checked: set[str] = set()
        for row in rows:
            try:
                values = get(decode(row))
            except msgspec.DecodeError:
                values = self._look_up(decode_row(row))
            day = values[-1]
            if type(day) is not str or day not in checked:
                check_day(day)
                checked.add(day)
            parts: list[str] = []
            for sources, null in dimensions:
                for place, begin, whole in sources:
                    value = values[place]
                    if type(value) is int:
                        parts.append(f'{begin}"{value}"]')
                        break
                    found = value if value is None or (type(value) is str and not whole) else _text(value, whole=whole)
                    if found is not None:
                        parts.append(f"{begin}{encode_basestring(found)}]")
                        break
                else:
                    parts.append(null)
            yield sha256(f"[{','.join(parts)}]".encode()).hexdigest()


_Source: TypeAlias = "tuple[int, str, bool]"
"""A field that identifies a dimension: its place, its JSON in a key, and whether it has integers."""


def _text(value: Any, *, whole: bool) -> str | None:
    """Convert a value to a string; in an integer column, to the digits of the emitted integer."""
    if whole:
        with suppress(ConversionError):
            return text(to_integer(value))
    return text(value)
