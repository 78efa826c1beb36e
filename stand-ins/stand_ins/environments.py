"""Environments of stand-ins: their servers need packages that clash with those of the project and of Meltano."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / ".venvs"
"""Where environments are made: below the root of the checkout, as this package is never installed elsewhere."""

REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements"


class EnvironmentFailedError(RuntimeError):
    """The environment of a stand-in could not be made; one line says what went wrong and what to do."""


def ensure(name: str, requirements: Path) -> Path:
    """Make an environment, if it is not there or was made of other requirements or with another Python.

    Processes that ask for the same environment at once wait for the first.

    Args:
        name: of the folder below `.venvs`.
        requirements: a file with a full pin of every package.

    Returns:
        The environment's Python.

    Raises:
        EnvironmentFailedError: uv is missing, or failed.
    """
    folder = FOLDER / name
    python, stamp = folder / "bin" / "python", folder / "installed.sha256"
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode() + str(folder).encode()).hexdigest()
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (stamp.exists() and stamp.read_text() == digest and python.exists()):
            shutil.rmtree(folder, ignore_errors=True)
            _uv("venv", "--quiet", f"--python={sys.executable}", str(folder))
            # The project's constraints are for the project: a stand-in's own file pins every package.
            _uv("pip", "install", "--quiet", f"--python={python}", f"--requirements={requirements}")
            stamp.write_text(digest)
    return python


def _uv(*arguments: str) -> None:
    beside = Path(sys.executable).with_name("uv")
    program = str(beside) if beside.exists() else shutil.which("uv")
    if program is None:
        raise EnvironmentFailedError("uv is neither beside this Python nor on PATH: run `make setup`, or install uv")
    done = subprocess.run([program, "--no-config", *arguments], check=False, capture_output=True, text=True)  # noqa: S603 - uv
    if done.returncode:
        raise EnvironmentFailedError(f"uv {arguments[0]} failed: {' '.join(done.stderr.split())}")
