"""Query definitions and their validation against the Public API Guide."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from vendor_simulators.magnite.warehouse import CURRENCY_IDS, METRICS, SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vendor_simulators.magnite.warehouse import Pair, Source

MAX_DAYS = 45
OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
}
# The six of the guide, and two that public clients send.
_PARTS = {"source", "fields", "filters", "constraints", "orderings", "range", "conversions", "parent"}


class BadDefinitionError(Exception):
    """A definition that breaks a rule of the guide, with the rule in the message."""


@dataclass(frozen=True)
class Query:
    """A parsed definition.

    `filters` holds (dimension, negate, values) and `constraints` holds (metric, operator, value). Both days are
    inclusive.
    """

    source: str
    dimensions: tuple[str, ...]
    metrics: tuple[str, ...]
    first_day: date
    last_day: date
    filters: tuple[tuple[str, bool, tuple[str, ...]], ...] = ()
    constraints: tuple[tuple[str, str, Decimal], ...] = ()
    orderings: tuple[tuple[str, bool], ...] = ()
    fields: tuple[str, ...] = field(default=())
    currency: int | None = None
    """Id of the currency of all amounts; None for their own."""
    seat: int | None = None
    """Id of the only seat; None for all."""
    zone: ZoneInfo | None = None
    """Zone of the days; None for UTC."""

    def keeps(self, read: Callable[[str], Pair]) -> bool:
        """Return whether the filters keep an entry; `read` returns its value and identifier for a dimension."""
        return all(
            negate != any(str(part) in values for part in read(name) if part is not None)
            for name, negate, values in self.filters
        )

    def satisfied(self, read: Callable[[str], int | Decimal | None]) -> bool:
        """Return whether a row satisfies the constraints; `read` returns its value of a metric. Null satisfies none."""
        for name, sign, value in self.constraints:
            found = read(name)
            if found is None or not OPERATORS[sign](found, value):
                return False
        return True


def read_definition(definition: Any, *, today: date) -> Query:
    """Parse a definition.

    Args:
        definition: The JSON body of `POST /queries`.
        today: The day that named ranges refer to.

    Raises:
        BadDefinitionError: A part is missing, unknown or invalid.
    """
    if not isinstance(definition, dict):
        raise BadDefinitionError("the definition is not an object")
    if unknown := sorted(definition.keys() - _PARTS):
        raise BadDefinitionError(f"no such part: {', '.join(unknown)}")
    source = SOURCES.get(definition.get("source", ""))
    if source is None:
        raise BadDefinitionError(f"no such source: {definition.get('source')}")
    fields = definition.get("fields")
    if not isinstance(fields, list) or not fields or len(set(map(str, fields))) < len(fields):
        raise BadDefinitionError("fields is not a list of unique ids")
    if unknown := [name for name in fields if name not in (*source.dimensions, *source.metrics)]:
        raise BadDefinitionError(f"{source.name} has no field {', '.join(map(str, unknown))}")
    first, last = _range(definition.get("range"), today)
    return Query(
        source=source.name,
        dimensions=tuple(name for name in fields if name in source.dimensions),
        metrics=tuple(name for name in fields if name in source.metrics),
        first_day=first,
        last_day=last,
        filters=tuple(_filter(item, source) for item in _list(definition, "filters")),
        constraints=tuple(_constraint(item, source) for item in _list(definition, "constraints")),
        orderings=tuple(_ordering(item, source) for item in _list(definition, "orderings")),
        fields=tuple(fields),
        currency=_conversion(definition),
        seat=_parent(definition.get("parent")),
        zone=ZoneInfo(definition["range"]["timeZone"]) if "timeZone" in definition["range"] else None,
    )


def _conversion(definition: Mapping[str, Any]) -> int | None:
    """Return the currency of a client's `conversions`: null, or a list with a currency's id."""
    items = [] if definition.get("conversions") is None else _list(definition, "conversions")
    for item in items:
        _members(item, "conversions", "field", "value")
        if item["field"] != "currency" or item["value"] not in CURRENCY_IDS:
            raise BadDefinitionError(f"no conversion of {item['field']} to {item['value']}")
    return items[0]["value"] if items else None


def _parent(given: Any) -> int | None:
    """Return the seat of a client's `parent`: null, or an object with a seat's id."""
    if given is None:
        return None
    if not isinstance(given, dict):
        raise BadDefinitionError("parent is not an object")
    _members(given, "parent", "field", "value")
    if given["field"] != "seat" or not isinstance(given["value"], int):
        raise BadDefinitionError(f"no parent {given['field']} {given['value']}")
    return given["value"]


def _list(definition: Mapping[str, Any], part: str) -> list[dict[str, Any]]:
    found = definition.get(part, [])
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise BadDefinitionError(f"{part} is not a list of objects")
    return found


def _members(item: dict[str, Any], part: str, *names: str) -> None:
    if item.keys() != set(names):
        raise BadDefinitionError(f"{part} need {', '.join(names)}, not {', '.join(sorted(item))}")


def _filter(item: dict[str, Any], source: Source) -> tuple[str, bool, tuple[str, ...]]:
    _members(item, "filters", "field", "negate", "value")
    if item["field"] not in source.dimensions:
        raise BadDefinitionError(f"a filter on {item['field']}: not a dimension")
    # The guide's sample has the text "false", its prose has true or false.
    negate = {True: True, False: False, "true": True, "false": False}.get(item["negate"])
    if negate is None:
        raise BadDefinitionError(f"negate is {item['negate']}")
    values = item["value"] if isinstance(item["value"], list) else [item["value"]]
    if not values:
        raise BadDefinitionError(f"the filter on {item['field']} has no value")
    return item["field"], negate, tuple(str(value) for value in values)


def _constraint(item: dict[str, Any], source: Source) -> tuple[str, str, Decimal]:
    _members(item, "constraints", "field", "operator", "value")
    if item["field"] not in source.metrics:
        raise BadDefinitionError(f"a constraint on {item['field']}: not a metric")
    if item["operator"] not in OPERATORS:
        raise BadDefinitionError(f"no such operator: {item['operator']}")
    if isinstance(item["value"], bool) or not isinstance(item["value"], (int, float)):
        raise BadDefinitionError(f"the value of the constraint on {item['field']} is not a number")
    return item["field"], item["operator"], Decimal(str(item["value"]))


def _ordering(item: dict[str, Any], source: Source) -> tuple[str, bool]:
    _members(item, "orderings", "field", "direction")
    if item["field"] not in source.dimensions and item["field"] not in METRICS:
        raise BadDefinitionError(f"an ordering by {item['field']}: not a field")
    if item["direction"] not in {"asc", "desc"}:
        raise BadDefinitionError(f"no such direction: {item['direction']}")
    return item["field"], item["direction"] == "desc"


def _range(given: Any, today: date) -> tuple[date, date]:
    if not isinstance(given, dict) or given.keys() - {"range", "fromDate", "toDate", "timeZone"}:
        raise BadDefinitionError("range is not an object with range, or fromDate and toDate, and optionally timeZone")
    if "timeZone" in given:
        try:
            ZoneInfo(given["timeZone"])
        except (KeyError, ValueError, TypeError, OSError):
            raise BadDefinitionError(f"no such timeZone: {given['timeZone']}") from None
    if ("range" in given) == ("fromDate" in given or "toDate" in given):
        raise BadDefinitionError("range must be either a name or two dates")
    if "range" in given:
        return _named_range(given["range"], today)
    first, last = (_day(given.get(name), name) for name in ("fromDate", "toDate"))
    if first > last:
        raise BadDefinitionError(f"fromDate {first} is after toDate {last}")
    days = (last - first).days + 1
    if days > MAX_DAYS:
        raise BadDefinitionError(f"{days} days; the maximum is {MAX_DAYS}")
    return first, last


def _day(text: Any, name: str) -> date:
    try:
        day = date.fromisoformat(text)
    except (TypeError, ValueError):
        day = None
    # Since Python 3.11 fromisoformat accepts other formats too.
    if day is None or day.isoformat() != text:
        raise BadDefinitionError(f"{name}={text} is not a date (YYYY-MM-DD)")
    return day


def _named_range(name: Any, today: date) -> tuple[date, date]:
    """Return the days of a named range; weeks start on Monday."""
    one = timedelta(days=1)
    monday, first = today - today.weekday() * one, today.replace(day=1)
    ranges = {
        "today": (today, today),
        "yesterday": (today - one, today - one),
        "thisWeek": (monday, today),
        "lastWeek": (monday - 7 * one, monday - one),
        "thisMonth": (first, today),
        "lastMonth": ((first - one).replace(day=1), first - one),
        "lastSevenDays": (today - 7 * one, today - one),
        "lastThirtyDays": (today - 30 * one, today - one),
    }
    if name not in ranges:
        raise BadDefinitionError(f"no such range: {name}")
    return ranges[name]
