"""What singer-sdk does around the records of a stream, and is done differently here.

singer-sdk writes ACTIVATE_VERSION before the first request, so that a loader deletes the table of a stream that then
fails; it logs an ERROR for whatever ends a stream, a connection test that passes too; and it moves bookmarks by
records, where this library moves them by windows read whole (see `bookmarks`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE
from singer_sdk.streams.rest import RESTStream
from typing_extensions import override

if TYPE_CHECKING:
    from singer_sdk.helpers.types import Context, Record

    from singer_adtech.runs.metrics import StreamCounts
    from singer_adtech.tap import AdTechTap

PageToken = TypeVar("PageToken")


class SyncedStream(RESTStream[PageToken]):
    """A stream that is activated once it was read whole."""

    @property
    def tap(self) -> AdTechTap:
        """The tap of this stream."""
        return cast("AdTechTap", self._tap)

    @property
    def counts(self) -> StreamCounts:
        """The numbers of this stream in this run."""
        return self.tap.run_metrics.of(self.name)

    @override  # type: ignore[misc]  # final in singer-sdk, which activates before the first request
    def sync(self, context: Context | None = None) -> None:
        """Write SCHEMA, records and STATE; then, of a full table that was read whole, ACTIVATE_VERSION.

        The version at the end is the only one: loaders of singer-sdk make a table from its SCHEMA, and take a version
        that is activated before the rows for an order to delete what the table has.
        """
        self.log("Beginning sync of '%s' in %s mode", self.name, self.replication_method.lower())
        versioned = (
            self.selected
            and self.replication_method == REPLICATION_FULL_TABLE
            and self.emit_activate_version_messages
            and self.ABORT_AT_RECORD_COUNT is None
        )
        version = self._initialized_at // 1000
        self._stream_version = version if versioned else None
        if self.selected:
            self._write_schema_message()
        counts = self.counts
        for number, _ in enumerate(self._sync_records(context), start=1):
            counts.rows = number
        if versioned and counts.read_whole:
            self._write_activate_version_message(version)

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        return None

    @override
    def _write_state_message(self) -> None:
        super()._write_state_message()
        # No STATE is written that equals the last one; the records before it must go out nevertheless.
        self.tap.flush()

    @override
    def _write_starting_replication_value(self, context: Context | None) -> None:
        """Leave the state as it is: singer-sdk would write `start_date` into it, and compare bookmarks as text."""

    @override
    def _increment_stream_state(self, latest_record: Record, *, context: Context | None = None) -> None:
        """Leave the bookmark where it is: it moves by windows, not by records."""
