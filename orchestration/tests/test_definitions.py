"""What Dagster loads: tables, months, schedules and checks, from meltano.yml and the generated streams."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
import yaml
from adtech_orchestration import checks, freshness, loads, logs, marts, project
from adtech_orchestration.assets import measured
from adtech_orchestration.definitions import definitions
from adtech_orchestration.history import MONTHS
from project_fixtures import ROOT

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS: dict[str, Any] = {
    **dict.fromkeys(logs.NUMBERS, 0),
    "rows": 10,
    "requests": 100,
    "total": None,
    "windows": 2,
    "windows_read": 2,
    "window_reached": "2025-03-01..2025-03-02",
    "bookmark": "2025-03-02",
    "status": "succeeded",
}


@pytest.fixture(scope="module")
def repository() -> dg.RepositoryDefinition:
    defs = definitions()
    dg.Definitions.validate_loadable(defs)
    return defs.get_repository_def()


def test_every_stream_is_a_table_with_its_columns(repository: dg.RepositoryDefinition) -> None:
    # Given the streams that `make generate` writes
    streams = {
        (tap.replace("-", "_"), name): stream
        for tap, about in project.STREAMS.items()
        for name, stream in about["streams"].items()
    }
    # When the definitions are loaded
    specs = {tuple(spec.key.path): spec for one in repository.assets_defs_by_key.values() for spec in one.specs}
    # Then each stream is an asset of its vendor's group, with its columns, and each vendor has months
    months = {("history", tap.removeprefix("tap-")) for tap in project.STREAMS}
    models = {key for key in specs if key[0] in {"staging", "marts"}}
    assert specs.keys() == streams.keys() | months | models
    for key, stream in streams.items():
        columns = specs[key].metadata["dagster/column_schema"].columns
        assert {one.name: [one.type, one.description] for one in columns} == stream["columns"]
        assert specs[key].group_name == key[0].removeprefix("tap_")
        assert specs[key].description == stream["description"]
    # And nightly runs and months of a vendor share one pool
    pools = {key.to_user_string(): one.op.pool for key, one in repository.assets_defs_by_key.items()}
    assert pools["tap_ispot/brands"] == pools["history/ispot"] == "ispot"


def test_models_follow_the_tables_and_their_tests_are_checks(repository: dg.RepositoryDefinition) -> None:
    graph = repository.asset_graph
    # Given a table, when the definitions are loaded, then the models of it are downstream, in the group of their schema
    path = ["tap_spotwatch/broadcasts", "staging/stg_spotwatch__broadcasts", "staging/int_airings", "marts/airings"]
    for above, below in pairwise([*path, "marts/airings_daily", "marts/ads"]):
        node = graph.get(dg.AssetKey(below.split("/")))
        assert dg.AssetKey(above.split("/")) in node.parent_keys
        assert node.group_name == below.split("/")[0]
    # And a mart has its columns, its tests, and the pool that excludes a second build
    key = dg.AssetKey(["marts", "ads"])
    asset = repository.assets_defs_by_key[key]
    columns = asset.specs_by_key[key].metadata["dagster/column_schema"].columns
    assert "first_aired_on" in {column.name for column in columns}
    assert {one.name for one in graph.get_check_keys_for_assets({key})} == {
        "not_null_ads_ad_key",
        "unique_ads_ad_key",
    }
    assert asset.op.pool == "marts"


START, SUCCESS, FAILURE = "PIPELINE_START", "PIPELINE_SUCCESS", "PIPELINE_FAILURE"


@pytest.mark.parametrize(
    ("events", "builds", "in_an_hour"),
    [
        ([], False, False),
        ([("ispot", START), ("ispot", SUCCESS)], True, True),
        ([("ispot", START), ("ispot", FAILURE)], True, True),
        ([("ispot", START), ("ispot", SUCCESS), ("magnite", START)], False, True),
        ([("ispot", START), ("ispot", SUCCESS), ("marts", START)], False, False),
        ([("ispot", START), ("ispot", SUCCESS), ("marts", START), ("marts", SUCCESS)], False, False),
        ([("ispot", START), ("marts", START), ("ispot", SUCCESS), ("marts", SUCCESS)], True, True),
        ([("marts", START), ("marts", FAILURE), ("history_ispot", START), ("history_ispot", SUCCESS)], True, True),
    ],
)
def test_models_are_built_after_loads(events: list[tuple[str, str]], *, builds: bool, in_an_hour: bool) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        # Given runs
        runs: dict[str, dg.DagsterRun] = {}
        for job, event in events:
            if event == START:
                runs[job] = dg.DagsterRun(job, str(uuid.uuid4()))
                instance.add_run(runs[job])
            instance.report_dagster_event(dg.DagsterEvent(event, job), runs[job].run_id)
        # When the sensor is evaluated, then it builds if a load has ended since the last build began, once all have
        now = dt.datetime.now(tz=dt.timezone.utc)
        assert isinstance(marts.due(instance, now), dg.RunRequest) == builds
        # And after an hour at the latest
        assert isinstance(marts.due(instance, now + marts.LONGEST_WAIT), dg.RunRequest) == in_an_hour


def test_schedules_are_those_of_meltano_yml_in_utc(repository: dg.RepositoryDefinition) -> None:
    written = yaml.safe_load((ROOT / "meltano.yml").read_text())["schedules"]
    assert {
        (one.name, one.cron_schedule, one.execution_timezone, one.job_name) for one in repository.schedule_defs
    } == {(one["name"], one["interval"], "UTC", one["job"]) for one in written}


def test_accounts_follow_meltano_yml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a second account, a mapper, a list of tasks, and a schedule of two accounts
    extractors = [{"name": "tap-ispot"}, {"name": "tap-adspect", "load_schema": "ads"}, {"name": "tap-other"}]
    extractors += [{"name": "tap-ispot--eu", "inherit_from": "tap-ispot"}]
    jobs = [{"name": "both", "tasks": ["tap-adspect hash target-postgres", ["tap-ispot--eu target-duckdb"]]}]
    schedules = [{"name": "morning", "interval": "0 5 * * *", "job": "both"}]
    plugins = {"extractors": extractors, "loaders": [{"name": "target-duckdb"}]}
    text = yaml.safe_dump({"plugins": plugins, "jobs": jobs, "schedules": schedules})
    (tmp_path / "meltano.yml").write_text(text)
    monkeypatch.setenv("MELTANO_PROJECT_ROOT", str(tmp_path))
    # When it is read
    found = {one.extractor: one for one in project.accounts()}
    # Then every extractor of a tap of this repository is an account with its pipeline
    assert [*found] == ["tap-ispot", "tap-adspect", "tap-ispot--eu"]
    assert found["tap-adspect"].blocks == ("tap-adspect", "hash", "target-postgres")
    assert found["tap-adspect"].schema == "ads"
    assert found["tap-ispot--eu"].name == "ispot__eu"
    assert found["tap-ispot--eu"].schedules == {"morning_tap_ispot__eu": "0 5 * * *"}
    assert found["tap-ispot"].blocks == ("tap-ispot", "target-duckdb")
    # And the definitions load
    dg.Definitions.validate_loadable(definitions())
    # And an unknown loader is an error that names the known ones
    monkeypatch.setenv("ORCHESTRATION_LOADER", "target-x")
    with pytest.raises(project.ProjectError, match=r"^meltano.yml has no loader target-x: it has target-duckdb$"):
        project.accounts()
    # And a project file that is not one is an error in one line
    (tmp_path / "meltano.yml").write_text("plugins: [\nenv: {SECRET: hidden}\n")
    with pytest.raises(project.ProjectError, match=r"^meltano.yml cannot be read: expected [^\n]*\(line 3\)$"):
        project.accounts()


@pytest.mark.parametrize(
    ("settings", "missing", "partly"),
    [
        ({"start_date": "2025-01-01", "auth_token": "x"}, "", False),
        ({"start_date": "2025-01-01", "email": "a", "password": "(redacted)"}, "", False),
        ({"email": "a"}, "password, start_date", True),
        ({"auth_token": "", "start_date": "2025-01-01"}, "email, password (or auth_token)", False),
        ({"reports": ["unhashable"]}, "email, password (or auth_token), start_date", False),
    ],
)
def test_credentials_are_complete_missing_or_forgotten(settings: dict[str, Any], missing: str, *, partly: bool) -> None:
    found = project.judge("tap-springserve", settings)
    assert (found.missing, found.partly) == (missing, partly)


def test_a_month_leaves_out_lists_and_reports_counted_from_the_start() -> None:
    (account,) = [one for one in project.accounts() if one.extractor == "tap-springserve"]
    reports = [
        {"name": "whole", "interval": "cumulative"},
        {"name": "each", "interval": "cumulative", "window_days": 1},
    ]
    left_out = loads.left_out(account, {"reports": json.dumps([*reports, {"name": "mine"}])})
    assert {*account.streams} - {*left_out} == {"demand_daily", "supply_daily"}
    assert "whole" in left_out
    assert not {"each", "mine"} & {*left_out}


def test_months_are_over_in_every_zone() -> None:
    # At noon in UTC of the first day, it is midnight in the last zone.
    keys = MONTHS.get_partition_keys(dt.datetime(2025, 4, 1, 11, 59, tzinfo=dt.timezone.utc))
    later = MONTHS.get_partition_keys(dt.datetime(2025, 4, 1, 12, 0, tzinfo=dt.timezone.utc))
    assert (keys[-1], later[-1]) == ("2025-02", "2025-03")
    assert [day.isoformat() for day in loads.month_days("2024-02")] == ["2024-02-01", "2024-02-29"]


def test_a_table_may_miss_one_run_of_its_schedule() -> None:
    assert freshness.longest_gap(["0 2,9,21 * * *"]) == dt.timedelta(hours=12)
    assert freshness.longest_gap(["0 5 * * *", "0 17 * * *"]) == dt.timedelta(hours=12)
    assert freshness.policy({}) is None


@pytest.mark.parametrize(
    ("changed", "before", "failed"),
    [
        ({}, {}, set()),
        ({"rows": 0}, {"rows": 0}, set()),
        ({"rows": 0}, {"rows": 5}, {"rows"}),
        ({"retries": 10}, {}, set()),
        ({"retries": 11}, {}, {"retries"}),
        ({"unknown_fields": 1}, {}, {"unknown_fields"}),
        ({"restated_rows": 0}, {"restated_rows": 7}, {"restated_rows"}),
        ({"windows_read": 1}, {}, {"window_reached"}),
        ({"window_reached": "2025-02-01..2025-02-26"}, {}, {"window_reached"}),
        ({"window_reached": None, "windows": 0, "windows_read": 0}, {}, set()),
    ],
)
def test_checks_warn_where_a_human_should_look(
    changed: dict[str, Any], before: dict[str, Any], failed: set[str]
) -> None:
    numbers = {**NUMBERS, **changed}
    results = checks.results(dg.AssetKey("any"), numbers, before, windowed=True, today=dt.date(2025, 3, 3))
    found = [*results]
    assert {one.check_name for one in found if not one.passed} == failed
    assert {one.severity for one in found} == {dg.AssetCheckSeverity.WARN}
    assert measured(numbers)["dagster/row_count"] == numbers["rows"]


def entry(name: str, level: str, event: str, **others: Any) -> str:
    return json.dumps({"name": name, "level": level, "event": event, **others})


@pytest.mark.parametrize(
    ("lines", "cause", "loaded"),
    [
        (["not JSON", '{"other": 1}'], "", True),
        (
            [entry("tap-x", "error", "stream a: refused\nmore"), entry("meltano", "error", "Run failed")],
            "stream a: refused",
            True,
        ),
        ([entry("tap-x", "error", "Broken pipe"), entry("target-y", "critical", "disk full")], "disk full", False),
        (
            [entry("meltano", "error", "Block run failed", exit_codes={"loaders": -9, "extractors": 141})],
            "target-y was killed by signal 9 (SIGKILL); the likely cause is that the memory ran out (see dmesg)",
            False,
        ),
        ([entry("meltano", "error", "Extraction failed", code=1, message='{"message": "no key"}')], "no key", True),
    ],
)
def test_the_log_names_the_cause_of_a_failure(lines: list[str], cause: str, *, loaded: bool) -> None:
    log = logs.RunLog("tap-x", "target-y")
    for line in lines:
        log.read(line)
    assert (log.cause, log.loaded) == (cause, loaded)
