"""The commands of `docs/how-to/`, in the order of an analyst's first month with iSpot.tv."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from vendor_simulators.ispot import ISpotSimulator

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.meltano

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
AIRINGS = "select airing_id, audience_impressions from tap_ispot.audience_airings order by all"


def commands(page: str) -> list[str]:
    """Return the blocks of shell commands of a page."""
    text = (ROOT / "docs" / "how-to" / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(r"^```sh\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def shell(project: Path, block: str) -> str:
    """Run commands in the project, and return their output."""
    done = subprocess.run(
        [shutil.which("bash") or "bash", "-euc", block.replace(".venv/bin/python", sys.executable)],
        cwd=project,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"},
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout[-2000:]}{done.stderr[-3000:]}"
    return done.stdout + done.stderr


def test_the_commands_of_the_pages_do_what_they_say(
    project: Path, simulate: Callable[[ISpotSimulator], ISpotSimulator]
) -> None:
    def rows(sql: str) -> list[tuple[object, ...]]:
        with duckdb.connect(str(project / "output" / "warehouse.duckdb"), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def state(loader: str = "target-duckdb") -> dict[str, Any]:
        # Not `meltano state get`, which takes a second each time.
        with closing(sqlite3.connect(project / ".meltano" / "meltano.db")) as database:
            query = "select completed_state from state where state_id = ?"
            ((text,),) = database.execute(query, (f"own:tap-ispot-to-{loader}",)).fetchall()
        found: dict[str, Any] = json.loads(text)
        return found

    def bookmark(found: dict[str, Any]) -> str:
        value: str = found["singer_state"]["bookmarks"]["audience_airings"]["replication_key_value"]
        return value

    # given an account, and the choices of the page: a stream on, a stream and a field off, windows of two days
    vendor = simulate(ISpotSimulator(first_day=dt.date(2024, 3, 8), days=5, rows_per_day=40))
    settings = {**vendor.settings(), "start_date": "2024-03-08", "end_date": "2024-03-12"}
    environment = "".join(f"TAP_ISPOT_{name.upper()}={value}\n" for name, value in settings.items())
    (project / ".env").write_text(environment)
    for block in commands("select"):
        shell(project, block)
    for page in ("report", "range"):
        for block in commands(page):
            shell(project, block)
    assert "funnel_by_os" in shell(project, "meltano --environment=own config print tap-adspect")

    # when the account is loaded, then the choices hold
    shell(project, "meltano run tap-ispot target-duckdb")
    columns = "select table_name, column_name from duckdb_columns() where schema_name = 'tap_ispot'"
    found = set(rows(columns))
    assert {table for table, _ in found} >= {"episodes", "spots"}
    assert not {("movies", "id"), ("spots", "description")} & found
    days = {
        request.param("filter[start_date]") for request in vendor.journal.matching(path="/v4/metrics/audience/airings")
    }
    assert days == {"2024-03-08", "2024-03-10", "2024-03-12"}
    loaded, bookmarks = rows(AIRINGS), state()
    assert loaded

    # when the days of a bad load are deleted and read again, then the rows are as before, and the bookmark did not move
    vendor.journal.clear()
    keep, repair, restore = commands("undo")
    shell(project, keep)
    shell(project, repair.splitlines()[0])
    assert 0 < len(rows(AIRINGS)) < len(loaded)
    shell(project, "\n".join(repair.splitlines()[1:]))
    assert (rows(AIRINGS), state()) == (loaded, bookmarks)
    assert {request.path.removeprefix("/v4") for request in vendor.journal if request.method == "GET"} == {
        "/metrics/audience/airings"
    }

    # when the copies are restored, and everything is read again, then nothing is doubled
    shell(project, restore)
    assert (rows(AIRINGS), state()) == (loaded, bookmarks)
    for block in commands("again"):
        shell(project, block)
    assert rows(AIRINGS) == loaded

    # when the bookmarks are given to another loader, then its next run would continue at them
    for block in commands("warehouse"):
        shell(project, block)
    assert state("target-postgres") == state()

    # when the key is wrong, then the run ends with one line, and after the right one it continues
    (project / ".env").write_text(
        environment.replace(settings["client_secret"], "wrong") + "MELTANO_DEFAULT_ENVIRONMENT=own\n"
    )
    failed = subprocess.run(
        [str(BIN / "meltano"), "run", "tap-ispot", "target-duckdb"],
        cwd=project,
        check=False,
        capture_output=True,
        text=True,
    )
    assert failed.returncode == 1
    assert (failed.stdout + failed.stderr).count("iSpot.tv refused the credentials") == 1
    (project / ".env").write_text(f"{environment}MELTANO_DEFAULT_ENVIRONMENT=own\n")
    shell(project, "meltano run tap-ispot target-duckdb")
    assert rows(AIRINGS) == loaded
    assert bookmark(state()) == bookmark(bookmarks) == "2024-03-13T00:00:00-04:00"
