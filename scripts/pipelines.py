"""Parallel Meltano runs for `sync_all.py` and `backfill.py`.

Each run is a separate process with a separate log. A failed run does not stop the others.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from meltano_project import ROOT, GoingOnError, meltano_project
from run_logs import Reading

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable, Mapping, Sequence

MELTANO = Path(sys.executable).with_name("meltano")
SIGNALS = (signal.SIGINT, signal.SIGTERM)
SIGNAL_BASE = 128
"""Shells report a signal as this plus its number."""

END_GRACE = 10.0
"""Seconds between the end of Meltano and the kill of its remaining tap and loader."""

# On Linux, Meltano gets SIGTERM if this program is killed. `execv` keeps the process id.
_FOLLOW = """
import ctypes, os, signal, sys
parent, *command = sys.argv[1:]
prctl = getattr(ctypes.CDLL(None), "prctl", None)
if prctl is not None:
    prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    if os.getppid() != int(parent):
        sys.exit(128 + signal.SIGTERM)
os.execv(command[0], command)
"""

State = Literal["done", "failed", "stopped", "not begun", "busy"]


@dataclass(frozen=True)
class Pipeline:
    """One run of one tap into one loader by Meltano.

    Attributes:
        name: Name in tables and of the log file (`<name>.log`).
        tap: The extractor's name in meltano.yml.
        loader: The loader's name in meltano.yml.
        state_id: If set, run `meltano el TAP LOADER --state-id ID`, with a separate run folder: several runs of a tap
            can run in parallel. If not, run `meltano run TAP LOADER`, which chooses the state id (`normal_state_id`)
            and shares a run folder with other runs of the tap.
        environment: Meltano's environment.
        settings: Settings of the tap by name, as text; they override meltano.yml, .env and the environment.
        select: Streams or patterns (`--select`) among those that meltano.yml selects; all of them if empty.
    """

    name: str
    tap: str
    loader: str
    state_id: str | None = None
    environment: str = "prod"
    settings: Mapping[str, str] = field(default_factory=dict)
    select: Sequence[str] = ()


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        pipeline: The run.
        state: `done`; `failed`; `stopped` by a signal; `not begun`, because of an earlier signal; `busy`, because
            another run of the state id is alive.
        code: Meltano's exit code; None if it was not started.
        seconds: Duration in seconds, including the wait for the lock of a dead run.
        rows: Records that the tap emitted, by stream; too low after a kill.
        error: The line of the tap or the loader with the reason, or empty.
        log: The run's log file; it exists only if the run was started.
        signal: Number of the signal that stopped or prevented the run; None otherwise.
    """

    pipeline: Pipeline
    state: State
    code: int | None
    seconds: float
    rows: Mapping[str, int]
    error: str
    log: Path
    signal: int | None = None


def normal_state_id(tap: str, loader: str, environment: str) -> str:
    """Return the state id under which `meltano run` keeps the bookmarks of a tap and a loader."""
    return meltano_project(environment).state_id(tap, loader)


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """Return 0 if all are done, 128 + the signal if one stopped them, else 1."""
    stops = [outcome.signal for outcome in outcomes if outcome.signal is not None]
    if stops:
        return SIGNAL_BASE + stops[0]
    return int(any(outcome.state != "done" for outcome in outcomes))


def run_pipelines(  # noqa: PLR0913 - three optional callbacks
    pipelines: Sequence[Pipeline],
    *,
    at_once: int,
    logs: Path,
    on_begin: Callable[[Pipeline], None] | None = None,
    on_end: Callable[[Outcome], None] | None = None,
    on_note: Callable[[Pipeline, str], None] | None = None,
) -> list[Outcome]:
    """Run pipelines in order, at most `at_once` in parallel, and wait for all of them.

    A failed run does not stop the others. SIGINT and SIGTERM are passed on to all running processes, and the remaining
    runs are not started. A second signal kills. No process is left when this function returns or raises.

    If Meltano has recorded another run of the same state id as running, the result is `busy` if it is alive; if it is
    dead, it is marked as failed after 15 seconds, and the run starts (`meltano_project`).

    Plugins must be installed: Meltano's automatic installation fails with several runs at a time.

    Args:
        pipelines: The runs, with different names and state ids.
        at_once: Maximum number of parallel Meltano processes, at least 1. Each has a tap and a loader.
        logs: Folder for `<name>.log`; created if missing. The previous log is kept as `<name>.previous.log`.
        on_begin: Called when a run begins, possibly before its process starts (lock of a dead run).
        on_end: Called when a run ends or is not started, before the next one begins.
        on_note: Called with one line about a running pipeline, such as the lock of a dead run.

    Returns:
        The outcomes, in the order of the pipelines.

    Raises:
        ProjectError: Unknown environment, or unusable system database. Nothing was run.
        ValueError: Not called from the main thread, the only one that receives signals.
    """
    for environment in {pipeline.environment for pipeline in pipelines}:
        _ = meltano_project(environment).sessions
    logs.mkdir(parents=True, exist_ok=True)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    runner = _Runner(at_once, logs, on_begin, on_end, on_note)
    try:
        return asyncio.run(runner.run(pipelines))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass
class _Runner:
    """Runner of pipelines."""

    at_once: int
    logs: Path
    on_begin: Callable[[Pipeline], None] | None
    on_end: Callable[[Outcome], None] | None
    on_note: Callable[[Pipeline, str], None] | None
    stopped_by: int | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    processes: set[Process] = field(default_factory=set)

    async def run(self, pipelines: Sequence[Pipeline]) -> list[Outcome]:
        """Run all pipelines; return their outcomes."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.stop, number)
        places = asyncio.Semaphore(self.at_once)
        tasks = [asyncio.ensure_future(self.one(pipeline, places)) for pipeline in pipelines]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            # If a task failed, wait for the others: their `finally` blocks end the processes.
            await asyncio.gather(*tasks, return_exceptions=True)

    def stop(self, number: int) -> None:
        """Pass a signal on to all processes; kill them at the second one."""
        again = self.stopped_by is not None
        self.stopped_by = self.stopped_by or number
        self.stopping.set()
        for process in self.processes:
            _signal_group(process, signal.SIGKILL if again else number)

    async def one(self, pipeline: Pipeline, places: asyncio.Semaphore) -> Outcome:
        """Run one pipeline when a slot is free."""
        async with places:
            log = self.logs / f"{pipeline.name}.log"
            reading = Reading(pipeline.tap, pipeline.loader)
            began = time.monotonic()
            state: State = "not begun"
            code = None
            if not self.stopping.is_set():
                if self.on_begin:
                    self.on_begin(pipeline)
                going_on = await self.wait_for_dead_runs(pipeline)
                if going_on:
                    state, reading.going_on_since = "busy", going_on
                elif self.stopping.is_set():
                    state = "stopped"
                else:
                    code = await self.meltano(pipeline, log, reading)
                    state = self.ended(code, reading)
            error = ""
            if state == "busy":
                error = f"another run of it is going on since {reading.going_on_since} (state id {_state_id(pipeline)})"
            elif state == "stopped" and self.stopped_by is not None:
                error = f"stopped by {signal.Signals(self.stopped_by).name}; the next run goes on from the last state"
            elif state == "failed":
                error = reading.error or _ended_silently(code or 0)
            stop = self.stopped_by if state in {"stopped", "not begun"} else None
            outcome = Outcome(pipeline, state, code, time.monotonic() - began, reading.rows, error, log, stop)
            if self.on_end:
                self.on_end(outcome)
            return outcome

    def ended(self, code: int, reading: Reading) -> State:
        """Return the state for Meltano's exit code."""
        if code == 0:
            return "done"
        if self.stopped_by is not None:
            return "stopped"
        return "busy" if reading.going_on_since else "failed"

    async def wait_for_dead_runs(self, pipeline: Pipeline) -> str:
        """Close dead runs, unless a signal arrives; return the start of a living run, else ""."""
        project, state_id = meltano_project(pipeline.environment), _state_id(pipeline)
        waiting = asyncio.ensure_future(project.free(state_id))
        stop = asyncio.ensure_future(self.stopping.wait())
        try:
            await asyncio.wait([waiting, stop], return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                return ""
            for dead in waiting.result():
                if self.on_note:
                    text = f"the run of {dead.started_at:%Y-%m-%d %H:%M:%S} UTC is dead (no heartbeat): started again"
                    self.on_note(pipeline, text)
        except GoingOnError as going_on:
            return str(going_on)
        finally:
            waiting.cancel()
            stop.cancel()
            await asyncio.gather(waiting, stop, return_exceptions=True)
        return ""

    async def meltano(self, pipeline: Pipeline, log: Path, reading: Reading) -> int:
        """Run Meltano and write its log; return the exit code, negative for a signal."""
        _keep(log)
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-ISc", _FOLLOW, str(os.getpid()), *_command(pipeline)],
            cwd=ROOT,
            env=_environment(pipeline),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # A separate process group: the terminal's signal arrives only once, and reaches the tap and the loader.
            start_new_session=True,
        )
        self.processes.add(process)
        if self.stopped_by is not None:  # the signal arrived while the process started
            _signal_group(process, self.stopped_by)
        copying = asyncio.ensure_future(_copy(process, log, reading))
        try:
            code = await process.wait()
            if self.stopped_by is not None:
                await _end_of_group(process)
        finally:
            _signal_group(process, signal.SIGKILL)
            code = await process.wait()
            self.processes.discard(process)
            await copying
        return code


async def _copy(process: Process, log: Path, reading: Reading) -> None:
    """Copy Meltano's output into the log until it ends."""
    assert process.stdout is not None  # noqa: S101 - a pipe was requested
    with log.open("w") as file:
        rest = b""
        # Not `readline`: asyncio limits the length of lines.
        while chunk := await process.stdout.read(1 << 16):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                file.write(reading.line(line.decode(errors="replace") + "\n"))
            file.flush()
        if rest:
            file.write(reading.line(rest.decode(errors="replace") + "\n"))


def _ended_silently(code: int) -> str:
    return f"Meltano was killed by signal {-code}" if code < 0 else f"Meltano ended with exit code {code}"


def _keep(log: Path) -> None:
    """Rename the previous log; a process that still writes to it is not disturbed."""
    with suppress(FileNotFoundError):
        log.replace(log.with_name(f"{log.stem}.previous.log"))


def _state_id(pipeline: Pipeline) -> str:
    return pipeline.state_id or normal_state_id(pipeline.tap, pipeline.loader, pipeline.environment)


def _command(pipeline: Pipeline) -> list[str]:
    start = [str(MELTANO), "--log-format=json", f"--environment={pipeline.environment}"]
    if pipeline.state_id is None:
        return [*start, "run", "--no-install", pipeline.tap, pipeline.loader]
    return [*start, "el", pipeline.tap, pipeline.loader, "--no-install", "--state-id", pipeline.state_id]


def _environment(pipeline: Pipeline) -> dict[str, str]:
    prefix = pipeline.tap.upper().replace("-", "_")
    environment = dict(os.environ)
    environment.update({f"{prefix}_{name.upper()}": value for name, value in pipeline.settings.items()})
    if pipeline.select:
        environment[f"{prefix}__SELECT_FILTER"] = json.dumps(list(pipeline.select))
    return environment


def _signal_group(process: Process, number: int) -> None:
    """Send a signal to a process group; ignore processes that have ended."""
    with suppress(ProcessLookupError, PermissionError):  # macOS: only dead processes are left in the group
        os.killpg(process.pid, number)


async def _end_of_group(process: Process) -> None:
    """Wait for the tap and the loader: they got the signal too, and may end after Meltano."""
    until = time.monotonic() + END_GRACE
    while time.monotonic() < until:
        try:
            os.killpg(process.pid, 0)
        except (ProcessLookupError, PermissionError):
            return
        await asyncio.sleep(0.1)
