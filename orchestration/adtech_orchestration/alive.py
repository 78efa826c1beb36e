"""Runs whose process has died: their records are closed and their pool slots freed, without waiting for a timeout.

A running load holds a lock on a file that is named after its run. A run in progress whose file is not locked is dead,
for example after a power cut. `python -m adtech_orchestration.alive` closes such runs before the service starts.
"""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from collections.abc import Iterator

IN_PROGRESS = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def _folder(instance: dg.DagsterInstance) -> Path:
    folder = Path(instance.root_directory) / "alive"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def held(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Mark a run as alive on this machine until the end of the block."""
    path = _folder(instance) / run_id
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    path.unlink(missing_ok=True)


def close_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark dead runs of this machine as failed and free their pool slots; return their ids."""
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


if __name__ == "__main__":
    close_dead_runs(dg.DagsterInstance.get())
