"""Taps through Meltano into PostgreSQL: rows equal the truth, after a kill and after restatements."""

from __future__ import annotations

import datetime as dt
import functools
import json
import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads
from stand_ins.postgres import cluster
from vendor_simulators.adspect import AdspectSimulator
from vendor_simulators.faults import Fault
from vendor_simulators.ispot import ISpotSimulator
from vendor_simulators.springserve import SpringServeSimulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from meltano_fixtures import Meltano
    from stand_ins.postgres import Cluster

pytestmark = pytest.mark.meltano

AIRINGS = "/v4/metrics/audience/airings"
BY_PARTNER = {
    "name": "by_partner",
    "dimensions": ["supply_partner_id"],
    "metrics": ["impressions", "revenue", "cost", "fill_rate"],
}


@pytest.fixture(scope="module")
def database() -> Iterator[Cluster]:
    # In a zone with clock changes: stored values must not depend on the server's zone.
    with cluster(settings={"TimeZone": "America/New_York"}) as running:
        yield running


def start(
    meltano: Meltano, database: Cluster, tap: str, settings: Mapping[str, Any], *options: str
) -> subprocess.Popen[str]:
    """Start `meltano el` with a separate state and process group."""
    return subprocess.Popen(
        [
            *(str(Path(sys.executable).with_name("meltano")), "--environment=demo", "el", tap, "target-postgres"),
            *("--state-id", f"{tap}-{meltano.folder.name}", *options),
        ],
        cwd=meltano.root,
        env={
            **meltano.environment(tap, settings),
            **{f"TARGET_POSTGRES_{name.upper()}": str(value) for name, value in database.settings().items()},
            # Small batches, so a killed run leaves some rows.
            "TARGET_POSTGRES_BATCH_SIZE_ROWS": "50",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(meltano: Meltano, database: Cluster, tap: str, settings: Mapping[str, Any], *options: str) -> None:
    """Run `meltano el` successfully."""
    process = start(meltano, database, tap, settings, *options)
    output, _ = process.communicate(timeout=500)
    assert process.returncode == 0, output


def query(database: Cluster, text: str, **values: str) -> list[dict[str, Any]]:
    """Run a query in UTC, and return JSON with all digits."""
    with psycopg.connect(database.uri(), options="-c TimeZone=UTC", row_factory=dict_row) as connection:
        set_json_loads(functools.partial(json.loads, parse_float=Decimal), connection)
        return connection.execute(text.encode(), values or None).fetchall()


def types(database: Cluster, schema: str, table: str) -> dict[str, str]:
    """Return the type of each column; array types start with `_`."""
    rows = query(
        database,
        "select column_name, case data_type when 'ARRAY' then udt_name else data_type end as kind "
        "from information_schema.columns where table_schema = %(schema)s and table_name = %(table)s",
        schema=schema,
        table=table,
    )
    return {row["column_name"]: row["kind"] for row in rows}


def keys(database: Cluster, schema: str, table: str) -> list[str]:
    """Return the columns of the primary key in order."""
    rows = query(
        database,
        "select column_name from information_schema.key_column_usage "
        "where table_schema = %(schema)s and table_name = %(table)s order by ordinal_position",
        schema=schema,
        table=table,
    )
    return [row["column_name"] for row in rows]


def differing(database: Cluster, schema: str, table: str, truth: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return pairs of rows that differ between a table and the truth."""
    kinds, key = types(database, schema, table), keys(database, schema, table)
    found = {tuple(row[name] for name in key): row for row in query(database, f'select * from {schema}."{table}"')}  # noqa: S608 - names in this file
    wanted = {}
    for row in truth:
        typed = {name: stored(kinds[name], row.get(name)) for name in kinds}
        wanted[tuple(typed[name] for name in key)] = typed
    sides = [(found.get(one), wanted.get(one)) for one in found.keys() | wanted.keys()]
    return [(ours, theirs) for ours, theirs in sides if exactly(ours) != exactly(theirs)]


def stored(kind: str, value: Any) -> Any:
    """Convert a vendor's value to the Python type of a column."""
    if kind.startswith("timestamp") and value is not None:
        moment = dt.datetime.fromisoformat(value.replace("Z", "+00:00"))
        return moment.astimezone(dt.timezone.utc).replace(tzinfo=None)
    if kind == "date" and value is not None:
        return dt.date.fromisoformat(value)
    if kind == "numeric" and isinstance(value, int):
        return Decimal(value)
    return value


def exactly(value: Any) -> Any:
    """Convert a value so that comparison distinguishes true from 1 and every digit but trailing zeros."""
    if isinstance(value, dict):
        return {name: exactly(item) for name, item in value.items()}
    if isinstance(value, list):
        return [exactly(item) for item in value]
    if isinstance(value, (Decimal, float)):
        # The vendor sends both `1.50` and `1.5`.
        return Decimal(str(value)).normalize() + 0
    return repr(value)


def test_ispot_killed_started_again_and_restated(
    meltano: Meltano, database: Cluster, simulate: Callable[[ISpotSimulator], ISpotSimulator]
) -> None:
    # given a run whose processes are all killed while it waits for the fourth of five days
    first, last = dt.date(2024, 3, 8), dt.date(2024, 3, 12)
    vendor = simulate(ISpotSimulator(seed=7, first_day=first, days=5, rows_per_day=100))
    settings = {
        **vendor.settings(),
        "start_date": first,
        "end_date": last,
        "parallel_requests": 1,
        "window_days": 1,
        "_select": '["audience_airings.*", "spots.*", "networks.*"]',
    }
    fourth = {"filter[start_date]": "2024-03-11"}
    vendor.faults.add(Fault(path=AIRINGS, params=fourth, action="slow", delay=600))
    process = start(meltano, database, "tap-ispot", settings)
    deadline = time.monotonic() + 300
    before = 0
    while not before:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.2)
        if types(database, "tap_ispot", "audience_airings"):
            before = query(database, "select count(*) as n from tap_ispot.audience_airings")[0]["n"]
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    vendor.faults.clear()
    truth = functools.partial(vendor.truth, first_day=first, last_day=last)
    assert 0 < before < len(truth("audience_airings"))

    # when it is started again
    run(meltano, database, "tap-ispot", settings, "--force")

    # then the tables equal the truth, with the types of docs/loaders.md
    tables = ("audience_airings", "spots", "networks")
    assert [differing(database, "tap_ispot", name, truth(name)) for name in tables] == [[], [], []]
    kinds = types(database, "tap_ispot", "audience_airings")
    assert kinds["airing_aired_at_et"] == "timestamp without time zone"
    assert kinds["airing_spend_estimated"] == "numeric"
    assert kinds["airing_id"] == "text"
    assert kinds["_extra"] == "jsonb"
    assert types(database, "tap_ispot", "spots")["events"] == "_jsonb"
    assert keys(database, "tap_ispot", "audience_airings") == ["airing_id"]
    assert keys(database, "tap_ispot", "spots") == ["id"]

    # given restated and late rows, when it runs once more with a look-back
    vendor.restate(seed=1, days=2)
    vendor.journal.clear()
    # Meltano considers the killed run as running for five minutes, even after a forced run.
    run(meltano, database, "tap-ispot", {**settings, "lookback_days": 3}, "--force")

    # then the tables are updated, and only the look-back was read
    assert [differing(database, "tap_ispot", name, truth(name)) for name in tables] == [[], [], []]
    days = {request.param("filter[start_date]") for request in vendor.journal.matching(path=AIRINGS)}
    assert days == {"2024-03-10", "2024-03-11", "2024-03-12"}
    assert vendor.violations == []


def test_springserve_with_decimals_and_lists_of_lists(
    meltano: Meltano, database: Cluster, simulate: Callable[[SpringServeSimulator], SpringServeSimulator]
) -> None:
    # given lists with array columns and a report with money, when Meltano runs the tap
    vendor = simulate(SpringServeSimulator(first_day=dt.date(2026, 2, 1), days=4, rows_per_day=20, polls=1))
    settings = {
        **vendor.settings(),
        "end_date": "2026-02-04",
        "lookback_days": 1,
        "window_days": 4,
        "report_poll_interval": "0.1",
        "reports": json.dumps([BY_PARTNER]),
        "_select": '["supply_tags.*", "campaigns.*", "by_partner.*"]',
    }
    run(meltano, database, "tap-springserve", settings)

    # then the tables equal the truth
    def wrong() -> dict[str, list[Any]]:
        report = vendor.truth("by_partner", report=BY_PARTNER)
        return {
            "supply_tags": differing(database, "tap_springserve", "supply_tags", vendor.truth("supply_tags")),
            "campaigns": differing(database, "tap_springserve", "campaigns", vendor.truth("campaigns")),
            "by_partner": differing(database, "tap_springserve", "by_partner", report),
        }

    assert wrong() == {"supply_tags": [], "campaigns": [], "by_partner": []}
    assert types(database, "tap_springserve", "by_partner") == {
        "date": "date",
        "supply_partner_id": "bigint",
        "supply_partner_name": "text",
        "impressions": "numeric",
        "revenue": "numeric",
        "cost": "numeric",
        "fill_rate": "numeric",
        "_extra": "jsonb",
    }
    assert types(database, "tap_springserve", "supply_tags")["day_parting"] == "_jsonb"
    assert keys(database, "tap_springserve", "by_partner") == ["date", "supply_partner_id"]

    # given restated rows, when it runs again, then the tables are updated
    vendor.restate(days=2)
    run(meltano, database, "tap-springserve", settings)
    assert wrong() == {"supply_tags": [], "campaigns": [], "by_partner": []}
    assert vendor.violations == []


def test_the_click_log_of_adspect(
    meltano: Meltano, database: Cluster, simulate: Callable[[AdspectSimulator], AdspectSimulator]
) -> None:
    # given a log with clicks of every script, when Meltano runs the tap with raw addresses
    vendor = simulate(AdspectSimulator(first_day=dt.date(2025, 3, 29), days=2, rows_per_day=60, streams=5))
    settings = {
        **vendor.settings(),
        "end_date": "2025-03-30",
        "log_lookback_hours": 48,
        "ip_addresses": "raw",
        "_select": '["click_log.*"]',
    }
    run(meltano, database, "tap-adspect", settings)
    # then the table equals the truth
    assert differing(database, "tap_adspect", "click_log", vendor.truth("click_log")) == []
    assert types(database, "tap_adspect", "click_log")["languages"] == "_text"
    assert keys(database, "tap_adspect", "click_log") == ["_row_key"]

    # given late conversions, when it runs again, then the table is updated
    vendor.restate(days=2)
    run(meltano, database, "tap-adspect", settings)
    assert differing(database, "tap_adspect", "click_log", vendor.truth("click_log")) == []
    assert vendor.violations == []
