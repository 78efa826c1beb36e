"""dbt's models on the Snowflake stand-in: all of them, twice, with restated rows in between."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from stand_ins.snowflake import OLDEST_PYTHON, Snowflake, server
from vendor_simulators.magnite import MagniteSimulator
from vendor_simulators.spotwatch import SpotwatchSimulator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from meltano_fixtures import Meltano
    from vendor_simulators.simulator import Simulator

pytestmark = [
    pytest.mark.extended,
    pytest.mark.skipif(sys.version_info < OLDEST_PYTHON, reason="fakesnow is not published for Python 3.10"),
]

FIRST = dt.datetime.now(tz=dt.timezone.utc).date() - dt.timedelta(days=4)
EXACT = {
    "anyOf": [
        {"type": "string", "format": "x-singer.decimal", "precision": 38, "scale": 12},
        {"type": "number"},
        {"type": "null"},
    ]
}
"""Schema of a NUMBER(38, 12) column; see docs/snowflake.md."""


def run(
    meltano: Meltano, warehouse: Snowflake, vendors: Mapping[str, tuple[Simulator, dict[str, Any]]], *options: str
) -> None:
    """Load the vendors and build the models."""
    target = {f"TARGET_SNOWFLAKE_{name.upper()}": value for name, value in warehouse.settings().items()}
    variables = {**warehouse.environment(), **target}
    for tap, (vendor, settings) in vendors.items():
        done = meltano.load(tap, "target-snowflake", {**vendor.settings(), **settings}, variables)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    program = meltano.root / ".meltano" / "utilities" / "dbt-snowflake" / "venv" / "bin" / "dbt"
    done = subprocess.run(
        [str(program), "build", "--target=snowflake", "--project-dir=transform", "--profiles-dir=transform", *options],
        cwd=meltano.root,
        env={**meltano.environment("", {}), **variables},
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-5000:]


def totals(warehouse: Snowflake, columns: str, mart: str) -> dict[tuple[str, ...], Decimal]:
    """Return the sums of the last column by the others."""
    found: dict[tuple[str, ...], Decimal] = defaultdict(Decimal)
    for row in warehouse.query(f"select {columns} from {warehouse.database}.marts.{mart}"):  # noqa: S608 - names
        *key, value = row.values()
        found[tuple(key)] += Decimal(value or 0)
    return found


def test_marts_follow_restatements(
    meltano: Meltano, tmp_path: Path, simulate: Callable[[Simulator], Simulator]
) -> None:
    # given a vendor with columns in mixed case, one with late rows, and three that are not loaded
    magnite = simulate(MagniteSimulator(first_day=FIRST, days=4, rows_per_day=20))
    spotwatch = simulate(SpotwatchSimulator(first_day=FIRST, days=4, rows_per_day=40))
    schema = json.dumps({"adstats_daily": {"netRevenue": EXACT, "grossRevenue": EXACT}})
    vendors = {
        "tap-magnite": (magnite, {"poll_interval": 0.1, "_schema": schema}),
        "tap-spotwatch": (spotwatch, {}),
    }
    with server(tmp_path) as warehouse:
        for number in (1, 2):
            # when they are loaded and the models are built, all of them first, and then after restatements
            run(meltano, warehouse, vendors, *(() if number == 1 else ("--select=marts", "--resource-type=model")))

            # then the marts have the vendors' sums
            revenue: dict[tuple[str, ...], Decimal] = defaultdict(Decimal)
            for row in magnite.truth("adstats_daily"):
                revenue[str(row["day"]), str(row["currency"])] += Decimal(str(row["netRevenue"] or 0))
            airings: dict[tuple[str, ...], Decimal] = defaultdict(Decimal)
            for row in spotwatch.truth("broadcasts"):
                airings[(str(row["time"])[:10],)] += 1
            assert totals(warehouse, "day, currency, net_revenue", "ad_revenue_daily") == revenue
            assert totals(warehouse, "aired_on, airings", "brand_spend_daily") == airings

            # given restated and late rows
            magnite.restate(seed=number, days=2)
            spotwatch.restate(seed=number, days=2)
