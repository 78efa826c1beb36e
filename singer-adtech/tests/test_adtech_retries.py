"""When requests are repeated, and how long is waited before."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict
from singer_adtech.http.retries import (
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


@pytest.mark.parametrize("kind", [RateLimitedError, TransientError])
def test_advice_makes_a_wait_longer_and_never_shorter_than_the_schedule(
    waits: list[float], kind: type[TransientError]
) -> None:
    # given: nothing to wait, which clocks that differ make of any advice; more; none; less; more than is allowed
    errors = [kind("HTTP 4xx or 5xx", asked_wait=seconds) for seconds in (0, 7.5, None, 2, 5000)]
    # when
    result, said = run(RetryPolicy(), failing(*errors), cap=60)
    # then
    assert result == "done"
    assert waits == [1, 7.5, 4, 8, 900]
    assert [one.partition("waiting ")[2] for one in said] == [
        "1 s",
        "7.5 s as requested by the vendor",
        "4 s",
        "8 s",
        "900 s as requested by the vendor",
    ]


def test_a_passing_429_whose_advice_is_nothing_does_not_spend_all_tries_within_a_second(waits: list[float]) -> None:
    # given
    errors = [RateLimitedError("HTTP 429", asked_wait=0)] * 9
    # when
    result, _ = run(RetryPolicy(), failing(*errors), cap=60)
    # then
    assert result == "done"
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


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
        ({"X-RateLimit-Reset": "-5"}, 0),
        ({"X-RateLimit-Reset": "1.5"}, 1.5),
        ({"X-RateLimit-Reset": "2024-03-11T12:00:42Z"}, 42),
        ({"X-RateLimit-Reset": "Mon, 11 Mar 2024 12:00:42 GMT"}, 42),
        # Milliseconds, microseconds, and a year ahead.
        ({"X-RateLimit-Reset": str(int(NOON.timestamp() + 42) * 1000)}, 42),
        ({"X-RateLimit-Reset": str(int(NOON.timestamp() + 42) * 1_000_000)}, 42),
        ({"X-RateLimit-Reset": str(int(NOON.timestamp()) + 31_536_000)}, 31_536_000),
        ({"Retry-After": str(int(NOON.timestamp()) + 42)}, 42),
        # Drafts of the IETF: delta seconds, of the exhausted policy where there are several.
        ({"RateLimit": "limit=100, remaining=0, reset=50"}, 50),
        ({"RateLimit": '"default";r=0;t=30'}, 30),
        ({"RateLimit": '"burst";r=0;t=5, "daily";r=0;t=3600'}, 3600),
        ({"RateLimit": '"burst";r=9;t=5, "daily";r=0;t=3600'}, 3600),
        ({"RateLimit": '"burst";r=9;t=5, "daily";r=7;t=3600'}, 5),
        ({"RateLimit": '"default";r=0'}, None),
        ({"RateLimit": "nonsense"}, None),
    ],
)
def test_the_wait_that_a_429_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_wait(CaseInsensitiveDict(headers), NOON) == seconds


@pytest.mark.parametrize(
    "advice",
    [
        {"Retry-After": "Mon, 11 Mar 2024 12:00:30 GMT"},
        {"X-RateLimit-Reset": str(int(NOON.timestamp()) + 30)},
        {"X-RateLimit-Reset": "2024-03-11T12:00:30Z"},
    ],
)
@pytest.mark.parametrize("ahead", [-7200, 0, 7200])
def test_moments_are_measured_against_the_vendors_own_clock(advice: dict[str, str], ahead: int) -> None:
    # given: a clock of ours that is two hours wrong, in either direction
    ours = NOON + dt.timedelta(seconds=ahead)
    headers = CaseInsensitiveDict({**advice, "Date": "Mon, 11 Mar 2024 12:00:00 GMT"})
    # then
    assert asked_wait(headers, ours) == 30
    assert asked_wait(CaseInsensitiveDict({**advice, "Date": "soon"}), NOON) == 30


@given(
    st.sampled_from(
        ["Retry-After", "X-RateLimit-Reset", "RateLimit-Reset", "RateLimit", "Date", "X-RateLimit-Remaining"]
    ),
    st.one_of(st.text(), st.floats().map(str), st.integers().map(str), st.datetimes().map(str)),
)
def test_no_header_breaks_the_reading_of_advice(name: str, text: str) -> None:
    # given
    headers = CaseInsensitiveDict({"Retry-After": "Mon, 11 Mar 2024 12:00:30 GMT", name: text})
    # when
    waits = [asked_wait(headers, NOON), reset_wait(headers, NOON)]
    # then
    assert all(wait is None or 0 <= wait < float("inf") for wait in waits)
    assert nothing_left(headers) in {True, False}


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
        ({"RateLimit": '"burst";r=5;t=1, "daily";r=0;t=60'}, True),
        ({"RateLimit": "limit=10, remaining=1, reset=60"}, False),
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
    # then: advice that is longer is taken as it is, and no wait is longer than allowed
    assert waits == pytest.approx([1.1, 5, 8.5])
