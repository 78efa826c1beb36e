"""iSpot's entities: airings, and the catalogue they refer to.

Fields have their names on the wire. Entities compare by identity: there is one object per entity.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime


class Named(NamedTuple):
    """An id and a name, for entities with no other fields: genres, day parts, spot types, markets, operators."""

    id: int
    name: str


_TYPE_NAMES = {
    "N": "National",
    "R": "Regional",
    "L": "Local",
    "SC": "Spot Cable",
    "NS": "National Satellite",
}
_ABMYZ = {"F": "A", "M": "M", "L": "Z"}
_PACIFIC = {"-05:00": "-08:00", "-04:00": "-07:00"}
_WEEK = [
    Named(number, name)
    for number, name in enumerate(
        ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"), start=1
    )
]
# One for each hour, starting at midnight.
_DAY_PARTS = (
    [Named(1, "Late Fringe")] * 2
    + [Named(2, "Overnight")] * 4
    + [Named(3, "Early Morning")] * 3
    + [Named(4, "Daytime")] * 7
    + [Named(5, "Early Fringe")] * 3
    + [Named(6, "Prime Access")]
    + [Named(7, "Prime Time")] * 3
    + [Named(8, "Late News")]
)


@dataclass(eq=False)
class Industry:
    """An industry; `accessible` if it is part of the account's subscription."""

    id: int
    name: str
    slug: str
    parent: Industry | None
    accessible: bool


@dataclass(eq=False)
class Brand:
    """A brand. Parents and standalone brands have no parent. `national` is the advertiser's reach."""

    id: int
    name: str
    slug: str
    industry: Industry
    parent: Brand | None
    national: bool
    accessible: bool


@dataclass(eq=False)
class Network:
    """A network; `brand_id` is the network's own brand as an advertiser."""

    id: int
    name: str
    call_sign: str
    language: str
    brand_id: int
    shows: list[Show] = field(default_factory=list)


@dataclass(eq=False)
class Show:
    """A show of one network; some have no sub-genre, some no episodes."""

    id: int
    title: str
    slug: str
    genre: Named
    sub_genre: Named | None
    episodes: list[Episode] = field(default_factory=list)


@dataclass(eq=False)
class Episode:
    """An episode of a show."""

    id: int
    title: str
    slug: str
    show: Show


@dataclass(eq=False)
class Product:
    """A product of a brand. `sku` is an example of an undocumented field; most products have none."""

    id: int
    name: str
    slug: str
    brand: Brand
    sku: str | None

    @property
    def type(self) -> str:
        """Its type in filters."""
        return ("primary", "secondary", "competitive")[self.id % 3]


@dataclass(eq=False)
class ProductCategory:
    """A product category; some have no product."""

    id: int
    name: str
    slug: str
    brand: Brand
    industry: Industry
    product: Product | None


@dataclass(eq=False)
class Creative:
    """A version of a spot; the only version of a spot has the spot's id."""

    id: int
    spot_id: int
    title: str
    title_short: str
    slug: str
    airing_date_first_et: str


@dataclass(eq=False)
class Titled:
    """A movie or an event."""

    id: int
    title: str
    slug: str


@dataclass(eq=False)
class Celebrity:
    """A celebrity."""

    id: int
    name: str
    slug: str


@dataclass(eq=False)
class Spot:
    """An ad. `duration`, in seconds, is an example of an undocumented field; most spots have none."""

    id: int
    title: str
    title_short: str
    title_custom: str | None
    custom_id: str | None
    description: str | None
    slug: str
    hash: str | None
    brand: Brand
    parent: Spot | None
    type: Named
    products: list[Product]
    events: list[Titled]
    children: list[Spot] = field(default_factory=list)
    creatives: list[Creative] = field(default_factory=list)
    duration: int | None = None


class SpotChange(NamedTuple):
    """A correction in `/spots/updates`; a new spot has no old title. Its fields are made up."""

    spot: Spot
    status: str
    old_title: str | None


@dataclass(eq=False)
class NetworkFamily:
    """A group of networks. Its fields are made up."""

    id: int
    name: str
    networks: list[Network]


@dataclass(eq=False)
class Member:
    """A user of the account."""

    id: int
    name: str
    email: str


@dataclass(eq=False)
class Notification:
    """A notification to the account. Its fields are made up."""

    id: int
    subject: str
    read: bool


@dataclass(eq=False)
class Grant:
    """A product that the account has access to. Its fields are made up."""

    id: int
    name: str
    since: str


class Audience(NamedTuple):
    """Impressions of one airing, as the text of JSON numbers."""

    impressions: str
    impressions_raw: str
    impressions_per_airing: str
    impressions_national_live: str
    impressions_national_linear: str


class Attention(NamedTuple):
    """Attention of one airing, as the text of JSON numbers: watched to the end, and interrupted."""

    completed: str
    interruption: str


@dataclass(eq=False)
class Airing:
    """One airing of one spot. Amounts are the text sent over the wire.

    `at` is in US Eastern time with its offset; `type` is the filter code (N, R, L, SC, NS).
    """

    __slots__ = (
        "at",
        "attention",
        "audience",
        "creative",
        "dma",
        "episode",
        "feed",
        "id",
        "media_value",
        "mso",
        "network",
        "pod",
        "pod_order",
        "pod_position",
        "product",
        "show",
        "spend_estimated",
        "spot",
        "type",
    )

    id: int
    type: str
    at: datetime
    pod: str
    pod_order: str
    pod_position: str
    dma: Named | None
    mso: Named | None
    spend_estimated: str
    media_value: str
    spot: Spot
    creative: Creative
    network: Network
    show: Show
    episode: Episode | None
    product: Product | None
    audience: Audience | None
    attention: Attention | None
    feed: str | None

    @property
    def type_name(self) -> str:
        """The type as in rows; the documentation shows only "National", the others are guesses."""
        return _TYPE_NAMES[self.type]

    @property
    def aired_at_et(self) -> str:
        """Eastern time, RFC 3339 with offset."""
        return self.at.isoformat()

    @property
    def aired_at_pt(self) -> str:
        """Local time of the Pacific feed: the same wall clock with the Pacific offset, not the same instant.

        Both zones change their clocks at 2 a.m. local time, so the offsets always differ by 3 hours.
        """
        eastern = self.aired_at_et
        return eastern[:-6] + _PACIFIC[eastern[-6:]]

    @property
    def pod_position_abmyz(self) -> str:
        """The position in another letter scheme; the documentation shows only F with A, the others are guesses."""
        return _ABMYZ[self.pod_position]

    @property
    def day_of_week(self) -> Named:
        """The Eastern day of the week; Monday has id 1."""
        return _WEEK[self.at.weekday()]

    @property
    def day_part(self) -> Named:
        """The part of the day by the Eastern hour; the vendor's list is not public."""
        return _DAY_PARTS[self.at.hour]


class Change(NamedTuple):
    """A correction in `/airings/updates`. Amounts are text; a deleted airing has no new amount."""

    airing: Airing
    status: str
    old_spend: str
    new_spend: str | None
