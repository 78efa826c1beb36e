"""The published Snowflake loader through Meltano into a stand-in."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from shared_project import selected_keys
from stand_ins.snowflake import OLDEST_PYTHON, Snowflake, server
from vendor_simulators.ispot import ISpotSimulator
from vendor_simulators.magnite import MagniteSimulator
from vendor_simulators.spotwatch import SpotwatchSimulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from meltano_fixtures import Meltano

pytestmark = [
    pytest.mark.extended,
    pytest.mark.skipif(sys.version_info < OLDEST_PYTHON, reason="fakesnow is not published for Python 3.10"),
]

SPOTWATCH = selected_keys("tap-spotwatch")
EXACT = {
    "anyOf": [
        {"type": "string", "format": "x-singer.decimal", "precision": 38, "scale": 12},
        {"type": "number"},
        {"type": "null"},
    ]
}
"""The schema of a NUMBER(38, 12) column; see docs/loaders.md."""


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snowflake]:
    with server(tmp_path_factory.mktemp("snowflake")) as running:
        yield running


@pytest.fixture
def warehouse(stand_in: Snowflake) -> Snowflake:
    # A separate database for each test; fakesnow creates it at login.
    return replace(stand_in, database=f"TEST_{uuid4().hex.upper()}")


@pytest.fixture
def spotwatch(simulate: Callable[[SpotwatchSimulator], SpotwatchSimulator]) -> SpotwatchSimulator:
    # Up to now, because restatements have change timestamps in the past of the tap's clock.
    first = dt.datetime.now(tz=dt.timezone.utc).date() - dt.timedelta(days=4)
    return simulate(SpotwatchSimulator(first_day=first, days=4, rows_per_day=100, undeclared=True))


def command(tap: str, *options: str) -> list[str]:
    """Return the command line. `el` uses a separate run folder, so other tests can run the same tap."""
    meltano = Path(sys.executable).with_name("meltano")
    return [str(meltano), "--environment=demo", "el", tap, "target-snowflake", f"--state-id=snowflake-{tap}", *options]


def environment(
    meltano: Meltano, warehouse: Snowflake, tap: str, settings: Mapping[str, Any], **target: Any
) -> dict[str, str]:
    """Return the environment of the tap, the loader and its connector, without settings that are None."""
    wanted = {**warehouse.settings(), **target}
    given = {f"TARGET_SNOWFLAKE_{name.upper()}": str(value) for name, value in wanted.items() if value is not None}
    return {**meltano.environment(tap, settings), **warehouse.environment(), **given}


def run(meltano: Meltano, arguments: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments, cwd=meltano.root, env=variables, check=False, capture_output=True, text=True, timeout=300
    )


def loaded(warehouse: Snowflake, schema: str, stream: str) -> list[dict[str, Any]]:
    """Return a table's rows as sent by a tap: instants in UTC, JSON as values, without the loader's columns."""
    types = warehouse.types(f"{schema}.{stream}")
    rows = warehouse.query(f"from {warehouse.database}.{schema}.{stream}")
    return [
        {name.lower(): value_of(types[name], value) for name, value in row.items() if not name.startswith("_SDC_")}
        for row in rows
    ]


def value_of(column_type: str, value: Any) -> Any:
    if value is None:
        return None
    if column_type == "DECIMAL(38,0)":
        return int(value)
    if column_type.startswith("DECIMAL"):
        return Decimal(value)
    if column_type == "TIMESTAMP WITH TIME ZONE":
        return dt.datetime.fromisoformat(value)
    return json.loads(value) if column_type == "JSON" else value


def true_rows(vendor: SpotwatchSimulator, stream: str) -> list[dict[str, Any]]:
    """Return the truth in the same form."""
    instants = {"created", "lastseen", "time", "start", "finish", "updated"}
    return [
        {
            name: dt.datetime.fromisoformat(value.replace("Z", "+00:00")) if name in instants and value else value
            for name, value in row.items()
        }
        for row in vendor.truth(stream)
    ]


def differing(warehouse: Snowflake, vendor: SpotwatchSimulator) -> dict[str, Any]:
    """Return the differences between the tables and the truth by stream."""
    found: dict[str, Any] = {}
    for stream, keys in SPOTWATCH.items():
        rows = sorted(loaded(warehouse, "TAP_SPOTWATCH", stream), key=lambda row: tuple(row[name] for name in keys))
        truth = true_rows(vendor, stream)
        if rows != truth:
            pairs = [pair for pair in zip(rows, truth, strict=False) if pair[0] != pair[1]]
            found[stream] = (len(rows), len(truth), pairs[:1])
    return found


def test_two_runs_load_the_truth(meltano: Meltano, warehouse: Snowflake, spotwatch: SpotwatchSimulator) -> None:
    # given a vendor, when Meltano runs the tap
    before = Counter(warehouse.seen()["statements"])
    variables = environment(meltano, warehouse, "tap-spotwatch", {**spotwatch.settings(), "row_count_check": "fail"})
    first = run(meltano, command("tap-spotwatch"), variables)

    # then every table equals the truth, with types that keep every digit
    assert first.returncode == 0, first.stderr
    assert differing(warehouse, spotwatch) == {}
    types = warehouse.types("TAP_SPOTWATCH.ADS")
    assert {name: types[name] for name in ("ID", "LASTSEEN", "BRAND", "SELF_PROMO", "RELATED", "_EXTRA")} == {
        "ID": "DECIMAL(38,0)",
        "LASTSEEN": "TIMESTAMP WITH TIME ZONE",
        "BRAND": "VARCHAR",
        "SELF_PROMO": "BOOLEAN",
        "RELATED": "JSON",
        "_EXTRA": "JSON",
    }

    # given restated and late rows, when it runs again
    spotwatch.restate(seed=1, days=2)
    second = run(meltano, command("tap-spotwatch"), variables)

    # then the tables are updated, with one merge per stream
    assert second.returncode == 0, second.stderr
    assert differing(warehouse, spotwatch) == {}
    seen = warehouse.seen()
    sent = Counter(seen["statements"]) - before
    assert (sent["MERGE"], sent["COPY"]) == (2 * len(SPOTWATCH), 0)
    # and the loader logged in with its key and role
    assert {tuple(one.values()) for one in seen["logins"] if one["database"] == warehouse.database} == {
        ("LOADER", "SNOWFLAKE_JWT", warehouse.database, "SMALL", "LOADING"),
    }


def test_a_killed_run_continues_and_a_new_column_is_added(
    meltano: Meltano, warehouse: Snowflake, spotwatch: SpotwatchSimulator
) -> None:
    # given a run without one column of airings that is killed after its first merges
    settings = {**spotwatch.settings(), "window_days": 1, "page_size": 50}
    variables = environment(meltano, warehouse, "tap-spotwatch", settings, batch_size_rows=20)
    variables["TAP_SPOTWATCH__SELECT"] = '["ads.*", "broadcasts.*", "!broadcasts.program"]'
    process = subprocess.Popen(
        command("tap-spotwatch"),
        cwd=meltano.root,
        env=variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 240
        while rows_of(warehouse, "BROADCASTS") < 60:
            assert process.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    truth = true_rows(spotwatch, "broadcasts")
    assert 60 <= rows_of(warehouse, "BROADCASTS") < len(truth)

    # when it runs again: without --force, Meltano keeps a killed run's lock for five minutes
    refused = run(meltano, command("tap-spotwatch"), variables)
    again = run(meltano, command("tap-spotwatch", "--force"), variables)

    # then it continues, without missing or duplicate rows
    assert refused.returncode != 0
    assert "To ignore this check use the '--force' option" in refused.stderr + refused.stdout
    assert again.returncode == 0, again.stderr
    without = [{name: value for name, value in row.items() if name != "program"} for row in truth]
    assert by_id(loaded(warehouse, "TAP_SPOTWATCH", "BROADCASTS")) == without
    assert by_id(loaded(warehouse, "TAP_SPOTWATCH", "ADS")) == true_rows(spotwatch, "ads")

    # when the column is selected and everything is read again
    variables["TAP_SPOTWATCH__SELECT"] = '["ads.*", "broadcasts.*"]'
    # Forced again, because the lock of the killed run is still there.
    full = run(meltano, command("tap-spotwatch", "--force", "--full-refresh"), variables)

    # then every row has it
    assert full.returncode == 0, full.stderr
    assert warehouse.types("TAP_SPOTWATCH.BROADCASTS")["PROGRAM"] == "VARCHAR"
    assert by_id(loaded(warehouse, "TAP_SPOTWATCH", "BROADCASTS")) == truth


def rows_of(warehouse: Snowflake, table: str) -> int:
    """Count the rows of a table that may not exist yet."""
    there = {(row["database_name"], row["table_name"]) for row in warehouse.query("from duckdb_tables()")}
    if (warehouse.database, table) not in there:
        return 0
    counted: int = warehouse.query(f"from {warehouse.database}.TAP_SPOTWATCH.{table} select count(*) as n")[0]["n"]
    return counted


def by_id(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: row["id"])


def test_a_decimal_is_exact_if_its_column_is_declared(
    meltano: Meltano, warehouse: Snowflake, simulate: Callable[[ISpotSimulator], ISpotSimulator]
) -> None:
    # given amounts of 20 digits, in a column declared as documented and in another
    day = dt.date(2024, 3, 10)
    vendor = simulate(ISpotSimulator(seed=7, first_day=day, days=1, rows_per_day=40))
    variables = environment(meltano, warehouse, "tap-ispot", {**vendor.settings(), "start_date": day, "end_date": day})
    variables["TAP_ISPOT__SELECT"] = '["audience_airings.*"]'
    variables["TAP_ISPOT__SCHEMA"] = json.dumps({"audience_airings": {"airing_spend_estimated": EXACT}})

    # when
    ran = run(meltano, command("tap-ispot"), variables)

    # then the first is exact and the second a double, and New York times are the same instants
    assert ran.returncode == 0, ran.stderr
    types = warehouse.types("TAP_ISPOT.AUDIENCE_AIRINGS")
    assert types["AIRING_SPEND_ESTIMATED"] == "DECIMAL(38,12)"
    assert types["AUDIENCE_IMPRESSIONS"] == "DOUBLE"
    rows = {row["airing_id"]: row for row in loaded(warehouse, "TAP_ISPOT", "AUDIENCE_AIRINGS")}
    truth = {row["airing_id"]: row for row in vendor.truth("audience_airings", first_day=day, last_day=day)}
    assert rows.keys() == truth.keys()
    longest = max(row["airing_spend_estimated"] or 0 for row in truth.values())
    assert longest == Decimal("123456789012345678.90")
    for key, row in rows.items():
        wanted = truth[key]
        assert row["airing_spend_estimated"] == wanted["airing_spend_estimated"]
        impressions = wanted["audience_impressions"]
        assert row["audience_impressions"] == (None if impressions is None else float(impressions))
        assert row["airing_aired_at_et"] == dt.datetime.fromisoformat(wanted["airing_aired_at_et"])
        assert row["_extra"] == wanted["_extra"]


def test_mixed_case_names_become_upper_case_and_are_found_again(
    meltano: Meltano, warehouse: Snowflake, simulate: Callable[[MagniteSimulator], MagniteSimulator]
) -> None:
    # given a vendor with columns such as `creationDate`
    vendor = simulate(MagniteSimulator(first_day=dt.date(2025, 3, 1), days=2, rows_per_day=20, extremes=False))
    variables = environment(meltano, warehouse, "tap-magnite", {**vendor.settings(), "end_date": "2025-03-02"})
    variables["TAP_MAGNITE__SELECT"] = '["seats.*", "brands.*"]'

    # when it is read twice, the second time into existing tables
    runs = [run(meltano, command("tap-magnite"), variables) for _ in range(2)]

    # then each name is one upper-case column, and the rows equal the truth
    assert [one.returncode for one in runs] == [0, 0], runs[1].stderr
    for stream in ("seats", "brands"):
        truth = vendor.truth(stream)
        own = [name for name in warehouse.types(f"TAP_MAGNITE.{stream}") if not name.startswith("_SDC_")]
        assert own == [name.upper() for name in truth[0]]
        rows = by_id(loaded(warehouse, "TAP_MAGNITE", stream))
        instants = {name for name in truth[0] if name.endswith("Date") or name == "lastUpdated"}
        assert rows == [
            {
                name.lower(): dt.datetime.fromisoformat(value) if name in instants and value else value
                for name, value in row.items()
            }
            for row in truth
        ]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        pytest.param({"database": "adtech"}, "Database 'adtech' does not exist", id="a database in small letters"),
        pytest.param({"user": "SOMEBODY"}, "JWT token is invalid", id="a key of somebody else"),
        pytest.param({"private_key_path": None}, "Config validation failed", id="no way to log in"),
        pytest.param({"password": "also"}, "Config validation failed", id="two ways to log in"),
    ],
)
def test_a_wrong_connection_fails_with_the_reason(
    meltano: Meltano,
    warehouse: Snowflake,
    spotwatch: SpotwatchSimulator,
    wrong: dict[str, str | None],
    error: str,
) -> None:
    # given
    variables = environment(meltano, warehouse, "tap-spotwatch", spotwatch.settings(), **wrong)
    variables["TAP_SPOTWATCH__SELECT"] = '["regions.*"]'
    # when
    ran = run(meltano, command("tap-spotwatch"), variables)
    # then
    assert ran.returncode != 0
    assert error in ran.stderr + ran.stdout
    assert warehouse.passphrase not in ran.stderr + ran.stdout


def test_the_stand_in_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    # given a killed process that had started a server
    program = (
        "import sys; from pathlib import Path; from stand_ins.snowflake import server\n"
        "with server(Path(sys.argv[1])) as running: print(running.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        starter.kill()
    # when the server notices, then it stops
    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
