"""Time and memory of dbt's models for many airings: first build, unchanged rows, and after a nightly run.

    python benchmarks/transform.py [--rows 3000000] [--postgres]

iSpot.tv's airings of five years are generated in the database, with every column of the stream. The nightly run
restates the last 30 days, as the tap's look-back does, and adds a day. Needs `make setup`; for PostgreSQL also
`make loaders stand-ins`.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg
from stand_ins.postgres import cluster
from tap_ispot.tap import TapISpot

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
DAYS = 1825
TYPES = {"integer": "bigint", "number": "decimal(38, 10)", "boolean": "boolean", "object": "json", "array": "json"}
VALUES = {
    "airing_id": "cast(i as varchar)",
    "airing_aired_at_et": "timestamptz '2021-01-01 05:00:00+00' + i * {seconds} * interval '1 second'",
    "airing_spend_estimated": "cast(i % 100000 as decimal(38, 10)) / 100",
    "airing_media_value": "cast(i % 777 as decimal(38, 10)) / 100",
    "audience_impressions": "cast(i % 1234567 as decimal(38, 10))",
    "spot_id": "i % 20000",
    "spot_title": "'Brand ' || i % 800 || ' TV Spot, Episode ' || i % 20000",
    "brand_id": "i % 800",
    "brand_name": "'Brand ' || i % 800",
    "network_id": "i % 120",
    "network_name": "'Network ' || i % 120",
    "show_title": "'Show ' || i % 3000",
    "genre_name": "'Genre ' || i % 20",
}
"""SQL of the columns that are not a short text, by the number `i` of the airing."""


def columns() -> dict[str, str]:
    """Return the SQL type of each column of the stream."""
    tap = TapISpot(config={}, validate_config=False, setup_mapper=False)
    found = {}
    for name, declared in tap.streams["audience_airings"].schema["properties"].items():
        kind = next(one for one in declared["type"] if one != "null")
        found[name] = "timestamptz" if declared.get("format") == "date-time" else TYPES.get(kind, "varchar")
    return found


def airings(first: int, last: int, rows: int) -> str:
    """Return SQL of the airings from one number to another."""
    filling = {"bigint": "i % 1000", "varchar": "'text ' || i % 1000"}
    values = [
        f"cast({VALUES.get(name, filling.get(kind, 'null')).format(seconds=DAYS * 86400 // rows)} as {kind}) as {name}"
        for name, kind in columns().items()
    ]
    return f"select {', '.join(values)} from generate_series({first}, {last}) as numbers(i)"  # noqa: S608 - above


def build(name: str, variables: dict[str, str], label: str) -> None:
    """Run dbt's models and tests, and print wall-clock time, CPU time and peak memory of dbt."""
    program = ROOT / ".meltano" / "utilities" / f"dbt-{name}" / "venv" / "bin" / "dbt"
    for command in ("run", "test"):
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        # Measured in a process of its own, because the peak of all children never falls.
        measured = (
            "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:], capture_output=True, text=True); "
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, done.returncode); print(done.stdout)"
        )
        arguments = [str(program), command, "--project-dir=transform", "--profiles-dir=transform", f"--target={name}"]
        done = subprocess.run(
            [sys.executable, "-c", measured, *arguments],
            cwd=ROOT,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=True,
        )
        figures, _, output = done.stdout.partition("\n")
        peak, code = (int(one) for one in figures.split())
        if code:
            sys.exit(output)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        wall = time.monotonic() - began
        print(f"| {name} | {label} | {command} | {wall:.0f} | {cpu:.0f} | {peak / 1024:.0f} |", flush=True)


def measure(name: str, variables: dict[str, str], execute: Callable[[str], Any], rows: int) -> None:
    """Load the airings and build three times."""
    execute("create schema tap_ispot")
    execute(f"create table tap_ispot.audience_airings as {airings(0, rows - 1, rows)}")
    build(name, variables, "first build")
    build(name, variables, "nothing changed")
    execute(
        "update tap_ispot.audience_airings set airing_spend_estimated = airing_spend_estimated + 1 where "
        "airing_aired_at_et > (select max(airing_aired_at_et) - interval '30 days' from tap_ispot.audience_airings)"
    )
    execute(f"insert into tap_ispot.audience_airings {airings(rows, rows + rows // DAYS, rows)}")
    build(name, variables, "30 days restated, one new")


def main() -> None:
    """Measure one database."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=3_000_000, help="number of airings")
    parser.add_argument("--postgres", action="store_true", help="PostgreSQL instead of DuckDB")
    chosen = parser.parse_args()
    print("| warehouse | build | dbt | wall s | CPU s of dbt | peak MB of dbt |\n| --- | --- | --- | --- | --- | --- |")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if chosen.postgres:
            database = stack.enter_context(cluster())
            variables = {f"TARGET_POSTGRES_{name.upper()}": str(value) for name, value in database.settings().items()}

            def in_postgres(sql: str) -> None:
                with psycopg.connect(database.uri()) as connection:
                    connection.execute(sql.encode())

            measure("postgres", variables, in_postgres, chosen.rows)
            return
        file = str(folder / "airings.duckdb")

        def in_duckdb(sql: str) -> None:
            with duckdb.connect(file) as connection:
                connection.execute(sql)

        measure("duckdb", {"TARGET_DUCKDB_FILEPATH": file}, in_duckdb, chosen.rows)


if __name__ == "__main__":
    main()
