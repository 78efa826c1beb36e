"""The base streams: GET without parameters or pages, bare arrays (Public API Guide, "API Patterns")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_adtech.progress.windows import PartT
from singer_adtech.streams.base import AdTechStream
from singer_sdk import SchemaDirectory, StreamSchema
from singer_sdk.pagination import SinglePagePaginator
from singer_sdk.streams.rest import HTTPRequest, PageContext
from typing_extensions import override

from tap_magnite import schemas
from tap_magnite.responses import NOT_AN_OBJECT, check_response, read_items, read_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import requests
    from singer_adtech.records.page import Row
    from singer_adtech.tap import AdTechTap

    from tap_magnite.api import MagniteApi

SCHEMAS = SchemaDirectory(schemas)

SMALL_ROUND_COUNTS = frozenset({100, 200, 250, 500})
"""Usual limits of rows below 1,000."""


class MagniteStream(AdTechStream[PartT]):
    """An endpoint that returns an array."""

    nested = False

    def __init__(self, tap: AdTechTap, api: MagniteApi, **kwargs: Any) -> None:
        super().__init__(tap, **kwargs)
        self.api = api
        self._warned_of_count = False

    @property
    def resource(self) -> str:
        """The endpoint's path below the base address."""
        return self.path

    @property
    def remedies(self) -> Mapping[int, str]:
        """Remedies for error messages, by status."""
        return {}

    @override
    def get_http_request(self, *, page: PageContext[None]) -> HTTPRequest:
        return HTTPRequest(url=f"{self.url_base}{self.resource}")

    @override
    def get_new_paginator(self) -> SinglePagePaginator:
        return SinglePagePaginator()

    @property
    @override
    def parallel_pages(self) -> int:
        return 1

    not_an_object = NOT_AN_OBJECT

    @override
    def envelope(self, response: requests.Response) -> object:
        return read_items(response)

    @override
    def response_rows(self, response: requests.Response) -> Iterable[Row | dict[str, Any]]:
        rows = read_rows(response)
        self.note_count(len(rows))
        return rows

    def note_count(self, rows: int) -> None:
        """Warn, once, if an array has a round number of rows.

        Assumed: lists and results are complete, because the guide describes no pages and no limit of rows. If wrong,
        rows are missing, and arrays of one round length are the only sign.
        """
        if rows and (rows in SMALL_ROUND_COUNTS or not rows % 1000) and not self._warned_of_count:
            self._warned_of_count = True
            self.log_lines.warning(
                "the response has exactly %s rows, a round number: the vendor may have an undocumented limit; compare "
                "the number of rows with the Console",
                f"{rows:,}",
            )

    @override
    def validate_response(self, response: requests.Response) -> None:
        check_response(response, self.remedies)


class ListStream(MagniteStream[int | str]):
    """A list with a schema in `schemas/`."""

    schema = StreamSchema(SCHEMAS)
