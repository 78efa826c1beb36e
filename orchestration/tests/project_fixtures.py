"""A Meltano project, simulated vendors and a Dagster instance of one test."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb
import psutil
import pytest
from adtech_orchestration import home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
LAST_DAY = "2025-03-31"
Row = tuple[Any, ...]

# A developer's own variables for accounts and loaders must not reach the tests.
for name in [name for name in os.environ if name.startswith(("TAP_", "TARGET_", "MELTANO_", "ORCHESTRATION_"))]:
    del os.environ[name]


@dataclass
class Vendors:
    """The simulators of a session, as processes that are controlled over HTTP."""

    ready: dict[str, dict[str, Any]]

    def control(self, vendor: str, path: str, payload: Any = None) -> Any:
        """Send a control request; return the response."""
        request = urllib.request.Request(  # noqa: S310 - local
            f"{self.ready[vendor]['url']}/__simulator__/{path}",
            None if payload is None else json.dumps(payload).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - local
            return json.load(response)

    def requests(self, vendor: str) -> int:
        """Return the number of requests since the last reset."""
        return int(self.control(vendor, "journal?count=1")["total"])


@pytest.fixture(scope="session")
def vendors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendors]:
    """Run two simulators with three months of data."""
    folder = tmp_path_factory.mktemp("simulators")
    file = folder / "ready.json"
    command = [str(ROOT / ".venv/bin/python"), "-m", "vendor_simulators", "adspect", "spotwatch"]
    command += ["--last-day", LAST_DAY, "--days", "90", "--rows-per-day", "20", "--port-file", str(file)]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        for _ in range(600):
            if file.exists():
                break
            time.sleep(0.1)
        yield Vendors(json.loads(file.read_text()))
        process.terminate()


@dataclass
class Project:
    """A copy of the Meltano project with its own warehouse, bookmarks and Dagster instance."""

    folder: Path
    vendors: Vendors
    settings: dict[str, str] = field(default_factory=dict)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def warehouse(self) -> Path:
        """The DuckDB file."""
        return self.folder / "warehouse.duckdb"

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of a run."""
        return {**os.environ, **self.settings}

    def start(self, *arguments: str, module: str = "headless") -> subprocess.Popen[str]:
        """Start a module of the package."""
        process = subprocess.Popen(
            [sys.executable, "-m", f"adtech_orchestration.{module}", *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(process)
        return process

    def run(self, *arguments: str, module: str = "headless") -> tuple[int, str]:
        """Run a module of the package to its end; return its exit code and output."""
        process = self.start(*arguments, module=module)
        output, _ = process.communicate(timeout=200)
        return process.returncode, output

    def serve(self) -> tuple[subprocess.Popen[str], str]:
        """Start the page, the daemon and the code location; return the process and the page's address."""
        command = [str(ROOT / ".venv/bin/python"), "scripts/orchestrate.py", "--port=0"]
        service = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, text=True)
        self.started.append(service)
        assert service.stdout is not None
        ready = re.match(r"(http://127.0.0.1:\d+) is ready", service.stdout.readline())
        assert ready, "the service did not start"
        return service, ready[1]

    def rows(self, schema: str) -> dict[str, list[Row]]:
        """Return the sorted rows of each table of a schema."""
        with closing(duckdb.connect(str(self.warehouse), read_only=True)) as connection:
            names = connection.execute(
                "select table_name from information_schema.tables where table_schema = ? order by 1", [schema]
            ).fetchall()
            return {
                name: sorted(connection.execute(f'select * from "{schema}"."{name}"').fetchall(), key=str)  # noqa: S608
                for (name,) in names
            }

    def query(self, sql: str) -> list[Row]:
        """Run a query in the warehouse; return its rows."""
        with closing(duckdb.connect(str(self.warehouse))) as connection:
            return connection.execute(sql).fetchall()

    def instance(self) -> dg.DagsterInstance:
        """Return the Dagster instance."""
        return dg.DagsterInstance.from_config(self.settings["DAGSTER_HOME"])

    def metadata(self, *key: str) -> dict[str, Any]:
        """Return the metadata of an asset's last materialization."""
        with self.instance() as instance:
            event = instance.get_latest_materialization_event(dg.AssetKey(key))
        assert event is not None
        assert event.asset_materialization is not None
        return {name: value.value for name, value in event.asset_materialization.metadata.items()}

    def runs(self) -> list[dg.RunRecord]:
        """Return the records of all runs, the oldest first."""
        with self.instance() as instance:
            return [*reversed(instance.get_run_records())]

    def processes(self) -> list[psutil.Process]:
        """Return the living processes that work in this project."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("MELTANO_PROJECT_ROOT") == str(self.folder) and process.pid != os.getpid():
                    found.append(process)
        return found


def copy_project(folder: Path) -> None:
    """Copy the Meltano project, with schedules that are not due during a test."""
    (folder / ".meltano").mkdir(parents=True)
    text = (ROOT / "meltano.yml").read_text()
    (folder / "meltano.yml").write_text(re.sub(r"(?<=interval: ).*", "0 0 29 2 *", text))
    shutil.copytree(ROOT / "plugins", folder / "plugins")
    for kind in ("extractors", "loaders", "mappers"):
        (folder / ".meltano" / kind).symlink_to(ROOT / ".meltano" / kind)


@pytest.fixture
def project(tmp_path: Path, vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    folder = tmp_path / "project"
    copy_project(folder)
    made = Project(folder, vendors)
    made.settings = {
        "MELTANO_PROJECT_ROOT": str(folder),
        "MELTANO_ENVIRONMENT": "demo",
        "MELTANO_DATABASE_URI": f"sqlite:///{folder / 'meltano.db'}",
        "ORCHESTRATION_ENV_FILE": os.devnull,
        "ORCHESTRATION_FIRST_MONTH": "2024-12",
        "ORCHESTRATION_RETRIES": "0",
        "TARGET_DUCKDB_FILEPATH": str(made.warehouse),
        "DAGSTER_HOME": str(folder / "dagster"),
        **variables(vendors, {"adspect": {"start_date": "2025-03-25"}, "spotwatch": {"start_date": "2025-03-30"}}),
    }
    for vendor in vendors.ready:
        vendors.control(vendor, "reset-journal", {})
    for name, value in made.settings.items():
        monkeypatch.setenv(name, value)
    home.prepare()
    yield made
    for process in made.started:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)


def ask(url: str, query: str, **variables: Any) -> Any:
    """Send a query to the page's API; return its data."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{url}/graphql", body, {"Content-Type": "application/json"})  # noqa: S310 - local
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - local
        return json.load(response)["data"]


BACKFILL = """mutation($account: String!, $months: [String!]!) {
  launchPartitionBackfill(backfillParams: {assetSelection: [{path: ["history", $account]}], partitionNames: $months}) {
    ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
  }
}"""


def variables(vendors: Vendors, overrides: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return environment variables with the settings of the simulated vendors."""
    return {
        f"TAP_{vendor}_{name}".upper(): str(value)
        for vendor, ready in vendors.ready.items()
        for name, value in {**ready["settings"], "end_date": LAST_DAY, **overrides[vendor]}.items()
    }


def wait_until(condition: Callable[[], object], seconds: float = 120) -> None:
    """Wait for a condition.

    Raises:
        AssertionError: It was not met in time.
    """
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "the condition was not met in time"
        time.sleep(0.1)


def command_line(process: psutil.Process) -> str:
    """Return the command of a process; empty if it has ended."""
    with suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""
