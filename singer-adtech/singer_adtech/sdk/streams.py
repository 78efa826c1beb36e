"""singer-sdk's stream, with different timing of the messages around its records.

singer-sdk writes ACTIVATE_VERSION before the first request, so a loader deletes the table of a stream that fails
afterwards. It logs an ERROR for every exception that ends a stream, even in a connection test that passes. It moves
bookmarks by record, this library by complete window (see `progress.bookmarks`).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Protocol, cast

from singer_sdk.exceptions import AbortedSyncFailedException, AbortedSyncPausedException
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib import StateMessage
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE
from singer_sdk.streams.rest import RESTStream
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_sdk.helpers.types import Context, Record

    from singer_adtech.sdk.tap import HookedTap


COUNTED = 1_000
"""Compiled records counted at a time."""


class RowCounts(Protocol):
    """The counts of a stream in this run."""

    rows: int
    """Records written."""

    read_whole: bool
    """Whether no rows of the stream were skipped."""


class SyncedStream(RESTStream[Any]):
    """A stream that is activated after it was read completely."""

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
        """Write SCHEMA, records and STATE, and then ACTIVATE_VERSION for a full table that was read completely.

        The version is activated only at the end: singer-sdk's loaders create a table from its SCHEMA, and would delete
        its rows if a version were activated before the new ones.
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
            if self.compiles:
                self._write_compiled(context)
            else:
                for number, _ in enumerate(self._sync_records(context), start=1):
                    counts.rows = number
        except (AbortedSyncFailedException, AbortedSyncPausedException):
            self.tap.flush()  # a connection test has read its record
            raise
        # singer-sdk skips a STATE that equals the last one, but the records before it must be written.
        self.tap.flush()
        if versioned and counts.read_whole:
            self._write_activate_version_message(version)

    @property
    def compiles(self) -> bool:
        """Whether records are compiled: ready to be written, and no dictionaries."""
        return False

    def _write_compiled(self, context: Context | None) -> None:
        """Write compiled records and a STATE, without singer-sdk's work for each record."""
        counter, timer, counts = self.get_record_counter(), self.get_sync_timer(), self.counts
        counter.with_context({})
        timer.with_context({})
        write = self.tap.compiled_writer(self.name, self._stream_version)
        with counter, timer:
            try:
                for counts.rows, record in enumerate(self.get_records(context), start=1):
                    write(record)
                    if not counts.rows % COUNTED:
                        counter.increment(COUNTED)
            finally:
                counter.increment(counts.rows % COUNTED)
        self._finalize_state(self.stream_state)
        self._write_state_message()

    def write_schema(self) -> None:
        """Write the SCHEMA message of this stream."""
        self._write_schema_message()

    def write_record(self, record: Record) -> None:
        """Write the RECORD message of a record, with selection and stream maps applied."""
        self._write_record_message(record)

    def write_state(self) -> None:
        """Write a STATE message, even if it equals the last one. singer-sdk's own writer would skip it."""
        before = self.tap.states_written
        self.tap.state_writer.write_state(self.tap_state)
        if self.tap.states_written == before:
            self.tap.write_message(StateMessage(value=self.tap_state))

    @property
    def derives(self) -> bool:
        """Whether other streams are made from all columns of this stream's records."""
        return False

    def is_written(self, column: str) -> bool:
        """Return whether a column is selected, or used by derived streams."""
        if self.derives or not self.selected:
            return True
        return column in self.effective_schema["properties"] and self.mask["properties", column]

    @property
    def written_columns(self) -> frozenset[str] | None:
        """The selected columns; None if singer-sdk changes records further (stream maps, flattening, other types)."""
        if self.derives:
            # Before stream maps: a parent that the catalog omits has none.
            return None
        maps = self.stream_maps
        whole = all(selected for names, selected in self.mask.items() if names[2:])
        if (
            not whole
            or self.TYPE_CONFORMANCE_LEVEL is not TypeConformanceLevel.NONE
            or type(self).post_process is not RESTStream.post_process
            or [type(one) for one in maps] != [SameRecordTransform]
            or maps[0].flattening_enabled
        ):
            return None
        return frozenset(filter(self.is_written, self.schema["properties"]))

    @override
    def generate_child_contexts(self, record: Record, context: Context | None) -> Iterable[Context | None]:
        # Children are read by this library (`streams.children`, `streams.derived`).
        return ()

    @override
    def _write_starting_replication_value(self, context: Context | None) -> None:
        """Leave the state unchanged: singer-sdk would write `start_date` into it and compare bookmarks as text."""

    @override
    def _increment_stream_state(self, latest_record: Record, *, context: Context | None = None) -> None:
        """Leave the bookmark unchanged: it moves by window, not by record."""
