"""Definitions for Meltano Hub, and the READMEs' entries for other Meltano projects."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hub_files as hub
import pytest
import yaml
from generate import TAPS, all_settings, selection, tap_class
from jsonschema import Draft7Validator
from referencing import Registry, Resource
from target_duckdb_arrow.target import TargetDuckDBArrow
from vendor_simulators.ispot import ISpotSimulator

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore] # pytest brings it there

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from singer_sdk import Tap, Target

ROOT = Path(__file__).resolve().parent.parent
DEFINITIONS = sorted((ROOT / "hub" / "_data").rglob("*.yml"))
PACKAGES = [*TAPS, "target-duckdb-arrow"]


def plugin_class(package: str) -> type[Tap | Target]:
    """Return the class of a tap or the loader."""
    return tap_class(package) if package in TAPS else TargetDuckDBArrow


def declared(plugin: Mapping[str, Any]) -> dict[str, bool]:
    """Return the settings that a definition or an entry declares, and whether they are secret."""
    return {setting["name"]: setting.get("sensitive", False) for setting in plugin["settings"]}


def expected(package: str) -> dict[str, bool]:
    """Return the settings of a plugin, and whether they are secret."""
    return {name: schema.get("secret", False) for name, schema in all_settings(plugin_class(package)).items()}


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.parent.name)
def test_a_definition_follows_the_schema_of_the_hub(path: Path) -> None:
    # given the Hub's schemas, by the names with which they refer to each other
    schemas = [json.loads(one.read_text()) for one in (ROOT / "hub" / "schemas").rglob("*.json")]
    registry = Registry().with_resources([(one["$id"], Resource.from_contents(one)) for one in schemas])
    kind, name = path.parent.parent.name, path.parent.name
    (schema,) = [one for one in schemas if one["$id"] == f"{kind}.schema.json"]

    # when
    definition = yaml.safe_load(path.read_text())
    problems = [error.message for error in Draft7Validator(schema, registry=registry).iter_errors(definition)]

    # then it is valid, in the folder of its name, complete, and its logo exists
    assert problems == []
    assert (definition["name"], definition["variant"]) == (name, path.stem)
    assert declared(definition) == expected(definition["executable"])
    assert {name for group in definition["settings_group_validation"] for name in group} <= set(declared(definition))
    assert ET.parse(ROOT / "hub" / f"static{definition['logo_url']}").getroot().tag.endswith("svg")  # noqa: S314 - ours


def test_every_tap_and_the_loader_have_a_definition() -> None:
    assert {yaml.safe_load(path.read_text())["executable"] for path in DEFINITIONS} == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_entry_for_another_project_is_complete(package: str) -> None:
    # given the first YAML of the README's installation
    readme = (ROOT / package / "README.md").read_text()
    entry = yaml.safe_load(re.findall(r"^```yaml\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)[0])

    # then it declares every setting, and installs from git
    ((kind, (plugin,)),) = entry["plugins"].items()
    assert declared(plugin) == expected(package)
    assert plugin["executable"] == package
    assert {part.partition("#")[0] for part in plugin["pip_url"].split()} == {f"git+{hub.REPOSITORY}.git"}
    assert sorted(plugin["capabilities"]) == sorted(one.value for one in plugin_class(package).capabilities)
    if kind == "extractors":
        assert plugin["select"] == selection(package)


def test_the_readme_of_a_published_package_begins_with_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "PUBLISHED", True)
    plugin = json.loads((ROOT / "plugins" / "extractors" / "tap-ispot--adtech.lock").read_text())
    text = hub.installation(plugin)
    assert text.startswith("```\npip install tap-ispot\n```\n\nFrom git, or from a checkout")
    assert "is not ours" not in text


@pytest.mark.parametrize("package", [*PACKAGES, "singer-adtech"])
def test_a_readme_works_on_a_package_index(package: str) -> None:
    readme = (ROOT / package / "README.md").read_text()
    project = tomllib.loads((ROOT / package / "pyproject.toml").read_text())["project"]

    # then no link is relative, each refers to a file of this repository, and the address is the same everywhere
    assert re.findall(r"\]\((?!https://|#)[^)]*\)", readme) == []
    links = dict(re.findall(r"^\[([^\]]+)\]: (\S+)$", readme, re.MULTILINE))
    assert {label for _, label in re.findall(r"\[([^\]\[]+)\]\[([A-Za-z][^\]]*)\]", readme) if "/" in label} <= set(
        links
    )
    assert links == {label: f"{hub.REPOSITORY}/blob/main/{label}" for label in links}
    assert [label for label in links if not (ROOT / label.partition("#")[0]).is_file()] == []
    assert [url for url in project.get("urls", {}).values() if not url.startswith(hub.REPOSITORY)] == []


@pytest.mark.meltano
def test_every_definition_can_be_added_to_an_empty_project(
    tmp_path: Path, simulate: Callable[[ISpotSimulator], ISpotSimulator]
) -> None:
    # given an empty project, and git with this repository at its address
    vendor = simulate(ISpotSimulator(seed=7, days=1, rows_per_day=10))
    (tmp_path / "meltano.yml").write_text("project_id: hub\nsend_anonymous_usage_stats: false\n")
    environment = {
        **os.environ,
        "MELTANO_CLI_DISABLE_VERSION_CHECK": "true",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{ROOT}.insteadOf",
        "GIT_CONFIG_VALUE_0": f"{hub.REPOSITORY}.git",
        **{f"TAP_ISPOT_{name.upper()}": str(value) for name, value in vendor.settings().items()},
    }

    def meltano(*arguments: str) -> str:
        program = Path(sys.executable).with_name("meltano")
        done = subprocess.run(
            [program, *arguments], cwd=tmp_path, env=environment, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    # when every definition is added, and one tap is installed with the unchanged address
    for path in DEFINITIONS:
        kind = path.parent.parent.name.removesuffix("s")
        meltano("add", path.parent.name, "--plugin-type", kind, "--no-install", "--from-ref", str(path))
    meltano("install", "tap-ispot")

    # then the project has every setting of all of them
    project = yaml.safe_load((tmp_path / "meltano.yml").read_text())
    added = {plugin["executable"]: plugin for kind in project["plugins"].values() for plugin in kind}
    assert {package: declared(plugin) for package, plugin in added.items()} == {
        package: expected(package) for package in PACKAGES
    }
    listed = meltano("config", "list", "tap-ispot", "--all")
    assert set(expected("tap-ispot")) <= set(re.findall(r"^(\w+) \[env: TAP_ISPOT_", listed, re.MULTILINE))
    # and the tap works with its variables, the address among them
    catalog = json.loads(meltano("invoke", "tap-ispot", "--discover"))
    assert "audience_airings" in {stream["tap_stream_id"] for stream in catalog["streams"]}
    meltano("invoke", "tap-ispot", "--test")
    assert len(vendor.journal) > 0
