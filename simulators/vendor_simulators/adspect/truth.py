"""Expected records: the output of a correct tap, computed from the data and the specification."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from vendor_simulators.adspect import wire
from vendor_simulators.adspect.clicks import ACCOUNT_ID, UTC
from vendor_simulators.adspect.entities import COLLECTIONS, EXAMPLE_QUERY, STREAM_FIELDS
from vendor_simulators.adspect.log import COLUMNS, render_value

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from vendor_simulators.adspect.clicks import Click
    from vendor_simulators.adspect.entities import Entities, Entity
    from vendor_simulators.adspect.funnel import Group
    from vendor_simulators.adspect.options import AdspectOptions

KEY = ("timestamp", "stream_id", "click_id", "sequence", "ip_address")


def in_order(records: Iterable[Entity], *key: str) -> list[Entity]:
    """Sort records by their key."""
    return sorted(records, key=lambda record: tuple(record[name] for name in key))


def streams(entities: Entities, ids: Collection[str]) -> list[Entity]:
    """Return the records of the stream named streams."""
    columns = dict.fromkeys([*STREAM_FIELDS, "_extra"])
    return in_order(({**columns, **one} for one in entities.streams if one["stream_id"] in ids), "stream_id")


def queries(entities: Entities) -> list[Entity]:
    """Return the records of saved_queries."""
    columns = dict.fromkeys([*EXAMPLE_QUERY, "_extra"])
    return in_order(({**columns, **one} for one in entities.queries), "query_id")


def ip_lists(entities: Entities, owners: Iterable[str]) -> list[Entity]:
    """Return the records of the IP lists; an empty owner is the account."""
    records = [
        {**({"stream_id": owner} if owner else {}), "list_type": kind, "entry": entry}
        for owner in owners
        for kind in ("blacklist", "whitelist")
        for entry in dict.fromkeys(entities.ip_list(owner, kind))
    ]
    return sorted(records, key=lambda record: tuple(record.values()))


def collections(shape: str) -> list[Entity]:
    """Return the records of collections; none for an unknown shape."""
    records = []
    for name, values in COLLECTIONS.items() if shape != "unknown" else ():
        for value in dict.fromkeys(values):
            label = None if shape == "scalars" else f"{value}!"
            extra = {"rank": values.index(value), "value": "v"} if shape == "objects" else None
            records.append({"collection": name, "value": value, "label": label, "_extra": extra})
    return in_order(records, "collection", "value")


def funnel(
    groups: Iterable[Group], dimensions: Sequence[str], metrics: Sequence[str], zone: str, empty_ratio: str
) -> list[Entity]:
    """Return the records of a report, sorted by its dimensions."""
    records: list[Entity] = []
    for group in groups:
        record: Entity = {}
        for name, value in zip(dimensions, group.dimensions, strict=True):
            # Key columns are never null.
            empty = -1 if name in ("asn", "target") else ""
            record[name] = empty if value is None else value
        for name in metrics:
            figure = group.metrics[name]
            if figure is None and empty_ratio == "zero":
                figure = 0
            record[name] = Decimal(repr(figure)) if isinstance(figure, float) else figure
        records.append({**record, "time_zone": zone, "_extra": None})
    return in_order(records, *dimensions)


def clicks(
    rows: Iterable[Click],
    columns: Sequence[str],
    options: AdspectOptions,
    *,
    ip_addresses: str,
    ip_salt: str,
) -> list[Entity]:
    """Return the records of the click log, sorted by key."""
    duplicates: dict[str, list[tuple[str, Click, list[Any]]]] = defaultdict(list)
    requested = [
        name for name in COLUMNS if name in (*columns, *KEY) and (ip_addresses, name) != ("omit", "ip_address")
    ]
    for click in rows:
        row = {name: render_value(click, name, UTC, options) for name in requested}
        address = row.get("ip_address")
        if ip_addresses == "hash" and address is not None:
            # A visitor has one hash, whichever protocol the server recorded.
            plain = address.removeprefix("::ffff:")
            row["ip_address"] = hmac.new(ip_salt.encode(), plain.encode(), hashlib.sha256).hexdigest()
        identity = ["" if row.get(name) is None else row[name] for name in KEY]
        duplicates[json.dumps(identity)].append((wire.text(list(row.values())), click, identity))
    records: list[Entity] = []
    for equal in duplicates.values():
        for ordinal, (_, click, identity) in enumerate(sorted(equal, key=lambda entry: entry[0])):
            text = json.dumps([*identity, ordinal], ensure_ascii=False, separators=(",", ":"))
            record = _click(click, options)
            record["ip_address"] = None if ip_addresses == "omit" else identity[KEY.index("ip_address")]
            key = hashlib.sha256(text.encode()).hexdigest()
            kept = {name: record[name] for name in COLUMNS if name in columns}
            records.append({"_row_key": key, **kept, "_extra": None})
    return in_order(records, "_row_key")


def _click(click: Click, options: AdspectOptions) -> Entity:
    record: Entity = {name: getattr(click, name) for name in COLUMNS if name not in ("timestamp", "account_id")}
    blank = None if options.blank_id == "null" else ""
    return {
        **record,
        "timestamp": click.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "account_id": ACCOUNT_ID,
        "languages": list(click.languages),
        "tags": list(click.tags),
        "sub_id": click.sub_id if click.sub_id is not None else blank,
        "click_id": click.click_id if click.click_id is not None else blank,
    }
