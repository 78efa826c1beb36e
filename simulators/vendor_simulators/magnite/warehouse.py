"""The data warehouse: daily facts, their dimensions and metrics, and the rows of a query."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING

from vendor_simulators.magnite.inventory import BEYOND_FLOATS, NAMESAKES
from vendor_simulators.seeded import generator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from random import Random

    from vendor_simulators.magnite.definitions import Query
    from vendor_simulators.magnite.inventory import Entity, Inventory

# The day of the sample rows in the Public API Guide.
PRINTED_DAY = date(2016, 4, 25)
_CURRENCIES = (("USD", 1), ("EUR", 2))
CURRENCY_IDS = frozenset(number for _, number in _CURRENCIES)
_PLATFORMS = (("iOS", 11), ("Android", 12), ("Roku", 13), ("Fire TV", 14))
_NETWORKS = (("Open Market", 71), ("Acme Demand", 72), ("Nordic Buyers", 73))
_DEALS = (None, None, "D-100", "D-200")
_THOUSANDTH = Decimal("0.001")


@dataclass(frozen=True)
class Fact:
    """One hour of one ad unit, currency, platform, buyer and deal."""

    day: date
    hour: int
    unit: Entity
    currency: tuple[str, int]
    platform: tuple[str, int]
    network: tuple[str, int]
    deal: str | None
    requests: int
    uses: Decimal
    impressions: int
    net: Decimal
    gross: Decimal | None
    completions: int
    clicks: int


Value = str | int | bool | None
# The value of a dimension and its identifier, if it has one.
Pair = tuple[Value, Value]


@dataclass(frozen=True)
class Dimension:
    """A dimension: readable name, type, how to read it from a fact, and the name of its identifier in results."""

    name: str
    type: str
    read: Callable[[Fact], Pair]
    id_column: str | None = None


@dataclass(frozen=True)
class Metric:
    """A metric: readable name, type, and how to compute it from the facts of one row."""

    name: str
    type: str
    read: Callable[[Sequence[Fact]], int | Decimal | None]


def _entity(kind: str) -> Callable[[Fact], Pair]:
    def read(fact: Fact) -> Pair:
        found = fact.unit.ancestors[kind]
        return found.name, found.id

    return read


def _supply_type(fact: Fact) -> Pair:
    kind = fact.unit.ancestors["supply"].listed["type"]
    return kind["name"], kind["id"]


def _by_unit(name: str, kinds: int) -> Dimension:
    """Return a dimension with one of a few texts per ad unit."""
    return Dimension(name, "string", lambda fact: (f"{name} {fact.unit.id % kinds + 1}", None))


def _by_deal(name: str) -> Dimension:
    """Return a dimension with one text per deal; none without a deal."""
    return Dimension(name, "string", lambda fact: (None if fact.deal is None else f"{name} {fact.deal}", None))


# Further ids in public client code; their values are made up.
_OF_CLIENTS: Mapping[str, Dimension] = {
    "date": Dimension("Date", "date", lambda fact: (fact.day.isoformat(), None)),
    "platformFamily": _by_unit("Platform Family", 2),
    "parentAdvertiser": _by_unit("Parent Advertiser", 3),
    "channel": _by_unit("Channel", 3),
    "supplyDomain": _by_unit("Supply Domain", 5),
    "adSourceId": Dimension("Ad Source Id", "integer", lambda fact: (fact.network[1] * 10, None)),
    "adSourceLabel": _by_unit("Ad Source Label", 2),
    "adSourceEndDate": Dimension("Ad Source End Date", "date", lambda _: ("2030-12-31", None)),
    "adSourceMinDuration": Dimension("Ad Source Min Duration", "integer", lambda fact: (fact.unit.id % 2 * 15, None)),
    "orderId": Dimension("Order Id", "integer", lambda fact: (fact.network[1] * 100, None)),
    "inventoryLabel": _by_unit("Inventory Label", 2),
    "industryCode": _by_unit("Industry Code", 3),
    "industryId": Dimension("Industry Id", "integer", lambda fact: (fact.unit.id % 3 + 1, None)),
    "appBundleId": _by_unit("App Bundle Id", 4),
    "buyerSeatName": _by_unit("Buyer Seat Name", 2),
    "nameInAppStore": _by_unit("Name In App Store", 4),
    "holdingCompany": _by_unit("Holding Company", 2),
    "dealDateCreated": _by_deal("Deal Date Created"),
    "adSourceStatus": _by_unit("Ad Source Status", 2),
    "buyerSeatCode": _by_unit("Buyer Seat Code", 2),
    "adSource": Dimension(
        "Ad Source", "string", lambda fact: (fact.network[0], fact.network[1] * 10), "adSourceIdLink"
    ),
    "dealStatus": _by_deal("Deal Status"),
    "dealType": _by_deal("Deal Type"),
    "mktStartDate": _by_deal("Market Start Date"),
    "mktEndDate": _by_deal("Market End Date"),
    "dealOrigin": _by_deal("Deal Origin"),
    "advertiser": _by_unit("Advertiser", 4),
    "buyerName": Dimension("Buyer Name", "string", lambda fact: (fact.network[0], None)),
    "buyerCode": _by_unit("Buyer Code", 2),
    "pacingType": _by_deal("Pacing Type"),
    "dealName": _by_deal("Deal"),
    "calculatedMinDuration": Dimension("Calculated Min Duration", "integer", lambda _: (15, None)),
    "advertiserDomain": _by_unit("Advertiser Domain", 4),
}
DIMENSIONS: Mapping[str, Dimension] = {
    "day": Dimension("Day", "date", lambda fact: (fact.day.isoformat(), None)),
    "hour": Dimension("Hour", "integer", lambda fact: (fact.hour, None)),
    "year": Dimension("Year", "integer", lambda fact: (fact.day.year, None)),
    "seat": Dimension("Seat", "string", _entity("seat"), "seatIdLink"),
    "publisher": Dimension("Publisher", "string", _entity("publisher"), "publisherIdLink"),
    "brand": Dimension("Brand", "string", _entity("brand"), "brandIdLink"),
    "supply": Dimension("Supply", "string", _entity("supply"), "supplyIdLink"),
    "adUnit": Dimension("Ad Unit", "string", _entity("adUnit"), "adUnitIdLink"),
    "supplyType": Dimension("Supply Type", "string", _supply_type, "supplyTypeIdLink"),
    "platform": Dimension("Platform", "string", lambda fact: fact.platform, "platformIdLink"),
    "network": Dimension("Demand", "string", lambda fact: fact.network, "networkIdLink"),
    "currency": Dimension("Currency", "string", lambda fact: fact.currency, "currencyId"),
    "dealCode": Dimension("Deal Code", "string", lambda fact: (fact.deal, None)),
    "supplySeat": Dimension("Supply Seat", "string", lambda fact: (_entity("seat")(fact)[0], None)),
    "supplySeatId": Dimension("Supply Seat Id", "integer", lambda fact: (_entity("seat")(fact)[1], None)),
    "season": Dimension("Season", "integer", lambda fact: (fact.unit.id % 4 + 1, None)),
    "isLive": Dimension("Live", "boolean", lambda fact: (fact.unit.id % 2 == 0, None)),
    **_OF_CLIENTS,
}
_MAIN_DIMENSIONS = (
    *("day", "hour", "year", "seat", "publisher", "brand", "supply", "adUnit", "supplyType", "platform", "network"),
    *("currency", "dealCode", "supplySeat", "supplySeatId", "season", "isLive", "date", "platformFamily"),
    *("parentAdvertiser", "channel", "supplyDomain", "adSourceId", "adSourceLabel", "adSourceEndDate"),
    *("adSourceMinDuration", "orderId", "inventoryLabel", "industryCode", "industryId", "appBundleId", "buyerSeatName"),
)
_DEAL_DIMENSIONS = (
    *("day", "publisher", "dealCode", "currency", "supply", "brand", "supplySeat", "supplySeatId", "nameInAppStore"),
    *("parentAdvertiser", "channel", "holdingCompany", "dealDateCreated", "adSourceStatus", "appBundleId"),
    *("supplyDomain", "buyerSeatCode", "adSource", "dealStatus", "dealType", "mktStartDate", "dealOrigin"),
    *("advertiser", "buyerName", "buyerCode", "pacingType", "dealName", "calculatedMinDuration", "advertiserDomain"),
    "mktEndDate",
)


def _rate(over: Decimal | int, under: Decimal | int) -> Decimal | None:
    if not under:
        return None
    # `+ 0` and normalize: 0.79 rather than 0.790, as in the guide.
    return (Decimal(over) / Decimal(under)).quantize(_THOUSANDTH).normalize() + 0


def _sum(of: Callable[[Fact], Decimal | int | None]) -> Callable[[Sequence[Fact]], int | Decimal | None]:
    def read(facts: Sequence[Fact]) -> int | Decimal | None:
        values = [value for value in map(of, facts) if value is not None]
        return sum(values) if values else None

    return read


_requests = _sum(lambda fact: fact.requests)
_impressions = _sum(lambda fact: fact.impressions)
_uses = _sum(lambda fact: fact.uses)
_net = _sum(lambda fact: fact.net)
_completions = _sum(lambda fact: fact.completions)
_clicks = _sum(lambda fact: fact.clicks)


def _share(percent: int) -> Callable[[Sequence[Fact]], int | Decimal | None]:
    """Return a sum of a share of each fact's impressions."""
    return _sum(lambda fact: fact.impressions * percent // 100)


def _money(percent: int) -> Callable[[Sequence[Fact]], int | Decimal | None]:
    """Return a sum of a share of each fact's net revenue."""
    return _sum(lambda fact: (fact.net * percent / 100).quantize(Decimal("0.000001")))


def _per(
    over: Callable[[Sequence[Fact]], int | Decimal | None],
    under: Callable[[Sequence[Fact]], int | Decimal | None],
    times: int = 1,
) -> Callable[[Sequence[Fact]], Decimal | None]:
    return lambda facts: _rate((over(facts) or 0) * times, under(facts) or 0)


METRICS: Mapping[str, Metric] = {
    "requests": Metric("Requests", "integer", _requests),
    "impressions": Metric("Impressions", "integer", _impressions),
    # As in the sample rows: use rate times fill rate is impressions per request.
    "fillRate": Metric("Fill Rate", "percent", lambda facts: _rate(_impressions(facts) or 0, _uses(facts) or 0)),
    "useRate": Metric("Use Rate", "percent", lambda facts: _rate(_uses(facts) or 0, _requests(facts) or 0)),
    "netRevenue": Metric("Net Revenue", "currency", _net),
    "grossRevenue": Metric("Gross Revenue", "currency", _sum(lambda fact: fact.gross)),
    "completions": Metric("Completions", "integer", _completions),
    "clicks": Metric("Clicks", "long", _clicks),
    "completionRate": Metric(
        "Completion Rate", "percent", lambda facts: _rate(_completions(facts) or 0, _impressions(facts) or 0)
    ),
    "netCpm": Metric("Net CPM", "number", lambda facts: _rate((_net(facts) or 0) * 1000, _impressions(facts) or 0)),
    # Further ids in public client code; their values are made up.
    "testImpressions": Metric("Test Impressions", "integer", _share(1)),
    "impsRemaining": Metric("Imps Remaining", "integer", _share(50)),
    "starts": Metric("Starts", "integer", _share(99)),
    "firstQuartiles": Metric("Q1s", "integer", _share(95)),
    "secondQuartiles": Metric("Mids", "integer", _share(90)),
    "thirdQuartiles": Metric("Q3s", "integer", _share(85)),
    "ctr": Metric("Click Thru Rate", "percent", _per(_clicks, _impressions)),
    "avgCompletionRate": Metric("Avg Completion Rate", "percent", _per(_completions, _impressions)),
    "impressionRate": Metric("Impression Rate", "percent", _per(_impressions, _requests)),
    "tagUseRate": Metric("Tag Use Rate", "percent", _per(_uses, _requests)),
    "tagFillRate": Metric("Tag Fill Rate", "percent", _per(_impressions, _uses)),
    "sspNetRevenue": Metric("SSP Net Revenue", "currency", _money(80)),
    "sspGrossRevenue": Metric("SSP Gross Revenue", "currency", _money(100)),
    "grossCpm": Metric("SSP Gross CPM", "currency", _per(_money(100), _impressions, 1000)),
    "netProgCpm": Metric("Net Programmatic CPM", "currency", _per(_money(80), _impressions, 1000)),
    "grossProgCpm": Metric("Gross Programmatic CPM", "currency", _per(_money(100), _impressions, 1000)),
    "grossProgCpmInclDemandFee": Metric(
        "Gross Programmatic CPM (incl. Demand Fee)", "currency", _per(_money(105), _impressions, 1000)
    ),
    "operatorCpm": Metric("Operator CPM", "currency", _per(_money(10), _impressions, 1000)),
    "adsrvFee": Metric("Ad Serving Fee", "currency", _money(2)),
    "fee": Metric("Fee", "currency", _money(3)),
    "tagFee": Metric("Tag Fee", "currency", _money(1)),
    "grossTagRevenue": Metric("Gross Tag Revenue", "currency", _money(20)),
    "netTagRevenue": Metric("Net Tag Revenue", "currency", _money(18)),
    "discountGrossRevenue": Metric("Discount Gross Revenue", "currency", _money(5)),
    "avgFloorPricesPlusDemandFee": Metric(
        "Avg Floor Prices (plus Demand Fee)", "currency", _per(_money(50), _impressions, 1000)
    ),
    "firstQuartilesRate": Metric("Q1 Rate", "percent", _per(_share(95), _impressions)),
    "secondQuartilesRate": Metric("Mid Rate", "percent", _per(_share(90), _impressions)),
    "bidsLoss": Metric("Bids Lost", "long", _share(30)),
    "validBids": Metric("Valid Bids", "long", _share(150)),
    "eligibleBids": Metric("Eligible Bids", "long", _share(180)),
    "operatorCost": Metric("Operator Cost", "currency", _money(10)),
    "revenueInclDemandFee": Metric("Revenue (incl. Demand Fee)", "currency", _money(105)),
    "demandAcquisitionCost": Metric("Demand Acquisition Cost", "currency", _money(4)),
}

_PLATFORM_METRICS = tuple(METRICS)[:10]
_DEAL_METRICS = (
    *("requests", "impressions", "fillRate", "useRate", "netRevenue", "grossRevenue", "ctr", "completions", "clicks"),
    *("avgFloorPricesPlusDemandFee", "firstQuartiles", "firstQuartilesRate", "secondQuartilesRate", "bidsLoss"),
    *("validBids", "eligibleBids", "operatorCost", "netCpm", "revenueInclDemandFee", "demandAcquisitionCost"),
)
_OF_DEALS_ONLY = frozenset(
    (
        *("avgFloorPricesPlusDemandFee", "firstQuartilesRate", "secondQuartilesRate", "bidsLoss", "validBids"),
        *("eligibleBids", "operatorCost", "revenueInclDemandFee", "demandAcquisitionCost"),
    )
)
_MAIN_METRICS = tuple(name for name in METRICS if name not in _OF_DEALS_ONLY)


@dataclass(frozen=True)
class Source:
    """A query source and its fields."""

    name: str
    number: int
    dimensions: tuple[str, ...]
    metrics: tuple[str, ...]


SOURCES: Mapping[str, Source] = {
    source.name: source
    for source in (
        Source("adstats-publisher", 17, _MAIN_DIMENSIONS, _MAIN_METRICS),
        Source("deals-publisher", 18, _DEAL_DIMENSIONS, _DEAL_METRICS),
        Source("platform-adsource-publisher", 19, ("day", "network", "platform", "currency"), _PLATFORM_METRICS),
        Source("platform-supply-publisher", 20, ("day", "supply", "supplyType", "platform"), _PLATFORM_METRICS[:4]),
    )
}


@dataclass(frozen=True)
class Row:
    """One result row: its dimensions with identifiers, and its metrics."""

    dimensions: Mapping[str, Pair]
    metrics: Mapping[str, int | Decimal | None]


def _converted(fact: Fact, currency: int) -> Fact:
    """Return a fact with its amounts in another currency; a euro is 1.25 dollars."""
    name, target = next(one for one in _CURRENCIES if one[1] == currency)
    rates = {("EUR", "USD"): Decimal("1.25"), ("USD", "EUR"): Decimal("0.8")}
    rate = rates.get((fact.currency[0], name), Decimal(1))
    gross = None if fact.gross is None else fact.gross * rate
    return replace(fact, currency=(name, target), net=fact.net * rate, gross=gross)


class Warehouse:
    """Facts of an account, generated per day on first use.

    Args:
        seed: Seed of the data.
        inventory: Inventory with the ad units of the facts.
        first_day: First day with facts.
        last_day: Last day with facts.
        rows_per_day: Pairs of ad unit and currency per day.
        empty_days: Days without facts.
        extremes: Whether the first day has an amount of 24 digits.
    """

    def __init__(  # noqa: PLR0913 - the inputs of the data
        self,
        seed: int,
        inventory: Inventory,
        *,
        first_day: date,
        last_day: date,
        rows_per_day: int,
        empty_days: Iterable[date],
        extremes: bool,
    ) -> None:
        self._seed = seed
        self._first_day = first_day
        self._last_day = last_day
        self._rows_per_day = rows_per_day
        self._empty = frozenset(empty_days)
        self._extremes = extremes
        units = inventory.ad_units
        self._pairs = [(unit, _CURRENCIES[0]) for unit in units] + [(unit, _CURRENCIES[1]) for unit in units[::3]]
        self._restatements: list[tuple[int, date]] = []
        self._days: dict[date, list[Fact]] = {}
        self._lock = threading.Lock()

    def restate(self, seed: int, days: int) -> list[date]:
        """Change facts of the last days and add late ones; return the days."""
        touched = [self._last_day - timedelta(days=back) for back in range(days)]
        touched = sorted(day for day in touched if day >= self._first_day and day not in self._empty)
        with self._lock:
            self._restatements += [(seed, day) for day in touched]
            for day in touched:
                self._days.pop(day, None)
        return touched

    def rows(self, query: Query) -> list[Row]:
        """Return the rows of a query in no particular order."""
        groups: dict[tuple[Pair, ...], list[Fact]] = {}
        reads = [DIMENSIONS[name].read for name in query.dimensions]
        for sent in self._facts_in(query):
            fact = sent if query.currency is None else _converted(sent, query.currency)
            if query.seat is not None and fact.unit.ancestors["seat"].id != query.seat:
                continue
            if query.keeps(lambda name, fact=fact: DIMENSIONS[name].read(fact)):  # type: ignore[misc]  # a default binds it
                groups.setdefault(tuple(read(fact) for read in reads), []).append(fact)
        rows = []
        for pairs, facts in groups.items():
            metrics = {name: METRICS[name].read(facts) for name in query.metrics}
            if query.satisfied(lambda name, facts=facts: METRICS[name].read(facts)):  # type: ignore[misc]  # a default binds it
                rows.append(Row(dict(zip(query.dimensions, pairs, strict=True)), metrics))
        return rows

    def _facts_in(self, query: Query) -> Iterator[Fact]:
        """Return the facts of the days in the zone of a query, with the hour in that zone."""
        if query.zone is None or query.zone.key in {"UTC", "Etc/UTC"}:
            yield from self._facts(query.first_day, query.last_day)
            return
        for fact in self._facts(query.first_day - timedelta(days=1), query.last_day + timedelta(days=1)):
            at = datetime.combine(fact.day, time(fact.hour), timezone.utc).astimezone(query.zone)
            if query.first_day <= at.date() <= query.last_day:
                yield replace(fact, day=at.date(), hour=at.hour)

    def _facts(self, first: date, last: date) -> Iterator[Fact]:
        day = max(first, self._first_day)
        while day <= min(last, self._last_day):
            with self._lock:
                facts = self._days.get(day)
                if facts is None:
                    facts = self._days[day] = self._make(day)
            yield from facts
            day += timedelta(days=1)

    def _make(self, day: date) -> list[Fact]:
        if day in self._empty:
            return []
        rng = generator("day", self._seed, day, self._rows_per_day)
        pairs = rng.sample(self._pairs, min(self._rows_per_day, len(self._pairs)))
        # Tests rely on these being there every day.
        always = [pair for pair in self._pairs if pair[0].id in {*NAMESAKES, BEYOND_FLOATS} and pair[1][1] == 1]
        chosen = list(dict.fromkeys([*always, *pairs]))[: max(self._rows_per_day, len(always))]
        facts: list[Fact] = []
        for unit, currency in chosen:
            if day == PRINTED_DAY and unit.id == 1000:  # noqa: PLR2004 - replaced by the sample rows
                continue
            hours = rng.sample(range(24), rng.choice((1, 2, 3)))
            facts += [self._fact(rng, day, hour, unit, currency) for hour in hours]
        if day == PRINTED_DAY:
            facts += self._printed(rng)
        if self._extremes and day == self._first_day:
            facts[0] = replace(facts[0], net=Decimal("123456789012345678.901234"), requests=BEYOND_FLOATS)
        for seed, restated in self._restatements:
            if restated == day:
                self._change(facts, seed, day)
        return facts

    def _change(self, facts: list[Fact], seed: int, day: date) -> None:
        rng = generator("restate", self._seed, seed, day)
        for position in rng.sample(range(len(facts)), max(1, len(facts) // 20)):
            old = facts[position]
            facts[position] = replace(old, impressions=old.impressions + 7, net=old.net + Decimal("1.2345"))
        present = {(fact.unit.id, fact.currency) for fact in facts}
        late = next((pair for pair in self._pairs if (pair[0].id, pair[1]) not in present), None)
        if late is not None:
            facts.append(self._fact(rng, day, 23, *late))

    def _printed(self, rng: Random) -> list[Fact]:
        """Return the facts of the guide's sample rows of ad unit 1000."""
        unit = next(unit for unit, _ in self._pairs if unit.id == 1000)  # noqa: PLR2004 - the sample
        printed = ((14, 2386, "338", 267), (10, 415, "120.6", 109), (1, 877, "345.5", 273), (3, 1714, "678", 445))
        return [
            replace(
                self._fact(rng, PRINTED_DAY, hour, unit, _CURRENCIES[0]),
                requests=requests,
                uses=Decimal(uses),
                impressions=impressions,
            )
            for hour, requests, uses, impressions in printed
        ]

    @staticmethod
    def _fact(rng: Random, day: date, hour: int, unit: Entity, currency: tuple[str, int]) -> Fact:
        requests = rng.randint(0, 5000) if rng.random() < 0.97 else 0  # noqa: PLR2004 - some hours have no requests
        uses = int(requests * rng.uniform(0.1, 0.9))
        impressions = int(uses * rng.uniform(0.5, 1.0))
        gross = (Decimal(impressions) * rng.randint(5000, 40000) / 1_000_000).quantize(Decimal("0.000001"))
        return Fact(
            day=day,
            hour=hour,
            unit=unit,
            currency=currency,
            platform=rng.choice(_PLATFORMS),
            network=rng.choice(_NETWORKS),
            deal=rng.choice(_DEALS),
            requests=requests,
            uses=Decimal(uses),
            impressions=impressions,
            net=(gross * Decimal("0.85")).quantize(Decimal("0.000001")),
            gross=None if unit.id % 11 == 3 else gross,  # noqa: PLR2004 - unknown for one in eleven
            completions=int(impressions * rng.uniform(0.6, 1.0)),
            clicks=int(impressions * rng.uniform(0.0, 0.02)),
        )
