"""Whole runs against simulated vendors, through Meltano into DuckDB: parallel, failed, killed, stopped, resumed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import dagster as dg
from project_fixtures import LAST_DAY, ROOT, Project, command_line, wait_until

if TYPE_CHECKING:
    from project_fixtures import Vendors

MONTHS = ("2025-01", "2025-02", "2025-03")
SLOW = {"action": "slow", "delay": 15.0}


def test_accounts_run_in_parallel_and_a_failed_one_does_not_stop_the_others(project: Project, vendors: Vendors) -> None:
    # Given two of five accounts that are set up, and dbt
    (project.folder / ".meltano" / "utilities").symlink_to(ROOT / ".meltano" / "utilities")
    # When their new data is read
    code, output = project.run("sync")

    # Then both are loaded and the models are built after them, and the others are reported as not set up
    assert code == 0, output
    table = {line.split()[0]: line.split()[1:] for line in output.split("\n\n")[-2].splitlines()}
    assert [table[name][0] for name in ("adspect", "spotwatch", "marts")] == ["done", "done", "done"]
    assert len(re.findall("not set up: tap-", output)) == 3
    truth = vendors.control("adspect", f"truth/funnel_daily?first_day=2025-03-25&last_day={LAST_DAY}")
    rows = project.rows("tap_adspect")
    assert len(rows["funnel_daily"]) == len(truth)
    assert len(rows["streams"]) == len(vendors.control("adspect", "truth/streams"))

    # And the tables' pages show the metrics and a warning about unknown fields
    shown = project.metadata("tap_adspect", "funnel_daily")
    assert shown["rows"] == shown["dagster/row_count"] == len(truth)
    assert (shown["requests"], shown["retries"], shown["rows read again"]) == (1, 0, 0)
    assert shown["window reached"] == f"2025-03-25..{LAST_DAY}"
    assert failed_checks(project) >= {"tap_adspect/streams unknown_fields", "tap_adspect/funnel_daily window_reached"}
    *loads, build = [step_times(project, run) for run in project.runs()]
    starts, ends = zip(*loads, strict=True)
    assert max(starts) < min(ends) < build[0]
    # And the marts have the same sums as the tables, and their tests passed
    query = "select sum(clicks), sum(revenue) from {}"
    sums = project.query(query.format("tap_adspect.funnel_daily"))
    assert project.query(query.format("marts.traffic_daily")) == sums != [(None, None)]
    assert project.query("select count(*) from marts.airings") == project.query(
        "select count(*) from tap_spotwatch.broadcasts"
    )
    assert project.metadata("marts", "traffic_daily")["status"] == "success"
    # (a test of the models warns that the last day is long ago)
    failed = [name for name in failed_checks(project) if name.startswith("marts/")]
    assert failed == ["marts/data_freshness accepted_values_data_freshness_is_fresh__False__True"]

    # Given a wrong key of one of them, and a mart with a click that no table has
    project.settings["TAP_SPOTWATCH_API_KEY"] = "wrong"
    project.query(
        "update marts.traffic_daily set clicks = clicks + 1 where day = (select min(day) from marts.traffic_daily)"
    )
    # When new data is read again
    code, output = project.run("sync", "--only", "tap-adspect", "tap-spotwatch")
    # Then it fails with the tap's line, and the other one reads its look-back
    assert code == 1, output
    assert "adspect: done" in output
    assert re.search(r"spotwatch: failed: .*`api_key`", output), output
    assert project.metadata("tap_adspect", "funnel_daily")["rows read again"] > 0
    # And the test of the sums fails, in the terminal and on the mart's page
    assert re.search(r"marts: failed: dbt: failed tests: .*traffic_daily", output), output
    assert [name for name in failed_checks(project) if name.startswith("marts/traffic_daily ")]
    # And the table is as before: nothing is doubled
    assert len(project.rows("tap_adspect")["funnel_daily"]) == len(truth)


def test_a_killed_backfill_continues_and_equals_one_run(project: Project, vendors: Vendors) -> None:
    # Given a backfill of three months, in the middle of the second one
    vendors.control("adspect", "faults", [{**SLOW, "nth": 7}])
    backfill = project.start("backfill", "tap-adspect", "--from=2025-01-01", "--to=2025-03-31")
    wait_until(lambda: vendors.requests("adspect") >= 6)
    # When the command and its run are killed
    for process in project.processes():
        if "adtech_orchestration" in command_line(process):
            process.kill()
    backfill.wait()
    # Then Meltano, tap and loader end too
    wait_until(lambda: not project.processes())

    # When it is started again
    vendors.control("adspect", "reset-journal", {})
    code, output = project.run("backfill", "tap-adspect", "--from=2025-01", "--to=2025-03")
    # Then it begins without a wait, and January is not read again
    assert code == 0, output
    assert "is dead: its record is closed" in output
    assert re.search(r"adspect-2025-01 +done before", output), output
    assert all(re.search(rf"adspect-{month} +done ", output) for month in MONTHS[1:]), output
    assert "2025-01" not in str(vendors.control("adspect", "journal"))
    assert [run.dagster_run.status.value for run in project.runs()] == ["SUCCESS", "FAILURE", "SUCCESS", "SUCCESS"]

    # And the table equals that of one run from the first to the last day
    months = project.rows("tap_adspect")
    project.warehouse.unlink()
    project.settings |= {"TAP_ADSPECT_START_DATE": "2025-01-01", "TAP_ADSPECT__SELECT_FILTER": '["funnel_daily"]'}
    meltano(project, "run", "--no-install", "tap-adspect", "target-duckdb")
    assert months == project.rows("tap_adspect")

    # When a finished month is asked for again
    vendors.control("adspect", "reset-journal", {})
    code, output = project.run("backfill", "tap-adspect", "--from=2025-01", "--to=2025-01", "--again")
    # Then it is read from its beginning
    assert code == 0, output
    assert vendors.requests("adspect") == 5


def test_runs_of_one_account_wait_for_each_other_and_stop_in_order(project: Project, vendors: Vendors) -> None:
    # Given a nightly run that a slow vendor delays, and a month of the same account
    vendors.control("adspect", "faults", [{**SLOW, "delay": 5.0}])
    nightly = project.start("adspect", module="run")
    wait_until(lambda: vendors.requests("adspect") or project.processes()[2:])
    month = project.start("history_adspect", "--partition=2025-01", module="run")
    # When both have ended
    outputs = [process.communicate(timeout=120)[0] for process in (nightly, month)]
    # Then one waited for the other
    assert (nightly.returncode, month.returncode) == (0, 0), outputs
    (first, second) = sorted(step_times(project, run) for run in project.runs())
    assert first[1] <= second[0]

    # Given a sync of a slow vendor
    vendors.control("adspect", "faults", [SLOW])
    before = vendors.requests("adspect")
    sync = project.start("sync", "--only", "tap-adspect")
    wait_until(lambda: taps(project) and vendors.requests("adspect") >= before)
    # When it is stopped
    os.kill(sync.pid, signal.SIGTERM)
    output, _ = sync.communicate(timeout=60)
    # Then nothing is left running, and the record is closed
    assert sync.returncode == 128 + signal.SIGTERM, output
    assert re.search(r"adspect +stopped", output), output
    assert project.processes() == []
    assert project.runs()[-1].dagster_run.status in {dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.FAILURE}


def taps(project: Project) -> list[Any]:
    return [one for one in project.processes() if "venv/bin/tap-adspect" in command_line(one)]


def failed_checks(project: Project) -> set[str]:
    """Return the tables and names of checks that did not pass in the last runs."""
    with project.instance() as instance:
        events = [
            entry.dagster_event.asset_check_evaluation_data
            for record in instance.get_run_records()
            for entry in instance.all_logs(record.dagster_run.run_id, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
            if entry.dagster_event
        ]
    return {f"{one.asset_key.to_user_string()} {one.check_name}" for one in events if not one.passed}


def step_times(project: Project, record: dg.RunRecord) -> tuple[float, float]:
    """Return the start and the end of a run's step, in seconds since 1970."""
    with project.instance() as instance:
        (step,) = instance.get_run_step_stats(record.dagster_run.run_id)
    assert step.start_time is not None
    assert step.end_time is not None
    return step.start_time, step.end_time


def meltano(project: Project, *arguments: str) -> None:
    command = [str(ROOT / ".venv/bin/meltano"), f"--env-file={os.devnull}", "--environment=demo", *arguments]
    subprocess.run(command, cwd=project.folder, env=project.environment, check=True, capture_output=True)
