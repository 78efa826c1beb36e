"""Run the tests without Meltano with other versions of the dependencies than the pinned ones.

    python scripts/dependencies.py lowest|newest|prerelease UV

`lowest`: the oldest versions that the packages allow. `newest`: the newest that they allow. `prerelease`: also the
newest singer-sdk, with pre-releases, even if the packages do not allow it yet. Environments are in `.venvs/`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SETS = ("lowest", "newest", "prerelease")
SDK = "singer-sdk>=0.54.9a0"
WRONG_USAGE = 2


def main(arguments: list[str]) -> int:
    """Make the environment and run the tests; return the exit code of the first command that fails."""
    if len(arguments) != len(("set", "uv")) or arguments[0] not in SETS:
        print(__doc__, file=sys.stderr)
        return WRONG_USAGE
    chosen, uv = arguments[0], str(Path(arguments[1]).absolute())
    environment = ROOT / ".venvs" / chosen
    python = str(environment / "bin" / "python")
    packages = ROOT / ".venvs" / f"{chosen}-packages.in"
    override, lowest = packages.with_name(f"{chosen}-override.txt"), packages.with_name(f"{chosen}.txt")
    packages.parent.mkdir(exist_ok=True)
    folders = sorted(path.parent for path in ROOT.glob("*/pyproject.toml") if path.parent.name != "orchestration")
    packages.write_text("".join(f"-e {folder}\n" for folder in folders))
    override.write_text(f"{SDK}\n" if chosen == "prerelease" else "")
    pip = [uv, "--no-config", "pip"]
    install = [*pip, "install", "--quiet", "--python", python]
    both = ["--override", str(override), "-r", str(packages)]
    oldest = [*pip, "compile", "--quiet", "--python", python, "--resolution", "lowest-direct", "--no-header"]
    commands = [
        [uv, "--no-config", "venv", "--quiet", "--clear", "--python", sys.executable, str(environment)],
        [*install, *both, "--group", "dev"],
        # Without regard to tools such as pytest and Meltano, which need newer versions of the same packages.
        *([[*oldest, str(packages), "-o", str(lowest)]] if chosen == "lowest" else []),
        *([[*install, "--no-deps", "-r", str(lowest)]] if chosen == "lowest" else []),
        [*pip, "list", "--python", python],
        [python, "-m", "pytest", "-q", "-n", "auto", "-m", "not meltano and not extended"],
    ]
    for command in commands:
        done = subprocess.run(  # noqa: S603 - uv and pytest of this checkout
            command, cwd=ROOT, env={**os.environ, "VIRTUAL_ENV": str(environment)}, check=False
        )
        if done.returncode != 0:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
