"""Settings live in a tap's code; whatever else lists them is in step with it."""

from __future__ import annotations

import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from plugin_settings import TAPS, tap_class

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parent.parent
REPORTS = {
    "tap-adspect": {"name": "own", "dimensions": ["date", "country_code"], "metrics": ["clicks"]},
    "tap-magnite": {"name": "own", "dimensions": ["day", "brand"], "metrics": ["requests"]},
    "tap-springserve": {"name": "own", "dimensions": ["supply_partner_id"], "metrics": ["impressions"]},
}
"""A report of one's own for each tap that makes streams of reports."""
PROJECT: dict[str, Any] = yaml.safe_load((ROOT / "meltano.yml").read_text())
EXTRACTORS: dict[str, dict[str, Any]] = {plugin["name"]: plugin for plugin in PROJECT["plugins"]["extractors"]}


def selected(streams: Iterable[str], rules: Iterable[str]) -> set[str]:
    """Return the streams that Meltano's `select` takes: what a rule names, without what one with `!` names."""
    patterns = [rule.removesuffix(".*") for rule in rules]
    return {
        stream for stream in streams if any(fnmatch(stream, one) for one in patterns) and f"!{stream}" not in patterns
    }


def snippet(name: str) -> dict[str, Any]:
    """Return the plugin definition that a tap's README shows."""
    blocks = re.findall(r"```yaml\n(  extractors:\n.*?)```", (ROOT / name / "README.md").read_text(), re.DOTALL)
    found: dict[str, Any] = yaml.safe_load(blocks[0])["extractors"][0]
    return found


def test_every_tap_of_the_repository_is_in_the_project() -> None:
    taps = {path.name for path in ROOT.glob("tap-*") if path.is_dir()}

    assert set(EXTRACTORS) == taps
    assert set(TAPS) == taps
    assert {name for name in TAPS if "reports" in tap_class(name).config_jsonschema["properties"]} == set(REPORTS)


def test_settings_are_generated_from_the_taps_and_in_the_form_of_meltano() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "plugin_settings.py"), "--check"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (finished.returncode, finished.stdout) == (0, "")


@pytest.mark.parametrize("name", TAPS)
def test_meltano_changes_no_value_of_a_setting(name: str) -> None:
    # Other kinds are converted before the tap sees them: dates and booleans by guessing.
    own = yaml.safe_load((ROOT / name / "meltano.yml").read_text())["plugins"]["extractors"][0]

    assert {setting["kind"] for setting in (*EXTRACTORS[name]["settings"], *own["settings"])} == {"string"}


@pytest.mark.parametrize("name", TAPS)
def test_secrets_are_sensitive(name: str) -> None:
    declared = tap_class(name).config_jsonschema["properties"]

    assert {setting["name"] for setting in EXTRACTORS[name]["settings"] if setting.get("sensitive")} == {
        setting for setting in declared if declared[setting].get("secret")
    }


@pytest.mark.parametrize("name", TAPS)
def test_the_project_selects_what_is_on_by_default(name: str) -> None:
    tap = tap_class(name)(config={}, validate_config=False, setup_mapper=False)
    on = {stream.name for stream in tap.streams.values() if stream.selected_by_default}
    rules = EXTRACTORS[name]["select"]

    assert selected(tap.streams, rules) == on
    assert {rule.removeprefix("!").removesuffix(".*") for rule in rules} - {"*"} <= set(tap.streams)


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_of_ones_own_is_selected_wherever_streams_are(name: str) -> None:
    # given a report that no file knows
    tap = tap_class(name)(config={"reports": [REPORTS[name]]}, validate_config=False, setup_mapper=False)
    own = yaml.safe_load((ROOT / name / "meltano.yml").read_text())["plugins"]["extractors"][0]

    # then the shared project, the tap's own and the snippet of its README read it, in place of the built-in ones
    for rules in (EXTRACTORS[name]["select"], own["select"], snippet(name)["select"]):
        assert "own" in selected(tap.streams, rules)
        assert selected(tap.streams, rules) == {
            stream.name for stream in tap.streams.values() if stream.selected_by_default
        }


@pytest.mark.parametrize("name", TAPS)
def test_the_snippet_of_a_readme_is_as_good_as_the_project(name: str) -> None:
    found = snippet(name)

    assert {setting.get("kind", "string") for setting in found["settings"]} == {"string"}
    assert {setting["name"] for setting in found["settings"] if setting.get("sensitive")} == {
        setting["name"]
        for setting in EXTRACTORS[name]["settings"]
        if setting.get("sensitive") and setting["name"] in {one["name"] for one in found["settings"]}
    }
    assert found["pip_url"] == f"-e ./singer-adtech -e ./{name}"


@pytest.mark.parametrize("name", TAPS)
def test_the_example_of_the_environment_has_what_a_tap_requires(name: str) -> None:
    variables = re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    prefix = name.upper().replace("-", "_")

    required = tap_class(name).config_jsonschema["required"]

    assert [
        f"{prefix}_{setting.upper()}" for setting in required if f"{prefix}_{setting.upper()}" not in variables
    ] == []


@pytest.mark.parametrize("name", TAPS)
def test_a_plugin_is_installed_from_this_checkout(name: str) -> None:
    pip_url = EXTRACTORS[name]["pip_url"]

    # At its beginning: otherwise Meltano keeps the catalog of an earlier run, without the columns that came since.
    assert pip_url.startswith(f"-e ./singer-adtech -e ./{name} ")


def test_the_project_needs_no_hub_and_no_telemetry() -> None:
    plugins = [plugin for kinds in PROJECT["plugins"].values() for plugin in kinds]

    assert PROJECT["send_anonymous_usage_stats"] is False
    assert PROJECT["cli"] == {"disable_version_check": True}
    assert [plugin["name"] for plugin in plugins if not {"namespace", "pip_url", "executable"} <= plugin.keys()] == []
