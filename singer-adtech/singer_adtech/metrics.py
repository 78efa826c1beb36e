"""Metrics of a run, logged in singer-sdk's format.

The `Requester` counts every request, including retries, logins and polls. Metrics of a stream are logged once at its
end, followed by those of the run. In the structured log that Meltano reads, the line's text is readable, and the
numbers are under `summary`: Meltano would append `metric_info` to the text. singer-sdk's metrics are omitted there,
because the summaries contain them.
"""

from __future__ import annotations

import enum
import os
import threading
from collections import Counter
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Literal, cast

from singer_sdk import metrics

from singer_adtech.logs import is_structured

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Collection, Iterator, Mapping

    from singer_adtech.clock import Clock

Status = Literal["succeeded", "failed", "skipped", "stopped"]
"""Outcome of a stream or run; `skipped`: forbidden to the account, `stopped`: by a signal or a closed stdout."""


class RunMetric(str, enum.Enum):
    """Metrics missing from singer-sdk."""

    STREAM = "stream_summary"
    TAP = "tap_summary"


class RequestCounts:
    """Requests sent for a stream or for the tap itself. Thread-safe.

    Args:
        on_answer: Called after each response and each wait.

    Attributes:
        requests: Requests sent, including retries.
        retries: Retries sent.
        accepted: Requests with a valid response.
        bytes: Bytes of response bodies, decompressed.
        budget_wait: Seconds waited for the request budget.
        vendor_wait: Seconds waited for responses, before retries, and for reports to be ready.
    """

    def __init__(self, on_answer: Callable[[], None] | None = None) -> None:
        self.requests = 0
        self.retries = 0
        self.accepted = 0
        self.bytes = 0
        self.budget_wait = 0.0
        self.vendor_wait = 0.0
        self._on_answer = on_answer
        self._lock = threading.Lock()

    def sent(self, *, budget_wait: float = 0.0) -> None:
        """Count a request about to be sent.

        Args:
            budget_wait: Seconds waited for the request budget.
        """
        with self._lock:
            self.requests += 1
            self.budget_wait += budget_wait

    def answered(self, seconds: float, size: int) -> None:
        """Count a response or its absence.

        Args:
            seconds: Time from the request to the end of the response.
            size: Bytes of its body.
        """
        with self._lock:
            self.vendor_wait += seconds
            self.bytes += size
        self._notify()

    def accept(self) -> None:
        """Count a valid response."""
        with self._lock:
            self.accepted += 1

    def retried(self, wait: float) -> None:
        """Count a retry.

        Args:
            wait: Seconds waited before it.
        """
        with self._lock:
            self.retries += 1
            self.vendor_wait += wait

    def waited(self, seconds: float) -> None:
        """Count a wait for the vendor to prepare data, such as a report."""
        with self._lock:
            self.vendor_wait += seconds
        self._notify()

    def _notify(self) -> None:
        if self._on_answer is not None:
            self._on_answer()

    def numbers(self) -> dict[str, Any]:
        """Return the metrics to log."""
        return {
            "requests": self.requests,
            "retries": self.retries,
            "budget_wait_seconds": round(self.budget_wait, 3),
            "vendor_wait_seconds": round(self.vendor_wait, 3),
            "bytes": self.bytes,
        }


class StreamCounts(RequestCounts):
    """Metrics of one stream.

    Args:
        stream: Its name.
        on_answer: Called with the counts after each response and each wait.

    Attributes:
        began: Start of reading in monotonic seconds.
        rows: Records written.
        windows: Windows to read; None for a stream without windows.
        windows_read: Windows completely read.
        window_reached: The last of these windows.
        restated_rows: Records of windows before the bookmark that were read again.
        unknown_fields: Fields missing from the schema.
        read_whole: Whether the stream was read without skipping anything.
    """

    def __init__(self, stream: str, on_answer: Callable[[StreamCounts], None] | None = None) -> None:
        super().__init__(None if on_answer is None else lambda: on_answer(self))
        self.stream = stream
        self.began = 0.0
        self.rows = 0
        self.windows: int | None = None
        self.windows_read = 0
        self.window_reached: str | None = None
        self.restated_rows = 0
        self.unknown_fields = 0
        self.read_whole = True
        self._rows_before = 0
        self._total_before = 0
        self._total_here: int | None = None

    @property
    def total(self) -> int | None:
        """Reported total of rows in the list or in all windows so far; None if not reported."""
        if self._total_here is None and not self._total_before:
            return None
        return self._total_before + (self._total_here or 0)

    def report_total(self, total: int | None) -> None:
        """Record the reported total of the list or the current window."""
        self._total_here = total

    def window_done(self, window: object, *, restated: bool) -> None:
        """Record a completely read window.

        Args:
            window: The window.
            restated: Whether it is before the bookmark at the start of the run.
        """
        self.windows_read += 1
        self.window_reached = str(window)
        if restated:
            self.restated_rows += self.rows - self._rows_before
        self._rows_before = self.rows
        self._total_before += self._total_here or 0
        self._total_here = None
        self._notify()

    def numbers(self) -> dict[str, Any]:
        """Return the metrics to log."""
        return {
            "rows": self.rows,
            "total": self.total,
            "windows": self.windows,
            "windows_read": self.windows_read,
            "window_reached": self.window_reached,
            "restated_rows": self.restated_rows,
            "unknown_fields": self.unknown_fields,
            **super().numbers(),
        }


class RunMetrics:
    """Metrics of all streams of a run, and of requests outside them (logins, lists shared by streams).

    Args:
        clock: Source of time.
        on_answer: Called with a stream's counts after each response and each wait.
    """

    def __init__(self, clock: Clock, on_answer: Callable[[StreamCounts], None] | None = None) -> None:
        self.own = RequestCounts()
        self._clock = clock
        self._on_answer = on_answer
        self._streams: dict[str, StreamCounts] = {}
        self._began = clock.monotonic()

    def of(self, stream: str) -> StreamCounts:
        """Return the counts of a stream."""
        if stream not in self._streams:
            self._streams[stream] = StreamCounts(stream, self._on_answer)
        return self._streams[stream]

    def log_stream(self, stream: str, endpoint: str, status: Status, bookmark: str | None) -> None:
        """Log a stream's metrics at its end.

        Args:
            stream: Its name.
            endpoint: Its path, as in singer-sdk's metrics.
            status: Its outcome.
            bookmark: Its bookmark, if any.
        """
        counts = self.of(stream)
        tags = {metrics.Tag.STREAM.value: stream, metrics.Tag.ENDPOINT.value: endpoint}
        _log("counter", metrics.Metric.HTTP_REQUEST_COUNT, counts.requests, tags)
        numbers = {"seconds": self._seconds(counts.began), **counts.numbers(), "bookmark": bookmark}
        text = f"stream {stream}: {status}, {_describe(numbers)}"
        _log("summary", RunMetric.STREAM, numbers, {metrics.Tag.STREAM.value: stream, "status": status}, text)

    @contextmanager
    def whole_run(self, statuses: Callable[[], Collection[Status]]) -> Iterator[None]:
        """Log the metrics of the whole run at the end of the block.

        Args:
            statuses: Returns the outcome of each stream.
        """
        status: Status = "stopped"
        with hidden_points() if is_structured() else nullcontext():
            try:
                yield
                status = "succeeded"
            except Exception:
                status = "failed"
                raise
            finally:
                self._log_run(status, Counter(statuses()))

    def _log_run(self, status: Status, outcomes: Mapping[str, int]) -> None:
        if self.own.requests:
            none = {metrics.Tag.STREAM.value: None, metrics.Tag.ENDPOINT.value: None}
            _log("counter", metrics.Metric.HTTP_REQUEST_COUNT, self.own.requests, none)
        streams = self._streams.values()
        parts = [self.own.numbers(), *(RequestCounts.numbers(counts) for counts in streams)]
        numbers = {
            "seconds": self._seconds(self._began),
            "streams": outcomes,
            **{name: sum(getattr(counts, name) for counts in streams) for name in _SUMMED},
            **{name: round(sum(part[name] for part in parts), 3) for name in parts[0]},
        }
        ends = ", ".join(f"{number} {one}" for one, number in outcomes.items()) or "none read"
        text = f"run {status} (streams: {ends}): {_describe(numbers)}"
        _log("summary", RunMetric.TAP, numbers, {"status": status}, text)

    def _seconds(self, began: float) -> float:
        return round(self._clock.monotonic() - began, 3)


_SHORTEST_WAIT = 0.05
"""Shorter waits are omitted from a description."""

_SUMMED = ("rows", "restated_rows", "unknown_fields")


def _log(kind: str, metric: enum.Enum, value: Any, tags: dict[str, Any], text: str = "") -> None:
    point = metrics.Point(kind, cast("metrics.Metric", metric), value, {**tags, metrics.Tag.PID.value: os.getpid()})
    logger = metrics.get_metrics_logger()
    if text and is_structured():
        logger.info("%s", text, extra={"summary": point.to_dict()})
    else:
        metrics.log(logger, point)


@contextmanager
def hidden_points() -> Iterator[None]:
    """Hide singer-sdk's metrics during the block. In a connection test they report each stream as failed."""
    logger = metrics.get_metrics_logger()
    logger.addFilter(_hide_points)
    try:
        yield
    finally:
        logger.removeFilter(_hide_points)


def _hide_points(record: logging.LogRecord) -> bool:
    return not (isinstance(record.args, tuple) and record.args and isinstance(record.args[0], metrics.Point))


def _describe(numbers: Mapping[str, Any]) -> str:
    """Describe the numbers of a stream or a run, without most zeros."""
    parts = [_counted(numbers["rows"], "row")]
    if numbers.get("window_reached"):
        windows = f"{numbers['windows_read']:,} of {numbers['windows']:,}"
        parts.append(f"window {numbers['window_reached']} reached ({windows})")
    parts.append(_counted(numbers["requests"], "request"))
    if numbers["retries"]:
        parts.append(f"{numbers['retries']:,} of them repeated")
    optional = {"restated_rows": "restated row", "unknown_fields": "unknown field"}
    parts += [_counted(numbers[name], words) for name, words in optional.items() if numbers[name]]
    parts.append(f"{numbers['seconds']:.1f} s")
    waits = {"budget_wait_seconds": "the request budget", "vendor_wait_seconds": "the vendor"}
    waited = [f"{numbers[name]:.1f} s for {words}" for name, words in waits.items() if numbers[name] >= _SHORTEST_WAIT]
    return ", ".join(parts) + (f" (waits: {', '.join(waited)})" if waited else "")


def _counted(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"
