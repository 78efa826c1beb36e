"""Files that only their owner can read: what Meltano, taps and loaders write while they work for our commands.

Meltano writes each plugin's settings, credentials included, to `.meltano/run/`, and removes them when a run ends, but
not when it is killed.
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
WRITERS = frozenset({"meltano", "backfill.py"})
"""Programs that write settings of plugins to `.meltano/run/`."""

MARGIN = 2.0
"""Seconds by which the system's answer when a process began may be wrong."""


def keep_private(root: Path, *, warn: bool = True) -> None:
    """Let nobody else read what this process and those it starts will write, nor what is in Meltano's folder.

    The folder is closed as a whole, so that a `meltano run` by hand is private too, whatever its umask. What runs that
    were killed have left in it is removed.

    Args:
        root: The project's folder.
        warn: Whether to say on stderr that others can read `.env`.
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
    """Remove what dead runs have left in `.meltano/run/`: settings of plugins, and the folders of `meltano el`.

    Something belongs to a living run if a Meltano works in this project that began before it was written; whichever
    run it is, it is left alone then.
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
        with suppress(OSError):  # of other runs' folders, it is not empty
            folder.rmdir()


def _meltanos(root: Path) -> Iterator[float]:
    """Return when each living Meltano of the project began, in seconds since 1970; this process is not meant."""
    for process in psutil.process_iter(["cmdline", "create_time"]):
        # The program, or the script that an interpreter runs (`python -m meltano` too).
        names = {Path(word).name for word in (process.info["cmdline"] or ())[:3]}
        if process.pid == os.getpid() or not names & WRITERS:
            continue
        folder = None
        with suppress(psutil.Error):
            folder = Path(process.environ().get("MELTANO_PROJECT_ROOT") or process.cwd())
        # One of which nothing is known may work here.
        if folder is None or folder == root or root in folder.parents:
            yield process.info["create_time"] - MARGIN


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
