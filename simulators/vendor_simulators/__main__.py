"""Command line of the simulators: `python -m vendor_simulators ispot --port 0`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from contextlib import ExitStack
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from vendor_simulators.options import describe
from vendor_simulators.registry import SIMULATORS
from vendor_simulators.server import serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vendor_simulators.simulator import Simulator


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the named simulators until SIGTERM or SIGINT, after printing one line per simulator when all are ready."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if len(set(chosen.vendors)) < len(chosen.vendors):
        parser.error("a vendor is named twice")
    if chosen.port and len(chosen.vendors) > 1:
        parser.error("--port works with one vendor only; several vendors use free ports")
    try:
        options = _options(chosen.option, chosen.vendors)
        simulators = [_simulator(name, chosen, options[name]) for name in chosen.vendors]
    except ValueError as error:
        parser.error(str(error))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as servers:
        for simulator in simulators:
            servers.enter_context(serve(simulator, chosen.port, chosen.host))
        # Write the file first: a client that has read the line may read the file.
        if chosen.port_file is not None:
            _write(chosen.port_file, simulators)
        for simulator in simulators:
            sys.stdout.write(f"{simulator.name} ready {simulator.url} api_url={simulator.api_url}\n")
        sys.stdout.flush()
        stop.wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m vendor_simulators",
        description="Simulate the vendors' APIs over HTTP.",
        epilog="\n".join(_epilog()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("vendors", nargs="+", choices=sorted(SIMULATORS), metavar="vendor", help=", ".join(SIMULATORS))
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 = any free port")
    parser.add_argument("--seed", type=int, default=7, help="seed of the generated data")
    parser.add_argument("--days", type=int, default=30, help="number of days with data")
    parser.add_argument("--rows-per-day", type=int, default=2000)
    parser.add_argument("--last-day", type=date.fromisoformat, help="YYYY-MM-DD; default: today, vendor's time zone")
    parser.add_argument("--enforce-limits", action="store_true", help="refuse requests above the vendor's limits")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set an undocumented detail of the API; VENDOR.NAME=VALUE with several vendors",
    )
    parser.add_argument("--port-file", type=Path, help="write url, api_url and settings to this file as JSON")
    return parser


def _epilog() -> Iterator[str]:
    for name, kind in SIMULATORS.items():
        yield f"options of {name} with their defaults:"
        for option, allowed, default in describe(kind.option_type):
            yield f"  {option}={default}  ({allowed})"


def _options(given: Sequence[str], vendors: Sequence[str]) -> dict[str, dict[str, str]]:
    options: dict[str, dict[str, str]] = {vendor: {} for vendor in vendors}
    for item in given:
        name, equals, value = item.partition("=")
        vendor, dot, option = name.rpartition(".")
        if not dot and len(vendors) == 1:
            vendor = vendors[0]
        if not equals or vendor not in options:
            raise ValueError(f"--option {item}: expected NAME=VALUE, or VENDOR.NAME=VALUE with several vendors")
        options[vendor][option] = value
    return options


def _simulator(name: str, chosen: argparse.Namespace, options: dict[str, str]) -> Simulator:
    kind = SIMULATORS[name]
    last_day: date = chosen.last_day or datetime.now(ZoneInfo(kind.time_zone)).date()
    return kind(
        seed=chosen.seed,
        first_day=last_day - timedelta(days=chosen.days - 1),
        days=chosen.days,
        rows_per_day=chosen.rows_per_day,
        enforce_limits=chosen.enforce_limits,
        **options,
    )


def _write(path: Path, simulators: Sequence[Simulator]) -> None:
    """Write the connection details atomically: one object for one vendor, an object per vendor for several."""
    details = {
        simulator.name: {"url": simulator.url, "api_url": simulator.api_url, "settings": simulator.settings()}
        for simulator in simulators
    }
    text = json.dumps(details if len(details) > 1 else next(iter(details.values())), indent=2)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(f"{text}\n", encoding="utf-8")
    partial.replace(path)


if __name__ == "__main__":
    sys.exit(main())
