"""Several runs at once against one account, with a `budget_folder`: a backfill beside the nightly run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_adtech.testing import Program, read_messages, select
from tap_spotwatch.tap import TapSpotwatch
from vendor_simulators.faults import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from vendor_simulators.spotwatch import SpotwatchSimulator


def test_two_runs_have_two_requests_in_flight(spotwatch: SpotwatchSimulator, tmp_path: Path) -> None:
    # Given two runs that read two windows at once each, and a vendor that takes its time
    spotwatch.faults.add(Fault(path="*", times=None, action="slow", delay=0.3))
    program = Program("tap_spotwatch", tmp_path)
    catalog = program.file("catalog.json", select(TapSpotwatch, "broadcasts"))
    common = {**spotwatch.settings(), "budget_folder": str(tmp_path / "budget"), "window_days": 1, "page_size": 20}
    slices = [("2024-06-08", "2024-06-10"), ("2024-06-11", "2024-06-12")]
    # When they read at the same time
    processes = [
        program.start("--catalog", catalog, config={**common, "start_date": first, "end_date": last})
        for first, last in slices
    ]
    ends = [process.communicate(timeout=120) for process in processes]
    # Then each has its rows, and there were two requests at a time, as one run has
    assert [process.returncode for process in processes] == [0, 0], ends
    rows = {one["record"]["id"] for out, _ in ends for one in read_messages(out) if one["type"] == "RECORD"}
    assert rows == {row["id"] for row in spotwatch.truth("broadcasts")}
    assert spotwatch.journal.concurrency() == 2
    assert spotwatch.violations == []
