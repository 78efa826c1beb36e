"""Row counts of a window or list: duplicates dropped, totals compared, and missing rows read again.

All streams count their rows by the same rule. The largest total on the pages of a reading counts, so a list that grows
or shrinks in the meantime costs at most one more reading. More rows than the total are accepted. If rows are missing,
the window or list is read once more from its first request. After that, the setting `row_count_check` decides.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Generic, Literal

from typing_extensions import override

from singer_adtech.errors import DataError, ReadAgainError
from singer_adtech.progress.windows import PartT
from singer_adtech.records.page import Page
from singer_adtech.records.rows import RowStream
from singer_adtech.status_line import MOST_WINDOW_LINES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import requests
    from singer_sdk.helpers.types import Context, Record

    from singer_adtech.logs import StreamLog
    from singer_adtech.metrics import StreamCounts
    from singer_adtech.records.row_times import RowCheck

RowCountCheck = Literal["fail", "warn", "off"]

MOST_READINGS = 3
"""Maximum readings of one window or list."""

MOST_IDLE_PAGES = 3
"""Consecutive pages without a new row after which a list is considered endless."""

GROWTH = 1000
"""Rows beyond twice the reported total after which a list is considered endless; it may grow while it is read."""


class PageProgress:
    """A check that the pages of one reading end.

    Args:
        remedy: Advice for the user if the list does not end.
    """

    def __init__(self, remedy: str = "report this to the vendor, and deselect the stream meanwhile") -> None:
        self._remedy = remedy
        self._idle = 0
        self._rows = 0

    def page(self, *, rows: int, new: int, total: int | None = None) -> None:
        """Count a page.

        Args:
            rows: Rows on it.
            new: Rows that were not on earlier pages of this reading.
            total: The reported total of the list.

        Raises:
            DataError: The list does not end.
        """
        self._rows += rows
        self._idle = 0 if new else self._idle + 1
        if self._idle >= MOST_IDLE_PAGES:
            raise DataError(f"the list does not end: {self._idle} pages in a row have no new row", self._remedy)
        if total is not None and self._rows > 2 * total + GROWTH:
            raise DataError(
                f"the list does not end: {self._rows:,} rows were received, and the reported total is {total:,}",
                self._remedy,
            )


class RowCounter(Generic[PartT]):
    """A counter of the rows of one part or of a whole list.

    Args:
        stream: The stream.
        part: The part that is read; None for a whole list.
        known: Digests by key of records that are not emitted unless their digest differs.
    """

    def __init__(
        self, stream: RowReader[PartT], part: PartT | None, *, known: Mapping[Any, object] | None = None
    ) -> None:
        self._stream = stream
        keys = tuple(stream.primary_keys)
        # With one name, itemgetter returns no tuple.
        self._key_of = itemgetter(*keys) if keys else None
        name = stream.part_name(part)
        self._where = f"{name}: " if name else ""
        # A connection test reads one record, and never reads again.
        self._most_readings = 1 if stream.ABORT_AT_RECORD_COUNT else MOST_READINGS
        self._readings = 1
        self._reasons: dict[type, int] = {}
        self._emitted: dict[Any, object] = dict(known or {})
        self._begin()

    def _begin(self) -> None:
        self.rows: dict[Any, object] = {}
        """Keys of this reading, and their digests."""
        self._sent = 0
        self._total: int | None = None
        self._progress = PageProgress()

    def take(self, records: Iterable[Record], total: int | None) -> Iterator[Record]:
        """Count a page of rows.

        Args:
            records: Its records.
            total: Its reported total, if any.

        Yields:
            The records to emit: the first of each key, unless an earlier reading emitted an equal record.

        Raises:
            DataError: The list does not end.
        """
        if total is not None:
            self._total = total if self._total is None else max(self._total, total)
            self._stream.report_total(self._total)
        stream, key_of, rows = self._stream, self._key_of, self.rows
        sent, known = 0, len(rows)
        for record in records:
            sent += 1
            # Without a key (a catalog may omit it), each row counts.
            key = len(rows) if key_of is None else key_of(record)
            digest = stream.digest(record)
            if key in rows and not stream.on_duplicate(record, same=rows[key] == digest):
                continue
            rows[key] = digest
            if key not in self._emitted or self._emitted[key] != digest:
                yield record
        self._sent += sent
        self._progress.page(rows=sent, new=len(rows) - known, total=self._total)

    def failed(self, error: ReadAgainError) -> None:
        """Prepare for another reading after one that failed.

        Raises:
            ReadAgainError: The same error, if no further reading is allowed.
        """
        if not self._again(type(error), error.most, error.reason):
            raise error

    def whole(self) -> bool:
        """Check a complete reading.

        Returns:
            False if the part must be read again.

        Raises:
            DataError: Rows are missing after the last reading, and `row_count_check` is `fail`.
        """
        read = self._sent if self._stream.equal_rows_are_one else len(self.rows)
        if self._total is None or self._stream.row_count_check == "off" or read >= self._total:
            return True
        what = f"{read} rows read, and the reported total is {self._total}"
        if self._again(DataError, 1, what):
            return False
        notes = [f"read {self._readings} times"] if self._readings > 1 else []
        if self._sent > read:
            notes.append(f"{self._sent - read} received more than once")
        what += f" ({', '.join(notes)})" if notes else ""
        self._stream.miss_rows(what, self._where)
        return True

    def _again(self, reason: type, most: int, what: str) -> bool:
        """Begin another reading if allowed; return whether one began."""
        times = self._reasons.get(reason, 0)
        if times >= most or self._readings >= self._most_readings:
            return False
        self._reasons[reason] = times + 1
        self._readings += 1
        self._emitted.update(self.rows)
        self._stream.log_lines.warning("%s%s; read again from its first request", self._where, what)
        self._begin()
        return True


MISSING_ROWS_REMEDY = (
    "run again later; if rows are still missing, set `row_count_check` to `warn` to load the others, and report "
    "this to the vendor"
)
"""Advice on missing rows."""


class RowReader(RowStream[PartT]):
    """A stream that reads the rows of a part or of a whole list."""

    @property
    @override
    @abstractmethod
    def counts(self) -> StreamCounts:
        """The counts of this stream in this run."""

    @property
    @abstractmethod
    def log_lines(self) -> StreamLog:
        """The stream's logger."""

    @abstractmethod
    def pages(self, context: Context | None, part: PartT | None = None) -> Iterator[requests.Response]:
        """Fetch the pages of a window, or of the whole list, in order."""

    equal_rows_are_one: bool = False
    """Whether the vendor's total includes equal rows, although only one is emitted."""

    def total_rows(self, response: requests.Response) -> int | None:  # noqa: ARG002 - for vendors that report one
        """Return the total of rows in the part or list, if a response reports it."""
        return None

    def digest(self, record: Record) -> object:  # noqa: ARG002 - for streams with possibly ambiguous keys
        """Return a value that distinguishes records with the same key; None if they are the same row sent twice."""
        return None

    def on_duplicate(self, record: Record, *, same: bool) -> bool:  # noqa: ARG002 - for streams with mutable rows
        """Decide whether to emit a record if its key was read before in the same reading.

        Args:
            record: The later record.
            same: Whether both have the same digest.

        Returns:
            Whether the later record is emitted too.
        """
        return False

    def row_check(self, part: PartT) -> RowCheck | None:  # noqa: ARG002 - for streams with windows
        """Return a check for rows of other windows; None if rows have no time. See `row_times`."""
        return None

    def report_total(self, total: int) -> None:
        """Show the total of a part or list in the progress line."""
        self.counts.report_total(total)

    @property
    def row_count_check(self) -> RowCountCheck:
        """The setting of this name; `off` in a connection test, and in taps without the setting."""
        return "off" if self.ABORT_AT_RECORD_COUNT else self.config.get("row_count_check", "off")

    def miss_rows(self, what: str, where: str = "") -> None:
        """Continue without rows that are still missing after the last reading, if the settings allow it.

        Args:
            what: The missing rows, for the message.
            where: The part, followed by a colon.

        Raises:
            DataError: `row_count_check` is `fail`.
        """
        if self.row_count_check == "fail":
            raise DataError(what, MISSING_ROWS_REMEDY)
        # Otherwise a loader would treat missing rows as deleted.
        self.counts.read_whole = False
        self.log_lines.warning("%s%s: the run continues because `row_count_check` is `warn`", where, what)

    def log_rows(self, rows: int, part: PartT | None = None) -> None:
        """Log the number of rows of a part or list; at level DEBUG if there are very many windows."""
        level = logging.DEBUG if (self.counts.windows or 0) > MOST_WINDOW_LINES else logging.INFO
        self.log_lines.log(level, "%s%d rows", f"{self.part_name(part)}: " if part is not None else "", rows)

    def part_name(self, part: PartT | None) -> str:
        """Return the name of a part for messages; empty for a whole list."""
        return f"window {part}" if part is not None else ""

    def read_records(
        self, context: Context | None, part: PartT | None = None, pages: Iterable[requests.Response] | None = None
    ) -> Iterator[Record]:
        """Read a part or the whole list: each key once, with the row count compared to the reported total.

        It is read again if rows are missing or belong to another window.

        Args:
            context: The stream's context.
            part: The part, or None for a whole list.
            pages: Its pages, if they are already being fetched.
        """
        counter = self.row_counter(part)
        check = None if part is None else self.row_check(part)
        while True:
            try:
                for response in self.pages(context, part) if pages is None else pages:
                    page = self.page(response)
                    yield from counter.take(self.page_records(page, part, check), page.total)
            except ReadAgainError as error:
                counter.failed(error)
            else:
                if counter.whole():
                    break
            # The first reading may be prefetched in another thread; later ones are fetched here.
            pages = None
        self.log_rows(len(counter.rows), part)

    def row_counter(self, part: PartT | None) -> RowCounter[PartT]:
        """Return a counter for the rows of a part or a whole list."""
        return RowCounter(self, part)

    def page(self, response: requests.Response) -> Page:
        """Return the rows and the total of a response; called once per response."""
        return Page(self.response_rows(response), self.total_rows(response))
