"""Keys of click log rows, which have no id."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from tap_adspect.row_streams import named_row, numbered
from tap_adspect.rows import plain_address, to_instant

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from singer_adtech.records.page import Row

KEY_COLUMNS = ("timestamp", "stream_id", "click_id", "sequence", "ip_address")
"""The columns of a row's key, in this order, without those that a later status may change."""


ROWS = 1_000
"""Rows to decode at a time: all key columns of a response would need much memory."""


@dataclass(frozen=True)
class KeyedRows:
    """The key columns of a response.

    Args:
        keys: The key of each row.
        instants: The different timestamps, converted.
        sequences: The number of rows per value of `sequence`, as text.
        filtered: The number of rows per value, as text, of each column with a filter.
    """

    keys: list[str]
    instants: Collection[str]
    sequences: Counter[str]
    filtered: Mapping[str, Counter[str]]


class KeyReader:
    """The keys of the rows of a response, independent of their order.

    A key is the SHA-256 (hex) of the compact JSON (UTF-8) of the key columns (null as `""`) and an ordinal. The ordinal
    distinguishes rows with equal key columns, in the order of their full JSON. Values are as sent, except for hashed IP
    addresses. Click ids may be blank or repeated.

    Assumed: the vendor does not change the key columns of a row later, or their spelling (`0` and `"0"`). If wrong, the
    look-back loads a changed row a second time, and the table has more clicks than the funnel.

    Assumed: no row is added to or removed from rows with equal key columns later. If wrong, their ordinals move, and a
    removed row stays in the table.

    Args:
        names: The requested columns, in order.
        salt: The salt of hashed IP addresses; None if they are not hashed.
        filtered: Requested columns to count the values of.
    """

    def __init__(self, names: Sequence[str], salt: str | None = None, filtered: Collection[str] = ()) -> None:
        self._names = names
        self._filtered = filtered
        self._read = tuple(dict.fromkeys((*KEY_COLUMNS, *filtered)))
        # The salt prevents a search through all addresses. A copy is faster than a new HMAC for each address.
        self._hmac = None if salt is None else hmac.new(salt.encode(), digestmod="sha256")
        self._hashes: dict[str, str] = {}
        fields = [(name, Any if name in self._read else msgspec.Raw) for name in names]
        row = msgspec.defstruct("Row", fields, array_like=True, forbid_unknown_fields=True, gc=False)
        self._decode = msgspec.json.Decoder(list[row], float_hook=Decimal).decode  # type: ignore[valid-type]

    def read(self, rows: Sequence[Row]) -> KeyedRows:
        """Compute the key of each row.

        Args:
            rows: All rows of a response.

        Raises:
            DataError: A row is not an array of the requested columns, or has an invalid timestamp.
        """
        self._hashes.clear()
        keys: list[str] = []
        instants: dict[str, None] = {}
        sequences: Counter[str] = Counter()
        filtered: dict[str, Counter[str]] = {name: Counter() for name in self._filtered}
        with numbered(rows):
            for start in range(0, len(rows), ROWS):
                columns = self._columns(rows[start : start + ROWS])
                instants.update(dict.fromkeys(map(to_instant, columns["timestamp"])))
                sequences.update(map(str, columns["sequence"]))
                for name, counts in filtered.items():
                    counts.update(map(str, columns[name]))
                values = [["" if value is None else value for value in columns[name]] for name in KEY_COLUMNS]
                texts = _compact.encode_lines(zip(*values, strict=True)).split(b"\n")[:-1]
                keys += [hashlib.sha256(text[:-1] + b",0]").hexdigest() for text in texts]
        if len(set(keys)) < len(keys):
            self._number_equal(rows, keys)
        return KeyedRows(keys, tuple(instants), sequences, filtered)

    def _columns(self, rows: Sequence[Row]) -> dict[str, list[Any]]:
        """Return the values of each column to read."""
        try:
            decoded = self._decode(b"[%b]" % b",".join(rows))
        except (msgspec.DecodeError, RecursionError):
            # A row of another form, or an integer that is too long.
            named = [named_row(row, self._names) for row in rows]
            columns = {name: [row.get(name) for row in named] for name in self._read}
        else:
            columns = {
                name: [*map(attrgetter(name), decoded)] if name in self._names else [None] * len(rows)
                for name in self._read
            }
        if self._hmac is not None:
            columns["ip_address"] = [*map(self.emitted, columns["ip_address"])]
        return columns

    def emitted(self, address: Any) -> Any:
        """Return an IP address as emitted: as sent, or its HMAC-SHA-256 (hex), remembered until the next response.

        An IPv4-mapped IPv6 address has the hash of its IPv4 address.
        """
        if self._hmac is None or address is None:
            return address
        text = str(address)
        known = self._hashes.get(text)
        if known is None:
            code = self._hmac.copy()
            code.update(plain_address(text).encode())
            known = self._hashes[text] = code.hexdigest()
        return known

    def _number_equal(self, rows: Sequence[Row], keys: list[str]) -> None:
        """Replace the keys of rows with equal key columns, except for the first in the order of their full JSON."""
        equal: dict[str, list[int]] = {key: [] for key, times in Counter(keys).items() if times > 1}
        for number, key in enumerate(keys):
            if key in equal:
                equal[key].append(number)
        for numbers in equal.values():
            named = [(number, named_row(rows[number], self._names)) for number in numbers]
            for _, row in named:
                row["ip_address"] = self.emitted(row.get("ip_address"))
            named.sort(key=lambda one: _compact.encode([one[1][name] for name in self._names]))
            for ordinal, (number, row) in enumerate(named):
                values = ["" if row[name] is None else row[name] for name in KEY_COLUMNS]
                keys[number] = hashlib.sha256(_compact.encode([*values, ordinal])).hexdigest()


_compact = msgspec.json.Encoder(decimal_format="number")
