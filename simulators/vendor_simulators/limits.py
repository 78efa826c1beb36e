"""Request limits: so many requests of a family in so many seconds."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Rule(NamedTuple):
    """At most `requests` within a window of `seconds`, which begins with its first request."""

    requests: int
    seconds: float


@dataclass
class Standing:
    """Where a family stands after a request.

    `limit` and `remaining` are those of the tightest window; `reset` is in seconds from now until it ends, never
    negative; `allowed` says whether the request was within all windows.
    """

    limit: int
    remaining: int
    reset: float
    window: float
    allowed: bool


class Limiter:
    """Counts requests by family.

    Args:
        rules: The rules of each family; all of them hold. May be changed before requests come.
        clock: Seconds that only go forward.
    """

    def __init__(self, rules: Mapping[str, Sequence[Rule]], clock: Callable[[], float] = time.monotonic) -> None:
        self.rules: dict[str, list[Rule]] = {family: list(of_family) for family, of_family in rules.items()}
        self._clock = clock
        self._windows: dict[tuple[str, Rule], tuple[float, int]] = {}
        self._lock = threading.Lock()

    def count(self, family: str) -> Standing | None:
        """Count a request and return where its family stands; None for a family without rules.

        A refused request is counted in no window: the vendor's limit is on what it answers.
        """
        rules = self.rules.get(family)
        if not rules:
            return None
        with self._lock:
            now = self._clock()
            windows = {rule: self._window(family, rule, now) for rule in rules}
            allowed = all(used < rule.requests for rule, (_, used) in windows.items())
            if allowed:
                windows = {rule: (began, used + 1) for rule, (began, used) in windows.items()}
                self._windows.update({(family, rule): window for rule, window in windows.items()})
        # The tightest window: nothing left before something left, then the one that lasts longest, so that a
        # client which waits for its end may call again.
        rule, (began, used) = min(
            windows.items(), key=lambda item: (item[0].requests - item[1][1], -(item[1][0] + item[0].seconds))
        )
        reset = max(0.0, began + rule.seconds - now)
        return Standing(rule.requests, rule.requests - used, reset, rule.seconds, allowed)

    def _window(self, family: str, rule: Rule, now: float) -> tuple[float, int]:
        began, used = self._windows.get((family, rule), (now, 0))
        return (now, 0) if now >= began + rule.seconds else (began, used)
