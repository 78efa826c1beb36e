"""The definitions that Dagster loads: `dagster-webserver -m adtech_orchestration.definitions`."""

from __future__ import annotations

import dagster as dg

from adtech_orchestration import marts, project
from adtech_orchestration.assets import tables
from adtech_orchestration.history import history, history_job
from adtech_orchestration.schedules import nightly_job, schedules


def definitions() -> dg.Definitions:
    """Return the assets, jobs and schedules of all accounts of meltano.yml, and the models if they were parsed."""
    accounts = project.accounts()
    nightly = [nightly_job(account) for account in accounts]
    built = marts.MANIFEST.exists()
    return dg.Definitions(
        assets=[
            *(asset for account in accounts for asset in (tables(account), history(account))),
            *([marts.models(accounts)] if built else []),
        ],
        jobs=[*nightly, *(history_job(account) for account in accounts), *([marts.job()] if built else [])],
        schedules=[one for account, job in zip(accounts, nightly, strict=True) for one in schedules(account, job)],
        sensors=[marts.after_loads(accounts)] if built else [],
        # A run has one step: a process for it would cost seconds and 150 MB.
        executor=dg.in_process_executor,
    )


defs = definitions()
