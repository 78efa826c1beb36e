"""The base streams: URLs, paging, row formats and errors of Adspect endpoints (docs.adspect.io/en/latest/api.html)."""

from __future__ import annotations

import math
import re
from abc import abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, cast
from urllib.parse import urlsplit

import msgspec
import requests
from singer_adtech.errors import (
    DataError,
    NoConnectionError,
    NotFoundError,
    VendorError,
)
from singer_adtech.http.bodies import InvalidBodyError
from singer_adtech.http.responses import check_status
from singer_adtech.http.retries import RateLimitedError, TransientError
from singer_adtech.progress.windows import DayWindow, PartT, WindowT
from singer_adtech.records.exact_json import exact_json
from singer_adtech.records.page import once_per_response
from singer_adtech.streams.base import AdTechStream
from singer_sdk import SchemaDirectory
from singer_sdk.pagination import PageNumberPaginator, SinglePagePaginator
from singer_sdk.streams.rest import HTTPRequest, PageContext
from typing_extensions import Never, override

from tap_adspect import schemas
from tap_adspect.rows import report_problem, report_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from singer_adtech.progress.windows import InstantWindow
    from singer_adtech.records.page import Page, Row
    from singer_adtech.records.row_times import RowCheck
    from singer_sdk.helpers.types import Context, Record

SCHEMAS = SchemaDirectory(schemas)

TOTAL_COUNT = "X-Pagination-Total-Count"
PAGE_COUNT = "X-Pagination-Page-Count"

_TAG = re.compile(r"<[^>]*>")


class AdspectStream(AdTechStream[PartT]):
    """An endpoint that is read with GET."""

    smaller: ClassVar[str | None] = None
    """The setting that shortens a window, for the error message if the vendor fails on one."""

    parallel_pages = 1
    """One request at a time, except for windows of reports: the vendor documents no request limits."""

    def request(self, path: str, params: Mapping[str, Any] | None = None, method: str = "GET") -> HTTPRequest:
        """Build a request; each value of a list becomes a separate parameter."""
        return HTTPRequest(
            url=f"{self.url_base}{path}",
            method=method,
            params=dict(params or {}),
            # Required on each request, even without a body: it selects JSON instead of XML (REST API,
            # "Authentication").
            headers={"Content-Type": "application/json"},
        )

    @override
    def get_http_request(self, *, page: PageContext[Any]) -> HTTPRequest:
        return self.request(self.path)

    @override
    def get_new_paginator(self) -> SinglePagePaginator | PageNumberPaginator:
        return SinglePagePaginator()

    @override
    def fetch(self, request: HTTPRequest, *, label: str = "", counted_as: str | None = None) -> requests.Response:
        try:
            return super().fetch(request, label=label, counted_as=counted_as)
        except VendorError as error:
            failed = isinstance(error.__cause__, TransientError) and not isinstance(error.__cause__, RateLimitedError)
            if self.smaller is None or not failed or isinstance(error, NoConnectionError):
                raise
            raise VendorError(error.what, f"try a smaller `{self.smaller}`") from error

    @override
    def validate_response(self, response: requests.Response) -> None:
        path = urlsplit(response.url).path.removeprefix(urlsplit(self.url_base).path)
        remedies: dict[int, str] = {
            HTTPStatus.UNAUTHORIZED: "the API key was refused: check `api_key`, the raw key from the account page",
            HTTPStatus.FORBIDDEN: f"no access to {path}: ask Adspect for it",
            HTTPStatus.NOT_FOUND: f"{path} was not found: check `api_url`",
        }
        check_status(response, remedies=remedies, words=error_words)


class ObjectStream(AdspectStream[Never]):
    """An endpoint that returns one object."""

    @override
    def parse_response(self, response: requests.Response) -> Iterator[dict[str, Any]]:
        body = exact_json(response.content)
        if not isinstance(body, dict):
            raise DataError("the response is not a JSON object", "report this to the tap's authors")
        yield body

    @override
    def flat_row(self, row: dict[str, Any], part: None) -> dict[str, Any]:
        return row


@dataclass(frozen=True)
class Totals:
    """The reported totals of a list.

    Args:
        pages: Pages of the requested size.
        rows: Items; None if not reported.
    """

    pages: int
    rows: int | None


class ListPaginator(PageNumberPaginator):
    """Pages up to the last one and not beyond. Assumed: a page beyond the end repeats the last one.

    Args:
        page_size: Items per page.
        read_totals: Reads the totals from a response.
        request_totals: Requests the totals without rows (`HEAD`).
        key: The id column of the items.
    """

    def __init__(
        self,
        page_size: int,
        read_totals: Callable[[requests.Response], Totals | None],
        request_totals: Callable[[], Totals | None],
        key: str,
    ) -> None:
        super().__init__(1)
        self._page_size = page_size
        self._read_totals = read_totals
        self._request_totals = request_totals
        self._key = key
        self._totals_requested = False
        self._before: list[Any] = []
        self.reported: Totals | None = None

    @property
    def page_count_unknown(self) -> bool:
        """Whether pages are read although no response reported their number."""
        return self._totals_requested and self.reported is None

    @override
    def has_more(self, response: requests.Response) -> bool:
        self.reported = self._read_totals(response) or self.reported
        if self.reported is None and not self._totals_requested:
            self._totals_requested = True
            self.reported = self._request_totals()
        if self.reported is not None:
            return self.current_value < self.reported.pages
        before, items = self._before, read_list(response)
        self._before = [item.get(self._key) if isinstance(item, dict) else None for item in items]
        return len(items) >= self._page_size and self._before[0] not in before


class ListStream(AdspectStream[Never]):
    """A list in numbered pages."""

    _paginator: ListPaginator

    @override
    def get_http_request(self, *, page: PageContext[int]) -> HTTPRequest:
        return self.request(self.path, {"page": page.next_page_token, "per-page": self.config["page_size"]})

    @override
    def get_new_paginator(self) -> ListPaginator:
        self._paginator = ListPaginator(
            self.config["page_size"], self._read_totals, self._request_totals, self.primary_keys[0]
        )
        return self._paginator

    @override
    def pages(self, context: Context | None, part: None = None) -> Iterator[requests.Response]:
        try:
            yield from super().pages(context, part)
        except NotFoundError:
            # Assumed: a page beyond the end may return 404 if the number of pages is not reported.
            if not self._paginator.page_count_unknown:
                raise

    @override
    def total_rows(self, response: requests.Response) -> int | None:
        reported = self._read_totals(response) or self._paginator.reported
        return None if reported is None else reported.rows

    @override
    def parse_response(self, response: requests.Response) -> Iterator[dict[str, Any]]:
        for item in read_list(response):
            if not isinstance(item, dict):
                raise DataError("a list contains an item that is not an object", "report this to the tap's authors")
            yield item

    @override
    def flat_row(self, row: dict[str, Any], part: None) -> dict[str, Any]:
        return row

    def _read_totals(self, response: requests.Response) -> Totals | None:
        pages, rows = (_count(response, name) for name in (PAGE_COUNT, TOTAL_COUNT))
        if pages is None and rows is not None:
            pages = math.ceil(rows / self.config["page_size"])
        return None if pages is None else Totals(pages, rows)

    def _request_totals(self) -> Totals | None:
        """Request only the headers (REST API, "Stream List Metadata")."""
        request = self.request(self.path, {"per-page": self.config["page_size"]}, "HEAD")
        response = self.tap.send(
            requests.Request(request.method, f"{request.url}?{request.encode_params()}", headers=dict(request.headers)),
            label=f"stream {self.name}, totals",
            check_status=self._check_head,
            check_body=None,
            counts=self.counts,
        )
        return self._read_totals(response) if response.status_code < HTTPStatus.MULTIPLE_CHOICES else None

    def _check_head(self, response: requests.Response) -> None:
        if response.status_code not in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
            self.validate_response(response)


class PartsStream(AdspectStream[Never]):
    """A stream that is read by several small requests without paging."""

    def read_part(self, path: str, rows: Callable[[Any], Iterable[dict[str, Any]]]) -> Iterator[Record]:
        """Read one response; each key once.

        Args:
            path: The path.
            rows: Returns flat rows from the decoded body.
        """
        response = self.fetch(self.request(path), label=f", {path}")
        records = (self.shape.record(row) for row in rows(exact_json(response.content)))
        yield from self.row_counter(None).take(records, None)


_EMPTY = re.compile(rb"\s*(?:\[\s*\]\s*)?")

EMPTY_WAIT = 1.0
"""Seconds before an empty response is requested once more."""


class _RowFormError(Exception):
    """A row is not an array of the requested columns.

    Args:
        row: The row.
        problem: The problem.
    """

    def __init__(self, row: Row, problem: str) -> None:
        super().__init__(problem)
        self.row = row


def named_row(row: Row, names: Sequence[str]) -> dict[str, Any]:
    """Decode a row.

    Args:
        row: The row.
        names: The requested columns, in order.

    Raises:
        _RowFormError: It is not an array, or has a different number of items.
    """
    items = exact_json(bytes(row))
    if not isinstance(items, list):
        raise _RowFormError(row, "is not an array")
    if len(items) != len(names):
        raise _RowFormError(row, f"has {len(items)} items instead of {len(names)} ({', '.join(names)})")
    return dict(zip(names, items, strict=True))


@contextmanager
def numbered(rows: Iterable[Any]) -> Iterator[None]:
    """Name the number of a row of the wrong form.

    Raises:
        DataError: A row is not an array, or has a different number of items.
    """
    try:
        yield
    except _RowFormError as error:
        number = next(number for number, row in enumerate(rows, start=1) if row is error.row)
        raise DataError(f"row {number} of the report {error}", "report this with the request's time") from None


@once_per_response
def read_rows(response: requests.Response) -> Sequence[Row]:
    """Split a report into rows, once."""
    return report_rows(response.content)


class RowsStream(AdspectStream[WindowT]):
    """A report: rows are arrays in the order of the requested columns."""

    nested = False

    @property
    @abstractmethod
    def item_names(self) -> tuple[str, ...]:
        """The requested columns, in order."""

    @override
    def fetch(self, request: HTTPRequest, *, label: str = "", counted_as: str | None = None) -> requests.Response:
        response = super().fetch(request, label=label, counted_as=counted_as)
        if _EMPTY.fullmatch(response.content):
            # A failing gateway looks the same. The format has no other way to express "no rows", so a second empty
            # response counts.
            self.tap.clock.sleep(EMPTY_WAIT)
            response = super().fetch(request, label=label, counted_as=counted_as)
        return response

    def check_empty(self, window: DayWindow | InstantWindow, position: Any) -> None:
        """Warn about an empty window that an earlier run has read, because it may have had rows then.

        Args:
            window: The window.
            position: The bookmark before this window; None on the first run.
        """
        start = window.first if isinstance(window, DayWindow) else window.start
        if position is not None and start < position:
            self.log_lines.warning(
                "window %s: two responses without rows, and an earlier run has read this window: if it had rows then, "
                "run again, and report this to the vendor if it is still empty",
                window,
            )

    @override
    def check_body(self, response: requests.Response) -> None:
        # A report that is cut off also has status 200: every line is checked before a row counts.
        try:
            read_rows(response)
        except (ValueError, RecursionError):
            problem = report_problem(response.content)
            if problem is not None:
                raise InvalidBodyError(problem, response, columns=self.item_names) from None
            raise

    @override
    def response_rows(self, response: requests.Response) -> Sequence[Row]:
        return read_rows(response)

    @override
    def decode_row(self, row: Row | dict[str, Any]) -> dict[str, Any]:
        return named_row(cast("Row", row), self.item_names)

    @override
    def page_records(self, page: Page, window: WindowT | None, check: RowCheck | None = None) -> Iterable[Record]:
        with numbered(page.rows):
            yield from super().page_records(page, window, check)


def read_list(response: requests.Response) -> list[Any]:
    """Decode a list: an array, or (Assumed) an object with `items`.

    Raises:
        DataError: The body is neither.
    """
    return as_list(exact_json(response.content))


def as_list(body: Any) -> list[Any]:
    """Return the array of a list, possibly wrapped in an object as `items`.

    Raises:
        DataError: The body contains no such array.
    """
    items = body.get("items") if isinstance(body, dict) else body
    if not isinstance(items, list):
        raise DataError(
            "the response is neither an array nor an object with `items`", "report this to the tap's authors"
        )
    return items


def error_words(response: requests.Response) -> str:
    """Find the vendor's message in an error body.

    Returns:
        `message` of an object, (Assumed) the fields and messages of a list, or the first line without tags.
    """
    text = response.content[:10_000].decode("utf-8", "replace")
    try:
        body = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = None
    if isinstance(body, dict) and isinstance(body.get("message"), str):
        return str(body["message"])
    if isinstance(body, list) and body and all(isinstance(one, dict) and "message" in one for one in body):
        return "; ".join(f"{one['field']}: {one['message']}" if "field" in one else str(one["message"]) for one in body)
    if text.lstrip()[:1] in {"{", "["}:
        # Other JSON may contain rows.
        return ""
    lines = (" ".join(_TAG.sub(" ", line).split()) for line in text.splitlines())
    return next((line for line in lines if line), "")


def _count(response: requests.Response, name: str) -> int | None:
    text = response.headers.get(name, "").strip()
    return int(text) if text.isascii() and text.isdigit() else None
