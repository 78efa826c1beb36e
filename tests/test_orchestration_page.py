"""The page on orchestration: its lines for cron work and have the intervals of meltano.yml, its Airflow DAGs too."""

from __future__ import annotations

import ast
import fcntl
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "orchestration.md").read_text()
MELTANO = """#!/bin/sh
echo "$*"
echo "now [critical ] the cause"
exit $(cat code)
"""


def schedules() -> dict[str, str]:
    """Return the interval of each tap in meltano.yml."""
    project: dict[str, Any] = yaml.safe_load((ROOT / "meltano.yml").read_text())
    taps = {job["name"]: job["tasks"][0].split()[0] for job in project["jobs"]}
    return {taps[one["job"]]: one["interval"] for one in project["schedules"]}


def test_intervals_are_those_of_meltano_yml() -> None:
    cron = re.findall(r"^([0-9*][^a-z]+) /path/to/adtech-taps/load (tap-\w+)$", PAGE, re.MULTILINE)
    (airflow,) = re.findall(r"^NIGHTLY = ({.*?^})", PAGE, re.MULTILINE | re.DOTALL)

    assert {tap: interval for interval, tap in cron} == schedules()
    assert ast.literal_eval(airflow) == schedules()


@pytest.fixture
def load(tmp_path: Path) -> Path:
    """Return the page's program, in a folder with a program in the place of Meltano."""
    (script,) = re.findall(r"^```sh\n(#!.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for path, text in ((tmp_path / "load", script), (tmp_path / ".venv/bin/meltano", MELTANO)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o700)
    return tmp_path / "load"


@pytest.mark.parametrize(("code", "alive"), [(0, False), (1, False), (75, True)])
def test_a_line_of_cron_has_a_lock_a_log_and_an_exit_code(load: Path, code: int, *, alive: bool) -> None:
    # given a run that succeeds, one that fails, and one that finds another of its account alive
    folder = load.parent
    (folder / "code").write_text(str(0 if alive else code))
    log = folder / "output" / "logs" / "tap-ispot.log"
    log.parent.mkdir(parents=True)
    log.touch(mode=0o600)
    log.write_text("alive")
    with (folder / "output" / "tap-ispot.lock").open("w") as lock:
        if alive:
            fcntl.flock(lock, fcntl.LOCK_EX)
        # when
        done = subprocess.run([load, "tap-ispot"], cwd="/", check=False, capture_output=True, text=True)
    # then cron has nothing to send, or the cause
    assert done.returncode == code
    assert (
        done.stdout.splitlines()
        == {
            0: [],
            1: ["tap-ispot: exit code 1, see output/logs/tap-ispot.log", "now [critical ] the cause"],
            75: ["tap-ispot: not started, its last run is still alive: see output/logs/tap-ispot.log"],
        }[code]
    )
    # then the log is of this run, or still of the one that is alive
    lines = "run --no-install --force tap-ispot target-duckdb\nnow [critical ] the cause\n"
    assert log.read_text() == ("alive" if alive else lines)
    assert log.stat().st_mode & 0o777 == 0o600
