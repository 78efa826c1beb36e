"""Request budgets: so many starts in any 60 seconds, shared by all that is asked."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.testing import FakeClock
from vendor_simulators.messages import Response

if TYPE_CHECKING:
    from singer_adtech.testing import TapRunner
    from springserve_fixtures import Script
    from vendor_simulators.messages import Request

NOW = dt.datetime(2026, 2, 10, 15, 30, tzinfo=dt.timezone.utc)
BY_DOMAIN: dict[str, Any] = {"name": "mine", "dimensions": ["detected_domain"], "metrics": ["revenue"]}


def starts(run_tap: TapRunner, script: Script, pages: int, *streams: str, **settings: Any) -> list[float]:
    """Return the seconds at which data requests start, the login at 0; lists have so many pages."""
    clock = FakeClock(NOW)
    times: list[float] = []

    def answer(request: Request) -> Response:
        times.append(clock.monotonic())
        if request.method == "POST":
            return Response.json({"status": "COMPLETE", "report_id": "x", "total_pages": 1, "data": []})
        page = int(request.param("page") or 1)
        return Response.json([{"id": page}] if page < pages else [])

    vendor = script(answer)
    run_tap({**vendor.settings(), "parallel_requests": 1, **settings}, *streams, clock=clock)
    return times


def most_within_a_minute(times: list[float]) -> int:
    return max(sum(start <= one < start + 60 for one in times) for start in times)


@pytest.mark.parametrize("limit", [240, 100])
def test_all_requests_keep_their_budget(run_tap: TapRunner, script: Script, limit: int) -> None:
    times = starts(run_tap, script, limit * 2 + 10, "campaigns", requests_per_minute=limit)

    # The login is the first one.
    assert most_within_a_minute([0.0, *times]) == limit
    assert len(times) == limit * 2 + 10
    # And hardly a moment is lost.
    assert times[-1] == pytest.approx(120.2, abs=0.2)


def test_reports_keep_a_budget_of_their_own(run_tap: TapRunner, script: Script) -> None:
    times = starts(run_tap, script, 1, "supply_daily", start_date="2026-01-15", window_days=1)

    assert len(times) == 27
    assert most_within_a_minute(times) == 10
    assert times[-1] == pytest.approx(120.2, abs=0.05)


def test_reports_by_domain_keep_all_three(run_tap: TapRunner, script: Script) -> None:
    times = starts(run_tap, script, 1, "mine", reports=[BY_DOMAIN], window_days=1)

    assert len(times) == 10
    assert most_within_a_minute(times) == 3


def test_a_filter_makes_a_report_one_by_domain(run_tap: TapRunner, script: Script) -> None:
    report = {**BY_DOMAIN, "dimensions": [], "filters": {"app_bundles": ["com.example"]}}

    assert most_within_a_minute(starts(run_tap, script, 1, "mine", reports=[report], window_days=1)) == 3


def test_lower_settings_are_kept(run_tap: TapRunner, script: Script) -> None:
    times = starts(run_tap, script, 1, "supply_daily", window_days=1, report_requests_per_minute=2)

    assert most_within_a_minute(times) == 2


def test_polls_and_pages_count(run_tap: TapRunner, script: Script) -> None:
    # Given a report that has to be polled for ever, with an interval below the budget's
    clock = FakeClock(NOW)
    times: list[float] = []

    def answer(_: Request) -> Response:
        times.append(clock.monotonic())
        return Response.json({"status": "QUEUED", "report_id": "x"})

    settings = {**script(answer).settings(), "report_poll_interval": 1, "report_timeout": 200}
    # When it is waited for
    run_tap(settings, "supply_daily", clock=clock, fails=True)
    # Then polls keep the budget of reports
    assert most_within_a_minute(times) == 10
    assert len(times) > 30


def test_a_setting_above_the_vendors_limit_is_warned_about(run_tap: TapRunner, script: Script) -> None:
    vendor = script(lambda _: Response.json([]))
    settings = {**vendor.settings(), "requests_per_minute": 241, "report_requests_per_minute": 10}

    run = run_tap({**settings, "domain_report_requests_per_minute": 9}, "campaigns")

    assert run.warnings() == [
        "setting `requests_per_minute`: 241 is above the limit of the vendor (240)",
        "setting `domain_report_requests_per_minute`: 9 is above the limit of the vendor (3)",
    ]
