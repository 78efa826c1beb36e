"""The setting `reports`: its members, and the columns of a report (vendor's wiki, "Reporting"; official SDK)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from singer_adtech.errors import SettingError, shorten
from singer_adtech.reports import Column, Report, ReportRules, read_reports

if TYPE_CHECKING:
    from collections.abc import Collection

DEFAULT_REPORTS: list[dict[str, Any]] = [
    {
        "name": "supply_daily",
        "dimensions": ["supply_tag_id"],
        "metrics": [
            "total_requests",
            "usable_requests",
            "blocked_requests",
            "impressions",
            "clicks",
            "revenue",
            "cost",
            "profit",
            "fill_rate",
        ],
    },
    {
        "name": "demand_daily",
        "dimensions": ["demand_tag_id"],
        "metrics": ["impressions", "clicks", "revenue", "cost", "profit", "fill_rate", "click_through_rate"],
    },
]

INTERVALS = ("hour", "day", "cumulative")

DOCUMENTED_FILTERS = (
    *("supply_tag_ids", "demand_tag_ids", "supply_partner_ids", "demand_partner_ids", "supply_group_ids"),
    *("detected_domains", "declared_domains", "supply_types", "demand_types"),
)
"""Filters that the official SDK documents.
Assumed: the vendor silently ignores filters other than the documented ones. If wrong, they work in spite of the
warning."""

_ADDED = ("date", "end_date", "_extra")
"""Columns that the tap adds to a report."""

_RESERVED = (
    *("start_date", "end_date", "date_range", "interval", "timezone", "dimensions", "metrics", "filters", "currency"),
    *("account_id", "report_service", "async", "report_id", "page"),
)
"""Members of the request body that are not filters."""

_UTC = ("UTC", "Etc/UTC")


def _interval(given: Any) -> str:
    if given is None:
        return "day"
    if given not in INTERVALS:
        raise ValueError(f"`interval` {shorten(repr(given), 80)} is not allowed: one of {', '.join(INTERVALS)}")
    return str(given)


def _filters(given: Any) -> dict[str, list[Any]]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ValueError(  # noqa: TRY004 - one type of error for all invalid values
            f"`filters` {shorten(repr(given), 80)} is not allowed: give an object of names to lists of values"
        )
    for name, values in given.items():
        if not name or name in _RESERVED:
            raise ValueError(f"`filters` has {name!r}: the request itself uses this name")
        if not isinstance(values, list) or not all(type(one) in {int, str} for one in values):
            raise ValueError(
                f"`filters` has {name!r} with {shorten(repr(values), 80)}: give a list of integers or strings"
            )
    return {name: list(values) for name, values in given.items()}


def _currency(given: Any) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str) or not re.fullmatch(r"[A-Za-z]{3}", given):
        raise ValueError(f"`currency` {shorten(repr(given), 80)} is not allowed: three letters, such as USD")
    return given


def _asynchronous(given: Any) -> bool:
    if given is None:
        return True
    if not isinstance(given, bool):
        raise ValueError(f"`async` {shorten(repr(given), 80)} is not allowed: true or false")  # noqa: TRY004 - as above
    return given


def _check_keys(report: Report) -> None:
    columns = [*report_columns(report)]
    for name in report.primary_keys:
        if name not in columns:
            raise ValueError(f"`primary_keys` has {name!r}: allowed are {', '.join(columns)}")
    if "date" not in report.primary_keys:
        raise ValueError(f"`primary_keys` {list(report.primary_keys)} is not allowed: date must be among them")


# Any names are allowed: the vendor does not publish complete lists.
RULES = ReportRules(
    dimensions=None,
    metrics=None,
    metrics_required=False,
    check_keys=_check_keys,
    options={"interval": _interval, "filters": _filters, "currency": _currency, "async": _asynchronous},
)


def reports_of(config: Mapping[str, Any], *, taken: Collection[str]) -> list[Report]:
    """Read the setting `reports`.

    Args:
        config: All settings.
        taken: Names of the other streams.

    Raises:
        SettingError: A report is invalid. The message names the report, the field and the allowed values.
    """
    given = config.get("reports", DEFAULT_REPORTS)
    if isinstance(given, list):
        given = [_with_own_window(one) for one in given]
    reports = read_reports({**config, "reports": given}, RULES, taken=taken)
    for report in reports:
        where = f"setting `reports`, report {report.name}"
        for name in (*report.dimensions, *report.metrics):
            if name in _ADDED:
                raise SettingError(where, f"{name!r} is a column that the tap adds to each report: remove it")
        if report.options["interval"] == "hour" and report.time_zone.key not in _UTC:
            raise SettingError(
                where,
                f"`time_zone` {report.time_zone.key!r} is not allowed with the interval hour: it must be UTC, "
                "because two hours would have the same name when clocks are set back",
            )
    return reports


def _with_own_window(one: Any) -> Any:
    """Set the default window of an hourly report: one day."""
    hourly = isinstance(one, Mapping) and one.get("interval") == "hour" and one.get("window_days") is None
    return {**one, "window_days": 1} if hourly else one


def report_columns(report: Report) -> dict[str, Column]:
    """Return the columns of a report; other fields go to `_extra`."""
    interval = report.options["interval"]
    zone_name = report.time_zone.key
    if interval == "hour":
        columns = {"date": Column("string", "Hour, UTC.", "date-time")}
    elif interval == "day":
        columns = {"date": Column("string", f"Day, {zone_name}.", "date")}
    else:
        columns = {
            "date": Column("string", f"First day of the window, {zone_name}.", "date"),
            "end_date": Column("string", f"Last day of the window, {zone_name}.", "date"),
        }
    for name in report.dimensions:
        columns[name] = Column("integer" if name.endswith("_id") else "string", f"Dimension `{name}`.")
    for name in report.dimensions:
        if name.endswith("_id"):
            name_column = f"{name.removesuffix('_id')}_name"
            columns.setdefault(name_column, Column("string", f"Name for `{name}`."))
    for name in report.metrics:
        columns[name] = Column("number", f"Metric `{name}`, as reported by the vendor.")
    return columns
