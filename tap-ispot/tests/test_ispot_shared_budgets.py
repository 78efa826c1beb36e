"""Several runs at once against one account, with a `budget_folder`: slices of a backfill."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
from singer_adtech.testing import read_messages, select
from tap_ispot.tap import TapISpot
from vendor_simulators.faults import Fault
from vendor_simulators.ispot import ISpotSimulator

if TYPE_CHECKING:
    from pathlib import Path

    from singer_adtech.testing import Program
    from vendor_simulators.pytest_plugin import Simulate

AIRINGS = "/v4/metrics/audience/airings"
LIMIT, SECONDS = 25, 10
"""The vendor's own, of /metrics/audience."""


@pytest.fixture
def vendor(simulate: Simulate) -> ISpotSimulator:
    """Three days, and answers that take their time, so that runs meet."""
    simulator = simulate(ISpotSimulator(first_day=date(2024, 3, 5), days=3, rows_per_day=60, enforce_limits=True))
    simulator.faults.add(Fault(path=AIRINGS, times=None, action="slow", delay=0.2))
    return simulator


def test_three_slices_at_once_keep_the_limit_and_the_requests_in_flight(
    cli: Program, vendor: ISpotSimulator, tmp_path: Path
) -> None:
    # Given three slices of two days, of more pages together than the vendor allows in ten seconds
    catalog = cli.file("catalog.json", select(TapISpot, "audience_airings"))
    common = {**vendor.settings(), "budget_folder": str(tmp_path / "budget"), "page_size": 3, "parallel_requests": 3}
    days = ["2024-03-05", "2024-03-06", "2024-03-07"]
    # When they are read at the same time
    processes = [cli.start("--catalog", catalog, config={**common, "start_date": day, "end_date": day}) for day in days]
    ends = [process.communicate(timeout=120) for process in processes]
    # Then each has its rows, and the vendor refused nothing
    assert [process.returncode for process in processes] == [0, 0, 0], ends
    rows = [one["record"] for out, _ in ends for one in read_messages(out) if one["type"] == "RECORD"]
    truth = vendor.truth("audience_airings")
    assert sorted(str(row["airing_id"]) for row in rows) == sorted(str(row["airing_id"]) for row in truth)
    assert {request.status for request in vendor.journal} == {200}
    assert vendor.violations == []
    # And the limits hold for all runs together
    arrivals = [request.at for request in vendor.journal.matching(AIRINGS)]
    assert LIMIT < len(arrivals) < 3 * LIMIT
    assert max(sum(at <= one < at + SECONDS for one in arrivals) for at in arrivals) <= LIMIT
    assert vendor.journal.concurrency() == 3
