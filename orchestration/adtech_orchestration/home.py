"""The folder of the Dagster instance: DAGSTER_HOME, or `output/dagster` in the project."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from adtech_orchestration import project

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
