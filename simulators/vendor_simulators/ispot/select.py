"""Selection and order of the rows of a query."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from datetime import date, timedelta, timezone
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Any

from vendor_simulators.cache import Cache
from vendor_simulators.seeded import generator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vendor_simulators.ispot.airings import Airings
    from vendor_simulators.ispot.entities import Airing, Change, Spot, SpotChange
    from vendor_simulators.ispot.options import ISpotOptions
    from vendor_simulators.ispot.rules import Endpoint, Query

_DAY = timedelta(days=1)

# Number of sorted lists to cache, so that the second page of a query does not filter and sort again.
_CACHED_LISTS = 16

_AIRING_KEYS: Mapping[str, Callable[[Airing], Any]] = {
    # Assumed: the time rather than the date, like the field `aired_at_et`; compared as an instant, so that the repeated
    # hour in November is in order.
    "airing_date_et": lambda airing: airing.at.timestamp(),
    "date": lambda airing: airing.at.toordinal(),
    "id": lambda airing: airing.id,
    "est_spend": lambda airing: Decimal(airing.spend_estimated),
    "audience_impressions": lambda airing: Decimal(airing.audience.impressions if airing.audience else "-1"),
    "audience_impressions_national_linear": lambda airing: Decimal(
        airing.audience.impressions_national_linear if airing.audience else "-1"
    ),
}
_ENTITY_KEYS: Mapping[str, Callable[[Any], Any]] = {
    "id": lambda thing: thing.id,
    "name": lambda thing: getattr(thing, "name", ""),
    "title": lambda thing: getattr(thing, "title", ""),
}


class Selection:
    """Selects rows by query.

    Args:
        airings: The data.
        seed: Seed of the order of ties.
        options: The variants.
    """

    def __init__(self, airings: Airings, seed: int, options: ISpotOptions) -> None:
        self._data = airings
        self._seed = seed
        self._options = options
        self._calls = count()
        self._lists: Cache[Sequence[Any]] = Cache(_CACHED_LISTS, lambda _: 1)

    def stable(self, endpoint: Endpoint, query: Query) -> bool:
        """Return whether the order is the same at every call, that is, whether the sort is total."""
        if self._options.sort == "ignored" and query.sort:
            return False
        return self._options.ties == "stable" or not endpoint.sort or any(name == "id" for name, _ in query.sort)

    def rows(self, endpoint: Endpoint, query: Query) -> Sequence[Any]:
        """Return all rows of a query in order, ignoring its page: airings, (day, change) pairs or entities."""
        key = (endpoint, replace(query, number=1, size=1, include=frozenset()), self._data.generation)
        if self.stable(endpoint, query):
            return self._lists.get(key, lambda: _ordered(self._found(endpoint, query), endpoint, query))
        found = list(self._found(endpoint, query))
        generator("ties", self._seed, next(self._calls)).shuffle(found)
        return found if self._options.sort == "ignored" else _ordered(found, endpoint, query)

    def airings(self, query: Query) -> list[Airing]:
        """Return the airings of a query, ordered by time."""
        obeyed = {name: ids for name, ids in query.ids.items() if name not in self._options.ignored_filters}
        query = replace(query, ids=type(query.ids)(obeyed))
        found = [airing for airing in self._of_days(query) if _fits(airing, query)]
        if self._options.shared_ids:
            for place in range(20, len(found), 20):
                found[place] = copy(found[place])
                found[place].id = found[place - 1].id
        return found

    def _of_days(self, query: Query) -> list[Airing]:
        first, last = query.first_day or date.min, query.last_day or date.max
        if self._options.end_date == "exclusive" and query.last_day:
            last -= _DAY
        if self._options.day_zone == "eastern" or not (query.first_day and query.last_day):
            return self._data.between(first, last)
        found = self._data.between(first - _DAY, last)
        return [airing for airing in found if first <= airing.at.astimezone(timezone.utc).date() <= last]

    def changes(self, query: Query) -> list[tuple[date, Change]]:
        """Return the corrections of a query with their days; the filters apply to their airings."""
        found = self._data.changes(query.first_day or date.min, query.last_day or date.max)
        return [(day, change) for day, change in found if _fits(change.airing, query)]

    def entities(self, kind: str, query: Query) -> Sequence[Any]:
        """Return the entities of a kind that match a query, ordered by id.

        Assumed: the dates of a query for spots select those that aired in the range; any airing counts.
        """
        if kind == "active_spots":
            return self._data.active_spots()
        things: Sequence[Any] = getattr(self._data.catalogue, kind)
        if query.accessible:
            things = [thing for thing in things if thing.accessible]
        if kind == "spots":
            if query.first_day or query.last_day:
                aired = self._data.between(query.first_day or date.min, query.last_day or date.max)
                ids = {airing.spot.id for airing in aired}
                if self._options.spot_dates == "first_aired" and query.first_day:
                    ids -= {airing.spot.id for airing in self._data.between(date.min, query.first_day - _DAY)}
                things = [spot for spot in things if spot.id in ids]
            things = [spot for spot in things if _has_ids(spot, query, _SPOT_IDS)]
        return things

    def spot_changes(self, query: Query) -> list[tuple[date, SpotChange]]:
        """Return the corrections of spots of a query with their days."""
        return self._data.spot_changes(query.first_day or date.min, query.last_day or date.max)

    def _found(self, endpoint: Endpoint, query: Query) -> Sequence[Any]:
        if endpoint.metric:
            return self.airings(query)
        if endpoint.kind == "spot_updates":
            return self.spot_changes(query)
        return self.entities(endpoint.kind, query) if endpoint.kind else self.changes(query)


def _fits(airing: Airing, query: Query) -> bool:
    return (
        (not query.airing_types or airing.type in query.airing_types)
        # The reach of the advertiser, not of the airing.
        and (not query.national_only or airing.spot.brand.national)
        # Assumed: the language of the network. The site has only the values.
        and (not query.languages or airing.network.language in query.languages)
        # Assumed: each product has one type. The site has only the values.
        and (not query.product_types or (airing.product is not None and airing.product.type in query.product_types))
        and _has_ids(airing, query, _AIRING_IDS)
    )


_SPOT_IDS: Mapping[str, Callable[[Spot], int | None]] = {
    "brand": lambda spot: spot.brand.id,
    "industry": lambda spot: spot.brand.industry.id,
}
_AIRING_IDS: Mapping[str, Callable[[Airing], int | None]] = {
    "brand": lambda airing: airing.spot.brand.id,
    "parent_brand": lambda airing: airing.spot.brand.parent.id if airing.spot.brand.parent else None,
    "industry": lambda airing: airing.spot.brand.industry.id,
    "network": lambda airing: airing.network.id,
    "show": lambda airing: airing.show.id,
    "spot": lambda airing: airing.spot.id,
    "creative": lambda airing: airing.creative.id,
    "product": lambda airing: airing.product.id if airing.product else None,
    "spot_type": lambda airing: airing.spot.type.id,
}


def _has_ids(row: Any, query: Query, read: Mapping[str, Callable[[Any], int | None]]) -> bool:
    return all(read[name](row) in accepted for name, accepted in query.ids.items())


def _ordered(rows: Sequence[Any], endpoint: Endpoint, query: Query) -> Sequence[Any]:
    keys = _AIRING_KEYS if endpoint.metric else _ENTITY_KEYS
    # Sorting is stable, so sort by the last name first.
    for name, descending in reversed(query.sort):
        rows = sorted(rows, key=keys[name], reverse=descending)
    return rows
