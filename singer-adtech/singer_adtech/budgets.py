"""Request budgets: how many requests a vendor allows, kept by all threads together.

`shared_budgets` keeps them over several processes.
"""

from __future__ import annotations

import threading
from bisect import insort
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, ClassVar, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from singer_adtech.clock import Clock

T = TypeVar("T")

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
        lateness: Seconds that a request may take before the vendor counts it. It has surely done so when its answer is
            there, so that a span begins then, or after these seconds if the answer takes longer.
    """

    name: str
    patterns: tuple[str, ...]
    limits: tuple[Limit, ...]
    setting: str = ""
    lateness: float = 0.0

    @property
    def longest_span(self) -> float:
        """Seconds of the longest limit; after that long the family is free again."""
        return max(limit.seconds for limit in self.limits)

    def covers(self, path: str) -> bool:
        """Tell whether a path is counted in this family."""
        return any(fnmatchcase(path, pattern) for pattern in self.patterns)


@dataclass
class Account:
    """What was spent of one family.

    Args:
        family: The family.
        margin: Seconds added to each limit's span.
        starts: The moments (monotonic seconds) by which the vendor has counted the requests that still count, in order.
        held_until: Before this moment none may start, as the vendor said so.
    """

    family: Family
    margin: float
    starts: deque[float] = field(default_factory=deque)
    held_until: float = 0.0

    def free_at(self) -> float:
        """Return the moment (monotonic seconds) at which the next request may start."""
        moment = self.held_until
        for limit in self.family.limits:
            if len(self.starts) >= limit.requests:
                moment = max(moment, self.starts[-limit.requests] + limit.seconds + self.margin)
        return moment

    def spend(self, now: float) -> None:
        """Count a request that starts now, and forget those that count no more."""
        insort(self.starts, now + self.family.lateness)
        while self.starts[0] + self.family.longest_span + self.margin < now:
            self.starts.popleft()

    def answered(self, start: float, now: float) -> None:
        """Note that the vendor has answered a request that was counted at its start."""
        counted = start + self.family.lateness
        if now < counted and counted in self.starts:
            self.starts.remove(counted)
            insort(self.starts, now)


class Budgets:
    """The budgets of one run.

    A path may be counted in several families (all calls, and reports among them); it then waits for all.

    Args:
        families: The vendor's limits. A path that none covers is free.
        clock: Where time comes from.
    """

    margin: ClassVar[float] = MARGIN

    def __init__(self, families: Iterable[Family], clock: Clock) -> None:
        self._accounts = [Account(family, self.margin) for family in families]
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
        return self._wait(path)[0]

    @contextmanager
    def turn(self, path: str, prepare: Callable[[], T]) -> Iterator[T]:
        """Wait until a request to this path may start, count it, and hold its place while it is in flight.

        Args:
            path: The path below the API's base address.
            prepare: Makes the request ready. It may send others (a login), which have turns of their own.

        Yields:
            What `prepare` returned.
        """
        _, start = self._wait(path)
        yield prepare()
        accounts = [account for account in self._covering(path) if account.family.lateness]
        if accounts:
            with self._changing(accounts):
                for account in accounts:
                    account.answered(start, self._clock.monotonic())

    def hold(self, path: str, seconds: float) -> None:
        """Let no request of this path's families start for so long, as the vendor said that nothing is left."""
        accounts = self._covering(path)
        with self._changing(accounts):
            until = self._clock.monotonic() + seconds
            for account in accounts:
                account.held_until = max(account.held_until, until)

    def _wait(self, path: str) -> tuple[float, float]:
        """Count a request as soon as it may start; returns the seconds waited, and its start (monotonic seconds)."""
        waited = 0.0
        while True:
            delay, now = self._start(path)
            if delay <= 0:
                return waited, now
            # Slept outside of the lock, so that other families go on; whoever wakes first goes first.
            self._clock.sleep(delay)
            waited += delay

    def _start(self, path: str) -> tuple[float, float]:
        """Count a request if it may start now; returns the seconds until it may, none if it was counted, and now."""
        accounts = self._covering(path)
        if not accounts:
            return 0.0, 0.0
        with self._changing(accounts):
            now = self._clock.monotonic()
            delay = max(account.free_at() for account in accounts) - now
            if delay <= 0:
                for account in accounts:
                    account.spend(now)
        return delay, now

    @contextmanager
    def _changing(self, accounts: list[Account]) -> Iterator[None]:  # noqa: ARG002 - for budgets kept elsewhere
        """Keep others away from these accounts while they are looked at and changed."""
        with self._lock:
            yield

    def _covering(self, path: str) -> list[Account]:
        return [account for account in self._accounts if account.family.covers(path)]
