"""README.md and meltano.yml against the tap: what they say of streams, reports and settings has not drifted."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tap_adspect.reports import DIMENSIONS, FILTERS, METRICS
from tap_adspect.tap import TapAdspect

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent
README = (HERE / "README.md").read_text(encoding="utf-8")
PROJECT: dict[str, Any] = yaml.safe_load((HERE / "meltano.yml").read_text(encoding="utf-8"))
PLUGIN: dict[str, Any] = PROJECT["plugins"]["extractors"][0]


def test_the_tables_of_the_readme_are_what_about_prints() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "readme_tables.py"), "tap-adspect", "--check"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stdout) == (0, "")


def test_the_readme_lists_every_stream_as_it_is() -> None:
    rows = {
        cells[0].split(",")[0]: cells[1:]
        for line in README.splitlines()
        if line.startswith("| ") and len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 7
    }
    rows.pop("stream")
    rows.pop("---")
    streams = TapAdspect(validate_config=False).streams
    assert rows.keys() == streams.keys()
    for name, stream in streams.items():
        key = "date or month" if name == "funnel_daily" else stream.replication_key
        keys = "its dimensions" if name == "funnel_daily" else ", ".join(stream.primary_keys)
        assert rows[name][1:3] == [keys, f"incremental, {key}" if key else "full table"]
        assert rows[name][4] == ("yes" if stream.selected_by_default else "no")
        assert rows[name][0].split("/")[1] == str(getattr(stream, "path", "")).split("/")[1]


def test_the_readme_lists_every_name_of_a_report() -> None:
    rows = dict(re.findall(r"^\| `(dimensions|metrics|filters)` \| (.*) \|$", README, re.MULTILINE))
    assert rows["dimensions"].endswith(": " + ", ".join(DIMENSIONS))
    assert rows["metrics"].startswith(", ".join(METRICS) + ".")
    assert ", ".join(FILTERS) in rows["filters"]


def test_the_reports_of_the_readme_are_good_ones() -> None:
    [example] = re.findall(r"```yaml\n    config:\n(.*?)```", README, re.DOTALL)
    tap = TapAdspect(config=yaml.safe_load(example), validate_config=False)
    assert {"funnel_daily", "quality_by_sub_id", "revenue_by_month"} < set(tap.streams)


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


def test_meltano_yml_selects_all_but_what_is_off_by_default() -> None:
    streams = TapAdspect(validate_config=False).streams.values()
    assert set(PLUGIN["select"]) == {
        "*.*",
        *(f"!{stream.name}.*" for stream in streams if not stream.selected_by_default),
    }
    assert PLUGIN["capabilities"] == sorted(one.value for one in TapAdspect.capabilities)
    assert PLUGIN["settings_group_validation"] == [["api_key", "start_date"]]


def test_meltano_yml_needs_neither_hub_nor_telemetry() -> None:
    assert PROJECT["send_anonymous_usage_stats"] is False
    assert PROJECT["cli"] == {"disable_version_check": True}
    assert PROJECT["requires_meltano"] == ">=4.4,<5"
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", PROJECT["project_id"])
    assert (PLUGIN["namespace"], PLUGIN["pip_url"]) == ("tap_adspect", "-e ../singer-adtech -e .")
