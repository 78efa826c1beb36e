"""Several runs at once against one account, with a `budget_folder`: a backfill beside the nightly run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_adtech.testing import Program, read_messages, select
from tap_adspect.tap import TapAdspect
from vendor_simulators.faults import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from vendor_simulators.adspect import AdspectSimulator


def test_two_runs_have_one_request_in_flight(adspect: AdspectSimulator, tmp_path: Path) -> None:
    # Given two runs, and a vendor that takes its time
    adspect.faults.add(Fault(path="*", times=None, action="slow", delay=0.1))
    program = Program("tap_adspect", tmp_path)
    catalog = program.file("catalog.json", select(TapAdspect, "funnel_daily"))
    common = {**adspect.settings(), "budget_folder": str(tmp_path / "budget"), "window_days": 1}
    slices = [("2025-03-28", "2025-03-29"), ("2025-03-30", "2025-04-01")]
    # When they read at the same time
    processes = [
        program.start("--catalog", catalog, config={**common, "start_date": first, "end_date": last})
        for first, last in slices
    ]
    ends = [process.communicate(timeout=120) for process in processes]
    # Then each has its rows, and there was one request at a time
    assert [process.returncode for process in processes] == [0, 0], ends
    rows = [one["record"] for out, _ in ends for one in read_messages(out) if one["type"] == "RECORD"]
    assert len(rows) == len(adspect.truth("funnel_daily"))
    assert len(adspect.journal) == 5
    assert adspect.journal.concurrency() == 1
    assert adspect.violations == []
