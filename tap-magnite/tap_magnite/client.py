"""How every endpoint of the API is asked: no pages, no parameters, bare arrays (Public API Guide, "API Patterns")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from singer_adtech.streams.base import AdTechStream
from singer_sdk import SchemaDirectory, StreamSchema
from singer_sdk.pagination import SinglePagePaginator
from singer_sdk.streams.rest import HTTPRequest, PageContext
from typing_extensions import override

from tap_magnite import schemas
from tap_magnite.answers import check_answer, read_array

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import requests

    from tap_magnite.tap import TapMagnite

SCHEMAS = SchemaDirectory(schemas)


class MagniteStream(AdTechStream[None]):
    """One endpoint that answers with a bare array."""

    @property
    @override
    def tap(self) -> TapMagnite:
        return cast("TapMagnite", self._tap)

    @property
    def resource(self) -> str:
        """The endpoint's path below the base address."""
        return self.path

    @property
    def remedies(self) -> Mapping[int, str]:
        """What a user can do about a refusal, by status."""
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

    @override
    def parse_response(self, response: requests.Response) -> Iterator[dict[str, Any]]:
        return read_array(response)

    @override
    def flat_row(self, row: dict[str, Any], window: Any) -> dict[str, Any]:
        return row

    @override
    def validate_response(self, response: requests.Response) -> None:
        check_answer(response, self.remedies)


class ListStream(MagniteStream):
    """A list that is read whole, with a schema in `schemas/`."""

    schema = StreamSchema(SCHEMAS)
