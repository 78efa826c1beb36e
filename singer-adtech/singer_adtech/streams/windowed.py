"""Incremental streams that are read in windows: the base class, and windows of calendar days."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from typing_extensions import override

from singer_adtech.dates import zone_name
from singer_adtech.errors import error_context
from singer_adtech.fetching.prefetching import read_ahead
from singer_adtech.progress.bookmarks import Bookmark, DayBookmark
from singer_adtech.progress.signatures import check_account
from singer_adtech.progress.windows import DayWindow, WindowPlan, WindowT, day_windows, first_day, plan_days
from singer_adtech.records.row_times import outside_days
from singer_adtech.streams.base import AdTechStream

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterable, Iterator
    from zoneinfo import ZoneInfo

    import requests
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.streams.rest import PageContext

    from singer_adtech.progress.bookmarks import BookmarkKind
    from singer_adtech.records.row_times import RowCheck


class WindowStream(AdTechStream[WindowT]):
    """An incremental stream that is read in windows; each complete window moves the bookmark."""

    @property
    @abstractmethod
    def bookmark_kind(self) -> BookmarkKind:
        """The format of the bookmark."""

    @property
    @override
    def bookmark(self) -> Bookmark:
        return Bookmark(self, self.bookmark_kind)

    @abstractmethod
    def windows(self, bookmark: Bookmark) -> Iterator[WindowT]:
        """Return the windows of this run, in order."""

    @abstractmethod
    def plan(self, bookmark: Bookmark) -> WindowPlan:
        """Return the windows of this run with their number and range."""

    @property
    @abstractmethod
    def start(self) -> dt.date | dt.datetime:
        """The start without a bookmark."""

    @abstractmethod
    def position_after(self, window: WindowT) -> Any:
        """Return the bookmark after a complete window."""

    @property
    def parallel_windows(self) -> int:
        """Windows read in parallel; records and bookmarks keep their order."""
        return 1

    @property
    @override
    def parallel_pages(self) -> int:
        return 1 if self.parallel_windows > 1 else super().parallel_pages

    @property
    def time_column(self) -> str | None:
        """The column by which the vendor assigns rows to windows."""
        # From the class, because a catalog may omit the replication key.
        declared = cast("object", type(self).replication_key)
        return declared if isinstance(declared, str) else self.replication_key

    @property
    @override
    def used_columns(self) -> Collection[str]:
        return (*super().used_columns, *((self.time_column,) if self.time_column else ()))

    def window_of(self, page: PageContext[Any]) -> WindowT:
        """Return the window of a page that `get_http_request` received."""
        return cast("WindowT", self.part_of(page))

    def pages_ahead(self, context: Context | None, window: WindowT) -> Iterator[requests.Response]:
        """Fetch the pages of a window, possibly ahead of time and in another thread.

        If a window must not be requested ahead, nothing is returned here, and `read_records` fetches its pages.
        """
        return self.pages(context, window)

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        with error_context(stream=self.name):
            bookmark = self.bookmark
            check_account(self)
            before = bookmark.position
            plan = self.plan(bookmark)
            self.counts.windows = plan.count
            self.log_lines.info("%s", plan)
            ordered, requested = itertools.tee(plan.windows)
            # A connection test reads one record, so nothing is prefetched.
            parallel = 1 if self.ABORT_AT_RECORD_COUNT else self.parallel_windows
            # Created before the threads start: otherwise two threads might create two and log in twice.
            _ = self.authenticator, self.tap.requester
            sources = (partial(self.pages_ahead, context, window) for window in requested)
            # Always closed, so that no thread continues to request windows.
            with closing(read_ahead(sources, parallel=parallel)) as readers:
                for window, pages in zip(ordered, readers, strict=False):
                    with error_context(window=window):
                        yield from self.read_records(context, window, pages)
                        if plan.start is not None:
                            bookmark.note_start(plan.start, window.stop)
                        position = self.position_after(window)
                        bookmark.advance(position)
                        self.counts.window_done(window, restated=before is not None and position <= before)


class DayWindowStream(WindowStream[DayWindow]):
    """Windows of calendar days."""

    @property
    def day_zone(self) -> ZoneInfo | dt.timezone:
        """The zone of the days."""
        return self.tap.day_zone

    def day_range(self) -> tuple[dt.date, dt.date]:
        """Return the first and the last day of the settings; see `dates.date_range`."""
        return self.tap.day_range(self.day_zone)

    @property
    @override
    def start(self) -> dt.date:
        return self.day_range()[0]

    @override
    def plan(self, bookmark: Bookmark) -> WindowPlan:
        return plan_days(self.windows(bookmark), zone_name(self.day_zone))

    @property
    @override
    def bookmark_kind(self) -> BookmarkKind:
        return DayBookmark()

    @override
    def row_check(self, window: DayWindow) -> RowCheck | None:
        return None if self.time_column is None else outside_days(self.time_column, window)

    @property
    def days_per_window(self) -> int:
        """Days per window."""
        return cast("int", self.config["window_days"])

    @property
    def lookback(self) -> int:
        """Days before the bookmark that are read again."""
        return cast("int", self.config["lookback_days"])

    def bookmark_day(self, position: Any) -> dt.date:
        """Return the first day not read yet, from a bookmark."""
        return cast("dt.date", position)

    @override
    def position_after(self, window: DayWindow) -> Any:
        return window.next_day

    @override
    def windows(self, bookmark: Bookmark) -> Iterator[DayWindow]:
        start, last = self.day_range()
        position = bookmark.position
        first = first_day(start, None if position is None else self.bookmark_day(position), self.lookback)
        return day_windows(first, last, self.days_per_window)
