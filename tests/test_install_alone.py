"""One package alone: pip, an empty virtual environment, and no workspace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.meltano

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("program", "folders"),
    [
        *[(tap.name, ["singer-adtech", tap.name]) for tap in sorted(ROOT.glob("tap-*"))],
        ("target-duckdb-arrow", ["target-duckdb-arrow"]),
    ],
)
def test_pip_installs_a_package_from_its_folder(program: str, folders: list[str], tmp_path: Path) -> None:
    # given an empty virtual environment
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    programs = tmp_path / "venv" / "bin"

    # when pip installs the package, and for a tap the library with it
    subprocess.run(
        [programs / "pip", "install", "--quiet", *(ROOT / folder for folder in folders)],
        check=True,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        cwd=tmp_path,
    )

    # then the program tells its name and its settings, and nothing of the workspace is needed
    about = subprocess.run(
        [programs / program, "--about", "--format=json"], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    told = json.loads(about.stdout)
    assert told["name"] == program
    assert told["version"][0].isdigit()
