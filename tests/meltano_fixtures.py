"""Fixtures of the repository's own tests: Meltano in a separate project folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parent.parent

# A developer's own variables for accounts and loaders must not reach the tests.
for name in [name for name in os.environ if name.startswith(("TAP_", "TARGET_", "MELTANO_", "DBT_", "HASH_SALT"))]:
    del os.environ[name]


@dataclass
class Meltano:
    """Meltano in a test's project, with its own system database and warehouse."""

    folder: Path
    root: Path

    @property
    def warehouse(self) -> Path:
        """The DuckDB file of this test."""
        return self.folder / "warehouse.duckdb"

    def environment(self, tap: str, settings: Mapping[str, Any]) -> dict[str, str]:
        """Return the environment variables for a tap's settings."""
        prefix = tap.upper().replace("-", "_")
        return {
            **os.environ,
            "MELTANO_DATABASE_URI": f"sqlite:///{self.folder / 'meltano.db'}",
            "TARGET_DUCKDB_FILEPATH": str(self.warehouse),
            "TARGET_JSONL_DESTINATION_PATH": str(self.folder),
            **{f"{prefix}_{name.upper()}": str(value) for name, value in settings.items()},
        }

    def run(
        self,
        tap: str,
        target: str,
        settings: Mapping[str, Any],
        *options: str,
        mapper: str = "",
        target_settings: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run `meltano run` and wait for it."""
        command = self.command(tap, target, *options)
        return subprocess.run(
            [*command[:-1], mapper, target] if mapper else command,
            cwd=self.root,
            env={**self.environment(tap, settings), **(target_settings or {})},
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def load(
        self, tap: str, target: str, settings: Mapping[str, Any], target_settings: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run `meltano el` and wait for it. It uses a separate run folder, so other tests can run the same tap.

        Args:
            tap: name of the extractor.
            target: name of the loader.
            settings: settings of the extractor.
            target_settings: environment variables for the loader.
        """
        meltano = str(Path(sys.executable).with_name("meltano"))
        return subprocess.run(
            [meltano, "--environment=demo", "el", tap, target, f"--state-id={tap}-to-{target}"],
            cwd=self.root,
            env={**self.environment(tap, settings), **target_settings},
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def command(self, tap: str, target: str, *options: str) -> list[str]:
        """Return the command line of a run."""
        program = str(Path(sys.executable).with_name("meltano"))
        return [program, "--environment=demo", "run", "--no-install", *options, tap, target]


@pytest.fixture
def meltano(tmp_path: Path, project: Path) -> Meltano:
    return Meltano(tmp_path, project)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Create a copy of this project, without a developer's `.env` and with separate run folders."""
    folder = tmp_path / "project"
    (folder / ".meltano").mkdir(parents=True)
    for name in ("meltano.yml", "own.meltano.example.yml", "Makefile", ".env.example"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "plugins", folder / "plugins")
    # Copied, because scripts work on the checkout that contains them.
    shutil.copytree(ROOT / "scripts", folder / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "transform", folder / "transform", ignore=shutil.ignore_patterns("target", "logs"))
    for kind in ("extractors", "loaders", "mappers", "utilities"):
        (folder / ".meltano" / kind).symlink_to(ROOT / ".meltano" / kind)
    return folder
