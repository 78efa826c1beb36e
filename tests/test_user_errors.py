"""Whoever breaks a file of the project, or asks for what is not there, reads one line; nothing is run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = {
    "sync-all": ["sync_all.py"],
    "backfill": ["backfill.py", "tap-ispot", "--from=2024-01-01", "--to=2024-01-31"],
    "install": ["install_plugins.py"],
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder with the scripts, the Makefile and the project's file."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Makefile", tmp_path / "Makefile")
    shutil.copy(ROOT / "meltano.yml", tmp_path / "meltano.yml")
    shutil.copytree(ROOT / "plugins", tmp_path / "plugins")
    return tmp_path


def run(checkout: Path, command: str) -> tuple[int, list[str]]:
    """Run a script; returns its exit code and what it said."""
    name, *arguments = COMMANDS[command]
    done = subprocess.run(
        [sys.executable, str(checkout / "scripts" / name), *arguments],
        env={**os.environ, "MELTANO_DATABASE_URI": f"sqlite:///{checkout / 'meltano.db'}"},
        check=False,
        capture_output=True,
        text=True,
    )
    return done.returncode, (done.stdout + done.stderr).splitlines()


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"plugins: [\nenv: {SECRET: hidden}\n", "expected ',' or ']', but got '<stream end>' (line 3)"),
        (b"secret", "it is not the file of a Meltano project"),
        (b"\xff\xfe\x00", "it is not UTF-8"),
        (None, "No such file or directory"),
    ],
)
def test_a_broken_project_file_gets_one_line(checkout: Path, command: str, content: bytes | None, reason: str) -> None:
    (checkout / "meltano.yml").unlink()
    if content is not None:
        (checkout / "meltano.yml").write_bytes(content)

    code, lines = run(checkout, command)

    assert code == 2
    assert len(lines) == 1
    assert lines[0].endswith(f"meltano.yml cannot be read: {reason}")
    assert "hidden" not in lines[0]


@pytest.mark.parametrize("command", ["sync-all", "backfill"])
def test_an_env_file_that_cannot_be_read_gets_one_line(checkout: Path, command: str) -> None:
    (checkout / ".env").write_bytes(b"TAP_ISPOT_CLIENT_ID=\xff\n")
    (checkout / ".env").chmod(0o600)

    assert run(checkout, command) == (2, [f"{command}: .env cannot be read: it is not UTF-8"])


@pytest.mark.parametrize("given", [[], ["TAP=tap-ispot"], ["TAP=tap-ispot", "FROM=2024-01-01"]])
def test_make_backfill_names_what_it_needs(checkout: Path, given: list[str]) -> None:
    # What it depends on is there already.
    command = ["make", "--old-file=setup", "--no-print-directory", "backfill", *given]
    done = subprocess.run(command, cwd=checkout, check=False, capture_output=True, text=True)

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "TAP, FROM and TO are needed: make backfill TAP=tap-ispot FROM=2022-01-01 TO=2024-12-31" in line


def test_make_clean_leaves_tables_and_bookmarks(checkout: Path) -> None:
    # given what was installed, a demo, and what is the user's
    gone = [
        checkout / name for name in (".venv/bin/x", ".meltano/extractors/x", "output/demo/log", "output/demo.duckdb")
    ]
    kept = [checkout / name for name in (".env", ".meltano/meltano.db", "output/warehouse.duckdb", "output/logs/x.log")]
    for path in (*gone, *kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    for _ in range(2):
        command = ["make", "clean"]
        subprocess.run(command, cwd=checkout, check=True, capture_output=True)

    assert [path for path in gone if path.exists()] == []
    assert [path for path in kept if not path.exists()] == []
