"""Rows held against their window."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from singer_adtech.progress.windows import DayWindow, InstantWindow
from singer_adtech.records.row_times import outside_days, outside_instants

EASTERN = ZoneInfo("America/New_York")
DAYS = DayWindow(dt.date(2024, 3, 8), dt.date(2024, 3, 9))
HOUR = InstantWindow(
    dt.datetime(2024, 3, 8, 10, tzinfo=dt.timezone.utc), dt.datetime(2024, 3, 8, 11, tzinfo=dt.timezone.utc)
)


@pytest.mark.parametrize(
    ("text", "outside"),
    [
        ("2024-03-08", None),
        ("2024-03-09T23:59:59-05:00", None),
        ("2024-03-07", "2024-03-07"),
        ("2024-03-10T00:00:00-05:00", "2024-03-10"),
        # The day before in Eastern time.
        ("2024-03-10T04:30:00Z", None),
        ("2024-03-10T05:00:00Z", "2024-03-10"),
        # Without an offset the day counts as it is written, and so does what is no date-time.
        ("2024-03-10T01:00:00", "2024-03-10"),
        ("2024-03-10 soon", "2024-03-10"),
        (None, None),
    ],
)
def test_a_row_of_another_day_is_found(text: str | None, outside: str | None) -> None:
    assert outside_days("at", DAYS, zone=EASTERN)({"at": text}) == outside


def test_days_after_the_window_may_be_its_own() -> None:
    check = outside_days("day", DAYS, later=1)
    assert [check({"day": f"2024-03-{day:02}"}) for day in (7, 8, 10, 11)] == ["2024-03-07", None, None, "2024-03-11"]


@pytest.mark.parametrize(
    ("text", "outside"),
    [
        ("2024-03-08T10:00:00Z", None),
        ("2024-03-08T11:00:00Z", None),
        ("2024-03-08T12:30:00+02:00", None),
        ("2024-03-08T09:59:59Z", "2024-03-08"),
        ("2024-03-08T11:00:00.5Z", "2024-03-08"),
        ("2024-03-08 10:30:00", None),
        ("2024-03-09T10:30:00+02:00", "2024-03-09"),
        # Nothing can be said of these.
        ("soon", None),
        (None, None),
    ],
)
def test_a_row_of_another_instant_is_found_and_its_day_is_told(text: str | None, outside: str | None) -> None:
    assert outside_instants("at", HOUR)({"at": text}) == outside


def test_a_second_of_slack_and_times_that_move_on() -> None:
    moved = HOUR.end + dt.timedelta(days=2)
    check = outside_instants("at", HOUR, slack=dt.timedelta(seconds=1), open_from=moved)
    texts = ("2024-03-08T09:59:58Z", "2024-03-08T09:59:59Z", "2024-03-08T11:00:01Z", "2024-03-08T11:00:02Z")
    assert [check({"at": text}) is None for text in texts] == [False, True, True, False]
    assert [check({"at": f"2024-03-10T{hour}:00:00Z"}) is None for hour in ("10", "11", "12")] == [False, True, True]
