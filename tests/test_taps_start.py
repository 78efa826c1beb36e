"""The programs of the taps handle signals and a closed stdout before slow imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TAPS = sorted(path.parent.name for path in ROOT.glob("tap-*/pyproject.toml"))


@pytest.mark.parametrize("tap", TAPS)
def test_a_program_starts_in_the_module_that_handles_ctrl_c(tap: str) -> None:
    # given: a process that imports only the tap's entry point
    package = tap.replace("-", "_")
    project = (ROOT / tap / "pyproject.toml").read_text()
    program = f"import sys, {package}.__main__; print(sorted(one for one in sys.modules if one.startswith('singer_')))"
    # when
    imported = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    # then
    assert f'{tap} = "{package}.__main__:main"' in project
    assert imported == "['singer_adtech', 'singer_adtech.start']\n"


@pytest.mark.parametrize("tap", TAPS)
def test_a_stdout_that_is_closed_is_one_line(tap: str) -> None:
    # when: stdout is closed, like `>&-` in a shell
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" -m "$1" --discover >&-', sys.executable, tap.replace("-", "_")],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    # then
    assert done.returncode == 1
    assert done.stderr == f"{tap}: stdout is closed: check the program that starts this one\n"
