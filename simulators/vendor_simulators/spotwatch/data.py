"""Generated days of airings, restated on command, and the sample rows of the vendor's documentation."""

from __future__ import annotations

import threading
import time
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from vendor_simulators.seeded import generator
from vendor_simulators.simulator import Restated
from vendor_simulators.spotwatch.entities import Ad, Block, Broadcast

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

DAY = 86_400
CHANNELS = {
    "at": ("orf1", "puls4"),
    "de": ("dmax", "rtl", "sat1", "sport1", "tlc", "viva", "vox"),
    "fr": ("m6", "tf1"),
}
HISTORICAL = {"at": (), "de": ("das vierte", "neun live"), "fr": ("d8",), "uk": ("five life",)}
TRACKED_ONLY = {"at": ("servus neu",)}
CATEGORIES = ("electronics", "fashion", "finance", "food", "mobile", "telecommunication", "travel & leisure")
GENRES = {
    "serien": ("comedyserie", "daily soap", "krimiserie"),
    "report": ("dokumentation", "reality-soap"),
    "news": (),
}
_PROGRAMS = ("gute zeiten, schlechte zeiten", "navy cis", 'the "late" show', "two and a half men", "köln 50667 ½")
_BRANDS = ("alfa romeo", "café müller", "emma", "goodgame.de", "sony", "vodafone", "wimdu.de")
_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
# Each day has its own range of ids, far from the sample ids; late airings get the ids at its end.
_IDS_PER_DAY = 1_000_000
_LATE_FROM = 900_000
_FIRST_BROADCAST = 300_000_000
_FIRST_BLOCK = 20_000_000


def seconds(text: str) -> int:
    """Return an ISO 8601 instant ending in Z as seconds since 1970."""
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())


def midnight(day: date) -> int:
    """Return the start of a UTC day as seconds since 1970."""
    return int(datetime(day.year, day.month, day.day, tzinfo=timezone.utc).timestamp())


def _happens(rng: Random, probability: float) -> bool:
    return rng.random() < probability


def link(rng: Random) -> str:
    """Return a link in the format of the vendor's samples: 20 lower-case letters and digits."""
    return "/" + "".join(rng.choices(_LETTERS, k=20))


class Data:
    """All ads, airings and breaks of a seed.

    No row is later than the machine's clock: days that are not over end now.

    Args:
        seed: Seed.
        first_day: First UTC day with airings.
        last_day: Last UTC day with airings.
        rows_per_day: Airings per day.
        extremes: Whether one ad of the first day has an id of almost 64 bits.
    """

    def __init__(self, seed: int, first_day: date, last_day: date, rows_per_day: int, *, extremes: bool) -> None:
        if rows_per_day > _LATE_FROM:
            raise ValueError(f"rows_per_day: at most {_LATE_FROM}, because each day has a limited range of ids")
        self.ads: list[Ad] = []
        self.broadcasts: list[Broadcast] = []
        self.blocks: list[Block] = []
        self.lock = threading.RLock()
        self._seed = seed
        self._first_day = first_day
        self._last_day = last_day
        self._now = int(time.time())
        self._taken: set[int] = set()
        self._late = 0
        days = [first_day + timedelta(days=number) for number in range((last_day - first_day).days + 1)]
        alive: list[tuple[Ad, date]] = []
        for number, day in enumerate(days):
            rng = generator("spotwatch", seed, day.isoformat(), rows_per_day)
            alive = [(ad, until) for ad, until in alive if until >= day]
            for index in range(max(2, rows_per_day // 6)):
                # Almost 64 bits: a float cannot represent it.
                exact = 2**63 - 25 if extremes and number == index == 0 else None
                alive.append((self._ad(rng, midnight(day), exact), day + timedelta(days=rng.randint(0, 3))))
            self._day(rng, day, number, [ad for ad, _ in alive], rows_per_day)
        self.ads = [ad for ad in self.ads if ad.airings]
        self._print()

    def _ad(self, rng: Random, day: int, exact: int | None = None) -> Ad:
        number = exact or rng.randrange(10**14, 10**16)
        while number in self._taken:
            number = rng.randrange(10**14, 10**16)
        self._taken.add(number)
        known = _happens(rng, 0.8)
        images = {name: link(rng) for name in ("preview", "preview_xs", "grid", "grid_xs") if _happens(rng, 0.9)}
        media: dict[str, object] = {
            "image": images or None,
            "video": {"mp4": link(rng)} if _happens(rng, 0.8) else None,
        }
        ad = Ad(
            id=number,
            created=day - rng.randint(0, 40) * DAY + rng.randrange(DAY),
            duration=rng.choice((10, 15, 20, 30)),
            brand=rng.choice(_BRANDS) if known else "",
            description=rng.choice(("allnet flat", "spring sale", "")) if known else "",
            categories=rng.sample(CATEGORIES, rng.randint(0, 2)) if known else [],
            self_promo=_happens(rng, 0.1),
            url=rng.choice(("www.example.com/tv", "")),
            related=[other.id for other in rng.sample(self.ads, min(len(self.ads), rng.randint(0, 2)))],
            cross_region_ads={"at": rng.randrange(10**15, 10**16)} if _happens(rng, 0.3) else {},
            media=media if _happens(rng, 0.9) else None,
            user_payload=rng.choice(("", "campaign 7")),
            absent=frozenset(
                rng.sample(("regions", "self_promo", "url", "cross_region_ads"), rng.choice((0, 0, 0, 2)))
            ),
        )
        ad.created = min(ad.created, day)
        self.ads.append(ad)
        return ad

    def _day(self, rng: Random, day: date, number: int, ads: list[Ad], rows: int) -> None:
        """Generate a day's breaks: one starts and changes at midnight, and one airing is in the day's last second."""
        begin = midnight(day)
        ids = iter([_FIRST_BROADCAST + number * _IDS_PER_DAY + index for index in rng.sample(range(_LATE_FROM), rows)])
        self._block(rng, begin, [self._ad(rng, begin)], ids, updated=begin)
        if rows > 1:
            self._block(rng, begin + DAY - 1, [rng.choice(ads)], ids)
        left = rows - 2
        while left > 0:
            in_break = [rng.choice(ads) for _ in range(min(left, rng.randint(1, 6)))]
            left -= len(in_break)
            if len(in_break) > 3:  # noqa: PLR2004 - a long break has one ad twice
                in_break[-1] = in_break[0]
            self._block(rng, begin + 60 + rng.randrange(DAY - 600), in_break, ids)

    def _block(self, rng: Random, start: int, ads: list[Ad], ids: Iterator[int], updated: int | None = None) -> None:
        region = rng.choice(("at", "de", "de", "de", "fr"))
        genre = rng.choice(tuple(GENRES))
        known = _happens(rng, 0.8)
        block = Block(
            id=_FIRST_BLOCK + len(self.blocks),
            start=start,
            finish=start + sum(ad.duration for ad in ads),
            updated=0,
            region=region,
            channel=rng.choice(CHANNELS[region]),
            program=rng.choice(_PROGRAMS) if known else "",
            genre=genre if known else "",
            subgenre=rng.choice(GENRES[genre] or ("",)) if known else "",
        )
        block.updated = updated or block.finish + rng.randint(0, 90)
        block.changed = not block.id % 4
        at = start
        for index, ad in enumerate(ads):
            number = next(ids)
            absent = frozenset(("pic_in_pic", "block_length") if _happens(rng, 0.1) else ())
            if at <= self._now:
                airing = Broadcast(number, at, ad, region, block.channel, block, index, _happens(rng, 0.1), absent)
                self._add(airing)
            at += ad.duration
        if block.airings:
            block.updated = min(block.updated, max(self._now, start))
            self.blocks.append(block)

    def _add(self, airing: Broadcast) -> None:
        self.broadcasts.append(airing)
        airing.ad.airings.append(airing)
        airing.block.airings.append(airing)

    def _print(self) -> None:
        """Add the sample rows of the vendor's documentation whose days are among those of the data."""
        rng = generator("spotwatch printed", self._seed)
        vodafone = Ad(3893859079416045, seconds("2024-03-31T06:07:07Z"), 20, "vodafone", "allnet flat", [CATEGORIES[5]])
        vodafone.related = [2798804439039186]
        vodafone.media = {
            "video": {"mp4": "/klwc7ilp41lgb8kiopye"},
            "image": {"preview": "/9dgnbp81g6jndapeazyy", "grid": "/pjbphmperbfaopf4qx8s"},
        }
        vodafone.absent = frozenset({"regions", "self_promo", "url", "cross_region_ads", "user_payload"})
        vodafone.printed_lastseen = seconds("2024-06-12T22:26:26Z")
        soap = Block(1259, seconds("2024-06-09T01:00:00Z"), seconds("2024-06-09T01:01:31Z"), 0, "de", "rtl")
        soap.program, soap.genre, soap.subgenre = "two and a half men", "serien", "comedyserie"
        soap.printed_ads = [self._printed_ad(rng, 3392276504707697, soap.start)]
        crime = Block(661, seconds("2024-06-11T01:00:00Z"), seconds("2024-06-11T01:01:31Z"), 0, "de", "sat1")
        crime.program, crime.genre, crime.subgenre = "navy cis", "serien", "krimiserie"
        crime.printed_ads = [self._printed_ad(rng, 767171625096234, crime.start)]
        games = Block(810, seconds("2024-06-25T07:45:38Z"), seconds("2024-06-25T07:46:18Z"), 0, "de", "viva")
        games.printed_ads = [
            self._printed_ad(rng, 504038989557373, games.start, "goodgame.de"),
            self._printed_ad(rng, 3996816512810860, games.start, "wimdu.de"),
        ]
        for block in (soap, crime, games):
            block.updated = block.finish + 5
            if self._has(block.start):
                self.blocks.append(block)
        around = Block(
            1259, soap.start, soap.finish, 0, "de", "vox", "gute zeiten, schlechte zeiten", "serien", "daily soap"
        )
        airing = Broadcast(39840, seconds("2024-06-11T18:08:46Z"), vodafone, "de", "vox", around, 3)
        airing.absent = frozenset({"block_length", "pic_in_pic"})
        sony = self._printed_ad(rng, 2371504209363725, seconds("2024-05-06T16:40:10Z"), "sony")
        break_of_sony = Block(_FIRST_BLOCK - 1, seconds("2024-05-06T16:40:00Z"), 0, 0, "de", "dmax")
        for one in (airing, Broadcast(39841, seconds("2024-05-06T16:40:10Z"), sony, "de", "dmax", break_of_sony, 0)):
            if self._has(one.at):
                one.block.airings.append(one)
                self.broadcasts.append(one)
                one.ad.airings.append(one)
                self.ads.append(one.ad)
        early = self._printed_ad(rng, 6353806529225371, seconds("2022-06-30T12:27:30Z"))
        early.media = {
            "video": {"mp4": "/klwc7ilp41lgb8kiopye"},
            "image": {"preview": "/azfe4d2qwcmk0shik1gw", "grid": "/pjbphmperbfaopf4qx8s"},
        }
        early.categories, early.printed_lastseen = [CATEGORIES[5]], early.created
        if self._has(early.created):
            self.ads.append(early)

    @staticmethod
    def _printed_ad(rng: Random, number: int, created: int, brand: str = "") -> Ad:
        return Ad(number, created, rng.choice((10, 20)), brand, "", [])

    def _has(self, at: int) -> bool:
        return midnight(self._first_day) <= at < midnight(self._last_day) + DAY

    def restate(self, seed: int, days: int) -> Restated:
        """Identify programmes and ads of the last days and add late airings.

        The changes are dated one hour after the last day, or now if that is less than two days ago, so that a client
        that has read up to now finds them by their change time.
        """
        with self.lock:
            now, after = int(time.time()), midnight(self._last_day) + DAY + 3600
            at = now if after > now - 2 * DAY else after
            rng = generator("spotwatch restated", self._seed, seed)
            begin = midnight(self._last_day) - (days - 1) * DAY
            changed: list[int] = []
            added: list[int] = []
            for number in range(days):
                since = max(begin + number * DAY, midnight(self._first_day))
                recent = [block for block in self.blocks if since <= block.start < since + DAY and block.airings]
                for block in rng.sample(recent, max(1, len(recent) // 10)) if recent else ():
                    block.program, block.genre, block.subgenre = f"identified {seed}", "report", "dokumentation"
                    block.updated, block.changed = at, True
                    changed += [airing.id for airing in block.airings]
                if recent:
                    added.append(self._late_airing(rng, rng.choice(recent), at))
            for ad in self.ads:
                if not ad.brand and ad.lastseen >= begin and _happens(rng, 0.5):
                    ad.brand, ad.description = rng.choice(_BRANDS), "known by now"
            return Restated(changed, added)

    def _late_airing(self, rng: Random, block: Block, at: int) -> int:
        """Add an airing to the end of a break; all airings of the break change, because it is longer now."""
        self._late += 1
        day = (block.start - midnight(self._first_day)) // DAY
        last = max(block.airings, key=lambda airing: airing.blockindex)
        number = _FIRST_BROADCAST + day * _IDS_PER_DAY + _LATE_FROM + self._late
        airing = Broadcast(
            number, last.at, rng.choice(block.ads), block.region, block.channel, block, last.blockindex + 1
        )
        block.updated, block.changed = at, True
        self._add(airing)
        return number
