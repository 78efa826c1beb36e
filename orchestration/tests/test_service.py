"""`make orchestrate`: the page, the daemon and the code location start, run and stop jobs, and end completely."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import urllib.request
from typing import TYPE_CHECKING, Any

from project_fixtures import ROOT, Project, wait_until

if TYPE_CHECKING:
    from project_fixtures import Vendors

LAUNCH = """mutation($job: String!) {
  launchRun(executionParams: {
    selector: {repositoryLocationName: "adtech", repositoryName: "__repository__", jobName: $job}, runConfigData: {}
  }) { ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } }
}"""
BACKFILL = """mutation($months: [String!]!) {
  launchPartitionBackfill(backfillParams: {assetSelection: [{path: ["history", "adspect"]}], partitionNames: $months}) {
    ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
  }
}"""
STOP = "mutation($run: String!) { terminateRun(runId: $run) { __typename } }"


def ask(url: str, query: str, **variables: Any) -> Any:
    """Send a query to the page's API; return its data."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{url}/graphql", body, {"Content-Type": "application/json"})  # noqa: S310 - local
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - local
        return json.load(response)["data"]


def test_the_page_starts_and_stops_runs(project: Project, vendors: Vendors) -> None:
    # Given the service, and a vendor that is slow once
    command = [str(ROOT / ".venv/bin/python"), "scripts/orchestrate.py", "--port=0"]
    service = subprocess.Popen(command, cwd=ROOT, env=project.environment, stdout=subprocess.PIPE, text=True)
    project.started.append(service)
    assert service.stdout is not None
    ready = re.match(r"(http://127.0.0.1:\d+) is ready", service.stdout.readline())
    assert ready, "the service did not start"
    url = ready[1]
    vendors.control("adspect", "faults", [{"action": "slow", "delay": 10.0}])
    # When a run is started, and stopped while the tap waits for the vendor
    run = ask(url, LAUNCH, job="adspect")["launchRun"]["run"]["runId"]
    wait_until(lambda: working(project))
    assert ask(url, STOP, run=run)["terminateRun"]["__typename"] == "TerminateRunSuccess"
    # Then Meltano, tap and loader end
    wait_until(lambda: not working(project, "meltano"))
    wait_until(lambda: project.runs()[0].dagster_run.is_finished)
    # When two months are started
    ask(url, BACKFILL, months=["2025-02", "2025-03"])
    # Then they run one after the other, in the pool of the account
    wait_until(lambda: [one.dagster_run.status.value for one in project.runs()[1:]] == ["SUCCESS", "SUCCESS"], 120)
    assert len(project.rows("tap_adspect")["funnel_daily"]) > 0
    # When the service is stopped
    service.send_signal(signal.SIGTERM)
    # Then nothing is left
    assert service.wait(60) == 0
    assert project.processes() == []


def working(project: Project, program: str = "venv/bin/tap-adspect") -> bool:
    return any(program in " ".join(one.cmdline()[:2]) for one in project.processes())
