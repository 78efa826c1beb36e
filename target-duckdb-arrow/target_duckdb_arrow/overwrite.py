"""Overwriting: evidence that the tap finished a stream, and the replacement of tables.

The end of the input proves nothing, because Meltano and shells close the pipe in the same way after failure and
success. A STATE after the last record of a stream shows that the tap was still running then. A tap that fails between a
STATE and its next record cannot be detected, so the replaced table is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_duckdb_arrow.errors import UnfinishedError
from target_duckdb_arrow.tables import TableLoader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import duckdb

    from target_duckdb_arrow.sinks import DuckDBSink

STAGED_SUFFIX = "__target_duckdb_arrow_new"
"""Suffix of the table that is written to replace another."""

REPLACED_SUFFIX = "__target_duckdb_arrow_previous"
"""Suffix of a replaced table."""

_DATES = frozenset({"date", "date-time"})


class Evidence:
    """Evidence in the messages of one input."""

    def __init__(self) -> None:
        self._begun: set[str] = set()
        self._first: dict[str, Any] = {}
        self._latest: dict[str, Any] = {}
        self.state_line = 0
        """Line of the last STATE, or 0 before the first."""
        self.last_lines: dict[str, int] = {}
        """Line of the last SCHEMA or RECORD of each stream."""

    def note_state(self, value: dict[str, Any], line: int) -> None:
        """Record a STATE message."""
        if not self.last_lines:
            # singer-sdk writes the state from which a run resumes before any SCHEMA. A full refresh has none.
            self._first = value
        self._latest = value
        self.state_line = line

    def resumed(self, stream: str, bookmark_properties: Iterable[str] | None, schema: Mapping[str, Any]) -> bool:
        """Return whether the input began with a state that has a bookmark of the stream.

        Args:
            stream: its name in the tap.
            bookmark_properties: those of its SCHEMA message. Without any, its properties with dates are used.
            schema: its JSON Schema.
        """
        names = list(bookmark_properties or ())
        properties = schema["properties"].items()
        names = names or [
            name for name, one in properties if isinstance(one, dict) and str(one.get("format")) in _DATES
        ]
        return _holds_value(_bookmark(self._first, stream), ("replication_key_value", *names))

    def has_bookmark(self, stream: str) -> bool:
        """Return whether the tap keeps a bookmark for the stream, so that its next run would read only new rows."""
        return bool(_bookmark(self._latest, stream))

    def finished(self, stream: str) -> bool:
        """Return whether a STATE followed the stream's last record and does not mark the stream as unfinished."""
        if self.last_lines.get(stream, 0) > self.state_line or self._latest.get("currently_syncing") == stream:
            return False
        bookmark = _bookmark(self._latest, stream)
        parts = [bookmark, *_partitions(bookmark)]
        # singer-sdk keeps them while it reads an unsorted stream, and removes them at the end.
        return not any(isinstance(part, dict) and part.get("progress_markers") for part in parts)


def _bookmark(state: Mapping[str, Any], stream: str) -> Any:
    bookmarks = state.get("bookmarks")
    return bookmarks.get(stream) if isinstance(bookmarks, dict) else None


def _partitions(bookmark: Any) -> list[Any]:
    partitions = bookmark.get("partitions") if isinstance(bookmark, dict) else None
    return partitions if isinstance(partitions, list) else []


def _holds_value(bookmark: Any, names: tuple[str, ...]) -> bool:
    if not isinstance(bookmark, dict):
        return bookmark not in (None, "", [])
    if any(bookmark.get(name) is not None for name in names):
        return True
    return any(_holds_value(partition, names) for partition in _partitions(bookmark))


def replace_tables(
    connection: duckdb.DuckDBPyConnection,
    sinks: Iterable[DuckDBSink],
    evidence: Evidence,
    *,
    without_state: bool,
) -> tuple[str, UnfinishedError | None]:
    """Replace the old tables of finished streams with the new ones, and drop the new tables of other streams.

    Args:
        connection: open, with a transaction begun.
        sinks: one for each table that was written.
        evidence: evidence of the input.
        without_state: whether an input without any STATE replaces tables as well.

    Returns:
        A warning about tables of streams with bookmarks, or an empty string, and the error about unfinished streams, to
        be raised after the commit.
    """
    replaced, unfinished = [], []
    for sink in sinks:
        stream = sink.source
        if not (without_state and not evidence.state_line) and not evidence.finished(stream):
            TableLoader(connection, sink.staged, stream).drop()
            unfinished.append(f"'{stream}'")
            continue
        old, new = TableLoader(connection, sink.destination, stream).replace_with(sink.staged, sink.replaced)
        if old and evidence.has_bookmark(stream):
            replaced.append(f"{sink.destination} ({old:,} rows with {new:,})")
    warning = (
        f"load_method overwrite replaced {', '.join(replaced)}. If the tap resumed from a state, older rows are now "
        "missing: run again with `meltano run --full-refresh`. The replaced tables are kept with the suffix "
        f"{REPLACED_SUFFIX}"
    )
    return warning if replaced else "", _unfinished(unfinished, evidence) if unfinished else None


def _unfinished(streams: list[str], evidence: Evidence) -> UnfinishedError:
    if evidence.state_line:
        reason = "the input ended without a STATE after the last record, so the tap may have failed"
        advice = "Check the tap's log and run again"
    else:
        reason = "the input contains no STATE, so the tap may have failed"
        advice = "Check the tap's log. If it never sends STATE, set overwrite_without_state"
    return UnfinishedError(
        f"{'Streams' if len(streams) > 1 else 'Stream'} {', '.join(streams)}: {reason}. load_method overwrite left "
        f"the table unchanged. {advice}.",
    )
