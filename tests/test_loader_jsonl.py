"""target-jsonl: the files after two runs and after a kill, and the newest version of each row."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from vendor_simulators.adspect import AdspectSimulator

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.extended

ROOT = Path(__file__).resolve().parent.parent
FIRST, LAST = dt.date(2025, 3, 28), dt.date(2025, 4, 1)
KEYS = {"streams": ("stream_id",), "click_log": ("_row_key",)}
# The query of docs/loaders.md: later lines are newer.
NEWEST = """
    select * exclude (line) from (select *, row_number() over () as line from read_json('{file}'))
    qualify row_number() over (partition by {key} order by line desc) = 1
"""


@pytest.fixture
def vendor(simulate: Callable[[AdspectSimulator], AdspectSimulator]) -> AdspectSimulator:
    return simulate(
        AdspectSimulator(seed=7, first_day=FIRST, days=5, rows_per_day=60, streams=12, undeclared=True, extremes=True)
    )


def start(project: Path, vendor: AdspectSimulator) -> subprocess.Popen[str]:
    """Start `meltano run`; meltano.yml sets the folder of the files."""
    settings = {
        **vendor.settings(),
        "end_date": LAST,
        "log_lookback_hours": 48,
        "log_window_minutes": 1440,
        "_select": json.dumps([f"{stream}.*" for stream in KEYS]),
    }
    command = [str(Path(sys.executable).with_name("meltano")), "--environment=demo", "run", "--no-install", "--force"]
    return subprocess.Popen(
        [*command, "tap-adspect", "target-jsonl"],
        cwd=project,
        env={
            **os.environ,
            **{f"TAP_ADSPECT_{name.upper()}": str(value) for name, value in settings.items()},
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> None:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output


def lines(file: Path) -> list[dict[str, Any]]:
    """Return the rows of a file in order, numbers with all digits."""
    return [json.loads(line, parse_float=Decimal) for line in file.read_text().splitlines()]


def newest(file: Path, stream: str) -> list[dict[str, Any]]:
    """Return the newest version of each row, by key."""
    latest = {tuple(row[name] for name in KEYS[stream]): row for row in lines(file)}
    return [latest[key] for key in sorted(latest)]


def true_rows(vendor: AdspectSimulator, stream: str) -> list[dict[str, Any]]:
    return vendor.truth(stream, first_day=FIRST, last_day=LAST)


def test_two_runs_are_appended_and_the_last_lines_equal_the_truth(vendor: AdspectSimulator, project: Path) -> None:
    # given a vendor, when Meltano runs the tap
    finish(start(project, vendor))

    # then the tap's folder has a file with exact values for each stream
    folder = project / "output" / "tap_adspect"
    assert sorted(path.name for path in folder.iterdir()) == ["click_log.jsonl", "streams.jsonl"]
    for stream in KEYS:
        assert newest(folder / f"{stream}.jsonl", stream) == true_rows(vendor, stream)
    first = (folder / "click_log.jsonl").read_bytes()
    assert b" 123456789012345678.25," in first

    # given restated and late rows, when it runs again
    vendor.restate(seed=1, days=2)
    finish(start(project, vendor))

    # then the lines of the look-back are repeated, and the last line of each key equals the truth
    assert (folder / "click_log.jsonl").read_bytes().startswith(first)
    truth = true_rows(vendor, "click_log")
    assert len(lines(folder / "click_log.jsonl")) > len(truth)
    for stream in KEYS:
        assert newest(folder / f"{stream}.jsonl", stream) == true_rows(vendor, stream)
    # and the documented query in DuckDB returns the same rows
    query = NEWEST.format(file=folder / "click_log.jsonl", key="_row_key")
    with duckdb.connect() as connection:
        found = connection.execute(f"select _row_key, sequence, target from ({query}) order by all").fetchall()  # noqa: S608 - own
    assert found == sorted((row["_row_key"], row["sequence"], row["target"]) for row in truth)


def test_after_a_kill_the_next_run_reads_everything_again(vendor: AdspectSimulator, project: Path) -> None:
    # given a run whose processes are all killed after the first lines
    process = start(project, vendor)
    file = project / "output" / "tap_adspect" / "click_log.jsonl"
    deadline = time.monotonic() + 200
    try:
        while not file.exists() or file.stat().st_size == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    left = file.read_bytes()

    # when it is started again
    finish(start(project, vendor))

    # then all rows follow the lines of the killed run, the last of which is complete
    after = file.read_bytes()
    truth = true_rows(vendor, "click_log")
    assert left.endswith(b"\n")
    assert after.startswith(left)
    assert after.count(b"\n") == left.count(b"\n") + len(truth)
    assert newest(file, "click_log") == truth
