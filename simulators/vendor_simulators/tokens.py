"""Access tokens and session codes."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from vendor_simulators.seeded import generator

if TYPE_CHECKING:
    from collections.abc import Callable


class Tokens:
    """The tokens issued so far.

    Args:
        seed: Seed of the tokens; each token also depends on its number, so no two are equal.
        seconds: Lifetime of a token in seconds.
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, seed: object, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.issued: list[str] = []
        """All tokens in the order they were issued."""
        self._seed = seed
        self._seconds = seconds
        self._clock = clock
        self._ends: dict[str, float] = {}
        self._lock = threading.Lock()

    def issue(self) -> str:
        """Issue a new token of 40 hexadecimal digits; earlier tokens stay valid."""
        with self._lock:
            token = f"{generator('token', self._seed, len(self.issued)).getrandbits(160):040x}"
            self.issued.append(token)
            self._ends[token] = self._clock() + self._seconds
            return token

    def valid(self, token: str) -> bool:
        """Return whether a token was issued and has neither expired nor been revoked."""
        with self._lock:
            end = self._ends.get(token)
        return end is not None and self._clock() < end

    def revoke(self, token: str) -> None:
        """Invalidate one token, as a logout does."""
        with self._lock:
            self._ends.pop(token, None)

    def expire(self) -> None:
        """Invalidate all tokens."""
        with self._lock:
            self._ends.clear()
