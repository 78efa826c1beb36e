"""The settings of each reading, derived from the user's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from singer_adtech.doctor import comparisons
from singer_adtech.doctor.messages import Scrubber, texts
from singer_adtech.doctor.probe import Ledger, Prober
from singer_adtech.progress.windows import DAY
from singer_adtech.streams.base import AdTechStream

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection, Mapping

    from singer_adtech.doctor.checks import Result
    from singer_adtech.doctor.probe import Reading, Sample
    from singer_adtech.tap import AdTechTap

AGE = 3
"""Days from the last day of the range to today: its rows should not change any more."""

FEW_REQUESTS = 20
"""Requests that each reading may send, and the most of a list that is read again with smaller pages."""

_WINDOW = re.compile(r"(?:\w+_)?window_(days|minutes)")
_PAGE_SIZE = re.compile(r"(?:\w+_)?page_size")


class Readings:
    """Readings of one tap.

    Args:
        tap_class: The tap.
        config: The user's settings.
        catalog: The user's catalog, if any.
        last: The last of the two days to read; by default `AGE` days ago.
        max_rows: Maximum rows of one reading.
        max_requests: Maximum requests of all readings.
        announce: Called with a line before each reading.

    Raises:
        ConfigValidationError: The settings are not allowed.
    """

    def __init__(  # noqa: PLR0913 - the options of the command line
        self,
        tap_class: type[AdTechTap],
        config: Mapping[str, Any],
        *,
        catalog: Mapping[str, Any] | None = None,
        last: dt.date | None = None,
        max_rows: int,
        max_requests: int,
        announce: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.ledger = Ledger(max_requests, max(max_requests // 5, FEW_REQUESTS))
        self._prober = Prober(tap_class, catalog=catalog, most_rows=max_rows, ledger=self.ledger)
        self._max_rows = max_rows
        self._announce = announce
        self._given = dict(config)
        self.properties: dict[str, Any] = tap_class.config_jsonschema["properties"]
        self.tap = tap = self._prober.open({"start_date": f"{AGE} days ago", **config})
        self.last = last or tap.run_start.astimezone(tap.day_zone).date() - AGE * DAY
        self.first = self.last - DAY
        self.rows = 0
        self._keys: dict[str, set[Any]] = {}
        self._referring: dict[tuple[str, str], set[Any]] = {}

    def read(self, root: str, streams: Collection[str], check: str, changes: Mapping[str, Any]) -> Reading:
        """Read a stream and those derived from it.

        Args:
            root: The stream with the requests.
            streams: The selected streams.
            check: The name of the check.
            changes: Settings that differ from those of the first reading.
        """
        self._announce(f"{', '.join(streams)}: {check}")
        settings = {**self.settings(root), **changes}
        if settings.get("reports"):
            # Otherwise a report would not follow the lengths of windows.
            settings["reports"] = [
                {name: value for name, value in one.items() if name != "window_days"} for one in settings["reports"]
            ]
        reading = self._prober.read(settings, streams, root=root)
        self.rows += sum(reading.rows(name) for name in streams)
        return reading

    def limit_of(self, reading: Reading) -> str:
        """Return the limit that cut a reading."""
        rows = sum(map(reading.rows, reading.samples))
        if rows >= self._max_rows:
            return f"--max-rows, {rows:,} rows"
        if self.ledger.exhausted:
            return f"--max-requests, {self.ledger.count:,} requests"
        return f"--max-requests, {len(reading.requests):,} requests in one reading"

    def keep(self, stream: AdTechStream[Any], sample: Sample) -> None:
        """Keep the values by which streams refer to each other."""
        if len(sample.keys) == 1:
            self._keys[stream.name] = {record[sample.keys[0]] for record in sample.records}
        for column in stream.references:
            found = {record.get(column) for record in sample.records} - {None, "", 0}
            self._referring[stream.name, column] = found

    def references(self, stream: str) -> list[Result]:
        """Compare the columns of a stream that refer to other streams with these."""
        found = self.tap.streams[stream]
        targets = found.references if isinstance(found, AdTechStream) else {}
        return [
            comparisons.references(column, self._referring[stream, column], target, self._keys[target])
            for column, target in targets.items()
            if (stream, column) in self._referring and target in self._keys
        ]

    @property
    def answered(self) -> bool:
        """Whether the vendor accepted a request."""
        return self.tap.requester.answered

    def close(self) -> None:
        """End the session with the vendor."""
        self._prober.close()

    def settings(self, stream: str) -> dict[str, Any]:
        """Return the settings of a stream's first reading."""
        forced = {
            "parallel_requests": 1,
            "extra_fields": "keep",
            "row_count_check": "fail",
            "on_forbidden": "skip",
            "discover_fields": False,
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
        """Return the definition of a report; None for other streams."""
        reports: list[dict[str, Any]] = self.tap.config.get("reports") or []
        return next((one for one in reports if one.get("name") == stream), None)

    def windows(self, *, joint: bool, days: int = 2) -> dict[str, Any]:
        """Return the lengths of windows: as much as possible of a range of days, or parts of it."""
        found = {name: match[1] for name in self.properties if (match := _WINDOW.fullmatch(name))}
        minutes = {name: self.properties[name]["maximum"] for name, unit in found.items() if unit == "minutes"}
        return {
            **{name: days if joint else 1 for name, unit in found.items() if unit == "days"},
            **{name: most if joint else most // 4 for name, most in minutes.items()},
        }

    @property
    def overlaps(self) -> list[str]:
        """The settings by which windows overlap."""
        return [name for name in self.properties if name.startswith("window_overlap")]

    def page_sizes(self, size: int) -> dict[str, int]:
        """Return the settings of page sizes with a value, as far as allowed."""
        names = [name for name in self.properties if _PAGE_SIZE.fullmatch(name)]
        return {name: min(size, self.tap.config.get(name, size)) for name in names}

    def scrubber(self, *readings: Reading) -> Scrubber:
        """Return the filter of messages."""
        values = {
            text
            for reading in readings
            for sample in reading.samples.values()
            for record in sample.records
            for text in texts(record)
        }
        columns = {name for reading in readings for sample in reading.samples.values() for name in sample.columns}
        return Scrubber(known={*self.properties, *self.tap.streams, *columns}, values=values)
