"""A clock that moves only when the code under test waits."""

from __future__ import annotations

import datetime as dt
import threading

from typing_extensions import override

from singer_adtech.clock import Clock


class FakeClock(Clock):
    """A clock that moves when the code under test waits, and records each wait.

    Args:
        start: Its initial time.

    Attributes:
        slept: Waits for a request budget or a job, in seconds, in order.
        waits: Waits before a request is repeated, in seconds, in order.
    """

    def __init__(self, start: dt.datetime) -> None:
        self._start = start.astimezone(dt.timezone.utc)
        self._elapsed = 0.0
        self._lock = threading.Lock()
        self.slept: list[float] = []
        self.waits: list[float] = []

    @override
    def now(self) -> dt.datetime:
        return self._start + dt.timedelta(seconds=self._elapsed)

    @override
    def monotonic(self) -> float:
        return self._elapsed

    @override
    def sleep(self, seconds: float) -> None:
        self._move(seconds, self.slept)

    def back_off(self, seconds: float) -> None:
        """Replace the sleep of the library that repeats requests."""
        self._move(seconds, self.waits)

    def pass_by(self, seconds: float) -> None:
        """Let time pass without a wait."""
        self._move(seconds, [])

    def _move(self, seconds: float, notes: list[float]) -> None:
        with self._lock:
            notes.append(seconds)
            self._elapsed += seconds
