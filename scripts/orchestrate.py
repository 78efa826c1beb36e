"""Dagster's page, daemon and code location on free ports, until Ctrl-C or SIGTERM.

    python scripts/orchestrate.py [--demo] [--port 3000]

With `--demo`, against simulated vendors, with a separate warehouse and separate records. Exit code 0 after a signal, 1
if a program of Dagster ended by itself.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from private_files import keep_private
from user_errors import BAD_INPUT, Parser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venvs" / "orchestration" / "bin" / "python"
MODULE = "adtech_orchestration.definitions"
HOST = "127.0.0.1"
SIGNALS = (signal.SIGINT, signal.SIGTERM)
READY_SECONDS = 120
STOP_SECONDS = 30


class StoppedError(Exception):
    """A signal to stop."""


def free_port(wanted: int = 0) -> int:
    """Return a free port of this machine, the wanted one if possible."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # 3000 again after a restart
        try:
            probe.bind((HOST, wanted))
        except OSError:
            probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def demo_settings() -> Iterator[dict[str, str]]:
    """Run the demo's simulators; return the environment variables of a separate project state."""
    from demo import VENDORS, WORK, simulated  # noqa: PLC0415 - 50 MB that the service does not need otherwise

    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    with simulated(VENDORS) as ready:
        yield {
            **{name: value for name, value in os.environ.items() if not name.startswith(("TAP_", "TARGET_"))},
            "MELTANO_ENVIRONMENT": "demo",
            "MELTANO_DATABASE_URI": f"sqlite:///{WORK / 'meltano.db'}",
            "ORCHESTRATION_ENV_FILE": os.devnull,
            "TARGET_DUCKDB_FILEPATH": str(WORK / "warehouse.duckdb"),
            "DAGSTER_HOME": str(WORK / "dagster"),
            **{
                f"{vendor.schema}_{name}".upper(): value
                for vendor in VENDORS
                for name, value in {**ready[vendor.tap]["settings"], **vendor.settings}.items()
            },
        }


def started_once(home: Path) -> TextIO:
    """Return a locked file of the folder: two daemons would start every schedule twice."""
    file = (home / "service.lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"orchestrate: the service of {os.path.relpath(home)} is already running", file=sys.stderr)
        raise SystemExit(BAD_INPUT) from None
    return file


@contextmanager
def programs(home: Path, environment: Mapping[str, str], port: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run the code location, the daemon and the page; stop them and their runs at the end of the block."""
    subprocess.run([str(PYTHON), "-m", "adtech_orchestration.home"], cwd=ROOT, env=environment, check=True)  # noqa: S603 - ours
    lock = started_once(home)
    code_port = free_port()
    workspace = home / "workspace.yaml"
    workspace.write_text(
        f"load_from:\n- grpc_server: {{host: {HOST}, port: {code_port}, location_name: adtech}}\n", encoding="utf-8"
    )
    # Dagster reads `.env` of the working directory, so it runs in another one: Meltano reads the project's.
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, arguments: Sequence[str]) -> None:
        with (home / f"{name}.log").open("wb") as log:
            started.append(
                subprocess.Popen(  # noqa: S603 - Dagster
                    [str(PYTHON.with_name(name)), *arguments],
                    cwd=home,
                    env=environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    try:
        start("dagster", ["api", "grpc", "--module-name", MODULE, "--host", HOST, "--port", str(code_port)])
        _wait_for_port(code_port, started, home)
        start("dagster-daemon", ["run", "--workspace", str(workspace)])
        start("dagster-webserver", ["--workspace", str(workspace), "--host", HOST, "--port", str(port)])
        _wait_for_port(port, started, home)
        yield started
    finally:
        # The page and the daemon first, so that they start no new run.
        for process in reversed(started):
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        lock.close()


def _wait_for_port(port: int, started: Sequence[subprocess.Popen[bytes]], home: Path) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        if any(process.poll() is not None for process in started):
            break
        with suppress(OSError), socket.create_connection((HOST, port), 1):
            return
        time.sleep(0.1)
    raise SystemExit(f"Dagster did not start; see the logs in {os.path.relpath(home)}")


def arguments() -> argparse.Namespace:
    """Return the arguments."""
    parser = Parser(prog="orchestrate", description="Run Dagster's page and daemon.")
    parser.add_argument("--demo", action="store_true", help="simulated vendors instead of your accounts")
    parser.add_argument("--port", type=int, default=3000, help="port of the page (3000, or a free one)")
    return parser.parse_args()


def main() -> int:
    """Run Dagster until a signal."""
    options = arguments()
    if not PYTHON.exists():
        print("orchestrate: Dagster is not installed: run `make orchestration`", file=sys.stderr)
        return BAD_INPUT
    keep_private(ROOT, warn="MAKELEVEL" not in os.environ)

    def stop(*_: object) -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise StoppedError

    for number in SIGNALS:
        signal.signal(number, stop)
    try:
        with ExitStack() as stack:
            environment = stack.enter_context(demo_settings()) if options.demo else dict(os.environ)
            home = Path(environment.get("DAGSTER_HOME") or ROOT / "output" / "dagster").resolve()
            port = free_port(options.port)
            began = time.monotonic()
            running = stack.enter_context(programs(home, {**environment, "DAGSTER_HOME": str(home)}, port))
            print(f"http://{HOST}:{port} is ready after {time.monotonic() - began:.0f} s. Ctrl-C stops it.", flush=True)
            while all(process.poll() is None for process in running):
                time.sleep(1)
        print(f"a program of Dagster ended by itself; see the logs in {os.path.relpath(home)}", file=sys.stderr)
    except StoppedError:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
