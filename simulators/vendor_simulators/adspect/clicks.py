"""Clicks and conversions, the source of both the log and the funnel."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING

from vendor_simulators.seeded import generator

if TYPE_CHECKING:
    from collections.abc import Collection
    from random import Random

UTC = timezone.utc
DAY_SECONDS = 86400
ACCOUNT_ID = "1eaa2ce5-d4dd-63ec-b8a4-00162501c2b4"
CLICKED_STREAMS = 12
"""Number of streams with clicks."""
LARGE_COUNT = 2**53 + 1
"""Too large for a float to represent exactly."""
FIRST_STAGE, SECOND_STAGE, CONVERSION = 0, 1, 255

_COUNTRIES = ("AE", "US", "DE", "SE", "SG", "NL", None)
_SYSTEMS = ("iOS", "macOS", "Windows", "Android")
_BROWSERS = (("Apple Safari", "WebKit"), ("Google Chrome", "Blink"), ("Firefox", "Gecko"))
_LANGUAGES = (("en",), ("fr", "en"), ("es",), ())
_SUB_IDS = (None, "zone-1", "zone 2", "кампания-3", 'quo"te\\4', "a&b=c,5", "日本")
_NETWORKS = (13335, 32934, 65536, 65546, None)
_TAGS = ("ip", "ua", "geo", "fp")


@dataclass(frozen=True)
class Click:
    """One row of the log: a stage of a click, or a conversion. Blank values are None here.

    `extra_givt` is added to the funnel's count of general invalid traffic, to reach counts that no test could send as
    clicks.
    """

    at: datetime
    ip_address: str
    asn: int | None
    stream_id: str
    country_code: str | None
    os: str
    browser: str
    engine: str
    languages: tuple[str, ...]
    cost: Decimal
    sub_id: str | None
    click_id: str | None
    mode: str
    sequence: int
    target: int | None
    tags: tuple[str, ...]
    extra_givt: int = 0


def stream_id(seed: int, number: int) -> str:
    """Return the id of the n-th traffic stream."""
    return str(uuid.UUID(int=generator(seed, "stream", number).getrandbits(128), version=4))


class Clicks:
    """All clicks by UTC day. A day is generated on first use.

    Args:
        seed: Seed of the clicks.
        first_day: First UTC day with clicks.
        last_day: Last UTC day with clicks.
        rows_per_day: Rows of the log per day.
        streams: Number of traffic streams.
        empty_days: Days without clicks.
        extremes: Whether the first day has extreme values.
    """

    def __init__(  # noqa: PLR0913 - the inputs of the data
        self,
        seed: int,
        first_day: date,
        last_day: date,
        rows_per_day: int,
        *,
        streams: int,
        empty_days: Collection[date],
        extremes: bool,
    ) -> None:
        self._seed = seed
        self._first_day = first_day
        self._last_day = last_day
        self._rows_per_day = rows_per_day
        self._ids = [stream_id(seed, number) for number in range(min(streams, CLICKED_STREAMS))]
        self._empty_days = frozenset(empty_days)
        self._extremes = extremes
        self._days: dict[date, list[Click]] = {}

    def between(self, start: datetime, end: datetime) -> list[Click]:
        """Return the clicks in a time range, ordered by time; the end is exclusive."""
        day, last = start.astimezone(UTC).date(), end.astimezone(UTC).date()
        found: list[Click] = []
        while day <= last:
            found += [click for click in self.day(day) if start <= click.at < end]
            day += timedelta(days=1)
        return found

    def day(self, day: date) -> list[Click]:
        """Return the clicks of a UTC day, ordered by time."""
        if not self._first_day <= day <= self._last_day or day in self._empty_days:
            return []
        if day not in self._days:
            self._days[day] = self._make(day)
        return self._days[day]

    def restate(self, seed: int, days: int) -> tuple[list[Click], list[Click]]:
        """Change one row in twenty of the last days and add a late conversion to each day.

        Returns:
            The changed rows and the new rows.
        """
        changed: list[Click] = []
        added: list[Click] = []
        for back in range(days):
            day = self._last_day - timedelta(days=back)
            rows = list(self.day(day))
            if not rows:
                continue
            random = generator(self._seed, "restated", seed, day)
            for number in random.sample(range(len(rows)), max(1, len(rows) // 20)):
                # Leave duplicates alone: it would be ambiguous which of them has changed.
                if sum(_same(row, rows[number]) for row in rows) == 1:
                    rows[number] = replace(rows[number], cost=rows[number].cost + Decimal("1.25"), tags=("late",))
                    changed.append(rows[number])
            late = self._conversion(random, rows[0], day, random.randrange(DAY_SECONDS))
            late = replace(late, click_id=f"late-{seed}-{day}")
            added.append(late)
            self._days[day] = sorted([*rows, late], key=lambda row: row.at)
        return changed, added

    def _make(self, day: date) -> list[Click]:
        random = generator(self._seed, "clicks", day)
        count = self._rows_per_day
        # Clicks at both ends of the day and on the edges of windows.
        seconds = [0, DAY_SECONDS - 1, 3600, 7200][:count]
        seconds += [random.randrange(DAY_SECONDS) for _ in range(count - len(seconds))]
        rows: list[Click] = []
        for number, second in enumerate(seconds):
            kind = random.random() if number > 3 else 0.0  # noqa: PLR2004 - the four above
            if kind > 0.9 and rows:  # noqa: PLR2004 - one in ten
                rows.append(self._conversion(random, random.choice(rows), day, second))
            elif kind > 0.65 and rows:  # noqa: PLR2004 - one in four
                rows.append(self._second_stage(random, random.choice(rows), day, second))
            else:
                rows.append(self._click(random, day, second, number))
        if count >= 10:  # noqa: PLR2004 - otherwise all rows would be duplicates
            # Two pairs in the same second: one equal in every column, one in the columns that identify a click.
            rows[6] = rows[5]
            rows[8] = replace(rows[7], target=7, tags=("twin",))
        if self._extremes and day == self._first_day:
            rows[0] = replace(rows[0], extra_givt=LARGE_COUNT, cost=Decimal("123456789012345678.25"))
        return sorted(rows, key=lambda row: row.at)

    def _click(self, random: Random, day: date, second: int, number: int) -> Click:
        browser, engine = random.choice(_BROWSERS)
        blocked = random.random() < 0.3  # noqa: PLR2004 - three in ten
        network = random.choice(_NETWORKS)
        sixth = random.random() < 0.2  # noqa: PLR2004 - one in five
        address = f"2001:db8::{random.randrange(65536):x}" if sixth else f"192.0.2.{random.randrange(256)}"
        return Click(
            at=datetime.combine(day, datetime.min.time(), UTC) + timedelta(seconds=second),
            ip_address=address,
            asn=network,
            stream_id=random.choice(self._ids),
            country_code=random.choice(_COUNTRIES),
            os=random.choice(_SYSTEMS),
            browser=browser,
            engine=engine,
            languages=random.choice(_LANGUAGES),
            cost=Decimal(random.randrange(200)) / 100,
            sub_id=random.choice(_SUB_IDS),
            click_id=None if random.random() < 0.2 else f"click-{day}-{number}",  # noqa: PLR2004 - one in five
            mode=random.choice(("Filter", "Review")),
            sequence=FIRST_STAGE,
            # Clicks still in progress have been shown neither page.
            target=0 if blocked else random.choice((1, 2, None)),
            tags=tuple(random.sample(_TAGS, random.randrange(1, 3))) if blocked else (),
        )

    def _second_stage(self, random: Random, first: Click, day: date, second: int) -> Click:
        at = datetime.combine(day, datetime.min.time(), UTC) + timedelta(seconds=second)
        return replace(
            first,
            at=at,
            sequence=SECOND_STAGE,
            cost=Decimal(0),
            target=random.choice((0, 1)),
            tags=first.tags,
            extra_givt=0,
        )

    def _conversion(self, random: Random, first: Click, day: date, second: int) -> Click:
        at = datetime.combine(day, datetime.min.time(), UTC) + timedelta(seconds=second)
        payout = Decimal(random.randrange(100, 5000)) / 100
        return replace(first, at=at, sequence=CONVERSION, cost=payout, tags=(), extra_givt=0)


def _same(one: Click, other: Click) -> bool:
    return (one.at, one.stream_id, one.click_id, one.sequence, one.ip_address) == (
        other.at,
        other.stream_id,
        other.click_id,
        other.sequence,
        other.ip_address,
    )
