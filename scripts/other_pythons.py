"""Run the tests without Meltano on the oldest and newest supported Python, if installed.

Each has a separate environment in `.venvs/`. A version that is not installed is skipped with a message.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST_AND_NEWEST = ("3.10", "3.13")


def find(version: str) -> str | None:
    """Return an interpreter of this version that runs; a shim on the PATH may not."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [shutil.which(f"python{version}"), *map(str, sorted(pyenv.glob(f"{version}.*/bin/python")))]
    for candidate in filter(None, candidates):
        probe = subprocess.run(  # noqa: S603 - interpreters of this machine
            [candidate, "-c", "import sys, venv; print('%d.%d' % sys.version_info[:2])"],
            check=False,
            capture_output=True,
            text=True,
        )
        if probe.stdout.strip() == version:
            return candidate
    return None


def main() -> int:
    """Return the exit code of the first version whose tests fail, else 0."""
    uv = str(Path(sys.argv[1]).absolute())
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    for version in OLDEST_AND_NEWEST:
        if version == own:
            continue
        python = find(version)
        if python is None:
            print(f"Python {version}: not installed, not tested")
            continue
        environment = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(ROOT / ".venvs" / version), "UV_PYTHON": python}
        environment.pop("VIRTUAL_ENV", None)
        print(f"Python {version}: {python}", flush=True)
        for command in (
            [uv, "sync", "--quiet", "--all-packages"],
            [uv, "run", "--no-sync", "pytest", "-q", "-n", "auto", "-m", "not meltano and not extended"],
        ):
            done = subprocess.run(command, cwd=ROOT, env=environment, check=False)  # noqa: S603 - uv of this checkout
            if done.returncode != 0:
                return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
