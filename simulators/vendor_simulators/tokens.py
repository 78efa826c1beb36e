"""Tokens and session codes: handed out, valid for a while, made invalid on command."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from vendor_simulators.seeded import generator

if TYPE_CHECKING:
    from collections.abc import Callable


class Tokens:
    """The tokens handed out so far.

    Args:
        seed: Their text depends on it and on their number, so that no two are the same.
        seconds: How long each is valid.
        clock: Seconds that only go forward.
    """

    def __init__(self, seed: object, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.issued: list[str] = []
        """All tokens in the order they were handed out."""
        self._seed = seed
        self._seconds = seconds
        self._clock = clock
        self._ends: dict[str, float] = {}
        self._lock = threading.Lock()

    def issue(self) -> str:
        """Hand out a new token of 40 hexadecimal digits; those before it stay valid."""
        with self._lock:
            token = f"{generator('token', self._seed, len(self.issued)).getrandbits(160):040x}"
            self.issued.append(token)
            self._ends[token] = self._clock() + self._seconds
            return token

    def valid(self, token: str) -> bool:
        """Tell whether a token was handed out, is young enough and was not revoked."""
        with self._lock:
            end = self._ends.get(token)
        return end is not None and self._clock() < end

    def revoke(self, token: str) -> None:
        """Make one token invalid, as a log-out does."""
        with self._lock:
            self._ends.pop(token, None)

    def expire(self) -> None:
        """Make every token invalid."""
        with self._lock:
            self._ends.clear()
