"""Instants in UTC, to the second: for vendors that are asked by instants and not by calendar days."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from singer_adtech.bookmarks import InstantBookmark
from singer_adtech.errors import SettingError
from singer_adtech.settings import instant
from singer_adtech.windows import DAY

if TYPE_CHECKING:
    from collections.abc import Mapping

UTC = dt.timezone.utc


def utc_text(moment: dt.datetime) -> str:
    """Write an instant as `2024-06-01T00:00:00Z`; parts of a second are cut off."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class UTCBookmark(InstantBookmark):
    """An instant, written as `2024-06-01T00:00:00Z`; one without an offset is read as UTC."""

    def __init__(self) -> None:
        super().__init__(UTC)

    @override
    def write(self, position: dt.datetime) -> str:
        return utc_text(position)


@dataclass(frozen=True)
class InstantRange:
    """What the settings ask for, in UTC and whole seconds.

    Args:
        start: The first instant to read.
        end: The first instant that is not read; not after `start` if there is nothing to read.
        limit: `end_date` as an instant, exclusive, even if it lies in the future; None without that setting.
    """

    start: dt.datetime
    end: dt.datetime
    limit: dt.datetime | None


def instant_range(config: Mapping[str, Any], now: dt.datetime) -> InstantRange:
    """Read `start_date` and `end_date` as instants.

    Args:
        config: The settings; a day of `start_date` means its midnight, one of `end_date` the midnight after it (UTC).
        now: The present instant; nothing after it is asked for.

    Raises:
        SettingError: One is unreadable, or the start is after the end.
    """
    start = instant(config["start_date"], "start_date", UTC).replace(microsecond=0)
    now = now.astimezone(UTC).replace(microsecond=0)
    if not config.get("end_date"):
        return InstantRange(start, now, None)
    limit = instant(config["end_date"], "end_date", UTC)
    whole_day = _is_day(config["end_date"])
    if whole_day:
        limit += DAY
    # A range without an instant in it is nobody's mistake, unless its end is a day before that of the start.
    if start > limit or (whole_day and start == limit):
        raise SettingError(
            f"setting `end_date`: {config['end_date']!r} is before `start_date` {config['start_date']!r}",
            "give a later day or instant, or leave it out to read up to now",
        )
    if limit.microsecond:
        # The part of a second before the end is wanted, and can be asked for only as a whole second.
        limit = limit.replace(microsecond=0) + dt.timedelta(seconds=1)
    return InstantRange(start, min(limit, now), limit)


def _is_day(text: str) -> bool:
    try:
        dt.date.fromisoformat(text.strip())
    except ValueError:
        return False
    return True
