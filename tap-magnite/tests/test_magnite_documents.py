"""README.md and meltano.yml against the tap: what they say of streams and settings has not drifted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from tap_magnite.client import MagniteStream
from tap_magnite.tap import TapMagnite

HERE = Path(__file__).resolve().parent.parent
README = (HERE / "README.md").read_text(encoding="utf-8")
PROJECT: dict[str, Any] = yaml.safe_load((HERE / "meltano.yml").read_text(encoding="utf-8"))
PLUGIN: dict[str, Any] = PROJECT["plugins"]["extractors"][0]


def test_the_tables_of_the_readme_are_what_about_prints() -> None:
    command = [sys.executable, str(HERE.parent / "scripts" / "readme_tables.py"), "tap-magnite", "--check"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stdout) == (0, "")


def test_the_readme_lists_every_stream_as_it_is() -> None:
    rows = {
        cells[0]: cells[1:]
        for line in README.splitlines()
        if line.startswith("| ") and len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 7
    }
    streams = TapMagnite(validate_config=False).streams
    assert rows.keys() - {"stream", "---", "each report of `reports`"} == streams.keys()
    for name, stream in streams.items():
        assert isinstance(stream, MagniteStream)
        key = stream.replication_key
        assert rows[name][:5] == [
            stream.path,
            ", ".join(stream.primary_keys),
            f"incremental, {key}" if key else "full table",
            "yes" if key else "-",
            "yes" if stream.selected_by_default else "no",
        ]


def test_meltano_yml_selects_every_stream_so_that_a_report_of_ones_own_is_read() -> None:
    assert PLUGIN["select"] == ["*.*"]
    assert PLUGIN["settings_group_validation"] == [["access_key", "secret_key", "start_date"]]
    assert PLUGIN["capabilities"] == sorted(one.value for one in TapMagnite.capabilities)
    assert (PLUGIN["namespace"], PLUGIN["pip_url"]) == ("tap_magnite", "-e ../singer-adtech -e .")
