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
from singer_adtech.progress.bookmarks import InstantBookmark
from singer_adtech.progress.windows import DayWindow, midnight
from singer_adtech.records.row_times import outside_days
from singer_adtech.streams.base import AdTechStream
from singer_adtech.streams.windowed import DayWindowStream
from singer_sdk import SchemaDirectory, StreamSchema
from singer_sdk.streams.rest import HTTPRequest, PageContext
from typing_extensions import override

from tap_ispot import schemas
from tap_ispot.rows import read_envelope, read_extent, read_rows, with_airing_prefix, without_own_name

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

    import requests
    from singer_adtech.records.page import Row
    from singer_adtech.records.row_times import RowCheck

    from tap_ispot.rows import Extent

EASTERN = ZoneInfo("America/New_York")
"""Assumed: the vendor's days are Eastern; the day in the Quickstart's sample begins at 00:04 Eastern."""

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
    Family("notifications", ("/notifications",), (Limit(100, 60),)),
)
"""The endpoints with particular limits."""


def families(paths: Iterable[str]) -> tuple[Family, ...]:
    """Return the request limits of all paths.

    Other lists have 50 requests per minute each (Quickstart, "Rate limiting"). Assumed for episodes, which the vendor's
    table does not name.
    """
    lists = [path for path in paths if not any(family.covers(path) for family in FAMILIES)]
    return (*FAMILIES, *(Family(path.removeprefix("/"), (path,), (Limit(50, 60),)) for path in lists))


class ISpotStream(AdTechStream[DayWindow]):
    """An endpoint with numbered pages of rows in an envelope."""

    payload_as_json = False
    schema = StreamSchema(SCHEMAS)

    sort: str | None = "id"
    """Order of rows; None if the endpoint has no such parameter."""

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


class CatalogStream(ISpotStream):
    """A full-table list, read completely in each run."""

    entity: ClassVar[str]
    """The vendor's name of a row; a row may be wrapped in an object of this name."""

    include: str = ""
    """Comma-separated entities to add to each row."""

    only_accessible: bool = False
    """Whether the list can be filtered by the account's access."""

    @override
    def filters(self, window: DayWindow | None) -> dict[str, str]:
        params = {"include": self.include} if self.include else {}
        if self.only_accessible and self.config["accessible_only"]:
            params["filter[access]"] = "1"
        return params

    @override
    def row_fields(self, row: dict[str, Any]) -> Iterable[tuple[str, Any]]:
        return without_own_name(row, self.entity)


class DatedStream(ISpotStream, DayWindowStream):
    """Rows of Eastern days, requested by an inclusive first and last date."""

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
        return with_airing_prefix(row, self.shape.columns)


class AiringStream(DatedStream):
    """Airings, with the entities of the setting `airing_includes`."""

    primary_keys = ("airing_id",)
    replication_key = "airing_aired_at_et"
    filters_of_rows = frozenset({"airing_types", "national_only", "brand_ids", "industry_ids", "network_ids"})

    @property
    @override
    def sort(self) -> str:  # type: ignore[override]  # an attribute in the base class, here from a setting
        order: str = self.config["airing_sort"]
        return order

    @property
    @override
    def signature(self) -> dict[str, Any]:
        # The settings used in `filters` below. Lists are sorted because the order of ids has no meaning.
        given = {name: self.config[name] for name in self.filters_of_rows}
        return {name: sorted(set(value)) if isinstance(value, list) else value for name, value in sorted(given.items())}

    @property
    @override
    def bookmark_kind(self) -> InstantBookmark:
        return InstantBookmark(EASTERN)

    @override
    def bookmark_day(self, position: dt.datetime) -> dt.date:
        return position.astimezone(EASTERN).date()

    @override
    def position_after(self, window: DayWindow) -> dt.datetime:
        return midnight(super().position_after(window), EASTERN)

    @override
    def row_check(self, window: DayWindow) -> RowCheck | None:
        # In the Quickstart the first row of a day is at 00:04 Eastern and both filters are inclusive: no tolerance.
        # Assumed: airings of local markets belong to the day of their market, some hours behind Eastern.
        types = self.config["airing_types"]
        return outside_days(AiringStream.replication_key, window, zone=EASTERN, later=int(not types or "L" in types))

    @override
    def filters(self, window: DayWindow | None) -> dict[str, str]:
        params = super().filters(window)
        if self.config["airing_types"]:
            params["filter[airing_type]"] = ",".join(self.config["airing_types"])
        if self.config["national_only"]:
            params["filter[national_only]"] = "1"
        params.update(id_filters(self.config, "brand", "industry", "network"))
        params["include"] = ",".join(self.config["airing_includes"])
        return params


def date_filters(window: DayWindow | None) -> dict[str, str]:
    """Return the filters of a range of Eastern days, both inclusive (Quickstart, "Pagination")."""
    if window is None:
        return {}
    return {"filter[start_date]": window.first.isoformat(), "filter[end_date]": window.last.isoformat()}


def id_filters(config: Any, *entities: str) -> dict[str, str]:
    """Return the filters by id from the settings; entities without ids are not filtered."""
    return {
        f"filter[{entity}]": ",".join(str(number) for number in config[f"{entity}_ids"])
        for entity in entities
        if config[f"{entity}_ids"]
    }
