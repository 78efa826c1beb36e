"""Ads, airings and ad breaks, as the vendor's field tables tell them apart. Times are seconds since 1970, UTC."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(eq=False)
class Ad:
    """One distinct commercial. `absent` are fields that the vendor leaves out of every answer."""

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
        """The last airing; in the vendor's printed sample it is none of those that the sample has."""
        last = max((airing.at for airing in self.airings), default=self.created)
        return max(last, self.printed_lastseen) if self.printed_lastseen else last

    @property
    def regions(self) -> list[str]:
        """The countries in which it airs."""
        return sorted({airing.region for airing in self.airings})


@dataclass(eq=False)
class Broadcast:
    """One airing of an ad, in a break."""

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
    """One ad break. Those that the vendor's page prints have ads and no airings: `printed_ads`."""

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

    @property
    def ads(self) -> list[Ad]:
        """Its ads in the order of airing."""
        return self.printed_ads or [airing.ad for airing in sorted(self.airings, key=lambda one: one.blockindex)]
