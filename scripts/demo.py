"""Run all taps twice against simulated vendors, through Meltano, into DuckDB, build the marts, and draw them as a page.

The vendors restate some rows between the runs, and the second run reads only the look-back again, like a scheduled run.
Each run is two `meltano run` in parallel, and not five: Meltano's start takes longer than most pipelines.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from demo_log import parse, readable
from generate import with_marts_reports
from private_files import keep_private
from query import run, show, tables
from user_errors import Parser

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "output"
WAREHOUSE = OUTPUT / "demo.duckdb"
PAGE = OUTPUT / "demo.html"
WORK = OUTPUT / "demo"
BIN = Path(sys.executable).parent
DAYS = 30


@dataclass(frozen=True)
class Vendor:
    """A vendor of the demo: simulator, tap, and rows per day."""

    simulator: str
    tap: str
    rows_per_day: int
    time_zone: str
    settings: dict[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ("extremes=false",)  # numbers of twenty digits are for tests

    @property
    def schema(self) -> str:
        """The schema of the warehouse that the tap loads into."""
        return self.tap.replace("-", "_")


VENDORS = (
    # With windows of one day, the vendor's 25 requests per ten seconds would be used up.
    Vendor("ispot", "tap-ispot", 1000, "America/New_York", {"lookback_days": "3", "window_days": "2"}),
    Vendor(
        "adspect",
        "tap-adspect",
        500,
        "UTC",
        {"lookback_days": "3", "reports": json.dumps(with_marts_reports("tap-adspect")["reports"])},
    ),
    Vendor("magnite", "tap-magnite", 200, "UTC", {"poll_interval": "0.1", "window_days": "10"}),
    Vendor("spotwatch", "tap-spotwatch", 1000, "UTC"),
    # With the vendor's ten report requests per minute, the demo would wait for four minutes.
    Vendor(
        "springserve",
        "tap-springserve",
        200,
        "UTC",
        {"report_poll_interval": "0.1", "report_requests_per_minute": "1000"},
        (),
    ),
)

QUESTIONS = ("top_brands", "advertisers_in_europe", "airings_per_day", "revenue_per_day", "streams")
"""Examples that the demo answers from the marts."""

CHAINS = (VENDORS[:3], VENDORS[3:])
"""Vendors that are read one after another; the chains run in parallel and take about equally long."""


@dataclass
class Run:
    """Figures of one run of one tap, by stream."""

    rows: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)

    def note(self, point: dict[str, Any]) -> None:
        """Record the numbers of a stream at its end."""
        if point["metric"] == "stream_summary":
            stream, numbers = point["tags"]["stream"], point["value"]
            self.seconds[stream], self.requests[stream] = round(numbers["seconds"], 1), numbers["requests"]


@contextmanager
def simulated(vendors: tuple[Vendor, ...]) -> Iterator[dict[str, dict[str, Any]]]:
    """Run the vendors' simulators on free ports, and stop them at the end of the block."""
    servers: list[subprocess.Popen[bytes]] = []
    try:
        for vendor in vendors:
            port_file = WORK / f"{vendor.simulator}.json"
            command = [sys.executable, "-m", "vendor_simulators", vendor.simulator, "--port-file", str(port_file)]
            command += ["--days", str(DAYS), "--rows-per-day", str(vendor.rows_per_day)]
            command += [part for option in vendor.options for part in ("--option", option)]
            log = (WORK / f"{vendor.simulator}.log").open("wb")
            with log:
                servers.append(subprocess.Popen(command, stdout=log, stderr=log))  # noqa: S603 - our own simulators
        yield {vendor.tap: _wait_for(WORK / f"{vendor.simulator}.json") for vendor in vendors}
    finally:
        for server in servers:
            server.terminate()
        for server in servers:
            server.wait()


def _wait_for(port_file: Path) -> dict[str, Any]:
    for _ in range(600):
        if port_file.exists():
            ready: dict[str, Any] = json.loads(port_file.read_text())
            return ready
        time.sleep(0.1)
    raise SystemExit(f"{port_file.stem}: the simulator did not start; see {WORK / port_file.stem}.log")


def ask(url: str, payload: dict[str, Any]) -> None:
    """Send a control request to a simulator."""
    request = urllib.request.Request(url, json.dumps(payload).encode(), {"Content-Type": "application/json"})  # noqa: S310 - local
    urllib.request.urlopen(request).close()  # noqa: S310 - our own simulator


def run_taps(number: int, settings: dict[str, dict[str, str]]) -> dict[str, Run]:
    """Run all taps; print a line for each that has finished."""
    processes: list[subprocess.Popen[str]] = []
    runs = {vendor.tap: Run() for vendor in VENDORS}
    with ThreadPoolExecutor(len(CHAINS)) as pool:
        try:
            for future in as_completed(
                [pool.submit(run_chain, chain, number, settings, runs, processes) for chain in CHAINS]
            ):
                future.result()
        except BaseException:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            raise
    return runs


def run_chain(
    chain: tuple[Vendor, ...],
    number: int,
    settings: dict[str, dict[str, str]],
    runs: dict[str, Run],
    processes: list[subprocess.Popen[str]],
) -> None:
    """Run some taps one after another into the warehouse, through one Meltano.

    Args:
        chain: The taps' vendors.
        number: Number of the run.
        settings: Settings by tap.
        runs: Receives figures by tap.
        processes: Receives the process.
    """
    pipelines = [name for vendor in chain for name in (vendor.tap, "target-duckdb")]
    name = "-".join(vendor.simulator for vendor in chain)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("TAP_", "TARGET_"))},
        # Separate states: each demo starts clean, the state of other runs stays, and two processes do not create the
        # same database.
        "MELTANO_DATABASE_URI": f"sqlite:///{WORK / name}.db",
        "TARGET_DUCKDB_FILEPATH": str(WAREHOUSE),
        **{
            f"{vendor.schema.upper()}_{name.upper()}": value
            for vendor in chain
            for name, value in settings[vendor.tap].items()
        },
    }
    # .env holds the settings of real accounts.
    command = [str(BIN / "meltano"), f"--env-file={os.devnull}", "--log-format=json", "--environment=demo"]
    command += ["run", "--no-install", *pipelines]
    # The line break is part of the text, so that two threads cannot print on one line.
    print(f"run {number}: meltano run {' '.join(pipelines)}\n", end="", flush=True)
    log_path = WORK / f"{name}-run-{number}.log"
    with (
        log_path.open("w") as log,
        subprocess.Popen(  # noqa: S603 - Meltano of this environment
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process,
    ):
        processes.append(process)
        unfinished = iter(chain)
        for line in process.stdout or ():
            entry = parse(line)
            if entry is None:
                log.write(line)
                continue
            log.write(readable(entry))
            _note(entry, runs)
            if entry["event"] == "Block run completed" and entry["success"]:
                tap = next(unfinished).tap
                seconds = entry["duration_seconds"]
                print(f"  {tap}: {len(runs[tap].seconds)} streams in {seconds:.0f} s\n", end="", flush=True)
    if process.returncode != 0:
        tail = "".join(log_path.read_text().splitlines(keepends=True)[-15:])
        raise SystemExit(f"run {number} failed; its log ends with\n{tail}(all of it: {log_path})")


def build_marts() -> None:
    """Build and test the models of `transform/`."""
    began = time.monotonic()
    lines = invoke("dbt-duckdb:build")
    result = next(line for line in reversed(lines) if "PASS=" in line)
    print(f"  dbt: {result.partition('Done. ')[2]} in {time.monotonic() - began:.0f} s")


def draw_page() -> None:
    """Draw the marts as one page."""
    began = time.monotonic()
    invoke("report:duckdb", "--output", str(PAGE), "--note", "The vendors are simulated.")
    print(f"  {PAGE.relative_to(ROOT)} in {time.monotonic() - began:.0f} s")


def invoke(command: str, *arguments: str) -> list[str]:
    """Run a command of a utility through Meltano; return the lines that it printed.

    Args:
        command: Utility and command, such as `dbt-duckdb:build`.
        arguments: More arguments.
    """
    print(f"meltano invoke {command}", flush=True)
    utility = command.partition(":")[0]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("DBT_", "ADTECH_"))},
        "MELTANO_DATABASE_URI": f"sqlite:///{WORK / 'utilities.db'}",
        "TARGET_DUCKDB_FILEPATH": str(WAREHOUSE),
    }
    meltano = [str(BIN / "meltano"), f"--env-file={os.devnull}", "--environment=demo"]
    log_path = WORK / f"{utility}.log"
    with log_path.open("w") as log:
        done = subprocess.run(  # noqa: S603 - Meltano of this environment
            [*meltano, "invoke", "--no-install", command, *arguments],
            cwd=ROOT,
            env=environment,
            check=False,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    lines = log_path.read_text().splitlines()
    if done.returncode != 0:
        raise SystemExit("\n".join([f"{utility} failed; its log ends with", *lines[-25:], f"(all of it: {log_path})"]))
    return lines


def _note(entry: dict[str, Any], runs: dict[str, Run]) -> None:
    """Record the metrics in one of Meltano's log entries."""
    point = entry.get("summary")
    if point is not None and entry["name"] in runs:
        runs[entry["name"]].note(point)


def main() -> None:
    """Run the demo."""
    Parser(
        prog="demo", description="Run all taps against simulated vendors, through Meltano, into DuckDB."
    ).parse_args()
    keep_private(ROOT, warn=False)
    shutil.rmtree(WORK, ignore_errors=True)
    for old in [*OUTPUT.glob(f"{WAREHOUSE.name}*"), *OUTPUT.glob(PAGE.name)]:
        old.unlink()
    WORK.mkdir(parents=True, exist_ok=True)
    # SIGTERM runs the `finally` blocks, so that the simulators stop too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    began = time.monotonic()
    start = dt.datetime.now(tz=dt.timezone.utc).date() - dt.timedelta(days=DAYS)
    print(f"Simulated vendors: {', '.join(vendor.simulator for vendor in VENDORS)}; {DAYS} days from {start}")
    runs: dict[tuple[str, int], Run] = {}
    with simulated(VENDORS) as ready:
        settings = {vendor.tap: {**ready[vendor.tap]["settings"], **vendor.settings} for vendor in VENDORS}
        for number in (1, 2):
            done = run_taps(number, settings)
            with duckdb.connect(str(WAREHOUSE), read_only=True) as warehouse:
                for vendor in VENDORS:
                    done[vendor.tap].rows = {row[1]: row[2] for row in tables(warehouse, vendor.schema)}
                    runs[vendor.tap, number] = done[vendor.tap]
            if number == 1:
                for vendor in VENDORS:
                    ask(f"{ready[vendor.tap]['url']}/__simulator__/restate", {"seed": 1})
    build_marts()
    draw_page()
    with duckdb.connect(str(WAREHOUSE), read_only=True) as warehouse:
        report(warehouse, runs)
    print(f"\nThe page is {PAGE.relative_to(ROOT)}: open it in a browser.")
    print(f"The warehouse is {WAREHOUSE.relative_to(ROOT)}; the logs are in {WORK.relative_to(ROOT)}/.")
    print('Ask your own questions: make tables DEMO=1, make query DEMO=1 SQL="...", and the SQL files in examples/.')
    print(f"All of it took {time.monotonic() - began:.0f} s.")


def report(warehouse: duckdb.DuckDBPyConnection, runs: dict[tuple[str, int], Run]) -> None:
    """Print the contents of the warehouse, and answers to an analyst's questions."""
    for vendor in VENDORS:
        first, second = runs[vendor.tap, 1], runs[vendor.tap, 2]
        warehouse.execute(f"set TimeZone = '{vendor.time_zone}'")
        days = {row[1]: (row[3], row[4]) for row in tables(warehouse, vendor.schema)}
        print(f"\n{vendor.tap}\n")
        show(
            ["stream", "rows 1", "rows 2", "first day", "last day", "s 1", "s 2", "requests 1", "requests 2"],
            [
                [
                    stream,
                    first.rows.get(stream, 0),
                    second.rows[stream],
                    *days[stream],
                    first.seconds.get(stream),
                    second.seconds.get(stream),
                    first.requests.get(stream),
                    second.requests.get(stream),
                ]
                for stream in second.rows
            ],
        )
    warehouse.execute("set TimeZone = 'UTC'")
    for name in QUESTIONS:
        question, _, sql = (ROOT / "examples" / f"marts_{name}.sql").read_text().partition("\n")
        print(f"\n{question.removeprefix('-- ')}\n")
        show(*run(warehouse, sql))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
