"""Settings live in a tap's code; whatever else lists them is in step with it."""

from __future__ import annotations

import importlib
import re
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from singer_sdk import Tap

ROOT = Path(__file__).resolve().parent.parent
PROJECT: dict[str, Any] = yaml.safe_load((ROOT / "meltano.yml").read_text())
EXTRACTORS: dict[str, dict[str, Any]] = {plugin["name"]: plugin for plugin in PROJECT["plugins"]["extractors"]}
TAP_CLASSES = {
    "tap-adspect": "tap_adspect.tap:TapAdspect",
    "tap-ispot": "tap_ispot.tap:TapISpot",
    "tap-magnite": "tap_magnite.tap:TapMagnite",
    "tap-spotwatch": "tap_spotwatch.tap:TapSpotwatch",
    "tap-springserve": "tap_springserve.tap:TapSpringServe",
}


def tap_class(name: str) -> type[Tap]:
    """Return the class of a tap."""
    module, _, attribute = TAP_CLASSES[name].partition(":")
    found: type[Tap] = getattr(importlib.import_module(module), attribute)
    return found


def kind(declared: dict[str, Any]) -> str | None:
    """Return Meltano's word for a setting's type; none for numbers, whose kind Meltano 4.4 cannot pass on."""
    if "enum" in declared:
        return "options"
    types = declared["type"] if isinstance(declared["type"], list) else [declared["type"]]
    name = next(one for one in types if one != "null")
    return None if name == "number" else name


def test_every_tap_of_the_repository_is_in_the_project() -> None:
    taps = {path.name for path in ROOT.glob("tap-*") if path.is_dir()}

    assert set(EXTRACTORS) == taps
    assert set(TAP_CLASSES) == taps


@pytest.mark.parametrize("name", TAP_CLASSES)
def test_the_project_lists_every_setting_of_a_tap(name: str) -> None:
    declared = tap_class(name).config_jsonschema["properties"]
    listed = {setting["name"]: setting for setting in EXTRACTORS[name]["settings"]}
    own = [setting for setting in declared if not re.match(r"stream_map|faker|flattening|emit_", setting)]

    assert [setting for setting in listed if setting not in declared] == []
    assert [setting for setting in own if setting not in listed] == []
    for setting in own:
        expected = "date_iso8601" if setting in {"start_date", "end_date"} else kind(declared[setting])
        assert (setting, listed[setting].get("kind")) == (setting, expected)
        assert (setting, listed[setting].get("sensitive", False)) == (setting, bool(declared[setting].get("secret")))
        assert (setting, listed[setting]["description"]) == (setting, declared[setting]["description"])
        if "enum" in declared[setting]:
            assert [option["value"] for option in listed[setting]["options"]] == declared[setting]["enum"]


@pytest.mark.parametrize("name", TAP_CLASSES)
def test_the_project_selects_what_is_on_by_default(name: str) -> None:
    tap = tap_class(name)(config={}, validate_config=False, setup_mapper=False)
    on = {stream.name for stream in tap.streams.values() if stream.selected_by_default}
    rules = [rule.removesuffix(".*") for rule in EXTRACTORS[name]["select"]]

    chosen = {stream for stream in tap.streams if any(fnmatch(stream, rule) for rule in rules)}
    chosen -= {rule.removeprefix("!") for rule in rules if rule.startswith("!")}

    assert chosen == on
    assert {rule.removeprefix("!") for rule in rules} - {"*"} <= set(tap.streams)


@pytest.mark.parametrize("name", TAP_CLASSES)
def test_the_example_of_the_environment_has_what_a_tap_requires(name: str) -> None:
    variables = re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    prefix = name.upper().replace("-", "_")

    required = tap_class(name).config_jsonschema["required"]

    assert [
        f"{prefix}_{setting.upper()}" for setting in required if f"{prefix}_{setting.upper()}" not in variables
    ] == []


@pytest.mark.parametrize("name", TAP_CLASSES)
def test_a_plugin_is_installed_from_this_checkout(name: str) -> None:
    pip_url = EXTRACTORS[name]["pip_url"]

    assert "-e ./singer-adtech" in pip_url
    assert f"-e ./{name}" in pip_url


def test_the_project_needs_no_hub_and_no_telemetry() -> None:
    plugins = [plugin for kinds in PROJECT["plugins"].values() for plugin in kinds]

    assert PROJECT["send_anonymous_usage_stats"] is False
    assert PROJECT["cli"] == {"disable_version_check": True}
    assert [plugin["name"] for plugin in plugins if not {"namespace", "pip_url", "executable"} <= plugin.keys()] == []
