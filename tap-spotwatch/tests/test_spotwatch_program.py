"""The program as a user runs it: exit codes, the last line on stderr, and a run that is stopped half way."""

from __future__ import annotations

import json
import signal
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.testing import read_messages, select
from tap_spotwatch.tap import TapSpotwatch
from vendor_simulators.faults import Fault
from vendor_simulators.spotwatch import SpotwatchSimulator

if TYPE_CHECKING:
    from singer_adtech.testing import Program
    from vendor_simulators.pytest_plugin import Simulate

QUEUE = "/get-message-queue"


def test_discover_needs_no_settings(program: Program) -> None:
    finished = program("--discover")
    assert finished.returncode == 0
    assert len(json.loads(finished.stdout)["streams"]) == 10


def test_test_and_discover_leave_the_queue_alone(program: Program, spotwatch: SpotwatchSimulator) -> None:
    # given the queue asked for twice
    config = {**spotwatch.settings(), "message_queue": True, "end_date": "2024-06-09"}
    catalog = program.file("catalog.json", select(TapSpotwatch, "broadcast_messages", "regions"))
    # when
    runs = [
        program.start(*arguments, config=config)
        for arguments in (("--test",), ("--test", "--catalog", catalog), ("--discover",))
    ]
    codes = [(run.communicate(timeout=60), run.returncode)[1] for run in runs]
    # then
    assert codes == [0, 0, 0]
    assert spotwatch.journal.matching(QUEUE) == []
    assert spotwatch.journal.matching("/get-ads")
    assert len(spotwatch.truth("broadcast_messages")) == 250
    assert spotwatch.violations == []


def test_a_bad_setting_and_a_refusal_get_one_clear_line(program: Program, spotwatch: SpotwatchSimulator) -> None:
    # given runs that go on side by side to save time
    good = {**spotwatch.settings(), "end_date": "2024-06-09"}
    cases: dict[str, dict[str, Any]] = {
        "setting `page_size`: 200000 is not allowed: an integer from 1 to 100000": {**good, "page_size": 200_000},
        "setting `api_key` is missing": {name: value for name, value in good.items() if name != "api_key"},
        "stream ads, window 2024-06-08T00:00:00+00:00..2024-06-09T00:00:00+00:00: HTTP 403 Forbidden": {
            **good,
            "api_key": "somebody-elses",
            "parallel_requests": 1,
        },
    }
    runs = {said: program.start(config=config) for said, config in cases.items()}
    for said, run in runs.items():
        out, err = run.communicate(timeout=60)
        # then
        assert run.returncode == 1
        assert '"RECORD"' not in out
        last = [one for one in err.splitlines() if "| CRITICAL " in one]
        assert len(last) == 1
        assert last[0] == err.splitlines()[-1]
        assert f"tap-spotwatch: {said}" in last[0]
        assert "Traceback" not in err
        assert "somebody-elses" not in err
    assert len(spotwatch.journal) == 1


def test_no_secret_and_no_link_in_any_output_at_debug(program: Program, spotwatch: SpotwatchSimulator) -> None:
    # given settings from the environment, and links that fail in several ways and at last for good
    link = "/????????????????????"
    spotwatch.faults.add(
        Fault(path=link, action="drop"),
        Fault(path=link, action="expire_token", nth=3),
        Fault(path=link, action="expire_token", nth=9, times=None),
    )
    given = {**spotwatch.settings(), "page_size": "20", "regions": '["de", "at"]', "loglevel": "DEBUG"}
    environment = {f"TAP_SPOTWATCH_{name.upper()}": value for name, value in given.items()}
    # when
    catalog = program.file("catalog.json", select(TapSpotwatch, "broadcasts"))
    finished = program("--config=ENV", "--catalog", catalog, environment=environment)
    # then
    assert finished.returncode == 1
    assert "the page link expired: raise `page_size` or lower `window_days`" in finished.stderr.splitlines()[-1]
    assert "Traceback" in finished.stderr
    assert "DEBUG" in finished.stderr
    secrets = [spotwatch.api_key, *(one[1:] for one in spotwatch.chains.issued)]
    assert len(secrets) > 5
    assert [secret for secret in secrets if secret in finished.stdout + finished.stderr] == []


@pytest.fixture
def days(simulate: Simulate) -> SpotwatchSimulator:
    """Ten days; the answers from the sixth window of broadcasts on do not come in time for a run that is stopped."""
    simulator = simulate(SpotwatchSimulator(days=10, rows_per_day=60))
    for day in range(6, 11):
        begin = {"time_from": f"2024-03-{day:02}T00:00:00Z"}
        simulator.faults.add(Fault(path="/get-broadcasts", params=begin, times=None, action="slow", delay=30))
    return simulator


def stop(program: Program, simulator: SpotwatchSimulator, number: signal.Signals) -> tuple[int, list[dict[str, Any]]]:
    """Start a run and stop it after its fifth STATE."""
    catalog = program.file("catalog.json", select(TapSpotwatch, "broadcasts"))
    config = {**simulator.settings(), "end_date": "2024-03-10", "page_size": 25}
    return program.stop(number, 5, "--catalog", catalog, config=config)


def test_a_run_killed_half_way_goes_on_from_its_last_state(program: Program, days: SpotwatchSimulator) -> None:
    # given a run that is killed when five of ten days are loaded
    code, before = stop(program, days, signal.SIGKILL)
    assert code == -signal.SIGKILL
    state = [one["value"] for one in before if one["type"] == "STATE"][-1]
    assert state["bookmarks"]["broadcasts"]["replication_key_value"] == "2024-03-06T00:00:00Z"
    # when it is started again from its last STATE, without look-back
    days.journal.clear()
    days.faults.clear()
    config = {**days.settings(), "end_date": "2024-03-10", "broadcasts_lookback_days": 0}
    catalog = program.file("catalog.json", select(TapSpotwatch, "broadcasts"))
    finished = program("--catalog", catalog, "--state", program.file("state.json", state), config=config)
    # then it did not start over, and both runs together hold the truth
    assert finished.returncode == 0
    asked = sorted(request.param("time_from") or "" for request in days.journal)
    assert asked == [f"2024-03-{day:02}T00:00:00Z" for day in range(6, 11)]
    rows = [one["record"] for one in [*before, *read_messages(finished.stdout)] if one["type"] == "RECORD"]
    loaded = {row["id"]: row for row in rows}
    assert [loaded[number] for number in sorted(loaded)] == days.truth("broadcasts", last_day=date(2024, 3, 10))
    assert days.violations == []


def test_a_run_that_is_asked_to_stop_says_so_by_its_exit_code(program: Program, days: SpotwatchSimulator) -> None:
    code, said = stop(program, days, signal.SIGTERM)
    assert code == 143
    bookmarks = [one["value"]["bookmarks"]["broadcasts"] for one in said if one["type"] == "STATE"]
    assert bookmarks[-1]["replication_key_value"] == "2024-03-06T00:00:00Z"
