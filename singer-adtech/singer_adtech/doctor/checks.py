"""Comparisons of readings: each returns the result of one check."""

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

    from singer_adtech.doctor.probe import Reading, Sample, Sent

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

RARE = 20
"""A value is rare if it is in at most one of this number of rows."""

_NAME = re.compile(r"[A-Za-z_][\w. -]{0,59}")
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
        notes.append(f"not in the schema, kept in `_extra`: {_names(extra)}")
    if empty:
        notes.append(f"without a value in the sample: {_names(empty)}")
    return Result("fields", OK, "; ".join(notes))


def _names(names: Collection[str]) -> str:
    # A key of an object may be data.
    plain = sorted(name for name in names if _NAME.fullmatch(name))
    shown = ", ".join(f"`{name}`" for name in plain[:MOST_NAMED])
    rest = len(names) - len(plain[:MOST_NAMED])
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
        text = f"{again:,} rows have the key of another, different row: the key ({_names(sample.keys)}) is not unique"
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


@dataclass(frozen=True)
class Reasons:
    """The wrong assumptions if two readings differ.

    Attributes:
        more: If the second one has more rows.
        fewer: If it has fewer rows.
        changed: If rows have other values; None if they are only counted.
    """

    more: str
    fewer: str
    changed: str | None = None


def same(check: str, one: Sample, two: Sample, reasons: Reasons) -> Result:
    """Compare the rows of two readings that should have the same rows."""
    old, new = table(one.records, one.keys), table(two.records, two.keys)
    lost, added = len(old.keys() - new.keys()), len(new.keys() - old.keys())
    values = sum(new[key] != digest for key, digest in old.items() if key in new)
    problems = []
    if lost and added and reasons.more == reasons.fewer:
        problems.append(f"{lost:,} of {len(old):,} rows are missing, and {added:,} others came: {reasons.fewer}")
        added = 0
    elif lost:
        problems.append(f"{lost:,} of {len(old):,} rows are missing: {reasons.fewer}")
    if added:
        problems.append(f"{added:,} more rows: {reasons.more}")
    if values and reasons.changed is not None:
        problems.append(f"{values:,} rows have other values: {reasons.changed}")
    if problems:
        return Result(check, FAILED, "; ".join(problems))
    if not old:
        return Result(check, NOT_TESTED, "no rows")
    return Result(check, OK, f"{values:,} rows have other values" if values else "")


def same_range(one: Sample, wider: Sample, column: str, begin: dt.datetime, end: dt.datetime) -> Result:
    """Compare the rows of a range with those of a longer range.

    Args:
        one: The rows of the range.
        wider: The rows of the longer range.
        column: The column with their time.
        begin: The start of the range.
        end: Its end, exclusive. Days are at midnight in UTC.
    """

    def within(sample: Sample) -> dict[Key, dt.datetime]:
        times = ((record, moment(record.get(column))) for record in sample.records)
        return {
            tuple(record.get(name) for name in sample.keys): time
            for record, time in times
            if time is not None and begin <= time < end
        }

    old, new = within(one), within(wider)
    if not old and not new:
        return Result("range", NOT_TESTED, "no rows with a time")
    lost = [new[key] for key in new.keys() - old.keys()]
    if lost:
        where = "start" if max(lost) - begin < end - max(lost) else "end"
        text = (
            f"{len(lost):,} of {len(new):,} rows near the {where} of the range come only if a longer range is "
            f"requested: the {where} of a window is exclusive, or days are of another zone; report this"
        )
        return Result("range", FAILED, text)
    gone = old.keys() - new.keys()
    if gone:
        text = f"{len(gone):,} of {len(old):,} rows do not come if a longer range is requested: long responses are cut"
        return Result("range", FAILED, f"{text}; lower the length of windows")
    return Result("range", OK)


def page_size(base: Reading, small: Reading, stream: str, size: int) -> Result | None:
    """Check that the number of rows per response follows the requested page size; None if it does."""
    asked = size_argument(base.requests, small.requests, size)
    if asked is None:
        return Result("page size", NOT_TESTED, "requests have no page size")
    largest, most = max(base.samples[stream].page_rows, default=0), max(small.samples[stream].page_rows, default=0)
    longest = max((rows for rows, _ in base.samples[stream].parts), default=0)
    if longest > largest and largest < asked:
        text = (
            f"the vendor caps the page size: responses have at most {largest:,} rows, although {asked:,} were "
            f"requested; set `page_size` to {largest}"
        )
        return Result("page size", FAILED, text)
    if most > size:
        text = f"a response has {most:,} rows, although {size:,} were requested"
        return Result("page size", FAILED, f"the vendor ignores the page size: {text}; report this")
    return None


def size_argument(base: Sequence[Sent], small: Sequence[Sent], size: int) -> int | None:
    """Return the page size of the first readings's requests, from the argument that is `size` in the second one's."""
    for sent in small:
        for name, value in sent.arguments.items():
            if value == str(size):
                sizes = [one.arguments[name] for one in base if one.path == sent.path and name in one.arguments]
                if sizes and sizes[0].isdecimal() and sizes[0] != value:
                    return int(sizes[0])
    return None


def same_requests(one: Reading, other: Reading) -> bool:
    """Return whether two readings have the same requests; paths may have an id of a job."""
    return {(sent.method, sent.query, sent.body) for sent in one.requests} == {
        (sent.method, sent.query, sent.body) for sent in other.requests
    }


def filtered(check: str, one: Sample, two: Sample, columns: Sequence[str], value: Any) -> Result:
    """Check a reading with a filter against the rows of one without it.

    Args:
        check: The name of the check.
        one: All rows.
        two: The rows with the filter.
        columns: The columns of which one has the value in each row.
        value: The value.
    """
    strange = sum(all(record.get(name) != value for name in columns) for record in two.records)
    if strange:
        text = f"{strange:,} of {len(two.records):,} rows have another value in {_names(columns)}"
        return Result(check, FAILED, f"the vendor ignores the filter: {text}; do not use it, and report this")
    expected = table((record for record in one.records if record.get(columns[0]) == value), one.keys)
    lost = len(expected.keys() - table(two.records, two.keys).keys())
    if lost:
        text = f"{lost:,} of {len(expected):,} rows with the value in `{columns[0]}` are missing"
        return Result(check, FAILED, f"the filter returns too few rows: {text}; do not use it, and report this")
    return Result(check, OK)


def filter_value(sample: Sample, columns: Sequence[str], *, rare: bool) -> Any:
    """Return a value of a sample to filter by; None if a filter would prove nothing.

    Args:
        sample: The rows.
        columns: The columns of the filter; the first one counts.
        rare: Whether to return a value of few rows instead of the most frequent one.
    """
    counts = Counter(
        value
        for record in sample.records
        if isinstance(value := record.get(columns[0]), (int, str))
        and not isinstance(value, bool)
        and value not in ("", 0, -1)
    )
    ordered = [value for value, count in counts.most_common() if count < len(sample.records)]
    if not ordered:
        return None
    few = [value for value in ordered if counts[value] * RARE <= len(sample.records)]
    return (few or ordered[-1:])[0] if rare else ordered[0]


def zones(one: Sample, two: Sample, names: Collection[str]) -> Result:
    """Check that days of another zone have other figures.

    Args:
        one: Rows of days in one zone.
        two: Rows of days in a distant zone.
        names: The names of both zones, which are not compared.
    """
    if not one.records:
        return Result("time zone", NOT_TESTED, "no rows")
    if table(one.records, one.keys, names) == table(two.records, two.keys, names):
        text = "the vendor ignores the requested time zone: days of two distant zones have the same rows"
        return Result(
            "time zone", FAILED, f"{text}; compare a day with the vendor's console, and set `time_zone` to its zone"
        )
    return Result("time zone", OK)
