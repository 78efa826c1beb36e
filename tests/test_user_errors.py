"""A broken project file or missing argument is reported in one line, and nothing is run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder with the scripts, the Makefile and the project's file."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Makefile", tmp_path / "Makefile")
    shutil.copy(ROOT / "meltano.yml", tmp_path / "meltano.yml")
    shutil.copytree(ROOT / "plugins", tmp_path / "plugins")
    return tmp_path


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"plugins: [\nenv: {SECRET: hidden}\n", "expected ',' or ']', but got '<stream end>' (line 3)"),
        (b"secret", "it is not the file of a Meltano project"),
        (b"\xff\xfe\x00", "it is not UTF-8"),
        (None, "No such file or directory"),
    ],
)
def test_a_broken_project_file_gets_one_line(checkout: Path, content: bytes | None, reason: str) -> None:
    (checkout / "meltano.yml").unlink()
    if content is not None:
        (checkout / "meltano.yml").write_bytes(content)

    command = [sys.executable, str(checkout / "scripts" / "install_plugins.py")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert done.returncode == 2
    assert done.stdout + done.stderr == f"meltano.yml cannot be read: {reason}\n"


@pytest.mark.parametrize("given", [[], ["TAP=tap-ispot"], ["TAP=tap-ispot", "FROM=2024-01"]])
def test_make_backfill_names_what_it_needs(checkout: Path, given: list[str]) -> None:
    # Without the installation.
    command = ["make", "--old-file=orchestration", "--no-print-directory", "backfill", *given]
    done = subprocess.run(command, cwd=checkout, check=False, capture_output=True, text=True)

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "TAP, FROM and TO are needed: make backfill TAP=tap-ispot FROM=2022-01 TO=2024-12" in line


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
