"""iSpot.tv through Meltano into DuckDB and JSON lines."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from shared_project import selected_keys
from vendor_simulators.ispot import ISpotSimulator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from meltano_fixtures import Meltano

pytestmark = pytest.mark.meltano

FIRST = dt.date(2024, 3, 8)
LAST = dt.date(2024, 3, 12)
KEYS = {stream: key for stream, (key,) in selected_keys("tap-ispot").items()}


@pytest.fixture
def vendor(simulate: Callable[[ISpotSimulator], ISpotSimulator]) -> ISpotSimulator:
    return simulate(ISpotSimulator(seed=7, first_day=FIRST, days=5, rows_per_day=300))


def settings(vendor: ISpotSimulator, **others: Any) -> dict[str, Any]:
    return {**vendor.settings(), "start_date": FIRST, "end_date": LAST, "page_size": 100, **others}


def loaded(warehouse: Path, stream: str) -> dict[Any, dict[str, Any]]:
    """Return a table's rows by key, with instants and parsed JSON."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        rows: list[dict[str, Any]] = connection.table(f"tap_ispot.{stream}").to_arrow_table().to_pylist()
    return {row[KEYS[stream]]: {name: comparable(name, value) for name, value in row.items()} for row in rows}


def true_rows(vendor: ISpotSimulator, stream: str) -> dict[Any, dict[str, Any]]:
    """Return the truth in the same form."""
    rows = vendor.truth(stream, first_day=FIRST, last_day=LAST)
    return {row[KEYS[stream]]: {name: comparable(name, value) for name, value in row.items()} for row in rows}


def comparable(name: str, value: Any) -> Any:
    """Convert a value to a comparable form without losing a digit."""
    if name in {"airing_aired_at_et", "airing_aired_at_pt"} and isinstance(value, str):
        return dt.datetime.fromisoformat(value)
    if name in {"_extra", "children", "products", "events"}:
        parsed = json.loads(value, parse_float=Decimal) if isinstance(value, str) else value
        if isinstance(parsed, list):
            return [comparable("_extra", item) for item in parsed]
        return parsed
    if isinstance(value, Decimal):
        return value.normalize() + 0
    return value


def differing(warehouse: Path, vendor: ISpotSimulator) -> dict[str, list[Any]]:
    """Return the keys of rows that differ from the truth by stream."""
    found: dict[str, list[Any]] = {}
    for stream in KEYS:
        rows, truth = loaded(warehouse, stream), true_rows(vendor, stream)
        keys = sorted(key for key in rows.keys() | truth.keys() if rows.get(key) != truth.get(key))
        if keys:
            found[stream] = [(rows.get(keys[0]), truth.get(keys[0])), *keys]
    return found


def test_two_runs_into_duckdb(meltano: Meltano, vendor: ISpotSimulator) -> None:
    # given a vendor, when Meltano runs the tap
    first = meltano.run("tap-ispot", "target-duckdb", settings(vendor))

    # then every table equals the truth
    assert first.returncode == 0, first.stderr
    assert differing(meltano.warehouse, vendor) == {}

    # and the log has a line per stream and one of the run
    log = first.stderr + first.stdout
    airings = len(true_rows(vendor, "audience_airings"))
    for line in (
        f"stream audience_airings: succeeded, {airings:,} rows, window 2024-03-12..2024-03-12 reached (5 of 5), ",
        "stream networks: succeeded, 16 rows, 1 request, ",
        f"run succeeded (streams: {len(KEYS)} succeeded): ",
    ):
        assert log.count(line) == 1, line
    assert not [noise for noise in ("METRIC", "Skipping", "env var", "metric_") if noise in log]

    # given restated and late rows, when it runs again with a look-back of three days
    vendor.restate(seed=1, days=2)
    vendor.journal.clear()
    second = meltano.run("tap-ispot", "target-duckdb", settings(vendor, lookback_days=3))

    # then the tables are updated, and only the look-back was read again
    assert second.returncode == 0, second.stderr
    assert differing(meltano.warehouse, vendor) == {}
    days = {
        request.param("filter[start_date]") for request in vendor.journal.matching(path="/v4/metrics/audience/airings")
    }
    assert days == {"2024-03-10", "2024-03-11", "2024-03-12"}
    assert vendor.violations == []


def test_killed_half_way_and_started_again(meltano: Meltano, vendor: ISpotSimulator) -> None:
    # given a run whose processes are all killed when half of the days were requested
    process = subprocess.Popen(
        meltano.command("tap-ispot", "target-duckdb"),
        cwd=meltano.root,
        env=meltano.environment("tap-ispot", settings(vendor, parallel_requests=1)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    airings = "/v4/metrics/audience/airings"
    deadline = time.monotonic() + 120
    while len(vendor.journal.matching(path=airings, **{"filter[start_date]": "2024-03-11"})) < 1:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()

    # when it is started again
    again = meltano.run("tap-ispot", "target-duckdb", settings(vendor), "--force")

    # then the tables are complete
    assert again.returncode == 0, again.stderr
    assert differing(meltano.warehouse, vendor) == {}


def test_bad_settings_leave_one_line_and_no_request(meltano: Meltano, vendor: ISpotSimulator) -> None:
    run = meltano.run("tap-ispot", "target-duckdb", settings(vendor, page_size=20_000))

    assert run.returncode != 0
    assert "setting `page_size`: 20000 is not allowed: an integer from 1 to 10000" in run.stderr + run.stdout
    assert "Traceback" not in run.stderr + run.stdout
    assert list(vendor.journal) == []
