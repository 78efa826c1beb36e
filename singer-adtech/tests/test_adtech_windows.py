"""Windows of days and of instants."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_adtech.progress.windows import DayWindow, InstantWindow, day_windows, first_day, instant_windows, midnight

NEW_YORK = ZoneInfo("America/New_York")
UTC = dt.timezone.utc
ZONES = [
    ZoneInfo(name)
    for name in ("UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Chatham")
]
DAYS = st.dates(dt.date(2011, 1, 1), dt.date(2031, 12, 31))


def test_windows_include_the_last_day_and_the_last_window_is_cut() -> None:
    # when
    windows = list(day_windows(dt.date(2024, 2, 27), dt.date(2024, 3, 2), 3))
    # then
    assert windows == [
        DayWindow(dt.date(2024, 2, 27), dt.date(2024, 2, 29)),
        DayWindow(dt.date(2024, 3, 1), dt.date(2024, 3, 2)),
    ]
    assert [str(window) for window in windows] == ["2024-02-27..2024-02-29", "2024-03-01..2024-03-02"]
    assert windows[-1].next_day == dt.date(2024, 3, 3)


def test_a_range_that_ends_before_it_starts_has_no_window() -> None:
    assert list(day_windows(dt.date(2024, 3, 2), dt.date(2024, 3, 1), 1)) == []


@given(first=DAYS, length=st.integers(-2, 400), days=st.integers(1, 40))
def test_day_windows_cover_each_day_once_in_order(first: dt.date, length: int, days: int) -> None:
    # given
    last = first + dt.timedelta(days=length - 1)
    # when
    windows = list(day_windows(first, last, days))
    # then
    covered = [
        window.first + dt.timedelta(days=number)
        for window in windows
        for number in range((window.last - window.first).days + 1)
    ]
    assert covered == [first + dt.timedelta(days=number) for number in range(max(0, length))]
    assert all((window.last - window.first).days + 1 == days for window in windows[:-1])
    assert all(1 <= (window.last - window.first).days + 1 <= days for window in windows)


@pytest.mark.parametrize(
    ("day", "hours"),
    [(dt.date(2024, 3, 9), 24), (dt.date(2024, 3, 10), 23), (dt.date(2024, 11, 3), 25), (dt.date(2024, 11, 4), 24)],
)
def test_a_day_of_a_clock_change_is_one_whole_day(day: dt.date, hours: int) -> None:
    # given
    (window,) = day_windows(day, day, 1)
    # when
    start, end = midnight(window.first, NEW_YORK), midnight(window.next_day, NEW_YORK)
    # then
    assert end.astimezone(UTC) - start.astimezone(UTC) == dt.timedelta(hours=hours)


def test_midnight_has_the_offset_in_force() -> None:
    assert midnight(dt.date(2024, 3, 10), NEW_YORK).isoformat() == "2024-03-10T00:00:00-05:00"
    assert midnight(dt.date(2024, 3, 11), NEW_YORK).isoformat() == "2024-03-11T00:00:00-04:00"


@given(day=DAYS, zone=st.sampled_from(ZONES))
def test_midnights_are_in_order_and_a_day_apart(day: dt.date, zone: ZoneInfo) -> None:
    # when
    start, end = (midnight(one, zone).astimezone(UTC) for one in (day, day + dt.timedelta(days=1)))
    # then
    assert dt.timedelta(hours=23) <= end - start <= dt.timedelta(hours=25)


@given(
    start=DAYS.map(lambda day: dt.datetime.combine(day, dt.time(tzinfo=UTC))),
    hours=st.integers(0, 23),
    length=st.timedeltas(dt.timedelta(hours=-1), dt.timedelta(days=4)),
    step=st.timedeltas(dt.timedelta(minutes=10), dt.timedelta(days=2)),
    zone=st.sampled_from(ZONES),
)
def test_instant_windows_cover_the_range_once_in_order(
    start: dt.datetime, hours: int, length: dt.timedelta, step: dt.timedelta, zone: ZoneInfo
) -> None:
    # given
    start += dt.timedelta(hours=hours)
    end = start + length
    # when
    windows = list(instant_windows(start.astimezone(zone), end.astimezone(zone), step))
    # then
    edges = [(window.start.astimezone(UTC), window.end.astimezone(UTC)) for window in windows]
    assert [one for one, _ in edges] == [start, *(two for _, two in edges[:-1])][: len(edges)]
    assert bool(edges) == (length > dt.timedelta(0))
    assert not edges or edges[-1][1] == end
    assert all(two - one == step for one, two in edges[:-1])
    assert all(dt.timedelta(0) < two - one <= step for one, two in edges)


def test_instant_windows_inside_the_hour_that_repeats_are_kept() -> None:
    # given: 01:30 before, and 01:15 after the clocks went back; 45 minutes in all
    start = dt.datetime(2024, 11, 3, 1, 30, tzinfo=NEW_YORK)
    end = dt.datetime(2024, 11, 3, 1, 15, fold=1, tzinfo=NEW_YORK)
    # when
    windows = list(instant_windows(start, end, dt.timedelta(minutes=30)))
    # then
    assert [str(window) for window in windows] == [
        "2024-11-03T01:30:00-04:00..2024-11-03T01:00:00-05:00",
        "2024-11-03T01:00:00-05:00..2024-11-03T01:15:00-05:00",
    ]


def test_instant_windows_keep_the_zone_and_say_their_range() -> None:
    # when
    (window,) = instant_windows(
        dt.datetime(2024, 3, 1, tzinfo=NEW_YORK), dt.datetime(2024, 3, 1, 6, tzinfo=NEW_YORK), dt.timedelta(hours=12)
    )
    # then
    assert window == InstantWindow(
        dt.datetime(2024, 3, 1, tzinfo=NEW_YORK), dt.datetime(2024, 3, 1, 6, tzinfo=NEW_YORK)
    )
    assert str(window) == "2024-03-01T00:00:00-05:00..2024-03-01T06:00:00-05:00"


def test_the_first_run_looks_back_at_nothing() -> None:
    assert first_day(dt.date(2024, 3, 8), None, 30) == dt.date(2024, 3, 8)


def test_a_later_run_looks_back_from_the_bookmark() -> None:
    assert first_day(dt.date(2024, 3, 8), dt.date(2024, 3, 20), 2) == dt.date(2024, 3, 18)


def test_the_look_back_never_reaches_before_the_configured_start() -> None:
    assert first_day(dt.date(2024, 3, 8), dt.date(2024, 3, 9), 30) == dt.date(2024, 3, 8)
