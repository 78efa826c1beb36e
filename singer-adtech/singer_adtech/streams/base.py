"""Base classes of streams: singer-sdk's REST stream, with this library's requests, windows and bookmarks."""

from __future__ import annotations

import sys
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, cast

import requests
from singer_sdk.helpers.conform import TypeConformanceLevel
from typing_extensions import override

from singer_adtech.errors import error_context
from singer_adtech.fetching.pages import PartPage, read_pages
from singer_adtech.http.bodies import check_syntax
from singer_adtech.http.responses import check_json, check_status
from singer_adtech.logs import StreamLog
from singer_adtech.progress.continued import ContinuedStream
from singer_adtech.progress.windows import PartT
from singer_adtech.records.shapes import RecordShape, same_columns
from singer_adtech.records.totals import RowReader

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.pagination import BaseAPIPaginator
    from singer_sdk.singerlib import Catalog
    from singer_sdk.streams.rest import HTTPRequest, PageContext

    from singer_adtech.connection import ConnectedTap
    from singer_adtech.http.auth import Authenticator
    from singer_adtech.metrics import StreamCounts


class AdTechStream(ContinuedStream, RowReader[PartT]):
    """A stream of one endpoint, read completely.

    A subclass declares attributes. Its vendor's base class makes requests (`get_http_request`), follows pages
    (`get_new_paginator`), and reads rows (`parse_response`) and their total (`total_rows`) from a response.
    """

    STATE_MSG_FREQUENCY = sys.maxsize
    """No STATE within a window: only complete windows move a bookmark."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE
    """`RecordShape` has converted all columns; a second conversion would double the cost of a record."""

    private_columns: ClassVar[tuple[str, ...]] = ()
    """Columns with values that are never quoted in messages: capabilities, code, personal data."""

    repeatable: ClassVar[bool] = True
    """Whether a second reading returns the same rows; False if reading removes them."""

    @property
    @override
    def tap(self) -> ConnectedTap:
        return cast("ConnectedTap", super().tap)

    @property
    @override
    def counts(self) -> StreamCounts:
        return self.tap.run_metrics.of(self.name)

    @property
    @override
    def account(self) -> str | None:
        return self.tap.account

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
        """The stream's logger."""
        return StreamLog(self.logger, self.name)

    @cached_property
    @override
    def shape(self) -> RecordShape:
        """The stream's schema, compiled."""
        return RecordShape(
            self.schema,
            primary_keys=(*self.primary_keys, *self.schema.get("required", ())),
            extra_fields=self.config.get("extra_fields", "keep"),
            logger=self.log_lines,
            private=self.private_columns,
            converters=self.converters,
            nulls=self.nulls,
            deselected=[name for name in self.schema["properties"] if not self.is_written(name)],
        )

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        super().apply_catalog(catalog)
        if not same_columns(self.schema, self.effective_schema):
            # Records have the types of the tap's schema, but need those of the catalog's.
            self.TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.RECURSIVE

    @property
    def converters(self) -> Mapping[str, Callable[[Any], Any]]:
        """Converters of columns, in place of those of their types."""
        return {}

    @property
    def nulls(self) -> Mapping[str, Any]:
        """Values in place of null, by column."""
        return {}

    @property
    @override
    def used_columns(self) -> Collection[str]:
        return () if self.replication_key is None else (self.replication_key,)

    # Declarations for the live check (`doctor`)

    references: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Columns with keys of other streams, and the names of these streams."""

    @property
    def requested_order(self) -> tuple[str, ...]:
        """The columns by which the vendor is asked to sort rows, if the tap does not check the order."""
        return ()

    @property
    def rows_are_totals(self) -> bool:
        """Whether rows cover whole windows, so that other windows have other rows."""
        return False

    @property
    def row_filters(self) -> Mapping[str, tuple[str, ...]]:
        """Filters of rows, and for each the columns of which one has a requested value."""
        return {}

    def filter_settings(self, name: str, value: Any) -> dict[str, Any]:
        """Return the settings that request only rows with a value.

        Args:
            name: A filter of `row_filters`; by default the name of a setting with a list.
            value: The value of its column.
        """
        return {name: [value]}

    # Methods that a vendor's base class overrides

    def check_body(self, response: requests.Response) -> None:
        """Refuse an incomplete body, so that it is requested again.

        Raises:
            InvalidBodyError: The body is not JSON in UTF-8, or is cut off.
        """
        check_json(response, self.envelope)

    def envelope(self, response: requests.Response) -> object:
        """Decode the envelope of a response, once; by default, nothing is kept.

        Raises:
            msgspec.DecodeError: The body is not JSON of this form.
        """
        return check_syntax(response.content)

    @override
    def validate_response(self, response: requests.Response) -> None:
        check_status(response)

    @property
    def parallel_pages(self) -> int:
        """Maximum concurrent requests of one list or window."""
        return cast("int", self.config.get("parallel_requests", 1))

    # Pages and rows

    def part_of(self, page: PageContext[Any]) -> PartT | None:
        """Return the part of a page that `get_http_request` received; None for a page of the whole list."""
        return cast("PartPage[PartT]", page).part if isinstance(page, PartPage) else None

    def request_label(self, part: PartT | None) -> str:
        """Return a label of the part for log lines, after the stream's name."""
        return f", {self.part_name(part)}" if part is not None else ""

    def fetch(self, request: HTTPRequest, *, label: str = "", counted_as: str | None = None) -> requests.Response:
        """Send a request of this stream.

        Args:
            request: The request, from `get_http_request`.
            label: Added to the stream's name in log lines.
            counted_as: The path that budgets count it under, if different from its own.

        Returns:
            A complete, successful response.
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
    def pages(self, context: Context | None, part: PartT | None = None) -> Iterator[requests.Response]:
        label = self.request_label(part)
        # A connection test reads one record, so nothing is prefetched.
        parallel = 1 if self.ABORT_AT_RECORD_COUNT else self.parallel_pages
        paginator = cast("BaseAPIPaginator[Any]", self.get_new_paginator())

        def fetch(token: object) -> requests.Response:
            page = PartPage(stream_context=context, next_page_token=token, part=part)
            return self.fetch(self.get_http_request(page=page), label=label)

        return read_pages(paginator, fetch, parallel=parallel)

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        with error_context(stream=self.name):
            yield from self.read_records(context)
