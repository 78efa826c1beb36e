"""When requests are repeated, and how long is waited before."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from requests.structures import CaseInsensitiveDict
from singer_adtech.retries import (
    RateLimitedError,
    RetryPolicy,
    TransientError,
    asked_wait,
    nothing_left,
    reset_wait,
    retry_after,
)

if TYPE_CHECKING:
    from collections.abc import Callable

NOON = dt.datetime(2024, 3, 11, 12, tzinfo=dt.timezone.utc)


def failing(*errors: Exception) -> Callable[[], str]:
    """Make an attempt that fails with these errors, one after the other, and then succeeds."""
    left = iter(errors)

    def attempt() -> str:
        for error in left:
            raise error
        return "done"

    return attempt


def run(policy: RetryPolicy, attempt: Callable[[], str], cap: float | None = None) -> tuple[str | None, list[str]]:
    """Run an attempt; None stands for a failure that was not forgiven."""
    said: list[str] = []
    try:
        return policy.run(attempt, longest_unasked_wait=cap, announce=said.append), said
    except TransientError:
        return None, said


def test_a_transient_failure_is_repeated_after_1_2_4_8_16_seconds(waits: list[float]) -> None:
    # when
    result, said = run(RetryPolicy(), failing(*[TransientError("HTTP 500")] * 5))
    # then
    assert result == "done"
    assert waits == [1, 2, 4, 8, 16]
    assert said[0] == "HTTP 500; try 1, waiting 1 s"
    assert said[4] == "HTTP 500; try 5, waiting 16 s"


def test_the_sixth_transient_failure_is_the_last(waits: list[float]) -> None:
    # when
    result, said = run(RetryPolicy(), failing(*[TransientError("HTTP 500")] * 6))
    # then
    assert result is None
    assert waits == [1, 2, 4, 8, 16]
    assert len(said) == 5


def test_a_rate_limit_is_tried_ten_times(waits: list[float]) -> None:
    # when
    result, _ = run(RetryPolicy(), failing(*[RateLimitedError("HTTP 429")] * 10))
    # then
    assert result is None
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256]


def test_a_wait_that_nobody_asked_for_is_capped(waits: list[float]) -> None:
    # when: nine failures, the tenth try succeeds
    result, _ = run(RetryPolicy(), failing(*[RateLimitedError("HTTP 429")] * 9), cap=60)
    # then
    assert result == "done"
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_the_wait_that_the_vendor_asks_for_goes_first_and_no_wait_is_longer_than_allowed(waits: list[float]) -> None:
    # given
    errors = [RateLimitedError("HTTP 429", asked_wait=seconds) for seconds in (0, 7.5, None, 5000)]
    # when
    result, _ = run(RetryPolicy(), failing(*errors), cap=60)
    # then
    assert result == "done"
    assert waits == [0, 7.5, 4, 900]


def test_rate_limits_and_failures_have_tries_of_their_own(waits: list[float]) -> None:
    # given
    errors = [
        TransientError("HTTP 500"),
        TransientError("HTTP 500"),
        RateLimitedError("HTTP 429", asked_wait=30),
        TransientError("HTTP 500"),
        RateLimitedError("HTTP 429"),
    ]
    # when
    result, _ = run(RetryPolicy(), failing(*errors))
    # then: after a rate limit, failures are counted anew; rate limits are not
    assert result == "done"
    assert waits == [1, 2, 30, 1, 2]


def test_a_policy_has_the_waits_and_tries_of_its_vendor(waits: list[float]) -> None:
    # given
    policy = RetryPolicy(waits=(5,), rate_limit_tries=3, rate_limit_waits=(10, 20), longest_wait=15)
    # when
    first, _ = run(policy, failing(*[TransientError("HTTP 500")] * 2))
    second, _ = run(policy, failing(*[RateLimitedError("HTTP 429")] * 3))
    # then
    assert (first, second) == (None, None)
    assert policy.tries == 2
    assert waits == [5, 10, 15]


def test_other_errors_are_not_repeated(waits: list[float]) -> None:
    # when
    with pytest.raises(KeyError):
        run(RetryPolicy(), failing(KeyError("data")))
    # then
    assert waits == []


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "120"}, 120),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "-3"}, 0),
        ({"Retry-After": "Mon, 11 Mar 2024 12:00:45 GMT"}, 45),
        ({"Retry-After": "Mon, 11 Mar 2024 08:00:45 -0400"}, 45),
        ({"Retry-After": "Mon, 11 Mar 2024 12:00:45 -0000"}, 45),
        ({"Retry-After": "Mon, 11 Mar 2024 11:00:00 GMT"}, 0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "soon", "X-RateLimit-Reset": "9"}, 9),
        ({"Retry-After": "5", "X-RateLimit-Reset": "9"}, 5),
        ({"X-RateLimit-Reset": str(int(NOON.timestamp()) + 42)}, 42),
        ({"X-RateLimit-Reset": str(int(NOON.timestamp()) - 42)}, 0),
        ({"X-Rate-Limit-Reset": "42"}, 42),
        ({"ratelimit-reset": "42"}, 42),
        ({"RateLimit-Reset": "nan"}, None),
    ],
)
def test_the_wait_that_a_429_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_wait(CaseInsensitiveDict(headers), NOON) == seconds


def test_retry_after_alone_does_not_look_at_the_reset() -> None:
    # given: vendors tell the reset in every answer, also in one that fails for another reason
    headers = CaseInsensitiveDict({"X-RateLimit-Reset": "55"})
    # then
    assert retry_after(headers, NOON) is None
    assert reset_wait(headers, NOON) == 55


@pytest.mark.parametrize(
    ("headers", "empty"),
    [
        ({}, False),
        ({"X-RateLimit-Remaining": "0"}, True),
        ({"x-rate-limit-remaining": "0"}, True),
        ({"RateLimit-Remaining": "-1"}, True),
        ({"X-RateLimit-Remaining": "1"}, False),
        ({"X-RateLimit-Remaining": "none"}, False),
    ],
)
def test_nothing_left_is_told_by_the_remaining_header(headers: dict[str, str], *, empty: bool) -> None:
    assert nothing_left(CaseInsensitiveDict(headers)) is empty


def test_waits_that_nobody_asked_for_may_have_a_random_part(
    waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: chance at one half, and a share of one fifth at most
    monkeypatch.setattr("random.random", lambda: 0.5)
    policy = RetryPolicy(waits=(1, 2, 8), longest_wait=8.5, jitter=0.2)
    # when
    run(policy, failing(*[TransientError("no"), TransientError("no", asked_wait=5), TransientError("no")]))
    # then: the vendor's advice is taken as it is, and no wait is longer than allowed
    assert waits == pytest.approx([1.1, 5, 8.5])
