"""Ads, airings and ad breaks, as in the vendor's field tables. Times are seconds since 1970, UTC."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(eq=False)
class Ad:
    """One commercial. `absent` holds the fields that the vendor omits from every response."""

    id: int
    created: int
    duration: int
    brand: str
    description: str
    categories: list[str]
    self_promo: bool = False
    url: str = ""
    related: list[int] = field(default_factory=list)
    cross_region_ads: dict[str, int] = field(default_factory=dict)
    media: dict[str, object] | None = None
    user_payload: str = ""
    absent: frozenset[str] = frozenset()
    airings: list[Broadcast] = field(default_factory=list)
    printed_lastseen: int | None = None

    @property
    def lastseen(self) -> int:
        """Time of the last airing; the vendor's sample has a later time than its airings."""
        last = max((airing.at for airing in self.airings), default=self.created)
        return max(last, self.printed_lastseen) if self.printed_lastseen else last

    @property
    def regions(self) -> list[str]:
        """The countries in which the ad airs."""
        return sorted({airing.region for airing in self.airings})


@dataclass(eq=False)
class Broadcast:
    """One airing of an ad in a break."""

    id: int
    at: int
    ad: Ad
    region: str
    channel: str
    block: Block
    blockindex: int
    pic_in_pic: bool = False
    absent: frozenset[str] = frozenset()


@dataclass(eq=False)
class Block:
    """One ad break. The breaks in the vendor's samples have ads, `printed_ads`, but no airings.

    `changed` is whether it was changed after it was first published.
    """

    id: int
    start: int
    finish: int
    updated: int
    region: str
    channel: str
    program: str = ""
    genre: str = ""
    subgenre: str = ""
    airings: list[Broadcast] = field(default_factory=list)
    printed_ads: list[Ad] = field(default_factory=list)
    changed: bool = False

    @property
    def ads(self) -> list[Ad]:
        """The break's ads in the order of airing."""
        return self.printed_ads or [airing.ad for airing in sorted(self.airings, key=lambda one: one.blockindex)]
