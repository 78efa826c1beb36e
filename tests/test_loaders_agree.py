"""All five taps into every loader: equal values in DuckDB and PostgreSQL, equal row counts in the others."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads
from pyarrow import fs, parquet
from stand_ins import postgres, s3, snowflake
from vendor_simulators.adspect import AdspectSimulator
from vendor_simulators.ispot import ISpotSimulator
from vendor_simulators.magnite import MagniteSimulator
from vendor_simulators.spotwatch import SpotwatchSimulator
from vendor_simulators.springserve import SpringServeSimulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from meltano_fixtures import Meltano
    from vendor_simulators.simulator import Simulator

DAYS = 4
TODAY = dt.datetime.now(tz=dt.timezone.utc).date()
FIRST = TODAY - dt.timedelta(days=DAYS - 1)
# Loaders that are not published for every supported Python.
HAS_SNOWFLAKE = sys.version_info >= snowflake.OLDEST_PYTHON
HAS_S3 = sys.version_info < (3, 13)  # plinxore-target-s3 supports 3.12 at most
exact_json = partial(json.loads, parse_float=Decimal)


@dataclass(frozen=True)
class Vendor:
    """A small simulated vendor and its tap's additional settings.

    Attributes:
        simulator: The simulator's class.
        options: Options of the simulator.
        settings: Settings of the tap.
    """

    simulator: Callable[..., Simulator]
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


# With numbers of 20 digits and more, undocumented fields, zeros and nulls.
VENDORS = {
    "tap-ispot": Vendor(ISpotSimulator, {"extremes": True}, {"lookback_days": 3}),
    "tap-adspect": Vendor(AdspectSimulator, {"extremes": True, "undeclared": True}, {"lookback_days": 3}),
    "tap-spotwatch": Vendor(SpotwatchSimulator, {"undeclared": True}),
    "tap-magnite": Vendor(MagniteSimulator, {"extremes": True}, {"poll_interval": 0.1}),
    "tap-springserve": Vendor(
        SpringServeSimulator, {"polls": 1}, {"report_poll_interval": 0.1, "report_requests_per_minute": 1000}
    ),
}


@pytest.fixture(scope="module")
def database() -> Iterator[postgres.Cluster]:
    with postgres.cluster() as running:
        yield running


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.S3]:
    with s3.server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[snowflake.Snowflake | None]:
    if not HAS_SNOWFLAKE:
        yield None
        return
    with snowflake.server(tmp_path_factory.mktemp("snowflake")) as running:
        yield running


def plain(value: Any) -> Any:
    """Convert a value of either database to one form: numbers by digits, instants in UTC."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        number = Decimal(repr(value) if isinstance(value, float) else value)
        return f"number {number.normalize() + 0:f}" if number else "number 0"
    if isinstance(value, dt.datetime):
        # target-postgres creates columns without a zone; its session is in UTC (`PGTZ` in meltano.yml).
        moment = value if value.tzinfo else value.replace(tzinfo=dt.timezone.utc)
        return moment.astimezone(dt.timezone.utc).isoformat(timespec="microseconds")
    return value.isoformat() if isinstance(value, dt.date) else value


def checksum(rows: list[dict[str, Any]]) -> tuple[int, str]:
    """Return the number of rows and an order-independent digest of all values."""
    lines = sorted(json.dumps(plain(row), sort_keys=True) for row in rows)
    return len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest()


def in_duckdb(file: Path, schema: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each table."""
    found: dict[str, list[dict[str, Any]]] = {}
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        columns = connection.execute(
            "select table_name, column_name, data_type from information_schema.columns where table_schema = ?", [schema]
        ).fetchall()
        documents = {(table, column) for table, column, kind in columns if kind == "JSON"}
        for table in sorted({table for table, _, _ in columns}):
            rows: list[dict[str, Any]] = connection.table(f'"{schema}"."{table}"').to_arrow_table().to_pylist()
            found[table] = [
                {
                    name: exact_json(value) if (table, name) in documents and value is not None else value
                    for name, value in row.items()
                }
                for row in rows
            ]
    return found


def in_postgres(database: postgres.Cluster, schema: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each table."""
    with psycopg.connect(database.uri(), row_factory=dict_row) as connection:
        set_json_loads(exact_json, connection)
        names = connection.execute(
            "select table_name from information_schema.tables where table_schema = %s order by 1", [schema]
        ).fetchall()
        return {
            row["table_name"]: connection.execute(f'select * from "{schema}"."{row["table_name"]}"').fetchall()  # noqa: S608 - the catalogue's own names
            for row in names
        }


def in_s3(store: s3.S3, schema: str) -> dict[str, int]:
    """Return the number of rows in each stream's files."""
    files = fs.S3FileSystem(
        access_key=store.access_key, secret_key=store.secret_key, endpoint_override=store.endpoint, region=store.region
    )
    counted: Counter[str] = Counter()
    for info in files.get_file_info(fs.FileSelector(f"{store.bucket}/{schema}", recursive=True)):
        if info.type == fs.FileType.File:
            stream = info.path.split("/")[2]
            counted[stream] += parquet.ParquetFile(info.path, filesystem=files).metadata.num_rows
    return dict(counted)


def in_snowflake(warehouse: snowflake.Snowflake, schema: str) -> dict[str, int]:
    """Return the number of rows in each table by stream."""
    names = warehouse.query(
        f"select table_name as name from information_schema.tables where table_schema = '{schema.upper()}'"  # noqa: S608 - a tap's name
    )
    return {
        row["name"].lower(): int(
            warehouse.query(f'select count(*) as rows from {warehouse.database}.{schema}."{row["name"]}"')[0]["rows"]  # noqa: S608 - the catalogue's own names
        )
        for row in names
    }


def in_jsonl(folder: Path) -> dict[str, int]:
    """Return the number of lines in each stream's file."""
    return {path.stem: len(path.read_text().splitlines()) for path in folder.glob("*.jsonl")}


def run(meltano: Meltano, tap: str, loader: str, settings: Mapping[str, Any], variables: Mapping[str, str]) -> None:
    """Run a tap into a loader successfully."""
    done = meltano.load(tap, loader, settings, variables)
    assert done.returncode == 0, f"{loader}: {done.stdout[-3000:]}{done.stderr[-3000:]}"


def checksums(tables: Mapping[str, list[dict[str, Any]]]) -> dict[str, tuple[int, str]]:
    return {stream: checksum(rows) for stream, rows in tables.items()}


def start(tap: str, simulate: Callable[[Simulator], Simulator]) -> tuple[Simulator, dict[str, Any]]:
    """Start a tap's vendor, and return it with the tap's settings."""
    chosen = VENDORS[tap]
    vendor = simulate(chosen.simulator(first_day=FIRST, days=DAYS, rows_per_day=40, **chosen.options))
    return vendor, {**vendor.settings(), **chosen.settings}


@pytest.mark.meltano
@pytest.mark.parametrize("tap", VENDORS)
def test_duckdb_and_postgresql_hold_the_same_values(
    tap: str, meltano: Meltano, simulate: Callable[[Simulator], Simulator], database: postgres.Cluster
) -> None:
    # given a vendor, when its tap runs into both
    vendor, settings = start(tap, simulate)
    schema = tap.replace("-", "_")
    loaders = {"target-duckdb": {}, "target-postgres": variables("target-postgres", database.settings())}
    for loader, given in loaders.items():
        run(meltano, tap, loader, settings, given)

    # then both have the same tables, to the last digit
    first = checksums(in_duckdb(meltano.warehouse, schema))
    assert len([stream for stream, (rows, _) in first.items() if rows]) > 1
    assert checksums(in_postgres(database, schema)) == first

    # given restated and late rows, when it runs again
    vendor.restate(seed=1)
    for loader, given in loaders.items():
        run(meltano, tap, loader, settings, given)

    # then both are updated
    second = checksums(in_duckdb(meltano.warehouse, schema))
    assert second != first
    assert checksums(in_postgres(database, schema)) == second


@pytest.mark.extended
@pytest.mark.parametrize("tap", VENDORS)
def test_every_other_loader_has_as_many_rows(  # noqa: PLR0913, PLR0917 - one for each loader
    tap: str,
    meltano: Meltano,
    simulate: Callable[[Simulator], Simulator],
    store: s3.S3,
    warehouse: snowflake.Snowflake | None,
    tmp_path: Path,
) -> None:
    # given a vendor and the rows of each stream in DuckDB; for a stream without rows, some loaders create no table
    _, settings = start(tap, simulate)
    schema = tap.replace("-", "_")
    run(meltano, tap, "target-duckdb", settings, {})
    counted = {stream: len(rows) for stream, rows in in_duckdb(meltano.warehouse, schema).items() if rows}
    assert len(counted) > 1

    # when its tap runs into each of the others, then each has as many
    run(meltano, tap, "target-jsonl", settings, {})
    assert in_jsonl(tmp_path) == counted
    if warehouse:
        given = {**warehouse.environment(), **variables("target-snowflake", warehouse.settings())}
        run(meltano, tap, "target-snowflake", settings, given)
        assert {stream: rows for stream, rows in in_snowflake(warehouse, schema).items() if rows} == counted
    if HAS_S3:
        connection = {"bucket": store.bucket, "endpoint": store.endpoint}
        keys = {"access_key_id": store.access_key, "secret_access_key": store.secret_key}
        # Its Parquet needs objects as text (docs/files.md), and `meltano el` runs no mapper.
        done = meltano.run(
            tap, "target-s3", settings, mapper="json-as-text", target_settings=variables("target-s3", connection | keys)
        )
        assert done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-3000:]}"
        assert in_s3(store, schema) == counted


def variables(plugin: str, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return settings as environment variables for Meltano."""
    return {f"{plugin.upper().replace('-', '_')}_{name.upper()}": str(value) for name, value in settings.items()}
