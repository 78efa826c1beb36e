"""Base classes of streams: singer-sdk's REST stream, with this library's requests, windows and bookmarks."""

from __future__ import annotations

import itertools
import sys
from abc import abstractmethod
from contextlib import closing
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import requests
from singer_sdk.helpers.conform import TypeConformanceLevel
from typing_extensions import override

from singer_adtech.ahead import read_ahead
from singer_adtech.bodies import check_json
from singer_adtech.bookmarks import Bookmark, DayBookmark
from singer_adtech.continued import ContinuedStream
from singer_adtech.dates import zone_name
from singer_adtech.errors import located
from singer_adtech.logs import StreamLog
from singer_adtech.pages import WindowedPage, read_pages
from singer_adtech.records import EXTRA, RecordShape, same_columns
from singer_adtech.requester import check_status
from singer_adtech.row_counts import RowReader
from singer_adtech.row_times import outside_days
from singer_adtech.signatures import check_account
from singer_adtech.windows import DayWindow, WindowPlan, day_windows, first_day, plan_days

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from zoneinfo import ZoneInfo

    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.pagination import BaseAPIPaginator
    from singer_sdk.singerlib import Catalog
    from singer_sdk.streams.rest import HTTPRequest

    from singer_adtech.auth import Authenticator
    from singer_adtech.bookmarks import BookmarkKind
    from singer_adtech.row_times import RowCheck

PageToken = TypeVar("PageToken")


class AdTechStream(ContinuedStream, RowReader[PageToken]):
    """A stream of one endpoint, read whole.

    A subclass declares attributes; its vendor's base class says how a page is asked for (`get_http_request`), how pages
    follow each other (`get_new_paginator`), and where rows (`parse_response`) and their total (`total_rows`) are.
    """

    STATE_MSG_FREQUENCY = sys.maxsize
    """No STATE within a window: only whole windows move a bookmark."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE
    """`RecordShape` gives every column its type, and no other column; to do so twice would double a record's cost."""

    private_columns: ClassVar[tuple[str, ...]] = ()
    """Columns whose values no message quotes: capabilities, code, personal data."""

    @property
    @override
    def url_base(self) -> str:
        return self.tap.api_url

    @property
    @override
    def authenticator(self) -> Authenticator:
        return self.tap.authenticator

    @property
    @override
    def requests_session(self) -> requests.Session:
        return self.tap.session.requests_session

    @cached_property
    @override
    def log_lines(self) -> StreamLog:
        """The logger whose lines name this stream."""
        return StreamLog(self.logger, self.name)

    @cached_property
    @override
    def shape(self) -> RecordShape:
        """The stream's schema, compiled."""
        listed = EXTRA in self.effective_schema["properties"]
        return RecordShape(
            self.schema,
            primary_keys=(*self.primary_keys, *self.schema.get("required", ())),
            extra_fields=self.config.get("extra_fields", "keep"),
            logger=self.log_lines,
            private=self.private_columns,
            converters=self.converters,
            extra_selected=listed and self.mask.get(("properties", EXTRA), True),
        )

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        super().apply_catalog(catalog)
        if not same_columns(self.schema, self.effective_schema):
            # Records have the tap's columns, and are to have the catalog's.
            self.TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.RECURSIVE

    @property
    def converters(self) -> Mapping[str, Callable[[Any], Any]]:
        """What makes sent values of some columns into declared ones, where the type alone does not say."""
        return {}

    # What a vendor's base class gives

    def check_body(self, response: requests.Response) -> None:
        """Refuse a response whose body is not whole, so that it is requested again.

        Raises:
            InvalidBodyError: The body is not JSON in UTF-8, or breaks off.
        """
        check_json(response)

    @override
    def validate_response(self, response: requests.Response) -> None:
        check_status(response)

    @property
    def parallel_pages(self) -> int:
        """Requests of one list or window in flight at once."""
        return cast("int", self.config.get("parallel_requests", 1))

    # How pages and rows are read

    def place(self, window: Any) -> str:
        """Return what log lines say of a request beside the stream's name."""
        return f", {self.window_name(window)}" if window is not None else ""

    def fetch(self, request: HTTPRequest, *, label: str = "", counted_as: str | None = None) -> requests.Response:
        """Send a request of this stream.

        Args:
            request: What `get_http_request` made.
            label: What log lines say of it beside the stream's name.
            counted_as: The path for which budgets count it, if it is not its own.

        Returns:
            A whole, successful answer.
        """
        data = {"json": request.data} if self.payload_as_json else {"data": request.data}
        query = request.encode_params()
        return self.tap.requester.send(
            requests.Request(
                request.method,
                f"{request.url}?{query}" if query else request.url,
                headers=dict(request.headers),
                **data,
            ),
            auth=self.authenticator,
            check_status=self.validate_response,
            check_body=self.check_body,
            label=f"stream {self.name}{label}",
            counted_as=counted_as,
            counts=self.counts,
        )

    @override
    def pages(self, context: Context | None, window: Any = None) -> Iterator[requests.Response]:
        label = self.place(window)
        # A connection test reads one record: nothing is fetched ahead for it.
        parallel = 1 if self.ABORT_AT_RECORD_COUNT else self.parallel_pages
        paginator = cast("BaseAPIPaginator[Any]", self.get_new_paginator())

        def fetch(token: object) -> requests.Response:
            page = WindowedPage(stream_context=context, next_page_token=token, window=window)
            return self.fetch(self.get_http_request(page=page), label=label)

        return read_pages(paginator, fetch, parallel=parallel)

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        with located(stream=self.name):
            yield from self.read_records(context)


class WindowStream(AdTechStream[PageToken]):
    """An incremental stream that is read in windows, of which each moves the bookmark once it is read whole."""

    @property
    @abstractmethod
    def bookmark_kind(self) -> BookmarkKind:
        """How the bookmark is written."""

    @property
    @override
    def bookmark(self) -> Bookmark:
        return Bookmark(self, self.bookmark_kind)

    @abstractmethod
    def windows(self, bookmark: Bookmark) -> Iterator[Any]:
        """Return the windows of this run, in order."""

    @abstractmethod
    def plan(self, bookmark: Bookmark) -> WindowPlan:
        """Return the windows of this run with their number and range."""

    @property
    @abstractmethod
    def start(self) -> dt.date | dt.datetime:
        """Where reading begins without a bookmark."""

    @abstractmethod
    def position_after(self, window: Any) -> Any:
        """Return the bookmark of a window read whole."""

    @property
    def parallel_windows(self) -> int:
        """Windows that are read side by side; records and bookmarks keep their order."""
        return 1

    @property
    @override
    def parallel_pages(self) -> int:
        return 1 if self.parallel_windows > 1 else super().parallel_pages

    @property
    def time_column(self) -> str | None:
        """The column by which the vendor puts rows into windows."""
        # Of the class: a catalog may name no replication key.
        declared = cast("object", type(self).replication_key)
        return declared if isinstance(declared, str) else self.replication_key

    def pages_ahead(self, context: Context | None, window: Any) -> Iterator[requests.Response]:
        """Fetch the pages of a window, perhaps before its turn and in another thread.

        A window that may be asked for only in its turn gives none here, and `read_records` fetches them.
        """
        return self.pages(context, window)

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        with located(stream=self.name):
            bookmark = self.bookmark
            check_account(self)
            stands = bookmark.position
            plan = self.plan(bookmark)
            self.counts.windows = plan.count
            self.log_lines.info("%s", plan)
            ordered, asked = itertools.tee(plan.windows)
            # A connection test reads one record: nothing is fetched ahead for it.
            parallel = 1 if self.ABORT_AT_RECORD_COUNT else self.parallel_windows
            # Made before threads ask for them: two threads that are the first would make two, and log in twice.
            _ = self.authenticator, self.tap.requester
            sources = (partial(self.pages_ahead, context, window) for window in asked)
            # Closed whatever happens, so that no thread goes on asking for windows that nobody will take.
            with closing(read_ahead(sources, parallel=parallel)) as readers:
                for window, pages in zip(ordered, readers, strict=False):
                    with located(window=window):
                        yield from self.read_records(context, window, pages)
                        if plan.start is not None:
                            bookmark.note_start(plan.start, window.stop)
                        position = self.position_after(window)
                        bookmark.advance(position)
                        self.counts.window_done(window, restated=stands is not None and position <= stands)


class DayWindowStream(WindowStream[PageToken]):
    """Windows of calendar days."""

    @property
    def day_zone(self) -> ZoneInfo | dt.timezone:
        """The zone whose days are read."""
        return self.tap.day_zone

    def day_range(self) -> tuple[dt.date, dt.date]:
        """Return the first and the last day that the settings ask for; see `dates.date_range`."""
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
        """Days asked for at once."""
        return cast("int", self.config["window_days"])

    @property
    def lookback(self) -> int:
        """Days before the bookmark that are read again."""
        return cast("int", self.config["lookback_days"])

    def bookmark_day(self, position: Any) -> dt.date:
        """Return the first day that a bookmark says is not read yet."""
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
