"""When a request is repeated, and how long is waited before."""

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
"""A number above this (September 2001) is an epoch time; below, it is seconds from now."""

MILLISECONDS_FROM = 100_000_000_000
"""An epoch time above this (year 5138) is in milliseconds, or in an even smaller unit."""

RESET_HEADERS = ("X-RateLimit-Reset", "X-Rate-Limit-Reset", "RateLimit-Reset")
REMAINING_HEADERS = ("X-RateLimit-Remaining", "X-Rate-Limit-Remaining", "RateLimit-Remaining")

_POLICY_PARAMETER = re.compile(r"(?:^|[;,\s])(r|remaining|t|reset)\s*=\s*(-?\d+)", re.IGNORECASE)


class TransientError(RetriableAPIError):
    """A failure that may pass: 5xx, a lost connection, a timeout, a body that is cut or does not parse.

    Args:
        what: What came.
        response: The response, if there was one.
        asked_wait: Seconds that the vendor asked to wait, if it did.
        remedy: What the user can do when it does not pass; empty for what helps as a rule.
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
    """The vendor says that there were too many requests (429)."""


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how patiently a vendor's failures are met.

    Args:
        waits: Seconds before each repetition of a transient failure; one more try than there are waits.
        rate_limit_tries: Tries in all for a request that is rate limited.
        rate_limit_waits: Seconds before each repetition after a 429; the last one continues.
        longest_wait: No single wait is longer, whatever the vendor asks for.
        jitter: Share of a scheduled wait that is added to it at random, at most, so that runs which failed together do
            not come back together.

    The vendor's advice makes a wait longer than the schedule, never shorter: an advice of nothing, or of a moment that
    has passed because two clocks differ, would otherwise spend all tries within a second.
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
            longest_unasked_wait: Cap of a scheduled wait after a 429.
            announce: Told before each wait, in one line.

        Returns:
            What the attempt returned.

        Raises:
            TransientError: The last failure, when the tries are used up.
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
        """Yield waits; the vendor's advice, which comes with the failure, may make one longer."""
        error = yield 0.0  # backoff starts a generator with one empty step
        for number in itertools.count():
            scheduled = schedule[min(number, len(schedule) - 1)]
            own = min(scheduled * (1 + self.jitter * random.random()), cap)  # noqa: S311 - no secret depends on it
            error = yield max(own, min(error.asked_wait or 0.0, self.longest_wait))


def asked_wait(headers: Mapping[str, str], now: dt.datetime) -> float | None:
    """Read from a response how long the vendor wants to be left alone.

    Args:
        headers: The response's headers, names in any case.
        now: The present by our clock, in UTC; moments are measured against the header `Date` where there is one.

    Returns:
        Seconds from `Retry-After`, else from a reset header; None without either. Never negative.
    """
    asked = retry_after(headers, now)
    return reset_wait(headers, now) if asked is None else asked


def retry_after(headers: Mapping[str, str], now: dt.datetime) -> float | None:
    """Return the seconds that `Retry-After` asks for; None without one that can be read.

    It is a number of seconds or an HTTP date (RFC 9110, 10.2.3); an epoch time is read too.
    """
    return _seconds(headers.get("Retry-After"), headers, now)


def reset_wait(headers: Mapping[str, str], now: dt.datetime) -> float | None:
    """Return the seconds until the vendor's limit is fresh again; None without a reset header that can be read.

    The value is an epoch time if it is above 1e9 (in milliseconds above 1e11), else seconds from now, or a date. The
    header `RateLimit` of the IETF draft is read too: `limit=100, remaining=0, reset=50`, or `"default";r=0;t=50`.
    """
    named = next((headers[name] for name in RESET_HEADERS if name in headers), None)
    if named is not None:
        return _seconds(named, headers, now)
    policies = _policies(headers)
    # Of several policies the exhausted ones count.
    spent = [reset for remaining, reset in policies if remaining is not None and remaining <= 0 and reset is not None]
    resets = [reset for _, reset in policies if reset is not None]
    if spent:
        return max(0.0, *spent)
    return max(0.0, min(resets)) if resets else None


def nothing_left(headers: Mapping[str, str]) -> bool:
    """Tell whether a response reports that no request is left until the reset."""
    named = next((headers[name] for name in REMAINING_HEADERS if name in headers), None)
    if named is not None:
        remaining = _number(named)
        return remaining is not None and remaining <= 0
    return any(remaining is not None and remaining <= 0 for remaining, _ in _policies(headers))


def _policies(headers: Mapping[str, str]) -> list[tuple[float | None, float | None]]:
    """Return what is left and the seconds until the reset, of each policy in the header `RateLimit`."""
    policies: list[tuple[float | None, float | None]] = []
    remaining: float | None = None
    reset: float | None = None
    for name, text in _POLICY_PARAMETER.findall(headers.get("RateLimit", "")):
        # The draft's parameters come in this order: what is left, then the seconds.
        if name[0].lower() == "r" and name.lower() != "reset":
            remaining, reset = float(text), None
            policies.append((remaining, reset))
        else:
            reset = float(text)
            policies[-1:] = [(remaining, reset)]
    return policies


def _seconds(text: str | None, headers: Mapping[str, str], now: dt.datetime) -> float | None:
    """Return the seconds that a header asks for: a number of them, or the time until a moment; never negative."""
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
    # The vendor's clock and ours may differ: what it calls a moment is measured against what it calls now.
    return max(0.0, (moment - (_moment(headers.get("Date", "")) or now)).total_seconds())


def _moment(text: str) -> dt.datetime | None:
    """Read an HTTP date, or a date-time in ISO 8601; without a zone it is in UTC."""
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
