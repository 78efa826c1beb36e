"""The fixed streams. To add a list, add a `ListStream` here, its schema to `schemas/`, and its path to `tap.py`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from singer_adtech.errors import NotFoundError, error_context, shorten
from singer_adtech.streams.derived import DerivedStream, DerivingStream
from singer_adtech.streams.not_found import read_not_found
from singer_sdk import StreamSchema
from typing_extensions import Never, override

from tap_adspect.client import SCHEMAS, ListStream, ObjectStream, PartsStream, as_list
from tap_adspect.rows import collection_rows, query_row, stream_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import requests
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.metrics import Counter

LIST_TYPES = ("blacklist", "whitelist")

COLLECTIONS = (
    "presets",
    "os",
    "browsers",
    "engines",
    "countries",
    "languages",
    "time-zones",
    "stream-modes",
    "stream-actions",
    "query-group-by",
    "query-funnel-metrics",
    "query-log-columns",
)
"""REST API, "Collections"."""


class Streams(DerivingStream[Never], ListStream):
    """Traffic streams: the rules by which a visitor is shown a money page or a safe page."""

    name = "streams"
    path = "/streams"
    primary_keys = ("stream_id",)
    schema = StreamSchema(SCHEMAS)
    private_columns = ("money_pages", "safe_pages")

    @override
    def flat_row(self, row: dict[str, Any], part: None) -> dict[str, Any]:
        return stream_row(row)

    @override
    def read_records(
        self, context: Context | None, part: None = None, pages: Iterable[requests.Response] | None = None
    ) -> Iterator[Record]:
        # The vendor can filter this list only by name. All streams are read and compared with the reported total.
        wanted = self.config.get("stream_ids")
        missing = set(wanted or ())
        for record in super().read_records(context, part, pages):
            missing.discard(record["stream_id"])
            if not wanted or record["stream_id"] in wanted:
                yield record
        if missing:
            # Assumed: ids in `stream_ids` are spelled like those of the list. If wrong, their rows are missing here,
            # reports and the log may be empty, and the user sees this warning.
            self.log_lines.warning(
                "setting `stream_ids`: not in the account: %s: compare their spelling with the vendor's site",
                shorten(", ".join(sorted(missing))),
            )


class Account(ObjectStream):
    """The account: one row."""

    name = "account"
    path = "/account"
    primary_keys = ("account_id",)
    schema = StreamSchema(SCHEMAS)

    @override
    def flat_row(self, row: dict[str, Any], part: None) -> dict[str, Any]:
        # This stream is read before reports and the log, and their state names the account.
        if isinstance(row.get("account_id"), str):
            self.tap.account = row["account_id"]
        return row


class SavedQueries(ListStream):
    """Saved queries. An id is a capability: it is enough to read the report."""

    name = "saved_queries"
    path = "/reports"
    primary_keys = ("query_id",)
    schema = StreamSchema(SCHEMAS)
    private_columns = ("query_id",)

    @override
    def flat_row(self, row: dict[str, Any], part: None) -> dict[str, Any]:
        return query_row(row)


class StreamIPLists(DerivedStream, PartsStream):
    """Black and white lists of addresses per stream, one row per entry; two requests per stream."""

    name = "stream_ip_lists"
    path = "/streams/<id>/ip-<type>"
    parent_stream_type = Streams
    primary_keys = ("stream_id", "list_type", "entry")
    schema = StreamSchema(SCHEMAS)
    selected_by_default = False

    @override
    def begin(self) -> Counter:
        self._requested = 0
        self._not_found: list[str] = []
        return super().begin()

    @override
    def rows(self, record: Record) -> Iterable[dict[str, Any]]:
        stream_id: str = record["stream_id"]
        self._requested += 1
        try:
            yield from self._of_stream(stream_id)
        except NotFoundError:
            self._not_found.append(stream_id)

    @override
    def last_rows(self) -> Iterable[dict[str, Any]]:
        streams = cast("Streams", self.tap.streams[Streams.name])
        yield from read_not_found(
            self,
            self._not_found,
            of=self._requested,
            name=lambda stream_id: f"stream_id {stream_id}",
            listed=lambda: {record["stream_id"] for record in streams.read_records(None)},
            read=self._of_stream,
        )

    def _of_stream(self, stream_id: str) -> Iterator[dict[str, Any]]:
        for list_type in LIST_TYPES:
            entries = partial(_entries, stream_id=stream_id, list_type=list_type)
            yield from self.read_part(f"/streams/{quote(stream_id, safe='')}/ip-{list_type}", entries)


class AccountIPLists(PartsStream):
    """Black and white lists of addresses of the account, one row per entry."""

    name = "account_ip_lists"
    path = "/accounts/self/ip-<type>"
    primary_keys = ("list_type", "entry")
    schema = StreamSchema(SCHEMAS)
    selected_by_default = False

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        with error_context(stream=self.name):
            for list_type in LIST_TYPES:
                yield from self.read_part(f"/accounts/self/ip-{list_type}", partial(_entries, list_type=list_type))


class Collections(PartsStream):
    """The allowed values of stream properties, breakdowns and metrics."""

    name = "collections"
    path = "/collections/<name>"
    primary_keys = ("collection", "value")
    schema = StreamSchema(SCHEMAS)
    selected_by_default = False

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        with error_context(stream=self.name):
            for collection in COLLECTIONS:
                for record in self.read_part(f"/collections/{collection}", partial(self._values, collection)):
                    extra = record["_extra"] or {}
                    yield {**record, "_extra": {name.removeprefix("."): extra[name] for name in extra} or None}

    def _values(self, collection: str, body: Any) -> Iterable[dict[str, Any]]:
        wrapped = isinstance(body, dict) and isinstance(body.get("items"), list)
        rows = collection_rows(body["items"] if wrapped else body)
        if rows is None:
            self.log_lines.warning("The collection %s has an unknown format: skipped", collection)
            self.counts.read_whole = False
        return ({"collection": collection, **row} for row in rows or ())


def _entries(body: Any, **columns: str) -> Iterator[dict[str, Any]]:
    return ({**columns, "entry": entry} for entry in as_list(body))


LISTS = (Streams, Account, SavedQueries, StreamIPLists, AccountIPLists, Collections)
