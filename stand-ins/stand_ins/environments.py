"""Virtual environments of stand-ins, whose packages conflict with those of the project and of Meltano."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / ".venvs"
"""Folder of the environments: in the root of the checkout, because this package is never installed elsewhere."""

REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements"


class EnvironmentFailedError(RuntimeError):
    """The environment of a stand-in could not be created; a one-line message with the cause and the remedy."""


def ensure(name: str, requirements: Path) -> Path:
    """Create an environment unless it exists with the same requirements and Python.

    Concurrent calls for the same environment wait for the first one.

    Args:
        name: Name of the folder in `.venvs`.
        requirements: Requirements file that pins every package.

    Returns:
        The environment's Python.

    Raises:
        EnvironmentFailedError: uv is missing or failed.
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
            # Without the project's constraints: the requirements file pins every package.
            _uv("pip", "install", "--quiet", f"--python={python}", f"--requirements={requirements}")
            stamp.write_text(digest)
    return python


def _uv(*arguments: str) -> None:
    sibling = Path(sys.executable).with_name("uv")
    program = str(sibling) if sibling.exists() else shutil.which("uv")
    if program is None:
        raise EnvironmentFailedError("uv is neither next to this Python nor on PATH: run `make setup`, or install uv")
    done = subprocess.run([program, "--no-config", *arguments], check=False, capture_output=True, text=True)  # noqa: S603 - uv
    if done.returncode:
        raise EnvironmentFailedError(f"uv {arguments[0]} failed: {' '.join(done.stderr.split())}")
