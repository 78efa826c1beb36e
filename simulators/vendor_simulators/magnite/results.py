"""Result rows: as sent, and as records of a correct tap."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zlib
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from vendor_simulators.exact import exact_json
from vendor_simulators.magnite.inventory import NAMESAKES
from vendor_simulators.magnite.warehouse import DIMENSIONS, METRICS
from vendor_simulators.seeded import generator

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vendor_simulators.magnite.definitions import Query
    from vendor_simulators.magnite.options import MagniteOptions
    from vendor_simulators.magnite.warehouse import Row, Value

Record = dict[str, Any]

_INTEGER_IDS = {"seat", "publisher", "brand", "supply", "adUnit", "network", "currency"}
_INTEGERS = {"hour", "year", "requests", "impressions"}
_WITHOUT_ID = {"day", "hour", "year"}


class Results:
    """Builds rows.

    Args:
        options: The variants.
    """

    def __init__(self, options: MagniteOptions) -> None:
        self._options = options

    def json(self, rows: Iterable[Row]) -> bytes:
        """Return rows as a JSON list of objects, with names in alphabetical order as in the guide."""
        return exact_json([dict(sorted(self._sent(row).items())) for row in rows]).encode("ascii")

    def csv(self, rows: Iterable[Row], fields: Sequence[str]) -> str:
        """Return rows as CSV with readable names in the header."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow([(DIMENSIONS.get(name) or METRICS[name]).name for name in fields])
        for row in rows:
            values = {**{name: pair[0] for name, pair in row.dimensions.items()}, **row.metrics}
            writer.writerow([values[name] for name in fields])
        return text.getvalue()

    def record(self, row: Row, columns: Sequence[str]) -> Record:
        """Return the expected record of a row.

        Args:
            row: The row.
            columns: The report's dimensions.
        """
        record: Record = {}
        key = []
        for name in sorted(columns):
            value, _ = row.dimensions[name]
            record[name] = value if name in _INTEGERS else _text(value)
            identifier = self._identifier(name, row)
            if name not in _WITHOUT_ID:
                column = "currencyId" if name == "currency" else f"{name}IdLink"
                record[column] = identifier if name in _INTEGER_IDS else _text(identifier)
            key.append([name, "value", _text(value)] if identifier is None else [name, "id", _text(identifier)])
        for name, figure in row.metrics.items():
            record[name] = figure if figure is None or name in _INTEGERS else Decimal(figure)
        text = json.dumps(key, ensure_ascii=False, separators=(",", ":"))
        record["row_key"] = hashlib.sha256(text.encode("utf-8")).hexdigest()
        record["_extra"] = self._undeclared(row) or None
        return record

    def _sent(self, row: Row) -> dict[str, Any]:
        sent: dict[str, Any] = {}
        for name, (value, identifier) in row.dimensions.items():
            sent[name] = value
            id_column, state = DIMENSIONS[name].id_column, self._id_state(name, identifier)
            if id_column is not None and state != "absent":
                sent[id_column] = identifier if state == "sent" else None
        as_text = self._options.metrics == "strings" or (self._options.metrics == "mixed" and _hash(row) % 9 == 0)
        for name, figure in row.metrics.items():
            sent[name] = _figure_text(figure) if as_text else figure
        return {**sent, **self._undeclared(row)}

    def _identifier(self, name: str, row: Row) -> Value:
        identifier = row.dimensions[name][1]
        return identifier if self._id_state(name, identifier) == "sent" else None

    def _id_state(self, name: str, identifier: Value) -> str:
        """Return whether an identifier is sent, null or absent; rows with the same name stay distinguishable."""
        if self._options.missing_ids == "always":
            return "absent"
        if self._options.missing_ids == "few" and isinstance(identifier, int) and identifier not in NAMESAKES:
            if name == "adUnit":
                return {3: "null", 4: "absent"}.get(identifier % 7, "sent")
            if name == "supply":
                return {4: "null"}.get(identifier % 5, "sent")
        return "sent"

    def _undeclared(self, row: Row) -> dict[str, Any]:
        if self._options.undeclared and _hash(row) % 13 == 2:  # noqa: PLR2004 - one in thirteen
            return {"dataVersion": {"number": 2}}
        return {}


def _hash(row: Row) -> int:
    """Return a hash of a row's dimensions."""
    return zlib.crc32(repr(sorted(row.dimensions.items())).encode("utf-8"))


def _figure_text(figure: int | Decimal | None) -> str:
    return "" if figure is None else f"{Decimal(figure):f}"


def _text(value: Value) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def reorder(rows: list[Row], query: Query, seed: int, number: int, *, requested: bool) -> None:
    """Shuffle rows differently at each fetch, or sort them in the requested order."""
    generator("order", seed, query.first_day, number).shuffle(rows)
    for name, descending in reversed(query.orderings if requested else ()):
        rows.sort(key=partial(_rank, name), reverse=descending)


def _rank(name: str, row: Row) -> tuple[bool, str | int | Any]:
    value = row.dimensions[name][0] if name in row.dimensions else row.metrics.get(name)
    return value is not None, "" if value is None and name in row.dimensions else value or 0
