"""Meltano's state in PostgreSQL: bookmarks and run locks in its system database."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from stand_ins.postgres import cluster
from vendor_simulators.faults import Fault
from vendor_simulators.ispot import ISpotSimulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from meltano_fixtures import Meltano
    from stand_ins.postgres import Cluster

pytestmark = pytest.mark.meltano

AIRINGS = "/v4/metrics/audience/airings"
FIRST = dt.date(2024, 3, 8)


@pytest.fixture(scope="module")
def database() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


@pytest.fixture
def vendor(simulate: Callable[[ISpotSimulator], ISpotSimulator]) -> ISpotSimulator:
    return simulate(ISpotSimulator(seed=7, first_day=FIRST, days=3, rows_per_day=20))


def start(meltano: Meltano, vendor: ISpotSimulator, *options: str, **variables: str) -> subprocess.Popen[str]:
    """Start `meltano el` of the airings with a fixed state id in a separate process group."""
    settings = {
        **vendor.settings(),
        "start_date": FIRST,
        "end_date": "2024-03-10",
        "lookback_days": 1,
        "window_days": 1,
        "_select": '["audience_airings.*"]',
    }
    program = str(Path(sys.executable).with_name("meltano"))
    return subprocess.Popen(
        [program, "--environment=demo", "el", "tap-ispot", "target-duckdb", "--state-id=airings", *options],
        cwd=meltano.root,
        env={**meltano.environment("tap-ispot", settings), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(meltano: Meltano, vendor: ISpotSimulator, *options: str, **variables: str) -> tuple[int, str]:
    """Run it and return the exit code and the log on one line, because Meltano wraps it."""
    process = start(meltano, vendor, *options, **variables)
    output, _ = process.communicate(timeout=400)
    return process.returncode, " ".join(output.split())


def query(database: Cluster, text: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.uri()) as connection:
        return connection.execute(text.encode()).fetchall()


def requested_days(vendor: ISpotSimulator) -> list[str]:
    requests = vendor.journal.matching(path=AIRINGS)
    return sorted({request.param("filter[start_date]") or "" for request in requests})


def test_bookmark_and_lock_are_in_postgresql(meltano: Meltano, vendor: ISpotSimulator, database: Cluster) -> None:
    # given Meltano's system database in PostgreSQL
    system = {"MELTANO_DATABASE_URI": database.uri("postgresql+psycopg")}

    # when a run is in progress and another with the same state id starts
    vendor.faults.add(Fault(path=AIRINGS, action="slow", delay=600))
    running = start(meltano, vendor, **system)
    deadline = time.monotonic() + 300
    while not vendor.journal.matching(path=AIRINGS):
        assert time.monotonic() < deadline
        assert running.poll() is None, running.communicate()
        time.sleep(0.1)
    requests = len(vendor.journal)
    code, output = run(meltano, vendor, **system)

    # then it is refused without a request to the vendor
    assert code != 0
    assert "Another 'airings' pipeline is already running" in output
    assert len(vendor.journal) == requests
    assert query(database, "select state_id from state") == []
    assert query(database, "select job_name, state from runs where ended_at is null") == [("airings", "RUNNING")]

    # given that the run is killed, when it is started again with --force
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    vendor.faults.clear()
    vendor.journal.clear()
    code, output = run(meltano, vendor, "--force", **system)

    # then it reads all days, and the bookmark is in the table
    assert code == 0, output
    assert requested_days(vendor) == ["2024-03-08", "2024-03-09", "2024-03-10"]
    ((stored,),) = query(database, "select completed_state from state where state_id = 'airings'")
    bookmark = json.loads(stored)["singer_state"]["bookmarks"]["audience_airings"]
    assert bookmark["replication_key_value"] == "2024-03-11T00:00:00-04:00"

    # when it runs again, then it reads only the look-back; Meltano still considers the killed run as running
    vendor.journal.clear()
    code, output = run(meltano, vendor, "--force", **system)
    assert code == 0, output
    assert requested_days(vendor) == ["2024-03-10"]
    assert not (meltano.folder / "meltano.db").exists()


def test_a_state_backend_of_postgresql_does_not_exist(meltano: Meltano, vendor: ISpotSimulator) -> None:
    # given the other setting that seems to offer it, when Meltano runs
    code, output = run(meltano, vendor, MELTANO_STATE_BACKEND_URI="postgresql://loader:secret@127.0.0.1/postgres")
    # then it fails with the reason, without a request
    assert code != 0
    assert "No state backend found for scheme 'postgresql'" in output
    assert list(vendor.journal) == []
