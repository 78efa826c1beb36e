"""The settings `start_date` and `end_date`: one form, a few words, and what they mean on the day of the run."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from singer_adtech.dates import ALLOWED, check_dates, date_range, read_moment
from singer_adtech.errors import SettingError

NEW_YORK = ZoneInfo("America/New_York")
NOW = dt.datetime(2024, 3, 11, 2, tzinfo=dt.timezone.utc)  # 22:00 on the 10th in New York


@pytest.mark.parametrize(
    ("text", "instant", "whole_day"),
    [
        ("2024-03-10", "2024-03-10T00:00:00-05:00", True),
        ("2024-03-11", "2024-03-11T00:00:00-04:00", True),
        (" 2024-03-11 ", "2024-03-11T00:00:00-04:00", True),
        ("2024-03-10T12:00:00", "2024-03-10T12:00:00-04:00", False),
        ("2024-03-10 12:00", "2024-03-10T12:00:00-04:00", False),
        ("2024-03-10T02:00:00Z", "2024-03-09T21:00:00-05:00", False),
        ("2024-03-10t02:00:00z", "2024-03-09T21:00:00-05:00", False),
        ("2024-03-10T02:00:00+0100", "2024-03-09T20:00:00-05:00", False),
        ("2024-03-10T02:00:00+01", "2024-03-09T20:00:00-05:00", False),
        (" 2024-03-10T02:00:00+01:00 ", "2024-03-09T20:00:00-05:00", False),
        ("2024-03-10T02:00:00-05:30", "2024-03-10T03:30:00-04:00", False),
        ("2024-03-10T02:00:00,5Z", "2024-03-09T21:00:00.500000-05:00", False),
        ("2024-03-10T02:00:00.123456789Z", "2024-03-09T21:00:00.123456-05:00", False),
        ("today", "2024-03-10T00:00:00-05:00", True),
        ("Yesterday", "2024-03-09T00:00:00-05:00", True),
        ("1 day ago", "2024-03-09T00:00:00-05:00", True),
        (" 3  DAYS ago", "2024-03-07T00:00:00-05:00", True),
        ("0 days ago", "2024-03-10T00:00:00-05:00", True),
        ("9999-12-31", "8999-12-31T19:00:00-05:00", True),
        ("9999-12-31T23:59:59-14:00", "8999-12-31T19:00:00-05:00", False),
    ],
)
def test_a_date_setting_is_an_instant_of_the_zone(text: str, instant: str, *, whole_day: bool) -> None:
    # when
    moment = read_moment(text, "start_date", NEW_YORK, NOW)
    # then
    assert (moment.at.isoformat(), moment.whole_day) == (instant, whole_day)


@pytest.mark.parametrize(
    "text",
    [
        *("2026", "2026-11", "2026-1-1", "01.02.2026", "01/02/2026", "26-11-24", "20261101", "2026-W45", "2026-W45-1"),
        *("2026-305", "2024-13-01", "2024-02-30", "1735689600", "1735689600.0", "", "soon", "tomorrow", "now"),
        *("last week", "3 weeks ago", "-3 days ago", "1.5 days ago", "2024-03-01T25:00", "2024-03-01T10:00+25:00"),
        *(
            "2024-03-01T10:00 UTC",
            "2024-03-01T24:00:00",
            "2024-03-01..2024-03-02",
            "\u0662\u0660\u0662\u0664-03-01",
            "2024-03-01T",
        ),
    ],
)
def test_a_date_that_could_be_misread_is_refused_in_one_line_that_says_what_is_allowed(text: str) -> None:
    # when
    with pytest.raises(SettingError) as caught:
        read_moment(text, "start_date", NEW_YORK, NOW)
    # then
    assert str(caught.value) == " ".join(f"setting `start_date`: {text!r} is not allowed: {ALLOWED}".split())


@pytest.mark.parametrize("text", ["1970-01-01", "1970-12-31T23:59:59Z"])
def test_the_year_1970_is_allowed(text: str) -> None:
    assert read_moment(text, "end_date", NEW_YORK, NOW).written.year == 1970


@pytest.mark.parametrize(
    "text", ["0001-01-01", "0001-01-01T00:00:00+05:00", "1969-12-31", "999999999 days ago", "30000 days ago"]
)
def test_a_date_before_1970_is_refused_and_does_not_overflow(text: str) -> None:
    # when
    with pytest.raises(SettingError) as caught:
        read_moment(text, "end_date", NEW_YORK, NOW)
    # then
    assert str(caught.value) == f"setting `end_date`: {text!r} is before 1970: give a later day"


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        ("2024-03-01", "2024-03-05", "2024-03-01", "2024-03-05"),
        ("2024-03-01", "2024-03-01", "2024-03-01", "2024-03-01"),
        ("2024-03-01", None, "2024-03-01", "2024-03-10"),  # today in New York, where it is not the 11th yet
        ("2024-03-01", "", "2024-03-01", "2024-03-10"),
        ("2024-03-01", "2030-01-01", "2024-03-01", "2024-03-10"),
        ("2024-03-01", "9999-12-31", "2024-03-01", "2024-03-10"),
        ("2024-03-02T03:00:00Z", "2024-03-05T03:00:00Z", "2024-03-01", "2024-03-04"),
        ("3 days ago", "yesterday", "2024-03-07", "2024-03-09"),
        ("2030-01-01", "2030-02-01", "2030-01-01", "2024-03-10"),
    ],
)
def test_the_range_has_both_ends_and_no_day_after_today(start: str, end: str | None, first: str, last: str) -> None:
    # when
    days = date_range({"start_date": start, "end_date": end}, NEW_YORK, NOW)
    # then
    assert [day.isoformat() for day in days] == [first, last]


def test_an_instant_may_mean_the_day_that_is_written() -> None:
    # given
    config = {"start_date": "2024-03-02T03:00:00Z", "end_date": "2024-03-05T03:00:00Z"}
    # when
    days = date_range(config, NEW_YORK, NOW, as_written=True)
    # then
    assert [day.isoformat() for day in days] == ["2024-03-02", "2024-03-05"]


@pytest.mark.parametrize("as_written", [False, True])
def test_an_end_before_the_start_is_refused(*, as_written: bool) -> None:
    # when
    with pytest.raises(SettingError) as caught:
        date_range({"start_date": "2024-03-05", "end_date": "2024-03-04"}, NEW_YORK, NOW, as_written=as_written)
    # then
    assert str(caught.value) == (
        "setting `end_date`: '2024-03-04' is before `start_date` '2024-03-05': "
        "give a later day, or leave it out to read up to today"
    )


@pytest.mark.parametrize("start", ["2024-03-11", "2024-03-10T22:00:01-04:00", "2030-01-01", "9999-12-31"])
def test_a_start_in_the_future_is_refused(start: str) -> None:
    # when
    with pytest.raises(SettingError) as caught:
        check_dates({"start_date": start}, NEW_YORK, NOW)
    # then
    assert str(caught.value) == (
        f"setting `start_date`: {start!r} is in the future: it is now 2024-03-10 22:00 (America/New_York): give an "
        "earlier date"
    )


@pytest.mark.parametrize("start", ["2024-03-10", "2024-03-10T22:00:00-04:00", "today"])
def test_a_start_that_has_begun_is_taken(start: str) -> None:
    check_dates({"start_date": start}, NEW_YORK, NOW)
