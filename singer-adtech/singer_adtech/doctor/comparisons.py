"""Comparisons of two readings."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from singer_adtech.doctor.checks import FAILED, NOT_TESTED, OK, WARNING, Result, moment, names, table

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Sequence

    from singer_adtech.doctor.checks import Key
    from singer_adtech.doctor.probe import Reading, Sample, Sent

RARE = 20
"""A value is rare if it is in at most one of this number of rows."""


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
        text = f"{strange:,} of {len(two.records):,} rows have another value in {names(columns)}"
        return Result(check, FAILED, f"the vendor ignores the filter: {text}; do not use it, and report this")
    expected = table((record for record in one.records if record.get(columns[0]) == value), one.keys)
    lost = len(expected.keys() - table(two.records, two.keys).keys())
    if lost:
        text = f"{lost:,} of {len(expected):,} rows with the value in `{columns[0]}` are missing"
        return Result(check, FAILED, f"the filter returns too few rows: {text}; do not use it, and report this")
    return Result(check, OK)


def references(column: str, values: Collection[Any], target: str, known: Collection[Any]) -> Result:
    """Look for values that the stream they refer to does not have.

    Args:
        column: The column that refers to the other stream.
        values: Its values.
        target: The other stream.
        known: The values of its key.
    """
    check = f"`{column}` in {target}"
    lost = len(set(values) - set(known))
    if not lost:
        return Result(check, OK if values else NOT_TESTED, "" if values else "no values")
    text = (
        f"{lost:,} of {len(values):,} values of `{column}` are not in {target}: they were deleted, or {target} "
        "has other rows than assumed"
    )
    return Result(check, WARNING, text)


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


def zones(one: Sample, two: Sample, zone_names: Collection[str]) -> Result:
    """Check that days of another zone have other figures.

    Args:
        one: Rows of days in one zone.
        two: Rows of days in a distant zone.
        zone_names: The names of both zones, which are not compared.
    """
    if not one.records:
        return Result("time zone", NOT_TESTED, "no rows")
    if table(one.records, one.keys, zone_names) == table(two.records, two.keys, zone_names):
        text = "the vendor ignores the requested time zone: days of two distant zones have the same rows"
        return Result(
            "time zone", FAILED, f"{text}; compare a day with the vendor's console, and set `time_zone` to its zone"
        )
    return Result("time zone", OK)
