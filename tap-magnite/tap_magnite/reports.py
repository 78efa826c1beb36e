"""Reports: streams of query results, made from the setting `reports` (Public API Guide, "Query Definition Details")."""

from __future__ import annotations

import re
from decimal import Decimal
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from singer_adtech.errors import DataError, SettingError, shorten
from singer_adtech.fetching.jobs import run_job
from singer_adtech.progress.signatures import check_account
from singer_adtech.records.values import json_kind
from singer_adtech.reports import Column, Report, ReportRules, ReportStream, read_reports
from typing_extensions import override

from tap_magnite.client import MagniteStream
from tap_magnite.queries import QueryJob, policy
from tap_magnite.rows import (
    INTEGER_DIMENSIONS,
    INTEGER_TWINS,
    WITHOUT_TWIN,
    row_key,
    twin_column,
    with_numbers,
    with_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import requests
    from singer_adtech.progress.windows import DayWindow
    from singer_sdk.helpers.types import Context, Record

    from tap_magnite.tap import TapMagnite

MOST_DAYS = 45
"""Days in one range at most (Public API Guide, "Query Range"); both ends count."""

MAIN_SOURCE = "adstats-publisher"
DEFAULT_REPORTS: list[dict[str, Any]] = [
    {
        "name": "adstats_daily",
        # Assumed: without `currency`, amounts of several currencies might be added up.
        "dimensions": ["day", "publisher", "supply", "adUnit", "currency"],
        "metrics": ["requests", "impressions", "fillRate", "useRate", "netRevenue", "grossRevenue"],
    }
]
OPERATORS = ("<", "<=", "=", ">=", ">")
_INTEGER_METRICS = frozenset({"requests", "impressions"})
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_KINDS: Mapping[str, Any] = {
    **dict.fromkeys(("integer", "long", "int"), "integer"),
    **dict.fromkeys(("number", "double", "float", "decimal", "percent", "currency"), "number"),
    "boolean": "boolean",
}
"""JSON types of metrics, by the type that `query_metrics` tells."""


def _source(given: Any) -> str:
    if given is None:
        return MAIN_SOURCE
    if not isinstance(given, str) or not given:
        raise ValueError(f"`source` {shorten(repr(given), 80)} is not allowed: give the name of a query source")
    return given


def _objects(given: Any, member: str, *names: str) -> list[dict[str, Any]]:
    items = [] if given is None else given
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ValueError(f"`{member}` {shorten(repr(given), 80)} is not allowed: give a list of {', '.join(names)}")
    for item in items:
        for name in item:
            if name not in names:
                raise ValueError(f"`{member}` has {name!r}: allowed are {', '.join(names)}")
        if not isinstance(item.get("field"), str) or not item["field"]:
            raise ValueError(f"`{member}`: `field` {shorten(repr(item.get('field')), 80)} is not allowed: give an id")
    return items


def _plain(value: Any) -> Any:
    """Return a number of a settings file, which is read as a decimal, as JSON is written."""
    return float(value) if isinstance(value, Decimal) else value


def _exact(value: Any) -> Any:
    """Return a value as a state can keep it: a state file is read with decimals, which no float of a tenth equals."""
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
            raise ValueError(  # noqa: TRY004 - one kind of error for each bad value
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
    days_reason="without it the totals of two windows could not be told apart",
    most_lookback_days=MOST_DAYS,
    most_window_days=MOST_DAYS,
    check_keys=_check_keys,
    options={"source": _source, "filters": _filters, "constraints": _constraints},
)


def report_columns(report: Report, types: Mapping[str, str]) -> dict[str, Column]:
    """Return the columns of a report, in order.

    Args:
        report: The report.
        types: Types of metrics as the vendor tells them, where they were asked for.
    """
    columns: dict[str, Column] = {}
    for name in report.dimensions:
        if name == "day":
            columns[name] = Column("string", f"Day in the zone {report.time_zone.key}, `YYYY-MM-DD`.", "date")
        elif name in INTEGER_DIMENSIONS:
            columns[name] = Column("integer", f"Dimension `{name}`, as the vendor sends it.")
        else:
            columns[name] = Column("string", f"Dimension `{name}`: mostly the readable name.")
        if name not in WITHOUT_TWIN and twin_column(name) not in report.dimensions:
            kind: Any = "integer" if name in INTEGER_TWINS else "string"
            columns[twin_column(name)] = Column(kind, f"Identifier of `{name}`; null where the vendor sends none.")
    for name in report.metrics:
        kind = _KINDS.get(types.get(name, "").lower(), "integer" if name in _INTEGER_METRICS else "number")
        columns[name] = Column(kind, f"Metric `{name}`; rates are fractions.")
    columns["row_key"] = Column(
        "string", "SHA-256 (hex) of the row's dimensions, each by its identifier where there is one."
    )
    return columns


class QueryReport(MagniteStream, ReportStream[None]):
    """A report: one query for each window of days.

    A row that a restatement takes back, or that no longer meets a constraint, is not sent any more; its old row stays
    in the target.

    Args:
        tap: The tap.
        report: The report.
        types: Types of metrics as the vendor tells them, where they were asked for.
    """

    path = "/queries"

    def __init__(self, tap: TapMagnite, report: Report, types: Mapping[str, str]) -> None:
        columns = report_columns(report, types)
        keys = report.primary_keys or ("row_key",)
        super().__init__(tap, report, columns=columns, primary_keys=keys, replication_key="day")
        self._numbers = [name for name in report.metrics if columns[name].kind != "boolean"]

    @property
    @override
    def signature(self) -> dict[str, Any]:
        options = self.report.options
        # In any order: neither keys nor rows depend on it.
        return {
            **super().signature,
            "dimensions": sorted(self.report.dimensions),
            "source": options["source"],
            "filters": [{**item, "value": [_exact(one) for one in item["value"]]} for item in options["filters"]],
            "constraints": [{**item, "value": _exact(item["value"])} for item in options["constraints"]],
        }

    def definition(self, window: DayWindow) -> dict[str, Any]:
        """Return the query for a window; both of its days are included."""
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
            self.tap,
            self.definition(window),
            bad_request=f"report {self.name} of source {source}: check dimensions, metrics, filters",
            label=f"stream {self.name}, window {window}",
            counts=self.counts,
        )
        parts = run_job(
            job,
            policy(self.config),
            clock=self.tap.clock,
            logger=self.log_lines,
            # One query of a user runs at a time, whichever run asks.
            alone=self.tap.alone("query", self.log_lines),
            on_wait=self.counts.waited,
        )
        for part in parts:
            # The first login may have come with this query.
            check_account(self)
            yield part

    @override
    def flat_row(self, row: dict[str, Any], window: DayWindow | None) -> dict[str, Any]:
        self._check_day(row.get("day"), window)
        try:
            made = with_numbers(with_text(row, self.report.dimensions), self._numbers)
        except DataError as error:
            error.what = f"report {self.name}: {error.what}"
            raise
        return {**made, "row_key": row_key(row, self.report.dimensions)}

    def _check_day(self, told: Any, window: DayWindow | None) -> None:
        if told is None:
            what = f"a row has no day (of {window})"
        elif not isinstance(told, str) or not _DAY.fullmatch(told):
            what = f"a row has a day that is not like 2025-03-01 (a JSON {json_kind(told)})"
        else:
            return
        raise DataError(f"report {self.name}: {what}", "check `time_zone`, and report this to the tap's authors")

    @override
    def digest(self, record: Record) -> int:
        # Two rows of one key fail whatever else they say.
        return 0

    @override
    def repeated(self, record: Record, *, same: bool) -> bool:
        values = ", ".join(f"{name} {record[name]!r}" for name in self.report.dimensions)
        raise DataError(
            f"report {self.name}: two rows of one window have the same key ({shorten(values)})",
            "one would replace the other: add a dimension that tells them apart",
        )


def report_streams(tap: TapMagnite, taken: set[str]) -> list[QueryReport]:
    """Make the streams of the setting `reports`.

    Args:
        tap: The tap.
        taken: Names of the other streams.

    Raises:
        SettingError: A report is not as it must be.
        VendorError: With `discover_fields`: the vendor refused to list the fields.
    """
    reports = read_reports(tap.config, RULES, taken=taken)
    for report in reports:
        _check_sides(report)
    if not tap.config.get("discover_fields"):
        return [QueryReport(tap, report, {}) for report in reports]
    return [QueryReport(tap, report, _known_fields(tap, report)) for report in reports]


def _check_sides(report: Report) -> None:
    """Refuse a filter on a metric and a constraint on a dimension, of those that the report itself names."""
    sides = (
        ("filters", report.metrics, "metric", "dimensions"),
        ("constraints", report.dimensions, "dimension", "metrics"),
    )
    for member, others, kind, allowed in sides:
        for item in report.options[member]:
            if item["field"] in others:
                raise SettingError(
                    f"setting `reports`, report {report.name}",
                    f"`{member}` has {item['field']!r}, a {kind}: {member} are on {allowed} only",
                )


def _known_fields(tap: TapMagnite, report: Report) -> dict[str, str]:
    """Hold a report against the vendor's lists of fields; returns the types of its source's metrics.

    Raises:
        SettingError: A field is not there; with those that are spelled most like it.
    """
    options = report.options
    asked = {
        "dimensions": [*report.dimensions, *(item["field"] for item in options["filters"])],
        "metrics": [*report.metrics, *(item["field"] for item in options["constraints"])],
    }
    types = {kind: tap.field_types(options["source"], kind) for kind in asked}
    for kind, names in asked.items():
        for name in names:
            if name not in types[kind]:
                nearest = get_close_matches(name, types[kind], n=3, cutoff=0.0)
                raise SettingError(
                    f"setting `reports`, report {report.name}",
                    f"source {options['source']} has no {name!r} among its {kind}: nearest are {', '.join(nearest)}",
                )
    return types["metrics"]
