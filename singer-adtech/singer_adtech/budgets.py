"""Request budgets: how many requests a vendor allows, kept by all threads together."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_adtech.clock import Clock

MARGIN = 0.1
"""Seconds added to each limit's span: requests do not take equally long to reach the vendor, who counts arrivals."""


@dataclass(frozen=True)
class Limit:
    """At most `requests` starts in any `seconds` seconds."""

    requests: int
    seconds: float


@dataclass(frozen=True)
class Family:
    """Paths that a vendor counts together.

    Args:
        name: What messages call it.
        patterns: Paths below the API's base address, with `*` for anything.
        limits: All of them hold at once.
        setting: The setting that lowers them, for the message when they are not enough.
    """

    name: str
    patterns: tuple[str, ...]
    limits: tuple[Limit, ...]
    setting: str = ""

    @property
    def longest_span(self) -> float:
        """Seconds of the longest limit; after that long the family is free again."""
        return max(limit.seconds for limit in self.limits)

    def covers(self, path: str) -> bool:
        """Tell whether a path is counted in this family."""
        return any(fnmatchcase(path, pattern) for pattern in self.patterns)


@dataclass
class _Account:
    """What was spent of one family."""

    family: Family
    starts: deque[float] = field(default_factory=deque)
    held_until: float = 0.0

    def free_at(self) -> float:
        """Return the moment (monotonic seconds) at which the next request may start."""
        moment = self.held_until
        for limit in self.family.limits:
            if len(self.starts) >= limit.requests:
                moment = max(moment, self.starts[-limit.requests] + limit.seconds + MARGIN)
        return moment

    def spend(self, now: float) -> None:
        self.starts.append(now)
        most = max(limit.requests for limit in self.family.limits)
        while len(self.starts) > most:
            self.starts.popleft()


class Budgets:
    """The budgets of one run.

    A path may be counted in several families (all calls, and reports among them); it then waits for all.

    Args:
        families: The vendor's limits. A path that none covers is free.
        clock: Where time comes from.
    """

    def __init__(self, families: Iterable[Family], clock: Clock) -> None:
        self._accounts = [_Account(family) for family in families]
        self._clock = clock
        self._lock = threading.Lock()

    def families(self, path: str) -> list[Family]:
        """Return the families in which a path is counted."""
        return [account.family for account in self._covering(path)]

    def acquire(self, path: str) -> float:
        """Wait until a request to this path may start, and count it.

        Args:
            path: The path below the API's base address.

        Returns:
            The seconds waited.
        """
        accounts = self._covering(path)
        if not accounts:
            return 0.0
        waited = 0.0
        while True:
            with self._lock:
                now = self._clock.monotonic()
                delay = max(account.free_at() for account in accounts) - now
                if delay <= 0:
                    for account in accounts:
                        account.spend(now)
                    return waited
            # Slept outside of the lock, so that other families go on; whoever wakes first goes first.
            self._clock.sleep(delay)
            waited += delay

    def hold(self, path: str, seconds: float) -> None:
        """Let no request of this path's families start for so long, as the vendor said that nothing is left."""
        with self._lock:
            until = self._clock.monotonic() + seconds
            for account in self._covering(path):
                account.held_until = max(account.held_until, until)

    def _covering(self, path: str) -> list[_Account]:
        return [account for account in self._accounts if account.family.covers(path)]
