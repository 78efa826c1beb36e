"""What the tests of taps share does what it says."""

from __future__ import annotations

import datetime as dt
import json
import logging
import signal
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.redaction import REDACTOR
from singer_adtech.testing import FakeClock, Program, Run, read_messages, select, tap_runner

if TYPE_CHECKING:
    from pathlib import Path

    from acme_vendor import AcmeVendor

NOW = dt.datetime(2024, 3, 11, 12, tzinfo=dt.timezone.utc)


def test_a_fake_clock_moves_when_somebody_waits() -> None:
    # given
    clock = FakeClock(dt.datetime.fromisoformat("2024-03-11T14:00:00+02:00"))
    # when
    clock.sleep(1.5)
    clock.back_off(2)
    clock.pass_by(10)
    # then
    assert clock.now() == NOW + dt.timedelta(seconds=13.5)
    assert clock.now().tzinfo is dt.timezone.utc
    assert (clock.monotonic(), clock.slept, clock.waits) == (13.5, [1.5], [2])


LINES = [
    {"type": "SCHEMA", "stream": "a"},
    {"type": "RECORD", "stream": "a", "record": {"id": 2, "x": 1}},
    {"type": "RECORD", "stream": "b", "record": {"id": 7}},
    {"type": "RECORD", "stream": "a", "record": {"id": 1, "x": 2}},
    {"type": "STATE", "value": {"bookmarks": {"a": {"replication_key_value": "1"}}}},
    {"type": "STATE", "value": {"bookmarks": {"a": {}, "b": {"replication_key_value": "9"}}}},
]


def test_a_run_is_read_by_stream() -> None:
    # given
    output = "\n".join(map(json.dumps, LINES)) + "\n"
    run = Run(output, "", ["INFO x", "WARNING mind this", "ERROR y"], FakeClock(NOW))
    # then
    assert run.records("a") == [{"id": 2, "x": 1}, {"id": 1, "x": 2}]
    assert run.by_key("a", "id") == [{"id": 1, "x": 2}, {"id": 2, "x": 1}]
    assert run.by_key("a", "x", "id") == [{"id": 2, "x": 1}, {"id": 1, "x": 2}]
    assert (run.bookmarks("a"), run.bookmarks("b"), len(run.states)) == (["1"], ["9"], 2)
    assert run.warnings() == ["mind this"]


def test_messages_keep_every_digit_and_a_cut_line_is_left_out() -> None:
    assert read_messages('{"x": 1.10}\n{"y": 2}\n{"z"') == [{"x": Decimal("1.10")}, {"y": 2}]


def test_a_runner_runs_a_tap_in_this_process(
    acme: AcmeVendor, acme_module: Any, acme_config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a vendor that is unwell for a moment, handlers of signals, and a log level
    acme.server.script(acme.server.reply(503))
    handler = signal.getsignal(signal.SIGTERM)
    level = logging.getLogger().level
    # when
    with tap_runner(acme_module.TapAcme, NOW, monkeypatch) as runner:
        run = runner(acme_config, "spots")
        # then the wait took no time and was noted, and other libraries' lines are there, without secrets
        assert run.clock.waits == [1]
        assert [record["id"] for record in run.records("spots")] == [1, 2, 3]
        assert [line for line in run.log if line.startswith("DEBUG ") and "HTTP/1.1" in line]
        assert acme_config["client_secret"] not in "\n".join(run.log)
        assert REDACTOR.scrub(acme_config["client_secret"]) != acme_config["client_secret"]
    # and all is as before
    assert REDACTOR.scrub(acme_config["client_secret"]) == acme_config["client_secret"]
    assert signal.getsignal(signal.SIGTERM) == handler
    assert logging.getLogger().level == level


def test_a_runner_tells_failures_apart(
    acme: AcmeVendor, acme_module: Any, acme_config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with tap_runner(acme_module.TapAcme, NOW, monkeypatch) as runner:
        failed = runner({**acme_config, "page_size": 0}, fails=True)
        assert failed.error == "setting `page_size`: 0 is not allowed: an integer from 1 to 1000"
        with pytest.raises(AssertionError, match="the run did not fail"):
            runner(acme_config, "spots", fails=True)
        with pytest.raises(Exception, match="Config validation failed"):
            runner({**acme_config, "page_size": 0})
        assert acme.server.calls


def test_a_selection_of_streams_and_columns(acme_module: Any) -> None:
    catalog = select(acme_module.TapAcme, "spots", without=["name"])
    selected = {
        (entry["tap_stream_id"], *one["breadcrumb"][-1:])
        for entry in catalog["streams"]
        for one in entry["metadata"]
        if one["metadata"].get("selected") is False
    }
    assert {("airings",), ("events",), ("spots", "name")} <= selected
    assert ("spots",) not in selected


def test_a_program_runs_to_its_end_or_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a program that writes its arguments and environment, then waits
    package = tmp_path / "tap_made.py"
    package.write_text(
        "import json, os, sys, time\n"
        "config = json.load(open(sys.argv[2]))\n"
        "seen = sorted(name for name in os.environ if 'TAP_MADE' in name or name == 'EXTRA')\n"
        "print(json.dumps({'type':'STATE','value':config}, separators=(',', ':')), flush=True)\n"
        "print(json.dumps({'type':'X','seen':seen,'args':sys.argv[3:]}), flush=True)\n"
        "time.sleep(config['seconds'])\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("TAP_MADE_API_KEY", "of-the-machine")
    program = Program("tap_made", tmp_path)
    # when
    finished = program("--flag", config={"seconds": 0}, environment={"EXTRA": "1"})
    code, messages = program.stop(signal.SIGKILL, 1, config={"seconds": 60})
    # then
    assert finished.returncode == 0
    assert read_messages(finished.stdout)[1] == {"type": "X", "seen": ["EXTRA"], "args": ["--flag"]}
    assert code == -signal.SIGKILL
    assert messages[0] == {"type": "STATE", "value": {"seconds": 60}}
    with pytest.raises(AssertionError, match="ended after 1 STATE"):
        program.stop(signal.SIGKILL, 2, config={"seconds": 0})
