"""Bookmarks that move by windows read whole, and never back.

singer-sdk moves a bookmark with each record, compares it as a string, and promises nothing after a crash unless records
are sorted. Here the bookmark is what has been read whole: it moves after a window, empty ones too, and a run that is
killed goes on at the window in which it died.
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
"""Where a stream's state keeps the earliest day or instant that was read."""


class BookmarkKind(Protocol):
    """How a position (a day or an instant) is written in the state."""

    def read(self, text: str) -> Any:
        """Read a position; raises `ValueError` if the text is none."""
        ...

    def write(self, position: Any) -> str:
        """Write a position."""
        ...


class BookmarkedStream(SignedStream, Protocol):
    """What a bookmark needs of a stream."""

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
    """A calendar day, `2024-03-11`."""

    def read(self, text: str) -> dt.date:
        """Read a day; of a date-time, the day as written."""
        return dt.date.fromisoformat(text[:10])

    def write(self, position: dt.date) -> str:
        """Write a day."""
        return position.isoformat()


class InstantBookmark:
    """An instant, RFC 3339 with the offset of a zone, `2024-03-11T00:00:00-04:00`.

    Args:
        zone: The zone in which instants are written, and in which one without offset is read.
    """

    def __init__(self, zone: ZoneInfo | dt.timezone) -> None:
        self._zone = zone

    def read(self, text: str) -> dt.datetime:
        """Read an instant; comparisons of what is returned are comparisons of instants, not of wall clocks."""
        moment = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self._zone)
        return moment.astimezone(dt.timezone.utc)

    def write(self, position: dt.datetime) -> str:
        """Write an instant."""
        return position.astimezone(self._zone).isoformat()


def _read_start(text: str, *, instant: bool) -> dt.date | dt.datetime:
    """Read a day or an instant as `note_start` writes it; raises `ValueError` if the text is neither."""
    moment = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.timezone.utc)
    return moment if instant else dt.date.fromisoformat(text[:10])


class Bookmark:
    """The bookmark of one stream.

    Args:
        stream: The stream; its state holds the bookmark under `replication_key_value`.
        kind: How positions are written.
    """

    def __init__(self, stream: BookmarkedStream, kind: BookmarkKind) -> None:
        self._stream = stream
        self._kind = kind

    @property
    def position(self) -> Any | None:
        """Where the bookmark stands; None on the first run.

        Raises:
            StateError: The state holds something else.
        """
        if self._stream.replication_method == REPLICATION_FULL_TABLE:
            return None  # a catalog may ask for all of it, each time
        state = self._entry
        text = state.get("replication_key_value")
        if text is None:
            return None
        key = state.get("replication_key")
        if key not in {None, self._stream.replication_key}:
            raise StateError(
                f"the state's bookmark is of {key}, and the stream's replication key is {self._stream.replication_key}",
                "clear the state of this stream to read it from the beginning",
            )
        return self._read(text, self._kind.read)

    def read_from(self, like: dt.date | dt.datetime) -> Any | None:
        """Return the earliest day or instant that was read; None on the first run, and of states that do not have it.

        Args:
            like: A day or an instant: what comes out is of its type.

        Raises:
            StateError: The state holds something else.
        """
        text = self._entry.get(READ_FROM)
        return None if text is None else self._read(text, partial(_read_start, instant=isinstance(like, dt.datetime)))

    @property
    def _entry(self) -> Mapping[str, Any]:
        # Not `stream_state`, which makes an entry: a state that is only looked at stays as it is.
        entry: Mapping[str, Any] = self._stream.tap_state.get("bookmarks", {}).get(self._stream.tap_stream_id, {})
        return entry

    @staticmethod
    def _read(text: Any, read: Callable[[str], Any]) -> Any:
        try:
            # Nothing that a tap writes is older, and what is reckoned back from it need not be in the calendar.
            if isinstance(text, str) and text[:4] >= str(FIRST_YEAR):
                return read(text)
        except (TypeError, ValueError, AttributeError, OverflowError):
            pass
        raise StateError(
            f"the state's bookmark {shorten(repr(text), 80)} is not a date or date-time",
            "repair the state, or clear it to read the stream from the beginning",
        )

    def advance(self, position: Any) -> None:
        """Move the bookmark, unless it is there or further already, and write a STATE.

        A STATE is written even if the bookmark stays (in the look-back): it is what tells a loader to commit.

        Args:
            position: The first position not read yet, or the last one read, as the stream defines its bookmark.

        Raises:
            StateError: The state was made with another account than the vendor's answers are of.
        """
        check_account(self._stream)
        stands = self.position
        incremental = self._stream.replication_method != REPLICATION_FULL_TABLE
        if incremental and (stands is None or position > stands):
            self._stream.stream_state["replication_key"] = self._stream.replication_key
            self._stream.stream_state["replication_key_value"] = self._kind.write(position)
        self._stream.stream_state.update(signed(self._stream))
        self._stream.write_state()

    def note_start(self, start: dt.date | dt.datetime, stop: dt.date | dt.datetime) -> None:
        """Keep in the state since when everything up to the bookmark was read; written with the next STATE.

        A run that begins before what earlier runs have read counts once it has reached that, so that nothing between is
        left out. States of older versions, which do not have it, are left so.

        Args:
            start: Where this run begins.
            stop: The first day or instant after the window that was just read.
        """
        if self._stream.replication_method == REPLICATION_FULL_TABLE:
            return
        before = self.read_from(start)
        if self.position is None if before is None else start < before <= stop:
            self._stream.stream_state[READ_FROM] = start.isoformat()
