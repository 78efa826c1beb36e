"""The streams, except reports. To add a list, add a class here, in `STREAMS`, and its schema to `schemas/`."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from singer_adtech.errors import NotFoundError
from singer_adtech.fetching.parallel import side_by_side
from singer_adtech.streams.children import ChildStream
from typing_extensions import override

from tap_magnite.client import ListStream
from tap_magnite.responses import check_response, read_array, read_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import requests
    from singer_sdk.helpers.types import Context

    from tap_magnite.metadata import Kind

_OFFSET = re.compile(r"([+-]\d{2})(\d{2})$")
_DATES = ("creationDate", "updateDate", "lastUpdated")


class InventoryStream(ListStream):
    """A level of the hierarchy: a list with a few fields, and one request per entity for all fields."""

    ancestors: ClassVar[tuple[str, ...]] = ()
    """Entities nested in a row, each inside the previous one."""

    @property
    @override
    def resource(self) -> str:
        paths: Mapping[str, str] = self.config.get("resource_paths") or {}
        return paths.get(self.name, self.path).rstrip("/")

    @property
    @override
    def remedies(self) -> Mapping[int, str]:
        return {HTTPStatus.NOT_FOUND: f"set `resource_paths.{self.name}` to the path of your account"}

    @override
    def response_rows(self, response: requests.Response) -> Iterator[dict[str, Any]]:
        # Decoded: a row is merged with its details, and has the ids of its ancestors.
        rows = list(read_array(response))
        self.note_count(len(rows))
        # A connection test requests the list only.
        if not self.config["include_details"] or self.ABORT_AT_RECORD_COUNT:
            yield from (_with_ids(row, self.ancestors) for row in rows)
            return
        deleted = 0
        pieces = (partial(self._details, row) for row in rows)
        for row, details in zip(rows, side_by_side(pieces, self.config["parallel_requests"]), strict=True):
            deleted += details is None
            yield _with_ids(row, self.ancestors, details or {})
        if deleted:
            self.log_lines.warning(
                "%d rows were deleted before their details were read and have the listed fields only", deleted
            )

    @override
    def flat_row(self, row: dict[str, Any], part: int | str | None) -> dict[str, Any]:
        # `+0000` is not valid in RFC 3339.
        dates = {name: _OFFSET.sub(r"\1:\2", row[name]) for name in _DATES if isinstance(row.get(name), str)}
        return {**row, **dates}

    def _details(self, row: dict[str, Any]) -> dict[str, Any] | None:
        """Return all fields of an entity; None after two responses with status 404.

        Assumed: an entity was deleted if a request for its details returns 404 twice. If wrong, its details are
        missing, and a warning counts such rows.
        """
        if row.get("id") is None:
            return {}
        with suppress(NotFoundError):
            return self._request_details(row)
        with suppress(NotFoundError):
            return self._request_details(row)
        return None

    def _request_details(self, row: dict[str, Any]) -> dict[str, Any]:
        response = self.api.send(
            "GET",
            f"{self.resource}/{row['id']}",
            check_status=check_response,
            label=f"stream {self.name}, details",
            counts=self.counts,
        )
        return read_object(response)


def _with_ids(
    row: Mapping[str, Any], ancestors: tuple[str, ...], details: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Merge a row with its details, and add the columns `<ancestor>_id`.

    Details may omit nested entities (see the guide), so ancestors are also taken from the list.
    """
    above = _ids(row, ancestors)
    above |= {name: value for name, value in _ids(details or {}, ancestors).items() if value is not None}
    return {**row, **(details or {}), **above}


def _ids(row: Mapping[str, Any], ancestors: tuple[str, ...]) -> dict[str, Any]:
    """Return the ids of the entities nested in a row."""
    ids: dict[str, Any] = {}
    node: Any = row
    for name in ancestors:
        node = node.get(name) if isinstance(node, dict) else None
        ids[f"{name}_id"] = node.get("id") if isinstance(node, dict) else None
    return ids


class Seats(InventoryStream):
    """Seats: the root of the hierarchy."""

    name = "seats"
    # Assumed: the inventory is at `/seats`, `/publishers`, `/brands`, `/supply` and `/adUnits`; the reference is open
    # to partners only. If wrong, the stream fails with status 404, and the message names the setting `resource_paths`.
    path = "/seats"
    primary_keys = ("id",)


class Publishers(InventoryStream):
    """Publishers, each in a seat."""

    name = "publishers"
    path = "/publishers"
    primary_keys = ("id",)
    ancestors = ("seat",)


class Brands(InventoryStream):
    """Brands: published products, each of a publisher."""

    name = "brands"
    path = "/brands"
    primary_keys = ("id",)
    ancestors = ("publisher", "seat")


class Supply(InventoryStream):
    """Supply: inventory that a brand offers for bidding."""

    name = "supply"
    path = "/supply"
    primary_keys = ("id",)
    ancestors = ("brand", "publisher", "seat")


class AdUnits(InventoryStream):
    """Ad units: spaces of a supply in which ads are rendered."""

    name = "ad_units"
    path = "/adUnits"
    primary_keys = ("id",)
    ancestors = ("supply", "brand", "publisher", "seat")


class QuerySources(ListStream):
    """Data sets that can be queried."""

    name = "query_sources"
    path = "/query/sources"
    primary_keys = ("name",)

    @override
    def pages(self, context: Context | None, part: int | str | None = None) -> Iterator[requests.Response]:
        yield self.api.metadata.sources(f"stream {self.name}", self.counts)


class FieldsStream(ChildStream, ListStream):
    """Fields of each source."""

    path = "/query/sources/{source}"
    parent_key = "source"
    kind: ClassVar[Kind]

    @property
    @override
    def parallel_parents(self) -> int:
        # `parallel_requests` applies to details only.
        return 1

    @override
    def parent_ids(self, context: Context | None) -> Iterable[str]:
        sources = self.api.metadata.sources(f"stream {self.name}", self.counts)
        return [str(row["name"]) for row in read_array(sources) if row.get("name") is not None]

    @override
    def pages(self, context: Context | None, part: int | str | None = None) -> Iterator[requests.Response]:
        yield self.api.metadata.fields(str(part), self.kind, f"stream {self.name}", self.counts)


class QueryDimensions(FieldsStream):
    """Dimensions of each source."""

    name = "query_dimensions"
    path = "/query/sources/{source}/dimensions"
    primary_keys = ("source", "id")
    kind = "dimensions"


class QueryMetrics(FieldsStream):
    """Metrics of each source."""

    name = "query_metrics"
    path = "/query/sources/{source}/metrics"
    primary_keys = ("source", "id")
    kind = "metrics"


STREAMS = (Seats, Publishers, Brands, Supply, AdUnits, QuerySources, QueryDimensions, QueryMetrics)
