"""Nightly runs: a job per account, and the schedules of meltano.yml, in UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from adtech_orchestration import alive, project
from adtech_orchestration.assets import table_key

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

    from adtech_orchestration.project import Account

WAITING = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def nightly_job(account: Account) -> UnresolvedAssetJobDefinition:
    """Return the job that reads an account's new data."""
    return dg.define_asset_job(
        account.name,
        selection=dg.AssetSelection.assets(*(table_key(account, stream) for stream in account.streams)),
        description=f"New data of {account.extractor}: meltano run {' '.join(account.blocks)}",
    )


def schedules(account: Account, job: UnresolvedAssetJobDefinition) -> list[dg.ScheduleDefinition]:
    """Return the schedules of an account."""
    return [_schedule(account, job, name, cron) for name, cron in account.schedules.items()]


def _schedule(
    account: Account,
    job: UnresolvedAssetJobDefinition,
    name: str,
    cron: str,
) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=name,
        job=job,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Schedule {name} of meltano.yml",
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        setup = project.setup(account)
        if setup.missing and not setup.partly:
            return dg.SkipReason(setup.problem(account))
        alive.close_dead_runs(context.instance)
        waiting = context.instance.get_run_records(dg.RunsFilter(job_name=account.name, statuses=WAITING), limit=1)
        if waiting:
            return dg.SkipReason(f"{account.extractor}: the previous run is not over")
        return dg.RunRequest()

    return nightly
