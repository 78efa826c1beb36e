"""Magnite through Meltano into DuckDB: two runs, and a report added to the settings."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from shared_project import selected_keys
from vendor_simulators.magnite import MagniteSimulator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from meltano_fixtures import Meltano

pytestmark = pytest.mark.meltano

LISTS = [stream for stream, key in selected_keys("tap-magnite").items() if key == ("id",)]
REPORT = {"name": "brands_by_hour", "dimensions": ["day", "hour", "brand"], "metrics": ["requests", "netRevenue"]}


@pytest.fixture
def vendor(simulate: Callable[[MagniteSimulator], MagniteSimulator]) -> MagniteSimulator:
    return simulate(MagniteSimulator(first_day=date(2025, 3, 1), days=5, rows_per_day=50, extremes=False))


def settings(vendor: MagniteSimulator, **more: Any) -> dict[str, Any]:
    """Return settings for all days of a vendor in windows of two days."""
    return {**vendor.settings(), "end_date": "2025-03-05", "window_days": 2, "poll_interval": 0.1, **more}


def loaded(warehouse: Path, stream: str) -> list[dict[str, Any]]:
    """Return a table's rows sorted by key, with days as text."""
    key = "row_key" if stream not in LISTS else "id"
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        rows: list[dict[str, Any]] = connection.table(f"tap_magnite.{stream}").to_arrow_table().to_pylist()
    plain = [
        {name: value.isoformat() if isinstance(value, date) else value for name, value in row.items()} for row in rows
    ]
    return sorted(plain, key=lambda row: row[key])


def comparable(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record without the values that DuckDB stores in another form."""
    return {name: value for name, value in record.items() if not isinstance(value, (Decimal, float, dict, list))}


def same(warehouse: Path, stream: str, truth: list[dict[str, Any]]) -> bool:
    """Return whether a table holds these records; decimals are compared approximately."""
    rows = loaded(warehouse, stream)
    if [row.get("id", row.get("row_key")) for row in rows] != [one.get("id", one.get("row_key")) for one in truth]:
        return False
    for row, record in zip(rows, truth, strict=True):
        plain = comparable(record)
        figures = {name: float(value) for name, value in record.items() if isinstance(value, Decimal)}
        if {name: row[name] for name in plain} != plain:
            return False
        if {name: float(row[name]) for name in figures} != pytest.approx(figures):
            return False
    return True


def test_two_runs_into_duckdb(meltano: Meltano, vendor: MagniteSimulator) -> None:
    # given a vendor, when Meltano runs the tap
    first = meltano.run("tap-magnite", "target-duckdb", settings(vendor))

    # then every table equals the truth
    assert first.returncode == 0, first.stderr
    assert [stream for stream in LISTS if not same(meltano.warehouse, stream, vendor.truth(stream))] == []
    assert same(meltano.warehouse, "adstats_daily", vendor.truth("adstats_daily"))
    assert len(vendor.queries.accepted) == 3

    # given restated and late rows, when it runs again
    vendor.restate(seed=1, days=2)
    second = meltano.run("tap-magnite", "target-duckdb", settings(vendor, lookback_days=1))

    # then the table is updated, and only the look-back was read
    assert second.returncode == 0, second.stderr
    assert same(meltano.warehouse, "adstats_daily", vendor.truth("adstats_daily"))
    assert len(vendor.queries.accepted) == 4
    assert vendor.sessions.open_codes == []
    assert vendor.violations == []


def test_a_report_of_the_settings_becomes_a_table(meltano: Meltano, vendor: MagniteSimulator) -> None:
    # given a report that is only in the settings
    own = {"reports": json.dumps([REPORT])}
    truth = vendor.truth("own", dimensions=REPORT["dimensions"], metrics=REPORT["metrics"])

    # when Meltano runs the tap with the shared project's selection, then it becomes a table
    first = meltano.run("tap-magnite", "target-duckdb", settings(vendor, **own))
    assert first.returncode == 0, first.stderr
    assert same(meltano.warehouse, "brands_by_hour", truth)

    # and the second run is incremental
    vendor.journal.clear()
    second = meltano.run("tap-magnite", "target-duckdb", settings(vendor, lookback_days=0, **own))
    assert second.returncode == 0, second.stderr
    submits = vendor.journal.matching("*/queries", "POST")
    assert [one.json()["range"]["fromDate"] for one in submits] == ["2025-03-05"]

    # and a third run with another time zone is refused
    third = meltano.run("tap-magnite", "target-duckdb", settings(vendor, time_zone="Asia/Tokyo", **own))
    assert third.returncode != 0
    assert "its state was made with time_zone UTC, now Asia/Tokyo" in third.stderr + third.stdout
