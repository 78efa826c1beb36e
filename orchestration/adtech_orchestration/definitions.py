"""The definitions that Dagster loads: `dagster-webserver -m adtech_orchestration.definitions`."""

from __future__ import annotations

import dagster as dg

from adtech_orchestration import project
from adtech_orchestration.assets import tables
from adtech_orchestration.history import history
from adtech_orchestration.schedules import nightly_job, schedules

ACCOUNTS = project.accounts()
JOBS = [nightly_job(account) for account in ACCOUNTS]

defs = dg.Definitions(
    assets=[asset for account in ACCOUNTS for asset in (tables(account), history(account))],
    jobs=JOBS,
    schedules=[one for account, job in zip(ACCOUNTS, JOBS, strict=True) for one in schedules(account, job)],
    # A run has one step: a process for it would cost seconds and 150 MB.
    executor=dg.in_process_executor,
)
