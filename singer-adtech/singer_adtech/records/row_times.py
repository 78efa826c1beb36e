"""Checks of rows against the requested window.

A cache, a gateway that ignores the query or a vendor that ignores a filter may return rows of another window. The day
or instant of all rows of a page is therefore checked before the first is emitted. If one is outside, the window is read
once more. If that fails too, the stream fails.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, TypeAlias

from singer_adtech.errors import DataError, ReadAgainError
from singer_adtech.progress.stamps import Stamp
from singer_adtech.progress.windows import DAY

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from singer_sdk.helpers.types import Record

    from singer_adtech.progress.windows import DayWindow, InstantWindow

RowCheck: TypeAlias = "Callable[[Record], str | None]"
"""A function that returns the day or instant of a record outside the window, else None."""


class ForeignRowError(ReadAgainError, DataError):
    """A response contains rows of another window."""


def outside_days(
    column: str, window: DayWindow, *, zone: ZoneInfo | dt.timezone | None = None, later: int = 0
) -> RowCheck:
    """Create a check of rows by calendar day.

    Args:
        column: The column with a day or a date-time; the date part counts as written.
        window: The requested days.
        zone: The zone of these days: a date-time with another offset is converted to it.
        later: Days after the window that are also accepted.
    """
    first, last = window.first.isoformat(), (window.last + later * DAY).isoformat()
    dated = len(first)

    def check(record: Record) -> str | None:
        text: Any = record[column]
        if not isinstance(text, str) or first <= text[:dated] <= last:
            return None
        day = text[:dated]
        if zone is not None:
            try:
                moment = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
            except ValueError:
                return day
            if moment.tzinfo is not None:
                day = moment.astimezone(zone).date().isoformat()
        return None if first <= day <= last else day

    return check


def outside_instants(
    column: str,
    window: InstantWindow,
    *,
    slack: dt.timedelta = dt.timedelta(),
    open_from: dt.datetime | None = None,
) -> RowCheck:
    """Create a check of rows by instant. Both ends are accepted: most vendors do not document which they include.

    Args:
        column: The column with a date-time; without an offset it is UTC. A row without one cannot be checked.
        window: The requested instants.
        slack: Time before and after the window that is also accepted.
        open_from: All instants from this one on are accepted, because their rows may change while they are read.
    """
    utc = dt.timezone.utc
    start, end = (window.start - slack).astimezone(utc), (window.end + slack).astimezone(utc)
    # Timestamps in the vendor's usual format are compared as strings.
    low, high = (f"{moment:%Y-%m-%dT%H:%M:%S}Z" for moment in (start, end))
    usual = len(low)

    def check(record: Record) -> str | None:
        text: Any = record[column]
        if not isinstance(text, str) or (len(text) == usual and text[-1] == "Z" and low <= text <= high):
            return None
        try:
            moment = Stamp(text).instant
        except ValueError:
            return None
        if start <= moment <= end or (open_from is not None and moment >= open_from):
            return None
        return f"{moment:%Y-%m-%d}"

    return check
