"""The checks of one stream and its derived streams."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from singer_adtech.doctor import checks, comparisons
from singer_adtech.doctor.checks import FAILED, NOT_TESTED, OK, WARNING, Result
from singer_adtech.doctor.messages import attributed
from singer_adtech.doctor.probe import Sample
from singer_adtech.doctor.readings import FEW_REQUESTS
from singer_adtech.progress.windows import DAY, midnight
from singer_adtech.streams.base import AdTechStream
from singer_adtech.streams.instants import UTC
from singer_adtech.streams.windowed import DayWindowStream, WindowStream

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection, Mapping
    from zoneinfo import ZoneInfo

    from singer_adtech.doctor.probe import Reading
    from singer_adtech.doctor.readings import Readings

_DISTANT = ("Asia/Tokyo", "America/Los_Angeles")
"""Zones with days that differ from those of most others."""

_FAR_EAST = 4 * 3600
"""Seconds ahead of UTC from which the second one is farther away."""


@dataclass
class Family:
    """A stream and its derived streams, which are read together.

    Attributes:
        root: The name of the stream with requests.
        shown: The selected streams among them.
        results: Results by stream.
    """

    root: str
    shown: list[str]
    results: dict[str, list[Result]] = field(default_factory=dict)


class StreamCheck:
    """The checks of one family.

    Args:
        readings: Reads the streams.
        family: The streams; the results are added to it.
    """

    def __init__(self, readings: Readings, family: Family) -> None:
        self._readings = readings
        self._family = family
        found = readings.tap.streams[family.root]
        if not isinstance(found, AdTechStream):
            raise TypeError(type(found))
        self._stream = found
        self._filter: str | None = None
        """The filter of all readings, if the sample would not be whole without."""
        self._narrowed: dict[str, Any] = {}
        """The settings of this filter."""
        self._known: Collection[str] = ()
        """Warnings of the first reading."""
        self._results: dict[str, list[Result]] = {name: [] for name in family.shown}
        family.results = self._results

    def run(self) -> None:
        """Read the streams, and add the results to the family."""
        if not self._stream.repeatable:
            self._add_to_all(Result("read", NOT_TESTED, "reading removes the rows at the vendor"))
            return
        base = self._read("read", {})
        base = self._narrow(base) if base.cut else base
        self._add_to_all(self._outcome(base), base)
        if base.forbidden or base.unusable:
            return
        for name in self._family.shown:
            sample = base.samples[name]
            self._results[name] += [checks.fields(sample), checks.totals(sample), checks.unique_keys(sample)]
        self._one_sample(base)
        if base.whole:
            self._again(base)
        else:
            cut = f"the sample was cut by {self._readings.limit_of(base)}: raise the limit, or set a filter"
            reason = "the first reading failed" if base.error else cut
            self._add_to_all(Result("other checks", NOT_TESTED, reason))

    def _one_sample(self, base: Reading) -> None:
        """Add the checks of the stream with the requests that need no other reading."""
        root = self._results.get(self._family.root)
        if root is None:
            return
        sample = base.samples[self._family.root]
        if self._stream.requested_order:
            root.append(checks.order(sample, self._stream.requested_order))
        if isinstance(self._stream, WindowStream):
            root.append(self._days(base, self._stream))
        if base.whole and not self._filter:
            self._readings.keep(self._stream, sample)

    def _again(self, base: Reading) -> None:
        """Read again with differences that must not matter."""
        self._twice(base)
        self._pages(base)
        if isinstance(self._stream, WindowStream):
            self._borders(base)
            self._range(base, self._stream)
            self._zone(base)
        self._filters(base)

    def _read(self, check: str, changes: Mapping[str, Any]) -> Reading:
        return self._readings.read(self._family.root, self._family.shown, check, {**self._narrowed, **changes})

    def _narrow(self, cut: Reading) -> Reading:
        """Read again with a filter, so that the sample is whole."""
        sample = cut.samples.get(self._family.root)
        for name, columns in self._stream.row_filters.items() if sample else ():
            value = comparisons.filter_value(sample, columns, rare=True) if sample else None
            if value is not None:
                self._narrowed = self._stream.filter_settings(name, value)
                narrow = self._read("read", {})
                narrow.requests[:0] = cut.requests
                if narrow.whole and narrow.rows(self._family.root):
                    self._filter = name
                    return narrow
                self._narrowed = {}
                return cut
        return cut

    def _warnings(self, reading: Reading) -> list[str]:
        """Return the warnings of a reading; fields that the schema does not have are named by a check."""
        if reading.cut or not reading.warnings:
            return []
        lines = dict.fromkeys(map(self._readings.scrubber(reading), reading.warnings))
        return [one for one in lines if "undeclared" not in one and "not in the schema" not in one]

    def _outcome(self, reading: Reading) -> Result:
        """Describe a reading."""
        if reading.forbidden:
            return Result("read", NOT_TESTED, "forbidden to the account")
        if reading.error:
            return Result("read", FAILED, attributed(self._readings.scrubber(reading)(reading.error)))
        self._known = warnings = self._warnings(reading)
        notes = [f"only with the filter `{self._filter}`"] if self._filter else []
        notes += [f"cut by {self._readings.limit_of(reading)}"] if reading.cut else []
        return Result("read", WARNING if warnings else OK, "; ".join([*notes, *warnings]))

    def _add_to_all(self, result: Result, *readings: Reading) -> None:
        for name, results in self._results.items():
            one = Result(result.check, result.outcome, result.text)
            self._count(one, name, *readings)
            results.append(one)

    def _count(self, result: Result, name: str, *readings: Reading) -> None:
        # Requests are those of the family: they are shown once.
        first = name == self._family.shown[0]
        result.requests = sum(len(one.requests) for one in readings) if first else 0
        result.rows = sum(one.rows(name) for one in readings)

    def _compare(self, check: str, reading: Reading, compare: Callable[[str], Result]) -> None:
        """Add a result for each stream, unless the reading failed."""
        for name, results in self._results.items():
            result = self._unread(check, reading) or self._warned(compare(name), reading)
            self._count(result, name, reading)
            results.append(result)

    def _warned(self, result: Result, reading: Reading) -> Result:
        """Add the warnings that the first reading does not have."""
        fresh = [one for one in self._warnings(reading) if one not in self._known]
        if not fresh:
            return result
        outcome = WARNING if result.outcome == OK else result.outcome
        return replace(result, outcome=outcome, text="; ".join(filter(None, [result.text, *fresh])))

    def _compare_all(self, check: str, base: Reading, reading: Reading, reasons: comparisons.Reasons) -> None:
        """Compare the rows of each stream."""
        samples = base.samples
        self._compare(
            check, reading, lambda name: comparisons.same(check, samples[name], reading.samples[name], reasons)
        )

    def _unread(self, check: str, reading: Reading) -> Result | None:
        """Return the result of a reading without all rows; None if it has them."""
        if reading.cut:
            return Result(check, NOT_TESTED, f"cut by {self._readings.limit_of(reading)}")
        if reading.unusable:
            return Result(check, NOT_TESTED, "the settings of this stream do not allow it")
        if reading.forbidden:
            return Result(check, FAILED, "forbidden in this reading only: report this")
        if reading.error:
            return Result(check, FAILED, attributed(self._readings.scrubber(reading)(reading.error)))
        return None

    def _days(self, base: Reading, stream: WindowStream[Any]) -> Result:
        if stream.rows_are_totals:
            return Result("days", NOT_TESTED, "rows cover whole windows")
        if not base.whole:
            return Result("days", NOT_TESTED, "the sample is not complete")
        sample = base.samples[stream.name]
        return checks.days(sample, stream.time_column, self._readings.first, self._readings.last, self._zone_of_days())

    def _zone_of_days(self) -> ZoneInfo | dt.timezone:
        stream = self._stream
        return stream.day_zone if isinstance(stream, DayWindowStream) else self._readings.tap.day_zone

    def _twice(self, base: Reading) -> None:
        reading = self._read("read twice", {})
        reason = (
            "a second reading has other rows: the list is cut, or its order is not stable; if rows may be late, choose "
            "an earlier --date"
        )
        self._compare_all("read twice", base, reading, comparisons.Reasons(reason, reason))

    def _pages(self, base: Reading) -> None:
        size = max(base.samples[self._family.root].page_rows, default=0) // 3
        settings = self._readings.page_sizes(size)
        many = len(base.requests) > FEW_REQUESTS
        if size < 1 or not settings or many:
            reason = "too few rows" if settings else "the tap has no page size"
            reason = f"more than {FEW_REQUESTS} requests already" if many else reason
            self._add_to_all(Result("page size", NOT_TESTED, reason))
            return
        reading = self._read("page size", settings)
        lost = (
            "pages of another size have other rows: rows are missing between pages, or their order is not stable; "
            f"raise {' and '.join(f'`{name}`' for name in settings)}, and report this"
        )
        found = comparisons.page_size(base, reading, self._family.root, size) if reading.whole else None
        if found is None:
            self._compare_all("page size", base, reading, comparisons.Reasons(lost, lost))
        else:
            self._compare("page size", reading, lambda _: replace(found))

    def _borders(self, base: Reading) -> None:
        if self._stream.rows_are_totals:
            self._add_to_all(Result("window borders", NOT_TESTED, "rows cover whole windows"))
            return
        settings = self._readings.windows(joint=False)
        reading = self._read("window borders", settings)
        names = " and ".join(f"`{name}`" for name in settings)
        overlap = " and ".join(f"`{name}`" for name in self._readings.overlaps) or names
        if comparisons.same_requests(base, reading):
            same = Result("window borders", NOT_TESTED, "windows of this stream have one length")
            self._compare("window borders", reading, lambda _: replace(same))
            return
        reasons = comparisons.Reasons(
            more=f"they come only with shorter windows: long responses are cut, or the end of a window is exclusive; "
            f"lower {names}",
            fewer=f"they come only with longer windows: a border of windows is exclusive; raise {overlap}, and report "
            "this",
            changed="figures depend on the length of windows: rows at a border are in both windows or in neither",
        )
        self._compare_all("window borders", base, reading, reasons)

    def _range(self, base: Reading, stream: WindowStream[Any]) -> None:
        """Read one day more on both sides: the same rows of the range must come."""
        column = stream.time_column
        if column is None or stream.rows_are_totals or self._family.root not in self._results:
            return
        first, last = self._readings.first, self._readings.last
        sample = base.samples[self._family.root]
        by_day = all(len(str(record.get(column))) == len("2024-03-01") for record in sample.records)
        zone = UTC if by_day else self._zone_of_days()
        begin, end = midnight(first, zone), midnight(last + DAY, zone)
        changes = {"start_date": (first - DAY).isoformat(), "end_date": (last + DAY).isoformat()}
        reading = self._read("range", {**changes, **self._readings.windows(joint=True, days=4)})
        root = self._family.root

        def compare(name: str) -> Result:
            if name != root:
                return Result("range", NOT_TESTED, f"tested with {root}")
            return comparisons.same_range(sample, reading.samples[root], column, begin, end)

        self._compare("range", reading, compare)

    def _zone(self, base: Reading) -> None:
        if "time_zone" not in self._readings.properties or not isinstance(self._stream, DayWindowStream):
            return
        own = str(self._zone_of_days())
        offset = self._stream.tap.run_start.astimezone(self._zone_of_days()).utcoffset()
        distant = _DISTANT[1] if offset and offset.total_seconds() > _FAR_EAST else _DISTANT[0]
        reports = self._narrowed.get("reports") or self._readings.settings(self._family.root).get("reports") or []
        changes = {"time_zone": distant, "reports": [{**one, "time_zone": distant} for one in reports]}
        reading = self._read("time zone", changes)

        def compare(name: str) -> Result:
            if comparisons.same_requests(base, reading):
                return Result("time zone", NOT_TESTED, "requests have no time zone")
            return comparisons.zones(base.samples[name], reading.samples[name], (own, distant))

        self._compare("time zone", reading, compare)

    def _filters(self, base: Reading) -> None:
        root = self._family.root
        if root not in self._results:
            return
        for name, columns in self._stream.row_filters.items():
            check = f"filter `{name}`"
            if name == self._filter or columns[0] not in base.samples[root].columns:
                continue
            value = comparisons.filter_value(base.samples[root], columns, rare=False)
            if value is None:
                self._results[root].append(Result(check, NOT_TESTED, f"no second value in `{columns[0]}`"))
                continue
            reading = self._read(check, self._stream.filter_settings(name, value))
            one, two = base.samples[root], reading.samples.get(root, Sample())
            # Without its warnings: with fewer rows, some columns have no value.
            result = self._unread(check, reading) or comparisons.filtered(check, one, two, columns, value)
            self._count(result, self._family.shown[0], reading)
            result.rows = reading.rows(root)
            self._results[root].append(result)
