"""The base streams: URLs, paging, filters and errors of all iSpot.tv endpoints (API Quickstart; developer.ispot.tv)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo

import msgspec
from singer_adtech.errors import DataError
from singer_adtech.fetching.pages import CountedPagesPaginator
from singer_adtech.http.budgets import Family, Limit
from singer_adtech.http.responses import check_status
from singer_adtech.http.retries import TransientError
from singer_adtech.progress.windows import DayWindow
from singer_adtech.streams.base import AdTechStream
from singer_adtech.streams.windowed import DayWindowStream
from singer_sdk import SchemaDirectory, StreamSchema
from singer_sdk.streams.rest import HTTPRequest, PageContext
from typing_extensions import override

from tap_ispot import schemas
from tap_ispot.rows import (
    identity_getter,
    read_envelope,
    read_extent,
    read_rows,
    with_own_prefix,
    without_own_name,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

    import requests
    from singer_adtech.records.page import Page, Row
    from singer_adtech.records.row_times import RowCheck
    from singer_adtech.tap import AdTechTap
    from singer_sdk.helpers.types import Context, Record

    from tap_ispot.rows import Extent

EASTERN = ZoneInfo("America/New_York")
"""Assumed: the vendor's days are Eastern, because the day in the Quickstart's sample begins at 00:04 Eastern. If wrong,
a window contains airings of another day, and the stream fails with `outside of the requested window`."""

SCHEMAS = SchemaDirectory(schemas)

FAMILIES = (
    # Quickstart, "Rate limiting". For metrics and airings, the lowest limit of any of the vendor's tables.
    Family("access", ("/access",), (Limit(100, 900),)),
    Family("account", ("/account",), (Limit(100, 900),)),
    Family("airings", ("/airings", "/airings/*"), (Limit(50, 60),)),
    Family("metrics/audience", ("/metrics/audience/*",), (Limit(25, 10), Limit(75, 60))),
    Family("metrics/tv", ("/metrics/tv/*",), (Limit(25, 10), Limit(50, 60))),
    Family("metrics/attention", ("/metrics/attention/*",), (Limit(10, 10),)),
    Family("industries", ("/industries",), (Limit(50, 300),)),
    Family("networks", ("/networks", "/networks/*"), (Limit(50, 60),)),
    Family("notifications", ("/notifications",), (Limit(100, 60),)),
    Family("spots", ("/spots", "/spots/*"), (Limit(50, 60),)),
)
"""The endpoints with particular limits."""


def families(paths: Iterable[str]) -> tuple[Family, ...]:
    """Return the request limits of all paths.

    Other lists have 50 requests per minute each (Quickstart, "Rate limiting").
    Assumed: `/episodes` has the limit of other lists, although the vendor's table does not name it. If wrong, the
    vendor refuses requests with 429, and the log shows the waits.
    """
    lists = [path for path in paths if not any(family.covers(path) for family in FAMILIES)]
    return (*FAMILIES, *(Family(path.removeprefix("/"), (path,), (Limit(50, 60),)) for path in lists))


ENOUGH_ROWS = 100
"""Minimum number of rows for a warning about a requested entity without any value."""


class ISpotStream(AdTechStream[DayWindow]):
    """An endpoint with numbered pages of rows in an envelope."""

    payload_as_json = False
    schema = StreamSchema(SCHEMAS)

    def __init__(self, tap: AdTechTap, **kwargs: Any) -> None:
        super().__init__(tap, **kwargs)
        self._missing: dict[str, list[str]] | None = None

    @property
    def sort(self) -> str | None:
        """Order of rows; None to send no such parameter."""
        return None

    @property
    def requested_entities(self) -> Sequence[str]:
        """Values of the parameter `include`."""
        return ()

    @property
    def rows_per_page(self) -> int:
        """Rows to request per page."""
        size: int = self.config["catalog_page_size"]
        return size

    def filters(self, window: DayWindow | None) -> dict[str, str]:  # noqa: ARG002 - for streams with filters
        """Return the query parameters other than paging and sorting."""
        return {}

    @override
    def get_http_request(self, *, page: PageContext[int]) -> HTTPRequest:
        window = self.part_of(page)
        params = self.filters(window)
        if self.sort is not None:
            params["sort"] = self.sort
        params["page[size]"] = str(self.rows_per_page)
        params["page[number]"] = str(page.next_page_token)
        version = self.config.get("api_version")
        return HTTPRequest(
            url=f"{self.url_base}{self.path}",
            params={**params},
            headers={"iSpot-Version": version} if version else {},
            safe_query_chars="[],",
        )

    @override
    def get_new_paginator(self) -> CountedPagesPaginator:
        return CountedPagesPaginator(lambda response: self._extent(response).last_page)

    def _extent(self, response: requests.Response) -> Extent:
        asked = dict(parse_qsl(urlsplit(response.request.url or "").query))
        return read_extent(response, int(asked.get("page[number]", 1)), self.rows_per_page)

    not_an_object = "`data` contains a value that is not an object"

    @override
    def response_rows(self, response: requests.Response) -> Sequence[Row]:
        rows, extent = read_rows(response), self._extent(response)
        if extent.last_page is None and len(rows) >= extent.page_size:
            raise DataError(
                f"the response has a full page ({len(rows)} rows) and does not report the number of pages",
                "there may be more rows: raise `page_size` and `catalog_page_size`, or lower `window_days`",
            )
        return rows

    @override
    def total_rows(self, response: requests.Response) -> int | None:
        return self._extent(response).rows

    @override
    def envelope(self, response: requests.Response) -> object:
        return read_envelope(response)

    @override
    def check_body(self, response: requests.Response) -> None:
        super().check_body(response)
        try:
            read_envelope(response)
        except msgspec.DecodeError as error:
            raise TransientError(f"HTTP {response.status_code} with a body without `data`", response) from error

    @override
    def validate_response(self, response: requests.Response) -> None:
        remedies: dict[int, str] = {
            HTTPStatus.BAD_REQUEST: f"the request was {unquote(urlsplit(response.url).query)}",
            HTTPStatus.UNAUTHORIZED: "a new token was refused: check `client_id`, `client_secret` and the account",
            HTTPStatus.FORBIDDEN: f"no access to this product: ask iSpot.tv for it{self.instead}",
            HTTPStatus.NOT_FOUND: f"check `api_url`, or deselect {self.name}",
        }
        check_status(response, remedies=remedies)

    instead: str = ""
    """The end of the error message: a stream to select without access to this one."""

    @override
    def page_records(self, page: Page, part: DayWindow | None, check: RowCheck | None = None) -> Sequence[Record]:
        records = [*super().page_records(page, part, check)]
        missing = self._columns_of_entities() if self._missing is None else self._missing
        self._missing = {name: columns for name, columns in missing.items() if not _have_value(records, columns)}
        return records

    def _columns_of_entities(self) -> dict[str, list[str]]:
        columns = [name for name in self.shape.columns if self.is_written(name)]
        found = {
            name: [one for one in columns if one == name or one.startswith(f"{name.replace('.', '_')}_")]
            for name in self.requested_entities
        }
        return {name: own for name, own in found.items() if own}

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        yield from super().get_records(context)
        # Assumed: the vendor knows all names in `include`; the lists in its documents are partial. If wrong, their
        # columns are null, and a warning names them.
        if self._missing and self.counts.rows >= ENOUGH_ROWS:
            self.log_lines.warning(
                "none of %s rows has a value for %s, requested by `include`: the vendor may not know the name, or the "
                "account may have no access",
                f"{self.counts.rows:,}",
                ", ".join(self._missing),
            )


class CatalogStream(ISpotStream):
    """A full-table list, read completely in each run."""

    entity: ClassVar[str]
    """The vendor's name of a row; a row may be wrapped in an object of this name."""

    include: str = ""
    """Comma-separated entities to add to each row, unless the setting `catalog_includes` has others."""

    only_accessible: bool = False
    """Whether the list can be filtered by the account's access."""

    sortable: bool = True
    """Whether the setting `catalog_sort` applies."""

    @property
    @override
    def sort(self) -> str | None:
        # Assumed: all lists can be sorted by `id`, like brands and spots in samples of the developer site. If wrong,
        # the vendor refuses the request (400): set `catalog_sort`. Or it ignores the parameter: rows that move between
        # pages are then missing in the row count.
        return self.config["catalog_sort"] or None if self.sortable else None

    @property
    @override
    def requested_order(self) -> tuple[str, ...]:
        return ("id",) if self.sort == "id" else ()

    @property
    @override
    def requested_entities(self) -> Sequence[str]:
        default = [name for name in self.include.split(",") if name]
        chosen: Sequence[str] = (self.config.get("catalog_includes") or {}).get(self.name, default)
        return chosen

    @override
    def filters(self, window: DayWindow | None) -> dict[str, str]:
        params = {"include": ",".join(self.requested_entities)} if self.requested_entities else {}
        # Assumed: brands and industries honour `filter[access]`. If wrong, they also have rows without access.
        if self.only_accessible and self.config["accessible_only"]:
            params["filter[access]"] = "1"
        return params

    @override
    def row_fields(self, row: dict[str, Any]) -> Iterable[tuple[str, Any]]:
        return without_own_name(row, self.entity)


class DatedStream(ISpotStream, DayWindowStream):
    """Rows of Eastern days, requested by an inclusive first and last date."""

    own_name: ClassVar[str] = "airing"
    """The vendor's name of a row; columns of its own fields begin with it."""

    @property
    @override
    def rows_per_page(self) -> int:
        size: int = self.config["page_size"]
        return size

    @property
    def today(self) -> dt.date:
        """The current (incomplete) day in Eastern time."""
        return self.tap.run_start.astimezone(EASTERN).date()

    @override
    def filters(self, window: DayWindow | None) -> dict[str, str]:
        return date_filters(window)

    @override
    def position_after(self, window: DayWindow) -> Any:
        # Today is not complete: the bookmark stays before it, so the next run reads it again for any look-back.
        return min(window.next_day, self.today)

    @override
    def row_fields(self, row: dict[str, Any]) -> Iterable[tuple[str, Any]]:
        return with_own_prefix(row, self.shape.columns, self.own_name)


def _have_value(records: Sequence[Record], columns: Sequence[str]) -> bool:
    """Return whether any record has a value in one of the columns."""
    if not records:
        return False
    # Two names at least, or the getter returns a value instead of a tuple.
    _, values_of = identity_getter(records[0], [*columns, columns[0]])
    return any(map(any, map(values_of, records)))


def date_filters(window: DayWindow | None) -> dict[str, str]:
    """Return the filters of a range of Eastern days, both inclusive (Quickstart, "Pagination")."""
    if window is None:
        return {}
    return {"filter[start_date]": window.first.isoformat(), "filter[end_date]": window.last.isoformat()}
