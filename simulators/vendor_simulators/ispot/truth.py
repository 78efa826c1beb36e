"""Expected records: the flat, typed output of a correct tap, computed from the entities rather than from responses."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import date

    from vendor_simulators.ispot.entities import Airing, Change, Named, SpotChange
    from vendor_simulators.ispot.options import ISpotOptions

Record = dict[str, Any]

# The tap's default includes.
INCLUDE = (
    "brand", "parent_brand", "spot", "creative", "day_of_week", "day_part", "episode", "industry", "network", "genre",
    "sub_genre", "show", "product",
)  # fmt: skip
_AIRING_COLUMNS = (
    "airing_id", "airing_type", "airing_aired_at_et", "airing_aired_at_pt", "airing_pod", "airing_pod_order",
    "airing_pod_position", "airing_pod_position_abmyz", "airing_pod_position_fm1",
    "airing_dma", "airing_dma_id", "airing_dma_name", "airing_mso", "airing_mso_id", "airing_mso_name",
    "airing_spend_estimated", "airing_media_value",
    "spot_id", "spot_title", "spot_title_short", "spot_title_custom", "spot_custom_id", "spot_description", "spot_slug",
    "spot_hash",
    "creative_id", "creative_spot_id", "creative_title", "creative_title_short", "creative_slug",
    "creative_airing_date_first_et",
    "brand_id", "brand_name", "brand_slug", "brand_parent_id", "brand_parent_name",
    "parent_brand_id", "parent_brand_name", "parent_brand_slug",
    "industry_id", "industry_name", "industry_slug", "industry_parent_id", "industry_parent_name",
    "network_id", "network_name", "network_call_sign", "network_language", "network_brand_id",
    "show_id", "show_title", "show_name", "episode_id", "episode_title", "episode_name",
    "genre_id", "genre_name", "sub_genre_id", "sub_genre_name",
    "day_part_id", "day_part_name", "day_of_week_id", "day_of_week_name", "product_id", "product_name",
    "_extra",
)  # fmt: skip
_AUDIENCE_COLUMNS = (
    "audience_impressions", "audience_impressions_raw", "audience_impressions_per_airing",
    "audience_impressions_national_live", "audience_impressions_national_linear",
)  # fmt: skip
_ATTENTION_COLUMNS = ("attention_completed", "view_completion_rate_interruption")
COLUMNS = {
    "plain": _AIRING_COLUMNS,
    "tv": _AIRING_COLUMNS,
    "audience": _AIRING_COLUMNS + _AUDIENCE_COLUMNS,
    "attention": _AIRING_COLUMNS + _AUDIENCE_COLUMNS + _ATTENTION_COLUMNS,
}


class Truth:
    """Builds expected records.

    They do not depend on the options, except where the specification distinguishes shapes: `markets` as objects fill
    other columns, a `product` that is a list goes to `_extra`, and the spend column is null without the right to spend.

    Args:
        options: The variants.
    """

    def __init__(self, options: ISpotOptions) -> None:
        self._options = options

    def airing(self, airing: Airing, metric: str, include: Collection[str] = INCLUDE) -> Record:
        """Return the record of one airing; arguments as in `Wire.airing`."""
        record: Record = dict.fromkeys(COLUMNS[metric])
        extra: Record = {}
        record |= {
            "airing_id": str(airing.id),
            "airing_type": airing.type_name,
            "airing_aired_at_et": airing.aired_at_et,
            "airing_aired_at_pt": airing.aired_at_pt,
            "airing_pod": int(airing.pod) if airing.pod else None,
            "airing_pod_order": int(airing.pod_order) if airing.pod_order else None,
            "airing_pod_position": airing.pod_position,
            "airing_pod_position_abmyz": airing.pod_position_abmyz,
            "airing_pod_position_fm1": airing.pod_position,
            "airing_media_value": Decimal(airing.media_value),
        }
        self._market(record, "airing_dma", airing.dma)
        self._market(record, "airing_mso", airing.mso)
        if "spend" in self._options.rights:
            record["airing_spend_estimated"] = Decimal(airing.spend_estimated)
        if airing.feed is not None and self._options.undeclared:
            extra["airing_feed"] = airing.feed
        spot = airing.spot
        for name in ("id", "title", "title_short", "title_custom", "custom_id", "description", "slug", "hash"):
            record[f"spot_{name}"] = getattr(spot, name)
        if spot.duration is not None and self._options.undeclared:
            extra["spot_duration"] = spot.duration
        self._included(record, airing, include)
        if "product" in include and airing.product is not None:
            if self._options.product == "list":
                extra["product"] = [{"id": airing.product.id, "name": airing.product.name}]
            else:
                record |= {"product_id": airing.product.id, "product_name": airing.product.name}
        if metric in ("audience", "attention") and airing.audience is not None:
            for name, text in airing.audience._asdict().items():
                record[f"audience_{name}"] = Decimal(text)
        if metric == "attention" and airing.attention is not None:
            record["attention_completed"] = Decimal(airing.attention.completed)
            record["view_completion_rate_interruption"] = Decimal(airing.attention.interruption)
        record["_extra"] = extra or None
        return record

    def change(self, day: date, change: Change) -> Record:
        """Return the record of a correction; `update_key` is the digest of the row, see `digest`."""
        sent: Record = {
            "aired_at_et": change.airing.aired_at_et,
            "id": str(change.airing.id),
            "old": {"spend_estimated": change.old_spend},
            "status": change.status,
        }
        extra: Record = {"old_spend_estimated": change.old_spend}
        if change.new_spend is not None:
            sent["new"] = {"spend_estimated": change.new_spend}
            extra["new_spend_estimated"] = change.new_spend
        return {
            "update_date": day.isoformat(),
            "update_key": digest(sent),
            "airing_id": str(change.airing.id),
            "status": change.status,
            "airing_aired_at_et": change.airing.aired_at_et,
            "_extra": extra,
        }

    @staticmethod
    def spot_change(day: date, change: SpotChange) -> Record:
        """Return the record of a correction of a spot."""
        sent: Record = {"id": change.spot.id, "status": change.status, "title": change.spot.title}
        extra: Record = {}
        if change.old_title is not None:
            sent["old"] = {"title": change.old_title}
            extra["old_title"] = change.old_title
        return {
            "update_date": day.isoformat(),
            "update_key": digest(sent),
            "spot_id": change.spot.id,
            "status": change.status,
            "spot_title": change.spot.title,
            "_extra": extra or None,
        }

    def entity(self, kind: str, thing: Any) -> Record:
        """Return the record of a catalogue entity; `kind` is a field of `Catalogue`."""
        record: Record = {column: _follow(thing, path) for column, path in _PATHS[kind].items()}
        extra: Record | None = None
        if kind in ("new_spots", "active_spots"):
            # Nothing is included.
            return {**self.entity("spots", thing), **dict.fromkeys(_SPOT_INCLUDED)}
        if kind == "network_families":
            networks = [{"id": network.id, "name": network.name} for network in thing.networks]
            row = {"id": thing.id, "name": thing.name, "networks": {"data": networks}}
            return {**record, "family_key": digest(row), "_extra": {"networks": networks}}
        if kind == "spots":
            record["children"] = [
                {"id": child.id, "title": child.title, "type_id": child.type.id, "type_name": child.type.name}
                for child in thing.children
            ]
            record["products"] = [{"id": product.id, "name": product.name} for product in thing.products]
            record["events"] = [{"id": event.id, "title": event.title} for event in thing.events]
            extra = {"duration": thing.duration} if thing.duration is not None and self._options.undeclared else None
        elif kind == "products":
            extra = {"sku": thing.sku} if thing.sku is not None and self._options.undeclared else None
        elif kind == "notifications":
            extra = {"subject": thing.subject, "read": thing.read}
        elif kind == "access":
            record["access_key"] = digest({"id": thing.id, "name": thing.name, "since": thing.since})
            extra = {"since": thing.since}
        return {**record, "_extra": extra}

    def _market(self, record: Record, name: str, market: Named | None) -> None:
        if market is None:
            return
        if self._options.markets in ("string", "number"):
            record[name] = str(market.id)
        else:
            record[f"{name}_id"], record[f"{name}_name"] = market.id, market.name

    def _included(self, record: Record, airing: Airing, include: Collection[str]) -> None:
        brand, show, network = airing.spot.brand, airing.show, airing.network
        shapes: list[tuple[str, object, str, tuple[str, ...]]] = [
            ("brand", brand, "brand", ("id", "name", "slug")),
            ("brand.parent", brand.parent, "brand_parent", ("id", "name")),
            ("parent_brand", brand.parent, "parent_brand", ("id", "name", "slug")),
            ("industry", brand.industry, "industry", ("id", "name", "slug")),
            ("industry.parent", brand.industry.parent, "industry_parent", ("id", "name")),
            ("creative", airing.creative, "creative", _CREATIVE),
            ("network", network, "network", ("id", "name", "call_sign", "language", "brand_id")),
            ("show", show, "show", ("id", "title")),
            ("episode", airing.episode, "episode", ("id", "title")),
            ("genre", show.genre, "genre", ("id", "name")),
            ("sub_genre", show.sub_genre, "sub_genre", ("id", "name")),
            ("day_part", airing.day_part, "day_part", ("id", "name")),
            ("day_of_week", airing.day_of_week, "day_of_week", ("id", "name")),
        ]
        # `brand.parent` implies the brand that contains it; likewise `industry.parent`.
        wanted = {*include, *(name.partition(".")[0] for name in include)}
        for name, thing, prefix, fields in shapes:
            if name in wanted and thing is not None:
                for field in fields:
                    record[f"{prefix}_{field}"] = getattr(thing, field)


_CREATIVE = ("id", "spot_id", "title", "title_short", "slug", "airing_date_first_et")


def digest(row: Record) -> str:
    """Return the SHA-256 of a row's JSON with sorted keys and no spaces, in hexadecimal."""
    text = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def in_order(records: Iterable[Record], *key: str) -> list[Record]:
    """Return records sorted by primary key, without duplicates: identical corrections of a day become one."""
    by_key = {tuple(record[name] for name in key): record for record in records}
    return [by_key[values] for values in sorted(by_key)]


def _follow(thing: Any, path: str) -> Any:
    """Return the value at a dotted path; None if the path is empty or an object on the way is None."""
    for name in path.split(".") if path else ():
        thing = getattr(thing, name) if thing is not None else None
    return thing if path else None


def _columns(*names: str, **others: str) -> dict[str, str]:
    """Return columns with the paths to their values; positional names are fields of the entity."""
    return {"id": "id", **{name: name for name in names}, **others}


def _nested(*names: str) -> dict[str, str]:
    """Return the columns id and name of these nested entities."""
    return {f"{name}_{field}": f"{name}.{field}" for name in names for field in ("id", "name")}


_SPOT_INCLUDED = (
    *("brand_id", "brand_name", "parent_id", "parent_title", "type_id", "type_name", "children", "products", "events"),
)
# The columns of each list and the paths to their values; an empty path marks a column that the vendor never fills.
_PATHS = {
    "brands": _columns("name", "slug", **_nested("industry", "parent")),
    "industries": _columns("name", "slug", **_nested("parent")),
    "networks": _columns("name", "call_sign", "language", "brand_id"),
    "shows": _columns("title", "slug", name="", **_nested("genre", "sub_genre")),
    "episodes": _columns("title", "slug", name="", show_id="show.id", show_title="show.title", show_name=""),
    "products": _columns("name", "slug"),
    "product_categories": _columns("name", "slug", **_nested("brand", "industry", "product")),
    "spots": _columns(
        *("title", "title_short", "title_custom", "custom_id", "description", "slug", "hash"),
        **_nested("brand", "type"),
        parent_id="parent.id",
        parent_title="parent.title",
    ),
    "celebrities": _columns("name", "slug"),
    "movies": _columns("title", "slug", name=""),
    "events": _columns("title", "slug", name=""),
    "users": _columns("name", "email"),
    "account": _columns("name"),
    "notifications": _columns(),
    "access": _columns("name"),
    "network_families": _columns("name"),
    "new_spots": {},
    "active_spots": {},
}
