"""The catalogue: brands, spots, networks, shows and the rest, generated from a seed and consistent with each other."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from vendor_simulators.ispot.entities import (
    Brand,
    Celebrity,
    Creative,
    Episode,
    Grant,
    Industry,
    Member,
    Named,
    Network,
    NetworkFamily,
    Notification,
    Product,
    ProductCategory,
    Show,
    Spot,
    Titled,
)
from vendor_simulators.seeded import generator

if TYPE_CHECKING:
    from random import Random

# The spot in the vendor's Quickstart. The document breaks off after `hash`; the rest is made up.
PRINTED_SPOT_ID = 3145253
# Industry of the sample request in the Quickstart; its name is made up.
PRINTED_INDUSTRY_ID = 119

_INDUSTRIES = {
    "Vehicles": ("Auto Makers", "Tires & Parts", "Motorcycles"),
    "Food & Beverage": ("Soft Drinks", "Snacks", "Quick Serve", "Beer"),
    "Health & Beauty": ("Skin Care", "Pharmaceutical", "Fitness"),
    "Home & Real Estate": ("Furniture", "Home Improvement"),
    "Insurance": ("Auto & General", "Life"),
}
_BRAND_HEADS = (
    "Alder", "Bright", "Café", "Domino", "Élan", "Falcon", "Gran Señor", "Harbor", "Iron", "Jubilee", "Kestrel",
    "Lumen", "Møller", "Northern", "Ōkami", "Pine", "Quill", "River", "Straße", "Tidal",
)  # fmt: skip
_BRAND_TAILS = ("Motors", "Foods", "Labs", "& Sons", "Mutual", "Home")
_NETWORKS = (
    "Alpha TV", "Beacon News", "Canal Sur", "Dial Movies", "Echo Sports", "Frontier", "Garden Channel", "Harvest",
    "Indigo", "Junction Kids", "Key Music", "Lighthouse", "Metro One", "Nueve", "Oasis", "Prime Nation",
)  # fmt: skip
_GENRES = ("Drama", "Sports", "News", "Comedy", "Reality", "Documentary")
_SUB_GENRES = ("Crime", "Football", "Politics", "Sitcom", "Cooking", "Nature", "Medical", "Travel")
_SPOT_WORDS = (
    "Road",
    "Morning",
    "Together",
    "Fresh Start",
    "The Neighbor",
    "Winter",
    "First Day",
    "Big Game",
    "Echoes",
)
# Text that breaks careless readers: all kinds of quotes, a backslash, a tab, line separators, other scripts, a
# surrogate pair, a combining accent, markup, a formula.
_SPOT_ENDINGS = (
    "", "Song by A. Tester", 'Say "Hello"', "It's Here", "Ahora en Español", "50 % off \\ today", "Привет",
    "東京", "Party 🎉", "e\u0301lan", "<b>New</b> & improved", "=1+1", "two\tcolumns", "line\nbreak", "sep\u2028arator",
)  # fmt: skip
# Site, "API filters & includes".
_SPOT_TYPES = (
    *(Named(1, "Commercial"), Named(2, "Show Promo"), Named(3, "Movie Trailer"), Named(4, "Infomercial")),
    *(Named(5, "Public Service Announcement"), Named(6, "Network Movie Promo")),
)
_GOOGLE_TITLE = "Google TV Spot, 'Year in Search 2020' Song by Peter CottonTale"


@dataclass
class Catalogue:
    """All entities by kind, ordered by id."""

    industries: list[Industry] = field(default_factory=list)
    brands: list[Brand] = field(default_factory=list)
    networks: list[Network] = field(default_factory=list)
    network_families: list[NetworkFamily] = field(default_factory=list)
    shows: list[Show] = field(default_factory=list)
    episodes: list[Episode] = field(default_factory=list)
    products: list[Product] = field(default_factory=list)
    product_categories: list[ProductCategory] = field(default_factory=list)
    spots: list[Spot] = field(default_factory=list)
    new_spots: list[Spot] = field(default_factory=list)
    celebrities: list[Celebrity] = field(default_factory=list)
    movies: list[Titled] = field(default_factory=list)
    events: list[Titled] = field(default_factory=list)
    users: list[Member] = field(default_factory=list)
    account: list[Named] = field(default_factory=list)
    access: list[Grant] = field(default_factory=list)
    notifications: list[Notification] = field(default_factory=list)
    spots_by_id: dict[int, Spot] = field(default_factory=dict)


@lru_cache(maxsize=4)
def build(seed: int) -> Catalogue:
    """Return the catalogue of a seed: about 400 spots of 60 brands on 16 networks. It is cached and never changes."""
    rng = generator("ispot", seed, "catalogue")
    made = Catalogue()
    _industries(made)
    _brands(made, rng)
    _programmes(made, rng)
    _products(made, rng)
    _small_lists(made)
    _spots(made, rng)
    return made


def slug(text: str) -> str:
    """Return a text as in the vendor's web addresses: lower-case letters and digits joined by hyphens."""
    plain = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode("ascii")
    return re.sub(r"[^a-z0-9]+", "-", plain.replace("'", "")).strip("-")


def _industries(made: Catalogue) -> None:
    number = 200
    for parent_name, names in _INDUSTRIES.items():
        number += 1
        parent = Industry(number, parent_name, slug(parent_name), None, accessible=True)
        made.industries.append(parent)
        for name in names:
            number += 1
            # One industry is not part of the account's subscription: filter[access] excludes it.
            made.industries.append(Industry(number, name, slug(name), parent, accessible=name != "Motorcycles"))
    printed = Industry(PRINTED_INDUSTRY_ID + 1, "Technology", "technology", None, accessible=True)
    made.industries += [
        Industry(PRINTED_INDUSTRY_ID, "Online Services", "online-services", printed, accessible=True),
        printed,
    ]
    made.industries.sort(key=lambda industry: industry.id)


def _brands(made: Catalogue, rng: Random) -> None:
    leaves = [industry for industry in made.industries if industry.parent is not None and industry.accessible]
    online = next(industry for industry in made.industries if industry.id == PRINTED_INDUSTRY_ID)
    alphabet = Brand(2001, "Alphabet", "alphabet", online, None, national=True, accessible=True)
    google = Brand(2002, "Google", "google", online, alphabet, national=True, accessible=True)
    made.brands += [alphabet, google]
    for index in range(60):
        name = f"{_BRAND_HEADS[index % len(_BRAND_HEADS)]} {_BRAND_TAILS[index // 10]}"
        # Every fourth brand has no parent and is the parent of the next three; one in twelve advertises in one market
        # only.
        parent = made.brands[-(index % 4)] if index % 4 else None
        made.brands.append(
            Brand(
                id=2100 + index * 3,
                name=name,
                slug=slug(name),
                industry=rng.choice(leaves),
                parent=parent,
                national=index % 12 != 5,  # noqa: PLR2004 - one in twelve
                accessible=index % 15 != 7,  # noqa: PLR2004 - one in fifteen
            )
        )


def _programmes(made: Catalogue, rng: Random) -> None:
    genres = [Named(number, name) for number, name in enumerate(_GENRES, 1)]
    sub_genres = [Named(number, name) for number, name in enumerate(_SUB_GENRES, 20)]
    for index, name in enumerate(_NETWORKS):
        language = "es" if name in ("Canal Sur", "Nueve") else "en"
        call_sign = "".join(word[0] for word in name.split()).upper() + f"{index:02}"
        network = Network(300 + index, name, call_sign, language, made.brands[2 + index].id)
        made.networks.append(network)
        for slot in range(5):
            genre = genres[(index + slot) % len(genres)]
            title = f"{name.split()[0]} {('Tonight', 'Live', 'Stories', 'Game Day', 'Kitchen')[slot]}"
            show = Show(
                id=40_000 + index * 10 + slot,
                title=title,
                slug=slug(title),
                genre=genre,
                sub_genre=rng.choice(sub_genres) if slot % 3 else None,
            )
            network.shows.append(show)
            made.shows.append(show)
            # News and sports have no episodes, so many airing rows have an empty to-one relation.
            for number in range(0 if genre.name in ("News", "Sports") else 6):
                episode_title = f"{title}: Part {number + 1}"
                episode = Episode(500_000 + len(made.episodes), episode_title, slug(episode_title), show)
                show.episodes.append(episode)
                made.episodes.append(episode)


def _products(made: Catalogue, rng: Random) -> None:
    for index in range(90):
        brand = made.brands[index % len(made.brands)]
        name = f"{brand.name} {('Classic', 'Plus', 'Zero', 'Go')[index % 4]}"
        product = Product(7000 + index, name, slug(name), brand, sku=f"SKU-{index}" if index % 10 == 0 else None)
        made.products.append(product)
        if index % 2 == 0:
            category = f"{brand.industry.name} {index // 2 + 1}"
            made.product_categories.append(
                ProductCategory(
                    id=8000 + index,
                    name=category,
                    slug=slug(category),
                    brand=brand,
                    industry=brand.industry,
                    product=product if rng.random() > 0.2 else None,  # noqa: PLR2004 - one in five
                )
            )


def _small_lists(made: Catalogue) -> None:
    names = ("Ana Núñez", "Bo O'Brien", "Chloë Sø", "Dai 王", "Eva Q.")
    made.celebrities = [Celebrity(9100 + i, f"{name} {i}", slug(f"{name} {i}")) for i, name in enumerate(names * 6)]
    made.movies = [Titled(9200 + i, f"Movie No. {i + 1}", f"movie-no-{i + 1}") for i in range(25)]
    made.events = [Titled(9300 + i, f"Event No. {i + 1}", f"event-no-{i + 1}") for i in range(12)]
    made.users = [Member(9400 + i, name, f"user{i}@example.com") for i, name in enumerate(names)]
    made.network_families = [NetworkFamily(9700 + i, f"Family {i + 1}", made.networks[i::4]) for i in range(4)]
    made.account = [Named(9500, "Example Account")]
    made.access = [
        Grant(1, "TV Ad Airings", "2019-01-01"),
        Grant(2, "TV Ad Impressions", "2019-01-01"),
        Grant(3, "TV Ad Attention", "2020-06-01"),
    ]
    made.notifications = [Notification(9600 + i, f"Notice {i + 1}", read=i % 2 == 0) for i in range(6)]


def _spots(made: Catalogue, rng: Random) -> None:
    for index in range(400):
        brand = made.brands[index % len(made.brands)]
        short = f"{_SPOT_WORDS[index % len(_SPOT_WORDS)]} {index}"
        ending = _SPOT_ENDINGS[index % len(_SPOT_ENDINGS)]
        title = f"{brand.name} TV Spot, '{short}' {ending}".strip()
        products = [product for product in made.products if product.brand is brand]
        spot = Spot(
            id=3_000_000 + index * 7,
            title=title,
            title_short=short,
            title_custom=f"Custom {index}" if index % 9 == 0 else None,
            custom_id=f"C-{index:05}" if index % 9 == 0 else None,
            description=f'{brand.name} says "{short}".' if index % 3 == 0 else None,
            slug=slug(title),
            hash=f"{rng.getrandbits(64):016x}" if index % 2 else None,
            brand=brand,
            parent=None,
            type=_SPOT_TYPES[index % len(_SPOT_TYPES)],
            products=products[: index % 3],
            events=made.events[index % 12 : index % 12 + 1] if index % 10 == 0 else [],
        )
        if index % 8 == 7:  # noqa: PLR2004 - every eighth spot is a cut-down of the previous one
            spot.parent = made.spots[-1]
            made.spots[-1].children.append(spot)
        for version in range(3 if index % 7 == 0 else 1):
            number = spot.id + version * 1_000_000
            name = f"{short} v{version + 1}"
            first = f"20{18 + index % 6}-0{1 + index % 9}-1{index % 10}"
            spot.creatives.append(Creative(number, spot.id, f"{title} v{version + 1}", name, slug(name), first))
        made.spots.append(spot)
    made.spots.append(_printed_spot(made))
    made.spots.sort(key=lambda spot: spot.id)
    made.spots_by_id = {spot.id: spot for spot in made.spots}
    # The latest ids; any choice would do.
    made.new_spots = made.spots[-30:]


def _printed_spot(made: Catalogue) -> Spot:
    google = next(brand for brand in made.brands if brand.name == "Google")
    spot = Spot(
        id=PRINTED_SPOT_ID,
        title=_GOOGLE_TITLE,
        title_short="Year in Search 2020",
        title_custom=None,
        custom_id=None,
        description=None,
        slug="google-year-in-search-2020-song-by-peter-cottontale",
        hash=None,
        brand=google,
        parent=None,
        type=_SPOT_TYPES[0],
        products=[product for product in made.products if product.brand is google][:1],
        events=[],
        # The sample record has a comma after `hash`, so at least one more field follows. This one is made up.
        duration=90,
    )
    name = "Year in Search 2020"
    spot.creatives.append(Creative(spot.id, spot.id, spot.title, name, slug(name), "2020-12-09"))
    return spot
