"""Queries: one at a time, polled with growing waits, resubmitted once, cancelled when they are left."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from vendor_simulators.faults import Fault
from vendor_simulators.magnite import MagniteSimulator
from vendor_simulators.messages import Response

if TYPE_CHECKING:
    from magnite_fixtures import Script
    from singer_adtech.testing import TapRunner
    from vendor_simulators.messages import Request
    from vendor_simulators.pytest_plugin import Simulate

BASE = "/v1/resources"
QUERIES = f"{BASE}/queries"
POLLS = f"{QUERIES}/?????????"
WHERE = "stream adstats_daily, window 2025-03-01..2025-03-03: "


def settings(simulator: MagniteSimulator, **more: Any) -> dict[str, Any]:
    """Return settings that read three days in one window."""
    return {**simulator.settings(), "end_date": "2025-03-03", **more}


@pytest.fixture
def vendor(simulate: Simulate) -> MagniteSimulator:
    """A vendor with three days of 20 rows."""
    return simulate(MagniteSimulator(first_day=date(2025, 3, 1), days=3, rows_per_day=20))


def query_calls(simulator: MagniteSimulator) -> list[tuple[int, str, str]]:
    """Return status, method and address of each request about queries, codes left out."""
    codes = [ticket.code for ticket in simulator.queries.accepted]
    calls = []
    for one in simulator.journal.matching(f"{QUERIES}*"):
        target = one.target.removeprefix(BASE)
        for number, code in enumerate(codes, start=1):
            target = target.replace(code, f"<{number}>")
        calls.append((one.status, one.method, target))
    return calls


def poll_answer(status: Any, error: Any = None) -> dict[str, Any]:
    """Make what a faulty poll says."""
    return {"status": 200, "body": json.dumps({"code": "x", "status": status, "startTime": None, "error": error})}


def test_the_calls_of_one_query(run_tap: TapRunner, vendor: MagniteSimulator) -> None:
    run = run_tap(settings(vendor), "adstats_daily")
    assert query_calls(vendor) == [
        (200, "POST", "/queries"),
        (200, "GET", "/queries/<1>"),
        (200, "GET", "/queries/<1>"),
        (200, "GET", "/queries/<1>/results?fmt=json"),
    ]
    assert run.clock.slept == [10, 15]
    assert vendor.journal[1].json() == {
        "source": "adstats-publisher",
        "fields": [
            *("day", "publisher", "supply", "adUnit", "currency"),
            *("requests", "impressions", "fillRate", "useRate", "netRevenue", "grossRevenue"),
        ],
        "orderings": [{"field": "day", "direction": "asc"}],
        "range": {"fromDate": "2025-03-01", "toDate": "2025-03-03", "timeZone": "UTC"},
    }


def test_the_definition_of_the_specification(run_tap: TapRunner, vendor: MagniteSimulator) -> None:
    report = {
        "name": "units",
        "dimensions": ["day", "adUnit"],
        "metrics": ["requests", "netRevenue"],
        "filters": [{"field": "publisher", "negate": "false", "value": 4000}],
        "constraints": [{"field": "requests", "operator": ">", "value": 0}],
    }
    run_tap({**vendor.settings(), "reports": [report], "end_date": "2025-03-07"}, "units")
    assert vendor.journal[1].json() == {
        "source": "adstats-publisher",
        "fields": ["day", "adUnit", "requests", "netRevenue"],
        "filters": [{"field": "publisher", "negate": False, "value": [4000]}],
        "constraints": [{"field": "requests", "operator": ">", "value": 0}],
        "orderings": [{"field": "day", "direction": "asc"}],
        "range": {"fromDate": "2025-03-01", "toDate": "2025-03-07", "timeZone": "UTC"},
    }


def test_waits_between_polls_grow_to_a_minute(run_tap: TapRunner, simulate: Simulate) -> None:
    simulator = simulate(MagniteSimulator(first_day=date(2025, 3, 1), days=3, rows_per_day=20, polls=8))
    run = run_tap(settings(simulator), "adstats_daily")
    assert run.clock.slept == [10, 15, 22.5, 33.75, 50.625, 60, 60, 60, 60]
    run = run_tap(settings(simulator, poll_interval=0.1), "adstats_daily")
    assert run.clock.slept == pytest.approx([0.1 * 1.5**power for power in range(9)])


@pytest.mark.parametrize(
    "status",
    [1, 2, "1", "2", "RUNNING", "running", "Created", {"id": 2, "name": "?"}, {"id": "1"}, {"name": "running"}],
    ids=str,
)
def test_status_that_is_waited_out(run_tap: TapRunner, vendor: MagniteSimulator, status: Any) -> None:
    vendor.faults.add(Fault(path=POLLS, **poll_answer(status)))
    run = run_tap(settings(vendor), "adstats_daily")
    assert run.clock.slept == [10, 15, 22.5]
    assert run.by_key("adstats_daily", "row_key") == vendor.truth("adstats_daily")


@pytest.mark.parametrize(
    "status", [3, "3", "COMPLETED", "completed", {"id": 3}, {"id": None, "name": "Completed"}], ids=str
)
def test_a_query_that_is_complete_at_once(run_tap: TapRunner, script: Script, status: Any) -> None:
    def answer(request: Request) -> Response:
        if request.method == "POST":
            return Response.json({"code": "q 1/2", "status": status})
        return Response.json([{"day": "2025-03-01", "adUnit": "A"}])

    vendor = script(answer)
    report = {"name": "units", "dimensions": ["day", "adUnit"], "metrics": ["requests"]}
    run = run_tap({**vendor.settings(), "end_date": "2025-03-01", "reports": [report]}, "units")
    assert len(run.records("units")) == 1
    assert run.clock.slept == []
    assert [request.target.removeprefix(BASE) for request in vendor.journal[1:-1]] == [
        "/queries",
        "/queries/q%201%2F2/results?fmt=json",
    ]


@pytest.mark.parametrize(
    "status", [0, 6, "7", "PAUSED", "", None, True, 2.5, [], {}, {"id": 9, "name": "RUNNING"}], ids=str
)
def test_an_unknown_status_stops_the_run(run_tap: TapRunner, vendor: MagniteSimulator, status: Any) -> None:
    vendor.faults.add(Fault(path=POLLS, **poll_answer(status)))
    run = run_tap(settings(vendor), "adstats_daily", fails=True)
    assert run.error.startswith(f"{WHERE}unknown query status ")
    # The query is cancelled, and then the session is closed
    assert [call[1:] for call in query_calls(vendor)] == [
        ("POST", "/queries"),
        ("GET", "/queries/<1>"),
        ("DELETE", "/queries/<1>"),
    ]
    assert vendor.journal[-1].path.startswith(f"{BASE}/sessions/")
    assert run.states == []


def test_an_unknown_status_of_a_ticket_stops_the_run(run_tap: TapRunner, script: Script) -> None:
    vendor = script(lambda _: Response.json({"code": "q1", "status": "SLEEPING"}))
    run = run_tap(vendor.settings(), "adstats_daily", fails=True)
    assert "unknown query status 'SLEEPING'" in run.error
    assert [(request.method, request.path.removeprefix(BASE)) for request in vendor.journal[1:]] == [
        ("POST", "/queries"),
        ("DELETE", "/queries/q1"),
        ("DELETE", "/sessions/made-up-code-1"),
    ]


@pytest.mark.parametrize("fate", ["errored", "cancelled", "lost", "results lost"])
def test_a_query_is_submitted_once_more(run_tap: TapRunner, vendor: MagniteSimulator, fate: Any) -> None:
    vendor.queries.outcomes.append(fate)
    run = run_tap(settings(vendor), "adstats_daily")
    assert run.by_key("adstats_daily", "row_key") == vendor.truth("adstats_daily")
    posts = vendor.journal.matching(QUERIES, "POST")
    assert [request.status for request in posts] == [200, 200]
    assert posts[0].json() == posts[1].json()
    assert vendor.violations == []


@pytest.mark.parametrize(
    ("fates", "said"),
    [
        (("errored", "errored"), "the job failed (status ERRORED): The warehouse is not available."),
        (("lost", "errored"), "the job failed (status ERRORED): The warehouse is not available."),
        (("errored", "cancelled"), "the job failed (status CANCELLED)"),
        (("results lost", "lost"), 'HTTP 404 Not Found "not-found: There is no such query."'),
        (("cancelled", "results lost"), 'HTTP 404 Not Found "not-found: The results are gone."'),
    ],
    ids=str,
)
def test_the_second_time_is_fatal(
    run_tap: TapRunner, vendor: MagniteSimulator, fates: tuple[Any, ...], said: str
) -> None:
    vendor.queries.outcomes.extend(fates)
    run = run_tap(settings(vendor), "adstats_daily", fails=True)
    assert run.error.startswith(f"{WHERE}{said} (tried 2 times)")
    assert len(vendor.journal.matching(QUERIES, "POST")) == 2
    assert run.records("adstats_daily") == []
    assert run.states == []


def test_each_window_has_its_own_second_try(run_tap: TapRunner, vendor: MagniteSimulator) -> None:
    vendor.queries.outcomes.extend(["errored", "completed", "lost", "completed", "cancelled", "completed"])
    run = run_tap(settings(vendor, window_days=1), "adstats_daily")
    assert run.by_key("adstats_daily", "row_key") == vendor.truth("adstats_daily")
    assert len(vendor.journal.matching(QUERIES, "POST")) == 6


def test_a_new_login_may_lose_the_query(run_tap: TapRunner, simulate: Simulate) -> None:
    # Given a vendor that forgets codes with their session, and a session that ends between two polls
    simulator = simulate(
        MagniteSimulator(first_day=date(2025, 3, 1), days=3, rows_per_day=20, polls=3, codes_survive_login=False)
    )
    simulator.faults.add(Fault(path=POLLS, action="expire_token", nth=2))
    # When
    run = run_tap(settings(simulator), "adstats_daily")
    # Then the old query is waited out, and there is one submit more
    assert run.by_key("adstats_daily", "row_key") == simulator.truth("adstats_daily")
    assert len(simulator.queries.accepted) == 2
    assert len(simulator.sessions.issued) == 2
    assert 412 in [request.status for request in simulator.journal.matching(QUERIES, "POST")]
    assert simulator.violations == []


@pytest.mark.parametrize("status", [1, 2])
def test_an_error_beside_a_query_at_work_may_pass(run_tap: TapRunner, vendor: MagniteSimulator, status: int) -> None:
    # Given errors in three consecutive polls, twice, with one good poll between
    wrong = poll_answer(status, "a hiccup")
    vendor.queries._polls = 2  # noqa: SLF001 - more polls than by default
    vendor.faults.add(Fault(path=POLLS, times=3, **wrong), Fault(path=POLLS, nth=5, times=3, **wrong))
    run = run_tap(settings(vendor), "adstats_daily")
    assert run.by_key("adstats_daily", "row_key") == vendor.truth("adstats_daily")


def test_the_fourth_error_in_a_row_is_fatal(run_tap: TapRunner, vendor: MagniteSimulator) -> None:
    vendor.faults.add(Fault(path=POLLS, times=None, **poll_answer(2, {"code": 7})))
    run = run_tap(settings(vendor), "adstats_daily", fails=True)
    assert run.error.startswith(f"{WHERE}the running query reports an error: {{'code': 7}}")
    assert [call[1] for call in query_calls(vendor)] == ["POST", "GET", "GET", "GET", "GET", "DELETE"]


def test_another_query_is_waited_out(run_tap: TapRunner, simulate: Simulate) -> None:
    simulator = simulate(MagniteSimulator(first_day=date(2025, 3, 1), days=3, rows_per_day=20, foreign_query=5))
    run = run_tap(settings(simulator), "adstats_daily")
    assert run.by_key("adstats_daily", "row_key") == simulator.truth("adstats_daily")
    assert run.clock.slept == [60] * 5 + [10, 15]
    assert [request.status for request in simulator.journal.matching(QUERIES, "POST")] == [412] * 5 + [200]


def test_another_query_that_does_not_end_is_fatal(run_tap: TapRunner, simulate: Simulate) -> None:
    simulator = simulate(MagniteSimulator(first_day=date(2025, 3, 1), days=3, foreign_query=1000))
    run = run_tap(settings(simulator, busy_wait=30, busy_timeout=100), "adstats_daily", fails=True)
    assert run.clock.slept == [30, 30, 30]
    assert run.error == (
        f'{WHERE}another query of this user is still running: HTTP 412 Precondition Failed "query-running: Another '
        'query is running." (waited 90 s): wait until the other job ends, or raise `busy_timeout`'
    )
    assert len(simulator.journal.matching(QUERIES, "POST")) == 4
    assert run.states == []
    assert run.records("adstats_daily") == []


def test_the_patience_with_another_query_is_for_all_tries_of_a_window(run_tap: TapRunner, script: Script) -> None:
    # Given another query that runs before the first try, and again before the second
    posts: list[int] = []

    def answer(request: Request) -> Response:
        if request.method == "POST":
            posts.append(1)
            return Response.json({"code": "q1", "status": 4}) if len(posts) == 3 else Response.json({}, 412)
        raise AssertionError

    vendor = script(answer)
    run = run_tap({**vendor.settings(), "busy_wait": 40, "busy_timeout": 100}, "adstats_daily", fails=True)
    assert run.clock.slept == [40, 40]
    assert "(waited 80 s)" in run.error


def test_a_lost_answer_to_a_submit_is_waited_out(run_tap: TapRunner, simulate: Simulate) -> None:
    simulator = simulate(MagniteSimulator(first_day=date(2025, 3, 1), days=3, rows_per_day=20, polls=2))
    simulator.faults.add(Fault(path=QUERIES, method="POST", action="cut"))
    run = run_tap(settings(simulator), "adstats_daily")
    assert run.by_key("adstats_daily", "row_key") == simulator.truth("adstats_daily")
    # The first one ran on without anybody who knew its code
    assert [request.status for request in simulator.journal.matching(QUERIES, "POST")] == [200, 412, 412, 412, 200]
    assert run.clock.waits == [1]
    assert simulator.violations == []


def test_a_query_that_takes_too_long_is_cancelled(run_tap: TapRunner, simulate: Simulate) -> None:
    simulator = simulate(MagniteSimulator(first_day=date(2025, 3, 1), days=3, polls=1000))
    run = run_tap(settings(simulator, query_timeout=60), "adstats_daily", fails=True)
    assert run.clock.slept == [10, 15, 22.5, 12.5]
    assert run.error == (
        f"{WHERE}no result within 60 s (last status RUNNING): raise `query_timeout`, or request less at a time"
    )
    assert [call[1] for call in query_calls(simulator)] == ["POST", "GET", "GET", "GET", "GET", "DELETE"]
    assert simulator.queries.accepted[0].status == "CANCELLED"
    assert simulator.journal[-1].path.startswith(f"{BASE}/sessions/")


@pytest.mark.parametrize("status", [500, 404, 419])
def test_a_cancel_that_fails_changes_nothing(run_tap: TapRunner, simulate: Simulate, status: int) -> None:
    simulator = simulate(MagniteSimulator(first_day=date(2025, 3, 1), days=3, polls=1000))
    simulator.faults.add(Fault(path=POLLS, method="DELETE", status=status, times=None))
    run = run_tap(settings(simulator, query_timeout=5), "adstats_daily", fails=True)
    assert "no result within 5 s" in run.error
    assert len(simulator.journal.matching(f"{QUERIES}/*", "DELETE")) == 1
    assert len(simulator.sessions.issued) == 1


def test_an_error_while_a_query_runs_cancels_it(run_tap: TapRunner, vendor: MagniteSimulator) -> None:
    vendor.faults.add(Fault(path=POLLS, method="GET", status=403, times=None))
    run = run_tap(settings(vendor), "adstats_daily", fails=True)
    assert "the user has no permission for this stream" in run.error
    assert query_calls(vendor)[-1] == (200, "DELETE", "/queries/<1>")
    assert vendor.sessions.open_codes == []


def test_two_reports_are_asked_for_one_after_the_other(run_tap: TapRunner, vendor: MagniteSimulator) -> None:
    reports = [{"name": name, "dimensions": ["day"], "metrics": ["requests"]} for name in ("one", "two", "three")]
    run_tap(settings(vendor, reports=reports, window_days=1, parallel_requests=10), "one", "two", "three")
    assert len(vendor.queries.accepted) == 9
    assert vendor.journal.concurrency(f"{QUERIES}*") == 1
    assert vendor.violations == []


@pytest.mark.parametrize("ticket", [{"status": 1}, {"code": None, "status": 2}, {"code": "", "status": 2}, []], ids=str)
def test_a_ticket_without_a_code_is_fatal(run_tap: TapRunner, script: Script, ticket: Any) -> None:
    vendor = script(lambda _: Response.json(ticket))
    run = run_tap(vendor.settings(), "adstats_daily", fails=True)
    assert "the response to a submitted query has no code" in run.error or "not a JSON object" in run.error
    assert len(vendor.journal.matching(QUERIES)) == 1
