"""The library's source of time, replaceable in tests."""

from __future__ import annotations

import datetime as dt
import time


class Clock:
    """The system's clock."""

    def now(self) -> dt.datetime:
        """Return the current time in UTC."""
        return dt.datetime.now(tz=dt.timezone.utc)

    def monotonic(self) -> float:
        """Return monotonic seconds from an arbitrary start."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)
