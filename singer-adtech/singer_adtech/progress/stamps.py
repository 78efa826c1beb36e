"""Instants that are compared by value and sent back in the vendor's format.

Vendors parse their own format best, and all digits of a fraction are kept because they order rows within a millisecond.
"""

from __future__ import annotations

import datetime as dt
import re
from functools import total_ordering

from typing_extensions import Self, override

_STAMP = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})"
    r"(?:(?P<between>[Tt ])(?P<time>\d{2}:\d{2}(?::\d{2})?)(?P<fraction>[.,]\d{1,30})?"
    r"\s?(?P<zone>[Zz]|UTC|[+-]\d{2}:?\d{2})?)?"
)
_USUAL = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,30})?Z", re.ASCII)
_SECONDS = len("2021-03-19T14:30:06")


@total_ordering
class Stamp:
    """An instant.

    Args:
        text: The vendor's text: ISO 8601, possibly with a space instead of the `T`; UTC if it has no zone.

    Raises:
        ValueError: The text is not an instant.
    """

    __slots__ = ("_instant", "_parts", "_wall", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        # Most texts have the usual format, and need not be taken apart.
        self._parts = None if _USUAL.fullmatch(text) else _parts(text)
        # Fractions are compared as text to keep all digits, without trailing zeros.
        if self._parts is None:
            self._wall = dt.datetime.fromisoformat(text[:_SECONDS])
            self._instant = self._wall, text[_SECONDS + 1 : -1].rstrip("0")
        else:
            day, time, zone = self._parts.group("day", "time", "zone")
            self._wall = dt.datetime.fromisoformat(f"{day}T{time or '00:00'}")
            self._instant = self._wall - _offset(zone), (self._parts["fraction"] or "")[1:].rstrip("0")

    def earlier(self, by: dt.timedelta) -> Self:
        """Return an instant earlier by whole seconds, in the same format."""
        wall = self._wall - by
        parts = self._parts or _parts(self.text)
        if parts["time"] is None:
            return type(self)(f"{wall:%Y-%m-%dT%H:%M:%S}")
        seconds = f"{wall:%H:%M:%S}"
        return type(self)(f"{wall:%Y-%m-%d}{parts['between']}{seconds}{parts['fraction'] or ''}{parts['zone'] or ''}")

    @property
    def instant(self) -> dt.datetime:
        """The instant in UTC, to the microsecond."""
        moment, fraction = self._instant
        return moment.replace(microsecond=int(fraction[:6].ljust(6, "0")), tzinfo=dt.timezone.utc)

    @property
    def rfc3339(self) -> str:
        """The instant in RFC 3339, with all digits of its fraction."""
        parts = self._parts
        if parts is None:
            return self.text
        zone = parts["zone"] or "Z"
        if zone in {"z", "UTC"}:
            zone = "Z"
        elif len(zone) == len("+0000"):
            zone = f"{zone[:3]}:{zone[3:]}"
        return f"{self._wall:%Y-%m-%dT%H:%M:%S}{(parts['fraction'] or '').replace(',', '.')}{zone}"

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stamp) and self._instant == other._instant

    @override
    def __hash__(self) -> int:
        return hash(self._instant)

    def __lt__(self, other: Stamp) -> bool:
        return self._instant < other._instant

    @override
    def __str__(self) -> str:
        return self.text


def rfc3339(text: str) -> str:
    """Convert an instant to RFC 3339; see `Stamp.rfc3339`.

    Raises:
        ValueError: The text is not an instant.
    """
    if _USUAL.fullmatch(text) is None:
        return Stamp(text).rfc3339
    dt.datetime.fromisoformat(text[:_SECONDS])  # refuses a 13th month
    return text


class StampBookmark:
    """A bookmark in the format of its row."""

    def read(self, text: str) -> Stamp:
        """Parse an instant, or raise `ValueError`."""
        return Stamp(text)

    def write(self, position: Stamp) -> str:
        """Write an instant."""
        return position.text


def _parts(text: str) -> re.Match[str]:
    parts = _STAMP.fullmatch(text.strip())
    if parts is None:
        raise ValueError(f"{text!r} is not a date-time")
    return parts


def _offset(zone: str | None) -> dt.timedelta:
    if zone is None or zone in {"Z", "z", "UTC"}:
        return dt.timedelta()
    digits = zone.replace(":", "")
    size = dt.timedelta(hours=int(digits[1:3]), minutes=int(digits[3:5]))
    return -size if zone[0] == "-" else size
