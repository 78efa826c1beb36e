"""When a request is repeated, and how long is waited before."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

import backoff
from singer_sdk.exceptions import RetriableAPIError
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    import requests
    from backoff.types import Details

T = TypeVar("T")

EPOCH_FROM = 1_000_000_000
"""A reset header above this (September 2001) is an epoch time; below, it is seconds from now."""

RESET_HEADERS = ("X-RateLimit-Reset", "X-Rate-Limit-Reset", "RateLimit-Reset")
REMAINING_HEADERS = ("X-RateLimit-Remaining", "X-Rate-Limit-Remaining", "RateLimit-Remaining")


class TransientError(RetriableAPIError):
    """A failure that may pass: 5xx, a lost connection, a timeout, a body that is cut or does not parse.

    Args:
        what: What came.
        response: The answer, if there was one.
        asked_wait: Seconds that the vendor asked to wait, if it did.
    """

    def __init__(
        self, what: str, response: requests.Response | None = None, *, asked_wait: float | None = None
    ) -> None:
        super().__init__(what, response)
        self.what = what
        self.asked_wait = asked_wait

    @override
    def __str__(self) -> str:
        return self.what


class RateLimitedError(TransientError):
    """The vendor says that there were too many requests (429)."""


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how patiently a vendor's failures are met.

    Args:
        waits: Seconds before each repetition of a transient failure; one more try than there are waits.
        rate_limit_tries: Tries in all for a request that is rate limited.
        rate_limit_waits: Seconds before each repetition after a 429 without advice; the last one goes on.
        longest_wait: No single wait is longer, whatever the vendor asks for.
        jitter: Share of an unasked wait that is added to it at random, at most, so that runs which failed together do
            not come back together.
    """

    waits: tuple[float, ...] = (1, 2, 4, 8, 16)
    rate_limit_tries: int = 10
    rate_limit_waits: tuple[float, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
    longest_wait: float = 900.0
    jitter: float = 0.0

    @property
    def tries(self) -> int:
        """Tries in all for transient failures."""
        return len(self.waits) + 1

    def run(
        self, attempt: Callable[[], T], *, longest_unasked_wait: float | None, announce: Callable[[str], None]
    ) -> T:
        """Repeat an attempt until it succeeds or the tries are used up.

        Args:
            attempt: Raises `RateLimitedError` or `TransientError` to be repeated; anything else passes through.
            longest_unasked_wait: Cap of a wait after a 429 for which the vendor gave no advice.
            announce: Told before each wait, in one line.

        Returns:
            What the attempt returned.

        Raises:
            TransientError: The last failure, when the tries are used up.
        """

        def tell(details: Details) -> None:
            error = details.get("exception")
            announce(f"{error}; try {details['tries']}, waiting {details.get('wait', 0):g} s")

        def is_rate_limit(error: Exception) -> bool:
            return isinstance(error, RateLimitedError)

        cap = self.longest_wait if longest_unasked_wait is None else min(self.longest_wait, longest_unasked_wait)
        options: dict[str, Any] = {"jitter": None, "logger": None, "on_backoff": tell}
        patient = backoff.on_exception(
            self._waits, TransientError, max_tries=self.tries, giveup=is_rate_limit, schedule=self.waits,
            cap=self.longest_wait, **options,
        )  # fmt: skip
        limited = backoff.on_exception(
            self._waits, RateLimitedError, max_tries=self.rate_limit_tries, schedule=self.rate_limit_waits,
            cap=cap, **options,
        )  # fmt: skip
        run: Callable[[], T] = limited(patient(attempt))
        return run()

    def _waits(self, *, schedule: tuple[float, ...], cap: float) -> Generator[float, TransientError, None]:
        """Yield waits; the vendor's advice, which comes with the failure, goes before the schedule."""
        error = yield 0.0  # backoff starts a generator with one empty step
        for number in itertools.count():
            advice = error.asked_wait
            scheduled = schedule[min(number, len(schedule) - 1)]
            own = min(scheduled * (1 + self.jitter * random.random()), cap)  # noqa: S311 - no secret depends on it
            error = yield own if advice is None else min(advice, self.longest_wait)


def asked_wait(headers: Mapping[str, str], now: dt.datetime) -> float | None:
    """Read from an answer how long the vendor wants to be left alone.

    Args:
        headers: The answer's headers, names in any case.
        now: The present, in UTC.

    Returns:
        Seconds from `Retry-After`, else from a reset header; None without either. Never negative.
    """
    asked = retry_after(headers, now)
    return reset_wait(headers, now) if asked is None else asked


def retry_after(headers: Mapping[str, str], now: dt.datetime) -> float | None:
    """Return the seconds that `Retry-After` asks for, a number or an HTTP date; None without one that can be read."""
    text = headers.get("Retry-After")
    if text is None:
        return None
    seconds = _number(text)
    if seconds is not None:
        return max(0.0, seconds)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.timezone.utc)
    return max(0.0, (moment - now).total_seconds())


def reset_wait(headers: Mapping[str, str], now: dt.datetime) -> float | None:
    """Return the seconds until the vendor's limit is fresh again; None without a reset header.

    The header is an epoch time if it is above 1e9, else seconds from now.
    """
    reset = _first_number(headers, RESET_HEADERS)
    if reset is None:
        return None
    return max(0.0, reset - now.timestamp() if reset > EPOCH_FROM else reset)


def nothing_left(headers: Mapping[str, str]) -> bool:
    """Tell whether an answer says that no request is left until the reset."""
    remaining = _first_number(headers, REMAINING_HEADERS)
    return remaining is not None and remaining <= 0


def _first_number(headers: Mapping[str, str], names: tuple[str, ...]) -> float | None:
    for name in names:
        if name in headers:
            return _number(headers[name])
    return None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if number == number and abs(number) != float("inf") else None  # noqa: PLR0124 - NaN is not itself
