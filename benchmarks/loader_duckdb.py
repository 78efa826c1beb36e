"""Speed of the DuckDB loader, compared with meltanolabs-target-postgres on the same input.

Loads records of 40 columns, then the same keys with every row changed (an upsert), each in a separate process, and
compares the table in DuckDB with the input, row by row. PostgreSQL is a temporary cluster (`stand_ins.postgres`); its
loader is installed into a temporary environment.

    python benchmarks/loader_duckdb.py [--rows 100000] [--no-postgres] [--folder DIR]

CPU seconds are those of the loader's process; PostgreSQL's server processes are counted separately. Not part of the
tests.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from stand_ins.postgres import cluster, programs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stand_ins.postgres import Cluster

PEER = "meltanolabs-target-postgres==0.8.1"
SEED = 20261121
MOMENT = dt.datetime(2026, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2)))
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Cost:
    """Duration of a run in seconds.

    Attributes:
        wall: Wall-clock time.
        cpu: CPU time of the loader.
        server: CPU time of the database server, if any.
    """

    wall: float
    cpu: float
    server: float = 0.0

    @property
    def all_cpu(self) -> float:
        """CPU of loader and server."""
        return self.cpu + self.server


def properties() -> dict[str, Any]:
    """Return the 40 columns of the stream, typical of ad reports."""
    kinds: list[tuple[str, int, dict[str, Any]]] = [
        ("count", 10, {"type": ["integer", "null"]}),
        ("spend", 8, {"type": ["number", "null"]}),
        ("name", 12, {"type": ["string", "null"]}),
        ("flag", 3, {"type": ["boolean", "null"]}),
        ("at", 3, {"type": ["string", "null"], "format": "date-time"}),
        ("day", 2, {"type": ["string", "null"], "format": "date"}),
    ]
    columns: dict[str, Any] = {"id": {"type": "integer"}}
    for name, number, schema in kinds:
        columns.update({f"{name}_{index}": schema for index in range(number)})
    columns["networks"] = {"type": ["array", "null"], "items": {"type": "string"}}
    return columns


def records(rows: int, seed: int) -> Iterator[dict[str, Any]]:
    """Generate records; another seed changes every row but no key."""
    chance = random.Random(seed)  # noqa: S311 - not a secret
    columns = properties()
    for number in range(rows):
        record: dict[str, Any] = {}
        for name in columns:
            kind = name.split("_")[0]
            if kind == "count":
                record[name] = chance.randrange(10**9)
            elif kind == "spend":
                record[name] = chance.randrange(10**9) / 100
            elif kind == "name":
                record[name] = f"{name} of an advertiser {chance.randrange(10**6)}"
            elif kind == "flag":
                record[name] = chance.random() < 0.5  # noqa: PLR2004 - half of them
            elif kind == "at":
                record[name] = (MOMENT + dt.timedelta(seconds=chance.randrange(10**7), microseconds=1)).isoformat()
            elif kind == "day":
                record[name] = f"2026-{chance.randrange(1, 13):02d}-{chance.randrange(1, 29):02d}"
        record["id"] = number
        record["networks"] = ["ABC", "NBC", str(seed)]
        yield record


def write_input(path: Path, rows: int, seed: int) -> None:
    """Write the messages of one run."""
    schema = {"type": "SCHEMA", "stream": "airings", "schema": {"properties": properties()}, "key_properties": ["id"]}
    with path.open("w") as file:
        file.write(json.dumps(schema) + "\n")
        for record in records(rows, seed):
            message = {"type": "RECORD", "stream": "airings", "record": record}
            file.write(json.dumps(message, ensure_ascii=False) + "\n")
        file.write(json.dumps({"type": "STATE", "value": {"seed": seed}}) + "\n")


def run(command: Sequence[str], source: Path) -> Cost:
    """Run a loader with a file as input.

    Raises:
        RuntimeError: The loader failed.
    """
    started = time.perf_counter()
    with source.open("rb") as file, tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdin=file, stdout=subprocess.DEVNULL, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            raise RuntimeError(log.read().decode()[-4000:])
    return Cost(wall, usage.ru_utime + usage.ru_stime)


def expected(source: Path) -> Iterator[tuple[Any, ...]]:
    """Return the rows of an input file as DuckDB should return them."""
    columns = properties()
    with source.open() as file:
        for line in file:
            message = json.loads(line, parse_float=Decimal)
            if message["type"] != "RECORD":
                continue
            yield tuple(_value(message["record"][name], schema) for name, schema in columns.items())


def _value(value: object, schema: dict[str, Any]) -> object:
    if schema.get("format") == "date-time":
        return dt.datetime.fromisoformat(str(value))
    if schema.get("format") == "date":
        return dt.date.fromisoformat(str(value))
    return value


def check_duckdb(filepath: Path, source: Path) -> int:
    """Compare the table with the input, row by row; return the number of rows.

    Raises:
        RuntimeError: A row differs.
    """
    with duckdb.connect(str(filepath), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'").fetchall()
        found = connection.execute("SELECT * FROM airings ORDER BY id").fetchall()
    wanted = list(expected(source))
    for one, other in zip(found, wanted, strict=True):
        if one != other:
            raise RuntimeError(f"sent {other}, found {one}")
    return len(found)


def measure_duckdb(folder: Path, sources: Sequence[Path]) -> list[Cost]:
    """Load all sources into one file."""
    filepath = folder / "benchmark.duckdb"
    config = folder / "duckdb.json"
    config.write_text(json.dumps({"filepath": str(filepath)}))
    costs = []
    for source in sources:
        costs.append(run([sys.executable, "-m", "target_duckdb_arrow", "--config", str(config)], source))
        print(f"  {source.stem}: {check_duckdb(filepath, source)} rows, all equal to the input", flush=True)
    return costs


def server_cpu(server: Cluster) -> float:
    """Return the CPU seconds of the server and its processes, including ended ones."""
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            parent, own, ended = int(fields[1]), fields[11:13], fields[13:15]
            if path.parent.name == str(server.pid):
                total += sum(map(int, [*own, *ended]))
            elif parent == server.pid:
                total += sum(map(int, own))
    return total / TICKS


def count_rows(server: Cluster, schema: str) -> int:
    """Return the number of loaded rows."""
    text = f"SELECT count(*) FROM {schema}.airings"  # noqa: S608 - a name of this file
    query = [str(programs() / "psql"), server.uri(), "-Atc", text]
    return int(subprocess.run(query, check=True, capture_output=True).stdout)


def install_peer(folder: Path) -> None:
    """Install the peer into a separate environment.

    Raises:
        RuntimeError: uv is not installed.
    """
    uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if uv is None:
        raise RuntimeError("uv is not installed; it makes the environment of the peer")
    environment = folder / "peer"
    print(f"  installing {PEER}", flush=True)
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(environment)], check=True)
    python = environment / "bin" / "python"
    subprocess.run([uv, "pip", "install", "--quiet", "--python", str(python), PEER], check=True)


def measure_postgres(folder: Path, sources: Sequence[Path], server: Cluster, *, use_copy: bool) -> list[Cost]:
    """Load all sources into one cluster, with the settings of meltano.yml except `use_copy`."""
    schema = f"copy_{use_copy}".lower()
    config = folder / "postgres.json"
    settings = {
        **server.settings(),
        "default_target_schema": schema,
        "use_copy": use_copy,
        "validate_records": False,
        "sanitize_null_text_characters": True,
        "add_record_metadata": False,
        "activate_version": False,
    }
    config.write_text(json.dumps(settings))
    costs = []
    for source in sources:
        before = server_cpu(server)
        cost = run([str(folder / "peer" / "bin" / "target-postgres"), "--config", str(config)], source)
        cost.server = server_cpu(server) - before
        costs.append(cost)
        print(f"  {source.stem}: {count_rows(server, schema)} rows", flush=True)
    return costs


def report(rows: int, loaders: dict[str, Sequence[Cost]]) -> None:
    """Print the table; the first loader is the reference."""
    print(f"\n{rows:,} records of {len(properties())} columns\n")
    print("| run | loader | wall s | CPU s | server CPU s | records/s | wall, times ours | CPU, times ours |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    ours = next(iter(loaders.values()))
    for index, run_name in enumerate(("load", "upsert")):
        for name, costs in loaders.items():
            cost, base = costs[index], ours[index]
            print(
                f"| {run_name} | {name} | {cost.wall:.1f} | {cost.cpu:.1f} | {cost.server:.1f} | "
                f"{rows / cost.wall:,.0f} | {cost.wall / base.wall:.1f} | {cost.all_cpu / base.all_cpu:.1f} |",
            )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=100_000, help="records in each run")
    parser.add_argument("--no-postgres", action="store_true", help="measure the DuckDB loader only")
    parser.add_argument("--folder", type=Path, help="parent of the temporary folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        sources = [folder / "load.singer", folder / "upsert.singer"]
        for seed, source in enumerate(sources, SEED):
            write_input(source, arguments.rows, seed)
        print("target-duckdb-arrow", flush=True)
        loaders: dict[str, Sequence[Cost]] = {"target-duckdb-arrow": measure_duckdb(folder, sources)}
        if not arguments.no_postgres:
            print(PEER, flush=True)
            install_peer(folder)
            peer = PEER.replace("==", " ")
            with cluster() as server:
                loaders[peer] = measure_postgres(folder, sources, server, use_copy=False)
                # Loads wrong decimals and date-times (docs/postgresql.md); measured for comparison only.
                loaders[f"{peer}, use_copy"] = measure_postgres(folder, sources, server, use_copy=True)
        report(arguments.rows, loaders)


if __name__ == "__main__":
    main()
