"""Meltano runs side by side: started, watched, stopped and read, for `sync_all.py` and `backfill.py`.

A run is a process of its own, with a log of its own. Its failure is its own too: the others go on.
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
"""What shells add to the number of the signal that ended a program."""

END_GRACE = 10.0
"""Seconds that a tap and a loader have to end after their Meltano did, before they are killed."""

# Meltano is told to end if this program is killed, as far as the system can (Linux). Process and program stay the same.
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
        name: What tables call it, and its log file (`<name>.log`); a file's name, without its ending.
        tap: The extractor's name in meltano.yml.
        loader: The loader's name in meltano.yml.
        state_id: With one, `meltano el TAP LOADER --state-id ID`, whose run folder is its own: any number of one tap
            may run at once. Without, `meltano run TAP LOADER`, which gives its own state id (`normal_state_id`) and
            shares a run folder with other runs of the tap.
        environment: Meltano's environment.
        settings: Settings of the tap by their names in meltano.yml, as text, above what meltano.yml, .env and the
            environment say.
        select: Streams (or patterns, Meltano's `--select`) out of those that meltano.yml selects; all of them if empty.
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
        state: `done`; `failed`; `stopped`, as a signal came; `not begun`, as a signal came before; `busy`, as another
            run of its state id is going on, which was left alone.
        code: Meltano's exit code; none if it was not started.
        seconds: How long it ran, with waiting for the lock of a dead run, in seconds.
        rows: Records that the tap emitted, by stream. A run that was killed tells less than it emitted.
        error: The one line of the tap or the loader that says why, or empty.
        log: The run's log file; there only if it was started.
        signal: Number of the signal that stopped it or kept it from beginning; none otherwise.
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


def run_pipelines(  # noqa: PLR0913 - three callbacks, each of which can be left out
    pipelines: Sequence[Pipeline],
    *,
    at_once: int,
    logs: Path,
    on_begin: Callable[[Pipeline], None] | None = None,
    on_end: Callable[[Outcome], None] | None = None,
    on_note: Callable[[Pipeline, str], None] | None = None,
) -> list[Outcome]:
    """Run pipelines in processes, in their order, at most so many at once, and wait for all of them.

    A run that fails does not stop the others. SIGINT and SIGTERM are passed on, once, to all that run; those are waited
    for, and the rest is not begun. A second signal kills. No process is left when this returns or raises.

    A run whose state id another run holds according to Meltano's record is looked at first: `busy` if that one is
    alive; if it is dead, its record is closed after 15 seconds and the run goes on (`meltano_project`).

    Plugins must be installed: several Meltanos that install the same one at once get in each other's way.

    Args:
        pipelines: What to run; names and state ids differ.
        at_once: Most processes of Meltano at once, at least 1. Each has a tap and a loader.
        logs: Folder for `<name>.log`; made if missing. The log of the run before is kept as `<name>.previous.log`.
        on_begin: Called when a run begins, which may be before its process starts (a dead run's lock).
        on_end: Called when a run ended, also for one that was not begun, and before the next one begins.
        on_note: Called with one line about a run that goes on, such as a dead run's lock.

    Returns:
        The outcomes, in the order of the pipelines.

    Raises:
        ProjectError: There is no such environment, or the system database cannot be used. Nothing was run.
        ValueError: Not called from the main thread, which alone gets signals.
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
    """Pipelines at work."""

    at_once: int
    logs: Path
    on_begin: Callable[[Pipeline], None] | None
    on_end: Callable[[Outcome], None] | None
    on_note: Callable[[Pipeline, str], None] | None
    stopped_by: int | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    processes: set[Process] = field(default_factory=set)

    async def run(self, pipelines: Sequence[Pipeline]) -> list[Outcome]:
        """Run all; returns their outcomes."""
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
            # Their `finally` blocks end the processes: to be waited for, where one of them failed.
            await asyncio.gather(*tasks, return_exceptions=True)

    def stop(self, number: int) -> None:
        """Pass a signal on; the second one kills."""
        again = self.stopped_by is not None
        self.stopped_by = self.stopped_by or number
        self.stopping.set()
        for process in self.processes:
            _signal_group(process, signal.SIGKILL if again else number)

    async def one(self, pipeline: Pipeline, places: asyncio.Semaphore) -> Outcome:
        """Run one pipeline when there is a place."""
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
        """Return what an exit code of Meltano means."""
        if code == 0:
            return "done"
        if self.stopped_by is not None:
            return "stopped"
        return "busy" if reading.going_on_since else "failed"

    async def wait_for_dead_runs(self, pipeline: Pipeline) -> str:
        """Get dead runs out of the way, unless a signal comes; returns since when a living one is there, else ""."""
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
        """Run Meltano and keep its log; returns its exit code, negative for a signal that killed it."""
        _keep(log)
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-ISc", _FOLLOW, str(os.getpid()), *_command(pipeline)],
            cwd=ROOT,
            env=_environment(pipeline),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # A group of its own: a signal of the terminal comes once, from here, and no tap or loader is forgotten.
            start_new_session=True,
        )
        self.processes.add(process)
        if self.stopped_by is not None:  # it came while the process was made
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
    """Write what Meltano says into its log until the end."""
    assert process.stdout is not None  # noqa: S101 - it was asked for as a pipe
    with log.open("w") as file:
        rest = b""
        # Not by lines: asyncio's are limited in length.
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
    """Put the log of the run before aside; whoever still writes to it goes on doing so."""
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
    """Signal a process and what it has started; those that have ended are none."""
    with suppress(ProcessLookupError, PermissionError):  # macOS: a group of which only dead ones are left
        os.killpg(process.pid, number)


async def _end_of_group(process: Process) -> None:
    """Wait for the tap and the loader, which got the signal too and may end after Meltano."""
    until = time.monotonic() + END_GRACE
    while time.monotonic() < until:
        try:
            os.killpg(process.pid, 0)
        except (ProcessLookupError, PermissionError):
            return
        await asyncio.sleep(0.1)
