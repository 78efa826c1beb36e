"""Spotwatch through Meltano into DuckDB: two runs, and the message queue that `*.*` selects."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from shared_project import selected_keys
from vendor_simulators.spotwatch import SpotwatchSimulator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from meltano_fixtures import Meltano

pytestmark = pytest.mark.meltano

TABLES = selected_keys("tap-spotwatch")


@pytest.fixture
def vendor(simulate: Callable[[SpotwatchSimulator], SpotwatchSimulator]) -> SpotwatchSimulator:
    # Up to now, because restatements have change timestamps in the past of the tap's clock.
    first = dt.datetime.now(tz=dt.timezone.utc).date() - dt.timedelta(days=4)
    return simulate(SpotwatchSimulator(first_day=first, days=4, rows_per_day=200, undeclared=True))


def loaded(warehouse: Path, stream: str) -> list[dict[str, Any]]:
    """Return a table's rows sorted by key in the vendor's form: instants as text, JSON as values."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        rows: list[dict[str, Any]] = connection.table(f"tap_spotwatch.{stream}").to_arrow_table().to_pylist()
    plain = [{name: comparable(name, value) for name, value in row.items()} for row in rows]
    return sorted(plain, key=lambda row: tuple(row[name] for name in TABLES[stream]))


def comparable(name: str, value: Any) -> Any:
    """Convert a value of the warehouse to the vendor's form."""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, str) and name in {"_extra", "ads", "regions", "categories", "related", "cross_region_ads"}:
        return json.loads(value)
    return value


def test_two_runs_into_duckdb_and_a_join(meltano: Meltano, vendor: SpotwatchSimulator) -> None:
    # given a vendor, when Meltano runs the tap
    settings = {**vendor.settings(), "page_size": 50, "row_count_check": "fail"}
    first = meltano.run("tap-spotwatch", "target-duckdb", settings)

    # then every table equals the truth
    assert first.returncode == 0, first.stderr
    assert [stream for stream in TABLES if loaded(meltano.warehouse, stream) != vendor.truth(stream)] == []
    requests = len(vendor.journal)

    # given restated and late rows, when it runs again
    vendor.restate(seed=1, days=2)
    second = meltano.run("tap-spotwatch", "target-duckdb", settings)

    # then the tables are updated with fewer requests, and every airing joins its ad
    assert second.returncode == 0, second.stderr
    assert [stream for stream in TABLES if loaded(meltano.warehouse, stream) != vendor.truth(stream)] == []
    assert len(vendor.journal) - requests < requests
    with duckdb.connect(str(meltano.warehouse), read_only=True) as connection:
        joined = connection.execute(
            "select count(*), count(a.id) from tap_spotwatch.broadcasts b left join tap_spotwatch.ads a on a.id = b.ad"
        ).fetchone()
    assert joined == (802, 802)
    assert vendor.violations == []
    assert vendor.journal.matching("/get-message-queue") == []


def test_the_queue_is_skipped_with_a_warning_if_everything_is_selected(
    meltano: Meltano, vendor: SpotwatchSimulator
) -> None:
    # given Meltano's default selection of all streams
    settings = {**vendor.settings(), "_select": '["*.*"]'}
    # when
    run = meltano.run("tap-spotwatch", "target-duckdb", settings)
    # then all other streams are read
    assert run.returncode == 0, run.stderr
    assert "set `message_queue` to true to read it" in run.stderr + run.stdout
    assert vendor.journal.matching("/get-message-queue") == []
    assert len(vendor.truth("broadcast_messages")) == 250
    with duckdb.connect(str(meltano.warehouse), read_only=True) as connection:
        counted = connection.execute("select count(*) from tap_spotwatch.block_ads").fetchone()
    assert counted == (len(vendor.truth("block_ads")),)
