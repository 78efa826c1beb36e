"""The queries of `examples/`, and `make query` and `make tables`, on the vendors' data in DuckDB."""

from __future__ import annotations

import datetime as dt
import io
import json
import subprocess
import sys
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import msgspec
import pytest
from query import run, warehouse_path
from shared_project import tap_class
from target_duckdb_arrow.target import TargetDuckDBArrow
from vendor_simulators.adspect import AdspectSimulator
from vendor_simulators.ispot import ISpotSimulator
from vendor_simulators.magnite import MagniteSimulator
from vendor_simulators.spotwatch import SpotwatchSimulator
from vendor_simulators.springserve import SpringServeSimulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from vendor_simulators.simulator import Simulator

ROOT = Path(__file__).resolve().parent.parent
FIRST = dt.date(2024, 3, 8)
EXPECTED: dict[str, list[list[Any]]] = json.loads((ROOT / "tests" / "examples.json").read_text(encoding="utf-8"))
VENDORS: dict[str, tuple[Callable[..., Simulator], tuple[str, ...]]] = {
    "ispot": (partial(ISpotSimulator, extremes=False), ("audience_airings", "spots")),
    "spotwatch": (SpotwatchSimulator, ("broadcasts", "ads")),
    "adspect": (partial(AdspectSimulator, extremes=False), ("funnel_daily", "streams")),
    "magnite": (MagniteSimulator, ("adstats_daily", "ad_units", "publishers")),
    "springserve": (
        SpringServeSimulator,
        ("supply_daily", "demand_daily", "supply_tags", "supply_partners", "demand_tags", "demand_partners"),
    ),
}
encode = msgspec.json.Encoder(decimal_format="number").encode


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Load the vendors' true records of five days with the taps' schemas."""
    path = tmp_path_factory.mktemp("examples") / "warehouse.duckdb"
    for vendor, (make, streams) in VENDORS.items():
        simulator = make(seed=7, first_day=FIRST, days=5, rows_per_day=60)
        tap = tap_class(f"tap-{vendor}")(config={}, validate_config=False)
        messages: list[Any] = []
        for name in streams:
            stream = tap.streams[name]
            head = {"type": "SCHEMA", "stream": name, "schema": stream.schema, "key_properties": stream.primary_keys}
            messages += [head, *({"type": "RECORD", "stream": name, "record": row} for row in simulator.truth(name))]
        config = {"filepath": str(path), "default_target_schema": f"tap_{vendor}"}
        TargetDuckDBArrow(config=config).listen(io.StringIO("".join(f"{encode(one).decode()}\n" for one in messages)))
    return path


def rows_of(path: Path, warehouse: Path) -> list[list[Any]]:
    """Run an example; dates and decimals become text without trailing zeros."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        _, rows = run(connection, path.read_text(encoding="utf-8"))
    return [
        [
            f"{value.normalize():f}"
            if isinstance(value, Decimal)
            else value.isoformat()
            if isinstance(value, dt.date)
            else value
            for value in row
        ]
        for row in rows
    ]


@pytest.mark.parametrize("name", EXPECTED)
def test_an_example_has_the_expected_rows(name: str, warehouse: Path) -> None:
    assert rows_of(ROOT / "examples" / f"{name}.sql", warehouse) == EXPECTED[name]


def test_every_vendor_has_three_examples() -> None:
    names = [name.partition("_")[0] for name in EXPECTED]
    assert {vendor: names.count(vendor) for vendor in names} == dict.fromkeys(VENDORS, 3)
    assert {path.stem for path in ROOT.glob("examples/*.sql") if not path.stem.startswith("marts_")} == {*EXPECTED}


def query(warehouse: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "scripts/query.py", *arguments],
        cwd=ROOT,
        env={"TARGET_DUCKDB_FILEPATH": str(warehouse)},
        check=False,
        capture_output=True,
        text=True,
    )


def test_tables_lists_each_table_with_its_rows_and_days(warehouse: Path) -> None:
    *lines, last = query(warehouse, "--tables", "--zone=America/New_York").stdout.splitlines()
    rows = [line.split() for line in lines]

    assert rows[0] == ["schema", "table", "rows", "first", "day", "last", "day", "day", "of"]
    assert ["tap_ispot", "audience_airings", "241", "2024-03-08", "2024-03-12", "airing_aired_at_et"] in rows
    assert ["tap_springserve", "supply_daily", "300", "2024-03-08", "2024-03-12", "date"] in rows
    assert ["tap_ispot", "spots", "181"] in rows
    assert last == f"15 rows of {warehouse}; date-times in America/New_York (ZONE=...)"


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (("select 160881::decimal(38, 10) as a_count, 845199.1::decimal(38, 10) as money",), ["  160,881  845,199.10"]),
        (
            ("select timestamptz '2024-03-10 12:00:00+00' as aired_at, 3000196 as spot_id, E'a\\nb' as title",),
            ["  2024-03-10 12:00:00+00:00  3000196  a b"],
        ),
        (
            ("select timestamptz '2024-03-10 12:00:00+00' as aired_at", "--zone=America/New_York"),
            ["  2024-03-10 08:00:00-04:00"],
        ),
    ],
)
def test_a_query_prints_readable_values(warehouse: Path, arguments: tuple[str, ...], lines: list[str]) -> None:
    assert query(warehouse, *arguments).stdout.splitlines()[2:-2] == lines


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("select nothing",),
            'query: the query failed: Binder Error: Referenced column "nothing" was not found',
        ),
        (
            ("select * from tap_ispot.spot",),
            "query: the query failed: Catalog Error: Table with name spot does not exist! Did you mean ",
        ),
        (("--file=examples/none.sql",), "query: examples/none.sql: No such file or directory"),
        (
            ("drop table tap_ispot.spots",),
            "query: the query failed: Invalid Input Error: Cannot execute statement of type",
        ),
        (("--zone=Mars", "select 1"), "query: ZONE=Mars is not a time zone"),
        ((), "query: SQL is missing"),
    ],
)
def test_a_bad_query_ends_with_one_line(warehouse: Path, arguments: tuple[str, ...], line: str) -> None:
    done = query(warehouse, *arguments)

    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1
    assert done.returncode == 2


def test_the_tables_are_those_of_the_environment(
    warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a file in the environment `own`, and another one in a variable
    (tmp_path / "own.duckdb").write_bytes(warehouse.read_bytes())
    (tmp_path / "own.meltano.yml").write_text(
        "environments:\n- name: own\n  env:\n    TARGET_DUCKDB_FILEPATH: $MELTANO_PROJECT_ROOT/own.duckdb\n"
    )
    (tmp_path / ".env").write_text(f"MELTANO_DEFAULT_ENVIRONMENT=own\nTARGET_DUCKDB_FILEPATH={warehouse}\n")
    monkeypatch.setattr("query.ROOT", tmp_path)

    # then the environment's file is used, and with another environment that of the variable
    assert warehouse_path(demo=False) == tmp_path / "own.duckdb"
    monkeypatch.setenv("MELTANO_ENVIRONMENT", "prod")
    assert warehouse_path(demo=False) == warehouse
