"""Instants in UTC, to the second: for vendors that filter by instant, not by calendar day."""

from __future__ import annotations

import datetime as dt
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from singer_adtech.dates import read_moment
from singer_adtech.errors import SettingError
from singer_adtech.progress.bookmarks import InstantBookmark
from singer_adtech.progress.windows import DAY, InstantWindow, WindowPlan, earlier, instant_windows, plan_instants
from singer_adtech.records.row_times import outside_instants
from singer_adtech.streams.windowed import WindowStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from singer_adtech.progress.bookmarks import Bookmark, BookmarkKind
    from singer_adtech.records.row_times import RowCheck

UTC = dt.timezone.utc


def utc_text(moment: dt.datetime) -> str:
    """Write an instant as `2024-06-01T00:00:00Z`; fractions of a second are truncated."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class UTCBookmark(InstantBookmark):
    """An instant, written as `2024-06-01T00:00:00Z`; one without an offset is read as UTC."""

    def __init__(self) -> None:
        super().__init__(UTC)

    @override
    def write(self, position: dt.datetime) -> str:
        return utc_text(position)


@dataclass(frozen=True)
class InstantRange:
    """The range of the settings, in UTC and whole seconds.

    Args:
        start: The first instant to read.
        end: The end, exclusive; not after `start` if there is nothing to read.
        limit: `end_date` as an instant, exclusive, even if it is in the future; None without that setting.
    """

    start: dt.datetime
    end: dt.datetime
    limit: dt.datetime | None


def instant_range(config: Mapping[str, Any], now: dt.datetime) -> InstantRange:
    """Read `start_date` and `end_date` as instants.

    Args:
        config: The settings; a day as `start_date` means its midnight, as `end_date` the next midnight (UTC).
        now: The current time; nothing after it is requested.

    Raises:
        SettingError: One is invalid, or the start is after the end.
    """
    start = read_moment(config["start_date"], "start_date", UTC, now).at.replace(microsecond=0)
    now = now.astimezone(UTC).replace(microsecond=0)
    if not config.get("end_date"):
        return InstantRange(start, now, None)
    end = read_moment(config["end_date"], "end_date", UTC, now)
    limit, whole_day = end.at, end.whole_day
    if whole_day:
        limit += DAY
    # An empty range is valid, unless `end_date` is a day before `start_date`.
    if start > limit or (whole_day and start == limit):
        raise SettingError(
            f"setting `end_date`: {config['end_date']!r} is before `start_date` {config['start_date']!r}",
            "give a later day or instant, or leave it out to read up to now",
        )
    if limit.microsecond:
        # The last fraction of a second can only be requested as a whole second.
        limit = limit.replace(microsecond=0) + dt.timedelta(seconds=1)
    return InstantRange(start, min(limit, now), limit)


class InstantWindowStream(WindowStream[InstantWindow]):
    """Windows of equal length between two instants."""

    @abstractmethod
    def instant_range(self) -> tuple[dt.datetime, dt.datetime]:
        """Return the range of the settings: the first instant, and the end, exclusive."""

    @property
    @abstractmethod
    def window_length(self) -> dt.timedelta:
        """Time per window."""

    @property
    @abstractmethod
    def lookback(self) -> dt.timedelta:
        """Time before the bookmark that is read again."""

    @override
    def row_check(self, window: InstantWindow) -> RowCheck | None:
        return None if self.time_column is None else outside_instants(self.time_column, window)

    @property
    @override
    def bookmark_kind(self) -> BookmarkKind:
        return InstantBookmark(dt.timezone.utc)

    @override
    def position_after(self, window: InstantWindow) -> dt.datetime:
        return window.end

    @property
    @override
    def start(self) -> dt.datetime:
        return self.instant_range()[0]

    @override
    def windows(self, bookmark: Bookmark) -> Iterator[InstantWindow]:
        return instant_windows(*self._span(bookmark), self.window_length)

    @override
    def plan(self, bookmark: Bookmark) -> WindowPlan:
        return plan_instants(self.windows(bookmark), *self._span(bookmark), self.window_length)

    def _span(self, bookmark: Bookmark) -> tuple[dt.datetime, dt.datetime]:
        start, end = self.instant_range()
        position = bookmark.position
        return (start if position is None else earlier(position, self.lookback, start)), end
