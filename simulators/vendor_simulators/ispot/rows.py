"""Wire format: airings and catalogue entities as the vendor's JSON, in the variants of the options."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from vendor_simulators.ispot.entities import (
    Airing,
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

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from vendor_simulators.ispot.entities import Change, SpotChange
    from vendor_simulators.ispot.options import ISpotOptions

Row = dict[str, Any]

# Each entity's own fields, except its id.
_FIELDS: Mapping[type, tuple[str, ...]] = {
    Brand: ("name", "slug"),
    Celebrity: ("name", "slug"),
    Creative: ("spot_id", "title", "title_short", "slug", "airing_date_first_et"),
    Episode: ("title", "slug"),
    Grant: ("name", "since"),
    Industry: ("name", "slug"),
    Member: ("name", "email"),
    Named: ("name",),
    Network: ("name", "call_sign", "language", "brand_id"),
    NetworkFamily: ("name",),
    Notification: ("subject", "read"),
    Product: ("name", "slug"),
    ProductCategory: ("name", "slug"),
    Show: ("title", "slug"),
    Spot: ("title", "title_short", "title_custom", "custom_id", "description", "slug", "hash"),
    Titled: ("title", "slug"),
}
_ID_FIELDS = frozenset({"id", "brand_id", "spot_id"})
_UNDECLARED: Mapping[type, str] = {Product: "sku", Spot: "duration"}
# Entities with all their fields inside an airing row; the others have only id and name there.
_WHOLE = frozenset({Spot, Creative, Network, Brand, Industry})
# Nested objects of catalogue rows, by include name.
_TO_ONE: Mapping[type, tuple[str, ...]] = {
    Brand: ("industry", "parent"),
    Episode: ("show",),
    Industry: ("parent",),
    ProductCategory: ("brand", "industry", "product"),
    Show: ("genre", "sub_genre"),
    Spot: ("brand", "parent", "type"),
}
_TO_MANY: Mapping[type, tuple[str, ...]] = {Spot: ("children", "products", "events")}
# Nested objects of airing rows, by include name, in the order of the row.
_NESTED: Mapping[str, Callable[[Airing], Any]] = {
    "spot": lambda airing: airing.spot,
    "brand": lambda airing: airing.spot.brand,
    "parent_brand": lambda airing: airing.spot.brand.parent,
    "creative": lambda airing: airing.creative,
    "day_of_week": lambda airing: airing.day_of_week,
    "day_part": lambda airing: airing.day_part,
    "episode": lambda airing: airing.episode,
    "industry": lambda airing: airing.spot.brand.industry,
    "network": lambda airing: airing.network,
    "genre": lambda airing: airing.show.genre,
    "sub_genre": lambda airing: airing.show.sub_genre,
    "show": lambda airing: airing.show,
    "product": lambda airing: airing.product,
}

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class _Part(NamedTuple):
    """A nested object of airing rows: include name, how to find it, whether it contains its parent, JSON by id."""

    name: str
    find: Callable[[Airing], Any]
    parent: bool
    texts: dict[int, str]


class Wire:
    """Writes rows as JSON text.

    Each nested entity is serialized once and its text is reused in every row, so a page of 10,000 rows takes a fraction
    of a second. This is safe because entities never change.

    Args:
        options: The variants.
    """

    def __init__(self, options: ISpotOptions) -> None:
        self._options = options
        self._plans: dict[frozenset[str], list[_Part]] = {}
        self._empty: str | None = {"empty_list": '{"data":[]}', "null_data": '{"data":null}', "null": "null"}.get(
            options.empty_to_one
        )

    def airing(self, airing: Airing, metric: str, include: frozenset[str]) -> str:
        """Return the row of one airing.

        Args:
            airing: The airing.
            metric: `tv`, `audience` or `attention`, each of which contains the previous one; `plain` for `/airings`.
            include: Names of nested objects to add; the airing and its spot are always included.
        """
        own = _encode(self._airing_fields(airing))
        bare = metric == "plain" and self._options.airings_row == "bare"
        parts = [own[1:-1] if bare else f'"airing":{{"data":{own}}}']
        for part in self._plan(include):
            thing = part.find(airing)
            if thing is None:
                self._add_empty(parts, part.name)
                continue
            text = part.texts.get(thing.id)
            if text is None:
                text = part.texts[thing.id] = self._text(part, thing)
            parts.append(text)
        if metric in ("audience", "attention"):
            numbers = airing.audience and airing.audience._asdict()
            self._add_numbers(parts, "audience", numbers)
        if metric == "attention":
            seen = airing.attention
            self._add_numbers(parts, "attention", seen and {"completed": seen.completed})
            self._add_numbers(parts, "view_completion_rate", seen and {"interruption": seen.interruption})
        return f"{{{','.join(parts)}}}"

    def entity(self, thing: Any, wrapper: str | None, include: Collection[str]) -> str:
        """Return the row of a catalogue entity, bare or wrapped in its own name, with its includes wrapped."""
        row = self._fields(thing)
        if self._options.catalogue_row == "wrapped" and wrapper is not None:
            row = {wrapper: {"data": row}}
        for name in _TO_ONE.get(type(thing), ()):
            if name in include:
                self._put(row, name, getattr(thing, name))
        for name in _TO_MANY.get(type(thing), ()):
            if name in include:
                # Ids inside lists are always numbers, because no column names them.
                row[name] = {"data": [_listed(item) for item in getattr(thing, name)]}
        if isinstance(thing, NetworkFamily):
            row["networks"] = {"data": [_listed(item) for item in thing.networks]}
        return _encode(row)

    def change(self, change: Change) -> str:
        """Return the row of a correction. Its shape is a guess: the vendor documents none."""
        row: Row = {
            "id": str(change.airing.id),
            "status": change.status,
            "aired_at_et": change.airing.aired_at_et,
            "old": {"spend_estimated": change.old_spend},
        }
        if change.new_spend is not None:
            row["new"] = {"spend_estimated": change.new_spend}
        return _encode(row)

    @staticmethod
    def spot_change(change: SpotChange) -> str:
        """Return the row of a correction of a spot. Its shape is a guess, like that of an airing's correction."""
        row: Row = {"id": change.spot.id, "status": change.status, "title": change.spot.title}
        if change.old_title is not None:
            row["old"] = {"title": change.old_title}
        return _encode(row)

    def _airing_fields(self, airing: Airing) -> Row:
        fields: Row = {
            "id": str(airing.id),
            "type": airing.type_name,
            "aired_at_et": airing.aired_at_et,
            "aired_at_pt": airing.aired_at_pt,
            "pod": airing.pod,
            "pod_order": airing.pod_order,
            "pod_position": airing.pod_position,
            "pod_position_abmyz": airing.pod_position_abmyz,
            "pod_position_fm1": airing.pod_position,
            "dma": self._market(airing.dma),
            "mso": self._market(airing.mso),
        }
        if "spend" in self._options.rights:
            fields["spend_estimated"] = airing.spend_estimated
        fields["media_value"] = airing.media_value
        if airing.feed is not None and self._options.undeclared:
            fields["feed"] = airing.feed
        return fields

    def _market(self, market: Named | None) -> object:
        if market is None:
            return None
        shape = self._options.markets
        if shape == "string":
            return str(market.id)
        if shape == "number":
            return market.id
        fields = self._reference(market)
        return fields if shape == "object" else {"data": fields}

    def _plan(self, include: frozenset[str]) -> list[_Part]:
        """Return how to find and write each nested object of an airing row; computed once per set of includes."""
        if include not in self._plans:
            asked = {"spot", *include, *(name.partition(".")[0] for name in include)}
            self._plans[include] = [
                _Part(name, find, f"{name}.parent" in include, {}) for name, find in _NESTED.items() if name in asked
            ]
        return self._plans[include]

    def _add_empty(self, parts: list[str], name: str) -> None:
        if self._empty is not None:
            parts.append(f'"{name}":{self._empty}')

    def _add_numbers(self, parts: list[str], name: str, numbers: Mapping[str, str] | None) -> None:
        if numbers is None:
            self._add_empty(parts, name)
            return
        quote = "" if self._options.audience_numbers == "number" else '"'
        fields = ",".join(f'"{key}":{quote}{text}{quote}' for key, text in numbers.items())
        parts.append(f'"{name}":{{"data":{{{fields}}}}}')

    def _text(self, part: _Part, thing: Any) -> str:
        if part.name == "product" and self._options.product == "list":
            return f'"product":{_encode({"data": [_item(thing)]})}'
        fields = self._fields(thing) if type(thing) in _WHOLE else self._reference(thing)
        if part.parent:
            self._put(fields, "parent", thing.parent)
        return f'"{part.name}":{_encode({"data": fields})}'

    def _put(self, fields: Row, name: str, thing: Any) -> None:
        if thing is not None:
            fields[name] = {"data": self._reference(thing)}
        elif self._empty is not None:
            fields[name] = json.loads(self._empty)

    def _fields(self, thing: Any) -> Row:
        """Return the entity's own fields, with ids as the options specify."""
        names = ["id", *_FIELDS[type(thing)]]
        extra = _UNDECLARED.get(type(thing))
        if extra is not None and self._options.undeclared and getattr(thing, extra) is not None:
            names.append(extra)
        row = {name: getattr(thing, name) for name in names}
        # Except where keys are computed from the row as sent: they must not depend on the options.
        if self._options.ids == "digits" and not isinstance(thing, (Grant, NetworkFamily)):
            row |= {name: str(value) for name, value in row.items() if name in _ID_FIELDS}
        return row

    def _reference(self, thing: Any) -> Row:
        item = _item(thing)
        return item if self._options.ids == "integer" else {**item, "id": str(thing.id)}


def _item(thing: Any) -> Row:
    """Return the id, as a number, and the name or title of an entity."""
    label = "title" if hasattr(thing, "title") else "name"
    return {"id": thing.id, label: getattr(thing, label)}


def _listed(thing: Any) -> Row:
    """Return an entity inside a list; a spot also has its type, wrapped like all nested objects."""
    kind = {"type": {"data": _item(thing.type)}} if isinstance(thing, Spot) else {}
    return _item(thing) | kind
