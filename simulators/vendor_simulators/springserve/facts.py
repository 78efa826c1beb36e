"""What happened: counts by hour and supply tag, and the rows of reports that add them up."""

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
"""What a report without metrics gets, too: a wide set of the server's own."""

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
"""Dimensions with the filters that go with them."""

CENT = Decimal("0.0001")


class Fact(NamedTuple):
    """One hour of one supply tag; dimensions by name, counts in the order of `COUNTS`, money in that of `MONEY`."""

    hour: datetime
    dimensions: Mapping[str, Any]
    counts: tuple[int, ...]
    money: tuple[Decimal, ...]


@dataclass(frozen=True)
class Question:
    """What a report asks for; days are inclusive, in `zone`."""

    first: date
    last: date
    interval: str
    zone: str
    dimensions: tuple[str, ...]
    filters: Mapping[str, frozenset[str]]


class ReportRow(NamedTuple):
    """A row of a report: the hour or day it is of (None without one), its group, and sums by metric."""

    moment: datetime | None
    group: tuple[Any, ...]
    sums: dict[str, Any]


class Facts:
    """All facts.

    Args:
        inventory: The entities that they are of.
        first_day: First day with facts, UTC.
        last_day: Last day with facts, UTC.
    """

    def __init__(self, inventory: Inventory, first_day: date, last_day: date) -> None:
        self._seed = inventory.seed
        # As they are now: what is added later has no past.
        self._entities = dict(inventory.entities)
        self._first_day = first_day
        self._last_day = last_day
        self._restated: dict[date, list[int]] = defaultdict(list)
        self._lock = threading.Lock()

    def restate(self, seed: int, days: int) -> list[int]:
        """Change the last days, and return the supply tags whose rows are others now."""
        with self._lock:
            for back in range(days):
                day = self._last_day - timedelta(days=back)
                if day >= self._first_day:
                    self._restated[day].append(seed)
        return [tag.id for tag in self._entities["supply_tags"]]

    def rows(self, question: Question) -> list[ReportRow]:
        """Add up the facts that a report asks for, in the order of its groups."""
        zone = ZoneInfo(question.zone)
        start = datetime.combine(question.first, time(), tzinfo=zone).astimezone(timezone.utc)
        end = datetime.combine(question.last + timedelta(days=1), time(), tzinfo=zone).astimezone(timezone.utc)
        groups: dict[tuple[Any, ...], list[Any]] = {}
        for fact in self._between(start, end):
            if any(str(fact.dimensions[name]) not in allowed for name, allowed in question.filters.items()):
                continue
            local = fact.hour.astimezone(zone)
            moment: datetime | None = local.replace(tzinfo=None)
            if question.interval == "day":
                moment = datetime.combine(local.date(), time())
            elif question.interval == "cumulative":
                moment = None
            key = (moment, *(fact.dimensions.get(name) for name in question.dimensions))
            sums = groups.setdefault(key, [0] * len(COUNTS) + [Decimal()] * len(MONEY))
            for place, value in enumerate((*fact.counts, *fact.money)):
                sums[place] += value
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
        turns = self._restated.get(hour.date(), ())
        hash_of_hour = pick(self._seed, hour.isoformat(), *turns)
        for tag in entities["supply_tags"]:
            turn = (hash_of_hour ^ (tag.number * 2654435761)) & 0xFFFFFFFF
            # Late rows: in restated hours more tags have something.
            if turn % (4 if turns else 3) == 0:
                continue
            turn >>= 3
            bought = demand[(tag.number + turn % 3) % len(demand)] if turn % 7 else None
            requests = 1000 + turn % 9000
            impressions = requests * (turn % 80) // 100 if bought else 0
            revenue = Decimal(impressions * (turn % 900 + 100)) * CENT
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
                    "detected_domain": f"site-{turn % 5}.example",
                    "declared_domain": f"site-{turn % 4}.example",
                    "device_brand": ("Roku", "Samsung", None)[turn % 3],
                },
                (requests, requests - turn % 500, turn % 500, impressions, impressions // 100),
                (revenue, cost, revenue - cost),
            )
