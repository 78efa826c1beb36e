"""What the repository's own tests share: Meltano runs in a project folder of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Meltano:
    """The project's Meltano, with a system database and a warehouse of one test."""

    folder: Path
    root: Path = ROOT

    @property
    def warehouse(self) -> Path:
        """The DuckDB file of this test."""
        return self.folder / "warehouse.duckdb"

    def environment(self, tap: str, settings: Mapping[str, Any]) -> dict[str, str]:
        """Return the environment that gives a tap its settings."""
        prefix = tap.upper().replace("-", "_")
        return {
            **os.environ,
            "MELTANO_DATABASE_URI": f"sqlite:///{self.folder / 'meltano.db'}",
            "TARGET_DUCKDB_FILEPATH": str(self.warehouse),
            "TARGET_JSONL_DESTINATION_PATH": str(self.folder),
            **{f"{prefix}_{name.upper()}": str(value) for name, value in settings.items()},
        }

    def run(
        self, tap: str, target: str, settings: Mapping[str, Any], *options: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `meltano run` to its end."""
        return subprocess.run(
            self.command(tap, target, *options),
            cwd=self.root,
            env=self.environment(tap, settings),
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def command(self, tap: str, target: str, *options: str) -> list[str]:
        """Return the command line of a run."""
        return [str(Path(sys.executable).with_name("meltano")), "--environment=demo", "run", *options, tap, target]


@pytest.fixture
def meltano(tmp_path: Path) -> Meltano:
    return Meltano(tmp_path)
