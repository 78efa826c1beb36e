"""Adspect through Meltano into DuckDB: a report added to the settings becomes a table in the next run."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from shared_project import selected_keys
from vendor_simulators.adspect import AdspectSimulator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from meltano_fixtures import Meltano

pytestmark = pytest.mark.meltano

FIRST = dt.date(2025, 3, 28)
LAST = dt.date(2025, 4, 1)
DEFAULT_TABLES = set(selected_keys("tap-adspect"))
METRICS = ["clicks", "uniques", "quality", "revenue", "roi"]
# A report that is only in the settings.
BY_COUNTRY = {"name": "funnel_by_country", "dimensions": ["date", "country_code"], "metrics": METRICS}


@pytest.fixture
def vendor(simulate: Callable[[AdspectSimulator], AdspectSimulator]) -> AdspectSimulator:
    return simulate(AdspectSimulator(seed=7, first_day=FIRST, days=5, rows_per_day=200, streams=30))


def settings(vendor: AdspectSimulator, *reports: dict[str, Any], **others: Any) -> dict[str, Any]:
    given = {"end_date": LAST, "lookback_days": 2, "window_days": 2, "page_size": 20, **others}
    return {**vendor.settings(), **given, **({"reports": json.dumps(reports)} if reports else {})}


def tables(warehouse: Path) -> set[str]:
    """Return the names of the tables in the tap's schema."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        found = connection.execute(
            "select table_name from information_schema.tables where table_schema = 'tap_adspect'"
        )
        return {name for (name,) in found.fetchall()}


def loaded(warehouse: Path, table: str, *key: str) -> list[dict[str, Any]]:
    """Return a table's rows sorted by key, with exact numbers and days as text."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        rows: list[dict[str, Any]] = connection.table(f"tap_adspect.{table}").to_arrow_table().to_pylist()
    plain = [{name: comparable(value) for name, value in row.items()} for row in rows]
    return sorted(plain, key=lambda row: tuple(row[name] for name in key))


def true_rows(vendor: AdspectSimulator, table: str, **report: Any) -> list[dict[str, Any]]:
    """Return the truth in the same form."""
    rows = vendor.truth(table, first_day=FIRST, last_day=LAST, **report)
    return [{name: comparable(value) for name, value in row.items()} for row in rows]


def comparable(value: Any) -> Any:
    """Convert a value to a comparable form without losing a digit."""
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return Decimal(value).normalize() + 0
    return value


def requested_days(vendor: AdspectSimulator) -> list[str]:
    """Return the first day of each requested window."""
    requests = vendor.journal.matching(path="/v1/reports/funnel")
    starts = [int(request.param("date_from") or 0) for request in requests]
    return [dt.datetime.fromtimestamp(start, dt.timezone.utc).date().isoformat() for start in starts]


def test_selected_streams_become_tables(meltano: Meltano, vendor: AdspectSimulator) -> None:
    # given the unchanged project, when Meltano runs the tap
    run = meltano.run("tap-adspect", "target-duckdb", settings(vendor))

    # then the tables are the default selection, without personal data
    assert run.returncode == 0, run.stderr
    assert tables(meltano.warehouse) == DEFAULT_TABLES
    key = ("date", "stream_id")
    assert loaded(meltano.warehouse, "funnel_daily", *key) == true_rows(vendor, "funnel_daily")
    assert len(loaded(meltano.warehouse, "streams", "stream_id")) == 30
    assert vendor.violations == []


def test_a_report_of_the_settings_becomes_a_table(meltano: Meltano, vendor: AdspectSimulator) -> None:
    # given a report that is only in the settings, when Meltano runs the tap
    report = {"dimensions": BY_COUNTRY["dimensions"], "metrics": METRICS}
    first = meltano.run("tap-adspect", "target-duckdb", settings(vendor, BY_COUNTRY))

    # then its table equals the truth
    assert first.returncode == 0, first.stderr
    assert tables(meltano.warehouse) == DEFAULT_TABLES - {"funnel_daily"} | {"funnel_by_country"}
    key = ("date", "country_code")
    assert loaded(meltano.warehouse, "funnel_by_country", *key) == true_rows(vendor, "funnel_by_country", **report)
    assert requested_days(vendor) == ["2025-03-28", "2025-03-30", "2025-04-01"]

    # given restated rows, when it runs again
    vendor.restate(seed=1, days=2)
    vendor.journal.clear()
    second = meltano.run("tap-adspect", "target-duckdb", settings(vendor, BY_COUNTRY))

    # then only the look-back is read again, and the table is updated
    assert second.returncode == 0, second.stderr
    assert requested_days(vendor) == ["2025-03-30", "2025-04-01"]
    assert loaded(meltano.warehouse, "funnel_by_country", *key) == true_rows(vendor, "funnel_by_country", **report)

    # given another time zone, when it runs a third time
    vendor.journal.clear()
    third = meltano.run("tap-adspect", "target-duckdb", settings(vendor, BY_COUNTRY, time_zone="Europe/Berlin"))

    # then it fails with one line without a request, and the table is unchanged
    assert third.returncode != 0
    assert (
        "report funnel_by_country: its state was made with time_zone UTC, now Europe/Berlin: give the report another "
        "name or clear its state"
    ) in third.stderr + third.stdout
    assert "Traceback" not in third.stderr + third.stdout
    assert list(vendor.journal) == []
    assert loaded(meltano.warehouse, "funnel_by_country", *key) == true_rows(vendor, "funnel_by_country", **report)
    assert vendor.violations == []


def test_a_bad_report_leaves_one_line_and_no_request(meltano: Meltano, vendor: AdspectSimulator) -> None:
    bad = {**BY_COUNTRY, "metrics": ["hits"]}
    run = meltano.run("tap-adspect", "target-duckdb", settings(vendor, bad))

    assert run.returncode != 0
    assert "setting `reports`, report funnel_by_country: `metrics` has 'hits': allowed are clicks, " in (
        run.stderr + run.stdout
    )
    assert "Traceback" not in run.stderr + run.stdout
    assert list(vendor.journal) == []
