"""Facts: counts per hour and supply tag, and the report rows that aggregate them."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from vendor_simulators.springserve.data import pick

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from vendor_simulators.springserve.data import Inventory

COUNTS = ("total_requests", "usable_requests", "blocked_requests", "impressions", "clicks")
MONEY = ("revenue", "cost", "profit")
RATES = {"fill_rate": ("impressions", "total_requests"), "click_through_rate": ("clicks", "impressions")}
METRICS = (*COUNTS, *MONEY, *RATES)
"""All metrics; also the set that the server returns for a report without metrics."""

DIMENSIONS = {
    "supply_tag_id": "supply_tag_ids",
    "demand_tag_id": "demand_tag_ids",
    "supply_partner_id": "supply_partner_ids",
    "demand_partner_id": "demand_partner_ids",
    "supply_type": "supply_types",
    "demand_type": "demand_types",
    "detected_domain": "detected_domains",
    "declared_domain": "declared_domains",
    "device_brand": "device_brands",
}
"""Dimensions and their filters."""

CENT = Decimal("0.0001")


class Fact(NamedTuple):
    """One hour of one supply tag; `counts` are in the order of `COUNTS`, `money` in the order of `MONEY`."""

    hour: datetime
    dimensions: Mapping[str, Any]
    counts: tuple[int, ...]
    money: tuple[Decimal, ...]


@dataclass(frozen=True)
class ReportQuery:
    """Parameters of a report; days are inclusive, in `zone`."""

    first: date
    last: date
    interval: str
    zone: str
    dimensions: tuple[str, ...]
    filters: Mapping[str, frozenset[str]]


class ReportRow(NamedTuple):
    """A report row: its hour or day (None for a cumulative report), its group, and sums by metric."""

    moment: datetime | None
    group: tuple[Any, ...]
    sums: dict[str, Any]


class Facts:
    """All facts.

    Args:
        inventory: The inventory that the facts refer to.
        first_day: First day with facts, UTC.
        last_day: Last day with facts, UTC.
    """

    def __init__(self, inventory: Inventory, first_day: date, last_day: date) -> None:
        self._seed = inventory.seed
        # A snapshot: entities added later have no past.
        self._entities = dict(inventory.entities)
        self._first_day = first_day
        self._last_day = last_day
        self._restated: dict[date, list[int]] = defaultdict(list)
        self._lock = threading.Lock()

    def restate(self, seed: int, days: int) -> list[int]:
        """Change the last days and return the supply tags whose rows have changed."""
        with self._lock:
            for back in range(days):
                day = self._last_day - timedelta(days=back)
                if day >= self._first_day:
                    self._restated[day].append(seed)
        return [tag.id for tag in self._entities["supply_tags"]]

    def rows(self, query: ReportQuery) -> list[ReportRow]:
        """Aggregate the facts that match a query, ordered by group."""
        zone = ZoneInfo(query.zone)
        start = datetime.combine(query.first, time(), tzinfo=zone).astimezone(timezone.utc)
        end = datetime.combine(query.last + timedelta(days=1), time(), tzinfo=zone).astimezone(timezone.utc)
        groups: dict[tuple[Any, ...], list[Any]] = {}
        for fact in self._between(start, end):
            if any(str(fact.dimensions[name]) not in allowed for name, allowed in query.filters.items()):
                continue
            local = fact.hour.astimezone(zone)
            moment: datetime | None = local.replace(tzinfo=None)
            if query.interval == "day":
                moment = datetime.combine(local.date(), time())
            elif query.interval == "cumulative":
                moment = None
            key = (moment, *(fact.dimensions.get(name) for name in query.dimensions))
            sums = groups.setdefault(key, [0] * len(COUNTS) + [Decimal()] * len(MONEY))
            for index, value in enumerate((*fact.counts, *fact.money)):
                sums[index] += value
        return [
            ReportRow(key[0], key[1:], self._metrics(sums))
            for key, sums in sorted(groups.items(), key=lambda item: tuple(str(part) for part in item[0]))
        ]

    @staticmethod
    def _metrics(sums: Sequence[Any]) -> dict[str, Any]:
        metrics = dict(zip((*COUNTS, *MONEY), sums, strict=True))
        for name, (part, whole) in RATES.items():
            rate = Decimal(metrics[part]) / Decimal(metrics[whole]) if metrics[whole] else Decimal()
            metrics[name] = rate.quantize(Decimal("0.000001"))
        return metrics

    def _between(self, start: datetime, end: datetime) -> Iterator[Fact]:
        first = datetime.combine(self._first_day, time(), tzinfo=timezone.utc)
        last = datetime.combine(self._last_day + timedelta(days=1), time(), tzinfo=timezone.utc)
        hour = max(start, first)
        while hour < min(end, last):
            yield from self._hour(hour)
            hour += timedelta(hours=1)

    def _hour(self, hour: datetime) -> Iterator[Fact]:
        entities = self._entities
        demand, partners = entities["demand_tags"], entities["demand_partners"]
        supply_partners = entities["supply_partners"]
        restatements = self._restated.get(hour.date(), ())
        hour_hash = pick(self._seed, hour.isoformat(), *restatements)
        for tag in entities["supply_tags"]:
            bits = (hour_hash ^ (tag.number * 2654435761)) & 0xFFFFFFFF
            # Late rows: restated hours have facts for more tags.
            if bits % (4 if restatements else 3) == 0:
                continue
            bits >>= 3
            bought = demand[(tag.number + bits % 3) % len(demand)] if bits % 7 else None
            requests = 1000 + bits % 9000
            impressions = requests * (bits % 80) // 100 if bought else 0
            revenue = Decimal(impressions * (bits % 900 + 100)) * CENT
            cost = Decimal(impressions * 80) * CENT
            yield Fact(
                hour,
                {
                    "supply_tag_id": tag.id,
                    "demand_tag_id": bought.id if bought else None,
                    "supply_partner_id": supply_partners[tag.number % len(supply_partners)].id,
                    "demand_partner_id": partners[bought.number % len(partners)].id if bought else None,
                    "supply_type": "Outstream" if tag.number % 4 == 0 else None,
                    "demand_type": "Vast Only" if bought else None,
                    "detected_domain": f"site-{bits % 5}.example",
                    "declared_domain": f"site-{bits % 4}.example",
                    "device_brand": ("Roku", "Samsung", None)[bits % 3],
                },
                (requests, requests - bits % 500, bits % 500, impressions, impressions // 100),
                (revenue, cost, revenue - cost),
            )
