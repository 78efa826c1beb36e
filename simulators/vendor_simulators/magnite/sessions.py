"""Sessions: one per login, with a timeout that restarts at every request."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Literal

from vendor_simulators.seeded import generator

if TYPE_CHECKING:
    from collections.abc import Callable

# The first session has the code in the Public API Guide.
PRINTED_CODE = "4e7a8e0c-018d-4184-a780-7b8d7d7683fe"
PRINTED_ID = 415284
State = Literal["active", "timed out", "unknown"]


class Sessions:
    """The sessions so far.

    Args:
        seed: Seed of the codes; each code also depends on its number.
        seconds: Timeout: seconds without a request.
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, seed: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.issued: list[str] = []
        """All session codes in the order they were issued."""
        self._seed = seed
        self._seconds = seconds
        self._clock = clock
        self._used: dict[str, float] = {}
        self._lock = threading.Lock()

    def open(self) -> tuple[int, str]:
        """Open a session and return its id and code."""
        with self._lock:
            number = len(self.issued)
            code = PRINTED_CODE if not number else _code(self._seed, number)
            self.issued.append(code)
            self._used[code] = self._clock()
            return PRINTED_ID + number, code

    def use(self, code: str) -> State:
        """Return the state of a session and restart its timeout if it is active."""
        with self._lock:
            last, now = self._used.get(code), self._clock()
            if last is None:
                return "unknown"
            if now >= last + self._seconds:
                return "timed out"
            self._used[code] = now
            return "active"

    def close(self, code: str) -> None:
        """Close a session, as a logout does."""
        with self._lock:
            self._used.pop(code, None)

    def time_out(self) -> None:
        """Time out all sessions."""
        with self._lock:
            self._used = dict.fromkeys(self._used, float("-inf"))

    @property
    def open_codes(self) -> list[str]:
        """The sessions that are neither closed nor timed out."""
        with self._lock:
            now = self._clock()
            return [code for code, last in self._used.items() if now < last + self._seconds]


def _code(seed: int, number: int) -> str:
    digits = f"{generator('session', seed, number).getrandbits(128):032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
