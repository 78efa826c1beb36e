"""Reports: windows, bookmarks, and what a state was made with."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.testing import FakeClock
from vendor_simulators.magnite import MagniteSimulator

if TYPE_CHECKING:
    from magnite_fixtures import Script
    from singer_adtech.testing import TapRunner
    from vendor_simulators.pytest_plugin import Simulate

BASE = "/v1/resources"
QUERIES = f"{BASE}/queries"
SIGNATURE: dict[str, Any] = {
    "time_zone": "UTC",
    "dimensions": ["adUnit", "currency", "day", "publisher", "supply"],
    "source": "adstats-publisher",
    "filters": [],
    "constraints": [],
    "conversions": [],
    "parent": None,
    "definition": {},
}


def clock(text: str) -> FakeClock:
    """Make a clock that stands at an instant."""
    return FakeClock(dt.datetime.fromisoformat(text))


def ranges(vendor: Any) -> list[tuple[str, str]]:
    """Return the days of each query that was accepted."""
    posts = [one for one in vendor.journal.matching(QUERIES, "POST") if one.status == 200]
    return [(one.json()["range"]["fromDate"], one.json()["range"]["toDate"]) for one in posts]


def bookmark(day: str) -> dict[str, Any]:
    """Make a state as the specification prints it."""
    return {"bookmarks": {"adstats_daily": {"replication_key": "day", "replication_key_value": day}}}


@pytest.fixture
def month(simulate: Simulate) -> MagniteSimulator:
    """A vendor with March 2025, ten rows a day."""
    return simulate(MagniteSimulator(first_day=dt.date(2025, 3, 1), days=31, rows_per_day=10))


ACCOUNT = hashlib.sha256(b"tap-magnite Monkey Media, LLC").hexdigest()[:16]
"""What the state keeps of the company that a login names."""


def test_the_first_run_of_the_example(run_tap: TapRunner, month: MagniteSimulator) -> None:
    run = run_tap(month.settings(), "adstats_daily", clock=clock("2025-03-24T12:00:00+00:00"))
    assert ranges(month) == [
        ("2025-03-01", "2025-03-07"),
        ("2025-03-08", "2025-03-14"),
        ("2025-03-15", "2025-03-21"),
        ("2025-03-22", "2025-03-24"),
    ]
    assert list(dict.fromkeys(run.bookmarks("adstats_daily"))) == [
        "2025-03-07",
        "2025-03-14",
        "2025-03-21",
        "2025-03-24",
    ]
    assert run.states[-1]["bookmarks"]["adstats_daily"] == {
        "replication_key": "day",
        "replication_key_value": "2025-03-24",
        "read_from": "2025-03-01",
        "account": ACCOUNT,
        **SIGNATURE,
    }
    # 1 login, 4 submits, polls, 4 results, 1 logout
    methods = [(one.method, one.path.rpartition("/")[2]) for one in month.journal]
    assert methods.count(("POST", "sessions")) == 1
    assert methods.count(("POST", "queries")) == 4
    assert methods.count(("GET", "results")) == 4
    assert [method for method, _ in methods].count("DELETE") == 1
    assert len(methods) == 1 + 4 + 8 + 4 + 1


def test_the_second_run_of_the_example(run_tap: TapRunner, month: MagniteSimulator) -> None:
    now = clock("2025-03-31T12:00:00+00:00")
    run = run_tap(month.settings(), "adstats_daily", state=bookmark("2025-03-24"), clock=now)
    assert ranges(month) == [("2025-03-21", "2025-03-27"), ("2025-03-28", "2025-03-31")]
    assert list(dict.fromkeys(run.bookmarks("adstats_daily"))) == ["2025-03-24", "2025-03-27", "2025-03-31"]


def test_the_restart_of_the_example(run_tap: TapRunner, month: MagniteSimulator) -> None:
    # Given a first run that fails in its third query
    month.queries.outcomes.extend(["completed", "completed", "errored", "errored"])
    failed = run_tap(month.settings(), "adstats_daily", fails=True)
    assert failed.bookmarks("adstats_daily")[-1] == "2025-03-14"
    # When it is started again
    month.journal.clear()
    run = run_tap(month.settings(), "adstats_daily", state=failed.states[-1])
    # Then
    assert ranges(month) == [("2025-03-11", "2025-03-17"), ("2025-03-18", "2025-03-24")]
    assert list(dict.fromkeys(run.bookmarks("adstats_daily"))) == ["2025-03-14", "2025-03-17", "2025-03-24"]
    loaded = {record["row_key"]: record for record in [*failed.records("adstats_daily"), *run.records("adstats_daily")]}
    assert [loaded[key] for key in sorted(loaded)] == month.truth("adstats_daily", last_day=dt.date(2025, 3, 24))


def test_a_state_follows_each_window_and_its_rows(run_tap: TapRunner, month: MagniteSimulator) -> None:
    run = run_tap({**month.settings(), "end_date": "2025-03-21"}, "adstats_daily")
    kinds = [one["type"] for one in run.messages if one["type"] != "SCHEMA"]
    # Seven days of ten rows, then a STATE
    assert kinds[:213] == (["RECORD"] * 70 + ["STATE"]) * 3


def test_an_empty_window_moves_the_bookmark(run_tap: TapRunner, simulate: Simulate) -> None:
    empty = tuple(dt.date(2025, 3, day) for day in range(1, 8))
    simulator = simulate(MagniteSimulator(first_day=dt.date(2025, 3, 1), days=9, rows_per_day=10, empty_days=empty))
    run = run_tap({**simulator.settings(), "end_date": "2025-03-07"}, "adstats_daily")
    assert run.records("adstats_daily") == []
    assert run.bookmarks("adstats_daily")[-1] == "2025-03-07"


def test_windows_inside_the_look_back_leave_the_bookmark(run_tap: TapRunner, month: MagniteSimulator) -> None:
    settings = {**month.settings(), "window_days": 2, "lookback_days": 5, "end_date": "2025-03-24"}
    run = run_tap(settings, "adstats_daily", state=bookmark("2025-03-23"))
    assert ranges(month) == [
        ("2025-03-18", "2025-03-19"),
        ("2025-03-20", "2025-03-21"),
        ("2025-03-22", "2025-03-23"),
        ("2025-03-24", "2025-03-24"),
    ]
    assert run.bookmarks("adstats_daily") == ["2025-03-23"] * 4 + ["2025-03-24"] * (len(run.states) - 4)


@pytest.mark.parametrize(
    ("configured", "state", "expected"),
    [
        ({"lookback_days": 0}, "2025-03-23", [("2025-03-23", "2025-03-24")]),
        ({"start_date": "2025-03-22"}, "2025-03-23", [("2025-03-22", "2025-03-24")]),
        ({"end_date": "2025-03-10"}, "2025-03-20", []),
        ({"start_date": "2025-03-23", "end_date": "2030-01-01"}, None, [("2025-03-23", "2025-03-24")]),
        ({"start_date": "2025-03-23T23:30:00-08:00"}, None, [("2025-03-23", "2025-03-24")]),
        ({"start_date": "2025-03-23T00:30:00+14:00"}, None, [("2025-03-23", "2025-03-24")]),
        ({"start_date": "2025-03-22", "end_date": "2025-03-23T23:59:59Z"}, None, [("2025-03-22", "2025-03-23")]),
    ],
    ids=str,
)
def test_first_and_last_day(
    run_tap: TapRunner,
    month: MagniteSimulator,
    configured: dict[str, Any],
    state: str | None,
    expected: list[tuple[str, str]],
) -> None:
    settings = {**month.settings(), **configured}
    run = run_tap(settings, "adstats_daily", state=bookmark(state) if state else None)
    assert ranges(month) == expected
    last = expected[-1][1] if expected else None
    stands = [day for day in (last, state) if day is not None]
    assert run.bookmarks("adstats_daily")[-1:] == ([max(stands)] if stands else [])


@pytest.mark.parametrize(
    ("zone", "now", "today"),
    [
        ("America/Los_Angeles", "2025-03-24T06:59:00+00:00", "2025-03-23"),
        ("America/Los_Angeles", "2025-03-24T07:00:00+00:00", "2025-03-24"),
        ("Pacific/Auckland", "2025-03-23T11:00:00+00:00", "2025-03-24"),
    ],
)
def test_today_is_that_of_the_reports_zone(
    run_tap: TapRunner, month: MagniteSimulator, zone: str, now: str, today: str
) -> None:
    settings = {**month.settings(), "start_date": "2025-03-22", "time_zone": zone}
    run_tap(settings, "adstats_daily", clock=clock(now))
    assert ranges(month) == [("2025-03-22", today)]
    posts = month.journal.matching(QUERIES, "POST")
    assert {post.json()["range"]["timeZone"] for post in posts} == {zone}


@pytest.mark.parametrize(("first", "last"), [("2025-03-08", "2025-03-11"), ("2024-11-01", "2024-11-05")])
def test_days_of_a_clock_change_are_asked_for_once(run_tap: TapRunner, script: Script, first: str, last: str) -> None:
    vendor = script.rows()
    settings = {**vendor.settings(), "start_date": first, "end_date": last, "window_days": 1}
    run_tap({**settings, "time_zone": "America/New_York"}, "adstats_daily")
    day = dt.date.fromisoformat(first)
    days = [(day + dt.timedelta(days=one)).isoformat() for one in range((dt.date.fromisoformat(last) - day).days + 1)]
    assert ranges(vendor) == [(one, one) for one in days]


def test_a_window_of_45_days_counts_both_ends(run_tap: TapRunner, script: Script) -> None:
    vendor = script.rows()
    settings = {**vendor.settings(), "start_date": "2025-01-01", "end_date": "2025-03-01", "window_days": 45}
    run_tap(settings, "adstats_daily")
    assert ranges(vendor) == [("2025-01-01", "2025-02-14"), ("2025-02-15", "2025-03-01")]


def test_a_report_has_its_own_zone_window_and_look_back(run_tap: TapRunner, month: MagniteSimulator) -> None:
    report = {
        "name": "own",
        "dimensions": ["day", "brand"],
        "metrics": ["requests"],
        "time_zone": "Asia/Tokyo",
        "window_days": 10,
        "lookback_days": 1,
    }
    settings = {**month.settings(), "reports": [report]}
    state = {"bookmarks": {"own": {"replication_key": "day", "replication_key_value": "2025-03-10"}}}
    run_tap(settings, "own", state=state, clock=clock("2025-03-24T15:00:00+00:00"))
    assert ranges(month) == [("2025-03-09", "2025-03-18"), ("2025-03-19", "2025-03-25")]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"time_zone": "Europe/Berlin"}, "its state was made with time_zone UTC, now Europe/Berlin"),
        (
            {"dimensions": ["day", "brand"]},
            "its state was made with dimensions adUnit, currency, day, publisher, supply, now brand, day",
        ),
        ({"source": "deals-publisher"}, "its state was made with source adstats-publisher, now deals-publisher"),
        (
            {"filters": [{"field": "brand", "value": 1}]},
            'its state was made with filters none, now [{"field":"brand","negate":false,"value":[1]}]',
        ),
        (
            {"constraints": [{"field": "requests", "operator": ">", "value": 1}]},
            'its state was made with constraints none, now [{"field":"requests","operator":">","value":1}]',
        ),
    ],
    ids=lambda value: "".join(value) if isinstance(value, dict) else "",
)
def test_a_state_made_with_another_meaning_is_refused(
    run_tap: TapRunner, month: MagniteSimulator, changed: dict[str, Any], said: str
) -> None:
    report = {
        "name": "adstats_daily",
        "dimensions": ["currency", "day", "publisher", "supply", "adUnit"],
        "metrics": ["impressions"],
    }
    made_with = bookmark("2025-03-20")
    made_with["bookmarks"]["adstats_daily"] |= SIGNATURE
    # The order of dimensions and the metrics play no part
    run_tap({**month.settings(), "reports": [report]}, "adstats_daily", state=made_with)
    month.journal.clear()
    run = run_tap(
        {**month.settings(), "reports": [{**report, **changed}]}, "adstats_daily", state=made_with, fails=True
    )
    assert run.error == (
        f"stream adstats_daily: report adstats_daily: {said}: give the report another name or clear its state (by a "
        "new state id or `--full-refresh`), or undo the change"
    )
    assert len(month.journal) == 0


def test_numbers_with_a_point_in_a_state(run_tap: TapRunner, month: MagniteSimulator) -> None:
    # Given a state that was written with a constraint and a filter of a tenth, and is read with decimals
    report = {
        "name": "own",
        "dimensions": ["day", "brand"],
        "metrics": ["netRevenue"],
        "filters": [{"field": "brand", "value": [0.1], "negate": True}],
        "constraints": [{"field": "netRevenue", "operator": ">=", "value": 0.1}],
    }
    settings = {**month.settings(), "reports": [report]}
    first = run_tap({**settings, "end_date": "2025-03-07"}, "own")
    assert first.states[-1]["bookmarks"]["own"]["constraints"] == [
        {"field": "netRevenue", "operator": ">=", "value": "0.1"}
    ]
    # When it is gone on from, then nothing has changed
    run_tap(settings, "own", state=first.states[-1])
    assert month.journal.matching(QUERIES, "POST")[-1].json()["constraints"] == report["constraints"]
