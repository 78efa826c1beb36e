"""Rows of query results: dimensions as text, exact numbers, row keys (Public API Guide, "JSON Results")."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from hashlib import sha256
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from singer_adtech.errors import DataError
from singer_adtech.records.values import ConversionError, json_kind, to_integer, to_number

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping

    from singer_adtech.records.page import Row

INTEGER_DIMENSIONS = frozenset({"hour", "year"})
"""Dimensions with integer values (guide, "JSON Results").
Assumed: `year` has integer values, like `hour`. If wrong, the value is kept in `_extra`, and a warning names it."""

WITHOUT_ID = frozenset({"day", "hour", "year"})
"""Dimensions without an identifier (guide, "JSON Results").
Assumed: `year` has no identifier, like `day` and `hour`. If wrong, it is kept in `_extra`, and a warning names it."""

INTEGER_IDS = frozenset({"seat", "publisher", "brand", "supply", "adUnit", "network", "currency"})
"""Dimensions with integer identifiers; other identifiers are strings.
Assumed: identifiers of seat, publisher, brand, supply, network and currency are integers, like those of adUnit (the
guide's only example), and others are strings. If wrong, the identifier is kept in `_extra`, and a warning names it."""


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
    if isinstance(value, str) or value is None:
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
    """The keys of a report's rows.

    A key is the SHA-256 (hex) of the compact UTF-8 JSON of a list with one `[dimension, "id" | "value", text or null]`
    for each dimension, sorted by dimension. A dimension is represented by its identifier if the row has one.

    Args:
        dimensions: The report's dimensions, in any order.
    """

    def __init__(self, dimensions: Collection[str]) -> None:
        self._sources = {name: _sources(name, dimensions) for name in sorted(dimensions)}
        self._forms: list[_Form] = []

    def keys(
        self, rows: Iterable[Row], decode_row: Callable[[Row], Mapping[str, Any]], check_day: Callable[[Any], None]
    ) -> Iterator[str]:
        """Compute the keys of rows.

        Args:
            rows: The rows as sent.
            decode_row: Decodes a row.
            check_day: Raises for a day that is not valid; called once per day, if the report has days.

        Raises:
            RowError: The value of a dimension is an array or an object.
        """
        forms = self._forms
        # A copy costs less than a new one.
        new_digest = sha256().copy
        checked: set[str] = set()
        for row in rows:
            for decode, get, day, template, quotes in forms:
                try:
                    values = get(decode(row))
                except msgspec.DecodeError:
                    continue
                if day is not None and values[day] not in checked:
                    check_day(values[day])
                    checked.add(values[day])
                text = template % values
                # A valid day needs no escapes.
                if quotes and (text.count('"') != quotes or "\\" in text or not text.isprintable()):
                    continue
                digest = new_digest()
                digest.update(text.encode())
                yield digest.hexdigest()
                break
            else:
                decoded = decode_row(row)
                if "day" in self._sources:
                    check_day(decoded.get("day"))
                yield self._key(decoded)
                if len(forms) < MOST_FORMS:
                    self._add_form(decoded)

    def _key(self, row: Mapping[str, Any]) -> str:
        parts: list[list[str | None]] = []
        for name, sources in self._sources.items():
            texts = ((kind, _number_text(row.get(field), whole=whole)) for field, kind, whole in sources)
            parts.append([name, *next((one for one in texts if one[1] is not None), ("value", None))])
        return sha256(json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()

    def _add_form(self, row: Mapping[str, Any]) -> None:
        """Prepare the conversion of rows with the same identifiers as this one, if they need no conversion."""
        types: list[tuple[str, Any]] = []
        found: list[str] = []
        parts: list[list[str | None]] = []
        quoted = False
        for name, sources in self._sources.items():
            part: list[str | None] = [name.replace("%", "%%"), "value", None]
            for field, kind, whole in sources:
                value = row.get(field)
                types.append((field, None if value is None else type(value)))
                if value is None:
                    continue
                if type(value) is not int and (type(value) is not str or whole):
                    return
                found.append(field)
                part[1:] = kind, "%s"
                quoted = quoted or (type(value) is str and name != "day")
                break
            parts.append(part)
        if not found:
            return
        attributes = {field: f"f{place}" for place, (field, _) in enumerate(types)}
        template = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
        with suppress(ValueError):  # msgspec refuses names with a quotation mark
            row_type = msgspec.defstruct(
                "Row",
                [(attributes[field], kind) if kind else (attributes[field], None, None) for field, kind in types],
                rename={attribute: field for field, attribute in attributes.items()},
                kw_only=True,
                gc=False,
            )
            # With one name, attrgetter returns no tuple.
            get = attrgetter(*(attributes[field] for field in found))
            self._forms.append(
                (
                    msgspec.json.Decoder(row_type).decode,
                    get if len(found) > 1 else lambda decoded: (get(decoded),),
                    found.index("day") if "day" in found else None,
                    template,
                    template.count('"') if quoted else 0,
                )
            )


_Form: TypeAlias = "tuple[Callable[[Row], Any], Callable[[Any], tuple[Any, ...]], int | None, str, int]"
"""A decoder of rows with equal identifiers, a function that gets their values, the index of the day in them, if any,
and a template of the JSON. The last number counts its quotation marks, to find strings with escapes; 0 without
strings."""

MOST_FORMS = 4
"""Maximum forms per report; a row that has none of them is decoded completely."""


def _sources(name: str, dimensions: Collection[str]) -> list[tuple[str, str, bool]]:
    """Return the fields that represent a dimension: name, kind, and whether it has integers."""
    ids = () if name in WITHOUT_ID else (f"{name}IdLink", f"{name}Id")
    # `supplySeatId` may be a dimension, and is then not the identifier of `supplySeat`.
    return [
        *((field, "id", name in INTEGER_IDS) for field in ids if field not in dimensions),
        (name, "value", name in INTEGER_DIMENSIONS),
    ]


def _number_text(value: Any, *, whole: bool) -> str | None:
    """Convert a value to a string; in an integer column, to the digits of the emitted integer."""
    if whole and value is not None:
        with suppress(ConversionError):
            return text(to_integer(value))
    return text(value)
