"""The streams of the setting `reports`, one query per window (Public API Guide, "Query Definition Details")."""

from __future__ import annotations

import re
from decimal import Decimal
from difflib import get_close_matches
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, cast

from singer_adtech.errors import DataError, SettingError, shorten
from singer_adtech.fetching.jobs import run_job
from singer_adtech.progress.signatures import check_account
from singer_adtech.progress.windows import DayWindow
from singer_adtech.records.page import Page
from singer_adtech.records.values import json_kind
from singer_adtech.reports import Column, Report, ReportRules, ReportStream, read_reports
from typing_extensions import override

from tap_magnite.client import MagniteStream
from tap_magnite.jobs import PATH, QueryJob, policy
from tap_magnite.rows import (
    INTEGER_DIMENSIONS,
    INTEGER_IDS,
    WITHOUT_ID,
    RowError,
    RowKeys,
    id_column,
    text,
    with_numbers,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import requests
    from singer_adtech.records.page import Row
    from singer_adtech.records.row_times import RowCheck
    from singer_adtech.tap import AdTechTap
    from singer_sdk.helpers.types import Context, Record

    from tap_magnite.api import MagniteApi
    from tap_magnite.metadata import Kind

MOST_DAYS = 45
"""Maximum number of days in a range, both ends included (Public API Guide, "Query Range")."""

MAIN_SOURCE = "adstats-publisher"
DEFAULT_REPORTS: list[dict[str, Any]] = [
    {
        "name": "adstats_daily",
        # Assumed: without `currency`, amounts of several currencies might be summed.
        "dimensions": ["day", "publisher", "supply", "adUnit", "currency"],
        "metrics": ["requests", "impressions", "fillRate", "useRate", "netRevenue", "grossRevenue"],
    }
]
OPERATORS = ("<", "<=", "=", ">=", ">")
_INTEGER_METRICS = frozenset({"requests", "impressions"})
_OWN_TEXTS = frozenset({"day", "row_key"})
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_KINDS: Mapping[str, Any] = {
    **dict.fromkeys(("integer", "long", "int"), "integer"),
    **dict.fromkeys(("number", "double", "float", "decimal", "percent", "currency"), "number"),
    "boolean": "boolean",
}
"""JSON types of metrics, by their type in `query_metrics`."""


def _source(given: Any) -> str:
    if given is None:
        return MAIN_SOURCE
    if not isinstance(given, str) or not given:
        raise ValueError(f"`source` {shorten(repr(given), 80)} is not allowed: give the name of a query source")
    return given


def _objects(given: Any, member: str, *names: str) -> list[dict[str, Any]]:
    items = [] if given is None else given
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ValueError(f"`{member}` {shorten(repr(given), 80)} is not allowed: give objects with {', '.join(names)}")
    for item in items:
        for name in item:
            if name not in names:
                raise ValueError(f"`{member}` has {name!r}: allowed are {', '.join(names)}")
        if not isinstance(item.get("field"), str) or not item["field"]:
            raise ValueError(
                f"`{member}`: `field` {shorten(repr(item.get('field')), 80)} is not allowed: give a field id"
            )
    return items


def _plain(value: Any) -> Any:
    """Convert a decimal from a settings file to a float for the request body."""
    return float(value) if isinstance(value, Decimal) else value


def _exact(value: Any) -> Any:
    """Convert a float to a string for the state: state files are read as decimals, and Decimal('0.1') != 0.1."""
    return str(value) if isinstance(value, float) else value


def _filters(given: Any) -> list[dict[str, Any]]:
    filters = []
    for item in _objects(given, "filters", "field", "negate", "value"):
        value = item.get("value")
        values = [_plain(one) for one in value] if isinstance(value, list) else [_plain(value)]
        if not values or not all(isinstance(one, (str, int, float)) for one in values):
            raise ValueError(f"`filters`: `value` {shorten(repr(value), 80)} is not allowed: give a value or a list")
        negate = item.get("negate", False)
        if not isinstance(negate, bool) and negate not in {"true", "false"}:
            raise ValueError(f"`filters`: `negate` {shorten(repr(negate), 80)} is not allowed: true or false")
        filters.append({"field": item["field"], "negate": negate in {True, "true"}, "value": values})
    return filters


def _constraints(given: Any) -> list[dict[str, Any]]:
    constraints = []
    for item in _objects(given, "constraints", "field", "operator", "value"):
        if item.get("operator") not in OPERATORS:
            raise ValueError(
                f"`constraints`: `operator` {shorten(repr(item.get('operator')), 80)} is not allowed: one of "
                f"{' '.join(OPERATORS)}"
            )
        value = _plain(item.get("value"))
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(  # noqa: TRY004 - one type of error for all invalid values
                f"`constraints`: `value` {shorten(repr(item.get('value')), 80)} is not allowed: give a number"
            )
        constraints.append({"field": item["field"], "operator": item["operator"], "value": value})
    return constraints


def _check_keys(report: Report) -> None:
    columns = report_columns(report, {})
    for name in report.primary_keys:
        if name not in columns:
            raise ValueError(f"`primary_keys` has {name!r}: the columns of the report are {', '.join(columns)}")


RULES = ReportRules(
    dimensions=None,
    metrics=None,
    days=("day",),
    days_reason="otherwise rows of different windows would have the same key",
    most_lookback_days=MOST_DAYS,
    most_window_days=MOST_DAYS,
    check_keys=_check_keys,
    options={"source": _source, "filters": _filters, "constraints": _constraints},
)


def report_columns(report: Report, types: Mapping[str, str]) -> dict[str, Column]:
    """Return the columns of a report, in order.

    Args:
        report: The report.
        types: Types of metrics from the vendor; empty without `discover_fields`.
    """
    columns: dict[str, Column] = {}
    for name in report.dimensions:
        if name == "day":
            columns[name] = Column("string", f"Day in the zone {report.time_zone.key}, `YYYY-MM-DD`.", "date")
        elif name in INTEGER_DIMENSIONS:
            columns[name] = Column("integer", f"Dimension `{name}`, as the vendor sends it.")
        else:
            columns[name] = Column("string", f"Dimension `{name}`: mostly the readable name.")
        if name not in WITHOUT_ID and id_column(name) not in report.dimensions:
            kind: Any = "integer" if name in INTEGER_IDS else "string"
            columns[id_column(name)] = Column(kind, f"Identifier of `{name}`; null where the vendor sends none.")
    for name in report.metrics:
        kind = _KINDS.get(types.get(name, "").lower(), "integer" if name in _INTEGER_METRICS else "number")
        columns[name] = Column(kind, f"Metric `{name}`; rates are fractions.")
    columns["row_key"] = Column(
        "string", "SHA-256 (hex) of the row's dimensions, each by its identifier where there is one."
    )
    return columns


class QueryReport(MagniteStream[DayWindow], ReportStream):
    """A report: one query per window of days.

    A row without data after a restatement, or that no longer meets a constraint, is missing; its old row stays in the
    target.

    Args:
        tap: The tap.
        api: The API.
        report: The report.
        types: Types of metrics from the vendor; empty without `discover_fields`.
    """

    path = PATH
    key_column = "row_key"
    # A dimension without a value cannot be a key.
    dimensions_without_null = ()

    def __init__(self, tap: AdTechTap, api: MagniteApi, report: Report, types: Mapping[str, str]) -> None:
        columns = report_columns(report, types)
        keys = report.primary_keys or ("row_key",)
        super().__init__(tap, api, report=report, columns=columns, primary_keys=keys, replication_key="day")
        self._numeric = [name for name in report.metrics if columns[name].kind != "boolean"]
        self._texts = [name for name, column in columns.items() if column.kind == "string" and name not in _OWN_TEXTS]
        self._keys = RowKeys(report.dimensions)

    @property
    @override
    def signature(self) -> dict[str, Any]:
        options = self.report.options
        # Sorted: keys and rows do not depend on the order.
        return {
            **super().signature,
            "dimensions": sorted(self.report.dimensions),
            "source": options["source"],
            "filters": [{**item, "value": [_exact(one) for one in item["value"]]} for item in options["filters"]],
            "constraints": [{**item, "value": _exact(item["value"])} for item in options["constraints"]],
        }

    def definition(self, window: DayWindow) -> dict[str, Any]:
        """Return the query of a window, with both of its days included."""
        options = self.report.options
        lists = {name: options[name] for name in ("filters", "constraints") if options[name]}
        return {
            "source": options["source"],
            "fields": [*self.report.dimensions, *self.report.metrics],
            **lists,
            "orderings": [{"field": "day", "direction": "asc"}],
            "range": {
                "fromDate": window.first.isoformat(),
                "toDate": window.last.isoformat(),
                "timeZone": self.report.time_zone.key,
            },
        }

    @override
    def pages(self, context: Context | None, window: DayWindow | None = None) -> Iterator[requests.Response]:
        if window is None:
            raise TypeError("a report is read by windows")
        source = self.report.options["source"]
        job = QueryJob(
            self.api,
            self.definition(window),
            bad_request=f"report {self.name} of source {source}: check dimensions, metrics, filters",
            label=f"stream {self.name}, window {window}",
            logger=self.log_lines,
            counts=self.counts,
        )
        parts = run_job(
            job,
            policy(self.config),
            clock=self.tap.clock,
            logger=self.log_lines,
            # A user can run one query at a time, across all runs.
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

    @staticmethod
    def _check_day(day: Any, window: DayWindow | None) -> None:
        if day is None:
            what = f"a row has no day (window {window})"
        elif not isinstance(day, str) or not _DAY.fullmatch(day):
            what = f"a row has a day that is not a date such as 2025-03-01 (a JSON {json_kind(day)})"
        else:
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
