"""Run a program of the speed benchmark as a process, measure it, and verify that every row arrived."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speed_works import FIRST_ID
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from speed_works import Size

FOLDER = Path(__file__).resolve().parent
_MARK, _DIGITS = str(FIRST_ID)[:7].encode(), 11
_CHUNK = 1 << 20


class MissingRowsError(RuntimeError):
    """Rows are missing, repeated or unknown."""


@dataclass(frozen=True)
class Sample:
    """One run of a program.

    Args:
        cpu: User and system seconds of all its processes.
        wall: Seconds.
        memory: Peak memory of each process in MB, the tap first.
    """

    cpu: float
    wall: float
    memory: tuple[float, ...]


class Records:
    """The RECORD lines in a program's output."""

    def __init__(self) -> None:
        self.count = 0

    def read(self, output: int) -> None:
        """Read a pipe to its end."""
        rest = b""
        while chunk := os.read(output, _CHUNK):
            text = rest + chunk
            end = text.rfind(b"\n") + 1
            rest = text[end:]
            self.take(text[:end])
        self.take(rest)

    def take(self, lines: bytes) -> None:
        """Count the records in some lines."""
        self.count += lines.count(b'"RECORD"')

    def check(self) -> None:
        """Check the output at its end."""


class Arrivals(Records):
    """The ids in a program's output.

    Args:
        rows: The number of expected rows.
    """

    def __init__(self, rows: int) -> None:
        super().__init__()
        self._seen = bytearray(rows)
        self._ids = 0

    @override
    def take(self, lines: bytes) -> None:
        super().take(lines)
        for after in lines.split(_MARK)[1:]:
            digits = after[:_DIGITS]
            if not digits.isdigit():
                # The digits of a hash, such as a row key.
                continue
            number = int(digits)
            if number >= len(self._seen):
                raise MissingRowsError(f"an id that the server did not send: {number}")
            self._seen[number] = 1
            self._ids += 1

    @override
    def check(self) -> None:
        """Compare the rows that arrived with those that the server has.

        Raises:
            MissingRowsError: A row is missing or repeated, or a RECORD has no id.
        """
        rows, arrived = len(self._seen), sum(self._seen)
        if not rows == arrived == self._ids == self.count:
            raise MissingRowsError(f"{rows} rows, {arrived} arrived; {self.count} RECORDs with {self._ids} ids")


def run(commands: Sequence[Sequence[str]], arrivals: Records | None = None) -> Sample:
    """Run commands as a pipeline; the output of the last one goes to `arrivals`, if given.

    This process should be small: the kernel counts its memory as the child's until the child's program starts.

    Raises:
        RuntimeError: A command failed.
    """
    processes: list[subprocess.Popen[bytes]] = []
    usages = []
    with tempfile.TemporaryFile() as log:
        start = time.perf_counter()
        try:
            for number, command in enumerate(commands):
                last = number == len(commands) - 1
                processes.append(
                    subprocess.Popen(
                        command,
                        stdin=processes[-1].stdout if processes else subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL if last and arrivals is None else subprocess.PIPE,
                        stderr=log,
                        env={**os.environ, "RUNTIME__DLTHUB_TELEMETRY": "false"},
                    )
                )
                if number:
                    _close(processes[-2])
            if arrivals is not None and processes[-1].stdout is not None:
                arrivals.read(processes[-1].stdout.fileno())
            for process in processes:
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                usages.append(usage)
        except BaseException:
            for process in processes:
                process.kill()
            raise
        finally:
            for process in processes:
                _close(process)
        wall = time.perf_counter() - start
        if any(process.returncode for process in processes):
            log.seek(0)
            codes = ", ".join(str(process.returncode) for process in processes)
            raise RuntimeError(f"{commands[0][0]} ended with {codes}: {log.read().decode()[-4000:]}")
    if arrivals is not None:
        arrivals.check()
    return Sample(
        sum(usage.ru_utime + usage.ru_stime for usage in usages),
        wall,
        tuple(usage.ru_maxrss / 1024 for usage in usages),
    )


def _close(process: subprocess.Popen[bytes]) -> None:
    if process.stdout is not None:
        process.stdout.close()


_COUNT = """
import glob, sys, duckdb
kind, place, column = sys.argv[1:]
if kind == "database":
    connection = duckdb.connect(place, read_only=True)
    (source,), = connection.execute(
        "SELECT table_schema || '.' || table_name FROM information_schema.tables"
        " WHERE table_name = 'audience_airings' AND table_schema NOT LIKE '%staging'"
    ).fetchall()
else:
    connection = duckdb.connect()
    reader = {"parquet": "read_parquet", "jsonl": "read_json"}[kind]
    source = f"{reader}({glob.glob(f'{place}/**/audience_airings/*.{kind}*', recursive=True)!r})"
# A query that takes longer than two seconds would print its progress.
connection.execute("SET enable_progress_bar = false")
print(*connection.execute(
    f"SELECT count(*), count(DISTINCT {column}), min({column}::BIGINT), max({column}::BIGINT) FROM {source}"
).fetchone())
"""


def check_loaded(kind: str, place: Path, column: str, rows: int) -> None:
    """Compare loaded rows with those that the server has.

    Args:
        kind: `database`, `parquet` or `jsonl`.
        place: The DuckDB file, or the folder with files.
        column: The column of the id.
        rows: The number of expected rows.

    Raises:
        MissingRowsError: A row is missing or repeated.
    """
    command = [sys.executable, "-c", _COUNT, kind, str(place), column]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    if [int(number) for number in found] != [rows, rows, FIRST_ID, FIRST_ID + rows - 1]:
        raise MissingRowsError(f"{rows} rows; loaded, distinct, first and last id: {' '.join(found)}")


@contextlib.contextmanager
def served(work: str, size: Size, folder: Path, delay: float = 0.0) -> Iterator[str]:
    """Run the server of a work in its own process; yield its address."""
    port = folder / "port"
    port.unlink(missing_ok=True)
    arguments = [work, "--rows", str(size.rows), "--port-file", str(port), "--delay", str(delay)]
    with subprocess.Popen([sys.executable, str(FOLDER / "speed_server.py"), *arguments]) as process:
        try:
            wait_for(port, process)
            yield f"http://127.0.0.1:{port.read_text()}"
        finally:
            process.terminate()


def wait_for(path: Path, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    """Wait until a process has created a file.

    Raises:
        RuntimeError: The process ended, or the file is late.
    """
    end = time.monotonic() + seconds
    while not path.exists():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"{process.args!r} did not start")
        time.sleep(0.02)


def get_json(url: str) -> Any:
    """Return the body of a response."""
    with urllib.request.urlopen(url, timeout=60) as response:  # noqa: S310 - a local server
        return json.load(response)


@contextlib.contextmanager
def simulated(vendor: str, options: Sequence[str], folder: Path) -> Iterator[dict[str, Any]]:
    """Run a vendor's simulator in its own process; yield its addresses and settings."""
    file = folder / "simulator.json"
    command = [sys.executable, "-m", "vendor_simulators", vendor, *options, "--port-file", str(file)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            wait_for(file, process)
            yield json.loads(file.read_text())
        finally:
            process.terminate()
