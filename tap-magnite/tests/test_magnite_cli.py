"""The program as a user runs it: exit codes, the last line on stderr, and a run that is stopped half way."""

from __future__ import annotations

import json
import signal
import time
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tap_magnite.tap import TapMagnite
from vendor_simulators.faults import Fault
from vendor_simulators.magnite import MagniteSimulator

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from singer_adtech.testing import Program as Cli
    from vendor_simulators.pytest_plugin import Simulate

BASE = "/v1/resources"
QUERIES = f"{BASE}/queries"


def last_line(finished: subprocess.CompletedProcess[str]) -> str:
    """Return the last line on stderr."""
    return finished.stderr.rstrip("\n").rsplit("\n", 1)[-1]


def messages(text: str) -> list[dict[str, Any]]:
    """Read Singer messages; a last line that was cut off is left out."""
    return [json.loads(one, parse_float=Decimal) for one in text.split("\n")[:-1]]


def select(cli: Cli, *streams: str) -> str:
    """Make a catalog that selects these streams and return its path."""
    catalog = TapMagnite(validate_config=False).catalog_dict
    for entry in catalog["streams"]:
        for one in entry["metadata"]:
            if one["breadcrumb"] == []:
                one["metadata"]["selected"] = entry["tap_stream_id"] in streams
    return cli.file("catalog.json", catalog)


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


def test_test_fails_with_wrong_keys(cli: Cli, magnite: MagniteSimulator) -> None:
    finished = cli("--test", config={**magnite.settings(), "secret_key": "somebody-elses"})
    assert finished.returncode == 1
    assert "check `access_key` and `secret_key`" in last_line(finished)
    assert "Traceback" not in finished.stderr
    assert len(magnite.journal) == 1


@pytest.mark.parametrize("arguments", [["--discover"], []], ids=["discover", "sync"])
def test_a_bad_report_gets_one_clear_line(cli: Cli, magnite: MagniteSimulator, arguments: list[str]) -> None:
    config = {**magnite.settings(), "reports": [{"name": "own", "dimensions": ["adUnit"], "metrics": ["requests"]}]}
    finished = cli(*arguments, config=config)
    assert finished.returncode == 1
    assert finished.stdout == ""
    assert "setting `reports`, report own: `dimensions` ['adUnit'] is not allowed" in last_line(finished)
    assert "Traceback" not in finished.stderr
    assert len(magnite.journal) == 0


def test_no_secret_in_the_log_at_the_level_debug(cli: Cli, magnite: MagniteSimulator) -> None:
    # Given a vendor that repeats keys and session in an error, settings from the environment, and every log line
    code = "4e7a8e0c-018d-4184-a780-7b8d7d7683fe"
    secrets = [magnite.access_key, magnite.secret_key, code]
    magnite.faults.add(Fault(path=f"{BASE}/supply", status=400, body="bad: " + " ".join(secrets), times=None))
    report = {"name": "own", "dimensions": ["day"], "metrics": ["requests"]}
    given = {
        **magnite.settings(),
        "end_date": "2025-03-02",
        "poll_interval": "0.1",
        "include_details": "true",
        "resource_paths": '{"seats": "/seats"}',
        "reports": json.dumps([report]),
        "loglevel": "DEBUG",
    }
    finished = cli("--config=ENV", environment={f"TAP_MAGNITE_{name.upper()}": value for name, value in given.items()})
    # Then the run got to the error, and no secret is anywhere: not in the address of the log-out either
    assert finished.returncode == 1
    assert 'HTTP 400 Bad Request "bad: [hidden] [hidden] [hidden]"' in last_line(finished)
    assert "DEBUG" in finished.stderr
    assert "/v1/resources/sessions/[hidden]" in finished.stderr
    assert magnite.sessions.issued == [code]
    cookies = {value for request in magnite.journal for _, value in request.cookies()}
    assert len(cookies) == 2
    for text in (finished.stdout, finished.stderr):
        assert [secret for secret in [*secrets, *cookies] if secret in text] == []
    assert {request.json()["fields"][0] for request in magnite.journal.matching(QUERIES, "POST")} == {"day"}


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


def test_a_run_killed_half_way_goes_on_from_its_last_state(cli: Cli, days: MagniteSimulator) -> None:
    # Given a run that is killed while its fourth query runs
    days.faults.add(Fault(path=f"{QUERIES}/?????????", nth=7, action="slow", delay=30))
    catalog = select(cli, "adstats_daily")
    process = cli.start("--catalog", catalog, config=settings(days))
    wait_until(lambda: len(days.queries.accepted) == 4 and days.journal[-1].status == 0)
    process.kill()
    before = messages(process.communicate(timeout=30)[0])
    state = [one["value"] for one in before if one["type"] == "STATE"][-1]
    assert state["bookmarks"]["adstats_daily"]["replication_key_value"] == "2025-03-03"
    # When it is started again from its last STATE, and meets the query that was left behind
    days.journal.clear()
    days.faults.clear()
    finished = cli("--catalog", catalog, "--state", cli.file("state.json", state), config=settings(days))
    # Then it did not start over, waited for the slot, and both runs together hold the truth
    assert finished.returncode == 0
    posts = days.journal.matching(QUERIES, "POST")
    asked = [one.json()["range"]["fromDate"] for one in posts if one.status == 200]
    # The bookmark's own day is always read again
    assert asked == ["2025-03-03", "2025-03-04", "2025-03-05", "2025-03-06"]
    assert 412 in [one.status for one in posts] or len(posts) == 4
    rows = [one["record"] for one in [*before, *messages(finished.stdout)] if one["type"] == "RECORD"]
    loaded = {row["row_key"]: row for row in rows}
    assert [loaded[key] for key in sorted(loaded)] == days.truth("adstats_daily")
    assert days.violations == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_run_cancels_its_query_and_logs_out(
    cli: Cli, days: MagniteSimulator, number: signal.Signals, code: int
) -> None:
    # Given a run that waits for its third query
    days.queries._polls = 1000  # noqa: SLF001 - more polls than by default
    days.faults.add(Fault(path=QUERIES, method="POST", status=200, body='{"code": "x", "status": 3}', times=2))
    days.faults.add(Fault(path=f"{QUERIES}/x/results", status=200, body="[]", times=2))
    catalog = select(cli, "adstats_daily")
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
    states = [one["value"] for one in messages(out) if one["type"] == "STATE"]
    assert states[-1]["bookmarks"]["adstats_daily"]["replication_key_value"] == "2025-03-02"
    assert days.violations == []


def test_a_second_signal_does_not_cut_the_farewell_short(cli: Cli, days: MagniteSimulator) -> None:
    # Given a vendor that takes a while to log out; Ctrl-C reaches a tap from the terminal and from Meltano
    days.faults.add(Fault(path=f"{BASE}/sessions/*", action="slow", delay=1))
    days.faults.add(Fault(path=f"{BASE}/seats", action="slow", delay=30))
    process = cli.start("--catalog", select(cli, "seats"), config=settings(days))
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
    process = cli.start("--catalog", select(cli, "ad_units"), config=config)
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


def test_discovery_tells_keys(cli: Cli) -> None:
    streams = json.loads(cli("--discover").stdout)["streams"]
    assert {entry["tap_stream_id"]: tuple(entry["key_properties"]) for entry in streams} == {
        **dict.fromkeys(("seats", "publishers", "brands", "supply", "ad_units"), ("id",)),
        "query_sources": ("name",),
        **dict.fromkeys(("query_dimensions", "query_metrics"), ("source", "id")),
        "adstats_daily": ("row_key",),
    }
    assert {entry["tap_stream_id"]: entry["replication_method"] for entry in streams}["adstats_daily"] == "INCREMENTAL"
