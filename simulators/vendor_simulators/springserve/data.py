"""The account's generated inventory: entities with a change time, and members of lists."""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone
from typing import TYPE_CHECKING

from vendor_simulators.springserve.sample import ACCOUNT_ID, SAMPLE_ID

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

SIZES: dict[str, float] = {
    "supply_tags": 1.0,
    "demand_tags": 0.5,
    "creatives": 0.3,
    "campaigns": 0.6,
    "supply_partners": 0.1,
    "demand_partners": 0.1,
    "supply_routers": 0.1,
}
"""Rows of a list, as a share of the supply tags."""

SMALL: dict[str, int] = {
    "supply_labels": 12,
    "demand_labels": 9,
    "domain_lists": 6,
    "app_bundle_lists": 4,
    "app_name_lists": 3,
    "deal_lists": 5,
    "partner_segments": 8,
    "bills": 7,
    "geo_lists": 6,
    "advertiser_domain_lists": 4,
    "ip_lists": 3,
    "keys": 5,
    "segments": 6,
    "channel_id_lists": 3,
    "deal_id_lists": 4,
    "placement_id_lists": 3,
    "publisher_id_lists": 3,
    "parameter_lists": 4,
    "value_lists": 5,
    "isp_lists": 4,
    "connected_demand": 12,
    "connected_supply": 11,
    "direct_connections": 5,
    "programmatic_guaranteed": 12,
    "clearline_deals": 7,
    "spotx_connects": 5,
    "accounts": 6,
    "users": 9,
    "scanned_creative_lists": 3,
}

MEMBERS: dict[str, tuple[str, str, str, int]] = {
    "domain_list_domains": ("domain_lists", "domain_list_id", "domains", 130),
    "app_bundle_list_app_bundles": ("app_bundle_lists", "app_bundle_list_id", "app_bundles", 110),
    "app_name_list_app_names": ("app_name_lists", "app_name_list_id", "app_names", 5),
    "advertiser_domain_list_advertiser_domains": (
        *("advertiser_domain_lists", "advertiser_domain_list_id", "advertiser_domains"),
        120,
    ),
    "ip_list_ips": ("ip_lists", "ip_list_id", "ips", 140),
    "segment_items": ("segments", "segment_id", "items", 105),
    "deal_list_deals": ("deal_lists", "deal_list_id", "deals", 6),
    "channel_id_list_channel_ids": ("channel_id_lists", "channel_id_list_id", "channel_ids", 5),
    "deal_id_list_deal_ids": ("deal_id_lists", "deal_id_list_id", "deal_ids", 101),
    "placement_id_list_placement_ids": ("placement_id_lists", "placement_id_list_id", "placement_ids", 5),
    "publisher_id_list_publisher_ids": ("publisher_id_lists", "publisher_id_list_id", "publisher_ids", 5),
    "parameter_list_values": ("parameter_lists", "parameter_list_id", "values", 6),
    "demand_tag_keys": ("demand_tags", "demand_tag_id", "demand_tag_keys", 2),
    "key_values": ("keys", "key_id", "values", 7),
    "bill_items": ("bills", "bill_id", "bill_items", 4),
    "demand_tag_priorities": ("supply_tags", "supply_tag_id", "demand_tag_priorities", 3),
}
"""Child streams: parent list, column of the parent's id, last part of the path, maximum rows per parent."""

FIRST_IDS = {name: (number + 1) * 100_000 for number, name in enumerate([*SIZES, *SMALL])}
LARGE_ID = 2**53 + 1
"""Id of the last supply label: too large for a double to represent exactly."""

GEO_TYPES = ("CountryList", "DmaList")


def pick(*parts: object) -> int:
    """Return a hash of the parts."""
    return zlib.crc32("/".join(map(str, parts)).encode())


@dataclass
class Entity:
    """A row of a list.

    Its values depend on `number`, its position in the list from 0, and on `edits`, the number of edits so far.
    """

    kind: str
    id: int
    number: int
    created: datetime
    updated: datetime
    edits: int = 0

    @property
    def key(self) -> tuple[object, ...]:
        """The entity's primary key in its stream."""
        return (self.geo_type, self.id) if self.kind == "geo_lists" else (self.id,)

    @property
    def geo_type(self) -> str:
        """Type of a geo list; ids are unique only within a type."""
        return GEO_TYPES[self.number % 2]


class Inventory:
    """All entities.

    Args:
        seed: Seed of the entities.
        first_day: First day with reports; all initial changes are before it.
        tags: Number of supply tags.
    """

    def __init__(self, seed: int, first_day: date, tags: int) -> None:
        self.seed = seed
        self._first = datetime.combine(first_day, time(), tzinfo=timezone.utc)
        self._latest = self._first
        self._lock = threading.Lock()
        sizes = {**{kind: max(3, int(tags * share)) for kind, share in SIZES.items()}, **SMALL}
        self.entities: dict[str, list[Entity]] = {
            kind: [self._make(kind, number, size) for number in range(size)] for kind, size in sizes.items()
        }

    def _make(self, kind: str, number: int, size: int) -> Entity:
        first = FIRST_IDS[kind]
        identity = first + number * 3
        if kind == "supply_tags" and number == 0:
            identity = SAMPLE_ID
        elif kind == "supply_labels" and number == size - 1:
            identity = LARGE_ID
        elif kind == "accounts" and number == 0:
            identity = ACCOUNT_ID
        elif kind == "geo_lists":
            # Each id occurs in both types.
            identity = first + number // 2
        created = self._first - timedelta(days=900 - pick(self.seed, kind, number) % 400, milliseconds=number % 1000)
        if size // 3 <= number < size // 2:
            # One bulk edit: many rows with the same change time.
            updated = self._first - timedelta(days=40, milliseconds=325)
        else:
            # A few rows share each change time; change times do not depend on ids.
            group = pick(self.seed, kind, "group", number) % (size // 4 + 1)
            updated = self._first - timedelta(days=200) + timedelta(hours=group, milliseconds=675)
        return Entity(kind, identity, number, created, updated)

    def edit(self, entity: Entity) -> None:
        """Change an entity's values; its change time becomes the latest of all."""
        with self._lock:
            self._latest += timedelta(seconds=61, milliseconds=7)
            entity.edits += 1
            entity.updated = self._latest

    def add(self, kind: str) -> Entity:
        """Add an entity to a list."""
        with self._lock:
            self._latest += timedelta(seconds=61, milliseconds=7)
            rows = self.entities[kind]
            number = len(rows)
            entity = Entity(kind, FIRST_IDS[kind] + number * 3, number, self._latest, self._latest)
            self.entities[kind] = [*rows, entity]
            return entity

    def find(self, kind: str, identity: int) -> Entity | None:
        """Return the entity with this id; None if there is none."""
        return next((entity for entity in self.entities[kind] if entity.id == identity), None)

    def members(self, stream: str, parent: Entity) -> Iterable[int]:
        """Return the numbers of a parent's members; some parents have none."""
        most = MEMBERS[stream][3]
        return range(pick(self.seed, stream, parent.id) % (most + 1) if parent.number else most)
