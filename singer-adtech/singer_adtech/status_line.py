"""Progress display of a run: a bar if stderr is a terminal, else a line every 30 s.

It is updated when a response arrives, a wait ends or a window is done, in that thread and without a timer.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_adtech.clock import Clock
    from singer_adtech.metrics import StreamCounts

LINE_EVERY = 30.0
"""Seconds between lines."""

DRAW_EVERY = 0.2
"""Seconds between updates of the bar."""

MOST_WINDOW_LINES = 50
"""Maximum windows of a stream for an INFO line per window; with more, only periodic lines are logged."""

BAR_WIDTH = 20

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR


class Progress:
    """The progress display of a run. Thread-safe.

    Args:
        name: Name of the tap, for the bar.
        clock: Source of time.
        logger: Logger of the lines.
    """

    def __init__(self, name: str, clock: Clock, logger: logging.Logger) -> None:
        self._name = name
        self._clock = clock
        self._logger = logger
        self._shown = clock.monotonic()
        self._status: StatusLine | None = None
        self._lock = threading.RLock()
        self._running = False

    @contextmanager
    def running(self) -> Iterator[None]:
        """Show progress until the end of the block."""
        self._shown = self._clock.monotonic()
        self._running = True
        try:
            if self._logger.isEnabledFor(logging.INFO) and draws_bars(sys.stderr, sys.stdout):
                with status_line(sys.stderr) as self._status:
                    yield
            else:
                yield
        finally:
            self._running = False
            self._status = None

    def update(self, counts: StreamCounts) -> None:
        """Show the progress of a stream, unless it was updated recently."""
        with self._lock:
            now = self._clock.monotonic()
            every = LINE_EVERY if self._status is None else DRAW_EVERY
            if not self._running or now - self._shown < every:
                return
            self._shown = now
            words = describe(counts, now - counts.began)
            if self._status is None:
                self._logger.info("stream %s: %s", counts.stream, words)
            else:
                self._draw(self._status, counts, words)

    def begin(self, counts: StreamCounts) -> None:
        """Show a new stream in the bar, if any."""
        with self._lock:
            if self._status is not None:
                self._draw(self._status, counts, describe(counts, 0))

    def _draw(self, status: StatusLine, counts: StreamCounts, words: str) -> None:
        status.show(f"{self._name}  {counts.stream}  {bar(share_done(counts))}{words}")


def describe(counts: StreamCounts, elapsed: float) -> str:
    """Describe the progress of a stream.

    Args:
        counts: Its numbers.
        elapsed: Seconds since it began.

    Returns:
        Text such as `window 12 of 1,064, 120,000 rows, about 14 minutes left`.
    """
    parts = []
    if counts.windows is not None:
        parts.append(f"window {min(counts.windows_read + 1, counts.windows):,} of {counts.windows:,}")
    total = f" of {counts.total:,}" if counts.windows is None and counts.total is not None else ""
    parts.append(f"{counts.rows:,}{total} rows")
    share = share_done(counts)
    if share:
        parts.append(f"{about(elapsed * (1 - share) / share)} left")
    return ", ".join(parts)


def share_done(counts: StreamCounts) -> float | None:
    """Return the share of a stream already read, by windows or by rows of a list with a known total."""
    if counts.windows is not None:
        return counts.windows_read / counts.windows if counts.windows else None
    return min(counts.rows / counts.total, 1.0) if counts.total else None


def about(seconds: float) -> str:
    """Describe a duration roughly, such as `about 14 minutes`."""
    if seconds < _MINUTE:
        return "less than a minute"
    unit, length = next(
        (name, one) for name, one in (("day", _DAY), ("hour", _HOUR), ("minute", _MINUTE)) if seconds >= one
    )
    number = round(seconds / length)
    return f"about {number} {unit}{'s' if number > 1 else ''}"


def bar(share: float | None) -> str:
    """Draw a share from 0 to 1; empty if unknown."""
    if share is None:
        return ""
    done = int(share * BAR_WIDTH)
    return f"[{'#' * done}{'.' * (BAR_WIDTH - done)}]  "


def draws_bars(stderr: IO[str], stdout: IO[str]) -> bool:
    """Return whether stderr is a capable terminal and stdout is not a terminal."""
    return stderr.isatty() and not stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


class StatusLine:
    """The last line of a terminal, redrawn in place below other output.

    NO_COLOR has no effect, because colours and escape sequences are not used.

    Args:
        terminal: Receives the line and all text written to this object.
    """

    def __init__(self, terminal: IO[str]) -> None:
        self._terminal = terminal
        self._text = ""
        self._lock = threading.RLock()

    def show(self, text: str) -> None:
        """Replace the line; an empty text removes it."""
        with self._lock:
            self._erase()
            # One column less than the width, because some terminals wrap a full line.
            self._text = text[: _columns(self._terminal) - 1]
            self._terminal.write(self._text)
            self._terminal.flush()

    def write(self, text: str) -> int:
        """Write text above the line."""
        with self._lock:
            self._erase()
            written = self._terminal.write(text)
            if text.endswith("\n"):
                self._terminal.write(self._text)
            else:
                self._text = ""
            return written

    def flush(self) -> None:
        """Flush the terminal."""
        self._terminal.flush()

    def isatty(self) -> bool:
        """Return True, because it is a terminal."""
        return True

    def _erase(self) -> None:
        if self._text:
            self._terminal.write(f"\r{' ' * len(self._text)}\r")


@contextmanager
def status_line(terminal: IO[str]) -> Iterator[StatusLine]:
    """Draw a status line on a terminal, below the terminal's log lines."""
    status = StatusLine(terminal)
    handlers = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is terminal
    ]
    for handler in handlers:
        handler.setStream(cast("IO[str]", status))
    try:
        yield status
    finally:
        status.show("")
        for handler in handlers:
            handler.setStream(terminal)


def _columns(terminal: IO[str]) -> int:
    try:
        return os.get_terminal_size(terminal.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
