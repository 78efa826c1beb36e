"""Backfills of iSpot.tv through Meltano into DuckDB: what is in the table, what was asked for, where bookmarks are."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from vendor_simulators.faults import Fault
from vendor_simulators.ispot import ISpotSimulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from meltano_fixtures import Meltano

pytestmark = pytest.mark.meltano

AIRINGS = "/v4/metrics/audience/airings"
NORMAL = "demo:tap-ispot-to-target-duckdb"
FIRST, LAST = dt.date(2024, 1, 29), dt.date(2024, 3, 12)
SLICES = "2024-01-29..2024-01-31", "2024-02", "2024-03-01..2024-03-12"


@dataclass
class Backfills:
    """Starts backfills of one vendor, with a state and a warehouse of one test."""

    meltano: Meltano
    vendor: ISpotSimulator

    def start(self, *options: str, **settings: Any) -> subprocess.Popen[str]:
        """Start a backfill in a session of its own."""
        command = [sys.executable, "scripts/backfill.py", "tap-ispot", "--environment", "demo"]
        return subprocess.Popen(
            [*command, "--logs", str(self.meltano.folder / "logs"), *options],
            cwd=self.meltano.root,
            env=self.environment(**settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *options: str, first: dt.date = FIRST, last: dt.date = LAST, **settings: Any) -> tuple[int, str]:
        """Run a backfill to its end; returns its exit code and what it printed."""
        process = self.start("--from", str(first), "--to", str(last), *options, **settings)
        output, _ = process.communicate(timeout=300)
        return process.returncode, output

    def environment(self, **settings: Any) -> dict[str, str]:
        """Return the environment of the tap, its account and the budgets of one test."""
        folder = self.meltano.folder / "budgets"
        mine = {"start_date": FIRST, "row_count_check": "fail", "budget_folder": folder, **settings}
        return self.meltano.environment("tap-ispot", {**self.vendor.settings(), **mine})

    def start_scheduled(self, **settings: Any) -> subprocess.Popen[str]:
        """Start the tap as a schedule would, with the state of `meltano run` and a run folder of its own."""
        command = [*self.meltano.command("tap-ispot", "target-duckdb")[:2], "el", "tap-ispot", "target-duckdb"]
        return subprocess.Popen(
            [*command, "--state-id", NORMAL, "--select", "audience_airings"],
            cwd=self.meltano.root,
            env=self.environment(**settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def scheduled(self, **settings: Any) -> None:
        """Run the tap as a schedule would, to its end."""
        process = self.start_scheduled(**settings)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output

    def asked(self) -> Counter[str]:
        """Return the days that were asked for, and how often, since the last question."""
        requests = [dict(request.params) for request in self.vendor.journal.matching(AIRINGS)]
        self.vendor.journal.clear()
        assert all(params["filter[start_date]"] == params["filter[end_date]"] for params in requests)
        return Counter(params["filter[start_date]"] for params in requests)

    def bookmark(self) -> str | None:
        """Return the bookmark of the run without slices."""
        with closing(sqlite3.connect(self.meltano.folder / "meltano.db")) as database:
            rows = database.execute(
                "select partial_state, completed_state from state where state_id = ?", [NORMAL]
            ).fetchall()
        found = [json.loads(text)["singer_state"]["bookmarks"] for row in rows for text in row if text and text != "{}"]
        return found[0]["audience_airings"]["replication_key_value"] if found else None

    def wait_for(self, process: subprocess.Popen[str], day: str) -> None:
        """Wait until a process has asked for a day."""
        while not self.vendor.journal.matching(AIRINGS, **{"filter[start_date]": day}):
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)

    def hold(self, day: str, **fault: Any) -> None:
        """Let the vendor answer a day wrongly, or much too late."""
        self.vendor.faults.clear()
        wrong = fault or {"action": "slow", "delay": 120}
        self.vendor.faults.add(Fault(path=AIRINGS, params={"filter[start_date]": day}, times=None, **wrong))

    def loaded(self) -> dict[int, tuple[Any, ...]]:
        """Return key, instant and figures of each row of the table."""
        with duckdb.connect(str(self.meltano.warehouse), read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            rows = connection.execute(
                "select airing_id, airing_aired_at_et, airing_spend_estimated, audience_impressions "
                "from tap_ispot.audience_airings"
            ).fetchall()
        assert len(rows) == len({row[0] for row in rows})
        return {row[0]: row[1:] for row in rows}

    def true_rows(self, first: dt.date = FIRST, last: dt.date = LAST) -> dict[int, tuple[Any, ...]]:
        """Return the same of what the vendor has."""
        return {
            row["airing_id"]: (
                dt.datetime.fromisoformat(row["airing_aired_at_et"]),
                None if row["airing_spend_estimated"] is None else Decimal(str(row["airing_spend_estimated"])),
                None if row["audience_impressions"] is None else Decimal(str(row["audience_impressions"])),
            )
            for row in self.vendor.truth("audience_airings", first_day=first, last_day=last)
        }


def family(process: int) -> list[int]:
    """Return a process and all that it and its children have started."""
    told = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], check=True, capture_output=True, text=True).stdout  # noqa: S607 - wherever it is
    pairs = [tuple(map(int, line.split())) for line in told.splitlines()]
    found = [process]
    for parent in found:
        found += [child for child, of in pairs if of == parent]
    return found


def days(first: str, last: str) -> Counter[str]:
    """Return each day of a range, once."""
    begin, end = dt.date.fromisoformat(first), dt.date.fromisoformat(last)
    return Counter(str(begin + dt.timedelta(days=number)) for number in range((end - begin).days + 1))


@pytest.fixture
def backfills(meltano: Meltano, simulate: Callable[[ISpotSimulator], ISpotSimulator]) -> Backfills:
    vendor = ISpotSimulator(first_day=dt.date(2024, 1, 1), days=80, rows_per_day=6, enforce_limits=True)
    return Backfills(meltano, simulate(vendor))


def test_three_months_at_once_equal_the_truth_and_the_next_run_goes_on_from_there(backfills: Backfills) -> None:
    # given an account that nobody has read, when its days are read in slices, two at once
    code, output = backfills.run("--at-once", "2")

    # then all is there, each day was asked for once, and the vendor's limits were kept over the slices
    assert code == 0, output
    assert backfills.loaded() == backfills.true_rows()
    assert [request for request in backfills.vendor.journal if request.status == 429] == []
    assert backfills.vendor.violations == []
    assert backfills.vendor.journal.matching("/v4/brands") == []
    assert backfills.asked() == days("2024-01-29", "2024-03-12")
    assert "read whole each time: brands" in output
    assert [line.split()[1] for line in output.splitlines() if line.strip().startswith(SLICES)] == ["done"] * 3
    assert "3 of 3 slices done" in output
    assert "audience_airings: bookmark set to 2024-03-13T00:00:00-04:00" in output

    # when a run without slices follows
    backfills.scheduled(end_date="2024-03-14", lookback_days=2)

    # then it reads the look-back and what is new
    assert backfills.asked() == days("2024-03-11", "2024-03-14")
    assert backfills.bookmark() == "2024-03-15T00:00:00-04:00"

    # when the same backfill is given again, then nothing is read, and the bookmark does not move back
    code, output = backfills.run()
    assert (code, backfills.asked()) == (0, Counter())
    assert "3 slices, of which 3 are done already" in output
    assert backfills.bookmark() == "2024-03-15T00:00:00-04:00"


def test_stopped_and_killed_in_the_middle_it_goes_on_where_it_was(backfills: Backfills) -> None:
    # given a backfill whose second slice has come to its third day
    first, last = dt.date(2024, 2, 28), dt.date(2024, 3, 8)
    backfills.hold("2024-03-03")
    stopped = backfills.start("--from", str(first), "--to", str(last))
    backfills.wait_for(stopped, "2024-03-03")

    # when it is told to stop
    os.kill(stopped.pid, signal.SIGTERM)
    output, _ = stopped.communicate(timeout=60)

    # then it ends in order, and says how to go on
    assert stopped.returncode == 128 + signal.SIGTERM, output
    assert "Stopped. Give the same command again to go on." in output
    assert "Bookmarks" not in output
    assert backfills.asked() == days("2024-02-28", "2024-03-03")

    # when it is started again, and killed with all that it started
    backfills.hold("2024-03-06")
    killed = backfills.start("--from", str(first), "--to", str(last))
    backfills.wait_for(killed, "2024-03-06")
    for process in family(killed.pid):
        os.kill(process, signal.SIGKILL)
    output, _ = killed.communicate(timeout=60)

    # then it had left out the slice that was done; of the other nothing had been committed, as the loader, told to
    # stop, writes nothing more
    assert backfills.asked() == days("2024-03-01", "2024-03-06")

    # when it is started again at once
    backfills.vendor.faults.clear()
    code, output = backfills.run(first=first, last=last)

    # then it does not wait for Meltano's five minutes, and nothing is lost or doubled
    assert code == 0, output
    assert "is dead (no heartbeat): started again" in output
    assert backfills.asked() == days("2024-03-01", "2024-03-08")
    assert backfills.loaded() == backfills.true_rows(first, last)
    # `start_date` lies before the range, and nobody has read the days between.
    assert backfills.bookmark() is None
    assert "no bookmark set: days from 2024-01-29 to 2024-02-27 are not read" in output


def test_one_slice_fails_alone_and_the_bookmark_waits_for_it_and_for_a_run_that_goes_on(backfills: Backfills) -> None:
    # given a run without slices that has read the day before the range, and a month in which the vendor refuses a day
    first, last = dt.date(2024, 1, 31), dt.date(2024, 3, 1)
    backfills.scheduled(start_date="2024-01-30", end_date="2024-01-30")
    assert backfills.asked() == days("2024-01-30", "2024-01-30")
    assert backfills.bookmark() == "2024-01-31T00:00:00-05:00"
    backfills.hold("2024-02-15", action="status", status=403, body="no such product")

    # when
    code, output = backfills.run("--at-once", "2", first=first, last=last, start_date="2024-01-30")

    # then the other months are loaded, the failed one is told with its reason and its log, and the bookmark stays
    assert code == 1, output
    loaded = backfills.true_rows(dt.date(2024, 1, 30), dt.date(2024, 2, 14))
    assert backfills.loaded() == loaded | backfills.true_rows(last, last)
    told = output.partition("Not loaded:")[2]
    assert "2024-02" in told
    assert "window 2024-02-15..2024-02-15" in told
    assert "HTTP 403" in told
    assert "backfill-tap-ispot-to-target-duckdb/2024-02.log" in told
    assert backfills.bookmark() == "2024-01-31T00:00:00-05:00"
    assert set(backfills.asked()) == set(days("2024-01-31", "2024-02-15")) | {"2024-03-01"}

    # when it is given again, while a run without slices is going on
    backfills.hold("2024-01-31")
    going_on = backfills.start_scheduled(start_date="2024-01-30", end_date="2024-01-31", lookback_days=0)
    backfills.wait_for(going_on, "2024-01-31")
    backfills.vendor.journal.clear()
    code, output = backfills.run(first=first, last=last, start_date="2024-01-30")

    # then only the rest of that month is read, and the bookmark is left alone
    assert code == 1, output
    assert backfills.asked() == days("2024-02-15", "2024-02-29")
    assert "2 are done already" in output
    assert "left alone: a run of it is going on since" in output

    # when that run has been stopped, and the backfill is given once more
    os.killpg(going_on.pid, signal.SIGTERM)
    going_on.communicate(timeout=60)
    backfills.vendor.faults.clear()
    assert backfills.bookmark() == "2024-01-31T00:00:00-05:00"
    backfills.vendor.journal.clear()
    code, output = backfills.run(first=first, last=last, start_date="2024-01-30")

    # then nothing is read, and the bookmark moves to the end of the range
    assert code == 0, output
    assert backfills.asked() == Counter()
    assert "bookmark moved from 2024-01-31T00:00:00-05:00 to 2024-03-02T00:00:00-05:00" in output
    assert backfills.loaded() == backfills.true_rows(dt.date(2024, 1, 30), last)

    # when a run without slices follows, then it goes on from there
    backfills.scheduled(start_date="2024-01-30", end_date="2024-03-03", lookback_days=0)
    assert backfills.asked() == days("2024-03-02", "2024-03-03")
    assert backfills.bookmark() == "2024-03-04T00:00:00-05:00"
