"""Draw the marts as one page: `meltano invoke report:duckdb`, or `make report`.

The page opens without network. The warehouse is opened read-only. The SQL aggregates, so that rows of the marts are not
read into memory.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from report_charts import CHARTS
from report_page import Answer, page

ROOT = Path(__file__).resolve().parent.parent
DAYS = 90
BAD_INPUT = 2


class ReportError(Exception):
    """The warehouse cannot be read; the message is one line for the user."""


def connect_duckdb() -> tuple[Any, str]:
    """Open the DuckDB file of target-duckdb; return a connection and the warehouse's name.

    Raises:
        ReportError: The file is missing, or a loader is writing to it.
    """
    import duckdb  # noqa: PLC0415 - only one of the two databases is needed

    path = Path(os.environ.get("TARGET_DUCKDB_FILEPATH") or ROOT / "output" / "warehouse.duckdb")
    if not path.exists():
        raise ReportError(f"{path} does not exist: load a vendor first, or set TARGET_DUCKDB_FILEPATH")
    try:
        connection = duckdb.connect(str(path), read_only=True)
    except duckdb.IOException as error:
        raise ReportError(
            f"{path} cannot be opened: {_line(error)}; wait until loader and dbt have finished"
        ) from error
    connection.execute("set TimeZone = 'UTC'")
    return connection, path.name


def connect_postgres() -> tuple[Any, str]:
    """Connect to the PostgreSQL database of target-postgres; return a connection and the warehouse's name.

    Raises:
        ReportError: The connection failed.
    """
    import psycopg  # noqa: PLC0415 - only one of the two databases is needed

    names = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "DATABASE"}
    given = {key: os.environ.get(f"TARGET_POSTGRES_{name}") for key, name in names.items()}
    given["host"] = given["host"] or "localhost"
    try:
        connection = psycopg.connect(
            **{key: value for key, value in given.items() if value},  # type: ignore[arg-type] # all are text
            options="-c default_transaction_read_only=on -c TimeZone=UTC",
        )
    except psycopg.OperationalError as error:
        raise ReportError(f"PostgreSQL cannot be reached: {_line(error)}; see TARGET_POSTGRES_HOST in .env") from error
    return connection, f"PostgreSQL, database {connection.info.dbname}"


def _line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def answers(connection: Any, schema: str, days: int) -> list[Answer]:
    """Run the SQL of all charts.

    Args:
        connection: A connection of duckdb or psycopg.
        schema: Schema of the marts.
        days: Number of days to show.

    Raises:
        ReportError: A mart is missing.
    """
    found = []
    for chart in CHARTS:
        sql = chart.sql.strip().format(marts=schema, days=days)
        cursor = connection.cursor()
        try:
            cursor.execute(sql)
        except Exception as error:
            raise ReportError(
                f"{schema}.{chart.mart} cannot be read: run `make transform` first ({_line(error)})"
            ) from error
        names = [column[0] for column in cursor.description]
        found.append(Answer(chart, sql, [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]))
    return found


def libraries() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script, from the package vl-convert-python."""
    import vl_convert  # noqa: PLC0415 - it is only in the environment of this plugin

    bundle: str = vl_convert.javascript_bundle()
    return bundle


def main() -> int:
    """Write the page; return the exit code."""
    parser = argparse.ArgumentParser(prog="report", description="Draw the marts as one page.")
    parser.add_argument("--warehouse", choices=["duckdb", "postgres"], default="duckdb")
    parser.add_argument("--output", type=Path, default=ROOT / "output" / "report.html")
    parser.add_argument("--days", type=int, default=DAYS, help="days to show, up to the newest")
    parser.add_argument("--note", default="", help="a sentence to show at the top")
    chosen = parser.parse_args()
    try:
        connection, name = connect_duckdb() if chosen.warehouse == "duckdb" else connect_postgres()
        with closing(connection):
            found = answers(connection, os.environ.get("ADTECH_SCHEMA_PREFIX", "") + "marts", chosen.days)
    except ReportError as error:
        print(f"report: {error}", file=sys.stderr)
        return BAD_INPUT
    now = dt.datetime.now(tz=dt.timezone.utc)
    origin = f"Marts in {name}, read {now:%Y-%m-%d %H:%M} UTC. Complete days only, at most {chosen.days}. {chosen.note}"
    os.umask(0o077)
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.write_text(page(found, libraries(), origin.strip()), encoding="utf-8")
    print(f"{chosen.output}: {sum(bool(answer.rows) for answer in found)} of {len(found)} charts")
    return 0


if __name__ == "__main__":
    sys.exit(main())
