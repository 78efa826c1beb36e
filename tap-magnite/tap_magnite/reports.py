"""The streams of the setting `reports`, one query per window (Public API Guide, "Query Definition Details")."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, cast

from singer_adtech.errors import DataError, SettingError, error_context, shorten
from singer_adtech.fetching.jobs import run_job
from singer_adtech.progress.signatures import check_account
from singer_adtech.progress.windows import DayWindow
from singer_adtech.records.page import Page
from singer_adtech.records.values import json_kind
from singer_adtech.reports import ReportStream, read_reports
from typing_extensions import override

from tap_magnite.client import MagniteStream
from tap_magnite.definitions import RULES, by_window, exact, report_columns
from tap_magnite.jobs import PATH, QueryJob, policy
from tap_magnite.rows import WITHOUT_ID, RowError, RowKeys, text, with_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    import requests
    from singer_adtech.records.page import Row
    from singer_adtech.records.row_times import RowCheck
    from singer_adtech.reports import Report
    from singer_adtech.tap import AdTechTap
    from singer_sdk.helpers.types import Context, Record

    from tap_magnite.api import MagniteApi
    from tap_magnite.metadata import Kind

_OWN_TEXTS = frozenset({"day", "row_key", "from_date", "to_date"})
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


class QueryReport(MagniteStream[DayWindow], ReportStream):
    """A report: one query per window of days, or one query of a predefined range in each run.

    Without the dimension `day`, rows are totals of a window, with its days in their key.

    A row without data after a restatement, or that no longer meets a constraint, is missing; its old row stays in the
    target.

    Args:
        tap: The tap.
        api: The API.
        report: The report.
        types: Types of metrics from the vendor; empty without `discover_fields`.
    """

    path = PATH
    # Assumed: the dimensions of a row, with identifiers, are unique in a window. If wrong, the stream fails with the
    # dimensions of the two rows.
    key_column = "row_key"
    # A dimension without a value cannot be a key.
    dimensions_without_null = ()

    def __init__(self, tap: AdTechTap, api: MagniteApi, report: Report, types: Mapping[str, str]) -> None:
        columns = report_columns(report, types)
        self._by_window = by_window(report)
        keys = report.primary_keys or (("from_date", "row_key") if self._by_window else ("row_key",))
        # The rows of a predefined range depend on the day of the run, so they replace those of the previous run.
        time = None if report.options["range"] else "from_date" if self._by_window else "day"
        super().__init__(tap, api, report=report, columns=columns, primary_keys=keys, replication_key=time)
        self.selected_by_default = report.options["selected"]
        self._numeric = [name for name in report.metrics if columns[name].kind != "boolean"]
        self._texts = [name for name, column in columns.items() if column.kind == "string" and name not in _OWN_TEXTS]
        self._keys = RowKeys(report.dimensions)
        self._fields_seen: set[str] = set()
        self._fields_missed: set[str] = set()
        self._days_seen: set[str] = set()
        self._empty_ends: list[str] = []

    @property
    @override
    def rows_are_totals(self) -> bool:
        return self._by_window

    @property
    @override
    def row_filters(self) -> Mapping[str, tuple[str, ...]]:
        return {name: (name,) for name in self.report.dimensions if name not in WITHOUT_ID}

    @override
    def filter_settings(self, name: str, value: Any) -> dict[str, Any]:
        return self.with_filters([*self.report.options["filters"], {"field": name, "value": [value]}])

    @property
    @override
    def signature(self) -> dict[str, Any]:
        options = self.report.options
        return {
            **super().signature,
            # Sorted: keys and rows do not depend on the order.
            "dimensions": sorted(self.report.dimensions),
            **{
                name: exact(options[name])
                for name in ("source", "filters", "constraints", "conversions", "parent", "definition")
            },
        }

    @override
    def row_check(self, window: DayWindow) -> RowCheck | None:
        return None if self._by_window else super().row_check(window)

    @override
    def added(self, window: DayWindow | None) -> Mapping[str, Any]:
        if window is None or not self._by_window:
            return {}
        return {"from_date": window.first.isoformat(), "to_date": window.last.isoformat()}

    def definition(self, window: DayWindow | None) -> dict[str, Any]:
        """Return the query of a window, with both of its days included, or of the report's predefined range."""
        options = self.report.options
        orderings = options["orderings"]
        if orderings is None:
            orderings = [{"field": "day", "direction": "asc"}] if "day" in self.report.dimensions else []
        # Assumed: `toDate` is included, as in client code. If wrong, the last day of each window is empty, and two such
        # windows in a row cause a warning.
        days = (
            {"range": options["range"]}
            if window is None
            else {"fromDate": window.first.isoformat(), "toDate": window.last.isoformat()}
        )
        given = {**options, "orderings": orderings}
        return {
            "source": options["source"],
            "fields": [*self.report.dimensions, *self.report.metrics],
            **{name: given[name] for name in ("filters", "constraints", "orderings", "conversions") if given[name]},
            # Assumed: `timeZone` sets the zone of the days. If wrong, rows of another day fail the stream.
            "range": {**days, "timeZone": self.report.time_zone.key},
            **({} if options["parent"] is None else {"parent": options["parent"]}),
            **options["definition"],
        }

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        if self.report.options["range"] is None:
            yield from super().get_records(context)
            return
        with error_context(stream=self.name):
            yield from self.read_records(context)

    @override
    def read_records(
        self, context: Context | None, part: DayWindow | None = None, pages: Iterable[requests.Response] | None = None
    ) -> Iterator[Record]:
        self._days_seen.clear()
        yield from super().read_records(context, part, pages)
        self._warn_of_fields(part)
        if part is not None:
            self._warn_of_last_day(part)

    @override
    def note_fields(self, names: Collection[str]) -> None:
        # Called for the first row, and for each row with a field that no earlier one had.
        self._fields_seen.update(names)

    def _warn_of_fields(self, part: DayWindow | None) -> None:
        kinds = (("dimension", self.report.dimensions), ("metric", self.report.metrics))
        for kind, name in ((kind, name) for kind, names in kinds for name in names):
            if self._fields_seen and name not in self._fields_seen and name not in self._fields_missed:
                self._fields_missed.add(name)
                where = f"window {part}: " if part is not None else ""
                self.log_lines.warning("%sno row has the requested %s `%s`", where, kind, name)

    def _warn_of_last_day(self, window: DayWindow) -> None:
        """Warn if `toDate` may be excluded: two past windows in a row have no row of their last day."""
        last, days = window.last.isoformat(), self._days_seen
        today = self.tap.run_start.astimezone(self.report.time_zone).date()
        # A longer window without any row proves nothing.
        if self._by_window or window.last >= today or (not days and window.first < window.last):
            return
        self._empty_ends = [] if last in days else [*self._empty_ends, last]
        if len(self._empty_ends) == 2:  # noqa: PLR2004 - in a row
            self.log_lines.warning(
                "no row of %s, the last days of two windows in a row: the vendor may not include `toDate`; compare "
                "these days with the Console",
                " and ".join(self._empty_ends),
            )

    @override
    def pages(self, context: Context | None, window: DayWindow | None = None) -> Iterator[requests.Response]:
        source = self.report.options["source"]
        job = QueryJob(
            self.api,
            self.definition(window),
            bad_request=f"report {self.name} of source {source}: check its dimensions, metrics and filters against "
            "the streams query_dimensions and query_metrics",
            label=f"stream {self.name}{self.request_label(window)}",
            logger=self.log_lines,
            counts=self.counts,
        )
        parts = run_job(
            job,
            policy(self.config),
            clock=self.tap.clock,
            logger=self.log_lines,
            # Assumed: the limit of one query counts per user, across all runs; the guide does not describe its scope.
            # If wrong, a query of another user is refused with 412, and the wait for it is logged.
            alone=self.tap.exclusive("query", self.log_lines),
            on_wait=self.counts.waited,
        )
        for part in parts:
            # This query may have caused the first login.
            check_account(self)
            yield part

    @property
    @override
    def converters(self) -> Mapping[str, Callable[[Any], Any]]:
        return dict.fromkeys(self._texts, text)

    @override
    def row_fields(self, row: dict[str, Any]) -> Iterable[tuple[str, Any]]:
        # For rows that are converted one by one. The metrics of others are numbers, or strings of numbers.
        return with_numbers(row.items(), self._numbers)

    @cached_property
    def _numbers(self) -> frozenset[str]:
        """The numeric metrics that are selected."""
        return frozenset(name for name in self._numeric if self.is_written(name))

    @override
    def page_records(self, page: Page, part: DayWindow | None, check: RowCheck | None = None) -> Iterable[Record]:
        rows = cast("list[Row]", page.rows)
        keys = self._keys.keys(rows, self.decode_row, partial(self._check_day, window=part))
        try:
            return super().page_records(Page(rows, keys=keys), part, check)
        except RowError as error:
            error.what = f"report {self.name}: {error.what}"
            raise

    def _check_day(self, day: Any, window: DayWindow | None) -> None:
        if day is None:
            what = f"a row has no day (window {window})" if window is not None else "a row has no day"
        elif not isinstance(day, str) or not _DAY.fullmatch(day):
            what = f"a row has a day that is not a date such as 2025-03-01 (a JSON {json_kind(day)})"
        else:
            self._days_seen.add(day)
            return
        raise RowError(what, "check `time_zone`, and report this to the tap's authors")

    @override
    def digest(self, record: Record) -> int:
        # Two rows with the same key are an error, even if they are equal.
        return 0

    @override
    def on_duplicate(self, record: Record, *, same: bool) -> bool:
        values = ", ".join(f"{name} {record[name]!r}" for name in self.report.dimensions if self.is_written(name))
        raise DataError(
            f"report {self.name}: two rows of one window have the same key ({shorten(values)})",
            "one would replace the other: add a dimension that distinguishes them",
        )


def report_streams(tap: AdTechTap, api: MagniteApi, taken: set[str]) -> list[QueryReport]:
    """Create the streams of the setting `reports`.

    Args:
        tap: The tap.
        api: The API.
        taken: Names of the other streams.

    Raises:
        SettingError: A report is invalid.
        VendorError: With `discover_fields`: the vendor refused to list the fields.
    """
    reports = read_reports(tap.config, RULES, taken=taken)
    for report in reports:
        _check_sides(report)
    if not tap.config.get("discover_fields"):
        return [QueryReport(tap, api, report, {}) for report in reports]
    return [QueryReport(tap, api, report, _known_fields(api, report)) for report in reports]


def _check_sides(report: Report) -> None:
    """Reject filters on the report's own metrics and constraints on its own dimensions."""
    sides = (
        ("filters", report.metrics, "metric", "dimensions"),
        ("constraints", report.dimensions, "dimension", "metrics"),
    )
    for member, others, kind, allowed in sides:
        for item in report.options[member]:
            if item["field"] in others:
                raise SettingError(
                    f"setting `reports`, report {report.name}",
                    f"`{member}` has {item['field']!r}, a {kind}: {member} apply to {allowed} only",
                )


def _known_fields(api: MagniteApi, report: Report) -> dict[str, str]:
    """Check a report against the vendor's fields, and return the metric types of its source.

    Raises:
        SettingError: A field does not exist. The message suggests similar names.
    """
    options = report.options
    named: dict[Kind, list[str]] = {
        "dimensions": [*report.dimensions, *(item["field"] for item in options["filters"])],
        "metrics": [*report.metrics, *(item["field"] for item in options["constraints"])],
    }
    types = {kind: api.metadata.types(options["source"], kind) for kind in named}
    for kind, names in named.items():
        for name in names:
            if name not in types[kind]:
                nearest = get_close_matches(name, types[kind], n=3, cutoff=0.0)
                raise SettingError(
                    f"setting `reports`, report {report.name}",
                    f"source {options['source']} has no {name!r} in its {kind}: the nearest are {', '.join(nearest)}",
                )
    return types["metrics"]
