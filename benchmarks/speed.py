"""Speed and memory of the taps, compared with other programs on the same rows: `make benchmarks`.

Installs the other programs into `.benchmarks/`, runs all programs in turn against a local server, verifies that every
row arrived, and prints a table. A full run also writes docs/performance.md and docs/performance.svg. The raw results
are in `.benchmarks/results.json`.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import speed_report
from speed_run import Arrivals, MissingRowsError, Records, Sample, check_loaded, get_json, run, served, simulated
from speed_works import FIRST_DAY, LIMITS, WORKS, earliest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from speed_works import Size, Work

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent
ENVIRONMENTS = ROOT / ".benchmarks"
BIN = Path(sys.executable).parent
PEERS = {
    "loop": ("loop", "loop.py"),
    "loop-as-sent": ("loop", "loop.py"),
    "dlt-arrow": ("dlt", "dlt_arrow.py"),
    "dlt-rest": ("dlt", "dlt_rest.py"),
    "airbyte": ("airbyte", "airbyte.py"),
    "stock": ("stock", "stock_tap.py"),
}
"""Environment and program of each peer; the environment's packages are in `peers/<environment>.txt`."""
LOADED = {"dlt-arrow": ("parquet", "airing_id"), "dlt-rest": ("jsonl", "airing__data__id")}
"""Programs that write files: their format, and the column of the id."""
DELAY = 0.5
FULL = 300_000
"""Rows of a full run, where a work has no other number; `--rows` scales all works by the same factor."""


@dataclass
class Result:
    """The runs of a program in a work."""

    work: str
    program: str
    rows: int
    samples: list[Sample] = field(default_factory=list)
    requests: dict[str, int] = field(default_factory=dict)
    dictated: float | None = None


def install(peers: Iterable[str]) -> dict[str, str]:
    """Install the environments of peers; return the reason for each peer that cannot be installed."""
    uv = next((str(path) for path in (ROOT / ".uv/bin/uv", BIN / "uv") if path.exists()), shutil.which("uv"))
    missing: dict[str, str] = {}
    for name in sorted({PEERS[peer][0] for peer in peers}):
        requirements = FOLDER / "peers" / f"{name}.txt"
        environment = ENVIRONMENTS / name
        installed = environment / "installed.txt"
        if installed.exists() and installed.read_text() == requirements.read_text():
            continue
        print(f"installing {' '.join(requirements.read_text().split())}", flush=True)
        python = str(environment / "bin/python")
        options = ["--quiet", "--compile-bytecode", "--python", python, "--requirement", str(requirements)]
        commands = [
            [uv or "uv", "venv", "--quiet", "--clear", "--python", sys.executable, str(environment)],
            [uv or "uv", "pip", "install", *options],
        ]
        try:
            for command in commands:
                # Outside of the project, whose constraints are for our own environments.
                subprocess.run(command, check=True, cwd=tempfile.gettempdir(), capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            lines = (getattr(error, "stderr", None) or str(error)).split("\n")
            reason = next((line.strip(" \u00d7\u2570\u2500\u25b6") for line in lines if line.strip()), "unknown")
            missing |= {peer: reason for peer, (needs, _) in PEERS.items() if needs == name}
            print(f"left out, because {requirements.name} cannot be installed: {reason}", flush=True)
        else:
            shutil.copy(requirements, installed)
    return missing


def tap_command(tap: str, stream: str, config: Mapping[str, Any], folder: Path) -> tuple[list[str], Any]:
    """Return the command of one of our taps that reads one stream, and the stream's entry in the catalog."""
    paths = [folder / "config.json", folder / "catalog.json"]
    paths[0].write_text(json.dumps(config))
    command = [str(BIN / tap), "--config", str(paths[0])]
    catalog = json.loads(subprocess.run([*command, "--discover"], check=True, capture_output=True).stdout)
    for one in catalog["streams"]:
        root = next(entry for entry in one["metadata"] if not entry["breadcrumb"])
        root["metadata"]["selected"] = one["tap_stream_id"] == stream
    paths[1].write_text(json.dumps(catalog))
    chosen = next(one for one in catalog["streams"] if one["tap_stream_id"] == stream)
    return [*command, "--catalog", str(paths[1])], chosen


class Programs:
    """The commands of the programs for one work.

    Args:
        name: The work.
        size: Its rows.
        url: Address of the server.
        folder: A folder for files of the runs.
        settings: Further settings of our tap.
    """

    def __init__(
        self, name: str, size: Size, url: str, folder: Path, settings: Mapping[str, Any] | None = None
    ) -> None:
        self.name, self.size, self.folder = name, size, folder
        self.work: Work = WORKS[name]
        dates = {"start_date": FIRST_DAY.isoformat(), "end_date": size.last_day.isoformat()}
        api_url = f"{url}{self.work.path}"
        page = {} if self.work.vendor in {"adspect", "magnite"} else {"page_size": size.page}
        config = {"api_url": api_url, **dates, **page, **self.work.settings, **(settings or {})}
        self.tap, stream = tap_command(self.work.tap, self.work.stream, config, folder)
        self._common = {
            "api_url": api_url,
            **dates,
            "page_size": size.page,
            "login": {"client_id": "x" * 20, "client_secret": "x" * 40, "grant_type": "client_credentials"},
            "schema": stream["schema"],
            "folder": str(folder),
        }
        kind = name if self.work.vendor == "springserve" else self.work.vendor
        keys = stream["key_properties"]
        self._stock = {**self._common, "stream": kind, "name": self.work.stream, "keys": keys}

    def _write(self, name: str, content: Any) -> str:
        path = self.folder / name
        path.write_text(json.dumps(content))
        return str(path)

    def read(self, program: str) -> Sample:
        """Run a program that reads the rows, and verify them."""
        if program == "ours":
            return run([self.tap], Arrivals(self.size.rows))
        if program not in LOADED:
            more = {"as_sent": "yes"} if program == "loop-as-sent" else {}
            return run([self._peer(program, **more)], Arrivals(self.size.rows))
        files = self.folder / "files"
        shutil.rmtree(files, ignore_errors=True)
        sample = run([self._peer(program, destination=files.as_uri())])
        kind, column = LOADED[program]
        check_loaded(kind, files, column, self.size.rows)
        return sample

    def load(self, program: str) -> Sample:
        """Run a program that loads the rows into DuckDB, and verify them."""
        database = self.folder / f"{program}.duckdb"
        if program == "ours":
            config = self._write("target.json", {"filepath": str(database)})
            sample = run([self.tap, [str(BIN / "target-duckdb-arrow"), "--config", config]])
        else:
            sample = run([self._peer(program, database=str(database))])
        check_loaded("database", database, "airing_id", self.size.rows)
        return sample

    def _peer(self, program: str, **more: str) -> list[str]:
        environment, script = PEERS[program]
        # dlt's pipelines keep their own state; each run is a new one, except for the upsert.
        folder = self.folder / program
        if "database" not in more:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(exist_ok=True)
        config = self._stock if program == "stock" else {**self._common, "folder": str(folder), **more}
        option = ["--config"] if program == "stock" else []
        path = self._write(f"{program}.json", config)
        return [str(ENVIRONMENTS / environment / "bin/python"), str(FOLDER / "peers" / script), *option, path]


class Benchmark:
    """All works of one run.

    Args:
        scale: Rows of this run, divided by those of a full run.
        rounds: Runs of each program.
        left_out: Programs that are not installed, with the reason.
    """

    def __init__(self, scale: float, rounds: int, left_out: Mapping[str, str]) -> None:
        self.results: list[Result] = []
        self._scale, self._rounds, self._left_out = scale, rounds, left_out

    def _size(self, work: str, times: float = 1) -> Size:
        return WORKS[work].size(max(round(WORKS[work].rows * self._scale * times), 10))

    def _add(self, work: str, program: str, rows: int, sample: Sample) -> Result:
        """Add a run to the result of its program, and print it."""
        found = next((one for one in self.results if (one.work, one.program) == (work, program)), None)
        if found is None:
            found = Result(work, program, rows)
            self.results.append(found)
        found.samples.append(sample)
        memory = " + ".join(f"{peak:.0f}" for peak in sample.memory)
        rate = f", {rows / sample.wall:,.0f} records/s" if rows else ""
        print(f"{work}, {program}: {sample.cpu:.1f} CPU s, {sample.wall:.1f} s{rate}, {memory} MB", flush=True)
        return found

    def _installed(self, programs: Iterable[str]) -> list[str]:
        return [program for program in programs if program not in self._left_out]

    def read(self, name: str) -> None:
        """Measure the programs of a work."""
        size = self._size(name)
        with tempfile.TemporaryDirectory() as folder, served(name, size, Path(folder)) as url:
            programs = Programs(name, size, url, Path(folder))
            for _ in range(self._rounds):
                for program in self._installed(WORKS[name].programs):
                    result = self._add(name, program, size.rows, programs.read(program))
                    result.requests = get_json(f"{url}/__counts__")

    def memory(self) -> None:
        """Measure our tap's memory, also with ten times the rows."""
        for work, times in (("memory", 1), ("memory, ten times the rows", 10)):
            size = self._size("ispot", times)
            with tempfile.TemporaryDirectory() as folder, served("ispot", size, Path(folder)) as url:
                self._add(work, "ours", size.rows, Programs("ispot", size, url, Path(folder)).read("ours"))

    def latency(self) -> None:
        """Measure one and four requests in flight, with a slow server."""
        name = "spotwatch-latency"
        size = self._size(name)
        with tempfile.TemporaryDirectory() as folder, served(name, size, Path(folder), DELAY) as url:
            for _ in range(self._rounds):
                for number in (1, 4):
                    programs = Programs(name, size, url, Path(folder), {"parallel_requests": number})
                    get_json(f"{url}/__counts__")
                    result = self._add(name, f"{number} in flight", size.rows, programs.read("ours"))
                    result.requests = get_json(f"{url}/__counts__")

    def duckdb(self) -> None:
        """Measure the first load into DuckDB, and the upsert of the same rows."""
        size = self._size("ispot")
        for _ in range(self._rounds):
            with tempfile.TemporaryDirectory() as folder, served("ispot", size, Path(folder)) as url:
                programs = Programs("ispot", size, url, Path(folder))
                for work in ("duckdb, first load", "duckdb, upsert"):
                    for program in self._installed(("loop", "dlt-arrow", "ours")):
                        self._add(work, program, size.rows, programs.load(program))

    def limits(self, name: str) -> None:
        """Measure a run against the vendor's simulator with its request limits."""
        limited = LIMITS[name]
        days = limited.days if self._scale >= 1 else limited.few_days
        last_day = FIRST_DAY + dt.timedelta(days=days - 1)
        options = ["--enforce-limits", "--days", str(days), "--last-day", last_day.isoformat(), *limited.options]
        with tempfile.TemporaryDirectory() as folder, simulated(limited.vendor, options, Path(folder)) as simulator:
            config = {**simulator["settings"], **limited.settings, "end_date": last_day.isoformat()}
            command, _ = tap_command(f"tap-{limited.vendor}", limited.stream, config, Path(folder))
            records = Records()
            sample = run([command], records)
            journal = get_json(f"{simulator['url']}/__simulator__/journal")
            truth = get_json(f"{simulator['url']}/__simulator__/truth/{limited.stream}")
            violations = get_json(f"{simulator['url']}/__simulator__/violations")
        if records.count != len(truth):
            raise MissingRowsError(f"{name}: {len(truth)} rows, {records.count} arrived")
        counted = [one for one in journal if one["path"].startswith(limited.path)]
        requests = {limited.path: len(counted), "429": sum(one["status"] == 429 for one in journal)}  # noqa: PLR2004
        requests["violations"] = len(violations)
        dictated = earliest(len(counted), limited.limits)
        result = self._add(name, "ours", records.count, sample)
        result.requests, result.dictated = requests, dictated
        print(f"{name}: {len(counted)} requests; the limits dictate {dictated:.1f} s", flush=True)

    def demo(self) -> None:
        """Measure `make demo` after set-up."""
        make = shutil.which("make") or "make"
        subprocess.run([make, "-s", "setup"], check=True, cwd=ROOT)
        self._add("demo", "ours", 0, run([[make, "-s", "-C", str(ROOT), "demo"]]))

    def steps(self) -> dict[str, Callable[[], None]]:
        """Return what can be measured, by name."""
        return {
            **{name: partial(self.read, name) for name, work in WORKS.items() if work.programs},
            "latency": self.latency,
            **{name: partial(self.limits, name) for name in LIMITS},
            "memory": self.memory,
            "duckdb": self.duckdb,
            "demo": self.demo,
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the works."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=FULL, help=f"rows per work (default {FULL:,}; scales all works)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each program (default 3)")
    steps = Benchmark(1, 1, {}).steps()
    parser.add_argument("--only", action="append", choices=steps, help="one work; repeatable")
    parser.add_argument("--without", action="append", choices=PEERS, default=[], help="a program to leave out")
    given = parser.parse_args(arguments)
    left_out = dict.fromkeys(given.without, "left out by the command")
    left_out |= install(peer for peer in PEERS if peer not in left_out)
    benchmark = Benchmark(given.rows / FULL, given.rounds, left_out)
    began = time.monotonic()
    failed = False
    for name, step in benchmark.steps().items():
        if name in (given.only or steps):
            try:
                step()
            except (RuntimeError, subprocess.CalledProcessError) as error:
                print(f"{name}: {error}", file=sys.stderr)
                failed = True
    facts = {
        "date": dt.datetime.now(tz=dt.timezone.utc).date().isoformat(),
        "python": platform.python_version(),
        "machine": speed_report.machine(),
        "minutes": round((time.monotonic() - began) / 60),
        "rounds": given.rounds,
        "left_out": left_out,
        "results": [asdict(result) for result in benchmark.results],
    }
    ENVIRONMENTS.mkdir(exist_ok=True)
    (ENVIRONMENTS / "results.json").write_text(json.dumps(facts, indent=1))
    full = not (failed or given.only or given.without) and given.rows == FULL
    speed_report.write(facts, ROOT / "docs" if full else ENVIRONMENTS)
    print(speed_report.tables(facts))
    return int(failed)


if __name__ == "__main__":
    # An exception ends the server and the program that runs, too.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    sys.exit(main())
