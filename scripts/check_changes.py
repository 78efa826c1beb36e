"""Run the tests of what changed since `main`: committed, uncommitted and untracked files.

A change in a package runs the package's tests. A change in what the taps depend on also runs the quick tests of each
tap. Any other change runs the repository's own tests. Tests that run Meltano are left to `make test`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TAPS = sorted(path.name for path in ROOT.glob("tap-*"))
SHARED = {"singer-adtech", "simulators"}
"""Folders that every tap depends on, in its tests if not at run time."""


def git(*arguments: str) -> list[str]:
    """Return the lines that a git command prints; none if it fails."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=False, capture_output=True, text=True)  # noqa: S603, S607 - git of this machine
    return done.stdout.splitlines() if done.returncode == 0 else []


def changed_files() -> list[str]:
    """Return the changed files, relative to the repository's root."""
    (base,) = git("merge-base", "HEAD", "main") or git("merge-base", "HEAD", "origin/main") or ["HEAD"]
    return git("diff", "--name-only", base) + git("ls-files", "--others", "--exclude-standard")


def tests_of(files: list[str]) -> list[str]:
    """Return the test files and folders to run for some changed files."""
    folders = {file.split("/")[0] for file in files}
    chosen = {f"{folder}/tests" if (ROOT / folder / "tests").is_dir() else "tests" for folder in folders}
    if folders & SHARED:
        for tap in TAPS:
            if f"{tap}/tests" not in chosen:
                chosen |= {str(path.relative_to(ROOT)) for path in (ROOT / tap / "tests").glob("test_*_truth.py")}
    return sorted(chosen)


def main() -> int:
    """Return pytest's exit code; 0 if nothing changed."""
    tests = tests_of(changed_files())
    if not tests:
        print("nothing changed since main: no tests to run")
        return 0
    print("tests:", *tests, flush=True)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "-m", "not meltano and not extended", *tests]
    return subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603 - pytest of this environment


if __name__ == "__main__":
    sys.exit(main())
