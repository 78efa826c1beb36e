"""The folder of the Dagster instance: DAGSTER_HOME, or `output/dagster` in the project.

`python -m adtech_orchestration.home` prepares the instance before the service starts.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import dagster as dg

from adtech_orchestration import alive, project

SETTINGS = project.CHECKOUT / "orchestration" / "dagster.yaml"


def prepare() -> Path:
    """Create the folder with its settings, readable by its owner only, and set DAGSTER_HOME; return it."""
    os.umask(stat.S_IRWXG | stat.S_IRWXO)
    folder = Path(os.environ.get("DAGSTER_HOME") or project.root() / "output" / "dagster").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(stat.S_IRWXU)
    if not (folder / "dagster.yaml").exists():
        shutil.copy(SETTINGS, folder / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(folder)
    return folder


def create_pools(instance: dg.DagsterInstance) -> None:
    """Create the pools of the accounts: Dagster would launch all runs of the first batch of a pool without a limit."""
    pools = instance.event_log_storage
    known = {pool.name for pool in pools.get_pool_limits()}
    for account in project.accounts():
        if account.name not in known:
            pools.initialize_concurrency_limit_to_default(account.name)


if __name__ == "__main__":
    prepare()
    with dg.DagsterInstance.get() as prepared:
        alive.close_dead_runs(prepared)
        create_pools(prepared)
