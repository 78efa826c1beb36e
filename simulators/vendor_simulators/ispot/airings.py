"""Airings, generated one day at a time and restated on command."""

from __future__ import annotations

import threading
from copy import copy
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from vendor_simulators.ispot import data
from vendor_simulators.ispot.entities import Airing, Attention, Audience, Change, Named, SpotChange
from vendor_simulators.seeded import generator
from vendor_simulators.simulator import Restated

if TYPE_CHECKING:
    from collections.abc import Collection
    from random import Random

    from vendor_simulators.ispot.entities import Episode, Show, Spot

EASTERN = ZoneInfo("America/New_York")
PRINTED_DAY = date(2021, 1, 1)
PRINTED_AIRING_ID = 287222137

# Each day has its own range of ids; late rows get the ids at its end.
_IDS_PER_DAY = 200_000
_LATE_FROM = 150_000
_FIRST_ID = 2_000_000_000
# Of 100 airings: 72 national, 12 regional, 8 local, 4 spot cable, 4 national satellite.
_TYPES = "N" * 72 + "R" * 12 + "L" * 8
_MARKETS = tuple(Named(500 + number, f"Market {number}") for number in range(1, 40))
_OPERATORS = tuple(Named(10 + number, f"Operator {number}") for number in range(1, 9))
# Position in the break by index, in the vendor's letters. The documentation shows only F and A; the others are guesses.
_POSITIONS = ("F", "M", "M", "M", "M", "L")


class Airings:
    """All airings of a seed.

    A day is generated on first use and depends only on the seed, the day and the number of rows.

    Args:
        seed: Seed.
        first_day: First Eastern day with airings.
        last_day: Last Eastern day with airings.
        rows_per_day: Airings per day.
        empty_days: Days without airings.
        extremes: Whether the first day has extremely large amounts and ids.
    """

    def __init__(  # noqa: PLR0913 - the inputs of the data
        self,
        seed: int,
        first_day: date,
        last_day: date,
        rows_per_day: int,
        *,
        empty_days: Collection[date] = (),
        extremes: bool = True,
    ) -> None:
        if rows_per_day > _LATE_FROM:
            raise ValueError(f"rows_per_day: at most {_LATE_FROM}, because each day has a limited range of ids")
        self.catalogue = data.build(seed)
        self.generation = 0
        """Number of restatements; anything computed before the latest one is out of date."""
        self._seed = seed
        self._first_day = first_day
        self._last_day = last_day
        self._rows_per_day = rows_per_day
        self._empty_days = frozenset(empty_days)
        self._extremes = extremes
        self._days: dict[date, list[Airing]] = {}
        self._changes: dict[date, list[Change]] = {}
        self._late = 0
        self._lock = threading.RLock()

    def between(self, first: date, last: date) -> list[Airing]:
        """Return the airings of these Eastern days, both inclusive, ordered by time and id."""
        with self._lock:
            return [airing for day in self._range(first, last) for airing in self._day(day)]

    def changes(self, first: date, last: date) -> list[tuple[date, Change]]:
        """Return the corrections made on these Eastern days, both inclusive; a few are reported twice."""
        with self._lock:
            found: list[tuple[date, Change]] = []
            for day in self._range(first, last):
                self._day(day)
                found += [(day, change) for change in self._changes[day]]
            return found

    def spot_changes(self, first: date, last: date) -> list[tuple[date, SpotChange]]:
        """Return the corrections of spots made on these Eastern days, both inclusive: three per day with airings."""
        found: list[tuple[date, SpotChange]] = []
        with self._lock:
            for day in self._range(first, last):
                spots = list(dict.fromkeys(airing.spot for airing in self._day(day)))[:3]
                for spot, status in zip(spots, ("new", "updated", "deleted"), strict=False):
                    old = None if status == "new" else f"{spot.title_short} (draft)"
                    found.append((day, SpotChange(spot, status, old)))
        return found

    def active_spots(self) -> list[Spot]:
        """Return the spots that aired on the last day with data, ordered by id."""
        aired = {airing.spot.id for airing in self.between(self._last_day, self._last_day)}
        return [spot for spot in self.catalogue.spots if spot.id in aired]

    def restate(self, seed: int, days: int) -> Restated:
        """Change figures of about one row in twenty of the last days and add a late row to each day with rows.

        The corrections are reported on the last day.
        """
        rng = generator("ispot", self._seed, "restate", seed, self.generation)
        changed: list[str | int] = []
        added: list[str | int] = []
        with self._lock:
            first = max(self._first_day, self._last_day - timedelta(days=days - 1))
            self._day(self._last_day)
            for day in self._range(first, self._last_day):
                rows = self._day(day)
                if not rows:
                    continue
                # National rows of national advertisers: those that every account sees with the usual filters.
                candidates = [index for index, row in enumerate(rows) if row.type == "N" and row.spot.brand.national]
                for index in rng.sample(candidates, min(len(candidates), max(1, len(rows) // 20))):
                    old = rows[index]
                    rows[index] = self._corrected(rng, old)
                    change = Change(rows[index], "updated", old.spend_estimated, rows[index].spend_estimated)
                    self._changes[self._last_day].append(change)
                    changed.append(str(old.id))
                self._late += 1
                late = self._airing(rng, day, _LATE_FROM + self._late, self._second(rng, day))
                self._make_national(late)
                rows.append(late)
                rows.sort(key=_order)
                added.append(str(late.id))
            self.generation += 1
        return Restated(changed, added)

    def _range(self, first: date, last: date) -> list[date]:
        first, last = max(first, self._first_day), min(last, self._last_day)
        return [first + timedelta(days=number) for number in range((last - first).days + 1)]

    def _day(self, day: date) -> list[Airing]:
        if day not in self._days:
            rng = generator("ispot", self._seed, day)
            self._days[day] = [] if day in self._empty_days else self._make_day(rng, day)
            self._changes[day] = self._make_changes(rng, day)
        return self._days[day]

    def _make_day(self, rng: Random, day: date) -> list[Airing]:
        begin, length = _begin(day), _length(day)
        seconds = [rng.randrange(length) for _ in range(self._rows_per_day)]
        # Both ends of the day, then ties: one row in ten airs in the same second as another.
        seconds[0] = 0
        if len(seconds) > 1:
            seconds[1] = length - 1
        for index in range(12, len(seconds), 10):
            seconds[index] = seconds[index - 1]
        if length > 24 * 3600 and len(seconds) > 3:  # noqa: PLR2004 - two rows besides the ends
            # The hour from 1 to 2 occurs twice: 01:59-04:00 is before 01:01-05:00.
            seconds[2], seconds[3] = 2 * 3600 - 60, 2 * 3600 + 60
        rows = [self._airing(rng, day, index, begin + second) for index, second in enumerate(seconds)]
        for row in rows[:2] + rows[-1:]:
            self._make_national(row)
        number = (day - date(2010, 1, 1)).days
        if len(rows) > 4:  # noqa: PLR2004 - enough rows for special cases
            # Odd and greater than 2**53: a float cannot represent it.
            rows[4].id = 2**53 + 1 + 2 * number
            self._make_national(rows[4])
        if self._extremes and day == self._first_day and len(rows) > 6:  # noqa: PLR2004 - as above
            rows[5].id = 2**64 + 10**6 + number
            rows[6].spend_estimated = "123456789012345678.90"
            rows[6].audience = Audience(
                "12345678901234567.125", "1234567890.123456789", "0.1", "0", "12345678901234567.5"
            )
            for row in rows[5:7]:
                self._make_national(row)
        if day == PRINTED_DAY:
            rows[-1] = self._printed(rows[-1])
        return sorted(rows, key=_order)

    def _airing(self, rng: Random, day: date, index: int, instant: int) -> Airing:
        chance = rng.random
        # A few spots have most of the airings, as on television.
        spot = self.catalogue.spots[int(len(self.catalogue.spots) * chance() ** 2)]
        network = self.catalogue.networks[int(len(self.catalogue.networks) * chance())]
        show = network.shows[int(len(network.shows) * chance())]
        code = int(100 * chance())
        kind = _TYPES[code] if code < len(_TYPES) else ("SC" if code % 2 else "NS")
        order = int(len(_POSITIONS) * chance())
        viewers = int(10 ** (3 + 3.5 * chance()))
        cents = int(viewers * (5 + 20 * chance()) / 10)
        broken = index % 40 == 11  # noqa: PLR2004 - a few rows
        return Airing(
            id=_FIRST_ID + (day - date(2010, 1, 1)).days * _IDS_PER_DAY + index,
            type=kind,
            at=_at(day, instant),
            pod="" if broken else str(1 + int(6 * chance())),
            pod_order="" if broken else str(order + 1),
            pod_position=_POSITIONS[order],
            dma=None if kind in ("N", "NS") else _MARKETS[int(len(_MARKETS) * chance())],
            mso=_OPERATORS[int(len(_OPERATORS) * chance())] if kind in ("R", "SC") else None,
            spend_estimated=f"{cents // 100}.{cents % 100:02}",
            media_value=f"{cents // 250}.00" if index % 3 else "0.00",
            spot=spot,
            creative=spot.creatives[index % len(spot.creatives)],
            network=network,
            show=show,
            episode=_episode(show, index),
            product=spot.products[0] if spot.products else None,
            audience=None if broken else _audience(viewers, cents),
            attention=None if index % 30 == 4 else Attention(f"0.{9000 + index % 1000}", f"{index % 97}.5"),  # noqa: PLR2004
            feed="W" if index % 50 == 7 else None,  # noqa: PLR2004 - a few rows
        )

    def _make_national(self, airing: Airing) -> None:
        airing.type, airing.dma, airing.mso = "N", None, None
        if not airing.spot.brand.national:
            self._show_spot(airing, self.catalogue.spots_by_id[data.PRINTED_SPOT_ID])

    def _printed(self, row: Airing) -> Airing:
        """Return the airing from the Quickstart. It breaks off after the spot; the rest is made up."""
        self._show_spot(row, self.catalogue.spots_by_id[data.PRINTED_SPOT_ID])
        row.id = PRINTED_AIRING_ID
        row.type, row.dma, row.mso, row.feed = "N", None, None, None
        row.at = datetime(2021, 1, 1, 0, 4, 12, tzinfo=EASTERN)
        row.pod, row.pod_order, row.pod_position = "4", "1", "F"
        row.spend_estimated, row.media_value = "845199.10", "0.00"
        return row

    def _show_spot(self, airing: Airing, spot: Spot) -> None:
        airing.spot, airing.creative = spot, spot.creatives[0]
        airing.product = spot.products[0] if spot.products else None

    def _corrected(self, rng: Random, old: Airing) -> Airing:
        new = copy(old)
        viewers, cents = rng.randrange(10_000, 3_000_000), rng.randrange(10_000, 10_000_000)
        new.audience = _audience(viewers, cents)
        new.spend_estimated = f"{cents // 100}.{cents % 100:02}"
        return new

    def _make_changes(self, rng: Random, day: date) -> list[Change]:
        rows = self._days[day]
        changes = [
            Change(row, "updated", f"{rng.randrange(1, 9999)}.50", row.spend_estimated)
            for row in rng.sample(rows, len(rows) // 25)
        ]
        if rows:
            # A deleted airing is in no list, so only this correction reports it, twice on every other day.
            gone = self._airing(rng, day, _LATE_FROM - 1, self._second(rng, day))
            self._make_national(gone)
            changes += [Change(gone, "deleted", gone.spend_estimated, None)] * (1 + day.toordinal() % 2)
        return changes

    def _second(self, rng: Random, day: date) -> int:
        return _begin(day) + rng.randrange(_length(day))


@cache
def _begin(day: date) -> int:
    return int(datetime.combine(day, time(), EASTERN).timestamp())


def _at(day: date, instant: int) -> datetime:
    if _length(day) != 24 * 3600:
        return datetime.fromtimestamp(instant, EASTERN)
    # On all other days the wall clock runs evenly, and this is much faster.
    return datetime.combine(day, time(), EASTERN) + timedelta(seconds=instant - _begin(day))


@cache
def _length(day: date) -> int:
    """Return the length of an Eastern day in seconds: 23, 24 or 25 hours."""
    return _begin(day + timedelta(days=1)) - _begin(day)


def _order(airing: Airing) -> tuple[float, int]:
    return airing.at.timestamp(), airing.id


def _episode(show: Show, index: int) -> Episode | None:
    return show.episodes[index % len(show.episodes)] if show.episodes else None


def _audience(viewers: int, cents: int) -> Audience:
    return Audience(
        impressions=str(viewers),
        impressions_raw=f"{viewers}.{cents % 10000:04}",
        impressions_per_airing=f"{viewers}.0",
        impressions_national_live=str(viewers * 8 // 10),
        impressions_national_linear=str(viewers - cents % 1000),
    )
