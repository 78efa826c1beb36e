"""The shared Meltano project: environments, jobs, schedules and .env.example."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PROJECT: dict[str, Any] = yaml.safe_load((ROOT / "meltano.yml").read_text())
PLUGINS: dict[str, dict[str, Any]] = {plugin["name"]: plugin for kind in PROJECT["plugins"].values() for plugin in kind}
TAPS = [plugin["name"] for plugin in PROJECT["plugins"]["extractors"]]
VENDORS = [tap.removeprefix("tap-") for tap in TAPS]
JOBS: dict[str, list[str]] = {job["name"]: job["tasks"] for job in PROJECT["jobs"]}
ENVIRONMENTS: dict[str, dict[str, Any]] = {one["name"]: one for one in PROJECT["environments"]}


def test_three_environments_with_prod_as_the_default() -> None:
    assert [*ENVIRONMENTS] == ["demo", "dev", "prod"]
    assert PROJECT["default_environment"] == "prod"


def test_each_vendor_has_a_job_and_one_job_runs_all() -> None:
    assert {**JOBS, "all": sorted(JOBS["all"])} == {
        **{vendor: [f"tap-{vendor} target-duckdb"] for vendor in VENDORS},
        "all": sorted(f"{tap} target-duckdb" for tap in TAPS),
    }


def test_each_vendor_has_a_schedule_and_no_two_start_together() -> None:
    schedules = {one["job"]: one["interval"] for one in PROJECT["schedules"]}

    assert sorted(schedules) == sorted(VENDORS)
    assert [one for one in schedules.values() if not re.fullmatch(r"\d+ (\*|\*/\d+|\d+(,\d+)*) \* \* \*", one)] == []
    minutes_and_hours = [one.split()[:2] for one in schedules.values()]
    assert len({tuple(one) for one in minutes_and_hours}) == len(VENDORS)


def test_each_vendor_has_a_separate_schema() -> None:
    own = {tap: PLUGINS[tap]["load_schema"] for tap in TAPS}
    dev = {one["name"]: one["load_schema"] for one in ENVIRONMENTS["dev"]["config"]["plugins"]["extractors"]}

    assert own == {tap: tap.replace("-", "_") for tap in TAPS}
    assert dev == {tap: f"dev_{schema}" for tap, schema in own.items()}


def test_dev_reads_three_days_of_each_vendor() -> None:
    given = ENVIRONMENTS["dev"]["env"]
    days = {
        vendor: (given[f"TAP_{vendor.upper()}_START_DATE"], given[f"TAP_{vendor.upper()}_END_DATE"])
        for vendor in VENDORS
    }

    assert days == dict.fromkeys(VENDORS, ("3 days ago", "yesterday"))


@pytest.mark.meltano
def test_values_of_dev_override_environment_variables(tmp_path: Path, project: Path) -> None:
    # given a first day and a file in environment variables
    environment = {
        **os.environ,
        "MELTANO_DATABASE_URI": f"sqlite:///{tmp_path / 'meltano.db'}",
        "TAP_ISPOT_START_DATE": "2020-01-01",
        "TARGET_DUCKDB_FILEPATH": "elsewhere.duckdb",
    }
    meltano = str(Path(sys.executable).with_name("meltano"))

    # when the settings of dev are printed
    answers = {
        plugin: json.loads(
            subprocess.run(
                [meltano, "--environment=dev", "config", "print", plugin],
                cwd=project,
                env=environment,
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for plugin in ("tap-ispot", "target-duckdb")
    }

    # then dev reads three days and does not write to prod's file
    assert answers["tap-ispot"]["start_date"] == "3 days ago"
    assert answers["tap-ispot"]["end_date"] == "yesterday"
    assert answers["target-duckdb"]["filepath"] == str(project / "output" / "dev.duckdb")


def test_the_example_of_the_environment_names_settings_that_exist() -> None:
    known = {
        f"{plugin.upper().replace('-', '_')}_{name.upper()}"
        for path in ROOT.glob("plugins/*/*.lock")
        for definition in [json.loads(path.read_text())]
        for plugin in [definition["name"]]
        for setting in definition.get("settings", ())
        for name in (setting["name"], *setting.get("aliases", ()))
    }
    named = re.findall(r"^(?:# )?((?:TAP|TARGET)_[A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)

    assert [name for name in named if name not in known] == []
    assert [vendor for vendor in VENDORS if f"TAP_{vendor.upper()}_START_DATE" not in named] == []


def test_every_third_party_plugin_is_pinned() -> None:
    wanted = [part for plugin in PLUGINS.values() for part in shlex.split(plugin["pip_url"])]
    listed = [ROOT / part for part in wanted if part.endswith(".txt")]
    wanted += [line for path in listed for line in path.read_text().splitlines()]
    elsewhere = [part.partition(";")[0].strip() for part in wanted if not part.startswith((".", "-"))]

    assert [
        part for part in elsewhere if not re.fullmatch(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==[0-9][0-9A-Za-z.]*", part)
    ] == []
