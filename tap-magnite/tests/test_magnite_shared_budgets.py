"""Several runs at once of one user, with a `budget_folder`: slices of a backfill."""

from __future__ import annotations

import signal
import time
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.testing import read_messages, select
from tap_magnite.tap import TapMagnite
from vendor_simulators.faults import Fault
from vendor_simulators.magnite import MagniteSimulator

if TYPE_CHECKING:
    from pathlib import Path

    from singer_adtech.testing import Program
    from vendor_simulators.pytest_plugin import Simulate

QUERIES = "/v1/resources/queries"


@pytest.fixture
def vendor(simulate: Simulate) -> MagniteSimulator:
    """A vendor with six days; results take their time, so that runs meet."""
    simulator = simulate(MagniteSimulator(first_day=date(2025, 3, 1), days=6, rows_per_day=10))
    simulator.faults.add(Fault(path=f"{QUERIES}/*/results", times=None, action="slow", delay=0.3))
    return simulator


def config(vendor: MagniteSimulator, folder: Path, **more: Any) -> dict[str, Any]:
    """Return settings of one run: a query a day, and no patience with other queries."""
    own = {"budget_folder": str(folder), "window_days": 1, "poll_interval": 0.1, "busy_timeout": 1}
    return {**vendor.settings(), **own, **more}


def test_a_run_that_is_stopped_lets_the_next_one_submit_after_its_cancel(
    cli: Program, simulate: Simulate, tmp_path: Path
) -> None:
    # Given a run whose query takes its time, and another one that waits for it
    vendor = simulate(MagniteSimulator(first_day=date(2025, 3, 1), days=1, rows_per_day=10, polls=1000))
    catalog = cli.file("catalog.json", select(TapMagnite, "adstats_daily"))
    first = cli.start("--catalog", catalog, config=config(vendor, tmp_path / "budget", end_date="2025-03-01"))
    wait_for(first.stderr, "Job in progress")
    second = cli.start("--catalog", catalog, config=config(vendor, tmp_path / "budget", end_date="2025-03-01"))
    wait_for(second.stderr, "Another run has a query in progress; waiting until it ends (`budget_folder`)")
    # When the first is stopped, and later the second
    first.send_signal(signal.SIGTERM)
    wait_for(second.stderr, "Job in progress")
    second.send_signal(signal.SIGTERM)
    ends = [process.communicate(timeout=60) for process in (first, second)]
    # Then the second has submitted after the first one's cancel, and met no query
    assert [process.returncode for process in (first, second)] == [143, 143], ends
    changes = [one for one in vendor.journal.matching(f"{QUERIES}*") if one.method != "GET"]
    assert [(one.method, one.status) for one in changes] == [
        ("POST", 200), ("DELETE", 200), ("POST", 200), ("DELETE", 200),
    ]  # fmt: skip


def wait_for(stderr: Any, words: str) -> None:
    """Read what a program says until it says this."""
    said = ""
    while words not in said:
        line = stderr.readline()
        assert line, said
        said += line


def test_a_lock_that_nobody_holds_any_more_is_no_hindrance(
    cli: Program, vendor: MagniteSimulator, tmp_path: Path
) -> None:
    # Given a run that was killed with its query at work
    polls = f"{QUERIES}/?????????"
    vendor.faults.add(Fault(path=polls, times=1, action="slow", delay=60))
    catalog = cli.file("catalog.json", select(TapMagnite, "adstats_daily"))
    settings = config(vendor, tmp_path / "budget", end_date="2025-03-01", busy_wait=0.1, busy_timeout=60)
    killed = cli.start("--catalog", catalog, config=settings)
    wait_for(killed.stderr, "Job in progress")
    while not vendor.journal.matching(polls):
        time.sleep(0.01)
    killed.kill()
    killed.communicate()
    # When another one comes
    finished = cli("--catalog", catalog, config=settings)
    # Then it waits for the vendor, who still works, and for nobody else
    assert finished.returncode == 0, finished.stderr
    assert "Another run has a query in progress" not in finished.stderr
    assert len(read_messages(finished.stdout)) == 1 + len(vendor.truth("adstats_daily", last_day=date(2025, 3, 1))) + 1
