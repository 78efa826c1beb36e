"""Run the tests of what changed since `main`: committed, uncommitted and untracked files.

Any change runs the repository's own tests, a change in a package also the package's. A change in a package that the
taps depend on also compares every tap with its simulator. Tests that run Meltano are left to `make test`.

With `--pull-request`, a change of shared code or of the root's configuration runs the tests of all packages.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHARED = {"singer-adtech", "simulators"}
"""Packages that every tap or its tests depend on."""

CONFIGURATION = {"pyproject.toml", "conftest.py", "Makefile"}
"""Files of the root that decide which dependencies and tests there are."""

SEPARATE = {"orchestration"}
"""Folders whose tests need another environment (`make orchestration-test`)."""


def git(*arguments: str) -> list[str]:
    """Return the lines that a git command prints; none if it fails."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=False, capture_output=True, text=True)  # noqa: S603, S607 - git of this machine
    return done.stdout.splitlines() if done.returncode == 0 else []


def changed_files() -> list[str]:
    """Return the changed files, relative to the repository's root."""
    (base,) = git("merge-base", "HEAD", "main") or git("merge-base", "HEAD", "origin/main") or ["HEAD"]
    return git("diff", "--name-only", base) + git("ls-files", "--others", "--exclude-standard")


def tests_of(files: list[str], *, pull_request: bool) -> list[str]:
    """Return the test files and folders to run for some changed files."""
    if not files:
        return []
    changed = {file.split("/")[0] for file in files}
    if pull_request and changed & (SHARED | CONFIGURATION):
        changed.update(path.parent.name for path in ROOT.glob("*/tests"))
    chosen = [name for folder in sorted(changed - SEPARATE) if (ROOT / (name := f"{folder}/tests")).is_dir()]
    if changed & SHARED:
        truths = sorted(ROOT.glob("tap-*/tests/test_*_truth.py"))
        chosen += [str(path.relative_to(ROOT)) for path in truths if path.relative_to(ROOT).parts[0] not in changed]
    return [*chosen, "tests"]


def main() -> int:
    """Return pytest's exit code; 0 if nothing changed."""
    tests = tests_of(changed_files(), pull_request="--pull-request" in sys.argv[1:])
    if not tests:
        print("nothing changed since main: no tests to run")
        return 0
    print("tests:", *tests, flush=True)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "-m", "not meltano and not extended", *tests]
    return subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603 - pytest of this environment


if __name__ == "__main__":
    sys.exit(main())
