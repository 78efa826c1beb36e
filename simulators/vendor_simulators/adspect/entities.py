"""Traffic streams, saved queries, the account, IP lists, collections, and their wire formats.

Entities are stored as a correct tap emits them. The `render_` functions convert them to one of the documented formats.
"""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from vendor_simulators.adspect.clicks import ACCOUNT_ID, stream_id
from vendor_simulators.adspect.funnel import DIMENSIONS, METRICS
from vendor_simulators.adspect.log import COLUMNS
from vendor_simulators.seeded import generator

if TYPE_CHECKING:
    from collections.abc import Mapping

Entity = dict[str, Any]

LEVELS = ("Off", "Low", "Medium", "High", "Paranoid")

EXAMPLE_STREAM: Entity = {
    "stream_id": "1eacc6d0-875f-6f5c-bff8-00162501c2b4",
    "account_id": ACCOUNT_ID,
    "name": "Example Stream",
    "tags": ["Tag1", "Tag2"],
    "mode": "Filter",
    "notes": "This is an example comment.",
    "money_pages": [
        {
            "page": f"https://example.com/offer{number}?clid={{clickid}}",
            "action": "302",
            "arg_passthru": True,
            "weight": 10 * number,
            "enabled": True,
        }
        for number in (1, 2)
    ],
    "rotator": "Split",
    "safe_pages": [{"page": "safe.html", "action": "local", "arg_passthru": True}],
    "filter_level": "High",
    "enable_fp": True,
    "enable_ua": True,
    "require_unique": True,
    "require_touch": False,
    "allow_apps": True,
    "countries": ["AE", "HK"],
    "os": ["iOS", "macOS"],
    "browsers": ["Google Chrome"],
    "engines": ["Blink"],
    "languages": ["en", "fr", "es"],
    "timezones": [-5, -6, -7],
    "tz_match_ip": True,
    "ip_on_review": True,
    "sub_id": "{p:utm_campaign}",
    "click_id": "{p:gclid}",
    "click_cost": "0.15",
    "url_rules": [{"param": "zoneid", "op": "REGEX", "arg": "[[:alnum:]-_]{8,}", "enabled": True}],
    "schedule": [{"days": ["Sun", "Sat"], "since": "15:30:00", "till": "22:15:00"}],
}
"""The stream in the documentation (REST API, "Managing Streams"); a name that occurs twice there occurs once here."""

STREAM_FIELDS = (
    *EXAMPLE_STREAM,
    "skip_clicks",
    "skip_clicks_mode",
    "allow_embed",
    "require_language",
    "ip_list_mode",
    "extrapolate_ipv4",
    "extrapolate_ipv6",
    "ua_list_mode",
    "ua_blacklist",
    "ua_whitelist",
    "referer_regex",
)

EXAMPLE_QUERY: Entity = {
    "query_id": "878efbf1-0fb9-4c69-ad36-40e714b0eeeb",
    "owner_id": "1eb5991f-a25b-68f4-b171-00162501c2b4",
    "date_from": "1577836800",
    "date_to": None,
    "time_zone": "Asia/Dubai",
    "group_by": [],
    "stream_id": ["6792f6ce-f153-439f-b223-f58749f1210f"],
    "ip_address": [],
    "asn": [],
    "country_code": ["HK", "AE"],
    "os": ["iOS", "macOS"],
    "browser": ["Apple Safari"],
    "engine": [],
    "sub_id": [],
    "click_id": [],
    "mode": ["Filter"],
    "target": [],
}
"""The saved query in the documentation (REST API, "Guest Access to Reporting")."""

ACCOUNT: Entity = {
    "account_id": ACCOUNT_ID,
    "email": "owner@example.com",
    "telegram": "example_owner",
    "language": "en",
    "timezone": "Asia/Dubai",
    "balance": Decimal("12345678901234567.89"),
    "expires": 1767225600,
    "expires_comsign": None,
    "comsign_limit": 100,
    "comsign_extra_limit": 0,
}

COLLECTIONS: Mapping[str, tuple[str, ...]] = {
    "presets": ("google", "facebook"),
    "os": ("iOS", "macOS", "Windows", "Android"),
    "browsers": ("Apple Safari", "Google Chrome", "Firefox"),
    "engines": ("WebKit", "Blink", "Gecko"),
    "countries": ("AE", "HK", "US"),
    "languages": ("en", "fr", "es", "en"),
    "time-zones": ("UTC", "Asia/Dubai"),
    "stream-modes": ("Filter", "Review", "Money", "White"),
    "stream-actions": ("local", "proxy", "302"),
    "query-group-by": DIMENSIONS,
    "query-funnel-metrics": METRICS,
    "query-log-columns": COLUMNS,
}
"""Values by collection; one collection contains a value twice."""


class Entities:
    """The entities of an account.

    Args:
        seed: Seed of the entities.
        streams: Number of traffic streams, including the documented one.
        queries: Number of saved queries, including the documented one.
        ids: Ids of the first streams; by default those of the clicks.
        undeclared: Whether some streams have undocumented fields.
    """

    def __init__(self, seed: int, *, streams: int, queries: int, ids: tuple[str, ...], undeclared: bool) -> None:
        self._seed = seed
        self._undeclared = undeclared
        numbers = range(streams - 1)
        made = [
            self._stream(number, ids[number] if number < len(ids) else stream_id(seed, number)) for number in numbers
        ]
        self.streams = sorted([*made, dict(EXAMPLE_STREAM)][:streams], key=lambda one: one["name"])
        self.queries = [dict(EXAMPLE_QUERY), *map(self._query, range(queries - 1))][:queries]

    def ip_list(self, owner: str, kind: str) -> list[str]:
        """Return an IP list; one entry occurs twice, and some streams have an empty list."""
        random = generator(self._seed, "ips", owner, kind)
        if owner and random.random() < 0.3:  # noqa: PLR2004 - three in ten
            return []
        entries = ["192.0.2.1", "192.0.2.0/24", "192.0.2.1-192.0.2.9", "AS65536", "1.10", "65536", "2001:db8::/32"]
        chosen = random.sample(entries, random.randrange(1, len(entries)))
        return [*chosen, chosen[0]]

    def _stream(self, number: int, identity: str) -> Entity:
        random = generator(self._seed, "entity", number)
        names = (f"Stream {number:03}", f"поток {number:03}", f'流 {number:03} "x"', f"stream {number:03}\t\\")
        return {
            "stream_id": identity,
            "account_id": ACCOUNT_ID,
            "name": names[number % len(names)],
            "tags": random.sample(["a", "b", "c"], random.randrange(4)),
            "mode": random.choice(["Filter", "Review", "Money", "White"]),
            "notes": random.choice([None, "", "two\nlines"]),
            "money_pages": [
                {
                    "page": "<?php echo 'page code'; ?>",
                    "action": "302",
                    "arg_passthru": False,
                    "weight": 1,
                    "enabled": True,
                    "added_later": {"kept": [1]},
                }
            ],
            "rotator": random.choice(["Split", "Timer"]),
            "safe_pages": [{"page": "safe.html", "action": "local", "arg_passthru": True}],
            "skip_clicks": random.randrange(5),
            "skip_clicks_mode": random.choice(["all", "money", "safe"]),
            "filter_level": LEVELS[number % len(LEVELS)],
            "enable_fp": random.random() < 0.5,  # noqa: PLR2004 - one in two
            "enable_ua": True,
            "require_unique": False,
            "require_touch": False,
            "allow_apps": False,
            "allow_embed": True,
            "countries": ["AE"],
            "os": [],
            "browsers": [],
            "engines": [],
            "languages": ["en"],
            "require_language": False,
            "sub_id": "{p:sub}",
            "click_id": None,
            "click_cost": "0.15",
            "ip_list_mode": "black",
            "ip_on_review": False,
            "extrapolate_ipv4": 255,
            "extrapolate_ipv6": 64,
            "ua_list_mode": "special",
            "ua_blacklist": ["curl.*", "bot\\b"],
            "ua_whitelist": [],
            "referer_regex": None,
            "url_rules": [{"param": "gclid", "op": "EQ", "arg": "7", "enabled": False}],
            "schedule": [],
            "timezones": [-5],
            "tz_match_ip": False,
            "_extra": {"hll_threshold": 3, "later": {"x": []}} if self._undeclared and number % 5 == 0 else None,
        }

    def _query(self, number: int) -> Entity:
        random = generator(self._seed, "query", number)
        return {
            **dict.fromkeys(EXAMPLE_QUERY),
            "query_id": str(uuid.UUID(int=random.getrandbits(128), version=4)),
            "owner_id": ACCOUNT_ID,
            "date_from": "1 Jan 2023",
            "date_to": "1675198800",
            "asn": ["65536", "AS65536", "AS1.10"],
            "target": [0, 255],
            "group_by": ["date", "stream_id"],
        }


def render_stream(stream: Entity) -> Entity:
    """Render a stream; the properties with two types or spellings vary from stream to stream."""
    sent = {name: value for name, value in stream.items() if name != "_extra"} | (stream.get("_extra") or {})
    kind = sum(map(ord, stream["stream_id"])) % 3
    if kind == 1:
        sent["filter_level"] = LEVELS.index(sent["filter_level"])
        sent["enable_fp"] = int(sent["enable_fp"])
        sent["money_pages"] = [{**page, "action": 302, "enabled": 1} for page in sent["money_pages"]]
        sent["url_rules"] = [{**rule, "enabled": int(rule["enabled"])} for rule in sent["url_rules"]]
        if "skip_clicks" in sent:
            sent["skipClicks"] = sent.pop("skip_clicks")
    if kind == 2 and "ua_blacklist" in sent:  # noqa: PLR2004 - the third kind
        sent["ua_blacklist"] = "\n".join(sent["ua_blacklist"]) + "\r\n\n"
        sent["ua_whitelist"] = ""
        sent["click_cost"] = Decimal("0.15")
    return sent


def render_query(query: Entity) -> Entity:
    """Render a saved query; times that are whole numbers are sent as numbers."""
    sent = dict(query)
    for name in ("date_from", "date_to"):
        if sent[name] is not None and sent[name].isdigit():
            sent[name] = int(sent[name])
    sent["asn"] = None if sent["asn"] is None else [int(one) if one.isdigit() else one for one in sent["asn"]]
    return sent


def render_account() -> Entity:
    """Render the account; the balance is a numeric string."""
    return {**ACCOUNT, "balance": str(ACCOUNT["balance"])}


def render_list(entries: list[str]) -> list[str | int]:
    """Render an IP list. Assumed: bare network numbers may be sent as numbers."""
    return [int(entry) if entry.isdigit() else entry for entry in entries]


def render_collection(name: str, shape: str) -> object:
    """Render a collection in one of the assumed shapes."""
    values = COLLECTIONS[name]
    return {
        "scalars": list(values),
        "objects": [
            {"id": value, "title": f"{value}!", "rank": rank, "value": "v"} for rank, value in enumerate(values)
        ],
        "codes": {value: f"{value}!" for value in values},
        "unknown": [[value] for value in values],
    }[shape]
