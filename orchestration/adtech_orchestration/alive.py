"""Runs whose process has died: their records are closed and their pool slots freed, without waiting for a timeout.

A running load holds a lock that is named after its run. A run in progress whose lock is free is dead, for example after
a power cut. On one machine the lock is on a file. If Dagster's storage is PostgreSQL, it is an advisory lock there, for
all machines.
"""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from adtech_orchestration import advisory, project

if TYPE_CHECKING:
    from collections.abc import Iterator

IN_PROGRESS = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_HELD: set[str] = set()
"""Runs of this process."""


def _folder(instance: dg.DagsterInstance) -> Path:
    folder = Path(instance.root_directory) / "alive"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def held(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Mark a run as alive until the end of the block."""
    if run_id in _HELD:
        yield
        return
    _HELD.add(run_id)
    try:
        if database := advisory.database(instance):
            with advisory.held(database, f"run {run_id}"):
                yield
        else:
            path = _folder(instance) / run_id
            with path.open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
            path.unlink(missing_ok=True)
    finally:
        _HELD.discard(run_id)


@contextmanager
def only_one(instance: dg.DagsterInstance, name: str) -> Iterator[None]:
    """Exclude a second run of a state on other machines; runs on this machine are excluded by a lock on a file.

    Raises:
        ProjectError: Another run of this state is alive.
    """
    database = advisory.database(instance)
    if database is None:
        yield
        return
    try:
        with advisory.held(database, f"state {name}", wait=False):
            yield
    except advisory.BusyError as error:
        message = f"another run of {name} is alive on another machine: wait for it or stop it"
        raise project.ProjectError(message) from error


def close_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark dead runs of this machine as failed and free their pool slots; return their ids.

    On several machines this is left to run monitoring, which uses the launcher's check.
    """
    closed = []
    for path in _folder(instance).iterdir():
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            run = instance.get_run_by_id(path.name)
            if run is not None and run.status in IN_PROGRESS:
                instance.report_run_failed(run, "the process of the run was killed")
                closed.append(path.name)
            instance.event_log_storage.free_concurrency_slots_for_run(path.name)
            path.unlink(missing_ok=True)
    return closed
