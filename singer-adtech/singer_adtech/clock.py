"""Time as the library sees it, in one object, so that tests can replace it."""

from __future__ import annotations

import datetime as dt
import time


class Clock:
    """The system's clock."""

    def now(self) -> dt.datetime:
        """Return the present instant, in UTC."""
        return dt.datetime.now(tz=dt.timezone.utc)

    def monotonic(self) -> float:
        """Return seconds that never go back, from an arbitrary start."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
