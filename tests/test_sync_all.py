"""`make sync-all`: the five vendors side by side into one DuckDB file; failures, kills, signals, and two at once."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import psutil  # type: ignore[import-untyped] # Meltano brings it, without types
import pytest
from shared_project import selected_keys
from vendor_simulators.adspect import AdspectSimulator
from vendor_simulators.ispot import ISpotSimulator
from vendor_simulators.magnite import MagniteSimulator
from vendor_simulators.spotwatch import SpotwatchSimulator
from vendor_simulators.springserve import SpringServeSimulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vendor_simulators.messages import Request, Response
    from vendor_simulators.pytest_plugin import Simulate
    from vendor_simulators.simulator import Simulator

pytestmark = pytest.mark.meltano

FIRST, LAST = dt.date(2025, 3, 1), dt.date(2025, 3, 3)
REPORT = {"name": "by_partner", "dimensions": ["supply_partner_id"], "metrics": ["impressions", "revenue"]}
SETTINGS: dict[str, dict[str, Any]] = {
    "tap-springserve": {"reports": json.dumps([REPORT]), "report_poll_interval": 0.1},
    "tap-magnite": {"poll_interval": 0.1},
}
TAPS = ("tap-ispot", "tap-adspect", "tap-spotwatch", "tap-magnite", "tap-springserve")
TABLES = {tap: selected_keys(tap, **({"reports": [REPORT]} if tap == "tap-springserve" else {})) for tap in TAPS}
"""The primary key of each table of each tap."""


@dataclass
class SyncAll:
    """The command, with a system database and a warehouse of one test, and the vendors that are set up."""

    folder: Path
    project: Path
    vendors: dict[str, Simulator] = field(default_factory=dict)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def warehouse(self) -> Path:
        """The DuckDB file."""
        return self.folder / "warehouse.duckdb"

    def start(self, *arguments: str, **others: str) -> subprocess.Popen[str]:
        """Start it; others are environment variables."""
        settings = {
            variable(tap, name): str(value)
            for tap, vendor in self.vendors.items()
            for name, value in {**vendor.settings(), "end_date": LAST, **SETTINGS.get(tap, {})}.items()
        }
        process = subprocess.Popen(
            [sys.executable, "scripts/sync_all.py", "--environment=demo", "--logs", str(self.folder), *arguments],
            cwd=self.project,
            env={
                **os.environ,
                "MELTANO_DATABASE_URI": f"sqlite:///{self.folder / 'meltano.db'}",
                "TARGET_DUCKDB_FILEPATH": str(self.warehouse),
                **settings,
                **others,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(process)
        return process

    def run(self, *arguments: str, **others: str) -> tuple[int, str]:
        """Run it to its end; returns the exit code and what it said."""
        process = self.start(*arguments, **others)
        output, _ = process.communicate(timeout=300)
        return process.returncode, output

    def record(self) -> list[str]:
        """Return the states of all runs in Meltano's record, the oldest first."""
        with closing(sqlite3.connect(self.folder / "meltano.db")) as connection:
            return [state for (state,) in connection.execute("select state from runs order by id")]

    def differences(self) -> list[str]:
        """Return the tables that are not what the vendors have: missing ones, other ones, other keys."""
        found: list[str] = []
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            for tap, vendor in self.vendors.items():
                schema = tap.replace("-", "_")
                names = connection.execute(
                    "select table_name from information_schema.tables where table_schema = ?", [schema]
                ).fetchall()
                found += [f"{tap} {name}" for name in {name for (name,) in names} ^ {*TABLES[tap]}]
                for name, key in TABLES[tap].items():
                    columns = ", ".join(f'"{column}"' for column in key)
                    rows = connection.execute(f'select {columns} from "{schema}"."{name}"').fetchall()  # noqa: S608 - ours
                    truth = [tuple(str(row[column]) for column in key) for row in true_rows(vendor, name)]
                    if sorted(tuple(map(str, row)) for row in rows) != sorted(truth):
                        found.append(f"{tap} {name}: {len(rows)} rows, {len(truth)} at the vendor")
        return found


def variable(tap: str, setting: str) -> str:
    return f"{tap}_{setting}".upper().replace("-", "_")


def true_rows(vendor: Simulator, table: str) -> list[dict[str, Any]]:
    """Return what a vendor has for a table."""
    if isinstance(vendor, SpringServeSimulator) and table == REPORT["name"]:
        return vendor.truth(table, report=REPORT)
    # A break of the last evening is changed once more after midnight, beyond `end_date`.
    return vendor.truth(table, last_day=LAST)


@pytest.fixture
def sync_all(tmp_path: Path, project: Path) -> Iterator[SyncAll]:
    """Give the command; what a test leaves running is killed."""
    command = SyncAll(tmp_path, project)
    yield command
    for process in command.started:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=60)


def adspect(simulate: Simulate) -> AdspectSimulator:
    return simulate(AdspectSimulator(first_day=FIRST, days=3, rows_per_day=60, streams=25))


def spotwatch(simulate: Simulate) -> SpotwatchSimulator:
    return simulate(SpotwatchSimulator(first_day=FIRST, days=3, rows_per_day=60))


@dataclass
class Gate:
    """Holds back a vendor's answers to a path until it is opened."""

    asked: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Simulator, str], Gate]]:
    """Give what holds back a vendor's answers to a path (or a pattern)."""
    gates: list[Gate] = []

    def hold_back(vendor: Simulator, path: str) -> Gate:
        gate, answer = Gate(), vendor.handle
        gates.append(gate)

        def handle(request: Request) -> Response:
            if fnmatch(request.path, path):
                gate.asked.set()
                gate.opened.wait(120)
            return answer(request)

        monkeypatch.setattr(vendor, "handle", handle)
        return gate

    yield hold_back
    for gate in gates:
        gate.opened.set()


def table_of(output: str) -> dict[str, list[str]]:
    """Return the last table's cells by tap."""
    lines = output.split("\n\n")[1].splitlines()
    assert lines[0].split() == ["tap", "result", "rows", "seconds", "log"]
    return {tap: cells for tap, *cells in (line.split(maxsplit=4) for line in lines[1:])}


def living(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def test_five_vendors_at_once_into_one_file(sync_all: SyncAll, simulate: Simulate) -> None:
    # given five vendors
    sync_all.vendors = {
        "tap-ispot": simulate(ISpotSimulator(first_day=FIRST, days=3, rows_per_day=60)),
        "tap-adspect": adspect(simulate),
        "tap-spotwatch": spotwatch(simulate),
        "tap-magnite": simulate(MagniteSimulator(first_day=FIRST, days=3, rows_per_day=30)),
        "tap-springserve": simulate(SpringServeSimulator(first_day=FIRST, days=3, rows_per_day=40, polls=1)),
    }
    # when
    code, output = sync_all.run()

    # then every table holds each of the vendor's keys once
    assert code == 0, output
    assert sync_all.differences() == []
    # and the last table counts what was read
    told = table_of(output)
    assert [(tap, result) for tap, (result, *_) in told.items()] == [(tap, "done") for tap in TABLES]
    for tap, vendor in sync_all.vendors.items():
        truth = [len(true_rows(vendor, name)) for name in TABLES[tap]]
        assert int(told[tap][1].replace(",", "")) == sum(truth), tap
    # and all five ran at the same time
    begins = [line for line in output.splitlines()[:5] if line.endswith(": begins, into target-duckdb")]
    assert len(begins) == 5
    assert [vendor.violations for vendor in sync_all.vendors.values()] == [[]] * 5


def test_a_vendor_that_fails_does_not_stop_the_other(sync_all: SyncAll, simulate: Simulate, project: Path) -> None:
    # given a vendor that refuses the key, one that answers, one that is half set up, and two that are not
    sync_all.vendors = {"tap-adspect": adspect(simulate), "tap-spotwatch": spotwatch(simulate)}
    # when
    code, output = sync_all.run(TAP_SPOTWATCH_API_KEY="another", TAP_MAGNITE_ACCESS_KEY="half")

    # then the other is whole, and the table and the lines below it name each
    assert code == 1, output
    del sync_all.vendors["tap-spotwatch"]
    assert sync_all.differences() == []
    assert [(tap, cells[0]) for tap, cells in table_of(output).items()] == [
        ("tap-ispot", "not"),
        ("tap-adspect", "done"),
        ("tap-spotwatch", "failed"),
        ("tap-magnite", "failed"),
        ("tap-springserve", "not"),
    ]
    below = dict(line.split(": ", 1) for line in output.split("\n\n")[2].splitlines())
    assert below["tap-spotwatch"].startswith("failed: tap-spotwatch: ")
    assert "`api_key`" in below["tap-spotwatch"]
    assert below["tap-magnite"] == (
        "failed: missing: secret_key, start_date; set TAP_MAGNITE_<NAME> in .env or in the environment"
    )
    assert below["tap-ispot"].startswith("not set up: missing: client_id, client_secret, start_date; set TAP_ISPOT_")
    # and the log is where it says
    log = Path(project / table_of(output)["tap-spotwatch"][3])
    assert below["tap-spotwatch"].removeprefix("failed: ") in log.read_text()


def test_killed_and_started_again_at_once(
    sync_all: SyncAll, simulate: Simulate, hold: Callable[[Simulator, str], Gate]
) -> None:
    # given two vendors in the middle of their runs
    sync_all.vendors = {"tap-adspect": adspect(simulate), "tap-spotwatch": spotwatch(simulate)}
    gates = [hold(sync_all.vendors["tap-adspect"], "*/streams"), hold(sync_all.vendors["tap-spotwatch"], "*brands")]
    process = sync_all.start()
    assert [gate.asked.wait(120) for gate in gates] == [True, True]
    tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    assert len(tree) == 7  # Meltano, tap and loader of each

    # when all of it is killed and started again at once; stopped first, or a Meltano ends by itself at the broken pipe
    for one in tree:
        one.suspend()
    for one in tree:
        one.kill()
    process.communicate(timeout=30)
    assert sync_all.record() == ["RUNNING", "RUNNING"]
    # and Meltano's files with credentials, which it leaves behind, are for nobody else
    left = list((sync_all.project / ".meltano" / "run").rglob("*.config.json"))
    assert len(left) == 4
    assert [path for path in (*left, sync_all.project / ".meltano") if path.stat().st_mode & 0o077] == []
    for gate in gates:
        gate.opened.set()
    code, output = sync_all.run()

    # then it went on by itself, and nothing is lost or doubled
    assert code == 0, output
    assert output.count(" UTC is dead (no heartbeat): started again") == 2
    assert sync_all.differences() == []
    # and what the dead ones left is gone
    assert [path for path in left if path.exists()] == []
    # and no record is left in the way of a plain `meltano run`
    assert sync_all.record() == ["FAIL", "FAIL", "SUCCESS", "SUCCESS"]


def test_a_second_one_is_busy_and_does_not_disturb_the_first(
    sync_all: SyncAll, simulate: Simulate, hold: Callable[[Simulator, str], Gate]
) -> None:
    # given one that is at work
    vendor = adspect(simulate)
    sync_all.vendors = {"tap-adspect": vendor}
    gate = hold(vendor, "*/streams")
    first = sync_all.start()
    assert gate.asked.wait(120)
    asked = len(vendor.journal)

    # when another is started
    code, output = sync_all.run()

    # then it says so, and asked for nothing
    assert code == 1, output
    assert [cells[0] for cells in table_of(output).values()] == ["not", "busy", "not", "not", "not"]
    assert "tap-adspect: busy: another run of it is going on since 20" in output
    assert "(state id demo:tap-adspect-to-target-duckdb)" in output
    assert len(vendor.journal) == asked

    # and the first goes on to its end
    gate.opened.set()
    told, _ = first.communicate(timeout=120)
    assert first.returncode == 0, told
    assert sync_all.differences() == []
    assert sync_all.record() == ["SUCCESS"]


def test_sigterm_ends_all_in_order(
    sync_all: SyncAll, simulate: Simulate, hold: Callable[[Simulator, str], Gate]
) -> None:
    # given one at work, and one that waits for its place
    sync_all.vendors = {"tap-adspect": adspect(simulate), "tap-spotwatch": spotwatch(simulate)}
    gate = hold(sync_all.vendors["tap-adspect"], "*/streams")
    process = sync_all.start("--at-once", "1")
    assert gate.asked.wait(120)
    tree = psutil.Process(process.pid).children(recursive=True)
    assert len(tree) == 3

    # when it is told to end
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)

    # then nothing is left, and Meltano has written down that the run ended
    assert process.returncode == 143, output
    assert [one for one in tree if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
    told = table_of(output)
    assert told["tap-adspect"][0] == "stopped"
    assert told["tap-spotwatch"] == ["not", "begun"]
    assert "tap-adspect: stopped: stopped by SIGTERM; the next run goes on from the last state" in output
    assert sync_all.record() == ["FAIL"]

    # and the next one goes on at once; a vendor that is asked for and not set up is a failure then
    gate.opened.set()
    code, output = sync_all.run("--only", "tap-adspect", "tap-ispot")
    assert [(tap, cells[0]) for tap, cells in table_of(output).items()] == [
        ("tap-ispot", "not"),
        ("tap-adspect", "done"),
    ]
    assert code == 1
    assert "is dead" not in output
    del sync_all.vendors["tap-spotwatch"]
    assert sync_all.differences() == []


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--loader", "target-x"], "meltano.yml has no loader target-x: it has target-duckdb, "),
        (["--only", "tap-x", "tap-ispot"], "meltano.yml has no tap tap-x: it has tap-ispot, "),
        (["--environment", "stage"], "meltano.yml has no environment stage: it has demo, "),
        (["--at-once", "0"], "argument --at-once: '0' is not allowed: a number of at least 1 (see --help)"),
        (["--only"], "argument --only: expected at least one argument (see --help)"),
        ([], "no tap is set up: run `make env`, and fill in .env"),
    ],
)
def test_what_cannot_be_run_is_told_in_one_line(sync_all: SyncAll, arguments: list[str], line: str) -> None:
    code, output = sync_all.run(*arguments)
    assert code == 2
    assert output.splitlines()[-1].startswith(f"sync-all: {line}")
