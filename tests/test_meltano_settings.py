"""What a user sets reaches the taps as it was written: Meltano changes nothing before a tap can refuse it."""

from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
from typing import TYPE_CHECKING

import duckdb
import pytest
from vendor_simulators.ispot import ISpotSimulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from meltano_fixtures import Meltano

pytestmark = pytest.mark.meltano

FIRST = dt.date(2024, 3, 8)
TEXTS = {
    "start_date": "2026",
    "end_date": "01.02.2026",
    "national_only": "t",
    "accessible_only": "",
    "page_size": "",
    "catalog_page_size": "1e3",
    "parallel_requests": "4",
    "airing_types": '"NR"',
    "brand_ids": "(1, 2)",
    "network_ids": "[1, 12345678901234567890.5]",
    "extra_fields": "Keep",
    "row_count_check": "off",
    "user_agent": "a $HOME",
}
"""Texts of which Meltano would guess a date, a boolean or a list, or on which it would end in a traceback."""


@pytest.fixture
def vendor(simulate: Callable[[ISpotSimulator], ISpotSimulator]) -> ISpotSimulator:
    return simulate(ISpotSimulator(first_day=FIRST, days=2, rows_per_day=20))


def test_meltano_passes_settings_on_as_they_are_written(meltano: Meltano) -> None:
    printed = subprocess.run(
        [*meltano.command("", "")[:2], "config", "print", "tap-ispot"],
        cwd=meltano.root,
        env=meltano.environment("tap-ispot", TEXTS),
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    assert json.loads(printed) == TEXTS


@pytest.mark.parametrize(
    ("setting", "text", "shown"),
    [
        ("start_date", "2026", "'2026'"),
        ("start_date", "2026-11", "'2026-11'"),
        ("end_date", "01.02.2026", "'01.02.2026'"),
        ("end_date", "26-11-24", "'26-11-24'"),
        ("national_only", "t", "'t'"),
        ("airing_types", '"NR"', "'NR'"),
        ("page_size", "many", "'many'"),
    ],
)
def test_what_meltano_would_guess_is_refused_in_one_line(
    meltano: Meltano, vendor: ISpotSimulator, setting: str, text: str, shown: str
) -> None:
    run = meltano.run("tap-ispot", "target-duckdb", {**vendor.settings(), setting: text})

    assert run.returncode != 0
    output = run.stdout + run.stderr
    assert f"setting `{setting}`: {shown} is not allowed: " in output
    assert "Traceback" not in output
    assert list(vendor.journal) == []


def test_an_invalid_load_method_is_refused_in_one_line(meltano: Meltano, vendor: ISpotSimulator) -> None:
    run = meltano.run(
        "tap-ispot", "target-duckdb", vendor.settings(), target_settings={"TARGET_DUCKDB_LOAD_METHOD": "Upsert"}
    )

    assert run.returncode != 0
    # Meltano may add a traceback, if it writes to the loader after its end: https://github.com/meltano/meltano/issues/7047
    (line,) = re.findall(r"^.*\[error +\] target-duckdb +(.*)$", run.stdout + run.stderr, re.MULTILINE)
    assert line.startswith("Settings: 'Upsert' is not one of ['upsert', 'append-only', 'overwrite'")


def test_settings_without_a_value_are_not_set(meltano: Meltano, vendor: ISpotSimulator) -> None:
    # given variables without a value, as in a copy of .env.example
    empty = dict.fromkeys(("national_only", "page_size", "airing_types", "extra_fields", "api_version"), "")
    given = {**vendor.settings(), "end_date": "2024-03-09", **empty, "_select": '["brands.*", "audience_airings.*"]'}

    # when Meltano runs the tap
    run = meltano.run("tap-ispot", "target-duckdb", given)

    # then the defaults hold
    assert run.returncode == 0, run.stdout + run.stderr
    asked = vendor.journal.matching("/v4/metrics/audience/airings")
    assert {request.param("filter[national_only]") for request in asked} == {"1"}
    with duckdb.connect(str(meltano.warehouse), read_only=True) as connection:
        rows = connection.execute("select count(*) from tap_ispot.audience_airings").fetchone()
    assert rows == (len(vendor.truth("audience_airings")),)
