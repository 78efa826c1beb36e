"""Runs on several machines, with Celery: a worker takes a whole run from the queue.

Workers: `celery --app adtech_orchestration.machines worker`. ORCHESTRATION_BROKER is the URL of Redis.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import dagster as dg
from celery import Task

# Dagster exports neither the results of a launcher nor the arguments of its Celery task.
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import unpack_value
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.make_app import make_app
from dagster_celery.tasks import create_execute_job_task
from typing_extensions import override

from adtech_orchestration import advisory, alive

if TYPE_CHECKING:
    from celery import Celery


class _Run(Task):  # type: ignore[misc]  # Celery has no types
    """A run, marked as alive from before its start until after its end."""

    @override
    def __call__(self, execute_job_args_packed: Any) -> Any:
        run_id = unpack_value(execute_job_args_packed, as_type=ExecuteRunArgs).run_id
        with dg.DagsterInstance.get() as instance, alive.held(instance, run_id):
            return super().__call__(execute_job_args_packed)


class Launcher(CeleryRunLauncher):
    """Dagster's launcher for Celery, which also notices that a worker was killed."""

    @override
    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Return whether the run is alive. Celery itself never learns that a worker is dead."""
        database = advisory.database(self._instance)
        if database and advisory.is_held(database, f"run {run.run_id}"):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "the worker of the run was killed")


def make_worker() -> Celery:
    """Return the Celery app of a worker."""
    broker = os.environ.get("ORCHESTRATION_BROKER", "redis://127.0.0.1:6379/0")
    made: Celery = make_app({"broker": broker, "backend": broker, "task_default_queue": "dagster"})  # type: ignore[no-untyped-call]
    # A worker takes a run when it begins it, and confirms it then: what waits in the queue survives any worker, and a
    # long run is never delivered a second time.
    made.conf.update(
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        task_acks_late=False,
        broker_connection_retry_on_startup=True,
    )
    create_execute_job_task(made, base=_Run)  # type: ignore[arg-type]  # its annotation is wrong
    return made


app = make_worker()
