"""Private files: only the owner can read the files that our commands, Meltano, taps and loaders write.

Meltano writes each plugin's settings, including credentials, to `.meltano/run/`. It removes them at the end of a run,
but not after a kill.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped] # Meltano brings it, without types

if TYPE_CHECKING:
    from collections.abc import Iterator

OTHERS = stat.S_IRWXG | stat.S_IRWXO
MARGIN = 2.0
"""Tolerance of a process's start time, in seconds."""


def keep_private(root: Path, *, warn: bool = True) -> None:
    """Make Meltano's folder and all files that this process and its children write readable by the owner only.

    Closing the whole folder protects `meltano run` by hand too, with any umask. Leftovers of killed runs are removed.

    Args:
        root: The project's folder.
        warn: Whether to warn on stderr if others can read `.env`.
    """
    os.umask(OTHERS)
    (root / "output").mkdir(exist_ok=True)
    (root / ".meltano").mkdir(exist_ok=True)
    (root / ".meltano").chmod(stat.S_IRWXU)
    remove_leftovers(root)
    env = root / ".env"
    if warn and env.is_file() and env.stat().st_mode & OTHERS:
        print(
            "warning: .env holds credentials, and other users of this machine can read it: chmod 600 .env",
            file=sys.stderr,
        )


def remove_leftovers(root: Path) -> None:
    """Remove files of dead runs from `.meltano/run/`: plugin settings, and the folders of `meltano el`.

    A file is kept if a Meltano process that is older than the file is running in this project.
    """
    run = root / ".meltano" / "run"
    began = min(_meltanos(root), default=float("inf"))
    for settings in run.glob("*/*.config.json"):
        if _written(settings) < began:
            settings.unlink(missing_ok=True)
    for folder in run.glob("elt/*/*/"):
        if max(map(_written, (folder, *folder.rglob("*")))) < began:
            shutil.rmtree(folder, ignore_errors=True)
    for folder in run.glob("elt/*/"):
        with suppress(OSError):  # not empty: it contains folders of other runs
            folder.rmdir()


def _meltanos(root: Path) -> Iterator[float]:
    """Return the start time of each other Meltano process of the project, in seconds since 1970."""
    for process in psutil.process_iter(["cmdline", "create_time"]):
        # The program, or the script or module of an interpreter (`python -m meltano`).
        names = {Path(word).name for word in (process.info["cmdline"] or ())[:3]}
        if process.pid == os.getpid() or "meltano" not in names:
            continue
        folder = None
        with suppress(psutil.Error):
            folder = Path(process.environ().get("MELTANO_PROJECT_ROOT") or process.cwd())
        # Unknown: assume that it works in this project.
        if folder is None or folder == root or root in folder.parents:
            yield process.info["create_time"] - MARGIN


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
