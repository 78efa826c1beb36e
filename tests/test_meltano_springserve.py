"""SpringServe through Meltano into DuckDB: lists, reports, and an incremental second run."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from shared_project import selected_keys
from vendor_simulators.springserve import SpringServeSimulator

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal
    from pathlib import Path

    from meltano_fixtures import Meltano

pytestmark = pytest.mark.meltano

FIRST = dt.date(2026, 2, 1)
LAST = dt.date(2026, 2, 6)
BY_PARTNER = {"name": "by_partner", "dimensions": ["supply_partner_id"], "metrics": ["impressions", "revenue"]}
TABLES = set(selected_keys("tap-springserve", reports=[BY_PARTNER]))
LISTS = TABLES - {"by_partner"}


@pytest.fixture
def vendor(simulate: Callable[[SpringServeSimulator], SpringServeSimulator]) -> SpringServeSimulator:
    return simulate(SpringServeSimulator(first_day=FIRST, days=6, rows_per_day=40, polls=1))


def settings(vendor: SpringServeSimulator) -> dict[str, Any]:
    return {
        **vendor.settings(),
        "end_date": LAST,
        "lookback_days": 1,
        "window_days": 6,
        "report_poll_interval": "0.1",
        "reports": json.dumps([BY_PARTNER]),
    }


def query(warehouse: Path, text: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return connection.execute(text).fetchall()


def true_report(vendor: SpringServeSimulator) -> list[tuple[dt.date, int, int, Decimal]]:
    rows: list[dict[str, Any]] = vendor.truth("by_partner", report=BY_PARTNER)
    return [
        (dt.date.fromisoformat(row["date"]), row["supply_partner_id"], row["impressions"], row["revenue"])
        for row in rows
    ]


def test_lists_and_a_report_of_the_settings_become_tables(meltano: Meltano, vendor: SpringServeSimulator) -> None:
    # given a report that is only in the settings, when Meltano runs the tap
    first = meltano.run("tap-springserve", "target-duckdb", settings(vendor))

    # then the tables are the selected lists and the report, and equal the truth
    assert first.returncode == 0, first.stderr
    names = "select table_name from information_schema.tables where table_schema = 'tap_springserve'"
    assert {name for (name,) in query(meltano.warehouse, names)} == TABLES
    for name in LISTS:
        ids = query(meltano.warehouse, f"select id from tap_springserve.{name} order by id")  # noqa: S608 - names above
        assert [number for (number,) in ids] == [row["id"] for row in vendor.truth(name)], name
    report = "select date, supply_partner_id, impressions, revenue from tap_springserve.by_partner order by 1, 2"
    assert query(meltano.warehouse, report) == true_report(vendor)

    # given changed rows, when it runs again
    vendor.restate(days=2)
    vendor.journal.clear()
    second = meltano.run("tap-springserve", "target-duckdb", settings(vendor))

    # then the tables are updated with few requests
    assert second.returncode == 0, second.stderr
    assert query(meltano.warehouse, report) == true_report(vendor)
    tags = query(meltano.warehouse, "select id, name from tap_springserve.supply_tags order by id")
    assert tags == [(row["id"], row["name"]) for row in vendor.truth("supply_tags")]
    (request,) = vendor.journal.matching("/api/v1/supply_tags")
    assert request.param("updated_at::gte") is not None
    assert vendor.journal.matching("/api/v0/report")[0].json()["start_date"] == "2026-02-05"
    assert vendor.violations == []
