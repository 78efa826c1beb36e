"""The base streams: URLs, paging, row formats and errors of Adspect endpoints (docs.adspect.io/en/latest/api.html)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

import msgspec
import requests
from singer_adtech.errors import (
    DataError,
    NoConnectionError,
    NotFoundError,
    VendorError,
)
from singer_adtech.http.responses import check_status
from singer_adtech.http.retries import RateLimitedError, TransientError
from singer_adtech.progress.windows import PartT
from singer_adtech.records.exact_json import exact_json
from singer_adtech.streams.base import AdTechStream
from singer_sdk import SchemaDirectory
from singer_sdk.pagination import PageNumberPaginator, SinglePagePaginator
from singer_sdk.streams.rest import HTTPRequest, PageContext
from typing_extensions import Never, override

from tap_adspect import schemas

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from singer_sdk.helpers.types import Context, Record

SCHEMAS = SchemaDirectory(schemas)

TOTAL_COUNT = "X-Pagination-Total-Count"
PAGE_COUNT = "X-Pagination-Page-Count"

LIKELY_LIMITS = frozenset({100, 500, *range(1_000, 10_000, 1_000), *range(10_000, 1_000_001, 10_000)})
"""Numbers of rows that vendors use as limits, but that are rare otherwise."""

_TAG = re.compile(r"<[^>]*>")


class AdspectStream(AdTechStream[PartT]):
    """An endpoint that is read with GET."""

    smaller: ClassVar[str | None] = None
    """The setting that shortens a window, for the error message if the vendor fails on one."""

    parallel_pages = 1
    """One request at a time, except for windows of reports: the vendor documents no request limits.

    Assumed: one request at a time is always allowed. If wrong, the vendor refuses requests (429), and waits are logged.
    """

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

    def check_complete(self, response: requests.Response, rows: int) -> None:
        """Refuse the first page of an endpoint that is documented without pages.

        Assumed: endpoints without pages return all rows. If wrong, the stream ends if the vendor reports a total like
        those of lists. Otherwise, rows are missing: see `warn_of_limit`.

        Args:
            response: The response.
            rows: The number of its rows.

        Raises:
            DataError: The reported total is higher.
        """
        pages, total = (_count(response, name) for name in (PAGE_COUNT, TOTAL_COUNT))
        if (pages or 0) > 1 or (total or 0) > rows:
            raise DataError(
                f"the response has {rows} rows, but the vendor reports a total of {total} in {pages} pages, and "
                "documents no pages here",
                "report this to the tap's authors",
            )

    def warn_of_limit(self, label: str, rows: int) -> None:
        """Warn of a number of rows that may be a limit.

        Assumed: a response without a documented limit has all rows. If wrong, rows are missing, and only a limit in
        `LIKELY_LIMITS` is reported.

        Args:
            label: The path or window.
            rows: The number of rows of the response.
        """
        if rows in LIKELY_LIMITS:
            self.log_lines.warning(
                "%s has exactly %d rows, which may be an undocumented limit: compare them with the vendor's site",
                label,
                rows,
            )

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
    """Pages up to the last one and not beyond.

    Assumed: the reported number of pages is right. If wrong, the ids read are fewer than the reported total,
    and `row_count_check` fails.

    Assumed: if no total is reported, a page beyond the end is empty, repeats the page before, or is missing (404). If
    wrong, pages without new rows end the stream with an error.

    Args:
        read_totals: Reads the totals from a response.
        request_totals: Requests the totals without rows (`HEAD`).
        key: The id column of the items.
    """

    def __init__(
        self,
        read_totals: Callable[[requests.Response], Totals | None],
        request_totals: Callable[[], Totals | None],
        key: str,
    ) -> None:
        super().__init__(1)
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
        # A short page is not the end, because the vendor may allow fewer items per page than requested.
        return bool(items) and self._before[0] not in before


class ListStream(AdspectStream[Never]):
    """A list in numbered pages."""

    _paginator: ListPaginator

    @override
    def get_http_request(self, *, page: PageContext[int]) -> HTTPRequest:
        return self.request(self.path, {"page": page.next_page_token, "per-page": self.config["page_size"]})

    @override
    def get_new_paginator(self) -> ListPaginator:
        self._paginator = ListPaginator(self._read_totals, self._request_totals, self.primary_keys[0])
        return self._paginator

    @override
    def pages(self, context: Context | None, part: None = None) -> Iterator[requests.Response]:
        try:
            yield from super().pages(context, part)
        except NotFoundError:
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
        # Assumed: the vendor returns `page_size` rows per page. If wrong, and if no number of pages is
        # reported, the rows read are fewer than the reported total, and `row_count_check` fails.
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
    """A stream that is read by several small requests without paging (see `AdspectStream.check_complete`)."""

    def read_part(self, path: str, rows: Callable[[Any], Iterable[dict[str, Any]]]) -> Iterator[Record]:
        """Read one response; each key once.

        Args:
            path: The path.
            rows: Returns flat rows from the decoded body.
        """
        response = self.fetch(self.request(path), label=f", {path}")
        flat = [*rows(exact_json(response.content))]
        self.check_complete(response, len(flat))
        self.warn_of_limit(path, len(flat))
        records = (self.shape.record(row) for row in flat)
        yield from self.row_counter(None).take(records, None)


def read_list(response: requests.Response) -> list[Any]:
    """Decode a list; see `as_list`."""
    return as_list(exact_json(response.content))


def as_list(body: Any) -> list[Any]:
    """Return the array of a list, possibly wrapped in an object as `items`.

    Assumed: lists have one of these two forms. If wrong, the stream ends with an error.

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
        `message` of an object, the fields and messages of a list, or the first line without tags. Assumed: other JSON
        has no message. If wrong, the error has the status but not the vendor's reason.
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
