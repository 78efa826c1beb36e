"""The funnel: clicks grouped and counted (REST API, "Sales Funnel Breakdown Columns", "Sales Funnel Metrics")."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from typing import TYPE_CHECKING, Any

from vendor_simulators.adspect.clicks import CONVERSION, FIRST_STAGE, SECOND_STAGE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from vendor_simulators.adspect.clicks import Click

DIMENSIONS = (
    "date",
    "month",
    "stream_id",
    "asn",
    "country_code",
    "os",
    "browser",
    "engine",
    "language",
    "sub_id",
    "mode",
    "target",
    "tag",
)
COUNTS = (
    "clicks",
    "uniques",
    "fingerprints",
    "money_hits",
    "money_uniques",
    "safe_hits",
    "givt",
    "sivt",
    "mia",
    "conversions",
)
MONEY = ("expenses", "revenue", "profit")
RATIOS = ("quality", "cr", "roi", "cpc", "cpm", "cpa", "epl", "ecpc", "ecpm")
METRICS = (*COUNTS, *MONEY, *RATIOS)
BASE_METRICS = (
    "clicks",
    "uniques",
    "fingerprints",
    "money_hits",
    "money_uniques",
    "safe_hits",
    "givt",
    "sivt",
    "mia",
    "quality",
    "expenses",
    "conversions",
    "revenue",
    "profit",
)
FILTERS = (
    "stream_id",
    "ip_address",
    "asn",
    "country_code",
    "os",
    "browser",
    "engine",
    "sub_id",
    "click_id",
    "mode",
    "target",
)

Value = str | int | None


@dataclass(frozen=True)
class Group:
    """One group with its dimensions and metrics; a ratio with a zero denominator is None."""

    dimensions: tuple[Value, ...]
    metrics: Mapping[str, int | Decimal | float | None]


def selected(clicks: Iterable[Click], filters: Mapping[str, Collection[str]]) -> list[Click]:
    """Return the clicks that match all filters; the values of one filter are alternatives."""
    return [
        click
        for click in clicks
        if all(
            _text(name, getattr(click, name)) in {_text(name, one) for one in wanted}
            for name, wanted in filters.items()
        )
    ]


def _text(name: str, value: Any) -> str:
    text = str(value)
    if name != "asn":
        return text
    text = text.upper().removeprefix("AS")
    high, point, low = text.partition(".")
    return str(int(high) * 65536 + int(low)) if point else text


def groups(clicks: Iterable[Click], dimensions: Sequence[str], zone: ZoneInfo) -> list[Group]:
    """Group and count clicks; days and months are in the given zone."""
    found: dict[tuple[Value, ...], list[Click]] = defaultdict(list)
    for click in clicks:
        for key in product(*(_values(click, name, zone) for name in dimensions)):
            found[key].append(click)
    return [Group(key, _metrics(rows)) for key, rows in found.items()]


def _values(click: Click, name: str, zone: ZoneInfo) -> tuple[Value, ...]:
    if name == "date":
        return (click.at.astimezone(zone).date().isoformat(),)
    if name == "month":
        return (click.at.astimezone(zone).date().isoformat()[:7],)
    # A click counts in each of its languages and tags.
    if name == "language":
        return click.languages or (None,)
    if name == "tag":
        return click.tags or (None,)
    value: Value = getattr(click, name)
    return (value,)


def _metrics(rows: list[Click]) -> dict[str, int | Decimal | float | None]:
    first = [row for row in rows if row.sequence == FIRST_STAGE]
    second = [row for row in rows if row.sequence == SECOND_STAGE]
    converted = [row for row in rows if row.sequence == CONVERSION]
    money = [row for row in first if row.target]
    clicks, conversions = len(first), len(converted)
    expenses = sum((row.cost for row in first), Decimal(0))
    revenue = sum((row.cost for row in converted), Decimal(0))
    profit = revenue - expenses
    return {
        "clicks": clicks,
        "uniques": len({row.ip_address for row in first}),
        "fingerprints": len(second),
        "money_hits": len(money),
        "money_uniques": len({row.ip_address for row in money}),
        "safe_hits": sum(row.target == 0 for row in first),
        "givt": sum(bool(row.tags) for row in first) + sum(row.extra_givt for row in rows),
        "sivt": sum(bool(row.tags) for row in second),
        "mia": max(0, clicks - len(second)),
        "conversions": conversions,
        "expenses": expenses,
        "revenue": revenue,
        "profit": profit,
        "quality": _ratio(len(money), clicks),
        "cr": _ratio(conversions, clicks),
        "roi": _ratio(profit, expenses),
        "cpc": _ratio(expenses, clicks),
        "cpm": _ratio(expenses * 1000, clicks),
        "cpa": _ratio(expenses, conversions),
        "epl": _ratio(revenue, conversions),
        "ecpc": _ratio(revenue, clicks),
        "ecpm": _ratio(revenue * 1000, clicks),
    }


def _ratio(part: Decimal | int, whole: Decimal | int) -> float | int | None:
    if not whole:
        return None
    # The documented examples show zero without a decimal point.
    return float(part) / float(whole) if part else 0
