"""Streams that are made from the records of another stream, without requests of their own.

singer-sdk's parent and child streams are made for requests: each record of the parent would cost a SCHEMA and a STATE
message of the child. Here the child's rows are written beside the parent's record, whether the parent itself is
selected or not, and the parent's bookmark covers both. A parent without a bookmark is read on if the child fails.
"""

from __future__ import annotations

from abc import abstractmethod
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE
from typing_extensions import Never, override

from singer_adtech.errors import error_context
from singer_adtech.progress.windows import PartT
from singer_adtech.streams.base import AdTechStream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.metrics import Counter


class DerivedStream(AdTechStream[Never]):
    """A stream whose `parent_stream_type` is a `DerivingStream`, which writes it."""

    state_partitioning_keys = ()

    @abstractmethod
    def rows(self, record: Record) -> Iterable[dict[str, Any]]:
        """Make rows.

        Args:
            record: A record of the parent with all of its columns, selected or not.

        Returns:
            Flat names to values; each becomes a record as the schema says.
        """

    def last_rows(self) -> Iterable[dict[str, Any]]:
        """Make the rows that remain once all records of the parent were read; none by default."""
        return ()

    def begin(self) -> Counter:
        """Write the SCHEMA message; returns a counter of records, not yet running."""
        self.write_schema()
        return self.get_record_counter()

    def write(self, record: Record | None, counter: Counter) -> None:
        """Write the records that follow from one of the parent; those of `last_rows` if it is None."""
        with error_context(stream=self.name):
            for row in self.last_rows() if record is None else self.rows(record):
                self.write_record(self.shape.record(row))
                self.counts.rows += 1
                counter.increment()


class DerivingStream(AdTechStream[PartT]):
    """A stream with derived ones. It comes before the base class that reads records."""

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        derived = [stream for stream in self.child_streams if isinstance(stream, DerivedStream) and stream.selected]
        with ExitStack() as running:
            counted = [(stream, running.enter_context(stream.begin())) for stream in derived]
            for record in super().get_records(context):
                for stream, counter in [*counted]:
                    if not self._derive(record, stream, counter):
                        counted.remove((stream, counter))
                yield record
            for stream, counter in counted:
                self._derive(None, stream, counter)

    def _derive(self, record: Record | None, stream: DerivedStream, counter: Counter) -> bool:
        """Write what follows from a record; returns whether the derived stream can go on."""
        try:
            stream.write(record, counter)
        except Exception as error:
            # The bookmark of an incremental parent covers both, and must not move past what is missing.
            if self.replication_method != REPLICATION_FULL_TABLE or not self.tap.continues_without(stream, error):
                raise
            return False
        return True

    @override
    def generate_child_contexts(self, record: Record, context: Context | None) -> Iterable[Context | None]:
        # Nothing is left for singer-sdk to do.
        return ()
