"""Rows in pages connected by links, read in windows of instants (https://api.spotwatch.io: "Pagination")."""

from __future__ import annotations

import datetime as dt
from collections import deque
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

import msgspec
from singer_adtech.errors import DataError, error_context
from singer_adtech.progress.windows import DAY, InstantWindow
from singer_adtech.records.row_times import ForeignRowError, outside_instants
from singer_adtech.records.totals import RowCounter
from singer_adtech.streams.instants import UTC, InstantRange, InstantWindowStream, UTCBookmark, instant_range, utc_text
from singer_sdk.pagination import BaseAPIPaginator
from singer_sdk.streams.rest import HTTPRequest
from typing_extensions import override

from tap_spotwatch.checks import MOST_IDS, SECOND, RowChecks
from tap_spotwatch.client import SpotwatchStream, make_call
from tap_spotwatch.filters import FILTERS, ID_COLUMNS, NAMES, configured, filter_arguments
from tap_spotwatch.responses import link_path, read_envelope, read_page

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import requests
    from singer_adtech.http.links import HiddenLinks
    from singer_adtech.records.page import Row
    from singer_adtech.records.row_times import RowCheck
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.streams.rest import PageContext

LATE_CHANGES = dt.timedelta(hours=1)
"""Assumed: the vendor records a change within an hour. If wrong, a row that changes during a run is refused as one of
another window, and the stream fails; the next run reads it.
"""


class LinksPaginator(BaseAPIPaginator[str]):
    """Pages that each contain the link to the next one.

    Args:
        api_url: The base address; a link to another host is refused.
        links: Hides the links in logs.
    """

    def __init__(self, api_url: str, links: HiddenLinks) -> None:
        super().__init__("")
        self._api_url = api_url
        self._links = links
        self._followed: set[str] = set()

    @override
    def get_next(self, response: requests.Response) -> str | None:
        page = read_page(response).page
        if page.is_last:
            return None
        path = link_path(page.next, self._api_url)
        self._links.hide(path)
        if path in self._followed:
            raise DataError("the page links form a circle (link not shown)", "report this to Spotwatch, then run again")
        self._followed.add(path)
        return path


class PagedStream(InstantWindowStream, SpotwatchStream):
    """Rows of a range of instants, read in windows with pages connected by links.

    The vendor documents neither the order of rows nor whether bounds are inclusive. A row on the border of two windows
    may be in either or both (`checks.Borders`: or in none). Rows are therefore not filtered by time, and a row that was
    in the previous window with the same content is not emitted again.

    Assumed: rows are not deleted or merged. If wrong, they stay in the warehouse; only reading everything again into an
    empty table shows the difference.
    """

    filters: ClassVar[tuple[tuple[str, str], ...]] = (("region", "regions"), ("channel", "channels"))
    """Filter arguments and settings that the streams have in common; the others are in `filters`."""
    filters_of_rows = frozenset(
        {*NAMES, "ads_ids", "broadcasts_ad_id", "broadcasts_block_id", "blocks_ad_id", "blocks_by"}
    )

    fields_argument: ClassVar[str | None] = None
    """The argument with the names of requested fields."""

    times_move: ClassVar[bool] = False
    """Whether a row's time changes with an update."""

    compared_readings: ClassVar[int] = 1
    """Earlier readings with rows that are not emitted again."""

    referred_by: ClassVar[str | None] = None
    """The column of broadcasts with the keys of this stream."""

    daily: ClassVar[bool] = False
    """Whether each day has rows."""

    places: tuple[str, ...] = ()
    """Columns that rows with one id have in common; see `checks.Places`."""

    longest: ClassVar[dt.timedelta] = dt.timedelta()
    """The longest time from a row's own time to an airing that refers to it."""

    lookback_setting: ClassVar[str]
    lookback_unit: ClassVar[dt.timedelta] = DAY

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.in_key(self.config):
            self.primary_keys = (*self.primary_keys, *self.places)
        self._readings: deque[RowCounter[InstantWindow]] = deque(maxlen=self.compared_readings)
        """The rows of the readings before the current one."""
        self.read_from: dt.datetime | None = None
        """The start of the range of this run."""
        self.ids: set[int] | None = None
        """The keys of all rows of this run; None if they were not all kept."""
        self._uncounted = False
        self._links: dict[str, tuple[InstantWindow | None, int]] = {}
        """The page links of this run, with the window and the digest of their responses."""

    @classmethod
    def in_key(cls, config: Mapping[str, Any]) -> bool:
        """Return whether `places` are parts of the key."""
        return bool(cls.places) and config["channel_in_key"]

    @cached_property
    def range(self) -> InstantRange:
        """The range of the settings."""
        return instant_range(self.config, self.tap.run_start)

    @override
    def instant_range(self) -> tuple[dt.datetime, dt.datetime]:
        return self.range.start, self.range.end

    @property
    @override
    def signature(self) -> dict[str, Any]:
        own = configured(self.name, self.config)
        # A filter is signed once it was set: the first one is narrower than none.
        before = (self.tap_state.get("bookmarks") or {}).get(self.name) or {}
        once = {f"{self.name}_{one.argument}" for one in FILTERS[self.name]} & before.keys()
        values = {**{setting: self.config[setting] for _, setting in self.filters}, **dict.fromkeys(once), **own}
        if "channel_in_key" in before or self.in_key(self.config):
            values["channel_in_key"] = self.in_key(self.config)
        return {name: sorted(set(value)) if isinstance(value, list) else value for name, value in values.items()}

    @property
    @override
    def bookmark_kind(self) -> UTCBookmark:
        return UTCBookmark()

    @property
    @override
    def window_length(self) -> dt.timedelta:
        return cast("int", self.config["window_days"]) * DAY

    @property
    @override
    def lookback(self) -> dt.timedelta:
        # Assumed: rows are published, and changed without a new time, within the look-back. If wrong, they are missing
        # or outdated until everything is read again; nothing in later responses shows it, except airings of ads and
        # breaks that did not come (`References`).
        return cast("int", self.config[self.lookback_setting]) * self.lookback_unit

    @property
    @override
    def row_filters(self) -> Mapping[str, tuple[str, ...]]:
        own = {setting: column for setting, column in ID_COLUMNS.items() if setting.startswith(f"{self.name}_")}
        # A list in a row has no single value.
        single = {setting: (column,) for setting, column in own.items() if column != "ads"}
        return {**{setting: (argument,) for argument, setting in self.filters}, **single}

    @property
    @override
    def parallel_windows(self) -> int:
        return cast("int", self.config["parallel_requests"])

    @property
    def overlap(self) -> dt.timedelta:
        """Time before each window that is requested too."""
        return cast("int", self.config["window_overlap_seconds"]) * SECOND

    @property
    def has_filters(self) -> bool:
        """Whether the settings exclude rows."""
        return bool(configured(self.name, self.config)) or any(self.config[setting] for _, setting in self.filters)

    @property
    def selects_by_time(self) -> bool:
        """Whether windows select rows by the time column."""
        return True

    @property
    def fields(self) -> list[str]:
        """The selected fields, always with the keys and the replication key.

        Assumed: a row without a requested field has no value for it. If wrong, the column is null in all rows.
        """
        always = {*self.primary_keys, self.replication_key}
        # An older catalog may not have the columns that a setting adds.
        listed = self.effective_schema["properties"]
        return [
            name
            for name in self.schema["properties"]
            if name != "_extra" and (name in always or (name in listed and self.mask.get(("properties", name), True)))
        ]

    def selected_by(self, window: InstantWindow) -> str:  # noqa: ARG002 - for streams with several
        """Return the beginning of the two arguments that select the rows of a window."""
        return cast("str", self.time_column)

    def may_be_later(self, window: InstantWindow) -> bool:
        """Return whether rows of a window may have a later time."""
        return self.is_open(window)

    def is_open(self, window: InstantWindow) -> bool:  # noqa: ARG002 - for streams with an open last window
        """Return whether a window is requested without an end."""
        return False

    @override
    def arguments(self, window: InstantWindow | None) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        if window is not None:
            arguments[f"{self.selected_by(window)}_from"] = utc_text(window.start - self.overlap)
            if not self.is_open(window):
                arguments[f"{self.selected_by(window)}_to"] = utc_text(window.end)
        for argument, setting in self.filters:
            if self.config[setting]:
                arguments[argument] = list(self.config[setting])
        arguments.update(filter_arguments(self.name, self.config, self.tap.run_start))
        if self.fields_argument:
            arguments[self.fields_argument] = self.fields
        return {**arguments, "time_fmt": "iso8601", "page_lim": self.config["page_size"]}

    @override
    def get_http_request(self, *, page: PageContext[str]) -> HTTPRequest:
        if page.next_page_token:
            # Assumed: links keep all arguments (the example in "Pagination" has none). If wrong, later pages have rows
            # of other windows (an error) or regions (a warning), other fields (a warning, or null), or other formats of
            # times (an error or a warning).
            return HTTPRequest(url=f"{self.url_base}{page.next_page_token}")
        window = self.part_of(page)
        return make_call(f"{self.url_base}{self.path}", self.arguments(window))

    @override
    def get_new_paginator(self) -> LinksPaginator:  # type: ignore[override]  # pages are connected by links here
        return LinksPaginator(self.url_base, self.links)

    @property
    def links(self) -> HiddenLinks:
        """The links to hide in logs."""
        return cast("HiddenLinks", self.tap.links)  # type: ignore[attr-defined]  # TapSpotwatch has it

    @override
    def pages(self, context: Context | None, part: InstantWindow | None = None) -> Iterator[requests.Response]:
        for response in super().pages(context, part):
            link = read_page(response).page.next
            if isinstance(link, str):
                content = hash(response.content)
                first, of_first = self._links.setdefault(link, (part, content))
                if first != part and of_first == content:
                    raise ForeignRowError("the response is the same as that to another request", self.foreign_remedy)
            yield response

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        named = {*(setting for _, setting in self.filters if self.config[setting]), *configured(self.name, self.config)}
        filtered = " and ".join(f"`{setting}`" for setting in NAMES if setting in named)
        rows = False
        ids: set[int] | None = set() if self._is_referred else None
        self.read_from = self._span(self.bookmark)[0]
        checks = RowChecks(self, self.read_from, self.windows(self.bookmark))
        with error_context(stream=self.name):
            for record in checks.checked(super().get_records(context)):
                rows = True
                if ids is not None:
                    ids.add(record["id"])
                    ids = ids if len(ids) <= MOST_IDS else None
                yield record
        self.ids = ids
        if filtered and not rows:
            self.log_lines.warning("no rows: check the names in %s; the vendor accepts unknown names", filtered)

    @property
    def missing_remedy(self) -> str:
        """Advice on rows that broadcasts refer to and that did not come."""
        return f"raise `{self.lookback_setting}`, or report this to the tap's authors"

    @property
    def _is_referred(self) -> bool:
        """Whether broadcasts of the same run refer to this stream, and all their rows belong to it."""
        selected = self.referred_by is not None and self.tap.streams["broadcasts"].selected
        return selected and not configured(self.name, self.config)

    not_an_object = "`results` in the response contains one of {}s instead of objects"

    @override
    def envelope(self, response: requests.Response) -> object:
        return read_envelope(response)

    @override
    def response_rows(self, response: requests.Response) -> Sequence[Row]:
        return read_page(response).results

    @override
    def total_rows(self, response: requests.Response) -> int | None:
        # Assumed: `results_total` counts the distinct rows of all pages. If wrong, the row count fails; without it,
        # missing rows are not noticed, and a warning is logged.
        total = read_page(response).page.total
        if total is None and self.row_count_check != "off" and not self._uncounted:
            self._uncounted = True
            self.log_lines.warning("the response has no `results_total`: missing rows would not be noticed")
        return total

    @override
    def digest(self, record: Record) -> int:
        return hash(_ENCODE(record))

    @override
    def on_duplicate(self, record: Record, *, same: bool) -> bool:
        # A row may change while its window is read.
        # Assumed: later pages have the later content. If wrong, an older one replaces it until the row is read again.
        return not same

    @override
    def row_counter(self, window: InstantWindow | None) -> RowCounter[InstantWindow]:
        known = {key: digest for reading in self._readings for key, digest in reading.rows.items()}
        counter = RowCounter(self, window, known=known)
        self._readings.append(counter)
        return counter

    @override
    def row_check(self, window: InstantWindow) -> RowCheck | None:
        if self.time_column is None:
            return None
        # A second more, because the vendor may round fractions.
        slack = SECOND + self.overlap
        open_from = self.tap.run_start - LATE_CHANGES if self.times_move else None
        if self.may_be_later(window):
            open_from = window.start - slack
        return outside_instants(self.time_column, window, slack=slack, open_from=open_from)

    @override
    def read_records(
        self,
        context: Context | None,
        window: InstantWindow | None = None,
        pages: Iterable[requests.Response] | None = None,
    ) -> Iterator[Record]:
        records = super().read_records(context, window, pages)
        column = None if window is None or self.range.limit is None else self.limited_column(window)
        return records if column is None else (one for one in records if not self._is_late(one.get(column)))

    def limited_column(self, window: InstantWindow) -> str | None:  # noqa: ARG002 - for streams with several
        """Return the column whose values are before `end_date`; None if rows are not limited."""
        return self.replication_key

    @cached_property
    def _limit(self) -> str:
        """`end_date` in the vendor's format, to compare timestamps as strings."""
        return "" if self.range.limit is None else utc_text(self.range.limit)

    def _is_late(self, at: Any) -> bool:
        """Return whether a timestamp is at or after `end_date`."""
        if self.range.limit is None or at is None:
            return False
        if len(at) == len(self._limit) and at[10] == "T" and at[-1] == "Z" and at < self._limit:
            return False
        try:
            moment = dt.datetime.fromisoformat(at.replace("Z", "+00:00"))
        except ValueError:
            return False
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) >= self.range.limit


_ENCODE = msgspec.json.Encoder(decimal_format="number").encode
