"""Rows of lists: as the vendor sends them, and as records of a correct tap."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from vendor_simulators.springserve.columns import COLUMNS
from vendor_simulators.springserve.data import MEMBERS, Entity, pick
from vendor_simulators.springserve.sample import ACCOUNT_ID, SAMPLE, SAMPLE_ID

if TYPE_CHECKING:
    from collections.abc import Callable

    from vendor_simulators.springserve.data import Inventory
    from vendor_simulators.springserve.options import SpringServeOptions

Row = dict[str, Any]

_WORDS = ("All", "Allowlist", "Blocklist", "ctv", "video", "Smart TV", "Café Ω", "")
# The values of booleans on the wire.
_FLAGS = (True, False, None, True, False, True, " ", "")
# One row in `_EVERY` has undocumented fields, and every second one of those a value that does not match its type.
_EVERY, _ODD = 10, 3
UNNAMED = {
    "channel_id_list_channel_ids": "channel_id",
    "deal_id_list_deal_ids": "deal_id",
    "placement_id_list_placement_ids": "placement_id",
    "publisher_id_list_publisher_ids": "publisher_id",
    "parameter_list_values": "value",
}
"""Members of lists in the official SDK that have no documented field, and its probable name."""
_TEXT_INTEGERS = ("creative_id", "media_file_min_duration", "media_file_max_duration")


def wire_time(moment: datetime, *, zone: bool, hours: int = 0) -> str:
    """Format an instant as the vendor does: `2021-03-19T14:30:06.675Z`; without `Z` some hours ahead of UTC."""
    local = moment.astimezone(timezone.utc if zone else timezone(timedelta(hours=hours)))
    return f"{local:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}{'Z' if zone else ''}"


class Rows:
    """Builds rows.

    Args:
        inventory: The entities.
        options: The variants.
    """

    def __init__(self, inventory: Inventory, options: SpringServeOptions) -> None:
        self._inventory = inventory
        self._options = options
        self._ready: dict[tuple[str, object], tuple[int, Row]] = {}

    def entity(self, entity: Entity, version: str) -> Row:
        """Return an entity's row in a version of the API."""
        row = dict(self._row(entity))
        if "active" in row and "is_active" in row and self._options.active == "word":
            del row["is_active" if version == "v0" else "active"]
        if self._options.app_name_targeting == "two" and "app_name_targeting" in row:
            row["app_name__targeting"] = row.pop("app_name_targeting")
        return row

    def member(self, stream: str, parent: Entity, number: int) -> Row:
        """Return a member's row; only demand tag priorities include the parent's id."""
        row = self._member(stream, parent, number)
        if self._options.undeclared and number == _ODD:
            row["source"] = {"import": 1}
        return row

    def _member(self, stream: str, parent: Entity, number: int) -> Row:
        seed = self._inventory.seed
        if stream == "demand_tag_priorities":
            tags = self._inventory.entities["demand_tags"]
            tag = tags[(parent.number + number) % len(tags)]
            return {
                "supply_tag_id": parent.id,
                "demand_tag_id": tag.id,
                "priority": number + 1,
                "tier": number % 2 + 1,
                "slot_number": None,
                "ratio": self._number("25.5", number),
                "demand_tag_name": f"Demand tag {tag.number}",
            }
        if stream == "key_values":
            created = self._time(parent.created)
            return {
                "id": parent.id * 100 + number,
                "account_id": ACCOUNT_ID,
                "value": f"value {number}",
                "created_at": created,
            }
        if stream == "bill_items":
            cost = f"{pick(seed, parent.id, number) % 100000 / 100:.2f}"
            return {
                "id": parent.id * 100 + number,
                "label": f"Item {number}",
                "units": 1000 + number,
                "unit_cost": self._number("0.0125", number),
                "created_at": self._time(parent.created),
                "updated_at": self._time(parent.updated),
                "total_cost": self._number(cost, number + 1),
            }
        if stream == "deal_list_deals":
            return {
                "id": parent.id * 100 + number,
                "name": f"Deal {number}",
                "is_active": number % 2 == 0,
                "deal_setting_id": 101 + number,
            }
        if stream == "demand_tag_keys":
            # As in the wiki's example; the last three fields are in newer responses only.
            row: Row = {
                "demand_tag_id": parent.id,
                "free_values": [f"value {number}"] * (number % 2),
                "group": "1",
                "id": parent.id * 100 + number,
                "key_id": 25 + number,
                "list_type": "white_list",
                "value_ids": [53, 54],
            }
            newer = {"targeting_key_type": "values", "key_required": True, "value_list_ids": []}
            return row | newer if parent.number % 2 else row
        words = {
            "advertiser_domain_list_advertiser_domains": ("name", f"brand-{parent.number}-{number}.example"),
            "ip_list_ips": ("ip", f"192.0.{parent.number}.{number}"),
            "segment_items": ("item", f"d207654f-6bdd-474e-{parent.number:04d}-{number:012d}"),
            "channel_id_list_channel_ids": ("channel_id", f"channel-{parent.number}-{number}"),
            "deal_id_list_deal_ids": ("deal_id", f"deal-{parent.number}-{number}"),
            "placement_id_list_placement_ids": ("placement_id", f"placement-{parent.number}-{number}"),
            "publisher_id_list_publisher_ids": ("publisher_id", f"pub-{parent.number}-{number}"),
            "parameter_list_values": ("value", f"value-{parent.number}-{number}"),
            "domain_list_domains": ("name", f"site-{parent.number}-{number}.example"),
            "app_bundle_list_app_bundles": ("app_bundle", f"com.example.app{parent.number}.n{number}"),
            "app_name_list_app_names": ("app_name", f"App {parent.number} Nº {number}"),
        }
        name, value = words[stream]
        names = self._options.member_names if stream in UNNAMED else "singular"
        row = {} if names == "name" else {name: value}
        return row if names == "singular" else {"name": f"The {value}" if row else value, **row}

    def record(self, entity: Entity, version: str) -> Row:
        """Return the expected record of an entity."""
        row = self.entity(entity, version)
        if "app_name__targeting" in row:
            row["app_name_targeting"] = row.pop("app_name__targeting")
        return to_record(entity.kind, row, self._options.stamp_hours)

    def member_record(self, stream: str, parent: Entity, number: int) -> Row:
        """Return the expected record of a member, including its parent's id."""
        row = {**self.member(stream, parent, number), MEMBERS[stream][1]: parent.id}
        if stream in UNNAMED and UNNAMED[stream] not in row:
            row[UNNAMED[stream]] = row.pop("name")
        return to_record(stream, row, self._options.stamp_hours)

    def _row(self, entity: Entity) -> Row:
        key = (entity.kind, entity.key)
        known = self._ready.get(key)
        if known is None or known[0] != entity.edits:
            known = (entity.edits, self._make(entity))
            self._ready[key] = known
        return known[1]

    def _make(self, entity: Entity) -> Row:
        row: Row = {
            name: self._value(entity, name, kind)
            for name, kind in COLUMNS[entity.kind].items()
            # Only some responses have the newer spellings.
            if name not in {"targeted_iab_tier2_category_white_list", "targeted_iab_tier2_categories"}
            or entity.number % 5 == 1
        }
        if entity.kind == "supply_tags" and entity.id == SAMPLE_ID:
            row |= SAMPLE
        row |= {
            "id": entity.id,
            **({"account_id": ACCOUNT_ID} if "account_id" in COLUMNS[entity.kind] else {}),
            "created_at": self._time(entity.created),
            "updated_at": self._time(entity.updated),
        }
        if not (entity.kind == "supply_tags" and entity.id == SAMPLE_ID):
            row["name"] = f"{entity.kind.replace('_', ' ').capitalize()} {entity.number}, edit {entity.edits}"
        if entity.kind == "geo_lists":
            row["type"] = entity.geo_type
        if self._options.undeclared and entity.number % _EVERY == _ODD:
            row["integration"] = {"vendor": "made up", "ids": [1, 2]}
            row["quality_score"] = 7
            number = next((name for name, kind in COLUMNS[entity.kind].items() if kind == "num"), None)
            if number is not None and entity.number % (2 * _EVERY) == _ODD:
                row[number] = "n/a"
        return row

    def _time(self, moment: datetime) -> str:
        return wire_time(moment, zone=self._options.zones, hours=self._options.stamp_hours)

    def _number(self, text: str, index: int) -> object:
        """Return a number as text or as a number, depending on the options and on `index`."""
        numbers = self._options.numbers
        return text if numbers == "text" or (numbers == "mixed" and index % 2) else float(text)

    def _value(self, entity: Entity, name: str, kind: str) -> Any:
        bits = pick(self._inventory.seed, entity.kind, entity.number, entity.edits, name)
        if bits % 11 == 0:
            return None
        bits //= 11
        if kind == "num":
            return self._number(f"{bits % 1_000_000 / 10000:.4f}", bits)
        if kind == "time":
            return self._time(entity.created)
        if name in _TEXT_INTEGERS and bits % 2:
            return str(bits % 5000)
        return _MAKERS[kind](bits, name)


def _thing(bits: int, name: str) -> Row:
    return {"id": bits % 1000, "name": f"{name} {bits % 10}", "rate": "1.50", "parts": [{"share": 0.25}]}


_MAKERS: dict[str, Callable[[int, str], Any]] = {
    "int": lambda bits, _: bits % 5000,
    "bool": lambda bits, _: _FLAGS[bits % len(_FLAGS)],
    # Text columns may contain numbers.
    "text": lambda bits, _: bits % 100 if bits % 17 == 0 else _WORDS[bits % len(_WORDS)],
    "word": lambda bits, _: bits % 2 == 0 if bits % 3 == 0 else ("All", "Include", "Allowlist")[bits % 5 % 3],
    "ints": lambda bits, _: [bits % 1000 + step for step in range(bits % 4)],
    "texts": lambda bits, _: [_WORDS[(bits + step) % 6] for step in range(bits % 3)],
    "hours": lambda *_: [[True] * 24 for _ in range(7)],
    "objects": lambda bits, name: [_thing(bits, name)] * (bits % 3),
    "object": _thing,
}


def to_record(stream: str, row: Row, hours: int = 0) -> Row:
    """Convert a row to a record with all columns; undeclared fields and values of the wrong type go to `_extra`.

    Args:
        stream: The stream.
        row: The row.
        hours: Hours by which timestamps without `Z` are ahead of UTC.
    """
    columns = COLUMNS[stream]
    record: Row = dict.fromkeys(columns)
    extra: Row = {}
    for name, value in row.items():
        if value is None:
            continue
        if name not in columns:
            extra[name] = value
            continue
        try:
            record[name] = _convert(value, columns[name], hours)
        except ValueError:
            extra[name] = value
    record["_extra"] = extra or None
    return record


def _convert(value: Any, kind: str, hours: int) -> Any:
    if kind == "num":
        try:
            return Decimal(str(value))
        except ArithmeticError:
            raise ValueError(value) from None
    if kind == "int":
        return int(value)
    if kind == "bool":
        if isinstance(value, str) and value.strip():
            raise ValueError(value)
        return value if isinstance(value, bool) else None
    if kind in {"text", "word"}:
        return str(value).lower() if isinstance(value, bool) else str(value)
    if kind == "time":
        return value if value.endswith("Z") else f"{value}{f'+{hours:02d}:00' if hours else 'Z'}"
    return value
