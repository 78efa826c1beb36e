"""The results of checks, and the checks of one reading."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec

from singer_adtech.progress.windows import DAY, midnight

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from singer_adtech.doctor.probe import Sample

OK = "ok"
FAILED = "FAILED"
WARNING = "warning"
NOT_TESTED = "not tested"

MOST_NAMED = 20
"""Names of fields in one result."""

ENOUGH_ROWS = 50
"""Rows from which on an empty part of the range is a sign."""

QUIET = dt.timedelta(hours=8)
"""Time without rows at one end of the range that is accepted; traffic may rest at night."""

_NAME = re.compile(r"[A-Za-z_][\w.]{0,59}")
_ENCODE = msgspec.json.Encoder(order="sorted").encode

Key = tuple[Any, ...]


@dataclass
class Result:
    """The result of a check.

    Attributes:
        check: Its name.
        outcome: `OK`, `FAILED`, `WARNING` or `NOT_TESTED`.
        text: The assumption that is wrong and what to do, or the reason.
        requests: Requests that were sent for it.
        rows: Rows that were received for it.
    """

    check: str
    outcome: str
    text: str = ""
    requests: int = 0
    rows: int = 0


def table(records: Iterable[Mapping[str, Any]], keys: Sequence[str], without: Collection[Any] = ()) -> dict[Key, int]:
    """Return the hash of each row by its key; the last row of a key counts.

    Args:
        records: The rows.
        keys: The columns of the key.
        without: Values that are not compared.
    """
    return {
        tuple(record.get(name) for name in keys): hash(
            _ENCODE({name: value for name, value in record.items() if not (without and value in without)})
        )
        for record in records
    }


def fields(sample: Sample) -> Result:
    """Name fields that the schema does not have, and columns without any value."""
    extra: Counter[str] = Counter(name for record in sample.records for name in record.get("_extra") or {})
    seen = {name for record in sample.records for name, value in record.items() if value not in (None, [], {}, "")}
    empty = [name for name in sample.columns if name not in seen and name != "_extra"]
    if not sample.records:
        return Result("fields", NOT_TESTED, "no rows")
    notes = []
    if extra:
        notes.append(f"not in the schema, kept in `_extra`: {names(extra)}")
    if empty:
        notes.append(f"without a value in the sample: {names(empty)}")
    return Result("fields", OK, "; ".join(notes))


def names(found: Collection[str]) -> str:
    """Write the names of fields, and count those that may be data."""
    # A key of an object may be data.
    plain = sorted(name for name in found if _NAME.fullmatch(name))
    shown = ", ".join(f"`{name}`" for name in plain[:MOST_NAMED])
    rest = len(found) - len(plain[:MOST_NAMED])
    return f"{shown} and {rest} more" if rest and shown else shown or f"{rest} names"


def totals(sample: Sample) -> Result:
    """Compare the reported totals with the rows. The tap itself fails if rows are missing."""
    counted = [(rows, total) for rows, total in sample.parts if total is not None]
    if not counted:
        return Result("totals", NOT_TESTED, "the vendor reports none")
    wrong = [(rows, total) for rows, total in counted if rows > total]
    if wrong:
        rows, total = wrong[0]
        text = (
            f"the reported total is too small ({rows:,} rows, total {total:,}), so the tap cannot notice all missing "
            "rows: report this to the vendor"
        )
        return Result("totals", FAILED, text)
    return Result("totals", OK)


def unique_keys(sample: Sample) -> Result:
    """Look for different rows with one key in one reading."""
    if not sample.records:
        return Result("keys", NOT_TESTED, "no rows")
    if not sample.keys:
        return Result("keys", NOT_TESTED, "the stream has no key")
    different: dict[Key, int] = {}
    again = 0
    for record in sample.records:
        ((key, digest),) = table([record], sample.keys).items()
        again += different.setdefault(key, digest) != digest
    if again:
        text = f"{again:,} rows have the key of another, different row: the key ({names(sample.keys)}) is not unique"
        return Result("keys", FAILED, f"{text}; one would replace the other")
    return Result("keys", OK)


def order(sample: Sample, columns: Sequence[str]) -> Result:
    """Check that rows came in the requested order."""
    if any(name not in sample.columns for name in columns):
        return Result("order", NOT_TESTED, "the columns are not selected")
    values = [tuple(_comparable(record.get(name)) for name in columns) for record in sample.records]
    steps = [pair for pair in pairwise(values) if None not in (*pair[0], *pair[1])]
    if not steps:
        return Result("order", NOT_TESTED, "too few rows")
    back = sum(_is_before(later, earlier) for earlier, later in steps)
    if back:
        text = (
            f"{back:,} of {len(values):,} rows are not in the requested order ({', '.join(columns)}): the "
            "vendor ignores the sort, and rows that move between pages are missed or come twice; change the setting of "
            "the sort"
        )
        return Result("order", FAILED, text)
    return Result("order", OK)


def _comparable(value: Any) -> Any:
    if isinstance(value, str):
        return int(value) if value.isdecimal() else moment(value) or value
    return value


def _is_before(one: Key, other: Key) -> bool:
    try:
        return one < other
    except TypeError:
        return False


def moment(text: Any) -> dt.datetime | None:
    """Read a date or date-time; None if it is neither. Without an offset it is in UTC."""
    try:
        read = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except (ValueError, AttributeError):
        return None
    return read if read.tzinfo else read.replace(tzinfo=dt.timezone.utc)


def days(sample: Sample, column: str | None, first: dt.date, last: dt.date, zone: ZoneInfo | dt.timezone) -> Result:
    """Check that the rows fill the range.

    Args:
        sample: The rows of `first` to `last`.
        column: The column with their time.
        first: The first day.
        last: The last day.
        zone: The zone of the days.
    """
    if column is None:
        return Result("days", NOT_TESTED, "rows have no time")
    texts = [record.get(column) for record in sample.records]
    times = sorted(time for time in map(moment, texts) if time is not None)
    if len(times) < ENOUGH_ROWS:
        return Result("days", NOT_TESTED, f"fewer than {ENOUGH_ROWS} rows with a time")
    if all(isinstance(text, str) and len(text) == len("2024-03-01") for text in texts):
        found = {time.date() for time in times}
        missing = [day for day in (first, last) if day not in found]
        if missing:
            which = "last" if missing[-1] == last else "first"
            text = (
                f"no row of {missing[-1]}, the {which} day: a border of windows may be exclusive, or days of another "
                "zone; compare the day with the vendor's console, and report this"
            )
            return Result("days", FAILED, text)
        return Result("days", OK)
    begin, end = midnight(first, zone), midnight(last + DAY, zone)
    gaps = {"first": times[0] - begin, "last": end - times[-1]}
    for which, gap in gaps.items():
        if gap > QUIET:
            hours = int(gap.total_seconds() // 3600)
            text = (
                f"no row in the {which} {hours} hours of the range: the vendor's days may be in another zone than "
                f"{zone}, or the {'start' if which == 'first' else 'end'} of a window is exclusive"
            )
            return Result("days", FAILED, f"{text}; report this")
    return Result("days", OK)
