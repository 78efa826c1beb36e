"""Overwriting: the evidence in an input that the tap finished a stream, and the exchange of tables.

The end of the input proves nothing: where a tap fails, Meltano and shells close the pipe as they do after a success. A
STATE after the last record of a stream shows that the tap was still at work then. A tap that fails between a STATE and
its next record cannot be recognised; for that case the replaced table is kept.
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
"""What the name of a table gets while its successor is written."""

REPLACED_SUFFIX = "__target_duckdb_arrow_previous"
"""What the name of a table that was replaced gets."""

_DATES = frozenset({"date", "date-time"})


class Evidence:
    """What the messages of one input show."""

    def __init__(self) -> None:
        self._begun: set[str] = set()
        self._first: dict[str, Any] = {}
        self._latest: dict[str, Any] = {}
        self.state_line = 0
        """Line of the last STATE; 0 before the first."""
        self.last_lines: dict[str, int] = {}
        """Line of the last SCHEMA or RECORD of each stream."""

    def note_state(self, value: dict[str, Any], line: int) -> None:
        """Take in a STATE."""
        if not self.last_lines:
            # singer-sdk writes the state that a run resumes from before any SCHEMA; a full refresh has none.
            self._first = value
        self._latest = value
        self.state_line = line

    def resumed(self, stream: str, bookmark_properties: Iterable[str] | None, schema: Mapping[str, Any]) -> bool:
        """Tell whether the input began with a state that has a bookmark of the stream.

        Args:
            stream: its name in the tap.
            bookmark_properties: as its SCHEMA message names them; without any, dates among its properties count.
            schema: its JSON Schema.
        """
        names = list(bookmark_properties or ())
        properties = schema["properties"].items()
        names = names or [
            name for name, one in properties if isinstance(one, dict) and str(one.get("format")) in _DATES
        ]
        return _holds_value(_bookmark(self._first, stream), ("replication_key_value", *names))

    def has_bookmark(self, stream: str) -> bool:
        """Tell whether the tap keeps a bookmark for the stream, so that its next run would read new rows only."""
        return bool(_bookmark(self._latest, stream))

    def finished(self, stream: str) -> bool:
        """Tell whether a STATE followed the stream's last record, and does not say that the stream is under way."""
        if self.last_lines.get(stream, 0) > self.state_line or self._latest.get("currently_syncing") == stream:
            return False
        bookmark = _bookmark(self._latest, stream)
        parts = [bookmark, *_partitions(bookmark)]
        # singer-sdk keeps them while it reads a stream that is not sorted, and removes them at its end.
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
    """Put the new tables of finished streams in the place of the old ones, and drop those of the others.

    Args:
        connection: open, with a transaction begun.
        sinks: one for each table that was written.
        evidence: what the input showed.
        without_state: whether an input without any STATE replaces tables too.

    Returns:
        A warning about tables of streams with bookmarks, or an empty text; and the error of a run that did not finish
        its streams, to be raised when the transaction is committed.
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
            replaced.append(f"{sink.destination} ({old:,} rows by {new:,})")
    warning = (
        f"load_method overwrite replaced {', '.join(replaced)}. If the tap resumed from a state, older rows are "
        "missing now: run again with `meltano run --full-refresh`. The replaced tables are kept, with "
        f"{REPLACED_SUFFIX} added to their names"
    )
    return warning if replaced else "", _unfinished(unfinished, evidence) if unfinished else None


def _unfinished(streams: list[str], evidence: Evidence) -> UnfinishedError:
    if evidence.state_line:
        reason = "the input ended without a STATE after the last record, so the tap may have failed"
        advice = "See what the tap reports, and run again"
    else:
        reason = "the input has no STATE, so nothing shows that the tap finished"
        advice = "See what the tap reports; if it never sends STATE, set overwrite_without_state"
    return UnfinishedError(
        f"{'Streams' if len(streams) > 1 else 'Stream'} {', '.join(streams)}: {reason}. With load_method overwrite the "
        f"table stays as it was. {advice}.",
    )
