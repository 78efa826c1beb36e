"""Keys of click log rows, which have no id."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from tap_adspect.client import named_row, numbered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_adtech.records.page import Row

KEY_COLUMNS = ("timestamp", "stream_id", "click_id", "sequence", "ip_address")
"""The columns of a row's key, in this order, without those that a later status may change."""


class RowKeys:
    """The keys of the rows of a response, independent of their order.

    A key is the SHA-256 (hex) of the compact JSON (UTF-8) of the key columns (null as `""`) and an ordinal. The ordinal
    distinguishes rows with equal key columns, in the order of their full JSON. Values are as sent, except for hashed IP
    addresses.

    Args:
        names: The requested columns, in order.
        salt: The salt of hashed IP addresses; None if they are not hashed.
    """

    def __init__(self, names: Sequence[str], salt: str | None = None) -> None:
        self._names = names
        self._salt = salt
        self._hashes: dict[str, str] = {}
        last = max(names.index(name) for name in KEY_COLUMNS if name in names)
        fields = [(name, Any if name in KEY_COLUMNS else msgspec.Raw) for name in names[: last + 1]]
        row = msgspec.defstruct("Row", fields, array_like=True, gc=False)
        self._decode = msgspec.json.Decoder(list[row], float_hook=Decimal).decode  # type: ignore[valid-type]

    def hash_address(self, address: Any) -> str:
        """Return the keyed hash of an IP address as sent."""
        text = str(address)
        return self._hashes.get(text) or keyed_hash(self._salt or "", text)

    def values(self, rows: Sequence[Row]) -> dict[str, list[Any]]:
        """Return the values of each key column.

        Args:
            rows: All rows of a response.

        Raises:
            DataError: A row is not an array, or has a different number of items.
        """
        try:
            decoded = self._decode(b"[%b]" % b",".join(rows))
        except (msgspec.DecodeError, RecursionError):
            # A row of another form, or an integer that is too long.
            with numbered(rows):
                named = [named_row(row, self._names) for row in rows]
            columns = {name: [row.get(name) for row in named] for name in KEY_COLUMNS}
        else:
            columns = {
                name: [*map(attrgetter(name), decoded)] if name in self._names else [None] * len(rows)
                for name in KEY_COLUMNS
            }
        if self._salt is not None:
            addresses = {str(address) for address in columns["ip_address"] if address is not None}
            self._hashes = {address: keyed_hash(self._salt, address) for address in addresses}
            columns["ip_address"] = [
                None if address is None else self._hashes[str(address)] for address in columns["ip_address"]
            ]
        return {name: ["" if value is None else value for value in column] for name, column in columns.items()}

    def of(self, rows: Sequence[Row], values: dict[str, list[Any]]) -> list[str]:
        """Compute the key of each row.

        Args:
            rows: All rows of a response.
            values: Their `values`.
        """
        texts = _compact.encode_lines([*zip(*values.values(), strict=True)]).split(b"\n")[:-1]
        keys = [hashlib.sha256(text[:-1] + b",0]").hexdigest() for text in texts]
        if len(set(keys)) < len(keys):
            equal: dict[bytes, list[int]] = {text: [] for text, times in Counter(texts).items() if times > 1}
            for number, text in enumerate(texts):
                if text in equal:
                    equal[text].append(number)
            for text, numbers in equal.items():
                numbers.sort(key=lambda number: self._full(rows[number]))
                for ordinal, number in enumerate(numbers):
                    keys[number] = hashlib.sha256(b"%b,%d]" % (text[:-1], ordinal)).hexdigest()
        return keys

    def _full(self, row: Row) -> bytes:
        """Return the compact JSON of a row, with the IP address as emitted."""
        named = named_row(row, self._names)
        if self._salt is not None and named["ip_address"] is not None:
            named["ip_address"] = self.hash_address(named["ip_address"])
        return _compact.encode([*named.values()])


def keyed_hash(salt: str, address: str) -> str:
    """Return the HMAC-SHA-256 (hex) of an address; the salt prevents a search through all addresses."""
    return hmac.digest(salt.encode(), address.encode(), "sha256").hex()


_compact = msgspec.json.Encoder(decimal_format="number")
