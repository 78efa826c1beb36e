"""Query the DuckDB warehouse: `make query SQL="..."` and `make tables`.

    python scripts/query.py [--demo] [--zone ZONE] [--csv] (--tables | --file FILE | SQL)

The file is opened read-only. Date-times are shown in one zone, which is printed below the table.
"""

from __future__ import annotations

import csv
import os
import re
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import yaml
from dotenv import dotenv_values
from user_errors import BAD_INPUT, Parser, ProjectError

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent
MOST_ROWS = 1000
"""Rows of a printed table."""

MONEY_DECIMALS = 2

FILE_VARIABLE = "TARGET_DUCKDB_FILEPATH"


def warehouse_path(*, demo: bool) -> Path:
    """Return the DuckDB file: that of the demo, or that of target-duckdb.

    Raises:
        ProjectError: It does not exist.
    """
    path = ROOT / "output" / "demo.duckdb" if demo else ROOT / _loaded_file()
    if not path.exists():
        remedy = (
            "run `make demo`"
            if demo
            else f"load a vendor first, or set {FILE_VARIABLE} in .env, or add DEMO=1 for the tables of `make demo`"
        )
        raise ProjectError(f"{path} does not exist: {remedy}")
    return path


def _loaded_file() -> str:
    """Return the file of target-duckdb: `env` of Meltano's environment, a variable, .env, or the default.

    Read here, because each query would wait more than a second for Meltano.
    """
    variables = {**dotenv_values(ROOT / ".env"), **os.environ}
    environment = variables.get("MELTANO_ENVIRONMENT") or variables.get("MELTANO_DEFAULT_ENVIRONMENT")
    for path in (ROOT / "own.meltano.yml", ROOT / "meltano.yml"):
        project = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
        for one in project.get("environments") or ():
            if one["name"] == environment and (given := (one.get("env") or {}).get(FILE_VARIABLE)):
                return str(given).replace("$MELTANO_PROJECT_ROOT", str(ROOT))
    return variables.get(FILE_VARIABLE) or "output/warehouse.duckdb"


def connect(path: Path, zone: str) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB file read-only.

    Args:
        path: The file.
        zone: IANA zone in which date-times are shown and cut into days.

    Raises:
        ProjectError: The file is in use, or the zone is unknown.
    """
    try:
        connection = duckdb.connect(str(path), read_only=True)
    except duckdb.IOException as error:
        raise ProjectError(
            f"{path} cannot be opened: {_first_line(error)}; wait until the loader has finished"
        ) from error
    try:
        connection.execute(f"set TimeZone = '{zone.replace(chr(39), '')}'")
    except duckdb.Error as error:
        raise ProjectError(f"ZONE={zone} is not a time zone: use an IANA name such as America/New_York") from error
    return connection


def run(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run SQL and return the column names and the rows.

    Raises:
        ProjectError: DuckDB refuses it.
    """
    try:
        done = connection.execute(sql)
        return [column[0] for column in done.description or ()], done.fetchall()
    except duckdb.Error as error:
        # The paragraph before the quoted query, which may have suggestions.
        cause = " ".join(str(error).partition("\n\n")[0].split())
        raise ProjectError(f"the query failed: {cause}") from error


def tables(connection: duckdb.DuckDBPyConnection, schema: str | None = None) -> list[tuple[Any, ...]]:
    """Return schema, table, rows, first and last day, and the column of these days, for each table.

    The days are those of the first date or date-time column. Date-times are cut in the connection's zone.

    Args:
        connection: An open warehouse.
        schema: The only schema to list. Without it, all except dbt's views.
    """
    found = connection.execute(
        "select schema_name, table_name, (select first(column_name order by column_index) from duckdb_columns() as one "
        "where one.table_oid = duckdb_tables.table_oid and (data_type = 'DATE' or data_type like 'TIMESTAMP%')) "
        "from duckdb_tables() where not internal and not temporary and ($1 is null or schema_name = $1) order by all",
        [schema],
    ).fetchall()
    rows = []
    for schema_name, table, column in found:
        days = f"min({_quote(column)}::date), max({_quote(column)}::date)" if column else "null, null"
        counted = connection.execute(f"select count(*), {days} from {_quote(schema_name)}.{_quote(table)}").fetchone()  # noqa: S608
        rows.append((schema_name, table, *(counted or ()), column if counted and counted[1] else None))
    return rows


def show(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table with right-aligned numbers."""
    columns = [
        _texts([row[index] for row in rows], is_id=heading == "id" or heading.endswith(("_id", "Id", "IdLink")))
        for index, heading in enumerate(headings)
    ]
    texts = [*zip(*columns, strict=True)]
    widths = [max(len(text) for text in column) for column in zip(headings, *texts, strict=True)]
    right = [
        bool(rows) and all(isinstance(row[i], (int, float, Decimal)) or row[i] is None for row in rows)
        for i in range(len(headings))
    ]
    for line in [headings, ["-" * width for width in widths], *texts]:
        cells = (
            text.rjust(width) if aligned else text.ljust(width)
            for text, width, aligned in zip(line, widths, right, strict=True)
        )
        print("  " + "  ".join(cells).rstrip())


def _texts(values: Sequence[Any], *, is_id: bool) -> list[str]:
    """Return the values of a column as text; the decimals of all have the same number of digits."""
    decimals = [-int(value.as_tuple().exponent) for value in values if isinstance(value, Decimal)]
    needed = [-int(value.normalize().as_tuple().exponent) for value in values if isinstance(value, Decimal)]
    # Two decimals at most are as declared. The loader's ten become two for money, none for counts.
    shown = max(decimals, default=0)
    if shown > MONEY_DECIMALS:
        shown = max(MONEY_DECIMALS, *needed) if max(needed) > 0 else 0
    return [_text(value, shown, is_id=is_id) for value in values]


def _text(value: Any, decimals: int, *, is_id: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:,.1f}" if value == round(value, 1) else f"{value:,}"
    if isinstance(value, Decimal):
        return f"{value:,.{decimals}f}"
    if isinstance(value, int):
        return str(value) if is_id else f"{value:,}"
    # Vendors' texts may contain line breaks and control characters.
    return re.sub(r"[^\x20-\x7e\xa0-\U0010ffff]", " ", str(value))


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def main() -> int:
    """Run one query or list the tables; return the exit code."""
    parser = Parser(prog="query", description="Query the DuckDB warehouse.")
    parser.add_argument("sql", nargs="?", default=os.environ.get("SQL"), help="SQL; by default the variable SQL")
    parser.add_argument("--file", type=Path, help="a file with the SQL, such as those in examples/")
    parser.add_argument("--tables", action="store_true", help="list the tables")
    parser.add_argument("--demo", action="store_true", help="output/demo.duckdb instead of your warehouse")
    parser.add_argument("--zone", default="UTC", help="IANA zone of date-times, by default UTC")
    parser.add_argument("--csv", action="store_true", help="print all rows and exact values as CSV, without notes")
    chosen = parser.parse_args()
    if not (chosen.tables or chosen.file or chosen.sql):
        parser.error('SQL is missing: make query SQL="select ..." or FILE=examples/marts_top_brands.sql')
    try:
        path = warehouse_path(demo=chosen.demo)
        with connect(path, chosen.zone) as connection:
            if chosen.tables:
                headings = ["schema", "table", "rows", "first day", "last day", "day of"]
                rows = tables(connection)
            else:
                sql = chosen.file.read_text(encoding="utf-8") if chosen.file else chosen.sql
                headings, rows = run(connection, sql)
    except (ProjectError, OSError, yaml.YAMLError) as error:
        text = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else " ".join(str(error).split())
        print(f"query: {text}", file=sys.stderr)
        return BAD_INPUT
    if chosen.csv:
        csv.writer(sys.stdout).writerows([headings, *rows])
        return 0
    if headings:
        show(headings, rows[:MOST_ROWS])
    more = f"the first {MOST_ROWS:,} of " if len(rows) > MOST_ROWS else ""
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    counted = "1 row" if len(rows) == 1 else f"{len(rows):,} rows"
    print(f"\n{more}{counted} of {shown}; date-times in {chosen.zone} (ZONE=...)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
