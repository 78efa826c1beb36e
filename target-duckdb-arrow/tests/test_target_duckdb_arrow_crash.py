"""Killed runs lose and duplicate nothing, parallel loaders take turns, and memory is bounded."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from typing import IO, TYPE_CHECKING

import duckdb
import pytest
from target_duckdb_arrow_fixtures import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from target_duckdb_arrow_fixtures import Query

ROWS = 10_000


def start(filepath: Path, **settings: object) -> subprocess.Popen[bytes]:
    """Start the target with settings in the environment."""
    environment = {**os.environ, "TARGET_DUCKDB_ARROW_FILEPATH": str(filepath), "TARGET_DUCKDB_ARROW_LOGLEVEL": "ERROR"}
    for name, value in settings.items():
        environment[f"TARGET_DUCKDB_ARROW_{name.upper()}"] = str(value)
    return subprocess.Popen(
        [*PROGRAM, "--config=ENV"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        bufsize=0,
    )


def tap(first: int, rows: int = ROWS, stream: str = "s") -> Iterator[bytes]:
    """Yield the messages of a tap that continues at a row: two streams, and a STATE every 7 rows."""
    schema = {"properties": {"id": {"type": "integer"}, "x": {"type": "number"}}}
    for name in (stream, f"{stream}_child"):
        yield json.dumps({"type": "SCHEMA", "stream": name, "schema": schema, "key_properties": ["id"]}).encode()
    for number in range(first, rows):
        for name in (stream, f"{stream}_child"):
            record = {"id": number, "x": number / 4}
            yield json.dumps({"type": "RECORD", "stream": name, "record": record}).encode()
        if number % 7 == 0:
            yield json.dumps({"type": "STATE", "value": {"next": number + 1}}).encode()
    yield json.dumps({"type": "STATE", "value": {"next": rows}}).encode()


def write(pipe: IO[bytes], lines: Iterator[bytes]) -> None:
    """Write lines until the reader closes the pipe."""
    with pipe, contextlib.suppress(BrokenPipeError):
        for line in lines:
            pipe.write(line + b"\n")


def run_until(
    process: subprocess.Popen[bytes],
    lines: Iterator[bytes],
    kill: Callable[[], bool],
    first: threading.Event | None = None,
) -> list[bytes]:
    """Feed a process, kill it when `kill` returns true, and return its STATE lines. Set `first` at the first one."""
    assert process.stdin is not None
    assert process.stdout is not None
    writer = threading.Thread(target=write, args=(process.stdin, lines), daemon=True)
    writer.start()
    watcher = threading.Thread(target=lambda: process.send_signal(signal.SIGKILL) if kill() else None, daemon=True)
    watcher.start()
    states = []
    for line in process.stdout:
        states.append(line)
        if first is not None:
            first.set()
    process.wait()
    watcher.join()
    writer.join()
    process.stdout.close()
    if process.stderr is not None:
        process.stderr.close()
    return states


def wait_for(path: Path) -> None:
    """Wait at most a minute until a file exists."""
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.005)


def count(filepath: Path, table: str, below: int) -> int:
    """Count the rows of a table with an id below a number."""
    with duckdb.connect(str(filepath)) as connection:
        ((found,),) = connection.execute(f"SELECT count(*) FROM {table} WHERE id < ?", [below]).fetchall()  # noqa: S608 - a name of this file
        return int(found)


def test_repeatedly_killed_runs_load_the_rows_of_an_uninterrupted_run(filepath: Path, query: Query) -> None:
    # given
    seed = 20261121
    chance = random.Random(seed)  # noqa: S311 - no secret
    following = 0
    for _ in range(3):
        process = start(filepath, batch_size_rows=50)
        first = threading.Event()

        def killed(first: threading.Event = first, delay: float = chance.random() * 0.3) -> bool:
            # when it is killed in one of the 200 batches, after its first STATE
            first.wait(60)
            time.sleep(delay)
            return True

        states = run_until(process, tap(following), killed, first)

        # then the rows of both streams before the STATE are in the file
        assert process.returncode == -signal.SIGKILL
        following = json.loads(states[-1])["next"]
        assert count(filepath, "s", following) == following
        assert count(filepath, "s_child", following) == following

    # when a last run is not killed
    process = start(filepath, batch_size_rows=1000)
    assert json.loads(run_until(process, tap(following), lambda: False)[-1]) == {"next": ROWS}

    # then
    assert process.returncode == 0
    for table in ("s", "s_child"):
        assert query(f"SELECT id, x FROM {table} ORDER BY id") == [(number, number / 4) for number in range(ROWS)]  # noqa: S608 - a name of this file


def test_a_state_never_precedes_its_rows(filepath: Path) -> None:
    # given a target with endless input
    process = start(filepath, batch_size_rows=100)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    writer = threading.Thread(target=write, args=(process.stdin, tap(0, 10**9)), daemon=True)
    writer.start()

    # when it is killed right after its first STATE
    state = json.loads(process.stdout.readline())
    process.kill()
    process.wait()
    writer.join()
    process.stdout.close()
    process.stderr.close()

    # then
    assert state["next"] > 0
    assert count(filepath, "s", state["next"]) == state["next"]
    assert count(filepath, "s_child", state["next"]) == state["next"]


def test_an_overwrite_that_is_killed_leaves_the_old_table(filepath: Path, query: Query) -> None:
    # given
    old = start(filepath)
    run_until(old, tap(0, 5), lambda: False)

    # when an overwrite is killed after it wrote several batches
    process = start(filepath, load_method="overwrite", batch_size_rows=100)
    staged = "SELECT count(*) FROM s__target_duckdb_arrow_new"

    def wrote() -> bool:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.05)
            try:
                with duckdb.connect(str(filepath), read_only=True) as connection:
                    if connection.execute(staged).fetchall()[0][0] > 100:
                        return True
            except duckdb.Error:
                continue  # it is writing, or has not begun
        return False

    states = run_until(process, tap(0, 10**9), wrote)

    # then
    assert process.returncode == -signal.SIGKILL
    assert states == []
    assert query("SELECT id FROM s ORDER BY id") == [(number,) for number in range(5)]

    # when the next one succeeds / then
    run_until(start(filepath, load_method="overwrite"), tap(2, 4), lambda: False)
    assert query("SELECT id FROM s ORDER BY id") == [(2,), (3,)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("delay", [0.0, 0.02, 0.5], ids=["opening", "at work", "waiting"])
def test_a_stop_signal_ends_the_run_with_an_error_and_without_state(
    filepath: Path,
    number: signal.Signals,
    delay: float,
) -> None:
    # given a target that has read some rows and waits for more
    process = start(filepath, load_method="overwrite")
    assert process.stdin is not None
    for line in tap(0, 20):
        process.stdin.write(line + b"\n")
    wait_for(filepath)

    # when
    time.sleep(delay)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)

    # then
    assert process.returncode == 128 + number
    assert out == b""
    assert f"Stopped by signal {number:d}: run again from the last state".encode() in err
    assert b"Traceback" not in err
    with duckdb.connect(str(filepath)) as connection:
        assert connection.execute("SELECT count(*) FROM duckdb_tables()").fetchall() == [(0,)]


def test_parallel_loaders_take_turns_in_one_file(filepath: Path, query: Query) -> None:
    # given three loaders, each writing many batches
    processes = {name: start(filepath, batch_size_rows=100) for name in ("a", "b", "c")}

    # when they run at the same time
    states: dict[str, list[bytes]] = {}

    def feed(name: str, process: subprocess.Popen[bytes]) -> None:
        states[name] = run_until(process, tap(0, 300, name), lambda: False)

    threads = [threading.Thread(target=feed, args=item) for item in processes.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # then
    assert {name: process.returncode for name, process in processes.items()} == {"a": 0, "b": 0, "c": 0}
    for name in processes:
        assert json.loads(states[name][-1]) == {"next": 300}
        for table in (name, f"{name}_child"):
            assert query(f"SELECT count(*), sum(id) FROM {table}") == [(300, 44850)]  # noqa: S608 - a name of this file


MEASURE = """
import resource, sys
from target_duckdb_arrow.target import TargetDuckDBArrow
target = TargetDuckDBArrow(config={"filepath": sys.argv[1], "batch_size_rows": 5000})
target.listen()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def peak(filepath: Path, rows: int) -> int:
    """Load rows of about 400 bytes, and return the peak of the resident memory in KiB.

    There are only 1,000 keys, because DuckDB needs memory to merge parts of a large table.
    """
    properties = {"id": {"type": "integer"}, "x": {"type": "string"}}
    process = subprocess.Popen(
        [sys.executable, "-c", MEASURE, str(filepath)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stderr is not None
    schema = {"type": "SCHEMA", "stream": "s", "schema": {"properties": properties}, "key_properties": ["id"]}
    process.stdin.write(json.dumps(schema) + "\n")
    template = '{"type": "RECORD", "stream": "s", "record": {"id": %d, "x": "%s"}}\n'
    for number in range(rows):
        process.stdin.write(template % (number % 1000, f"{number:08d}" * 45))
    process.stdin.close()
    measured = process.stderr.read().split()[-1]
    process.stderr.close()
    assert process.wait() == 0
    return int(measured)


def test_memory_does_not_grow_with_the_number_of_records(tmp_path: Path) -> None:
    # given / when ten times the records are loaded (8 and 80 MB)
    few = peak(tmp_path / "few.duckdb", 20_000)
    many = peak(tmp_path / "many.duckdb", 200_000)

    # then the peak is at most a fifth higher: keeping the records would add more than 80 MB to about 150 MB
    assert many < 1.2 * few


SWALLOWED = """
import signal, sys
from target_duckdb_arrow import sinks
from target_duckdb_arrow.target import TargetDuckDBArrow

class Closing:
    def __del__(self):
        signal.raise_signal(int(sys.argv[1]))

convert = sinks.convert
def convert_and_close(*arguments):
    Closing()
    return convert(*arguments)
sinks.convert = convert_and_close
TargetDuckDBArrow.cli(["--config=ENV"])
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("method", ["upsert", "overwrite"])
def test_a_stop_signal_that_python_drops_is_obeyed_before_the_next_commit(
    filepath: Path, number: signal.Signals, method: str
) -> None:
    # given a signal during a destructor, when Python only prints the exception of the handler
    variables = {"TARGET_DUCKDB_ARROW_FILEPATH": str(filepath), "TARGET_DUCKDB_ARROW_LOAD_METHOD": method}

    # when
    result = subprocess.run(
        [sys.executable, "-c", SWALLOWED, str(int(number))],
        check=False,
        capture_output=True,
        input=b"".join(line + b"\n" for line in tap(0, 20)),
        env={**os.environ, **variables},
    )

    # then nothing is committed and no STATE is written
    assert b"Exception ignored in" in result.stderr
    assert (result.returncode, result.stdout) == (128 + number, b"")
    with duckdb.connect(str(filepath)) as connection:
        assert connection.execute("SELECT count(*) FROM duckdb_tables()").fetchall() == [(0,)]
