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


class MagniteStream(AdTechStream[PartT]):
    """An endpoint that returns an array."""

    nested = False

    def __init__(self, tap: AdTechTap, api: MagniteApi, **kwargs: Any) -> None:
        super().__init__(tap, **kwargs)
        self.api = api

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

    nested = False
    not_an_object = NOT_AN_OBJECT

    @override
    def envelope(self, response: requests.Response) -> object:
        return read_items(response)

    @override
    def response_rows(self, response: requests.Response) -> Iterable[Row | dict[str, Any]]:
        return read_rows(response)

    @override
    def validate_response(self, response: requests.Response) -> None:
        check_response(response, self.remedies)


class ListStream(MagniteStream[int | str]):
    """A list with a schema in `schemas/`."""

    schema = StreamSchema(SCHEMAS)
