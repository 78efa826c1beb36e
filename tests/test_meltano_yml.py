"""`meltano.yml` is in the form in which Meltano writes it: its own commands change the lines concerned and no other."""

from __future__ import annotations

import difflib
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

pytestmark = pytest.mark.meltano

ROOT = Path(__file__).resolve().parent.parent
MAKE = shutil.which("make") or "make"
MELTANO = str(Path(sys.executable).with_name("meltano"))


def commented(lines: list[str]) -> list[tuple[str, str]]:
    """Return each comment with the line below it."""
    return [(line, below) for line, below in pairwise(lines) if re.match(" *#", line)]


@pytest.mark.parametrize(
    ("command", "added"),
    [
        (
            ["--environment=prod", "config", "set", "tap-ispot", "window_days", "2"],
            [
                "  config:",
                "    plugins:",
                "      extractors:",
                "      - name: tap-ispot",
                "        config:",
                "          window_days: '2'",
            ],
        ),
        (["config", "set", "tap-ispot", "window_days", "2"], ["    config:", "      window_days: '2'"]),
        (["config", "set", "target-duckdb", "load_method", "upsert"], ["      load_method: upsert"]),
        (["select", "tap-ispot", "episodes", "*"], ["    - episodes.*"]),
        (["select", "--exclude", "tap-springserve", "supply_tags", "*"], ["    - '!supply_tags.*'"]),
        (
            ["job", "add", "two", "--tasks", "tap-ispot target-jsonl"],
            ["- name: two", "  tasks:", "  - tap-ispot target-jsonl"],
        ),
        (
            ["schedule", "add", "two", "--job", "all", "--interval", "@daily"],
            ["- name: two", "  interval: '@daily'", "  job: all"],
        ),
    ],
    ids=lambda value: " ".join(value).strip(),
)
def test_a_command_changes_only_its_own_lines(project: Path, command: list[str], added: list[str]) -> None:
    # given the project's file
    path = project / "meltano.yml"
    before = path.read_text().splitlines()
    # when one of Meltano's commands writes it
    subprocess.run([MELTANO, *command], cwd=project, check=True, capture_output=True)
    # then its lines are added, and every other line, with every comment, is where it was
    after = path.read_text().splitlines()
    changes = [line for line in difflib.ndiff(before, after) if not line.startswith(("  ", "? "))]
    assert changes == [f"+ {line}" for line in added]
    # and each comment stands where it stood, above what it is about
    assert commented(after) == commented(before)


def test_own_choices_are_in_a_file_that_git_does_not_track(project: Path) -> None:
    # given a project after `make own`, twice
    before = (project / "meltano.yml").read_text()
    (project / ".env").write_text("TAP_ISPOT_CLIENT_ID=a\nTAP_ISPOT_CLIENT_SECRET=b\nTAP_ISPOT_START_DATE=2024-01-01\n")
    for _ in range(2):
        subprocess.run([MAKE, "own"], cwd=project, check=True, capture_output=True)
    assert (project / ".env").read_text().count("MELTANO_DEFAULT_ENVIRONMENT=own\n") == 1

    def meltano(*arguments: str) -> str:
        done = subprocess.run([MELTANO, *arguments], cwd=project, check=True, capture_output=True, text=True)
        return done.stdout + done.stderr

    # when a stream is selected and a setting changed with Meltano's commands
    meltano("--environment=own", "select", "--rm", "--exclude", "tap-ispot", "episodes", "*")
    meltano("--environment=own", "select", "--exclude", "tap-ispot", "movies", "*")
    meltano("--environment=own", "config", "set", "tap-ispot", "window_days", "2")

    # then they are effective, in the default environment, and only the user's file has changed
    listed = meltano("--environment=own", "select", "tap-ispot", "--list")
    assert "[selected   ] episodes.title" in listed
    assert not re.search(r"\[selected +\] (movies|tv_airings)\.", listed)
    assert '"window_days": "2"' in meltano("--environment=own", "config", "print", "tap-ispot")
    assert "Environment 'own' is active" in meltano("run", "--dry-run", "tap-ispot", "target-duckdb")
    assert (project / "meltano.yml").read_text() == before
    assert "/own.meltano.yml" in (ROOT / ".gitignore").read_text().splitlines()
