"""Streams derived from the records of another stream, without additional requests.

singer-sdk's child streams send requests, and write a SCHEMA and a STATE message per record of the parent. Here the
child's rows are written with the parent's record, even if the parent is not selected, and the parent's bookmark covers
both. If the child fails, reading continues only if the parent has no bookmark.
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
    """A stream that is written by its `parent_stream_type`, a `DerivingStream`."""

    state_partitioning_keys = ()

    @abstractmethod
    def rows(self, record: Record) -> Iterable[dict[str, Any]]:
        """Create rows from a record.

        Args:
            record: A record of the parent with all columns, selected or not.

        Returns:
            Flat names to values, one dictionary per record.
        """

    def last_rows(self) -> Iterable[dict[str, Any]]:
        """Create rows after all records of the parent were read; none by default."""
        return ()

    def begin(self) -> Counter:
        """Write the SCHEMA message and return a record counter, not yet started."""
        self.write_schema()
        return self.get_record_counter()

    def write(self, record: Record | None, counter: Counter) -> None:
        """Write the records derived from a parent's record, or those of `last_rows` if it is None."""
        with error_context(stream=self.name):
            for row in self.last_rows() if record is None else self.rows(record):
                self.write_record(self.shape.record(row))
                self.counts.rows += 1
                counter.increment()


class DerivingStream(AdTechStream[PartT]):
    """A stream with derived streams; inherited before the base class that reads records."""

    @property
    @override
    def derives(self) -> bool:
        return any(isinstance(stream, DerivedStream) and stream.selected for stream in self.child_streams)

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
        """Write the records derived from a record; return whether the derived stream can continue."""
        try:
            stream.write(record, counter)
        except Exception as error:
            # The bookmark of an incremental parent covers both streams, so it must not move.
            if self.replication_method != REPLICATION_FULL_TABLE or not self.tap.continues_without(stream, error):
                raise
            return False
        return True
