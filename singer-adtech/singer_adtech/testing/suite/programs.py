"""Tests of the tap as a program: exit codes, stderr, signals, restarts, several runs at the same time."""

from __future__ import annotations

import functools
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from singer_adtech.testing.messages import read_messages, select
from singer_adtech.testing.programs import Program, last_line
from singer_adtech.testing.suite.base import Restart, Slices, SuiteBase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

STOPPED = "stopped by signal 15: run it again to continue from the last STATE"
LIGHT = {"_zoneinfo", "difflib", "msgspec", "singer_adtech", "tzdata", "zoneinfo"}
"""Packages that a tap may import before its first request, in addition to those of singer-sdk."""


def imported(importtime: str) -> set[str]:
    """Return the packages in the output of `python -X importtime`."""
    return {*re.findall(r"^import time: +\d+ \| +\d+ \| +(\w+)", importtime, re.MULTILINE)}


@functools.cache
def imported_by(source: str) -> set[str]:
    """Return the packages that a Python program imports."""
    command = [sys.executable, "-X", "importtime", "-c", source]
    return imported(subprocess.run(command, capture_output=True, text=True, check=True).stderr)  # noqa: S603 - ours


class ProgramTests(SuiteBase):
    """Tests of the command line and of processes."""

    @classmethod
    def restarts(cls) -> Mapping[str, Callable[[], Restart]]:
        """Return functions that create a run to be stopped half way, by stream."""
        raise NotImplementedError

    @classmethod
    def slices(cls) -> Slices:
        """Return simultaneous runs of one account."""
        raise NotImplementedError

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run tests with an argument `restarted` for each stream of `restarts`."""
        super().pytest_generate_tests(metafunc)
        if "restarted" in metafunc.fixturenames:
            metafunc.parametrize("restarted", list(self.restarts()))

    def test_discovery_needs_no_settings(self, program: Program) -> None:
        finished = program("--discover")
        catalog = json.loads(finished.stdout)
        assert finished.returncode == 0
        assert [entry["tap_stream_id"] for entry in catalog["streams"]] == list(
            self.tap_class(validate_config=False).streams
        )

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            ("--version", 0),
            ("--about", 0),
            ("--about --format=json", 0),
            ("--about --format=markdown", 0),
            ("--help", 0),
            ("--no-such-option", 2),
            ("--about --format=no-such-format", 2),
        ],
    )
    def test_the_command_line(self, monkeypatch: pytest.MonkeyPatch, arguments: str, code: int) -> None:
        # singer-sdk sets its own hook and does not remove it.
        monkeypatch.setattr(sys, "excepthook", sys.excepthook)
        result = CliRunner().invoke(self.tap_class.get_singer_command(), arguments.split())
        assert result.exit_code == code
        if code == 0:
            assert self.tap_class.name in result.output
        if "--about" in arguments and code == 0:
            assert [name for name in self.own_settings() if name not in result.output] == []

    def test_the_start_imports_little(self, program: Program, simulate: Callable[[Any], Any]) -> None:
        # given the imports of Python and of singer-sdk, which take nearly all of the start
        python, sdk = imported_by("pass"), imported_by("import singer_sdk")
        listed = {"PYTHONPROFILEIMPORTTIME": "1"}
        vendor = simulate(self.vendor())
        config = {**vendor.settings(), **self.wrong_credentials, "parallel_requests": 1}
        # when
        version = program("--version", environment=listed)
        run = program(environment=listed, config=config)
        # then the version is that of singer-sdk without importing it
        printed: list[str] = []
        self.tap_class.print_version(printed.append)
        assert version.stdout.splitlines() == printed
        assert imported(version.stderr) - python - sys.stdlib_module_names == {"singer_adtech", self.package()}
        # and everything else a run uses is imported after its first request, if at all
        assert len(vendor.journal) == 1
        assert imported(run.stderr) - sdk - LIGHT == {self.package()}

    def test_bad_input_ends_the_program_in_one_line(self, program: Program, simulate: Callable[[Any], Any]) -> None:
        # given bad values in two runs in parallel
        vendor = simulate(self.vendor())
        runs = {
            "start_date": program.start(config={**vendor.settings(), "start_date": None}),
            "parallel_requests": program.start(config={**vendor.settings(), "parallel_requests": 0}),
        }
        for name, process in runs.items():
            # when
            out, err = process.communicate(timeout=60)
            # then stderr has one line in addition to information
            assert (process.returncode, out) == (1, "")
            [line] = [one for one in err.splitlines() if "| INFO " not in one]
            assert line == err.splitlines()[-1]
            assert f"{self.tap_class.name}: setting `{name}`" in line
            assert [one for one in self.secrets(vendor, vendor.settings()) if one in err] == []
        assert len(vendor.journal) == 0

    def test_refused_credentials_end_the_program_in_one_line(
        self, program: Program, simulate: Callable[[Any], Any]
    ) -> None:
        # given
        vendor = simulate(self.vendor())
        config = {**vendor.settings(), **self.wrong_credentials, "parallel_requests": 1}
        # when
        tested, read = program.start("--test", config=config), program.start(config=config)
        # then one request each; the settings are named and no value is shown
        for process in (tested, read):
            out, err = process.communicate(timeout=60)
            assert process.returncode == 1
            assert '"RECORD"' not in out
            assert [f"`{name}`" for name in self.wrong_credentials if f"`{name}`" not in last_line(err)] == []
            assert "Traceback" not in err
            assert [value for value in self.wrong_credentials.values() if value in err] == []
        assert len(vendor.journal) == 2

    def test_an_output_or_a_vendor_that_is_gone_ends_the_program_in_one_line(
        self, program: Program, simulate: Callable[[Any], Any], tmp_path: Path
    ) -> None:
        # given a full disk, a closed pipe, and an address without a server, for a run that does not wait
        vendor = simulate(self.vendor())
        good = {**vendor.settings(), **self.settings}
        down = {**good, "api_url": f"http://127.0.0.1:1/{vendor.api_url.partition('://')[2].partition('/')[2]}"}
        (tmp_path / "sitecustomize.py").write_text("import time\ntime.sleep = lambda _: None\n", encoding="utf-8")
        catalog = program.file("catalog.json", select(self.tap_class, self.slices().stream))
        reader, writer = os.pipe()
        os.close(reader)
        with Path("/dev/full").open("w", encoding="utf-8") as full, os.fdopen(writer, "w", encoding="utf-8") as closed:
            # when
            runs = {
                "stdout: No space left on device": program.start("--catalog", catalog, config=good, stdout=full),
                "stdout: Broken pipe": program.start("--catalog", catalog, config=good, stdout=closed),
                "no connection to 127.0.0.1:1: connection refused (tried ": program.start(
                    config=down, environment={"PYTHONPATH": str(tmp_path)}
                ),
            }
        # then
        for words, process in runs.items():
            _, err = process.communicate(timeout=60)
            assert process.returncode == 1
            assert words in last_line(err)
            assert "Traceback" not in err

    def test_no_secret_is_in_any_output_at_level_debug(self, program: Program, simulate: Callable[[Any], Any]) -> None:
        # given settings from the environment, every log line, and a vendor that repeats secrets in an error
        vendor = simulate(self.vendor())
        config = {**vendor.settings(), **self.settings}
        repeated = self.secrets(vendor, config)
        streams = self.repeat_secrets(vendor, "bad: " + " ".join(repeated))
        values = {name: one if isinstance(one, str) else json.dumps(one) for name, one in config.items()}
        prefix = self.package().upper()
        environment = {f"{prefix}_{name.upper()}": value for name, value in {**values, "loglevel": "DEBUG"}.items()}
        catalog = program.file("catalog.json", select(self.tap_class, *streams, config=self.settings))
        # when
        finished = program("--config=ENV", "--catalog", catalog, environment=environment)
        # then the run reached the error
        assert finished.returncode == 1
        hidden = " ".join(["[hidden]"] * len(repeated))
        assert f'HTTP 400 Bad Request "bad: {hidden}"' in last_line(finished.stderr)
        assert "DEBUG" in finished.stderr
        secrets = {*repeated, *self.secrets(vendor, config)}
        assert [one for one in secrets if one in finished.stdout + finished.stderr] == []

    def test_a_killed_run_continues_from_its_last_state(
        self, program: Program, simulate: Callable[[Any], Any], restarted: str
    ) -> None:
        # given a run that is killed half way
        case = self.restarts()[restarted]()
        vendor = simulate(case.vendor)
        config = {**vendor.settings(), **case.settings}
        catalog = program.file("catalog.json", select(self.tap_class, case.stream))
        code, before = program.stop(signal.SIGKILL, case.states, "--catalog", catalog, config=config)
        assert code == -signal.SIGKILL
        state = [one["value"] for one in before if one["type"] == "STATE"][-1]
        assert state["bookmarks"][case.stream]["replication_key_value"] == case.bookmark
        # when it is started again from its last STATE
        vendor.journal.clear()
        case.release()
        finished = program("--catalog", catalog, "--state", program.file("state.json", state), config=config)
        # then it does not start over, and both runs together have the rows of the truth
        assert finished.returncode == 0, finished.stderr
        # Requests of parallel windows arrive in any order.
        assert Counter(case.requested()) == Counter(case.after)
        rows = [one["record"] for one in [*before, *read_messages(finished.stdout)] if one["type"] == "RECORD"]
        key = self.tap_class(validate_config=False).streams[case.stream].primary_keys
        loaded = {tuple(row[name] for name in key): row for row in rows}
        assert [loaded[one] for one in sorted(loaded)] == self.truth(vendor, case.stream)
        assert vendor.violations == []

    def test_a_terminated_run_writes_its_state_and_exits_with_143(
        self, program: Program, simulate: Callable[[Any], Any]
    ) -> None:
        # given
        case = next(iter(self.restarts().values()))()
        vendor = simulate(case.vendor)
        catalog = program.file("catalog.json", select(self.tap_class, case.stream))
        config = {**vendor.settings(), **case.settings}
        # when
        process = program.start("--catalog", catalog, config=config)
        text = program.read_states(process, case.states)
        process.send_signal(signal.SIGTERM)
        rest, err = process.communicate(timeout=60)
        # then
        messages = read_messages(text + rest)
        assert process.returncode == 143
        assert messages[-1]["type"] == "STATE"
        assert messages[-1]["value"]["bookmarks"][case.stream]["replication_key_value"] == case.bookmark
        assert last_line(err).endswith(STOPPED)

    def test_runs_at_the_same_time_share_the_limits_of_the_vendor(
        self, simulate: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # given runs of different days
        case = self.slices()
        vendor = simulate(case.vendor)
        module = self.package()
        if case.source:
            module = "adapted_tap"
            (tmp_path / f"{module}.py").write_text(case.source, encoding="utf-8")
            monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        program = Program(module, tmp_path)
        common = {**vendor.settings(), **case.settings, "budget_folder": str(tmp_path / "budget")}
        catalog = program.file("catalog.json", select(self.tap_class, case.stream))
        # when
        runs = program.run_in_parallel(
            *("--catalog", catalog),
            configs=[{**common, "start_date": first, "end_date": last} for first, last in case.days],
        )
        # then each has its rows, and the vendor refused nothing
        assert [run.returncode for run in runs] == [0] * len(runs), runs
        rows = [one["record"] for run in runs for one in read_messages(run.stdout) if one["type"] == "RECORD"]
        key = self.tap_class(validate_config=False).streams[case.stream].primary_keys
        truth = self.truth(vendor, case.stream)
        assert sorted(tuple(row[name] for name in key) for row in rows) == [
            tuple(row[name] for name in key) for row in truth
        ]
        assert [request.status for request in vendor.journal if request.status >= 400] == []
        assert vendor.violations == []
        case.limits()
