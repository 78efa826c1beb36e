"""Ranges of calendar days or instants, split into windows without gaps or overlaps.

Days are calendar days of a zone, with 23 or 25 hours when clocks change, so windows are never computed in hours.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from zoneinfo import ZoneInfo

DAY = dt.timedelta(days=1)
Part: TypeAlias = "DayWindow | InstantWindow | int | str"
"""A part of a stream that is read separately: a window, or the id or name of an object to which rows belong.

A stream that is always read as a whole uses `Never`."""

PartT = TypeVar("PartT", bound="DayWindow | InstantWindow | int | str")
WindowT = TypeVar("WindowT", bound="DayWindow | InstantWindow")
Position = TypeVar("Position", dt.date, dt.datetime)


@dataclass(frozen=True, order=True)
class DayWindow:
    """Days from `first` to `last`, both included."""

    first: dt.date
    last: dt.date

    @override
    def __str__(self) -> str:
        return f"{self.first}..{self.last}"

    @property
    def next_day(self) -> dt.date:
        """The day after the window."""
        return self.last + DAY

    @property
    def stop(self) -> dt.date:
        """The start of the next window, `next_day`."""
        return self.next_day


@dataclass(frozen=True, order=True)
class InstantWindow:
    """Instants from `start` (included) to `end` (not included)."""

    start: dt.datetime
    end: dt.datetime

    @override
    def __str__(self) -> str:
        return f"{self.start.isoformat()}..{self.end.isoformat()}"

    @property
    def stop(self) -> dt.datetime:
        """The start of the next window, `end`."""
        return self.end


@dataclass(frozen=True)
class WindowPlan:
    """The windows of a stream in this run.

    Args:
        windows: The windows, in order.
        count: Their number.
        start: The start of the first one, if any.
        span: Their range, for messages.
    """

    windows: Iterator[Any]
    count: int
    start: dt.date | dt.datetime | None
    span: str

    @override
    def __str__(self) -> str:
        return f"reads {self.span}, {self.count:,} window{'' if self.count == 1 else 's'}"


def plan_instants(
    windows: Iterator[InstantWindow], start: dt.datetime, end: dt.datetime, step: dt.timedelta
) -> WindowPlan:
    """Count windows between two instants without creating them, because there may be millions."""
    if start >= end:
        return WindowPlan(windows, 0, None, "nothing, because everything was read or is in the future")
    texts = (moment.astimezone(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ") for moment in (start, end))
    return WindowPlan(windows, -((start - end) // step), start, " to ".join(texts))


def plan_days(windows: Iterable[DayWindow], zone: str) -> WindowPlan:
    """Return a plan of windows of days of a zone."""
    every = list(windows)
    if not every:
        return WindowPlan(iter(()), 0, None, f"nothing, because everything was read or is in the future ({zone})")
    return WindowPlan(iter(every), len(every), every[0].first, f"{every[0].first} to {every[-1].last} ({zone})")


def day_windows(first: dt.date, last: dt.date, days: int) -> Iterator[DayWindow]:
    """Split a range of days into windows.

    Args:
        first: The first day.
        last: The last day, inclusive; before `first` for an empty range.
        days: Days in each window; the last window may have fewer.

    Yields:
        Windows that cover the range, in order.
    """
    while first <= last:
        end = min(first + (days - 1) * DAY, last)
        yield DayWindow(first, end)
        first = end + DAY


def instant_windows(start: dt.datetime, end: dt.datetime, step: dt.timedelta) -> Iterator[InstantWindow]:
    """Split a range of instants into windows of equal length.

    Args:
        start: The first instant, with a zone.
        end: The end, exclusive; not after `start` for an empty range.
        step: Length of a window; the last one may be shorter.

    Yields:
        Windows that cover the range, in order.
    """
    # In UTC, because Python calculates with wall clocks within a zone, and windows would differ in length when clocks
    # change.
    at, last = start.astimezone(dt.timezone.utc), end.astimezone(dt.timezone.utc)
    while at < last:
        stop = min(at + step, last)
        yield InstantWindow(at.astimezone(start.tzinfo), stop.astimezone(start.tzinfo))
        at = stop


def midnight(day: dt.date, zone: ZoneInfo | dt.timezone) -> dt.datetime:
    """Return the first instant of a day in a zone."""
    return dt.datetime.combine(day, dt.time(), tzinfo=zone)


def first_day(start: dt.date, bookmark: dt.date | None, lookback_days: int) -> dt.date:
    """Return the first day to read.

    Args:
        start: The configured first day; nothing before it is read.
        bookmark: The first day not read yet, from the state; None on the first run (no look-back).
        lookback_days: Days before the bookmark that are read again because vendors restate them.
    """
    return start if bookmark is None else earlier(bookmark, lookback_days * DAY, start)


def earlier(position: Position, by: dt.timedelta, limit: Position) -> Position:
    """Return an earlier day or instant, but not before a limit, without underflow of the calendar."""
    return limit if position - limit <= by else position - by
