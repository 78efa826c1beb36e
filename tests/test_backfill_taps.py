"""What the taps tell a backfill of their days and bookmarks, and the loader that slices share."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import backfill_tap
import duckdb
import pytest
from tap_adspect.tap import TapAdspect
from tap_ispot.tap import TapISpot
from tap_spotwatch.tap import TapSpotwatch
from tap_springserve.tap import TapSpringServe

if TYPE_CHECKING:
    from singer_adtech.tap import AdTechTap

DAY = dt.date.fromisoformat


def asked(tap: type[AdTechTap], selected: set[str] | None = None, **config: Any) -> backfill_tap.Asked:
    """Return a tap as Meltano would hand it over, with all or some of its streams selected."""
    settings = {"start_date": "2024-01-01", **config}
    catalog = tap(config=settings, parse_env_config=False, validate_config=False).catalog_dict
    for stream in catalog["streams"]:
        for metadata in stream["metadata"]:
            if not metadata["breadcrumb"]:
                metadata["metadata"]["selected"] = selected is None or stream["tap_stream_id"] in selected
    return backfill_tap.Asked(f"tap-{tap.name.removeprefix('tap-')}", settings, catalog)


ISPOT: dict[str, Any] = {"client_id": "a" * 20, "client_secret": "b" * 40}
REPORTS = [
    {"name": "daily", "dimensions": ["date"], "lookback_days": 9},
    {"name": "monthly", "dimensions": ["month"]},
]


def test_airings_are_cut_by_day_and_lists_are_left_out() -> None:
    answer = backfill_tap.plan(asked(TapISpot, **ISPOT), DAY("2024-01-30"), DAY("2024-03-10"))
    ends = {stream["name"]: list(stream["ends"].values()) for stream in answer["streams"]}
    # The last day's end is in summer time.
    midnights = ["2024-02-01T00:00:00-05:00", "2024-03-01T00:00:00-05:00", "2024-03-11T00:00:00-04:00"]
    days = ["2024-02-01", "2024-03-01", "2024-03-11"]
    airings = ("airings", "attention_airings", "audience_airings", "tv_airings")
    assert ends == {"airing_updates": days, "spot_updates": days, **dict.fromkeys(airings, midnights)}
    assert set(answer["left_out"].values()) == {"read whole each time"}
    assert {"brands", "spots"} <= set(answer["left_out"])
    # No look-back: it would read again what the slice has just read.
    assert answer["overrides"] == {"lookback_days": "0"}


def test_reports_keep_their_day_and_their_month() -> None:
    answer = backfill_tap.plan(
        asked(TapAdspect, {"daily", "monthly", "click_log", "streams"}, api_key="k" * 20, reports=REPORTS),
        DAY("2024-01-30"),
        DAY("2024-02-29"),
    )
    ends = {stream["name"]: list(stream["ends"].values()) for stream in answer["streams"]}
    assert ends == {
        "daily": ["2024-01-31", "2024-02-29"],
        "monthly": ["2024-01", "2024-02"],
        "click_log": ["2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"],
    }
    assert answer["streams"][1]["signature"] == {"time_zone": "UTC", "dimensions": ["date"], "filters": {}}
    assert [one["lookback_days"] for one in json.loads(answer["overrides"]["reports"])] == [0, 0]


def test_streams_by_last_change_and_windows_counted_from_the_start_are_left_out() -> None:
    reports = [
        {"name": "whole_weeks", "dimensions": ["supply_tag_id"], "interval": "cumulative"},
        {"name": "whole_days", "dimensions": ["supply_tag_id"], "interval": "cumulative", "window_days": 1},
        {"name": "hourly", "dimensions": ["supply_tag_id"], "interval": "hour"},
    ]
    answer = backfill_tap.plan(
        asked(TapSpringServe, auth_token="t" * 20, reports=reports), DAY("2024-01-01"), DAY("2024-01-31")
    )
    assert [stream["name"] for stream in answer["streams"]] == ["hourly", "whole_days"]
    assert answer["left_out"]["supply_tags"] == "read by last change"
    assert answer["left_out"]["campaigns"] == "read whole each time"
    assert answer["left_out"]["whole_weeks"] == "its windows are counted from `start_date`"


def test_a_stream_made_from_the_records_of_another_shares_its_bookmark() -> None:
    answer = backfill_tap.plan(
        asked(TapSpotwatch, {"block_ads", "blocks", "channels"}, api_key="k" * 20), DAY("2024-01-01"), DAY("2024-01-31")
    )
    assert [(stream["name"], stream["selects"]) for stream in answer["streams"]] == [
        ("blocks", ["block_ads", "blocks"])
    ]
    alone = backfill_tap.plan(
        asked(TapSpotwatch, {"block_ads"}, api_key="k" * 20), DAY("2024-01-01"), DAY("2024-01-31")
    )
    assert [(stream["name"], stream["selects"]) for stream in alone["streams"]] == [("blocks", ["block_ads"])]


def test_a_stream_that_the_catalog_reads_whole_is_left_out() -> None:
    tap = asked(TapISpot, {"airings"}, **ISPOT)
    for stream in tap._catalog["streams"]:  # noqa: SLF001 - the catalog that was handed over
        stream["replication_method"] = "FULL_TABLE"
    assert backfill_tap.sort_out(tap) == ({}, {"airings": "read whole each time"})


@pytest.mark.parametrize(
    ("now", "zone", "last"),
    [
        ("2024-03-11T03:59:00+00:00", "UTC", {"ispot": "2024-03-09", "daily": "2024-03-10", "log": "2024-03-10"}),
        ("2024-03-11T04:00:00+00:00", "UTC", {"ispot": "2024-03-10", "daily": "2024-03-10", "log": "2024-03-10"}),
        # The log's newest quarter of an hour is not there yet.
        ("2024-03-11T00:10:00+00:00", "UTC", {"ispot": "2024-03-09", "daily": "2024-03-10", "log": "2024-03-09"}),
        (
            "2024-03-11T00:10:00+00:00",
            "Asia/Tokyo",
            {"ispot": "2024-03-09", "daily": "2024-03-10", "log": "2024-03-10"},
        ),
    ],
)
def test_a_day_that_is_not_over_in_the_taps_zone_is_cut_off(
    now: str, zone: str, last: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for tap in (TapISpot, TapAdspect):
        monkeypatch.setattr(tap.clock, "now", lambda: dt.datetime.fromisoformat(now))
    adspect = {"api_key": "k" * 20, "reports": REPORTS, "time_zone": zone}
    told = {
        name: backfill_tap.plan(one, DAY("2024-03-01"), DAY("2024-03-31"))["last"]
        for name, one in {
            "ispot": asked(TapISpot, {"airings"}, **ISPOT),
            "daily": asked(TapAdspect, {"daily"}, **adspect),
            "log": asked(TapAdspect, {"click_log"}, **adspect),
        }.items()
    }
    assert told == last


def position(stream: str, tap: backfill_tap.Asked, bookmark: str | None) -> dict[str, Any]:
    bookmarks = {stream: {"replication_key_value": bookmark}} if bookmark else {}
    told: dict[str, Any] = backfill_tap.place(tap, DAY("2024-02-01"), DAY("2024-03-15"), bookmarks)[stream]
    return {name: value for name, value in told.items() if value}


@pytest.mark.parametrize(
    ("bookmark", "told"),
    [
        (None, {"unread": "2024-01-01"}),
        ("2024-01-31T00:00:00-05:00", {"unread": "2024-01-31"}),
        ("2024-02-01T00:00:00-05:00", {}),
        ("2024-03-15T00:00:00-04:00", {}),
        ("2024-03-16T00:00:00-04:00", {"beyond": True}),
        # The same instant, as another program might write it.
        ("2024-03-16T04:00:00Z", {"beyond": True}),
        ("yesterday", {"problem": "it is not a date or date-time"}),
    ],
)
def test_the_tap_says_where_a_bookmark_stands(bookmark: str | None, told: dict[str, Any]) -> None:
    # The look-back would ask for days before the bookmark, which are read: it does not count.
    assert position("airings", asked(TapISpot, {"airings"}, **ISPOT, lookback_days=30), bookmark) == told


@pytest.mark.parametrize(
    ("start", "told"),
    [
        ("2024-02-01", {}),
        ("2024-03-15", {}),
        ("2024-03-16", {"start_after": True}),
        ("2023-12-31", {"unread": "2023-12-31"}),
    ],
)
def test_without_a_bookmark_the_first_day_of_the_settings_counts(start: str, told: dict[str, Any]) -> None:
    for name, tap in {
        "airings": asked(TapISpot, {"airings"}, **ISPOT, start_date=start),
        "click_log": asked(TapAdspect, {"click_log"}, api_key="k" * 20, start_date=start),
    }.items():
        assert position(name, tap, None) == told


@pytest.mark.parametrize(
    ("stream", "bookmark", "told"),
    [
        # The bookmark of a report is the last day read, which may not have been over.
        ("daily", "2024-01-31", {"unread": "2024-01-31"}),
        ("daily", "2024-02-01", {}),
        ("daily", "2024-03-15", {"beyond": True}),
        ("monthly", "2024-01", {"unread": "2024-01-01"}),
        ("monthly", "2024-02", {}),
        ("monthly", "2024-03", {"beyond": True}),
        ("click_log", "2024-01-31T23:59:00Z", {"unread": "2024-01-31"}),
        ("click_log", "2024-02-01T00:00:00Z", {}),
    ],
)
def test_a_last_day_that_may_not_have_been_over_is_not_jumped_over(
    stream: str, bookmark: str, told: dict[str, Any]
) -> None:
    tap = asked(TapAdspect, {"daily", "monthly", "click_log"}, api_key="k" * 20, reports=REPORTS)
    assert position(stream, tap, bookmark) == told


# The loader


def test_loaders_of_one_table_side_by_side_lose_nothing(tmp_path: Path) -> None:
    # given four slices of one new table, whose numbers need ever more digits, and of which one has another column
    target = Path(sys.executable).with_name("target-duckdb-arrow")
    settings = {"filepath": str(tmp_path / "warehouse.duckdb"), "batch_size_rows": 100}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    truth: dict[int, tuple[Decimal, str | None]] = {}
    loaders = []
    for number in range(4):
        properties: dict[str, Any] = {"id": {"type": "integer"}, "amount": {"type": "number"}}
        if number == 3:
            properties["note"] = {"type": ["string", "null"]}
        schema = {"type": "SCHEMA", "stream": "facts", "schema": {"properties": properties}, "key_properties": ["id"]}
        lines = [json.dumps(schema)]
        for row in range(1000):
            key, note = 10_000 * number + row % 900, "read again" if number == 3 else None
            amount = f"{row}.{'7' * (number * 4 + 1)}"
            truth[key] = Decimal(amount), note
            more = f', "note": "{note}"' if note else ""
            lines.append(
                f'{{"type": "RECORD", "stream": "facts", "record": {{"id": {key}, "amount": {amount}{more}}}}}'
            )
            if row % 100 == 99:
                lines.append(json.dumps({"type": "STATE", "value": {"bookmarks": {"facts": row}}}))
        (tmp_path / f"{number}.jsonl").write_text("\n".join(lines))
    # when they are loaded at once
    for number in range(4):
        with (tmp_path / f"{number}.jsonl").open() as records:
            loaders.append(
                subprocess.Popen(
                    [str(target), "--config", str(tmp_path / "settings.json")],
                    stdin=records,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
    ended = [(*loader.communicate(timeout=120), loader.returncode) for loader in loaders]
    # then each has committed its last state, and every row is there once, digit for digit
    assert [code for *_, code in ended] == [0] * 4, ended
    assert [json.loads(states.splitlines()[-1]) for states, *_ in ended] == [{"bookmarks": {"facts": 999}}] * 4
    with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as connection:
        rows = connection.execute("select id, amount, note from facts").fetchall()
    assert len(rows) == len(truth) == 3600
    assert {key: (amount, note) for key, amount, note in rows} == truth
