"""Several runs at once against one account, with a `budget_folder`: slices of a backfill."""

from __future__ import annotations

import json
import signal
import time
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.http.shared_budgets import SharedFolder
from singer_adtech.testing import Program, read_messages, select
from tap_springserve.tap import TapSpringServe
from vendor_simulators.limits import Rule
from vendor_simulators.springserve import SpringServeSimulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from singer_adtech.testing import TapRunner
    from vendor_simulators.pytest_plugin import Simulate

REPORT = "/api/v0/report"
LIMIT, SECONDS = 6, 2.0

# The tap for a vendor whose minute lasts two seconds, as a test cannot wait for minutes. The half second for which
# a request may be on its way is there too.
HURRIED = f"""
from singer_adtech.http.budgets import Family, Limit
from tap_springserve.client import LATENESS
from tap_springserve.tap import TapSpringServe

TapSpringServe.families = (Family("reports", ("/v0/report",), (Limit({LIMIT}, {SECONDS}),), "", LATENESS),)
TapSpringServe.cli()
"""


@pytest.fixture
def vendor(simulate: Simulate) -> SpringServeSimulator:
    """A vendor with six days of reports of two pages, that enforces this limit."""
    simulator = SpringServeSimulator(
        first_day=date(2026, 2, 1), days=6, rows_per_day=10, polls=1, report_rows=6, enforce_limits=True
    )
    simulator.limits.rules["reports"] = [Rule(LIMIT, SECONDS)]
    return simulate(simulator)


@pytest.fixture
def hurried(tmp_path: Path) -> Iterator[Program]:
    """Run the tap with this limit."""
    (tmp_path / "hurried.py").write_text(HURRIED)
    program = Program("hurried", tmp_path)
    yield program
    program.end()


def config(vendor: SpringServeSimulator, folder: Path, **more: Any) -> dict[str, Any]:
    """Return settings of one run: a report a day."""
    settings = {**vendor.settings(), "budget_folder": str(folder), "window_days": 1, "report_poll_interval": 0.1}
    return {**settings, **more}


def test_a_run_that_waits_for_the_report_of_another_says_so_and_ends_at_a_signal(
    hurried: Program, vendor: SpringServeSimulator, tmp_path: Path
) -> None:
    # Given a report of another run at work, for longer than the run would wait for its own
    folder = tmp_path / "budget"
    other = SharedFolder(str(folder), tap="tap-springserve", api_url=vendor.api_url)
    catalog = hurried.file("catalog.json", select(TapSpringServe, "supply_daily"))
    with other.alone("report", TapSpringServe.logger):
        process = hurried.start(
            *("--catalog", catalog),
            config=config(vendor, folder, report_timeout=1),
            environment={"PYTHONPATH": str(tmp_path)},
        )
        assert process.stderr is not None
        said = ""
        while "Another run has a report in progress" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        time.sleep(1.5)
        # When it is told to stop
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    # Then it was still waiting, had said so once and had asked for no report
    assert process.returncode == 143
    assert err.rstrip().endswith("stopped by signal 15: run it again to continue from the last STATE")
    assert "in progress" not in err
    assert read_messages(out) == []
    assert vendor.journal.matching(REPORT) == []


def test_reports_and_keyset_lists_count_their_requests(run_tap: TapRunner, vendor: SpringServeSimulator) -> None:
    # Given two days of a report, and a list of two pages
    settings = {**vendor.settings(), "end_date": "2026-02-02", "window_days": 1, "page_size": 8}
    # When they are read
    run = run_tap(settings, "supply_daily", "supply_tags")
    # Then singer-sdk's metric has every submit, poll and page of each window, and every page of the list
    told = [json.loads(line.partition("METRIC: ")[2]) for line in run.log if "http_request_count" in line]
    assert [(one["tags"]["stream"], one["tags"]["endpoint"], one["value"]) for one in told] == [
        ("supply_daily", "/report", 6),
        ("supply_tags", "/supply_tags", 2),
        # The login belongs to no stream.
        (None, None, 1),
    ]
    assert len(vendor.journal) == 1 + 3 + 3 + 2
