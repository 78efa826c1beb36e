"""The report's page: exact rows, SQL, missing vendors, and how it looks in a browser."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
import report
import report_page
from report_charts import CHARTS
from stand_ins.chromium import browser, opened

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "scripts" / "report.py"
PYTHON = ROOT / ".meltano" / "utilities" / "report" / "venv" / "bin" / "python"
DAYS = 40
TOMORROW = dt.datetime.now(tz=dt.timezone.utc).date() + dt.timedelta(days=1)

# The newest days are today and, in brand_spend_daily, tomorrow: they are not complete.
MARTS = """
create schema marts;

create table marts.brand_spend_daily as
select
    'ispot' as vendor, 'America/New_York' as time_zone,
    'ispot|' || brand as brand_key, 'Brand & <' || brand || '>' as brand_name, 'USD' as currency,
    (current_date + 1 - day::integer)::date as aired_on,
    (1000.10 * (brand + 1) + day)::decimal(38, 10) as spend, brand + 1 as airings
from range(8) brands(brand), range({days}) days(day);

create table marts.airings as
select
    vendor, zone as time_zone, 'channel ' || channel as channel_name, (current_date - day::integer)::date as aired_on,
    (current_date - day::integer)::timestamp + to_hours(((day * 7 + channel * 5) % 24)::integer) as aired_at_local
from (values ('ispot', 'America/New_York'), ('spotwatch', 'UTC')) vendors(vendor, zone), range({days}) days(day),
    range(20) channels(channel);

create table marts.ads as
select vendor, (current_date - day::integer)::date as first_aired_on, current_date as last_aired_on, 7 as airings
from (values ('ispot'), ('spotwatch')) vendors(vendor), range({days}) days(day);

create table marts.ad_revenue_daily as
select
    vendor, 'UTC' as time_zone, currency, (current_date - day::integer)::date as day,
    100.123456789::decimal(38, 10) as gross_revenue, 80.5::decimal(38, 10) as net_revenue,
    3000000000 as requests, 1000000000 as impressions
from (values ('springserve', 'USD'), ('magnite', 'USD'), ('magnite', 'EUR')) platforms(vendor, currency),
    range({days}) days(day);

create table marts.traffic_quality as
select
    'adspect' as vendor, 'UTC' as time_zone, 'id' || stream as stream_id,
    nullif('stream ' || stream, 'stream 3') as stream_name, (current_date - day::integer)::date as day,
    100 + stream as clicks, 50 as money_hits, 30 as safe_hits, 5 as conversions,
    10.5::decimal(38, 10) as cost, 30.25::decimal(38, 10) as revenue, (19.75 - 5 * stream)::decimal(38, 10) as profit,
    null::varchar as currency
from range(5) streams(stream), range({days}) days(day);

create table marts.data_freshness as
select
    vendor, 'facts' as stream, 1000 as row_count, current_date::timestamp as newest_row_utc, 5 as age_hours,
    24 as allowed_hours, vendor <> 'adspect' as is_fresh, null::timestamp as loaded_at_utc
from (values ('ispot'), ('spotwatch'), ('springserve'), ('magnite'), ('adspect')) vendors(vendor);
"""
UNDRAWN = """
[...document.querySelectorAll('.chart svg')]
    .filter((svg) => !svg.querySelector('.mark-rect path, .mark-line path')).length
"""


def warehouse(folder: Path, *statements: str) -> Path:
    """Create a DuckDB file with small marts, and change it."""
    path = folder / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for statement in (MARTS.format(days=DAYS), *statements):
            connection.execute(statement)
    return path


def draw(path: Path, *arguments: str, python: Path = PYTHON) -> subprocess.CompletedProcess[str]:
    """Run the program on a DuckDB file."""
    return subprocess.run(
        [str(python), str(PROGRAM), f"--output={path.with_suffix('.html')}", *arguments],
        env={**os.environ, "TARGET_DUCKDB_FILEPATH": str(path)},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


def today_eastern() -> dt.date:
    """Return the day that is not over on the US East Coast."""
    return dt.datetime.now(tz=ZoneInfo("America/New_York")).date()


def embedded(page: Path) -> dict[str, dict[str, Any]]:
    """Return the data of a page, by chart."""
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL)
    return {chart["name"]: chart for chart in json.loads(text)}


@pytest.mark.meltano
def test_page_draws_all_charts_offline_wide_and_narrow_light_and_dark(tmp_path: Path) -> None:
    # given marts of five vendors
    path = warehouse(tmp_path)

    # when the page is written
    done = draw(path)

    # then each chart has its rows, and the SQL that returns them
    assert done.returncode == 0, done.stderr
    page = path.with_suffix(".html")
    assert page.stat().st_mode & 0o077 == 0
    charts = embedded(page)
    assert [*charts] == [chart.name for chart in CHARTS]
    queries = [unescape(sql) for sql in re.findall(r"<pre[^>]*><code>(.*?)</code></pre>", page.read_text(), re.DOTALL)]
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for chart, sql in zip(charts.values(), queries, strict=True):
            answer = connection.execute(sql)
            names = [column[0] for column in answer.description or ()]
            rows = [dict(zip(names, map(report_page.exact, row), strict=True)) for row in answer.fetchall()]
            assert chart["rows"] == rows
            assert rows
    # and days that are not complete are omitted, and decimals are exact
    complete = [day for day in range(DAYS) if TOMORROW - dt.timedelta(days=day) < today_eastern()]
    newest = TOMORROW - dt.timedelta(days=complete[0])
    assert max(row["day"] for row in charts["spend"]["rows"]) == str(newest)
    assert {row["gross_revenue"] for row in charts["revenue"]["rows"]} == {"100.123456789"}
    assert charts["spend"]["panels"][0]["title"] == f"Brand & <7>: {sum(8000.80 + day for day in complete):,.2f} USD"

    with browser() as chromium:
        for width, dark in [(1400, False), (390, False), (390, True), (1400, True)]:
            # when it is opened, then all views are drawn, without another request or message of the console
            with opened(chromium, page, width=width, dark=dark) as shown:
                assert (shown.messages, shown.requests) == ([], [page.as_uri()])
                views = sum(len(chart["panels"]) * len(chart["views"]) for chart in charts.values())
                assert views == 6 + 2 + 2 + 6 + 2
                assert shown.page.evaluate("document.querySelectorAll('.chart svg').length") == views
                assert shown.page.evaluate(UNDRAWN) == 0
                # and it does not scroll sideways, even with all details open
                shown.page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
                assert shown.page.evaluate("document.documentElement.scrollWidth") <= width
                background = shown.page.evaluate("getComputedStyle(document.body).backgroundColor")
                assert (background == "rgb(255, 255, 255)") is not dark
                # when the mode changes, then the charts follow
                shown.page.emulate_media(color_scheme="light")
                shown.page.locator(".mark-rect path[fill='#1f5fa8']").first.wait_for(state="attached")


@pytest.mark.meltano
def test_charts_of_missing_vendors_are_left_out_with_a_line(tmp_path: Path) -> None:
    # given iSpot.tv only
    gone = [f"delete from marts.{chart.mart} where vendor <> 'ispot'" for chart in CHARTS]  # noqa: S608 - our names
    path = warehouse(tmp_path, *gone)

    # when the page is written
    done = draw(path, "--days=7")

    # then it has its charts, with at most seven days, and a line for each of the others
    assert done.stdout == f"{path.with_suffix('.html')}: 4 of 6 charts\n"
    charts = embedded(path.with_suffix(".html"))
    assert [*charts] == ["spend", "hours", "ads", "freshness"]
    # Tomorrow, today, and in Eastern time perhaps yesterday are not complete.
    assert len({row["day"] for row in charts["spend"]["rows"]}) == 6 - (TOMORROW - today_eastern()).days
    page = path.with_suffix(".html").read_text()
    assert re.findall(r'<p class="left-out".*?>(.*?)</p>', page) == [
        "Left out: Revenue and fill rate by platform. No rows of SpringServe or Magnite in ad_revenue_daily.",
        "Left out: Traffic quality and profit by stream. No rows of Adspect in traffic_quality.",
    ]
    assert "No rows of Spotwatch (Europe).</p>" in page


def test_a_warehouse_without_marts_is_a_one_line_error(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    missing = draw(path, python=Path(sys.executable))
    duckdb.connect(str(path)).close()
    empty = draw(path, python=Path(sys.executable))
    with duckdb.connect(str(path)):
        locked = draw(path, python=Path(sys.executable))

    assert [one.returncode for one in (missing, empty, locked)] == [report.BAD_INPUT] * 3
    assert missing.stderr == f"report: {path} does not exist: load a vendor first, or set TARGET_DUCKDB_FILEPATH\n"
    assert empty.stderr.startswith(
        "report: marts.brand_spend_daily cannot be read: run `make transform` first (Catalog Error"
    )
    assert re.fullmatch(
        rf"report: {path} cannot be opened: .*; wait until loader and dbt have finished\n", locked.stderr
    )
    assert not path.with_suffix(".html").exists()


def test_nothing_in_the_data_ends_a_script() -> None:
    assert report_page.in_script('["</script><!--"]') == '["<\\/script><\\!--"]'
