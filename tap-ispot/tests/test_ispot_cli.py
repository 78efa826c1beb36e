"""The program as a user runs it: exit codes, the last line on stderr, and a run that is stopped half way."""

from __future__ import annotations

import json
import os
import signal
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tap_ispot.tap import TapISpot
from vendor_simulators.faults import Fault
from vendor_simulators.ispot import ISpotSimulator

if TYPE_CHECKING:
    import subprocess

    from singer_adtech.testing import Program as Cli
    from vendor_simulators.pytest_plugin import Simulate

AUDIENCE = "/v4/metrics/audience/airings"
GOOD = {"client_id": "made-up-client", "client_secret": "made-up-secret", "start_date": "2024-03-08"}


def last_line(finished: subprocess.CompletedProcess[str]) -> str:
    """Return the last line on stderr."""
    return finished.stderr.rstrip("\n").rsplit("\n", 1)[-1]


def messages(text: str) -> list[dict[str, Any]]:
    """Read Singer messages; a last line that was cut off is left out."""
    lines = text.split("\n")
    return [json.loads(one, parse_float=Decimal) for one in lines[:-1]]


def select(cli: Cli, *streams: str) -> str:
    """Make a catalog that selects these streams and return its path."""
    catalog = json.loads(TapISpot(validate_config=False).catalog_json_text)
    for entry in catalog["streams"]:
        for one in entry["metadata"]:
            if one["breadcrumb"] == []:
                one["metadata"]["selected"] = entry["tap_stream_id"] in streams
    return cli.file("catalog.json", catalog)


def test_discover_needs_no_settings(cli: Cli) -> None:
    finished = cli("--discover")
    assert finished.returncode == 0
    assert len(json.loads(finished.stdout)["streams"]) == 20


def test_test_reads_the_streams_that_are_on(cli: Cli, ispot: ISpotSimulator) -> None:
    # Given an account without attention, which is off by default
    ispot.faults.add(Fault(path="/v4/metrics/attention/*", status=403, times=None))
    finished = cli("--test", config={**ispot.settings(), "end_date": "2024-03-08"})
    assert finished.returncode == 0
    assert len(ispot.journal) == 1 + 11


def test_test_fails_with_wrong_credentials(cli: Cli, ispot: ISpotSimulator) -> None:
    finished = cli("--test", config={**ispot.settings(), "client_id": "somebody-else"})
    assert finished.returncode == 1
    assert "refused the credentials" in last_line(finished)
    assert "check `client_id` and `client_secret`" in last_line(finished)
    assert len(ispot.journal) == 1


BAD: dict[str, dict[str, Any]] = {
    "setting `client_id` is missing": {"client_id": None},
    "setting `start_date`: 'soon' is not allowed": {"start_date": "soon"},
    "setting `end_date`: '2024-03-01' is before `start_date`": {"end_date": "2024-03-01"},
    "setting `page_size`: 20000 is not allowed: an integer from 1 to 10000": {"page_size": 20_000},
    "setting `airing_types[0]`: 'X' is not allowed: one of N, R, L, SC, NS": {"airing_types": ["X"]},
}


def test_bad_input_gets_one_clear_line(cli: Cli, ispot: ISpotSimulator) -> None:
    # Given a bad value in each of five runs, which go on side by side to save time
    good = {**GOOD, "api_url": ispot.api_url}
    runs = {
        said: cli.start(config={name: one for name, one in {**good, **changed}.items() if one is not None})
        for said, changed in BAD.items()
    }
    for said, process in runs.items():
        # When it has ended
        out, err = process.communicate(timeout=60)
        # Then stderr holds one line besides information, which says what is wrong, and nothing was asked for
        assert process.returncode == 1
        assert out == ""
        lines = [one for one in err.splitlines() if "| INFO " not in one]
        assert len(lines) == 1
        assert lines[0] == err.splitlines()[-1]
        assert said in lines[0]
    assert len(ispot.journal) == 0


def test_a_vendor_that_refuses_ends_the_program_in_one_line(cli: Cli, ispot: ISpotSimulator) -> None:
    ispot.faults.add(Fault(path=AUDIENCE, status=403, times=None))
    finished = cli(config={**ispot.settings(), "end_date": "2024-03-08", "on_forbidden": "fail"})
    assert finished.returncode == 1
    assert "stream audience_airings, window 2024-03-08..2024-03-08: HTTP 403 Forbidden" in last_line(finished)
    assert last_line(finished).endswith(
        "ask iSpot.tv for it, or select tv_airings instead, or deselect it: `meltano select tap-ispot --exclude "
        'audience_airings "*"`, or `"selected": false` in the catalog'
    )
    assert "Traceback" not in finished.stderr


def test_a_vendor_that_is_down_ends_the_program_in_one_line(cli: Cli, tmp_path: Path) -> None:
    # Given a port on which nobody listens, and a run that does not wait for it
    (tmp_path / "sitecustomize.py").write_text("import time\ntime.sleep = lambda _: None\n", encoding="utf-8")
    finished = cli(config={**GOOD, "api_url": "http://127.0.0.1:1/v4"}, environment={"PYTHONPATH": str(tmp_path)})
    assert finished.returncode == 1
    assert "no connection to 127.0.0.1:1: connection refused (tried 6 times)" in last_line(finished)
    assert "Traceback" not in finished.stderr


def test_a_full_disk_ends_the_program_in_one_line(cli: Cli, ispot: ISpotSimulator) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        finished = cli(config={**ispot.settings(), "end_date": "2024-03-12"}, stdout=full)
    assert finished.returncode == 1
    assert "stdout: No space left on device" in last_line(finished)
    assert "Traceback" not in finished.stderr


def test_a_closed_pipe_ends_the_program_in_one_line(cli: Cli, ispot: ISpotSimulator) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as closed:
        finished = cli(config={**ispot.settings(), "end_date": "2024-03-12"}, stdout=closed)
    assert finished.returncode == 1
    assert "stdout: Broken pipe" in last_line(finished)
    assert "Traceback" not in finished.stderr


def test_no_secret_in_the_log_at_the_level_debug(cli: Cli, ispot: ISpotSimulator) -> None:
    # Given a vendor that repeats the token in an error, and a log level at which everything is said
    secrets = [ispot.client_id, ispot.client_secret]
    ispot.faults.add(Fault(path="/v4/movies", status=400, body="bad: " + " ".join(secrets), times=None))
    # When settings come from the environment
    given = {**ispot.settings(), "end_date": "2024-03-08", "loglevel": "DEBUG", "airing_types": '["N"]'}
    environment = {f"TAP_ISPOT_{name.upper()}": value for name, value in given.items()}
    finished = cli("--config=ENV", environment=environment)
    # Then the run got to the error, and neither credentials nor token are anywhere
    assert finished.returncode == 1
    assert 'HTTP 400 Bad Request "bad: [hidden] [hidden]"' in last_line(finished)
    assert "DEBUG" in finished.stderr
    for text in (finished.stdout, finished.stderr):
        assert not [secret for secret in [*secrets, *ispot.tokens.issued] if secret in text]
    assert len(ispot.tokens.issued) == 1
    assert {request.param("filter[airing_type]") for request in ispot.journal.matching(AUDIENCE)} == {"N"}


@pytest.fixture
def month(simulate: Simulate) -> ISpotSimulator:
    """Ten days of 60 airings; the answers of the second half do not come in time for a run that is stopped."""
    simulator = simulate(ISpotSimulator(first_day=date(2024, 3, 1), days=10, rows_per_day=60))
    simulator.faults.add(Fault(path=AUDIENCE, nth=6, times=None, action="slow", delay=30))
    return simulator


def stop_half_way(cli: Cli, simulator: ISpotSimulator, number: signal.Signals) -> tuple[int, list[dict[str, Any]]]:
    """Start a run, send it a signal after its fifth STATE, and return its exit code and its messages."""
    catalog = select(cli, "audience_airings")
    config = {**simulator.settings(), "end_date": "2024-03-10"}
    process = cli.start("--catalog", catalog, config=config)
    assert process.stdout is not None
    text, states = "", 0
    while states < 5:
        one = process.stdout.readline()
        assert one
        text += one
        states += '"type":"STATE"' in one
    process.send_signal(number)
    rest, _ = process.communicate(timeout=30)
    return process.returncode, messages(text + rest)


def test_a_run_killed_half_way_goes_on_from_its_last_state(cli: Cli, month: ISpotSimulator) -> None:
    # Given a run that is killed when five of ten days are loaded
    code, before = stop_half_way(cli, month, signal.SIGKILL)
    assert code == -signal.SIGKILL
    state = [one["value"] for one in before if one["type"] == "STATE"][-1]
    assert state["bookmarks"]["audience_airings"]["replication_key_value"] == "2024-03-06T00:00:00-05:00"
    # When it is started again from its last STATE, without look-back
    month.journal.clear()
    month.faults.clear()
    config = {**month.settings(), "end_date": "2024-03-10", "lookback_days": 0}
    catalog = select(cli, "audience_airings")
    finished = cli("--catalog", catalog, "--state", cli.file("state.json", state), config=config)
    # Then it did not start over, and both runs together hold the truth
    assert finished.returncode == 0
    asked = [request.param("filter[start_date]") for request in month.journal.matching(AUDIENCE)]
    assert asked == ["2024-03-06", "2024-03-07", "2024-03-08", "2024-03-09", "2024-03-10"]
    rows = [one["record"] for one in [*before, *messages(finished.stdout)] if one["type"] == "RECORD"]
    loaded = {row["airing_id"]: row for row in rows}
    assert [loaded[number] for number in sorted(loaded)] == month.truth("audience_airings")
    assert month.violations == []


def test_a_run_that_is_asked_to_stop_says_so_by_its_exit_code(cli: Cli, month: ISpotSimulator) -> None:
    code, said = stop_half_way(cli, month, signal.SIGTERM)
    assert code == 143
    bookmarks = [one["value"]["bookmarks"]["audience_airings"] for one in said if one["type"] == "STATE"]
    assert bookmarks[-1]["replication_key_value"] == "2024-03-06T00:00:00-05:00"
