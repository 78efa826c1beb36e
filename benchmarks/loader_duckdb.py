"""How fast the DuckDB loader is, beside meltanolabs-target-postgres on the same input.

Loads records of 40 columns, then the same keys with every row changed (an upsert), each by the command line in a
process of its own, and compares what is in DuckDB with what was sent, row for row. PostgreSQL is a cluster in a
temporary folder, started from the binaries of the machine; its loader is installed into an environment there.

    python benchmarks/loader_duckdb.py [--rows 100000] [--no-postgres] [--folder DIR]

CPU counts the loader's process, and for PostgreSQL the server's processes apart. Nothing here is part of the tests.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import glob
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PEER = "meltanolabs-target-postgres==0.8.1"
SEED = 20261121
MOMENT = dt.datetime(2026, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2)))
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Cost:
    """Seconds that a run took.

    Attributes:
        wall: by the clock.
        cpu: of the loader.
        server: CPU of the database server, where there is one.
    """

    wall: float
    cpu: float
    server: float = 0.0

    @property
    def all_cpu(self) -> float:
        """CPU of loader and server."""
        return self.cpu + self.server


def properties() -> dict[str, Any]:
    """Give the 40 columns of the stream: what rows of ad reports are made of."""
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
    """Make records; another seed changes every row and no key."""
    chance = random.Random(seed)  # noqa: S311 - no secret
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
    """Run a loader over a file.

    Raises:
        RuntimeError: It failed.
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
    """Read the rows that a run sent, as DuckDB should give them."""
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
    """Compare the table with the input, row for row; give the number of rows.

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
    """Load each source into one file."""
    filepath = folder / "benchmark.duckdb"
    config = folder / "duckdb.json"
    config.write_text(json.dumps({"filepath": str(filepath)}))
    costs = []
    for source in sources:
        costs.append(run([sys.executable, "-m", "target_duckdb_arrow", "--config", str(config)], source))
        print(f"  {source.stem}: {check_duckdb(filepath, source)} rows, each equal to what was sent", flush=True)
    return costs


class Postgres:
    """A cluster of its own, in a folder; as root it runs as the user postgres, since the server refuses root."""

    def __init__(self, folder: Path) -> None:
        self._data = folder / "cluster"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    def _command(self, program: str, *arguments: str) -> list[str]:
        folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"))  # noqa: PTH207 - an absolute pattern
        found = shutil.which(program, path=os.pathsep.join([*reversed(folders), os.environ["PATH"]]))
        if found is None:
            raise RuntimeError(f"{program} is not installed; install PostgreSQL, or use --no-postgres")
        prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        return [*prefix, found, *arguments]

    def start(self) -> None:
        """Make the cluster, start the server, wait until it answers."""
        self._data.mkdir()
        if os.geteuid() == 0:
            shutil.chown(self._data, "postgres", "postgres")
        quiet = {"stdout": subprocess.DEVNULL, "cwd": self._data}
        initdb = self._command("initdb", "-D", str(self._data), "-U", "loader", "--auth=trust", "-E", "UTF8")
        subprocess.run(initdb, check=True, **quiet)  # type: ignore[call-overload]  # keywords in a dict
        listen = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        server = self._command("postgres", "-D", str(self._data), "-p", str(self.port), *listen)
        self._process = subprocess.Popen(server, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self._data)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.2)
        raise RuntimeError("PostgreSQL did not start")

    def stop(self) -> None:
        """Stop the server."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def cpu(self) -> float:
        """CPU seconds of the server and its processes, ended ones too."""
        if self._process is None:
            return 0.0
        total = 0
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = path.read_text().rpartition(")")[2].split()
                parent, own, ended = int(fields[1]), fields[11:13], fields[13:15]
                if path.parent.name == str(self._process.pid):
                    total += sum(map(int, [*own, *ended]))
                elif parent == self._process.pid:
                    total += sum(map(int, own))
        return total / TICKS

    def count(self) -> int:
        """Count the rows loaded."""
        query = self._command("psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "loader", "-d", "postgres", "-Atc")
        found = subprocess.run([*query, "SELECT count(*) FROM bench.airings"], check=True, capture_output=True)
        return int(found.stdout)


def measure_postgres(folder: Path, sources: Sequence[Path]) -> list[Cost]:
    """Install the peer, and load each source into one cluster."""
    uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if uv is None:
        raise RuntimeError("uv is not installed; it makes the environment of the peer")
    environment = folder / "peer"
    print(f"  installing {PEER}", flush=True)
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(environment)], check=True)
    python = environment / "bin" / "python"
    subprocess.run([uv, "pip", "install", "--quiet", "--python", str(python), PEER], check=True)
    server = Postgres(folder)
    server.start()
    try:
        config = folder / "postgres.json"
        settings = {
            "host": "127.0.0.1",
            "port": server.port,
            "user": "loader",
            "password": "unused",
            "database": "postgres",
            "default_target_schema": "bench",
            "load_method": "upsert",
            "use_copy": False,  # faster when true, and wrong: it loses offsets and digits
            "validate_records": False,
            "add_record_metadata": False,
            "activate_version": False,
        }
        config.write_text(json.dumps(settings))
        costs = []
        for source in sources:
            before = server.cpu()
            cost = run([str(environment / "bin" / "target-postgres"), "--config", str(config)], source)
            cost.server = server.cpu() - before
            costs.append(cost)
            print(f"  {source.stem}: {server.count()} rows", flush=True)
        return costs
    finally:
        server.stop()


def report(rows: int, ours: Sequence[Cost], peers: Sequence[Cost]) -> None:
    """Print the table."""
    print(f"\n{rows:,} records of {len(properties())} columns\n")
    print("| run | loader | wall s | CPU s | server CPU s | records/s | wall, times ours | CPU, times ours |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for index, run_name in enumerate(("load", "upsert")):
        for name, costs in (("target-duckdb-arrow", ours), (PEER.replace("==", " "), peers)):
            if costs:
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
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        folder.chmod(0o755)  # the server may run as another user
        sources = [folder / "load.singer", folder / "upsert.singer"]
        for seed, source in enumerate(sources, SEED):
            write_input(source, arguments.rows, seed)
        print("target-duckdb-arrow", flush=True)
        ours = measure_duckdb(folder, sources)
        peers: list[Cost] = []
        if not arguments.no_postgres:
            print(PEER, flush=True)
            peers = measure_postgres(folder, sources)
        report(arguments.rows, ours, peers)


if __name__ == "__main__":
    main()
