"""Retries: when to repeat a request and how long to wait first."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import random
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
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
"""Numbers above this (September 2001) are epoch times. Smaller ones are seconds from now."""

MILLISECONDS_FROM = 100_000_000_000
"""Epoch times above this (year 5138) are in milliseconds or a smaller unit."""

RESET_HEADERS = ("X-RateLimit-Reset", "X-Rate-Limit-Reset", "RateLimit-Reset")
REMAINING_HEADERS = ("X-RateLimit-Remaining", "X-Rate-Limit-Remaining", "RateLimit-Remaining")

_POLICY_PARAMETER = re.compile(r"(?:^|[;,\s])(r|remaining|t|reset)\s*=\s*(-?\d+)", re.IGNORECASE)


class TransientError(RetriableAPIError):
    """A temporary failure: 5xx, a lost connection, a timeout, a truncated or malformed body.

    Args:
        what: Description of the failure.
        response: The response, if any.
        asked_wait: Seconds to wait as requested by the vendor, if any.
        remedy: Advice to the user if the failure persists. Empty for the default advice.
    """

    def __init__(
        self,
        what: str,
        response: requests.Response | None = None,
        *,
        asked_wait: float | None = None,
        remedy: str = "",
    ) -> None:
        super().__init__(what, response)
        self.what = what
        self.asked_wait = asked_wait
        down = response is not None and response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
        self.remedy = remedy or ("the vendor may be down: try again later" if down else "try again later")

    @override
    def __str__(self) -> str:
        return self.what


class RateLimitedError(TransientError):
    """A response that reports too many requests (429)."""


@dataclass(frozen=True)
class RetryPolicy:
    """The number of retries and the waits before them.

    Args:
        waits: Seconds before each retry of a transient failure. The number of tries is one more.
        rate_limit_tries: Total tries for a rate-limited request.
        rate_limit_waits: Seconds before each retry after a 429. The last value repeats.
        longest_wait: Upper limit of a single wait in seconds, even if the vendor requests more.
        jitter: Maximum share of a scheduled wait added at random, to spread out runs that failed together.

    A wait requested by the vendor can only extend the schedule. Otherwise a requested wait of zero, or until a time
    already past because of clock skew, would use up all tries within a second.
    """

    waits: tuple[float, ...] = (1, 2, 4, 8, 16)
    rate_limit_tries: int = 10
    rate_limit_waits: tuple[float, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
    longest_wait: float = 900.0
    jitter: float = 0.0

    @property
    def tries(self) -> int:
        """Total tries for transient failures."""
        return len(self.waits) + 1

    def run(
        self, attempt: Callable[[], T], *, longest_unasked_wait: float | None, announce: Callable[[str], None]
    ) -> T:
        """Repeat an attempt until it succeeds or the tries are used up.

        Args:
            attempt: Raises `RateLimitedError` or `TransientError` to be retried. Other errors propagate.
            longest_unasked_wait: Cap in seconds on a scheduled wait after a 429.
            announce: Called with a one-line message before each wait.

        Returns:
            The result of the attempt.

        Raises:
            TransientError: The last failure, once the tries are used up.
        """

        def tell(details: Details) -> None:
            error, wait = details.get("exception"), details.get("wait", 0.0)
            asked = isinstance(error, TransientError) and error.asked_wait is not None and error.asked_wait >= wait > 0
            announce(
                f"{error}; try {details['tries']}, waiting {wait:g} s{' as requested by the vendor' if asked else ''}"
            )

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
        """Yield waits in seconds, extended if the failure carries a longer one."""
        error = yield 0.0  # backoff discards the first value
        for number in itertools.count():
            scheduled = schedule[min(number, len(schedule) - 1)]
            own = min(scheduled * (1 + self.jitter * random.random()), cap)  # noqa: S311 - not for security
            error = yield max(own, min(error.asked_wait or 0.0, self.longest_wait))


def asked_wait(headers: Mapping[str, str], now: dt.datetime) -> float | None:
    """Return the wait that a response requests.

    Args:
        headers: The response's headers, case-insensitive.
        now: The current time in UTC, used if the response has no `Date` header.

    Returns:
        Seconds from `Retry-After`, else from a reset header, else None. Never negative.
    """
    asked = retry_after(headers, now)
    return reset_wait(headers, now) if asked is None else asked


def retry_after(headers: Mapping[str, str], now: dt.datetime) -> float | None:
    """Return the seconds requested by `Retry-After`, or None if it is missing or invalid.

    The value is a number of seconds or an HTTP date (RFC 9110, 10.2.3). Epoch times are accepted too.
    """
    return _seconds(headers.get("Retry-After"), headers, now)


def reset_wait(headers: Mapping[str, str], now: dt.datetime) -> float | None:
    """Return the seconds until the rate limit resets, or None without a valid reset header.

    The value is a date or a number: an epoch time above 1e9 (in milliseconds above 1e11), else seconds from now. The
    IETF draft's `RateLimit` header is read too: `limit=100, remaining=0, reset=50` or `"default";r=0;t=50`.
    """
    named = next((headers[name] for name in RESET_HEADERS if name in headers), None)
    if named is not None:
        return _seconds(named, headers, now)
    policies = _policies(headers)
    # Exhausted policies take precedence.
    spent = [reset for remaining, reset in policies if remaining is not None and remaining <= 0 and reset is not None]
    resets = [reset for _, reset in policies if reset is not None]
    if spent:
        return max(0.0, *spent)
    return max(0.0, min(resets)) if resets else None


def nothing_left(headers: Mapping[str, str]) -> bool:
    """Return whether a response reports zero requests left until the reset."""
    named = next((headers[name] for name in REMAINING_HEADERS if name in headers), None)
    if named is not None:
        remaining = _number(named)
        return remaining is not None and remaining <= 0
    return any(remaining is not None and remaining <= 0 for remaining, _ in _policies(headers))


def _policies(headers: Mapping[str, str]) -> list[tuple[float | None, float | None]]:
    """Return the remaining requests and seconds until reset of each policy in `RateLimit`."""
    policies: list[tuple[float | None, float | None]] = []
    remaining: float | None = None
    reset: float | None = None
    for name, text in _POLICY_PARAMETER.findall(headers.get("RateLimit", "")):
        # Order in the draft: remaining requests, then seconds.
        if name[0].lower() == "r" and name.lower() != "reset":
            remaining, reset = float(text), None
            policies.append((remaining, reset))
        else:
            reset = float(text)
            policies[-1:] = [(remaining, reset)]
    return policies


def _seconds(text: str | None, headers: Mapping[str, str], now: dt.datetime) -> float | None:
    """Return the seconds in a header, or until its date or epoch time; never negative."""
    if text is None:
        return None
    number = _number(text)
    if number is None:
        moment = _moment(text)
    elif number > EPOCH_FROM:
        while number > MILLISECONDS_FROM:
            number /= 1000
        moment = dt.datetime.fromtimestamp(number, dt.timezone.utc)
    else:
        return max(0.0, number)
    if moment is None:
        return None
    # Prefer the vendor's clock, which may differ from ours.
    return max(0.0, (moment - (_moment(headers.get("Date", "")) or now)).total_seconds())


def _moment(text: str) -> dt.datetime | None:
    """Parse an HTTP date or ISO 8601 date-time. UTC is the default zone."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        try:
            moment = dt.datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        except ValueError:
            return None
    return moment.replace(tzinfo=dt.timezone.utc) if moment.tzinfo is None else moment


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
