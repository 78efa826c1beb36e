"""dbt's marts after Meltano has loaded all five vendors: exact values, restated rows, missing vendors and columns."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import duckdb
import psycopg
import pytest
from generate import with_marts_reports
from stand_ins import postgres
from vendor_simulators.adspect import AdspectSimulator
from vendor_simulators.ispot import ISpotSimulator
from vendor_simulators.magnite import MagniteSimulator
from vendor_simulators.spotwatch import SpotwatchSimulator
from vendor_simulators.springserve import SpringServeSimulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from meltano_fixtures import Meltano
    from vendor_simulators.simulator import Simulator

pytestmark = pytest.mark.meltano

ROOT = Path(__file__).resolve().parent.parent
DAYS = 5
EASTERN = ZoneInfo("America/New_York")
# iSpot.tv's days begin last: from 0:00 UTC until then, a tap reads no row of the day in UTC.
FIRST = dt.datetime.now(tz=EASTERN).date() - dt.timedelta(days=DAYS - 1)
REPORTS = with_marts_reports("tap-adspect")["reports"]
VENDORS: dict[str, tuple[Callable[..., Simulator], dict[str, Any]]] = {
    "ispot": (ISpotSimulator, {"lookback_days": 3}),
    "spotwatch": (SpotwatchSimulator, {}),
    "adspect": (AdspectSimulator, {"lookback_days": 3, "reports": json.dumps(REPORTS)}),
    "magnite": (MagniteSimulator, {"poll_interval": 0.1}),
    "springserve": (SpringServeSimulator, {"report_poll_interval": 0.1, "report_requests_per_minute": 1000}),
}
MARTS = {
    "ad_revenue_daily": "ad_revenue_daily_key",
    "ads": "ad_key",
    "airings": "airing_key",
    "airings_daily": "airings_daily_key",
    "brand_spend_daily": "brand_spend_daily_key",
    "channels": "channel_key",
    "inventory": "inventory_key",
    "traffic_daily": "traffic_daily_key",
    "traffic_quality": "traffic_quality_key",
}
"""Marts and their keys."""


@dataclass
class Warehouse:
    """A warehouse with dbt and its loader.

    Attributes:
        name: `duckdb` or `postgres`, as in the names of the plugins.
        project: Folder of the Meltano project.
        variables: Environment variables of the loader and dbt.
        connect: Opens a connection.
    """

    name: str
    project: Path
    variables: Mapping[str, str]
    connect: Callable[[], Any]

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Run SQL and return its rows."""
        with self.connect() as connection:
            rows: list[tuple[Any, ...]] = connection.execute(sql).fetchall()
        return rows

    def change(self, *statements: str) -> None:
        """Run statements that return nothing, in one transaction."""
        with self.connect() as connection:
            connection.execute("begin")
            for statement in statements:
                connection.execute(statement)
            connection.execute("commit")

    def dbt(self, *arguments: str) -> None:
        """Run dbt successfully."""
        program = self.project / ".meltano" / "utilities" / f"dbt-{self.name}" / "venv" / "bin" / "dbt"
        done = subprocess.run(
            [str(program), *arguments, f"--target={self.name}", "--project-dir=transform", "--profiles-dir=transform"],
            cwd=self.project,
            env={**os.environ, **self.variables},
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout[-5000:]

    def page(self) -> dict[str, list[dict[str, Any]]]:
        """Draw the report, and return the rows in the page by chart."""
        program = self.project / ".meltano" / "utilities" / "report" / "venv" / "bin" / "python"
        output = self.project / "report.html"
        done = subprocess.run(
            [str(program), "scripts/report.py", f"--warehouse={self.name}", f"--output={output}"],
            cwd=self.project,
            env={**os.environ, **self.variables},
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        data = output.read_text().partition('id="data">')[2].partition("</script>")[0]
        return {chart["name"]: chart["rows"] for chart in json.loads(data)}

    def marts(self) -> dict[str, dict[Any, dict[str, Any]]]:
        """Return the rows of each mart by key, without the times of the build."""
        found = {}
        for mart, key in MARTS.items():
            with self.connect() as connection:
                cursor = connection.execute(f"select * from marts.{mart}")  # noqa: S608 - names in this file
                names = [column[0] for column in cursor.description]
                rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            found[mart] = {row[key]: {name: row[name] for name in names if name != "built_at"} for row in rows}
        return found


@contextmanager
def in_duckdb(meltano: Meltano) -> Iterator[Warehouse]:
    variables = {"TARGET_DUCKDB_FILEPATH": str(meltano.warehouse)}
    yield Warehouse("duckdb", meltano.root, variables, lambda: duckdb.connect(str(meltano.warehouse)))


@contextmanager
def in_postgres(meltano: Meltano) -> Iterator[Warehouse]:
    # In a zone with clock changes: the marts must not depend on the server's zone.
    with postgres.cluster(settings={"TimeZone": "America/New_York"}) as database:
        variables = {f"TARGET_POSTGRES_{name.upper()}": str(value) for name, value in database.settings().items()}
        yield Warehouse("postgres", meltano.root, variables, lambda: psycopg.connect(database.uri(), autocommit=True))


def run(meltano: Meltano, warehouse: Warehouse, vendors: Mapping[str, Simulator]) -> None:
    """Load all vendors and build the marts, with one `meltano run`."""
    environment: dict[str, str] = {}
    blocks: list[str] = []
    for name, vendor in vendors.items():
        environment |= meltano.environment(f"tap-{name}", {**vendor.settings(), **VENDORS[name][1]})
        blocks += [f"tap-{name}", f"target-{warehouse.name}"]
    program = str(Path(sys.executable).with_name("meltano"))
    done = subprocess.run(
        [program, "--environment=demo", "run", "--no-install", *blocks, f"dbt-{warehouse.name}:build"],
        cwd=meltano.root,
        env={**environment, **warehouse.variables},
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]


def sums(rows: Iterable[tuple[tuple[Any, ...], tuple[Any, ...]]]) -> dict[tuple[Any, ...], list[Any]]:
    """Return exact sums of values by key; a null counts as zero."""
    found: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
    for key, values in rows:
        totals = found[key] or [Decimal(0)] * len(values)
        found[key] = [total + Decimal(str(value or 0)) for total, value in zip(totals, values, strict=True)]
    return dict(found)


def truth(vendors: Mapping[str, Simulator]) -> dict[str, dict[tuple[Any, ...], list[Any]]]:
    """Return the sums of marts, computed from the vendors' data."""

    def rows(vendor: str, stream: str, **options: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = vendors[vendor].truth(stream, **options)
        return found

    airings = [
        (("ispot", row["brand_name"], day), (1, row["airing_spend_estimated"], row["audience_impressions"]))
        for row in rows("ispot", "audience_airings")
        for day in [dt.datetime.fromisoformat(row["airing_aired_at_et"]).astimezone(EASTERN).date()]
    ]
    brands = {row["id"]: row["brand"] or None for row in rows("spotwatch", "ads")}
    airings += [
        (("spotwatch", brands.get(row["ad"]), dt.date.fromisoformat(row["time"][:10])), (1, 0, 0))
        for row in rows("spotwatch", "broadcasts")
    ]
    revenue = [
        (
            ("springserve", dt.date.fromisoformat(row["date"]), "USD"),
            (row["total_requests"], row["impressions"], row["revenue"], row["profit"]),
        )
        for row in rows("springserve", "supply_daily")
    ]
    revenue += [
        (
            ("magnite", dt.date.fromisoformat(row["day"]), row["currency"]),
            (row["requests"], row["impressions"], row["grossRevenue"], row["netRevenue"]),
        )
        for row in rows("magnite", "adstats_daily")
    ]
    measures = ("clicks", "safe_hits", "money_hits", "conversions", "expenses", "revenue", "profit")
    traffic = [
        ((dt.date.fromisoformat(row["date"]), row["stream_id"]), tuple(row[name] for name in measures))
        for row in rows("adspect", "funnel_daily", metrics=REPORTS[0]["metrics"])
    ]
    quality = [
        ((row["stream_id"], row["country_code"] or "", row["sub_id"] or ""), tuple(row[name] for name in measures))
        for row in rows(
            "adspect",
            "funnel_by_country",
            dimensions=REPORTS[1]["dimensions"],
            metrics=REPORTS[1]["metrics"],
        )
    ]
    return {
        "brand_spend_daily": sums(airings),
        "ad_revenue_daily": sums(revenue),
        "traffic_daily": sums(traffic),
        "traffic_quality": sums(quality),
    }


def answers(warehouse: Warehouse) -> dict[str, dict[tuple[Any, ...], list[Any]]]:
    """Return the same sums from the marts."""
    measures = "clicks, safe_hits, money_hits, conversions, cost, revenue, profit"
    queries = {
        "brand_spend_daily": (3, "vendor, brand_name, aired_on, airings, spend, impressions"),
        "ad_revenue_daily": (3, "vendor, day, currency, requests, impressions, gross_revenue, net_revenue"),
        "traffic_daily": (2, f"day, stream_id, {measures}"),
        "traffic_quality": (3, f"stream_id, country_code, sub_id, {measures}"),
    }
    return {
        mart: sums((row[:width], row[width:]) for row in warehouse.query(f"select {columns} from marts.{mart}"))  # noqa: S608 - above
        for mart, (width, columns) in queries.items()
    }


def differing(ours: Mapping[str, Mapping[Any, Any]], theirs: Mapping[str, Mapping[Any, Any]]) -> dict[str, list[Any]]:
    """Return the first differing rows of each mart."""
    found = {}
    for mart in ours.keys() | theirs.keys():
        keys = [key for key in ours[mart].keys() | theirs[mart].keys() if ours[mart].get(key) != theirs[mart].get(key)]
        if keys:
            found[mart] = [(key, ours[mart].get(key), theirs[mart].get(key)) for key in keys[:3]]
    return found


def on_page(warehouse: Warehouse, theirs: Mapping[str, Mapping[Any, Any]]) -> dict[str, list[Any]]:
    """Return the first rows of the report that differ from the vendors' sums, by chart."""
    page = warehouse.page()
    spend = {
        ("ispot", row["brand_name"], dt.date.fromisoformat(row["day"])): [row["airings"], Decimal(row["spend"])]
        for row in page["spend"]
    }
    measures = ("requests", "impressions", "gross_revenue", "net_revenue")
    revenue = {
        (row["vendor"], dt.date.fromisoformat(row["day"]), row["currency"]): [Decimal(row[name]) for name in measures]
        for row in page["revenue"]
    }
    brands = theirs["brand_spend_daily"]
    today = dt.datetime.now(tz=dt.timezone.utc).date()
    assert revenue
    assert spend
    return differing(
        {"spend": spend, "revenue": revenue},
        {
            "spend": {key: brands[key][:2] for key in spend},
            "revenue": {key: sums for key, sums in theirs["ad_revenue_daily"].items() if key[1] < today},
        },
    )


@pytest.mark.parametrize("kind", [in_duckdb, in_postgres], ids=["duckdb", "postgres"])
def test_marts_are_exact_after_restatements_and_without_some_vendors(
    kind: Callable[[Meltano], Any], meltano: Meltano, simulate: Callable[[Simulator], Simulator]
) -> None:
    # given five vendors, when they are loaded and the marts are built
    vendors = {name: simulate(make(first_day=FIRST, days=DAYS, rows_per_day=40)) for name, (make, _) in VENDORS.items()}
    with kind(meltano) as warehouse:
        run(meltano, warehouse, vendors)

        # then the marts have the vendors' sums
        first = truth(vendors)
        assert differing(answers(warehouse), first) == {}
        assert all(first.values())
        if warehouse.name == "duckdb":
            examples = {path.stem: warehouse.query(path.read_text()) for path in ROOT.glob("examples/marts_*.sql")}
            assert [name for name, rows in examples.items() if not rows] == []
            spend = sums(
                ((key[1],), tuple(row[:2])) for key, row in first["brand_spend_daily"].items() if key[0] == "ispot"
            )
            assert {brand: [airings, spent] for brand, airings, spent, _ in examples["marts_top_brands"]} == {
                brand: [row[0], round(row[1], 2)]
                for (brand,), row in sorted(spend.items(), key=lambda one: -one[1][1])[:5]
            }

        # given restated and late rows, when they are loaded and the marts are built again
        for vendor in vendors.values():
            vendor.restate(seed=1, days=2)
        run(meltano, warehouse, vendors)

        # then the marts have the new sums, and days before were not rebuilt
        second = truth(vendors)
        assert differing(second, first).keys() == second.keys()
        assert differing(answers(warehouse), second) == {}
        rebuilt = warehouse.query(
            "select vendor, count(distinct built_at), min(aired_on) from marts.airings group by 1"
        )
        assert {(vendor, builds) for vendor, builds, _ in rebuilt} == {("ispot", 2), ("spotwatch", 2)}

        # and the report has the same sums of complete days, and all charts
        assert on_page(warehouse, second) == {}
        assert [*warehouse.page()] == ["spend", "hours", "ads", "revenue", "traffic", "freshness"]

        # and the newest rows are as new as the vendors' refresh times allow
        warehouse.dbt("source", "freshness")

        # given an airing that moved to another day, one that the vendor deleted, a deleted day, and days before the
        # look-back: one was backfilled, and one has other spend with as many airings
        moved, deleted, old = (
            row[0]
            for row in warehouse.query("select airing_id from tap_ispot.audience_airings order by airing_id limit 3")
        )
        warehouse.change(
            f"update tap_ispot.audience_airings set airing_aired_at_et = airing_aired_at_et + interval '3 days' "  # noqa: S608 - digits
            f"where airing_id = '{moved}'",
            f"delete from tap_ispot.audience_airings where airing_id = '{deleted}'",  # noqa: S608 - digits
            f"update tap_ispot.audience_airings set airing_aired_at_et = airing_aired_at_et - interval '400 days' "  # noqa: S608 - digits
            f"where airing_id = '{old}'",
            "update tap_ispot.audience_airings set airing_spend_estimated = airing_spend_estimated + 1 "  # noqa: S608 - a date
            f"where airing_aired_at_et between timestamp '{FIRST} 12:00:00' and timestamp '{FIRST} 23:00:00'",
            f"delete from tap_magnite.adstats_daily where day = date '{FIRST}'",  # noqa: S608 - a date
            # and impressions with decimals, whose column had only whole numbers, so that DuckDB's was BIGINT
            *(
                f"alter table tap_ispot.audience_airings alter column audience_impressions {change}"
                for change in (["set data type decimal(38, 10)"] if warehouse.name == "duckdb" else [])
            ),
            "update tap_ispot.audience_airings set audience_impressions = audience_impressions + 0.25 "  # noqa: S608 - digits
            f"where airing_id = '{moved}'",
        )
        # when the marts are built from the changed days, then they equal those built from all rows
        warehouse.dbt("build", "--vars={lookback_days: 1}")
        incremental = warehouse.marts()
        impressions = {row["airing_id"]: row["impressions"] for row in incremental["airings"].values()}
        assert deleted not in impressions
        assert impressions[moved] % 1 == Decimal("0.25")
        assert min(row["aired_on"] for row in incremental["airings"].values()) < FIRST - dt.timedelta(days=300)
        assert not [
            row for row in incremental["ad_revenue_daily"].values() if (row["vendor"], row["day"]) == ("magnite", FIRST)
        ]
        warehouse.dbt("run", "--full-refresh")
        assert differing(incremental, warehouse.marts()) == {}

        # given only iSpot.tv, without the right to impressions, a table and a column, and with an airing that the
        # loader marked as deleted
        gone = min(row["airing_id"] for row in incremental["airings"].values() if row["vendor"] == "ispot")
        warehouse.change(
            *(f"drop schema tap_{name} cascade" for name in VENDORS if name != "ispot"),
            "drop table tap_ispot.networks cascade",
            "alter table tap_ispot.spots rename column title to other",
            "alter table tap_ispot.audience_airings add column _sdc_deleted_at timestamp",
            f"update tap_ispot.audience_airings set _sdc_deleted_at = '2026-01-01' where airing_id = '{gone}'",  # noqa: S608 - digits
            "alter table tap_ispot.audience_airings drop column audience_impressions cascade",
            "alter table tap_ispot.audience_airings rename to tv_airings",
        )
        # when the marts are built, then they have its rows
        warehouse.dbt("build", "--full-refresh", "--vars={ispot_airings: tv_airings}")
        alone = warehouse.marts()
        assert alone["airings"] == {
            key: {**row, "impressions": None}
            for key, row in incremental["airings"].items()
            if row["vendor"] == "ispot" and row["airing_id"] != gone
        }
        assert alone["traffic_daily"] == alone["inventory"] == {}
