"""Two Celery workers in separate folders, with Redis and PostgreSQL: one is killed, and nothing is lost or doubled."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import psutil
import psycopg2
import pytest
from adtech_orchestration import advisory, loads, project
from project_fixtures import LAST_DAY, ROOT, Vendors, copy_project, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = Path(sys.executable).parent
VENDORS = ("adspect", "ispot", "spotwatch")
MONTHS = {"adspect": ["2025-02", "2025-03"], "ispot": ["2025-03"], "spotwatch": ["2025-03"]}
# As the page does it. Runs of `dagster job backfill` are not started again.
BACKFILL = """mutation { launchPartitionBackfill(
  backfillParams: {assetSelection: [{path: ["history", "%s"]}], partitionNames: %s}
) { __typename ... on PythonError { message } } }"""
DATABASES = ("dagster", "meltano", "machines", "sequential")


@dataclass
class Machines:
    """A service and workers, as processes that share only PostgreSQL and Redis."""

    folder: Path
    vendors: Vendors
    database: str
    broker: str
    stack: ExitStack
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def url(self, name: str, scheme: str = "postgresql") -> str:
        """Return the URL of a database."""
        return f"{scheme}://{self.database.partition('://')[2].rpartition('/')[0]}/{name}"

    def environment(self, machine: str, warehouse: str = "machines") -> dict[str, str]:
        """Return the environment variables of a machine."""
        login, _, address = self.database.partition("://")[2].rpartition("/")[0].rpartition("@")
        user, _, password = login.partition(":")
        host, _, port = address.partition(":")
        folder = self.folder / machine
        return {
            **os.environ,
            "MELTANO_PROJECT_ROOT": str(folder),
            "MELTANO_ENVIRONMENT": "demo",
            "MELTANO_DATABASE_URI": self.url("meltano", "postgresql+psycopg"),
            "ORCHESTRATION_ENV_FILE": os.devnull,
            "ORCHESTRATION_FIRST_MONTH": "2025-01",
            "ORCHESTRATION_LOADER": "target-postgres",
            "ORCHESTRATION_DATABASE": self.url("dagster"),
            "ORCHESTRATION_BROKER": self.broker,
            "DAGSTER_HOME": str(folder / "dagster"),
            "TARGET_POSTGRES_HOST": host,
            "TARGET_POSTGRES_PORT": port,
            "TARGET_POSTGRES_USER": user,
            "TARGET_POSTGRES_PASSWORD": password,
            "TARGET_POSTGRES_DATABASE": warehouse,
            **{
                f"TAP_{vendor}_{name}".upper(): str(value)
                for vendor, ready in self.vendors.ready.items()
                for name, value in {**ready["settings"], "start_date": "2025-03-01", "end_date": LAST_DAY}.items()
            },
        }

    def make(self, machine: str) -> Path:
        """Create a machine's folder: a copy of the project, and Dagster's settings for several machines."""
        folder = self.folder / machine
        copy_project(folder)
        (folder / "dagster").mkdir()
        shutil.copy(ROOT / "orchestration/machines/dagster.yaml", folder / "dagster")
        return folder

    def start(self, machine: str, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a program on a machine."""
        with (self.folder / machine / f"{program}.log").open("ab") as log:
            process = subprocess.Popen(
                [str(PROGRAMS / program), *arguments],
                cwd=self.folder / machine / "dagster",
                env=self.environment(machine),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.stack.callback(_end, process)
        return process

    def worker(self, machine: str) -> None:
        """Start a worker on a new machine, with one run at a time."""
        self.make(machine)
        arguments = ["--app=adtech_orchestration.machines", "worker", "--concurrency=1", f"--hostname={machine}@local"]
        self.workers[machine] = self.start(machine, "celery", *arguments)

    def processes(self, machine: str) -> list[psutil.Process]:
        """Return the living processes of a machine."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("MELTANO_PROJECT_ROOT") == str(self.folder / machine):
                    found.append(process)
        return found

    def tables(self, warehouse: str) -> dict[str, list[str]]:
        """Return the sorted rows of all tables of a warehouse."""
        with closing(psycopg2.connect(self.url(warehouse))) as connection, connection.cursor() as cursor:
            cursor.execute(
                "select table_schema, table_name from information_schema.tables where table_schema ~ '^tap_'"
            )
            names = cursor.fetchall()
            rows = {}
            for schema, name in names:
                cursor.execute(f'select to_jsonb(t)::text from "{schema}"."{name}" t order by 1')  # noqa: S608
                rows[f"{schema}.{name}"] = [row for (row,) in cursor.fetchall()]
            return rows


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def stand_in(name: str) -> Iterator[str]:
    """Run a server of stand-ins/; return its URL."""
    command = [str(ROOT / ".venv/bin/python"), "-m", f"stand_ins.{name}", "serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        process.terminate()


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Vendors]:
    """Run three simulators that enforce the vendors' limits."""
    file = tmp_path / "ready.json"
    command = [str(ROOT / ".venv/bin/python"), "-m", "vendor_simulators", *VENDORS, "--enforce-limits"]
    command += ["--last-day", LAST_DAY, "--days", "90", "--rows-per-day", "10", "--port-file", str(file)]
    with (tmp_path / "simulators.log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        wait_until(file.exists)
        yield Vendors(json.loads(file.read_text()))
        process.terminate()


@pytest.fixture
def machines(tmp_path: Path, limited: Vendors, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machines]:
    with ExitStack() as stack:
        database, broker = (stack.enter_context(stand_in(name)) for name in ("postgres", "redis"))
        made = Machines(tmp_path, limited, database, broker, stack)
        with closing(psycopg2.connect(database)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            for name in DATABASES:
                cursor.execute(f"create database {name}")
        made.make("service")
        for name, value in made.environment("service").items():
            monkeypatch.setenv(name, value)
        yield made


def test_a_worker_is_killed_and_the_tables_equal_those_of_one_run(machines: Machines) -> None:
    # Given the tables of one run after the other on one machine, and a service
    sequential(machines)
    for vendor in VENDORS:
        machines.vendors.control(vendor, "reset-journal", {})
    workspace = service(machines)

    # When four months of three accounts are backfilled by two workers
    machines.vendors.control("adspect", "faults", [{"action": "slow", "delay": 20.0, "nth": 7}])
    for machine in ("first", "second"):
        machines.worker(machine)
    for account, months in MONTHS.items():
        text = BACKFILL % (account, json.dumps(months))
        graphql = machines.start("service", "dagster-graphql", f"--workspace={workspace}", f"--text={text}")
        assert graphql.wait() == 0
    # And one of them is killed with all of its processes in the middle of a month of the slow vendor
    wait_until(lambda: machines.vendors.requests("adspect") >= 6, 120)
    (victim,) = [name for name in machines.workers if _runs(machines, name, "tap-adspect")]
    for process in machines.processes(victim):
        process.kill()
    # And replaced
    machines.worker("third")

    # Then every month is read to its end, and the killed run was started again
    with dg.DagsterInstance.get() as instance:
        wait_until(lambda: _done(instance) == 4, 240)
        records = [*reversed(instance.get_run_records())]
        assert Counter(record.dagster_run.status.value for record in records) == {"SUCCESS": 4, "FAILURE": 1}
        # And runs of one account never overlapped, on whichever machine
        spans = sorted(
            (record.start_time or 0, record.end_time or 0)
            for record in records
            if dg.AssetKey(["history", "adspect"]) in (record.dagster_run.asset_selection or ())
        )
        assert len(spans) == 3
        assert all(before[1] <= after[0] for before, after in pairwise(spans))
    # And nothing is lost or doubled
    expected = machines.tables("sequential")
    assert machines.tables("machines") == expected
    assert sum(map(len, expected.values())) > 500
    # And the vendors refused nothing
    for vendor in VENDORS:
        assert machines.vendors.control(vendor, "violations") == []
        assert "429" not in machines.vendors.control(vendor, "journal?count=1")["by_status"]


def test_a_lock_is_free_when_its_process_is_killed_and_a_lost_session_ends_the_process(machines: Machines) -> None:
    # Given a process that holds a lock
    script = "import sys, time\nfrom adtech_orchestration import advisory\n"
    script += "with advisory.held(sys.argv[1], 'run 1'):\n    print('held', flush=True)\n    time.sleep(60)"
    url = machines.url("dagster")

    def holder() -> subprocess.Popen[str]:
        process = subprocess.Popen([sys.executable, "-c", script, url], stdout=subprocess.PIPE, text=True)
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        return process

    # When it is killed
    with holder() as process:
        assert advisory.is_held(url, "run 1")
        with pytest.raises(advisory.BusyError), advisory.held(url, "run 1", wait=False):
            pass
        process.kill()
    # Then the lock is free
    wait_until(lambda: not advisory.is_held(url, "run 1"), 10)

    # When the session of another holder is ended by the server
    with holder() as process:
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'")
        # Then the process ends, because another one may get the lock
        assert process.wait(15) == -signal.SIGKILL


def sequential(machines: Machines) -> None:
    """Read the same days, account after account, with one Meltano run each."""
    folder = machines.make("alone")
    environment = machines.environment("alone", "sequential")
    environment["MELTANO_DATABASE_URI"] = f"sqlite:///{folder / 'meltano.db'}"
    for account in project.accounts():
        if account.name not in VENDORS:
            continue
        names = [f"!{name}" for name in loads.left_out(account, {})]
        variables = {
            f"{account.prefix}_START_DATE": f"{MONTHS[account.name][0]}-01",
            f"{account.prefix}__SELECT_FILTER": json.dumps(names),
        }
        subprocess.run(
            [*project.meltano(), "run", "--no-install", *account.blocks],
            cwd=folder,
            env={**environment, **variables},
            check=True,
            capture_output=True,
        )


def service(machines: Machines) -> Path:
    """Start the code location and the daemon; return the workspace file."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    workspace = machines.folder / "service" / "workspace.yaml"
    workspace.write_text(f"load_from:\n- grpc_server: {{host: 127.0.0.1, port: {port}, location_name: adtech}}\n")
    assert machines.start("service", "python", "-m", "adtech_orchestration.home").wait() == 0
    arguments = ["--module-name=adtech_orchestration.definitions", "--host=127.0.0.1", f"--port={port}"]
    machines.start("service", "dagster", "api", "grpc", *arguments)

    def is_up() -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    wait_until(is_up)
    machines.start("service", "dagster-daemon", "run", f"--workspace={workspace}")
    return workspace


def _runs(machines: Machines, machine: str, program: str) -> bool:
    return any(f"venv/bin/{program}" in " ".join(_words(process)) for process in machines.processes(machine))


def _words(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return [*process.cmdline()]
    return []


def _done(instance: dg.DagsterInstance) -> int:
    return len(instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS])))
