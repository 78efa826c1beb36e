"""Runs of jobs as processes: in parallel up to the pools' limits, stopped together, with a result each."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adtech_orchestration import alive, project

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import dagster as dg

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SIGNAL_BASE = 128
"""Shells report a signal as this plus its number."""


@dataclass(frozen=True)
class Part:
    """One run of one job.

    Attributes:
        name: Name in the table and of the log.
        pool: Name of the pool: the account.
        loader: The loader.
        job: Name of the job.
        month: Month such as `2025-03`, for a job with months.
        again: Whether to ignore the bookmarks.
    """

    name: str
    pool: str
    loader: str
    job: str
    month: str | None = None
    again: bool = False


@dataclass(frozen=True)
class Result:
    """How a part ended: `done`, `failed`, `stopped`, `not begun`, `not set up`, or `done before`."""

    part: Part
    state: str
    rows: int | None = None
    seconds: float | None = None
    error: str = ""


def run_parts(
    instance: dg.DagsterInstance,
    parts: Sequence[Part],
    say: Callable[[str], None],
) -> tuple[list[Result], int]:
    """Run parts and wait for all of them; return their results and the exit code.

    Args:
        instance: The Dagster instance.
        parts: The parts; those of one pool run in order, as many at a time as it allows.
        say: Prints a line of progress.
    """
    queues: dict[str, list[Part]] = defaultdict(list)
    for part in parts:
        queues[part.pool].append(part)
    runner = _Runner(instance, say)
    before = {number: signal.signal(number, runner.stop) for number in SIGNALS}
    try:
        limits = {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}
        pools = [ThreadPoolExecutor(max(1, limits.get(name, 1))) for name in queues]
        futures = [
            pool.submit(runner.run, part) for pool, queue in zip(pools, queues.values(), strict=True) for part in queue
        ]
        results = [future.result() for future in futures]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if runner.stopped_by:
        return results, SIGNAL_BASE + runner.stopped_by
    return results, int(any(one.state != "done" for one in results))


class _Runner:
    """Runner of parts.

    Args:
        instance: The Dagster instance.
        say: Prints a line of progress.
    """

    def __init__(self, instance: dg.DagsterInstance, say: Callable[[str], None]) -> None:
        self.stopped_by = 0
        self._instance = instance
        self._say = say
        self._processes: set[subprocess.Popen[str]] = set()
        self._lock = threading.RLock()  # a signal may arrive while this thread holds it

    def stop(self, number: int, _frame: object) -> None:
        """Stop all processes; kill them at the second signal."""
        again = bool(self.stopped_by)
        self.stopped_by = self.stopped_by or number
        for process in [*self._processes]:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL if again else signal.SIGTERM)

    def is_stopped(self) -> bool:
        """Return whether a signal has arrived."""
        return bool(self.stopped_by)

    def run(self, part: Part) -> Result:
        """Run a part."""
        if self.is_stopped():
            return Result(part, "not begun")
        self._say(f"{part.name}: begins, into {part.loader}")
        began = time.monotonic()
        outcome: dict[str, Any] = {}
        errors = project.root() / "output" / "logs" / f"{part.name}.dagster.log"
        errors.parent.mkdir(parents=True, exist_ok=True)
        with errors.open("w") as file, self._start(part, file.fileno()) as process:
            if self.is_stopped():  # the signal arrived while the process started
                process.send_signal(signal.SIGTERM)
            for line in process.stdout or ():
                entry = json.loads(line)
                if "note" in entry:
                    self._say(entry["note"])
                else:
                    outcome = entry
        with self._lock:
            self._processes.discard(process)
            if process.returncode < 0:
                alive.close_dead_runs(self._instance)
        return self._result(part, process.returncode, outcome, time.monotonic() - began)

    def _start(self, part: Part, errors: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "adtech_orchestration.run", part.job]
        command += [f"--partition={part.month}"] if part.month else []
        command += ["--full-refresh"] if part.again else []
        with self._lock:
            process = subprocess.Popen(  # noqa: S603 - this package
                command,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                # The terminal's signal reaches it once, from here.
                start_new_session=True,
            )
            self._processes.add(process)
        return process

    def _result(self, part: Part, code: int, outcome: dict[str, Any], seconds: float) -> Result:
        state = "done" if outcome.get("success") else "failed"
        error = str(outcome.get("error") or "")
        if state == "failed" and self.stopped_by:
            state = "stopped"
            error = f"by {signal.Signals(self.stopped_by).name}; the next run continues from the last state"
        elif state == "failed" and not error:
            ended = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            error = f"the process of the run {ended}; see output/logs/{part.name}.dagster.log"
        result = Result(part, state, outcome.get("rows"), seconds, error)
        rows = f"{result.rows:,} rows in " if state == "done" and result.rows is not None else ""
        self._say(f"{part.name}: {state}, {rows}{seconds:.0f} s{f': {error}' if error else ''}")
        return result
