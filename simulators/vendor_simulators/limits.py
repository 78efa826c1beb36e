"""Request limits per family of endpoints."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Rule(NamedTuple):
    """At most `requests` in a window of `seconds`; the window starts with its first request."""

    requests: int
    seconds: float


@dataclass
class Usage:
    """Usage of a family's limits after a request.

    `limit`, `remaining` and `window` describe the tightest window. `reset` is the number of seconds until it ends,
    never negative. `allowed` is true if the request was within all windows.
    """

    limit: int
    remaining: int
    reset: float
    window: float
    allowed: bool


class Limiter:
    """Counts requests per family.

    Args:
        rules: Rules per family, all of which apply. May be changed before the first request.
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, rules: Mapping[str, Sequence[Rule]], clock: Callable[[], float] = time.monotonic) -> None:
        self.rules: dict[str, list[Rule]] = {family: list(of_family) for family, of_family in rules.items()}
        self._clock = clock
        self._windows: dict[tuple[str, Rule], tuple[float, int]] = {}
        self._lock = threading.Lock()

    def count(self, family: str) -> Usage | None:
        """Count a request and return the family's usage; None for a family without rules.

        Refused requests are not counted: the vendor limits only the requests that it accepts.
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
        # The tightest window: an exhausted one before one with requests left, then the one that ends last, so that a
        # client that waits for its reset may send the next request.
        rule, (began, used) = min(
            windows.items(), key=lambda item: (item[0].requests - item[1][1], -(item[1][0] + item[0].seconds))
        )
        reset = max(0.0, began + rule.seconds - now)
        return Usage(rule.requests, rule.requests - used, reset, rule.seconds, allowed)

    def _window(self, family: str, rule: Rule, now: float) -> tuple[float, int]:
        began, used = self._windows.get((family, rule), (now, 0))
        return (now, 0) if now >= began + rule.seconds else (began, used)
