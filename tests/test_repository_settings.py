"""Generated files are current, and the shared project selects what the taps select by default."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from generate import TAPS, tap_class

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parent.parent
REPORTS = {
    "tap-adspect": {"name": "own", "dimensions": ["date", "country_code"], "metrics": ["clicks"]},
    "tap-magnite": {"name": "own", "dimensions": ["day", "brand"], "metrics": ["requests"]},
    "tap-springserve": {"name": "own", "dimensions": ["supply_partner_id"], "metrics": ["impressions"]},
}
"""A user's report for each tap that has reports."""
PROJECT: dict[str, Any] = yaml.safe_load((ROOT / "meltano.yml").read_text())
EXTRACTORS: dict[str, dict[str, Any]] = {plugin["name"]: plugin for plugin in PROJECT["plugins"]["extractors"]}


def selected(streams: Iterable[str], rules: Iterable[str]) -> set[str]:
    """Return the streams that Meltano's `select` rules include."""
    patterns = [rule.removesuffix(".*") for rule in rules]
    return {
        stream for stream in streams if any(fnmatch(stream, one) for one in patterns) and f"!{stream}" not in patterns
    }


def test_generated_files_are_current() -> None:
    # when
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    # then
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_pages_of_tables_name_types_and_joins() -> None:
    # given the types of all columns
    pages = {path.stem: path.read_text() for path in (ROOT / "docs" / "tables" / "spotwatch").glob("*.md")}
    types = {found for page in pages.values() for found in re.findall(r"^\| `\w+` \| ([^|]+) \|", page, re.MULTILINE)}

    # then they are names, and an airing is joined by ids and by the names of its country and channel
    kinds = {"integer", "text", "instant", "boolean", "object", "number", "date"}
    assert types <= kinds | {f"list of {kind}s" for kind in kinds}
    (joins,) = re.findall(r"^\| joins \| (.*) \|$", pages["broadcasts"], re.MULTILINE)
    assert "`ad` = [ads](ads.md)`.id`" in joins
    assert "`region, channel` = [channels](channels.md)`.region, channel`" in joins


def test_edited_files_are_reported_and_generated_again(tmp_path: Path) -> None:
    # given a copy of the generated files, with an edited description
    staging = "transform/models/staging"
    model = f"{staging}/ispot/stg_ispot__brands.sql"
    left_over = [f"{staging}/ispot/stg_ispot__gone.sql", "docs/tables/ispot/gone.md"]
    edited = ["plugins/extractors/tap-ispot--adtech.lock", "hub/_data/meltano/extractors/tap-ispot/adtech.yml"]
    edited += ["tap-ispot/README.md", model, ".env.example"]
    paths = [
        f"scripts/{name}.py"
        for name in ("generate", "assumptions", "hub_files", "marts_page", "staging", "tables_pages")
    ]
    paths += ["docs/assumptions.md", "docs/marts.md", "transform/models/marts/marts.yml", ".env.example"]
    paths += ["orchestration/adtech_orchestration/streams.json", "singer-adtech/README.md"]
    paths += [f"{name}/{file}" for name in (*TAPS, "target-duckdb-arrow") for file in ("README.md", "pyproject.toml")]
    paths += [str(path.relative_to(ROOT)) for path in (ROOT / "hub" / "_data").rglob("*.yml")]
    paths += ["docs/every-tap.md", "own.meltano.example.yml"]
    paths += [str(path.relative_to(ROOT)) for path in (ROOT / "docs" / "tables").rglob("*.md")]
    paths += [str(path.relative_to(ROOT)) for path in (ROOT / staging).glob("*/*")]
    paths += [str(path.relative_to(ROOT)) for path in ROOT.glob("plugins/*/*.lock")]
    for path in paths:
        text = (ROOT / path).read_text()
        if path in edited:
            text = text.replace("OAuth client id,", "OAuth client ids,").replace("'slug', 'slug'", "'slug', 'slugs'")
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    # and a model and a page of a stream that no longer exists
    for path in left_over:
        (tmp_path / path).write_text("select 1")
    command = [sys.executable, str(tmp_path / "scripts" / "generate.py")]
    # when
    checked = subprocess.run([*command, "--check"], capture_output=True, text=True, check=False)
    subprocess.run(command, check=True)
    # then
    reports = [f"{path} is out of date: run `python scripts/generate.py`" for path in [*edited, *left_over]]
    assert (checked.returncode, checked.stdout.splitlines()) == (1, reports)
    assert [path for path in edited if (tmp_path / path).read_text() != (ROOT / path).read_text()] == []
    assert [path for path in left_over if (tmp_path / path).exists()] == []


def test_every_tap_is_in_the_project_and_every_plugin_has_its_definition() -> None:
    taps = {path.name for path in ROOT.glob("tap-*") if path.is_dir()}

    assert set(EXTRACTORS) == set(TAPS) == taps
    assert {name for name in TAPS if "reports" in tap_class(name).config_jsonschema["properties"]} == set(REPORTS)
    assert {
        f"{kind}/{plugin['name']}--{plugin['variant']}.lock"
        for kind, plugins in PROJECT["plugins"].items()
        for plugin in plugins
    } == {str(path.relative_to(ROOT / "plugins")) for path in ROOT.glob("plugins/*/*.lock")}


@pytest.mark.parametrize("name", TAPS)
def test_settings_of_taps_are_strings_and_secrets_are_sensitive(name: str) -> None:
    settings = json.loads((ROOT / "plugins" / "extractors" / f"{name}--adtech.lock").read_text())["settings"]
    declared = tap_class(name).config_jsonschema["properties"]

    # Meltano guesses when it converts other kinds, before the tap sees the value.
    assert {setting["kind"] for setting in settings} == {"string"}
    assert {setting["name"] for setting in settings if setting.get("sensitive")} == {
        setting for setting in declared if declared[setting].get("secret")
    }


@pytest.mark.parametrize("name", TAPS)
def test_the_project_selects_the_streams_that_are_on_by_default(name: str) -> None:
    # given a tap, with a report that no file names if it has reports
    config = {"reports": [REPORTS[name]]} if name in REPORTS else {}
    tap = tap_class(name)(config=config, validate_config=False, setup_mapper=False)
    rules = EXTRACTORS[name]["select"]
    # then
    assert selected(tap.streams, rules) == {
        stream.name for stream in tap.streams.values() if stream.selected_by_default
    }
    built_in = tap_class(name)(config={}, validate_config=False, setup_mapper=False).streams
    assert {rule.removeprefix("!").removesuffix(".*") for rule in rules} - {"*"} <= set(built_in)


@pytest.mark.parametrize("name", TAPS)
def test_a_plugin_is_installed_from_this_checkout(name: str) -> None:
    # `-e` first: otherwise Meltano caches the catalog of an earlier run, without the columns added since.
    assert EXTRACTORS[name]["pip_url"].startswith(f"-e ./singer-adtech -e ./{name} ")


def test_the_project_sends_no_telemetry() -> None:
    assert PROJECT["send_anonymous_usage_stats"] is False
    assert PROJECT["cli"] == {"disable_version_check": True}
