"""The program as a user runs it: exit codes, the last line on stderr, and runs that are stopped half way."""

from __future__ import annotations

import json
import signal
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tap_springserve.tap import TapSpringServe
from vendor_simulators.faults import Fault
from vendor_simulators.springserve import SpringServeSimulator

if TYPE_CHECKING:
    import subprocess

    from singer_adtech.testing import Program as Cli
    from vendor_simulators.pytest_plugin import Simulate

TAGS = "/api/v1/supply_tags"
REPORT = "/api/v0/report"


def last_line(finished: subprocess.CompletedProcess[str]) -> str:
    """Return the last line on stderr."""
    return finished.stderr.rstrip("\n").rsplit("\n", 1)[-1]


def messages(text: str) -> list[dict[str, Any]]:
    """Read Singer messages; a last line that was cut off is left out."""
    return [json.loads(one, parse_float=Decimal) for one in text.split("\n")[:-1]]


def doubles(record: dict[str, Any]) -> Any:
    """Make every number with a point a double: exact digits are what other tests are about."""
    return json.loads(json.dumps(record, default=float))


def select(cli: Cli, *streams: str) -> str:
    """Make a catalog that selects these streams and return its path."""
    catalog = json.loads(TapSpringServe(validate_config=False).catalog_json_text)
    for entry in catalog["streams"]:
        for one in entry["metadata"]:
            if one["breadcrumb"] == []:
                one["metadata"]["selected"] = entry["tap_stream_id"] in streams
    return cli.file("catalog.json", catalog)


def test_discover_needs_no_settings_and_asks_for_nothing(cli: Cli) -> None:
    finished = cli("--discover")

    assert finished.returncode == 0
    assert len(json.loads(finished.stdout)["streams"]) == 28


def test_bad_input_gets_one_clear_line(cli: Cli, springserve: SpringServeSimulator) -> None:
    # Given a bad value in each of four runs, of which one only discovers; they go on side by side to save time
    bad: dict[str, tuple[list[str], dict[str, Any]]] = {
        "settings `email` and `password` are missing": ([], {"email": None, "password": None}),
        "setting `page_size`: 2000 is not allowed: an integer from 1 to 1000": ([], {"page_size": 2000}),
        "setting `reports`, report Mine: `name` 'Mine' is not allowed": ([], {"reports": [{"name": "Mine"}]}),
        "setting `reports`, report mine: `interval` 'week' is not allowed": (
            ["--discover"],
            {"reports": [{"name": "mine", "interval": "week"}]},
        ),
    }
    good = springserve.settings()
    runs = {
        said: cli.start(*arguments, config={name: one for name, one in {**good, **changed}.items() if one is not None})
        for said, (arguments, changed) in bad.items()
    }
    for said, process in runs.items():
        # When it has ended
        out, err = process.communicate(timeout=60)
        # Then stderr holds one line besides information, which says what is wrong, and nothing was asked for
        assert (said, process.returncode, out) == (said, 1, "")
        lines = [one for one in err.splitlines() if "| INFO " not in one]
        assert len(lines) == 1
        assert said in lines[0]
    assert len(springserve.journal) == 0


def test_test_reads_the_streams_that_are_on(cli: Cli, simulate: Simulate) -> None:
    # Given a user who may not see a part of it
    vendor = simulate(SpringServeSimulator(days=2, rows_per_day=10, polls=0, forbidden=("/supply_partners",)))

    finished = cli("--test", config={**vendor.settings(), "end_date": "2024-03-01"})

    assert finished.returncode == 0
    assert len({request.path for request in vendor.journal}) == 13


def test_test_fails_with_wrong_credentials(cli: Cli, springserve: SpringServeSimulator) -> None:
    finished = cli("--test", config={**springserve.settings(), "password": "another-password"})

    assert finished.returncode == 1
    assert "check `email` and `password`" in last_line(finished)
    assert len(springserve.journal) == 1


def test_no_secret_in_any_output_at_the_level_debug(cli: Cli, springserve: SpringServeSimulator) -> None:
    # Given a token that dies, a vendor that repeats secrets in an error, and a log level at which everything is said
    springserve.faults.add(
        Fault(path=TAGS, action="expire_token"),
        Fault(path=TAGS, nth=2, action="html", status=503),
        Fault(path="/api/v1/supply_labels", status=400, body=f"bad: {springserve.password}", times=None),
    )
    given = {**springserve.settings(), "loglevel": "DEBUG", "requests_per_minute": "1000", "reports": "[]"}
    environment = {f"TAP_SPRINGSERVE_{name.upper()}": value for name, value in given.items()}
    catalog = select(cli, "supply_tags", "supply_labels")
    # When settings come from the environment
    finished = cli("--config=ENV", "--catalog", catalog, environment=environment)
    # Then the run got to the error, and neither password nor tokens are anywhere
    assert finished.returncode == 1
    assert 'HTTP 400 Bad Request "bad: [hidden]"' in last_line(finished)
    assert "DEBUG" in finished.stderr
    for text in (finished.stdout, finished.stderr):
        assert not [one for one in [springserve.password, *springserve.tokens.issued] if one in text]
    assert len(springserve.tokens.issued) >= 1


@pytest.fixture
def slow(simulate: Simulate) -> SpringServeSimulator:
    """Ten days of 30 tags; the later answers do not come in time for a run that is stopped."""
    vendor = simulate(SpringServeSimulator(first_day=date(2026, 2, 1), days=10, rows_per_day=30, polls=0))
    vendor.faults.add(
        Fault(path=REPORT, nth=5, times=None, action="slow", delay=30),
        Fault(path=TAGS, nth=4, times=None, action="slow", delay=30),
    )
    return vendor


def stop_half_way(
    cli: Cli, vendor: SpringServeSimulator, stream: str, states: int, number: signal.Signals
) -> tuple[int, list[dict[str, Any]], str]:
    """Start a run, send it a signal after so many STATEs, and return exit code, messages and stderr."""
    config = {**vendor.settings(), "end_date": "2026-02-10", "window_days": 1, "page_size": 8}
    process = cli.start("--catalog", select(cli, stream), config=config)
    assert process.stdout is not None
    text = ""
    while text.count('"type":"STATE"') < states:
        one = process.stdout.readline()
        assert one
        text += one
    process.send_signal(number)
    rest, err = process.communicate(timeout=30)
    return process.returncode, messages(text + rest), err


@pytest.mark.parametrize(
    ("stream", "path", "states"), [("supply_daily", REPORT, 4), ("supply_tags", TAGS, 3)], ids=["report", "list"]
)
def test_a_run_killed_half_way_goes_on_from_its_last_state(
    cli: Cli, slow: SpringServeSimulator, stream: str, path: str, states: int
) -> None:
    # Given a run that is killed in the middle
    code, before, _ = stop_half_way(cli, slow, stream, states, signal.SIGKILL)
    assert code == -signal.SIGKILL
    state = [one["value"] for one in before if one["type"] == "STATE"][-1]
    # When it is started again from its last STATE
    slow.journal.clear()
    slow.faults.clear()
    config = {**slow.settings(), "end_date": "2026-02-10", "window_days": 1, "page_size": 8, "lookback_days": 0}
    arguments = ("--catalog", select(cli, stream), "--state", cli.file("state.json", state))
    finished = cli(*arguments, config=config)
    # Then it did not start over, and both runs together hold the truth
    assert finished.returncode == 0
    first = slow.journal.matching(path)[0]
    if stream == "supply_daily":
        assert first.json()["start_date"] == "2026-02-04"
    else:
        assert (first.param("updated_at::gte") or "") > "2025"
    rows = [one["record"] for one in [*before, *messages(finished.stdout)] if one["type"] == "RECORD"]
    key = ("date", "supply_tag_id") if stream == "supply_daily" else ("id",)
    loaded = {tuple(row[name] for name in key): row for row in rows}
    assert [doubles(loaded[one]) for one in sorted(loaded)] == [doubles(record) for record in slow.truth(stream)]
    assert slow.violations == []


def test_a_run_that_is_terminated_exits_with_143(cli: Cli, slow: SpringServeSimulator) -> None:
    code, before, err = stop_half_way(cli, slow, "supply_daily", 4, signal.SIGTERM)

    assert code == 143
    assert err.rstrip().endswith("stopped by signal 15: run it again to continue from the last STATE")
    assert before[-1]["type"] == "STATE"
