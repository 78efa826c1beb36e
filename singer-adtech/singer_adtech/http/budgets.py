"""Request budgets shared by all threads of a run. `shared_budgets` shares them between processes."""

from __future__ import annotations

import logging
import threading
from bisect import insort
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, ClassVar, TypeVar

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from singer_adtech.clock import Clock

T = TypeVar("T")

LONGEST_SILENCE = 5.0
"""Waits up to this many seconds are not logged."""

MARGIN = 0.1
"""Seconds added to the span of each limit: the vendor counts arrivals, and latency varies."""

_UNITS: Mapping[float, str] = {1: "second", 60: "minute", 3600: "hour", 86_400: "day"}


@dataclass(frozen=True)
class Limit:
    """At most `requests` starts in any `seconds` seconds."""

    requests: int
    seconds: float

    @override
    def __str__(self) -> str:
        unit = _UNITS.get(self.seconds, f"{self.seconds:g} s")
        return f"{self.requests:,} request{'s' * (self.requests != 1)} per {unit}"


@dataclass(frozen=True)
class Family:
    """Paths with common limits.

    Args:
        name: Name in messages.
        patterns: Paths below the base address; `*` matches anything.
        limits: All of them apply.
        setting: The setting that lowers them, for the message.
        lateness: Maximum seconds until the vendor counts a request. A span begins with the response, or after these
            seconds if the response takes longer.
    """

    name: str
    patterns: tuple[str, ...]
    limits: tuple[Limit, ...]
    setting: str = ""
    lateness: float = 0.0

    @property
    def longest_span(self) -> float:
        """Span of the longest limit in seconds, after which the family is free again."""
        return max(limit.seconds for limit in self.limits)

    def covers(self, path: str) -> bool:
        """Return whether a path is counted in this family."""
        return any(fnmatchcase(path, pattern) for pattern in self.patterns)


@dataclass
class Account:
    """Requests counted in one family.

    Args:
        family: The family.
        margin: Seconds added to each limit's span.
        starts: Monotonic seconds at which the vendor counted each request still within a span, in order.
        held_until: Earliest start of the next request, in monotonic seconds.
        held_because: Reason for `held_until`.
        announced: End of the latest logged wait.
    """

    family: Family
    margin: float
    starts: deque[float] = field(default_factory=deque)
    held_until: float = 0.0
    held_because: str = ""
    announced: float = 0.0

    def free_at(self) -> float:
        """Return when the next request may start, in monotonic seconds."""
        moment = self.held_until
        for limit in self.family.limits:
            if len(self.starts) >= limit.requests:
                moment = max(moment, self.starts[-limit.requests] + limit.seconds + self.margin)
        return moment

    def reason(self) -> str:
        """Describe the limit or pause behind `free_at`, with the setting that changes it."""
        moment = self.free_at()
        if moment == self.held_until:
            return self.held_because
        slowest = next(
            limit
            for limit in self.family.limits
            if len(self.starts) >= limit.requests
            and self.starts[-limit.requests] + limit.seconds + self.margin == moment
        )
        return f"{slowest} (`{self.family.setting}`)" if self.family.setting else str(slowest)

    def spend(self, now: float) -> None:
        """Count a request that starts now, and remove expired ones."""
        insort(self.starts, now + self.family.lateness)
        while self.starts[0] + self.family.longest_span + self.margin < now:
            self.starts.popleft()

    def answered(self, start: float, now: float) -> None:
        """Update the time of a counted request after its response."""
        counted = start + self.family.lateness
        if now < counted and counted in self.starts:
            self.starts.remove(counted)
            insort(self.starts, now)


class Budgets:
    """The budgets of one run.

    A path in several families (all calls, reports) waits for all of them.

    Args:
        families: The vendor's limits. Other paths are not limited.
        clock: The time source.
        logger: Logs each wait of more than five seconds.
    """

    margin: ClassVar[float] = MARGIN

    def __init__(self, families: Iterable[Family], clock: Clock, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger(__name__)
        self._accounts = [Account(family, self.margin) for family in families]
        self._clock = clock
        self._lock = threading.Lock()

    def families(self, path: str) -> list[Family]:
        """Return the families of a path."""
        return [account.family for account in self._covering(path)]

    def acquire(self, path: str, label: str = "") -> float:
        """Wait until a request to this path may start and count it.

        Args:
            path: The path below the API's base address.
            label: Name of the request in log lines.

        Returns:
            The seconds waited.
        """
        return self._wait(path, label)[0]

    @contextmanager
    def slot(self, path: str, prepare: Callable[[], T], label: str = "") -> Iterator[T]:
        """Wait until a request to this path may start, count it, and keep its slot while it is in flight.

        Args:
            path: The path below the API's base address.
            prepare: Prepares the request. It may send other requests (a login), which take their own slots.
            label: Name of the request in log lines.

        Yields:
            The result of `prepare`.
        """
        _, start = self._wait(path, label)
        yield prepare()
        accounts = [account for account in self._covering(path) if account.family.lateness]
        if accounts:
            with self._changing(accounts):
                for account in accounts:
                    account.answered(start, self._clock.monotonic())

    def hold(self, path: str, seconds: float) -> None:
        """Pause the families of a path because the vendor reported no requests left."""
        accounts = self._covering(path)
        with self._changing(accounts):
            until = self._clock.monotonic() + seconds
            for account in accounts:
                if until > account.held_until:
                    account.held_until = until
                    account.held_because = f"the vendor requested a pause of {seconds:.0f} s"

    def _wait(self, path: str, label: str) -> tuple[float, float]:
        """Count a request as soon as it may start. Return the seconds waited and its start in monotonic seconds."""
        waited = 0.0
        while True:
            delay, now = self._start(path, label)
            if delay <= 0:
                return waited, now
            # Outside the lock, so other families continue. The first thread to wake goes first.
            self._clock.sleep(delay)
            waited += delay

    def _start(self, path: str, label: str) -> tuple[float, float]:
        """Count a request if it may start now. Return the seconds to wait (0 or less if counted) and the current time.

        The caller waits. A long wait is logged here.
        """
        accounts = self._covering(path)
        if not accounts:
            return 0.0, 0.0
        with self._changing(accounts):
            now = self._clock.monotonic()
            last = max(accounts, key=Account.free_at)
            delay = last.free_at() - now
            if delay <= 0:
                for account in accounts:
                    account.spend(now)
            # If several threads wait for the same moment, only the first logs it.
            silent = delay <= LONGEST_SILENCE or last.free_at() <= last.announced
            if not silent:
                last.announced = last.free_at()
                what = f"waiting {delay:.0f} s for the budget of {last.family.name}: {last.reason()}"
        if not silent:
            self._logger.info("%s%s", f"{label}: " if label else "", what)
        return delay, now

    @contextmanager
    def _changing(self, accounts: list[Account]) -> Iterator[None]:  # noqa: ARG002 - for shared budgets
        """Lock these accounts while they are read and changed."""
        with self._lock:
            yield

    def _covering(self, path: str) -> list[Account]:
        return [account for account in self._accounts if account.family.covers(path)]
