"""The program as a user runs it: exit codes, the last line on stderr, and a run that is stopped half way."""

from __future__ import annotations

import json
import signal
import time
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.testing import last_line, read_messages, select
from tap_magnite.tap import TapMagnite
from vendor_simulators.faults import Fault
from vendor_simulators.magnite import MagniteSimulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from singer_adtech.testing import Program as Cli
    from vendor_simulators.pytest_plugin import Simulate

BASE = "/v1/resources"
QUERIES = f"{BASE}/queries"


def wait_until(happened: Callable[[], object]) -> None:
    """Wait until something has happened, ten seconds at most."""
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_test_is_a_login_a_list_and_a_logout(cli: Cli, magnite: MagniteSimulator) -> None:
    finished = cli("--test", config=magnite.settings())
    assert finished.returncode == 0
    assert [(one.method, one.path.removeprefix(BASE)) for one in magnite.journal] == [
        ("POST", "/sessions"),
        ("GET", "/seats"),
        ("DELETE", f"/sessions/{magnite.sessions.issued[0]}"),
    ]


@pytest.mark.parametrize("arguments", [["--discover"], []], ids=["discover", "sync"])
def test_a_bad_report_gets_one_clear_line(cli: Cli, magnite: MagniteSimulator, arguments: list[str]) -> None:
    config = {**magnite.settings(), "reports": [{"name": "own", "dimensions": ["day"], "metrics": []}]}
    finished = cli(*arguments, config=config)
    assert finished.returncode == 1
    assert finished.stdout == ""
    assert "setting `reports`, report own: `metrics` is empty" in last_line(finished.stderr)
    assert "Traceback" not in finished.stderr
    assert len(magnite.journal) == 0


@pytest.fixture
def days(simulate: Simulate) -> MagniteSimulator:
    """Six days of ten rows; a query that nobody asks for ends by itself after half a second."""
    return simulate(MagniteSimulator(first_day=date(2025, 3, 1), days=6, rows_per_day=10, query_seconds=0.5))


def settings(simulator: MagniteSimulator, **more: Any) -> dict[str, Any]:
    """Return settings that read a day a query and do not wait long."""
    return {
        **simulator.settings(),
        "end_date": "2025-03-06",
        "window_days": 1,
        "poll_interval": 0.1,
        "busy_wait": 0.1,
        "lookback_days": 0,
        **more,
    }


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_run_cancels_its_query_and_logs_out(
    cli: Cli, days: MagniteSimulator, number: signal.Signals, code: int
) -> None:
    # Given a run that waits for its third query
    days.queries._polls = 1000  # noqa: SLF001 - more polls than by default
    days.faults.add(Fault(path=QUERIES, method="POST", status=200, body='{"code": "x", "status": 3}', times=2))
    days.faults.add(Fault(path=f"{QUERIES}/x/results", status=200, body="[]", times=2))
    catalog = cli.file("catalog.json", select(TapMagnite, "adstats_daily"))
    process = cli.start("--catalog", catalog, config=settings(days, poll_interval=60, query_timeout=600))
    wait_until(lambda: days.queries.accepted)
    time.sleep(0.3)
    # When
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    # Then
    assert process.returncode == code
    assert [(one.method, one.path.removeprefix(BASE)) for one in days.journal][-2:] == [
        ("DELETE", f"/queries/{days.queries.accepted[0].code}"),
        ("DELETE", f"/sessions/{days.sessions.issued[0]}"),
    ]
    assert days.sessions.open_codes == []
    assert days.queries.running is None
    assert f"stopped by signal {number.value}" in err.rstrip().rsplit("\n", 1)[-1]
    states = [one["value"] for one in read_messages(out) if one["type"] == "STATE"]
    assert states[-1]["bookmarks"]["adstats_daily"]["replication_key_value"] == "2025-03-02"
    assert days.violations == []


def test_a_second_signal_does_not_cut_the_farewell_short(cli: Cli, days: MagniteSimulator) -> None:
    # Given a vendor that takes a while to log out; Ctrl-C reaches a tap from the terminal and from Meltano
    days.faults.add(Fault(path=f"{BASE}/sessions/*", action="slow", delay=1))
    days.faults.add(Fault(path=f"{BASE}/seats", action="slow", delay=30))
    process = cli.start("--catalog", cli.file("catalog.json", select(TapMagnite, "seats")), config=settings(days))
    wait_until(lambda: days.journal.matching(f"{BASE}/seats"))
    process.send_signal(signal.SIGINT)
    wait_until(lambda: days.journal.matching(method="DELETE"))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert days.sessions.open_codes == []


def test_threads_at_work_open_no_session_after_the_logout(cli: Cli, days: MagniteSimulator) -> None:
    # Given detail calls in flight when the run is stopped
    days.faults.add(Fault(path=f"{BASE}/adUnits/*", action="slow", delay=0.5, times=None))
    config = settings(days, include_details=True, parallel_requests=10)
    process = cli.start("--catalog", cli.file("catalog.json", select(TapMagnite, "ad_units")), config=config)
    wait_until(lambda: days.journal.matching(f"{BASE}/adUnits/*"))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    time.sleep(0.7)
    assert process.returncode == 143
    assert len(days.sessions.issued) == 1
    assert days.sessions.open_codes == []


def test_numbers_with_a_point_in_a_settings_file(cli: Cli, days: MagniteSimulator) -> None:
    constraint = {"field": "requests", "operator": ">=", "value": 0.5}
    kept = {"field": "adUnit", "value": [1000, 1.5]}
    report = {"name": "own", "dimensions": ["day"], "metrics": ["requests"], "constraints": [constraint]}
    config = settings(days, reports=[{**report, "filters": [kept]}], busy_wait=0.25, end_date="2025-03-01")
    finished = cli(
        "--catalog", cli.file("catalog.json", json.loads(cli("--discover", config=config).stdout)), config=config
    )
    assert finished.returncode == 0
    definition = days.journal.matching(QUERIES, "POST")[0].json()
    assert definition["constraints"] == [constraint]
    assert definition["filters"] == [{"field": "adUnit", "negate": False, "value": [1000, 1.5]}]
