"""The base streams: calls, paging by links, windows and errors (https://api.spotwatch.io: "Schema", "Pagination")."""

from __future__ import annotations

import datetime as dt
import re
from collections import deque
from functools import cached_property
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, cast
from urllib.parse import urlsplit

import msgspec
from singer_adtech.errors import AuthError, DataError, ForbiddenError, ReadAgainError, VendorError
from singer_adtech.http.responses import check_status, describe
from singer_adtech.http.retries import TransientError
from singer_adtech.progress.windows import DAY, InstantWindow
from singer_adtech.records.row_times import outside_instants
from singer_adtech.records.totals import RowCounter
from singer_adtech.streams.base import AdTechStream
from singer_adtech.streams.instants import UTC, InstantRange, InstantWindowStream, UTCBookmark, instant_range, utc_text
from singer_sdk import SchemaDirectory, StreamSchema
from singer_sdk.pagination import BaseAPIPaginator
from singer_sdk.streams.rest import HTTPRequest, PageContext
from typing_extensions import override

from tap_spotwatch import schemas
from tap_spotwatch.filters import FILTERS, NAMES, configured, filter_arguments
from tap_spotwatch.responses import LINK, link_path, read_envelope, read_page

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import requests
    from singer_adtech.http.links import HiddenLinks
    from singer_adtech.records.page import Row
    from singer_adtech.records.row_times import RowCheck
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.streams import Stream

SCHEMAS = SchemaDirectory(schemas)

LONGEST_QUERY = 4000
"""Characters of a query; longer arguments are sent as JSON. Assumed: proxies may refuse longer addresses."""

SECOND = dt.timedelta(seconds=1)
MOST_IDS = 200_000
"""Keys of a stream to keep for comparison with broadcasts: a few megabytes."""

LATE_CHANGES = dt.timedelta(hours=1)
"""Assumed: the vendor records a change within an hour. A row that changes during a run may move to an instant up to an
hour before the run."""

_AD_FIELDS = ("ad_brand", "ad_categories", "ad_description", "ad_duration", "ad_nbroadcasts", "ad_user_payload")

OPTIONAL_COLUMNS = {
    "media": "include_media",
    "user_payload": "include_user_payload",
    **dict.fromkeys(_AD_FIELDS, "include_ad_fields"),
}
"""Columns that exist only if a setting is true."""

_KEY = re.compile(r"\bkey\b", re.IGNORECASE)
_EXPIRED = {HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE}


class ExpiredLinkError(VendorError, ReadAgainError):
    """A page link has expired; its window must be read again from the beginning."""

    most = 2
    reason = "the page link expired"


class OptionalColumns(StreamSchema[str]):
    """A schema file without the columns of settings that are false."""

    def __init__(self) -> None:
        super().__init__(SCHEMAS)
        self._cut: dict[tuple[str, frozenset[str]], dict[str, Any]] = {}

    @override
    def get_stream_schema(self, stream: Any, stream_class: type[Stream]) -> dict[str, Any]:
        off = frozenset(name for name, setting in OPTIONAL_COLUMNS.items() if not stream.config.get(setting))
        key = stream.name, off
        if key not in self._cut:
            whole = super().get_stream_schema(stream, stream_class)
            columns = {name: declared for name, declared in whole["properties"].items() if name not in off}
            self._cut[key] = {**whole, "properties": columns}
        return self._cut[key]


def make_call(url: str, arguments: Mapping[str, Any]) -> HTTPRequest:
    """Build the request of a call.

    Args:
        url: The address of the call.
        arguments: Strings, numbers, booleans, and lists of strings or numbers. Lists are comma-separated in a query and
            arrays in a body.

    Returns:
        A GET, or a POST with the arguments as JSON if the query would be too long.
    """
    request = HTTPRequest(
        url=url, params={name: _query_value(value) for name, value in arguments.items()}, safe_query_chars=",:"
    )
    if len(request.encode_params()) > LONGEST_QUERY:
        return HTTPRequest(url=url, method="POST", data=dict(arguments))
    return request


def _query_value(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, list) else value


class SpotwatchStream(AdTechStream[InstantWindow]):
    """A call without paging."""

    schema = OptionalColumns()
    # All documented fields are at the top level; others are kept as sent.
    nested = False

    def arguments(self, window: InstantWindow | None) -> dict[str, Any]:  # noqa: ARG002 - for calls with arguments
        """Return the arguments of the call, without the key."""
        return {}

    @override
    def get_http_request(self, *, page: PageContext[str]) -> HTTPRequest:
        window = self.part_of(page)
        return make_call(f"{self.url_base}{page.next_page_token}", self.arguments(window))

    @override
    def get_new_paginator(self) -> CallsPaginator:
        return CallsPaginator(self.path)

    @override
    def validate_response(self, response: requests.Response) -> None:
        # The body of an error is a line of text; it is read as JSON only if its content type is JSON.
        if response.status_code < HTTPStatus.MULTIPLE_CHOICES:
            return
        # An invalid key and a missing right have the same status. A key that was accepted before is valid.
        errors: dict[int, type[VendorError]] = {
            HTTPStatus.FORBIDDEN: ForbiddenError if self.tap.requester.answered else AuthError
        }
        refused = "the API refused the key: check `api_key`, or ask Spotwatch for access"
        about_key = _KEY.search(describe(response))
        remedies: dict[int, str] = {
            HTTPStatus.BAD_REQUEST: "check `api_key`"
            if about_key
            else "check the settings, especially `regions` and `channels`",
            HTTPStatus.UNAUTHORIZED: refused,
            HTTPStatus.FORBIDDEN: refused,
            HTTPStatus.NOT_FOUND: "check `api_url`",
        }
        if LINK.fullmatch(urlsplit(response.url).path.removeprefix(urlsplit(self.url_base).path)):
            errors.update(dict.fromkeys(_EXPIRED, ExpiredLinkError))
            remedies.update(dict.fromkeys(_EXPIRED, "the page link expired: raise `page_size` or lower `window_days`"))
        check_status(response, remedies=remedies, errors=errors)

    @override
    def check_body(self, response: requests.Response) -> None:
        kind = response.headers.get("Content-Type", "application/json").partition(";")[0].strip()
        if "json" not in kind.lower():
            raise TransientError(
                f"HTTP {response.status_code} with {kind or 'no content type'} instead of JSON", response
            )
        super().check_body(response)


class CallsPaginator(BaseAPIPaginator[str]):
    """Several calls that together return one list.

    Args:
        paths: Their paths, in the order of requests.
    """

    def __init__(self, *paths: str) -> None:
        super().__init__(paths[0])
        self._following = iter(paths[1:])

    @override
    def get_next(self, response: requests.Response) -> str | None:
        return next(self._following, None)


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
        if page.next is None:
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
    may be in either or both. Rows are therefore not filtered by time, and a row that was in the previous window with
    the same content is not emitted again.
    """

    filters: ClassVar[tuple[tuple[str, str], ...]] = (("region", "regions"), ("channel", "channels"))
    """Filter arguments and settings that the streams have in common; the others are in `filters`."""
    own_filters: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType({})
    """The stream's own filters whose values are in a column: settings and columns."""

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

    longest: ClassVar[dt.timedelta] = dt.timedelta()
    """The longest time from a row's own time to an airing that refers to it."""

    lookback_setting: ClassVar[str]
    lookback_unit: ClassVar[dt.timedelta] = DAY

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._readings: deque[RowCounter[InstantWindow]] = deque(maxlen=self.compared_readings)
        """The rows of the readings before the current one."""
        self.read_from: dt.datetime | None = None
        """The start of the range of this run."""
        self.ids: set[int] | None = None
        """The keys of all rows of this run; None if they were not all kept."""

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
        return cast("int", self.config[self.lookback_setting]) * self.lookback_unit

    @property
    @override
    def row_filters(self) -> Mapping[str, tuple[str, ...]]:
        return {**{setting: (argument,) for argument, setting in self.filters}, **self.own_filters}

    @property
    @override
    def parallel_windows(self) -> int:
        return cast("int", self.config["parallel_requests"])

    @property
    def fields(self) -> list[str]:
        """The selected fields, always with the keys and the replication key."""
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
            arguments[f"{self.selected_by(window)}_from"] = utc_text(window.start)
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
            # Without arguments: the vendor keeps filters, page size and time format (the example in "Pagination").
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
    def get_records(self, context: Context | None) -> Iterable[Record]:
        named = {*(setting for _, setting in self.filters if self.config[setting]), *configured(self.name, self.config)}
        filtered = " and ".join(f"`{setting}`" for setting in NAMES if setting in named)
        rows = False
        ids: set[int] | None = set() if self._is_referred else None
        self.read_from = self._span(self.bookmark)[0]
        for record in super().get_records(context):
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
        return read_page(response).page.total

    @override
    def digest(self, record: Record) -> int:
        return hash(_ENCODE(record))

    @override
    def on_duplicate(self, record: Record, *, same: bool) -> bool:
        # A row may change while its window is read.
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
        # Assumed: the vendor may round fractions of a second.
        open_from = self.tap.run_start - LATE_CHANGES if self.times_move else None
        if self.may_be_later(window):
            open_from = window.start - SECOND
        return outside_instants(self.time_column, window, slack=SECOND, open_from=open_from)

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
