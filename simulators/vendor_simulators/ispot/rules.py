"""The vendor's rules: paths, parameters, request limits, and validation of a query."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from typing_extensions import override

from vendor_simulators.limits import Rule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vendor_simulators.messages import Request

BASE = "/v4"
DEFAULT_PAGE_SIZE = 100
LARGEST_PAGE_SIZE = 10_000

_DATES = frozenset({"start_date", "end_date"})
# Site, "API filters & includes", except parent_brand, creative and show: the index of the site's pages.
ID_FILTERS = ("brand", "parent_brand", "industry", "network", "show", "spot", "creative", "product", "spot_type")
_AIRING_FILTERS = _DATES | {"airing_type", "national_only", "language", "product_type", *ID_FILTERS}
WORDS: Mapping[str, frozenset[str]] = {
    "airing_type": frozenset({"N", "R", "L", "SC", "NS"}),
    "language": frozenset({"en", "es"}),
    "product_type": frozenset({"primary", "secondary", "competitive"}),
}
"""Filters with a list of words, and the documented words."""
_AIRING_INCLUDES = frozenset(
    (
        "brand", "brand.parent", "parent_brand", "airing", "spot", "creative", "day_of_week", "day_part", "episode",
        "industry", "industry.parent", "network", "genre", "sub_genre", "show", "product",
    )
)  # fmt: skip
# The documentation shows only `est_spend`, `date` and `audience_impressions_national_linear`.
AIRING_SORTS = frozenset(
    ("airing_date_et", "date", "id", "est_spend", "audience_impressions", "audience_impressions_national_linear")
)
_LIST_SORTS = frozenset({"id", "name", "title"})
_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Endpoint:
    """Parameters of an endpoint.

    Args:
        family: Family of the request limits.
        filters: Names allowed in `filter[...]`.
        include: Names allowed in `include`.
        sort: Names allowed in `sort`; empty if the endpoint does not sort.
        required: Required filters.
        kind: For lists: the field of `Catalogue`, otherwise empty.
        wrapper: Name in which rows may be wrapped.
        metric: For airings: which figures they have.
    """

    family: str
    filters: frozenset[str] = _NONE
    include: frozenset[str] = _NONE
    sort: frozenset[str] = _NONE
    required: frozenset[str] = _NONE
    kind: str = ""
    wrapper: str | None = None
    metric: str = ""


def _airings(family: str, metric: str) -> Endpoint:
    return Endpoint(family, _AIRING_FILTERS, _AIRING_INCLUDES, AIRING_SORTS, required=_DATES, metric=metric)


def _list(kind: str, wrapper: str, include: str = "", filters: frozenset[str] = _NONE) -> Endpoint:
    family = kind.replace("_", "-")
    return Endpoint(family, filters, frozenset(include.split()), _LIST_SORTS, kind=kind, wrapper=wrapper)


_ACCESS = frozenset({"access"})
ENDPOINTS: Mapping[str, Endpoint] = {
    "/metrics/tv/airings": _airings("metrics/tv", "tv"),
    "/metrics/audience/airings": _airings("metrics/audience", "audience"),
    "/metrics/attention/airings": _airings("metrics/attention", "attention"),
    "/airings": _airings("airings", "plain"),
    # Assumed: takes the filters of airings. The vendor documents no parameter.
    "/airings/updates": Endpoint("airings", _AIRING_FILTERS, required=_DATES),
    # Assumed: the first takes the dates of airings, the others no parameter but paging. The site names only the paths.
    "/spots/updates": Endpoint("spots", _DATES, required=_DATES, kind="spot_updates"),
    "/spots/new": Endpoint("spots", kind="new_spots", wrapper="spot"),
    "/spots/actives": Endpoint("spots", kind="active_spots", wrapper="spot"),
    "/networks/family": Endpoint("networks", kind="network_families"),
    # Assumed: rows like those of the shorter path. Release notes, 4.25.7: it also has filters, not imitated here.
    "/networks/family/extended": Endpoint("networks", kind="network_families"),
    "/brands": _list("brands", "brand", "industry parent", _ACCESS),
    "/industries": _list("industries", "industry", "parent", _ACCESS),
    "/networks": _list("networks", "network"),
    "/shows": _list("shows", "show", "genre sub_genre"),
    "/episodes": _list("episodes", "episode", "show"),
    "/products": _list("products", "product"),
    "/product-categories": _list("product_categories", "product_category", "brand industry product"),
    "/spots": _list(
        "spots",
        "spot",
        "brand parent type children products events airing_summary airing_parent_summary",
        _DATES | {"brand", "industry"},
    ),
    "/celebrities": _list("celebrities", "celebrity"),
    "/movies": _list("movies", "movie"),
    "/events": _list("events", "event"),
    "/users": _list("users", "user"),
    "/notifications": _list("notifications", "notification"),
    "/account": Endpoint("account", kind="account", wrapper="account"),
    "/access": Endpoint("access", kind="access"),
}

# The lowest published limit of each family; section 4 of the specification.
LIMITS: Mapping[str, list[Rule]] = {
    "access": [Rule(100, 900)],
    "account": [Rule(100, 900)],
    "airings": [Rule(50, 60)],
    "metrics/audience": [Rule(25, 10), Rule(75, 60)],
    "metrics/tv": [Rule(25, 10), Rule(50, 60)],
    "metrics/attention": [Rule(10, 10)],
    "industries": [Rule(50, 300)],
    "notifications": [Rule(100, 60)],
} | {
    family: [Rule(50, 60)]
    for family in (
        "brands", "celebrities", "episodes", "events", "movies", "networks", "product-categories", "products", "shows",
        "spots", "users",
    )
}  # fmt: skip


class BadQueryError(ValueError):
    """A query that breaks a rule, with the rule in the message."""


class Ids(dict[str, frozenset[int]]):
    """Accepted ids by filter; hashable, because queries are keys of caches. Never changed."""

    @override
    def __hash__(self) -> int:  # type: ignore[override]  # a dict has none
        return hash(frozenset(self.items()))


@dataclass(frozen=True)
class Query:
    """A valid query. `sort` holds (name, descending); dates that were not sent are None."""

    number: int
    size: int
    sort: tuple[tuple[str, bool], ...]
    include: frozenset[str]
    first_day: date | None
    last_day: date | None
    airing_types: frozenset[str]
    national_only: bool
    accessible: bool
    languages: frozenset[str]
    product_types: frozenset[str]
    ids: Ids
    """Accepted ids by filter."""


def read(request: Request, endpoint: Endpoint) -> Query:
    """Parse the query of a request to this endpoint.

    Raises:
        BadQueryError: A name is unknown or sent twice, or a value is out of range.
    """
    sent = dict(request.params)
    if len(sent) < len(request.params):
        raise BadQueryError("a parameter is sent twice")
    allowed = {"page[number]", "page[size]", *(f"filter[{name}]" for name in endpoint.filters)}
    if endpoint.sort:
        allowed.add("sort")
    if endpoint.include:
        allowed.add("include")
    if unknown := sorted(sent.keys() - allowed):
        raise BadQueryError(f"no parameter {', '.join(unknown)} here")
    if missing := sorted(name for name in endpoint.required if f"filter[{name}]" not in sent):
        raise BadQueryError(f"filter {', '.join(missing)} is required")
    first_day, last_day = _day(sent, "start_date"), _day(sent, "end_date")
    if first_day is not None and last_day is not None and last_day < first_day:
        raise BadQueryError("filter[end_date] is before filter[start_date]")
    words = {name: _words(sent, f"filter[{name}]") for name in WORDS}
    for name, known in WORDS.items():
        if wrong := sorted(words[name] - known):
            raise BadQueryError(f"filter[{name}]: no {', '.join(wrong)}")
    include = _words(sent, "include")
    if wrong := sorted(include - endpoint.include):
        raise BadQueryError(f"include: no {', '.join(wrong)} here")
    return Query(
        number=_number(sent, "page[number]", 1, None),
        size=_number(sent, "page[size]", DEFAULT_PAGE_SIZE, LARGEST_PAGE_SIZE),
        sort=_sort(sent, endpoint),
        include=include,
        first_day=first_day,
        last_day=last_day,
        airing_types=words["airing_type"],
        national_only=_switch(sent, "national_only"),
        accessible=_switch(sent, "access"),
        languages=words["language"],
        product_types=words["product_type"],
        ids=Ids({name: _ids(sent, name) for name in ID_FILTERS if f"filter[{name}]" in sent}),
    )


def _number(sent: Mapping[str, str], name: str, default: int, largest: int | None) -> int:
    text = sent.get(name, str(default))
    if not (text.isascii() and text.isdigit()) or int(text) < 1 or (largest is not None and int(text) > largest):
        raise BadQueryError(f"{name}={text} is out of range")
    return int(text)


def _day(sent: Mapping[str, str], name: str) -> date | None:
    text = sent.get(f"filter[{name}]")
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    # Since Python 3.11 fromisoformat accepts other formats too.
    if day is None or day.isoformat() != text:
        raise BadQueryError(f"filter[{name}]={text} is not a date (YYYY-MM-DD)")
    return day


def _words(sent: Mapping[str, str], name: str) -> frozenset[str]:
    if name not in sent:
        return _NONE
    words = sent[name].split(",")
    if "" in words or len(set(words)) < len(words):
        raise BadQueryError(f"{name}={sent[name]}: a name is empty or repeated")
    return frozenset(words)


def _ids(sent: Mapping[str, str], name: str) -> frozenset[int]:
    words = _words(sent, f"filter[{name}]")
    if not all(word.isascii() and word.isdigit() for word in words):
        raise BadQueryError(f"filter[{name}] takes ids")
    return frozenset(map(int, words))


def _switch(sent: Mapping[str, str], name: str) -> bool:
    value = sent.get(f"filter[{name}]")
    if value not in (None, "1"):
        raise BadQueryError(f"filter[{name}]={value}: only 1 is documented")
    return value is not None


def _sort(sent: Mapping[str, str], endpoint: Endpoint) -> tuple[tuple[str, bool], ...]:
    names = sent["sort"].split(",") if "sort" in sent else []
    order = tuple((name.lstrip("-"), name.startswith("-")) for name in names)
    if wrong := [name for name, _ in order if name not in endpoint.sort]:
        raise BadQueryError(f"sort: no {', '.join(wrong)} here")
    return order
