"""Bookmarks that move forward after each complete window.

singer-sdk moves a bookmark with each record, compares it as a string, and guarantees nothing after a crash unless
records are sorted. Here a bookmark moves after each complete window, including empty ones. After a crash, the next run
continues with the interrupted window.
"""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE

from singer_adtech.dates import FIRST_YEAR
from singer_adtech.errors import StateError, shorten
from singer_adtech.progress.signatures import SignedStream, check_account, signed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from zoneinfo import ZoneInfo


READ_FROM = "read_from"
"""The key in a stream's state of the earliest day or instant that was read."""


class BookmarkKind(Protocol):
    """The format of a position (a day or an instant) in the state."""

    def read(self, text: str) -> Any:
        """Parse a position, or raise `ValueError`."""
        ...

    def write(self, position: Any) -> str:
        """Write a position."""
        ...


class BookmarkedStream(SignedStream, Protocol):
    """The interface that a bookmark requires of a stream."""

    @property
    def tap_stream_id(self) -> str:
        """The key of its entry in the state."""
        ...

    @property
    def replication_method(self) -> str:
        """`FULL_TABLE` or `INCREMENTAL`."""
        ...

    @property
    def replication_key(self) -> str | None:
        """The column of its bookmark."""
        ...

    def write_state(self) -> None:
        """Write a STATE message."""
        ...


class DayBookmark:
    """A calendar day, such as `2024-03-11`."""

    def read(self, text: str) -> dt.date:
        """Parse a day, or the date part of a date-time as written."""
        return dt.date.fromisoformat(text[:10])

    def write(self, position: dt.date) -> str:
        """Write a day."""
        return position.isoformat()


class InstantBookmark:
    """An instant in RFC 3339 with the offset of a zone, such as `2024-03-11T00:00:00-04:00`.

    Args:
        zone: The zone of written instants, and of parsed ones without an offset.
    """

    def __init__(self, zone: ZoneInfo | dt.timezone) -> None:
        self._zone = zone

    def read(self, text: str) -> dt.datetime:
        """Parse an instant and convert it to UTC, because Python compares wall clocks within a zone."""
        moment = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self._zone)
        return moment.astimezone(dt.timezone.utc)

    def write(self, position: dt.datetime) -> str:
        """Write an instant."""
        return position.astimezone(self._zone).isoformat()


def _read_start(text: str, *, instant: bool) -> dt.date | dt.datetime:
    """Parse a day or an instant written by `note_start`, or raise `ValueError`."""
    moment = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.timezone.utc)
    return moment if instant else dt.date.fromisoformat(text[:10])


class Bookmark:
    """The bookmark of one stream.

    Args:
        stream: The stream; its state holds the bookmark under `replication_key_value`.
        kind: The format of positions.
    """

    def __init__(self, stream: BookmarkedStream, kind: BookmarkKind) -> None:
        self._stream = stream
        self._kind = kind

    @property
    def position(self) -> Any | None:
        """The position of the bookmark; None on the first run.

        Raises:
            StateError: The state contains an invalid bookmark.
        """
        if self._stream.replication_method == REPLICATION_FULL_TABLE:
            return None  # a catalog may set FULL_TABLE
        state = self._entry
        text = state.get("replication_key_value")
        if text is None:
            return None
        key = state.get("replication_key")
        if key not in {None, self._stream.replication_key}:
            raise StateError(
                f"the state's bookmark belongs to {key}, and the stream's replication key is "
                f"{self._stream.replication_key}",
                "clear the state of this stream to read it from the beginning",
            )
        return self._read(text, self._kind.read)

    def read_from(self, like: dt.date | dt.datetime) -> Any | None:
        """Return the earliest day or instant that was read; None on the first run, or if the state does not contain it.

        Args:
            like: A day or an instant, of the type to return.

        Raises:
            StateError: The state contains an invalid bookmark.
        """
        text = self._entry.get(READ_FROM)
        return None if text is None else self._read(text, partial(_read_start, instant=isinstance(like, dt.datetime)))

    @property
    def _entry(self) -> Mapping[str, Any]:
        # Not `stream_state`, which would add an entry to the state.
        entry: Mapping[str, Any] = self._stream.tap_state.get("bookmarks", {}).get(self._stream.tap_stream_id, {})
        return entry

    @staticmethod
    def _read(text: Any, read: Callable[[str], Any]) -> Any:
        try:
            # Taps write nothing older, and subtracting the look-back could overflow.
            if isinstance(text, str) and text[:4] >= str(FIRST_YEAR):
                return read(text)
        except (TypeError, ValueError, AttributeError, OverflowError):
            pass
        raise StateError(
            f"the state's bookmark {shorten(repr(text), 80)} is not a date or date-time",
            "repair the state, or clear it to read the stream from the beginning",
        )

    def advance(self, position: Any) -> None:
        """Move the bookmark forward and write a STATE.

        The bookmark never moves back. A STATE is written even if it stays (in the look-back), because loaders commit at
        a STATE.

        Args:
            position: The first position not read yet or the last one read, depending on the stream.

        Raises:
            StateError: The state and the responses belong to different accounts.
        """
        check_account(self._stream)
        before = self.position
        incremental = self._stream.replication_method != REPLICATION_FULL_TABLE
        if incremental and (before is None or position > before):
            self._stream.stream_state["replication_key"] = self._stream.replication_key
            self._stream.stream_state["replication_key_value"] = self._kind.write(position)
        self._stream.stream_state.update(signed(self._stream))
        self._stream.write_state()

    def note_start(self, start: dt.date | dt.datetime, stop: dt.date | dt.datetime) -> None:
        """Record the start of the range read up to the bookmark, to be written with the next STATE.

        If this run starts before previous runs, its start is recorded when it reaches their range, so that the range
        has no gap. States of older versions are left without a start.

        Args:
            start: The start of this run.
            stop: The first day or instant after the window just read.
        """
        if self._stream.replication_method == REPLICATION_FULL_TABLE:
            return
        before = self.read_from(start)
        if self.position is None if before is None else start < before <= stop:
            self._stream.stream_state[READ_FROM] = start.isoformat()
