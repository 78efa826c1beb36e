"""singer-sdk's stream: when messages are written around its records.

singer-sdk writes ACTIVATE_VERSION before the first request, so that a loader deletes the table of a stream that then
fails. It logs an ERROR for whatever ends a stream, even for a connection test that passes. It moves bookmarks by
records, where this library moves them by windows read whole (see `progress.bookmarks`).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Protocol, cast

from singer_sdk.exceptions import AbortedSyncFailedException, AbortedSyncPausedException
from singer_sdk.singerlib import StateMessage
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE
from singer_sdk.streams.rest import RESTStream
from typing_extensions import override

if TYPE_CHECKING:
    from singer_sdk.helpers.types import Context, Record

    from singer_adtech.sdk.tap import HookedTap


class RowCounts(Protocol):
    """The counts of a stream in this run."""

    rows: int
    """Records written."""

    read_whole: bool
    """Whether no row that the stream has was passed over."""


class SyncedStream(RESTStream[Any]):
    """A stream that is activated once it was read whole."""

    @property
    def tap(self) -> HookedTap:
        """The tap of this stream."""
        return cast("HookedTap", self._tap)

    @property
    @abstractmethod
    def counts(self) -> RowCounts:
        """The counts of this stream in this run."""

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
        version = self.tap.initialized_at // 1000
        self._stream_version = version if versioned else None
        if self.selected:
            self.write_schema()
        counts = self.counts
        try:
            for number, _ in enumerate(self._sync_records(context), start=1):
                counts.rows = number
        except (AbortedSyncFailedException, AbortedSyncPausedException):
            self.tap.flush()  # a connection test has its record
            raise
        # No STATE is written that equals the last one; the records before it must go out nevertheless.
        self.tap.flush()
        if versioned and counts.read_whole:
            self._write_activate_version_message(version)

    def write_schema(self) -> None:
        """Write the SCHEMA message of this stream."""
        self._write_schema_message()

    def write_record(self, record: Record) -> None:
        """Write the RECORD message of a record: its selected columns, mapped as the settings say."""
        self._write_record_message(record)

    def write_state(self) -> None:
        """Write a STATE message, even one that equals the message before, which singer-sdk's own writer would not."""
        before = self.tap.states_written
        self.tap.state_writer.write_state(self.tap_state)
        if self.tap.states_written == before:
            self.tap.write_message(StateMessage(value=self.tap_state))

    @override
    def _write_starting_replication_value(self, context: Context | None) -> None:
        """Leave the state as it is: singer-sdk would write `start_date` into it, and compare bookmarks as text."""

    @override
    def _increment_stream_state(self, latest_record: Record, *, context: Context | None = None) -> None:
        """Leave the bookmark where it is: it moves by windows, not by records."""
