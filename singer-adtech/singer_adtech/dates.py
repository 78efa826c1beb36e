"""The settings `start_date` and `end_date`: accepted formats and their meaning on the day of the run.

Dates have a single format, because others can be misread (`01.02.2026`, `26-11-24`, `20261101`). Relative dates are
resolved at the start of the run. The state does not depend on the format of a date.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from singer_adtech.errors import SettingError, shorten
from singer_adtech.http.addresses import may_hold_credentials
from singer_adtech.progress.windows import DAY, midnight

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

ALLOWED = (
    "give an ISO 8601 date such as 2024-03-01, a date-time such as 2024-03-01T06:00:00-05:00, or `today`, `yesterday`, "
    "`3 days ago`"
)
FIRST_YEAR = 1970
"""No vendor has data from earlier years, and earlier timestamps are negative."""

FAR = dt.datetime(9000, 1, 1, tzinfo=dt.timezone.utc)
"""Replaces later dates, to leave room for a UTC offset and one more day."""

_WRITTEN = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ](?P<time>[0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:[.,](?P<fraction>[0-9]+))?"
    r" ?(?P<zone>[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_AGO = re.compile(r"(?P<word>today|yesterday)|(?P<days>[0-9]{1,9}) days? ago", re.IGNORECASE)


@dataclass(frozen=True)
class Moment:
    """A parsed date setting.

    Attributes:
        at: The instant in the tap's time zone; midnight for a day.
        written: The date as written, regardless of its offset.
        whole_day: Whether the setting is a day without a time.
    """

    at: dt.datetime
    written: dt.date
    whole_day: bool

    def day(self, *, as_written: bool = False) -> dt.date:
        """Return the day of the instant, or the day as written."""
        return self.written if as_written else self.at.date()


def read_moment(text: str, setting: str, day_zone: ZoneInfo | dt.timezone, now: dt.datetime) -> Moment:
    """Parse a date setting.

    Args:
        text: A date, a date-time (without an offset: in `day_zone`), `today`, `yesterday` or `N days ago`.
        setting: Name of the setting, for error messages.
        day_zone: The time zone of the tap's days.
        now: The start of the run.

    Raises:
        SettingError: The text has none of these formats, or is before 1970.
    """
    shown = f"setting `{setting}`: {'the value' if may_hold_credentials(text) else shorten(repr(text), 80)}"
    folded = " ".join(text.split())
    ago = _AGO.fullmatch(folded)
    try:
        if ago is not None:
            word = (ago["word"] or "").lower()
            days = {"today": 0, "yesterday": 1}.get(word) if word else int(ago["days"])
            day = now.astimezone(day_zone).date() - (days or 0) * DAY
            moment = Moment(midnight(day, day_zone), day, whole_day=True)
        else:
            moment = _absolute(folded, day_zone)
    except OverflowError:
        raise SettingError(f"{shown} is before {FIRST_YEAR}", "give a later day") from None
    except ValueError:
        raise SettingError(f"{shown} is not allowed", ALLOWED) from None
    if moment.written.year < FIRST_YEAR:
        raise SettingError(f"{shown} is before {FIRST_YEAR}", "give a later day")
    return moment


def _absolute(text: str, day_zone: ZoneInfo | dt.timezone) -> Moment:
    """Parse a date or date-time; raise `ValueError` if invalid, `OverflowError` if too early to compute."""
    parts = _WRITTEN.fullmatch(text)
    if parts is None:
        raise ValueError(text)
    day = dt.date.fromisoformat(parts["day"])
    whole_day = parts["time"] is None
    wall = dt.datetime.combine(day, dt.time() if whole_day else dt.time.fromisoformat(parts["time"]))
    wall = wall.replace(microsecond=int((parts["fraction"] or "")[:6].ljust(6, "0")))
    if day.year >= FAR.year:
        return Moment(FAR.astimezone(day_zone), day, whole_day)
    zone = parts["zone"]
    if zone is None:
        return Moment(wall.replace(tzinfo=day_zone), day, whole_day)
    if zone not in {"Z", "z"}:
        # `time.fromisoformat` rejects invalid offsets.
        digits = zone[1:].replace(":", "").ljust(4, "0")
        at_offset = dt.time.fromisoformat(f"{digits[:2]}:{digits[2:]}")
        offset = dt.timedelta(hours=at_offset.hour, minutes=at_offset.minute)
        wall = wall + offset if zone[0] == "-" else wall - offset
    return Moment(wall.replace(tzinfo=dt.timezone.utc).astimezone(day_zone), day, whole_day)


def date_range(
    config: Mapping[str, Any],
    day_zone: ZoneInfo | dt.timezone,
    now: dt.datetime,
    *,
    as_written: bool = False,
) -> tuple[dt.date, dt.date]:
    """Parse `start_date` and `end_date` as days.

    Args:
        config: The settings.
        day_zone: The time zone of the tap's days, used to convert instants to days.
        now: The start of the run; later days are not read.
        as_written: Whether an instant means its date as written, regardless of its offset.

    Returns:
        The first and last day, inclusive. The last may be before the first if the first has not begun in `day_zone`.

    Raises:
        SettingError: A date is invalid, or `end_date` is before `start_date`.
    """
    today = now.astimezone(day_zone).date()
    first = read_moment(config["start_date"], "start_date", day_zone, now).day(as_written=as_written)
    if not config.get("end_date"):
        return first, today
    last = read_moment(config["end_date"], "end_date", day_zone, now).day(as_written=as_written)
    if last < first:
        raise SettingError(
            f"setting `end_date`: {config['end_date']!r} is before `start_date` {config['start_date']!r}",
            "give a later day, or leave it out to read up to today",
        )
    return first, min(last, today)


def check_dates(
    config: Mapping[str, Any],
    day_zone: ZoneInfo | dt.timezone,
    now: dt.datetime,
    *,
    as_written: bool = False,
) -> None:
    """Check the dates; see `date_range` for the arguments.

    Raises:
        SettingError: A date is invalid, `end_date` is before `start_date`, or `start_date` is in the future.
    """
    date_range(config, day_zone, now, as_written=as_written)
    start = read_moment(config["start_date"], "start_date", day_zone, now)
    here = now.astimezone(day_zone)
    future = (
        start.at > here if not start.whole_day and not as_written else start.day(as_written=as_written) > here.date()
    )
    if future:
        raise SettingError(
            f"setting `start_date`: {config['start_date']!r} is in the future: it is now {here:%Y-%m-%d %H:%M} "
            f"({zone_name(day_zone)})",
            "give an earlier date",
        )


def zone_name(zone: ZoneInfo | dt.timezone) -> str:
    """Return the name of a time zone for messages: its IANA name, or `UTC`."""
    return getattr(zone, "key", None) or str(zone)
