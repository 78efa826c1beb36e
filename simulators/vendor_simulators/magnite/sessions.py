"""Sessions: one for each login, with a time-out that every request puts off."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Literal

from vendor_simulators.seeded import generator

if TYPE_CHECKING:
    from collections.abc import Callable

# The code that the Public API Guide prints is the first one given out.
PRINTED_CODE = "4e7a8e0c-018d-4184-a780-7b8d7d7683fe"
PRINTED_ID = 415284
Standing = Literal["active", "timed out", "unknown"]


class Sessions:
    """The sessions so far.

    Args:
        seed: Their codes depend on it and on their number.
        seconds: How long one lives without a request.
        clock: Seconds that only go forward.
    """

    def __init__(self, seed: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.issued: list[str] = []
        """All session codes in the order they were given out."""
        self._seed = seed
        self._seconds = seconds
        self._clock = clock
        self._used: dict[str, float] = {}
        self._lock = threading.Lock()

    def open(self) -> tuple[int, str]:
        """Open a session and return its id and its code."""
        with self._lock:
            number = len(self.issued)
            code = PRINTED_CODE if not number else _code(self._seed, number)
            self.issued.append(code)
            self._used[code] = self._clock()
            return PRINTED_ID + number, code

    def use(self, code: str) -> Standing:
        """Tell how a session stands; a request in time puts its end off."""
        with self._lock:
            last, now = self._used.get(code), self._clock()
            if last is None:
                return "unknown"
            if now >= last + self._seconds:
                return "timed out"
            self._used[code] = now
            return "active"

    def close(self, code: str) -> None:
        """End a session for good, as a log-out does."""
        with self._lock:
            self._used.pop(code, None)

    def time_out(self) -> None:
        """Let every session time out."""
        with self._lock:
            self._used = dict.fromkeys(self._used, float("-inf"))

    @property
    def open_codes(self) -> list[str]:
        """The sessions that were neither closed nor have timed out."""
        with self._lock:
            now = self._clock()
            return [code for code, last in self._used.items() if now < last + self._seconds]


def _code(seed: int, number: int) -> str:
    digits = f"{generator('session', seed, number).getrandbits(128):032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
