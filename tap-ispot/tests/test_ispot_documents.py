"""README.md and meltano.yml against the tap: what they say of streams and settings has not drifted."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tap_ispot.client import ISpotStream
from tap_ispot.tap import TapISpot

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent
README = (HERE / "README.md").read_text(encoding="utf-8")
PROJECT: dict[str, Any] = yaml.safe_load((HERE / "meltano.yml").read_text(encoding="utf-8"))
PLUGIN: dict[str, Any] = PROJECT["plugins"]["extractors"][0]


def test_the_tables_of_the_readme_are_what_about_prints() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "readme_tables.py"), "tap-ispot", "--check"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stdout) == (0, "")


def test_a_readme_that_has_drifted_is_noticed(tmp_path: Path) -> None:
    # Given a copy of the repository's script and a README in which a default is another
    (tmp_path / "scripts").mkdir()
    (tmp_path / "tap-ispot").mkdir()
    script = tmp_path / "scripts" / "readme_tables.py"
    script.write_text((ROOT / "scripts" / "readme_tables.py").read_text(encoding="utf-8"), encoding="utf-8")
    readme = tmp_path / "tap-ispot" / "README.md"
    drifted = README.replace("| lookback_days | False | 30 |", "| lookback_days | False | 31 |")
    assert drifted != README
    readme.write_text(drifted, encoding="utf-8")
    command = [sys.executable, str(script), "tap-ispot"]
    # Then the check says so, and writing mends it
    assert subprocess.run([*command, "--check"], check=False, capture_output=True).returncode == 1
    assert readme.read_text(encoding="utf-8") == drifted
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    assert readme.read_text(encoding="utf-8") == README


def test_the_readme_lists_every_stream_as_it_is() -> None:
    rows = {
        cells[0]: cells[1:]
        for line in README.splitlines()
        if line.startswith("| ") and len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 7
    }
    rows.pop("stream")
    rows.pop("---")
    streams = TapISpot(validate_config=False).streams
    assert rows.keys() == streams.keys()
    for name, stream in streams.items():
        assert isinstance(stream, ISpotStream)
        key = stream.replication_key
        assert rows[name][:5] == [
            stream.path,
            ", ".join(stream.primary_keys),
            f"incremental, {key}" if key else "full table",
            "yes" if key else "-",
            "yes" if stream.selected_by_default else "no",
        ]


@pytest.mark.parametrize(
    "heading",
    [
        "At a glance",
        "What you can sync",
        "Prerequisites",
        "Installation",
        "Configuration",
        "Capabilities",
        "Usage",
        "Behaviour worth knowing",
        "Errors and what to do",
        "Developer resources",
    ],
)
def test_the_readme_has_this_chapter(heading: str) -> None:
    assert README.count(f"\n## {heading}\n") == 1


def test_meltano_yml_selects_what_is_on_by_default() -> None:
    on = {
        f"{stream.name}.*" for stream in TapISpot(validate_config=False).streams.values() if stream.selected_by_default
    }
    assert set(PLUGIN["select"]) == on
    assert PLUGIN["capabilities"] == sorted(one.value for one in TapISpot.capabilities)
    assert PLUGIN["settings_group_validation"] == [["client_id", "client_secret", "start_date"]]


def test_meltano_yml_needs_neither_hub_nor_telemetry() -> None:
    assert PROJECT["send_anonymous_usage_stats"] is False
    assert PROJECT["cli"] == {"disable_version_check": True}
    assert PROJECT["requires_meltano"] == ">=4.4,<5"
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", PROJECT["project_id"])
    assert (PLUGIN["namespace"], PLUGIN["pip_url"]) == ("tap_ispot", "-e ../singer-adtech -e .")
