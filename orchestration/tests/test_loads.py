"""Commands, retries, and what is recorded of a run, with a program in the place of Meltano."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
from adtech_orchestration import project
from adtech_orchestration.definitions import definitions
from project_fixtures import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = {"access_key": "(redacted)", "secret_key": "(redacted)", "start_date": "2025-01-01"}
PROGRAM = """#!{python}
import json, os, sys
from pathlib import Path
if "config" in sys.argv:
    print(json.dumps({settings!r}))
    sys.exit()
folder = Path({folder!r})
calls = sorted(folder.glob("call-*"))
told = {{name: value for name, value in os.environ.items() if name.startswith("TAP_")}}
(folder / f"call-{{len(calls)}}").write_text(json.dumps([sys.argv[1:], told]))
output = json.loads((folder / "outputs").read_text())
lines, code = output[min(len(calls), len(output) - 1)]
print(*lines, sep="\\n")
sys.exit(code)
"""


@dataclass
class FakeMeltano:
    """A program that answers as Meltano does."""

    folder: Path

    def outputs(self, *outputs: tuple[list[str], int]) -> None:
        """Set the output and exit code of each call; the last one is repeated."""
        (self.folder / "outputs").write_text(json.dumps(outputs))

    def calls(self) -> list[tuple[list[str], dict[str, str]]]:
        """Return arguments and the tap's variables of each call."""
        return [tuple(json.loads(one.read_text())) for one in sorted(self.folder.glob("call-*"))]

    def run(self, job: str, **options: Any) -> dg.ExecuteInProcessResult:
        """Run a job of the definitions."""
        return definitions().resolve_job_def(job).execute_in_process(raise_on_error=False, **options)


@pytest.fixture
def meltano(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeMeltano:
    program = tmp_path / "meltano"
    program.write_text(PROGRAM.format(python=sys.executable, settings=SETTINGS, folder=str(tmp_path)))
    program.chmod(0o700)
    (tmp_path / "meltano.yml").write_text((ROOT / "meltano.yml").read_text())
    monkeypatch.setenv("ORCHESTRATION_MELTANO", str(program))
    monkeypatch.setenv("ORCHESTRATION_RETRIES", "1")
    monkeypatch.setenv("ORCHESTRATION_RETRY_DELAY", "0.01")
    monkeypatch.setenv("MELTANO_PROJECT_ROOT", str(tmp_path))
    return FakeMeltano(tmp_path)


def summary(stream: str, status: str = "succeeded", rows: int = 7) -> str:
    numbers = {"rows": rows, "requests": 1, "retries": 0, "budget_wait_seconds": 0.5, "vendor_wait_seconds": 0.5}
    numbers |= {"unknown_fields": 0, "restated_rows": 0, "seconds": 2.5, "bytes": 10, "windows_read": 0}
    value = {**numbers, "windows": None, "window_reached": None, "bookmark": None}
    point = {"metric": "stream_summary", "value": value, "tags": {"stream": stream, "status": status}}
    return json.dumps({"event": "a summary", "name": "tap-magnite", "level": "info", "summary": point})


def error(text: str) -> str:
    return json.dumps({"event": text, "name": "tap-magnite", "level": "error"})


def recorded(result: dg.ExecuteInProcessResult) -> set[str]:
    events = [one for one in result.all_events if one.is_step_materialization]
    return {one.step_materialization_data.materialization.asset_key.to_user_string() for one in events}


def test_new_data_is_read_by_the_pipeline_of_meltano_yml(meltano: FakeMeltano) -> None:
    # Given a run with two streams, one of them a report of the user's own
    meltano.outputs(([summary("brands"), summary("my_report")], 0))
    # When the account's job runs
    result = meltano.run("magnite")
    # Then both tables are recorded
    assert result.success
    assert recorded(result) == {"tap_magnite/brands", "tap_magnite/my_report"}
    # And Meltano ran the pipeline, with a budget that is shared by all runs on this machine
    ((command, variables),) = meltano.calls()
    assert command[-5:] == ["run", "--no-install", "--force", "tap-magnite", "target-duckdb"]
    assert variables["TAP_MAGNITE_BUDGET_FOLDER"] == str(meltano.folder / "output/budgets/tap-magnite")
    assert "TAP_MAGNITE__SELECT_FILTER" not in variables


def test_some_tables_are_read_without_the_others(meltano: FakeMeltano) -> None:
    meltano.outputs(([summary("brands")], 0))
    result = meltano.run("magnite", asset_selection=[dg.AssetKey(["tap_magnite", "brands"])])
    assert result.success
    ((_, variables),) = meltano.calls()
    assert json.loads(variables["TAP_MAGNITE__SELECT_FILTER"]) == ["brands"]


def test_a_failed_stream_fails_the_run_after_retries_and_the_others_are_recorded(meltano: FakeMeltano) -> None:
    # Given a stream that fails once, and again
    meltano.outputs(([summary("brands"), summary("seats", "failed"), error("stream seats: refused")], 1))
    # When the job runs
    result = meltano.run("magnite")
    # Then it was repeated, and fails with the tap's line
    assert not result.success
    assert len(meltano.calls()) == 2
    failures = [one.step_failure_data for one in result.all_events if one.is_step_failure]
    assert failures[-1].user_failure_data
    assert failures[-1].user_failure_data.description == "stream seats: refused"
    assert recorded(result) == {"tap_magnite/brands"}

    # Given a stream that fails once
    meltano.outputs(([], 0), ([], 0), ([error("stream seats: refused")], 1), ([summary("brands")], 0))
    # When the job runs
    # Then the second attempt succeeds
    assert meltano.run("magnite").success
    assert len(meltano.calls()) == 4


@pytest.mark.parametrize("mapper", [False, True])
def test_a_month_is_read_with_its_days_and_a_separate_state(
    meltano: FakeMeltano, monkeypatch: pytest.MonkeyPatch, *, mapper: bool
) -> None:
    # Given a pipeline, in one case with a mapper that hides personal data
    path = meltano.folder / "meltano.yml"
    blocks = "tap-magnite hash-personal-data target-duckdb" if mapper else "tap-magnite target-duckdb"
    path.write_text(path.read_text().replace("tap-magnite target-duckdb", blocks))
    monkeypatch.setenv("ORCHESTRATION_LOADER", "target-postgres")
    meltano.outputs(([summary("adstats_daily"), summary("my_report"), summary("forbidden", "skipped", 0)], 0))
    # When a month is read
    result = meltano.run("history_magnite", partition_key="2024-02")
    # Then the tap gets its days, without a look-back, lists are left out, and the state is the month's
    assert result.success
    ((command, variables),) = meltano.calls()
    assert (variables["TAP_MAGNITE_START_DATE"], variables["TAP_MAGNITE_END_DATE"]) == ("2024-02-01", "2024-02-29")
    assert variables["TAP_MAGNITE_LOOKBACK_DAYS"] == "0"
    left_out = json.loads(variables["TAP_MAGNITE__SELECT_FILTER"])
    assert "!brands" in left_out
    assert "!adstats_daily" not in left_out
    state = "prod:tap-magnite-to-target-postgres:backfill-2024-02"
    if mapper:
        assert command[-6:-3] == ["--no-install", "--force", "--state-id-suffix=backfill-2024-02"]
        assert command[-3:] == ["tap-magnite", "hash-personal-data", "target-postgres"]
    else:
        assert command[-6:] == [
            "el",
            "--no-install",
            "--force",
            f"--state-id={state}",
            "tap-magnite",
            "target-postgres",
        ]
    # And the sums of its streams are recorded
    (event,) = [one for one in result.all_events if one.is_step_materialization]
    metadata = event.step_materialization_data.materialization.metadata
    assert metadata["rows"].value == 14
    table = metadata["streams"].value
    assert isinstance(table, dg.TableMetadataValue)
    assert [record.data["stream"] for record in table.records] == ["adstats_daily", "my_report", "forbidden"]


def test_an_account_that_is_not_set_up_fails_without_a_retry(meltano: FakeMeltano) -> None:
    program = meltano.folder / "meltano"
    program.write_text(program.read_text().replace("secret_key", "other"))
    result = meltano.run("magnite")
    (failure,) = [one.step_failure_data for one in result.all_events if one.is_step_failure]
    assert failure.user_failure_data
    expected = "tap-magnite is only partly set up: set secret_key as TAP_MAGNITE_<NAME> in .env or the environment"
    assert failure.user_failure_data.description == expected
    # And the schedule skips an account without any credential, with the reason
    program.write_text(program.read_text().replace("access_key", "another"))
    schedule = definitions().resolve_schedule_def("magnite")
    with dg.DagsterInstance.ephemeral() as instance:
        evaluated = schedule.evaluate_tick(dg.build_schedule_context(instance))
    assert evaluated.skip_message
    assert "tap-magnite is not set up: set access_key, secret_key as TAP_MAGNITE_<NAME>" in evaluated.skip_message


def test_an_env_file_that_is_not_utf_8_is_named(meltano: FakeMeltano, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = json.dumps({"level": "error", "event": "'utf-8' codec can't decode byte 0xe9 in position 22"})
    (meltano.folder / "meltano").write_text(f"#!{sys.executable}\nimport sys\nsys.exit({entry!r})")
    monkeypatch.setattr(project, "ATTEMPTS", 1)
    with pytest.raises(project.ProjectError, match=r"^tap-adspect: .*: \.env is not UTF-8 \("):
        project.setup(next(one for one in project.accounts() if one.tap == "tap-adspect"))
