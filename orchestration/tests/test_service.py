"""`make orchestrate`: the page, the daemon and the code location start, run and stop jobs, and end completely."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from project_fixtures import BACKFILL, ask, command_line, wait_until

if TYPE_CHECKING:
    from project_fixtures import Project, Vendors

LAUNCH = """mutation($job: String!) {
  launchRun(executionParams: {
    selector: {repositoryLocationName: "adtech", repositoryName: "__repository__", jobName: $job}, runConfigData: {}
  }) { ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } }
}"""
STOP = "mutation($run: String!) { terminateRun(runId: $run) { __typename } }"


def test_the_page_starts_and_stops_runs(project: Project, vendors: Vendors) -> None:
    # Given the service, and a vendor that is slow once
    service, url = project.serve()
    vendors.control("adspect", "faults", [{"action": "slow", "delay": 10.0}])
    # When a run is started, and stopped while the tap waits for the vendor
    run = ask(url, LAUNCH, job="adspect")["launchRun"]["run"]["runId"]
    wait_until(lambda: working(project))
    assert ask(url, STOP, run=run)["terminateRun"]["__typename"] == "TerminateRunSuccess"
    # Then Meltano, tap and loader end
    wait_until(lambda: not working(project, "meltano"))
    wait_until(lambda: project.runs()[0].dagster_run.is_finished)
    # When two months are started
    ask(url, BACKFILL, account="adspect", months=["2025-02", "2025-03"])
    # Then they run one after the other, in the pool of the account
    wait_until(lambda: [one.dagster_run.status.value for one in project.runs()[1:]] == ["SUCCESS", "SUCCESS"], 120)
    assert len(project.rows("tap_adspect")["funnel_daily"]) > 0
    # When the service is stopped
    service.send_signal(signal.SIGTERM)
    # Then nothing is left
    assert service.wait(60) == 0
    assert project.processes() == []


def working(project: Project, program: str = "venv/bin/tap-adspect") -> bool:
    return any(program in command_line(one) for one in project.processes())
