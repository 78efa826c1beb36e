"""The setting `reports`: the members of a report, and its columns (Public API Guide, "Query Definition Details")."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from singer_adtech.errors import shorten
from singer_adtech.reports import Column, Report, ReportRules

from tap_magnite.rows import INTEGER_DIMENSIONS, INTEGER_IDS, WITHOUT_ID, id_column

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_DAYS = 45
"""Maximum number of days in a range, both ends included (Public API Guide, "Query Range")."""

MAIN_SOURCE = "adstats-publisher"
DEFAULT_REPORTS: list[dict[str, Any]] = [
    {
        "name": "adstats_daily",
        # Assumed: without `currency`, amounts of several currencies are summed. If wrong, the column is redundant.
        "dimensions": ["day", "publisher", "supply", "adUnit", "currency"],
        "metrics": ["requests", "impressions", "fillRate", "useRate", "netRevenue", "grossRevenue"],
    },
    {
        "name": "deals_daily",
        # Assumed: the source `deals-publisher` has the fields of this report, as in client code. If wrong, the query is
        # refused (400); the report is off by default.
        "source": "deals-publisher",
        "dimensions": ["day", "publisher", "supply", "dealCode", "dealName", "buyerName", "currency"],
        "metrics": ["eligibleBids", "validBids", "impressions", "completions", "clicks", "netRevenue", "grossRevenue"],
        "selected": False,
    },
]

RANGES = (*("today", "yesterday", "thisWeek", "lastWeek", "thisMonth", "lastMonth", "lastSevenDays", "lastThirtyDays"),)
"""Predefined ranges (Public API Guide, "Query Range")."""

_MEMBERS = ("source", "fields", "filters", "constraints", "orderings", "range", "conversions", "parent")
"""Members of a query that other members of a report set."""
OPERATORS = ("<", "<=", "=", ">=", ">")
_INTEGER_METRICS = frozenset({"requests", "impressions"})
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
    """Convert decimals from a settings file to floats for the request body."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return float(value) if isinstance(value, Decimal) else value


def exact(value: Any) -> Any:
    """Convert floats to strings for the state: state files are read as decimals, and Decimal('0.1') != 0.1."""
    if isinstance(value, dict):
        return {name: exact(one) for name, one in value.items()}
    if isinstance(value, list):
        return [exact(one) for one in value]
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


def _range(given: Any) -> str | None:
    if given is not None and given not in RANGES:
        raise ValueError(f"`range` {shorten(repr(given), 80)} is not allowed: one of {', '.join(RANGES)}")
    return cast("str | None", given)


def _orderings(given: Any) -> list[dict[str, Any]] | None:
    if given is None:
        return None
    items = _objects(given, "orderings", "field", "direction")
    for item in items:
        if item.setdefault("direction", "asc") not in {"asc", "desc"}:
            raise ValueError(
                f"`orderings`: `direction` {shorten(repr(item['direction']), 80)} is not allowed: asc or desc"
            )
    return items


def _conversions(given: Any) -> list[dict[str, Any]]:
    items = _objects(given, "conversions", "field", "value")
    for item in items:
        if type(item.get("value")) not in {int, str}:
            raise ValueError(
                f"`conversions`: `value` {shorten(repr(item.get('value')), 80)} is not allowed: give an id or a text"
            )
    return items


def _parent(given: Any) -> dict[str, Any] | None:
    if given is None:
        return None
    items = _objects([given], "parent", "field", "value")
    if type(items[0].get("value")) not in {int, str}:
        raise ValueError(f"`parent`: `value` {shorten(repr(items[0].get('value')), 80)} is not allowed: give an id")
    return items[0]


def _definition(given: Any) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise ValueError(  # noqa: TRY004 - one type of error for all invalid values
            f"`definition` {shorten(repr(given), 80)} is not allowed: give an object of members of a query"
        )
    for name in given:
        if name in _MEMBERS:
            raise ValueError(f"`definition` has {name!r}: the report has its own members for it")
    return cast("dict[str, Any]", _plain(given))


def _selected(given: Any) -> bool:
    if given is not None and not isinstance(given, bool):
        raise ValueError(f"`selected` {shorten(repr(given), 80)} is not allowed: true or false")
    return given is not False


def _check_keys(report: Report) -> None:
    columns = report_columns(report, {})
    for name in report.primary_keys:
        if name not in columns:
            raise ValueError(f"`primary_keys` has {name!r}: the columns of the report are {', '.join(columns)}")
    # The key of a row has its dimensions, with the day; rows of other windows would replace it without one.
    needed = {"from_date"} if by_window(report) else {"day", "row_key"} if "day" in report.dimensions else set()
    if report.primary_keys and needed and not needed & {*report.primary_keys}:
        shown, names = list(report.primary_keys), " or ".join(sorted(needed))
        raise ValueError(f"`primary_keys` {shown} is not allowed: {names} must be among them")


RULES = ReportRules(
    dimensions=None,
    metrics=None,
    most_lookback_days=MOST_DAYS,
    most_window_days=MOST_DAYS,
    check_keys=_check_keys,
    options={
        "source": _source,
        "filters": _filters,
        "constraints": _constraints,
        "orderings": _orderings,
        "range": _range,
        "conversions": _conversions,
        "parent": _parent,
        "definition": _definition,
        "selected": _selected,
    },
)


def report_columns(report: Report, types: Mapping[str, str]) -> dict[str, Column]:
    """Return the columns of a report, in order.

    Args:
        report: The report.
        types: Types of metrics from the vendor; empty without `discover_fields`.
    """
    columns: dict[str, Column] = {}
    if by_window(report):
        columns["from_date"] = Column("string", f"First day of the window in the zone {report.time_zone.key}.", "date")
        columns["to_date"] = Column("string", f"Last day of the window in the zone {report.time_zone.key}.", "date")
    for name in report.dimensions:
        if name == "day":
            columns[name] = Column("string", f"Day in the zone {report.time_zone.key}, `YYYY-MM-DD`.", "date")
        elif name in INTEGER_DIMENSIONS:
            columns[name] = Column("integer", f"Dimension `{name}`, as received.")
        else:
            columns[name] = Column("string", f"Dimension `{name}`, usually as a display name.")
        if name not in WITHOUT_ID and id_column(name) not in report.dimensions:
            kind: Any = "integer" if name in INTEGER_IDS else "string"
            columns[id_column(name)] = Column(kind, f"Identifier of `{name}`; null if not sent.")
    for name in report.metrics:
        sent_type = types.get(name, "").lower()
        kind = _KINDS.get(sent_type, "integer" if name in _INTEGER_METRICS else "number")
        is_rate = sent_type == "percent" or name.lower().endswith(("rate", "ctr"))
        columns[name] = Column(kind, f"Metric `{name}`, as a fraction." if is_rate else f"Metric `{name}`.")
    columns["row_key"] = Column(
        "string", "SHA-256 (hex) of the row's dimensions, each represented by its identifier if it has one."
    )
    return columns


def by_window(report: Report) -> bool:
    """Return whether rows are totals of windows: the report has no days, and no predefined range."""
    return "day" not in report.dimensions and report.options["range"] is None
