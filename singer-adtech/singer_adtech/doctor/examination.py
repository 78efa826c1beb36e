"""The readings of one tap, and the checks of each stream."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from singer_adtech.doctor import checks
from singer_adtech.doctor.checks import FAILED, NOT_TESTED, OK, WARNING, Result
from singer_adtech.doctor.probe import Ledger, Prober, Reading
from singer_adtech.doctor.report import Scrubber
from singer_adtech.progress.windows import DAY
from singer_adtech.runs.streams_run import selected_streams
from singer_adtech.streams.base import AdTechStream
from singer_adtech.streams.windowed import DayWindowStream, WindowStream

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection, Iterator, Mapping
    from zoneinfo import ZoneInfo

    from singer_adtech.tap import AdTechTap

AGE = 3
"""Days from the last day of the range to today: its rows should not change any more."""

REQUESTS_OF_ONE = 100
"""Maximum requests of one reading."""

_WINDOW = re.compile(r"(?:\w+_)?window_(days|minutes)")
_PAGE_SIZE = re.compile(r"(?:\w+_)?page_size")
_DISTANT = ("Asia/Tokyo", "America/Los_Angeles")

_ASSUMPTIONS = {
    "outside of the requested window": "days are of another zone, or a border of a window is not as assumed",
    "reported total": "totals count all rows, or pages have all rows",
    "are missing after": "totals count all rows, or pages have all rows",
    "does not end": "pages differ and end",
    "same rows as the page before": "pages differ and end",
    "did not honour the sort": "the vendor sorts and filters by the last change",
    "two different": "keys are unique",
    "of another account": "the vendor selects the account",
    "of account": "the vendor selects the account",
}
"""Assumptions by a part of the tap's message."""


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


class Examination:
    """The live check of a tap.

    Args:
        tap_class: The tap.
        config: The user's settings.
        catalog: The user's catalog, if any.
        last: The last of the two days to read; by default `AGE` days ago.
        streams: Streams to check; by default those selected.
        max_rows: Maximum rows of one reading.
        max_requests: Maximum requests of all readings.
        announce: Called with a line before each reading.

    Raises:
        ConfigValidationError: The settings are not allowed.
        ValueError: A stream does not exist, or nothing is selected.
    """

    def __init__(  # noqa: PLR0913 - the options of the command line
        self,
        tap_class: type[AdTechTap],
        config: Mapping[str, Any],
        *,
        catalog: Mapping[str, Any] | None = None,
        last: dt.date | None = None,
        streams: Collection[str] = (),
        max_rows: int,
        max_requests: int,
        announce: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.ledger = Ledger(max_requests, REQUESTS_OF_ONE)
        self._prober = Prober(tap_class, catalog=catalog, most_rows=max_rows, ledger=self.ledger)
        self._max_rows = max_rows
        self._announce = announce
        self._given = dict(config)
        self.properties: dict[str, Any] = tap_class.config_jsonschema["properties"]
        self.tap = tap = self._prober.open({**config, **({} if "start_date" in config else {"start_date": "7 days ago"})})
        self.last = last or tap.run_start.astimezone(tap.day_zone).date() - AGE * DAY
        self.first = self.last - DAY
        unknown = [name for name in streams if name not in tap.streams]
        if unknown:
            raise ValueError(f"--streams: no stream {', '.join(unknown)}: there are {', '.join(tap.streams)}")
        for stream in tap.streams.values() if streams else ():
            stream.selected = stream.name in streams
        self.families = [*self._families()]
        if not self.families:
            raise ValueError("no stream is selected: name some with --streams")
        self.rows = 0

    def _families(self) -> Iterator[Family]:
        for stream in selected_streams(self.tap):
            if isinstance(stream, AdTechStream) and stream.parent_stream_type is None:
                shown = [one.name for one in (stream, *stream.child_streams) if one.selected]
                yield Family(stream.name, shown)

    @property
    def failed(self) -> int:
        """The number of failed checks."""
        results = (one for family in self.families for own in family.results.values() for one in own)
        return sum(one.outcome == FAILED for one in results)

    def close(self) -> None:
        """End the session with the vendor."""
        self._prober.close()

    def run(self) -> None:
        """Check all streams."""
        for family in self.families:
            _StreamCheck(self, family).run()

    def read(self, family: Family, check: str, changes: Mapping[str, Any]) -> Reading:
        """Read a family with changed settings."""
        self._announce(f"{', '.join(family.shown)}: {check}")
        reading = self._prober.read({**self.settings(family.root), **changes}, family.shown)
        self.rows += sum(reading.rows(name) for name in family.shown)
        return reading

    def settings(self, stream: str) -> dict[str, Any]:
        """Return the settings of a stream's first reading."""
        forced = {
            "parallel_requests": 1,
            "extra_fields": "keep",
            "row_count_check": "fail",
            "on_forbidden": "skip",
            **self.windows(joint=True),
        }
        given = {name: value for name, value in self._given.items() if name not in {"stream_maps", "stream_map_config"}}
        settings = {
            **given,
            "start_date": self.first.isoformat(),
            "end_date": self.last.isoformat(),
            **{name: value for name, value in forced.items() if name in self.properties},
        }
        report = self.report(stream)
        if report is not None:
            settings["reports"] = [report]
        return settings

    def report(self, stream: str) -> dict[str, Any] | None:
        """Return the definition of a report without its windows; None for other streams."""
        reports: list[dict[str, Any]] = self.tap.config.get("reports") or []
        for one in reports:
            if one.get("name") == stream:
                return {name: value for name, value in one.items() if name != "window_days"}
        return None

    def windows(self, *, joint: bool) -> dict[str, Any]:
        """Return the lengths of windows: as much of the range as possible, or parts of it."""
        found = {name: match[1] for name in self.properties if (match := _WINDOW.fullmatch(name))}
        minutes = {name: self.properties[name]["maximum"] for name, unit in found.items() if unit == "minutes"}
        return {
            **{name: 2 if joint else 1 for name, unit in found.items() if unit == "days"},
            **{name: most if joint else most // 4 for name, most in minutes.items()},
        }

    def page_sizes(self, size: int) -> dict[str, int]:
        """Return the settings of page sizes with a value, as far as allowed."""
        names = [name for name in self.properties if _PAGE_SIZE.fullmatch(name)]
        return {name: min(size, self.tap.config.get(name, size)) for name in names}

    def scrubber(self, *readings: Reading) -> Scrubber:
        """Return the filter of messages."""
        values = {
            value
            for reading in readings
            for sample in reading.samples.values()
            for record in sample.records
            for value in record.values()
            if isinstance(value, str)
        }
        columns = {name for reading in readings for sample in reading.samples.values() for name in sample.columns}
        return Scrubber(known={*self.properties, *self.tap.streams, *columns}, values=values)


class _StreamCheck:
    """The checks of one family."""

    def __init__(self, examination: Examination, family: Family) -> None:
        self._all = examination
        self._family = family
        found = examination.tap.streams[family.root]
        if not isinstance(found, AdTechStream):
            raise TypeError(type(found))
        self._stream = found
        self._narrowed: dict[str, Any] = {}
        self._results: dict[str, list[Result]] = {name: [] for name in family.shown}
        family.results = self._results

    def run(self) -> None:
        if not self._stream.repeatable:
            self._add_to_all(Result("read", NOT_TESTED, "reading removes the rows at the vendor"))
            return
        base = self._read("read", {})
        base = self._narrow(base) if base.cut else base
        self._add_to_all(self._outcome(base), base)
        if base.forbidden or base.unusable or (base.error and not any(map(base.rows, self._family.shown))):
            return
        for name in self._family.shown:
            sample = base.samples[name]
            self._results[name] += [checks.fields(sample), checks.totals(sample), checks.unique_keys(sample)]
        if base.error:
            return
        root = self._results.get(self._family.root)
        if root is not None:
            sample = base.samples[self._family.root]
            if self._stream.requested_order:
                root.append(checks.order(sample, self._stream.requested_order))
            if isinstance(self._stream, WindowStream):
                root.append(self._days(base, self._stream))
        if not base.whole:
            reason = f"the sample was cut ({self._limit(base)}): raise the limit, or set a filter"
            self._add_to_all(Result("other checks", NOT_TESTED, reason))
            return
        self._twice(base)
        self._pages(base)
        if isinstance(self._stream, WindowStream):
            self._borders(base)
            self._zone(base)
        self._filters(base)

    def _read(self, check: str, changes: Mapping[str, Any]) -> Reading:
        return self._all.read(self._family, check, {**self._narrowed, **changes})

    def _limit(self, reading: Reading) -> str:
        rows = sum(map(reading.rows, self._family.shown))
        if rows >= self._all._max_rows:  # noqa: SLF001 - of the same module
            return f"--max-rows, {rows:,} rows"
        if self._all.ledger.exhausted:
            return f"--max-requests, {self._all.ledger.count:,} requests"
        return f"{len(reading.requests):,} requests in one reading"

    def _narrow(self, cut: Reading) -> Reading:
        """Read again with a filter, so that the sample is whole."""
        sample = cut.samples.get(self._family.root)
        for name, columns in self._stream.row_filters.items() if sample else ():
            value = checks.filter_value(sample, columns, rare=True) if sample else None
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

    _filter: str | None = None
    """The filter of all readings, if the sample would not be whole without."""

    def _outcome(self, reading: Reading) -> Result:
        """Describe a reading."""
        scrub = self._all.scrubber(reading)
        if reading.forbidden:
            return Result("read", NOT_TESTED, "forbidden to the account")
        if reading.error:
            return Result("read", FAILED, _attributed(scrub(reading.error)))
        lines = [] if reading.cut else [*dict.fromkeys(map(scrub, reading.warnings))]
        warnings = [one for one in lines if "undeclared" not in one and "not in the schema" not in one]
        notes = [f"only with the filter `{self._filter}`"] if self._filter else []
        notes += [f"cut by {self._limit(reading)}"] if reading.cut else []
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
            if reading.cut:
                result = Result(check, NOT_TESTED, f"cut by {self._limit(reading)}")
            elif reading.unusable:
                result = Result(check, NOT_TESTED, "the settings of this stream do not allow it")
            elif reading.error or reading.forbidden:
                scrub = self._all.scrubber(reading)
                text = _attributed(scrub(reading.error)) if reading.error else "forbidden in this reading only"
                result = Result(check, FAILED, text)
            else:
                result = compare(name)
            self._count(result, name, reading)
            results.append(result)

    def _days(self, base: Reading, stream: WindowStream[Any]) -> Result:
        if stream.rows_are_totals:
            return Result("days", NOT_TESTED, "rows cover whole windows")
        if base.cut:
            return Result("days", NOT_TESTED, "the sample was cut")
        sample = base.samples[stream.name]
        return checks.days(sample, stream.time_column, self._all.first, self._all.last, self._zone_of_days())

    def _zone_of_days(self) -> ZoneInfo | dt.timezone:
        stream = self._stream
        return stream.day_zone if isinstance(stream, DayWindowStream) else self._all.tap.day_zone

    def _twice(self, base: Reading) -> None:
        reading = self._read("read twice", {})
        reason = "the range has the same rows when it is read twice (an unstable order, a cache, or late rows): choose an earlier --date"
        compare = partial(checks.same, "read twice", base, reading, more=reason, fewer=reason)
        self._compare("read twice", reading, compare)

    def _pages(self, base: Reading) -> None:
        largest = max((max(base.samples[name].page_rows, default=0) for name in self._names), default=0)
        size = largest // 3
        settings = self._all.page_sizes(size)
        if size < 1 or not settings:
            reason = "too few rows" if settings else "the tap has no page size"
            self._add_to_all(Result("page size", NOT_TESTED, reason))
            return
        reading = self._read("page size", settings)
        lost = "pages have all rows in one order: rows that are missing on pages depend on the page size"

        def compare(name: str) -> Result:
            found = checks.page_size(base, reading, self._family.root, size)
            return found or checks.same("page size", base, reading, name, more=lost, fewer=lost)

        self._compare("page size", reading, compare)

    @property
    def _names(self) -> list[str]:
        return [self._family.root]

    def _borders(self, base: Reading) -> None:
        if self._stream.rows_are_totals:
            self._add_to_all(Result("window borders", NOT_TESTED, "rows cover whole windows"))
            return
        settings = self._all.windows(joint=False)
        reading = self._read("window borders", settings)
        names = " and ".join(f"`{name}`" for name in settings)

        def compare(name: str) -> Result:
            if checks.same_requests(base, reading):
                return Result("window borders", NOT_TESTED, "windows of this stream have one length")
            return checks.same(
                "window borders",
                base,
                reading,
                name,
                more=f"they come with shorter windows only; the end of a window is exclusive, or responses are cut: lower {names}",
                fewer=f"they come with longer windows only; a border of windows is exclusive: raise {names}, and report this",
                changed="figures depend on the length of windows; rows at a border are in both or in neither",
            )

        self._compare("window borders", reading, compare)

    def _zone(self, base: Reading) -> None:
        if "time_zone" not in self._all.properties or not isinstance(self._stream, DayWindowStream):
            return
        own = str(self._zone_of_days())
        offset = self._stream.tap.run_start.astimezone(self._zone_of_days()).utcoffset()
        distant = _DISTANT[1] if offset and offset.total_seconds() > 4 * 3600 else _DISTANT[0]
        report = self._all.report(self._family.root)
        changes: dict[str, Any] = {"time_zone": distant}
        if report is not None:
            changes["reports"] = [{**report, "time_zone": distant}]
        reading = self._read("time zone", {**changes})

        def compare(name: str) -> Result:
            if checks.same_requests(base, reading):
                return Result("time zone", NOT_TESTED, "requests have no time zone")
            return checks.zones(base, reading, name, (own, distant))

        self._compare("time zone", reading, compare)

    def _filters(self, base: Reading) -> None:
        root = self._family.root
        if root not in self._results:
            return
        for name, columns in self._stream.row_filters.items():
            check = f"filter `{name}`"
            if name == self._filter or columns[0] not in base.samples[root].columns:
                continue
            value = checks.filter_value(base.samples[root], columns, rare=False)
            if value is None:
                self._results[root].append(Result(check, NOT_TESTED, f"no second value in `{columns[0]}`"))
                continue
            reading = self._read(check, self._stream.filter_settings(name, value))
            if self._all.ledger.exhausted:
                reading.cut = True
            result = Result(check, NOT_TESTED, "the reading was cut")
            if reading.error:
                result = Result(check, FAILED, _attributed(self._all.scrubber(base, reading)(reading.error)))
            elif reading.whole:
                result = checks.filtered(check, base, reading, root, columns, value)
            self._count(result, self._family.shown[0], reading)
            result.rows = reading.rows(root)
            self._results[root].append(result)


def _attributed(text: str) -> str:
    """Put the assumption in front of the tap's message."""
    for part, assumption in _ASSUMPTIONS.items():
        if part in text:
            return f"wrong: {assumption}: {text}"
    return text
