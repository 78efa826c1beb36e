"""Request limits: the budget that the tap keeps, and how it takes a 429."""

from __future__ import annotations

import datetime as dt
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.http.budgets import Family, Limit
from vendor_simulators.faults import Fault
from vendor_simulators.ispot import ISpotSimulator
from vendor_simulators.limits import Limiter, Rule

if TYPE_CHECKING:
    from ispot_fixtures import FakeClock, RunTap, Script
    from vendor_simulators.pytest_plugin import Simulate

NOW = dt.datetime(2024, 3, 20, 16, 0, tzinfo=dt.timezone.utc)
"""The instant at which the tests' clock starts."""
AUDIENCE = "/v4/metrics/audience/airings"
ATTENTION = "/v4/metrics/attention/airings"


def day(simulator: ISpotSimulator) -> dict[str, Any]:
    """Return settings that read one day, which is one request."""
    return {**simulator.settings(), "end_date": "2024-03-08"}


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ({"Retry-After": "7"}, [7]),
        ({"retry-after": "0"}, [1]),
        ({"Retry-After": "2000"}, [900]),
        ({"Retry-After": format_datetime(NOW + dt.timedelta(seconds=75), usegmt=True)}, [75]),
        ({"Retry-After": format_datetime(NOW - dt.timedelta(seconds=75), usegmt=True)}, [1]),
        ({"Retry-After": "7", "X-RateLimit-Reset": "30"}, [7]),
        ({"X-RateLimit-Reset": "30"}, [30]),
        ({"x-ratelimit-reset": str(int(NOW.timestamp()) + 45)}, [45]),
        ({"X-Rate-Limit-Reset": "31"}, [31]),
        ({"RateLimit-Reset": "32"}, [32]),
        ({"RateLimit-Reset": str(int(NOW.timestamp()) + 4000)}, [900]),
        ({"X-RateLimit-Reset": str(int(NOW.timestamp()) - 10)}, [1]),
        ({"X-RateLimit-Reset": "soon"}, [1]),
        ({}, [1]),
    ],
    ids=str,
)
def test_a_429_is_waited_for_as_the_vendor_says(
    run_tap: RunTap, simulate: Simulate, headers: dict[str, str], waits: list[float]
) -> None:
    # Given one 429 with this advice, and a vendor that sends no limits otherwise
    simulator = simulate(ISpotSimulator(first_day=dt.date(2024, 3, 8), days=1, rows_per_day=20, limit_headers="none"))
    headers = {"Date": format_datetime(NOW, usegmt=True), **headers}
    simulator.faults.add(Fault(path=AUDIENCE, status=429, headers=headers))
    # When
    run = run_tap(day(simulator), "audience_airings")
    # Then the same call is made again
    assert run.clock.waits == waits
    first, second = simulator.journal.matching(AUDIENCE)
    assert first.target == second.target
    assert run.by_key() == simulator.truth("audience_airings")


@pytest.mark.parametrize(
    ("stream", "path", "waits"),
    [
        ("audience_airings", AUDIENCE, [1, 2, 4, 8, 16, 32, 60, 60, 60]),
        ("attention_airings", ATTENTION, [1, 2, 4, 8, 10, 10, 10, 10, 10]),
        ("industries", "/v4/industries", [1, 2, 4, 8, 16, 32, 64, 128, 256]),
        ("account", "/v4/account", [1, 2, 4, 8, 16, 32, 64, 128, 256]),
    ],
)
def test_without_advice_waits_double_up_to_the_window_of_the_family(
    run_tap: RunTap, simulate: Simulate, stream: str, path: str, waits: list[float]
) -> None:
    simulator = simulate(ISpotSimulator(first_day=dt.date(2024, 3, 8), days=1, rows_per_day=20, limit_headers="none"))
    simulator.faults.add(Fault(path=path, status=429, body="Too many", times=None))
    run = run_tap(day(simulator), stream, fails=True)
    # Ten tries in all, and then the family's name
    assert run.clock.waits == waits
    assert len(simulator.journal.matching(path)) == 10
    family = path.removeprefix("/v4/").removesuffix("/airings")
    assert f": rate limit of {family}: HTTP 429 Too Many Requests " in run.error
    assert "(tried 10 times)" in run.error


def test_each_wait_is_told_with_its_length(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    ispot.faults.add(Fault(path=AUDIENCE, status=429, headers={"Retry-After": "12"}))
    run = run_tap(day(ispot), "audience_airings")
    told = [one for one in run.warnings() if "HTTP 429" in one]
    assert len(told) == 1
    assert told[0].endswith("waiting 12 s as requested by the vendor")


@pytest.mark.parametrize("too_many", ["problem", "retry_after", "text"])
def test_real_refusals_are_survived(run_tap: RunTap, simulate: Simulate, frozen: Any, too_many: str) -> None:
    # Given a vendor that allows fewer requests than it says: 3 in 10 s, with a reset counted from now
    clock: FakeClock = frozen("2024-03-20T12:00:00-04:00")
    simulator = simulate(
        ISpotSimulator(
            first_day=dt.date(2024, 3, 8),
            days=5,
            rows_per_day=20,
            enforce_limits=True,
            too_many=too_many,
            limit_headers="none",
        )
    )
    simulator.limits = Limiter({"metrics/audience": [Rule(3, 10)]}, clock.monotonic)
    # When
    run = run_tap({**simulator.settings(), "end_date": "2024-03-12"}, "audience_airings", clock=clock)
    # Then
    assert run.by_key() == simulator.truth("audience_airings")
    assert 429 in [request.status for request in simulator.journal]


@pytest.mark.parametrize("style", ["delta", "standard"])
def test_a_reply_that_says_nothing_is_left_holds_back_the_next_call(
    run_tap: RunTap, simulate: Simulate, frozen: Any, style: str
) -> None:
    # Given a vendor that allows 2 requests in 10 s, less than the tap's own budget, and tells so
    clock: FakeClock = frozen("2024-03-20T12:00:00-04:00")
    simulator = simulate(
        ISpotSimulator(first_day=dt.date(2024, 3, 8), days=5, rows_per_day=20, enforce_limits=True, limit_headers=style)
    )
    simulator.limits = Limiter({"metrics/audience": [Rule(2, 10)]}, clock.monotonic)
    # When five days and a list are read
    run = run_tap({**simulator.settings(), "end_date": "2024-03-12"}, "audience_airings", "movies", clock=clock)
    # Then there was no 429, and only that family waited: after the 2nd and the 4th request
    assert {request.status for request in simulator.journal} == {200}
    assert run.clock.slept == [10, 10]
    assert run.by_key() == simulator.truth("audience_airings")


@pytest.mark.parametrize(
    ("stream", "size", "requests", "slept"),
    [
        # 25 in 10 s and 75 in 60 s
        ("audience_airings", 1, 80, [10.1, 10.1, 39.9]),
        # 25 in 10 s and 50 in 60 s
        ("tv_airings", 1, 80, [10.1, 50.0, 10.1]),
        # 10 in 10 s
        ("attention_airings", 4, 20, [10.1]),
        # 50 in 60 s
        ("airings", 1, 80, [60.1]),
    ],
)
def test_the_budget_of_a_family_is_kept(  # noqa: PLR0913, PLR0917 - a table of cases
    run_tap: RunTap, simulate: Simulate, frozen: Any, stream: str, size: int, requests: int, slept: list[float]
) -> None:
    # Given a vendor that enforces its limits, and pages so small that they are reached
    clock: FakeClock = frozen("2024-03-20T12:00:00-04:00")
    simulator = simulate(
        ISpotSimulator(
            first_day=dt.date(2024, 3, 8), days=1, rows_per_day=80, enforce_limits=True, limit_headers="none"
        )
    )
    simulator.limits = Limiter(simulator.limits.rules, clock.monotonic)
    settings = {**day(simulator), "page_size": size, "parallel_requests": 1, "airing_types": [], "national_only": False}
    # When
    run = run_tap(settings, stream, clock=clock)
    # Then no request was refused, and no longer was waited than needed (0.1 s is the tap's margin)
    assert len(simulator.journal) == requests + 1
    assert {request.status for request in simulator.journal} == {200}
    assert run.clock.slept == pytest.approx(slept)
    assert len(run.records(stream)) == 80


def test_the_budget_holds_for_pages_side_by_side(run_tap: RunTap, simulate: Simulate) -> None:
    # Given a vendor that allows 5 requests in 0.4 s by the real clock, pages in flight by fours, and a tap that keeps 5
    # in 0.8 s: a request may be late by the difference on a busy machine
    simulator = simulate(ISpotSimulator(days=1, enforce_limits=True, limit_headers="none"))
    simulator.limits = Limiter({"movies": [Rule(5, 0.4)]})
    families = [Family("movies", ("/movies",), (Limit(5, 0.8),))]
    # When
    run = run_tap({**simulator.settings(), "catalog_page_size": 2}, "movies", families=families, real_time=True)
    # Then all 13 pages came without a refusal
    assert {request.status for request in simulator.journal} == {200}
    assert len(simulator.journal.matching("/v4/movies")) == 13
    assert run.by_key("movies", "id") == simulator.truth("movies")


def test_families_do_not_hold_back_each_other(run_tap: RunTap, script: Script) -> None:
    # Given a vendor that answers one list with "nothing is left for 40 s"
    def answer(request: Any) -> Any:
        page = script.page([{"id": 1}])
        if request.path == "/v4/brands":
            page.headers += [("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "40")]
        return page

    vendor = script(answer)
    run = run_tap(vendor.settings(), "brands", "movies", "networks")
    assert run.clock.slept == []
