"""Wire format: rows with the requested fields and time format."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from vendor_simulators.spotwatch.entities import Ad, Block, Broadcast
    from vendor_simulators.spotwatch.options import SpotwatchOptions

# "Plain Format": the zone is stored with the key; this is the default zone.
_ZONE_OF_KEY = ZoneInfo("Europe/Berlin")

AD_FIELDS = (
    *("id", "created", "lastseen", "duration", "brand", "description", "regions", "categories", "broadcasts"),
    *("nbroadcasts", "self_promo", "url", "media", "related", "cross_region_ads", "user_payload"),
)
BROADCAST_FIELDS = (
    *("id", "time", "ad", "region", "channel", "block", "blockindex", "block_length", "pic_in_pic", "ad_brand"),
    *("ad_categories", "ad_description", "ad_duration", "ad_nbroadcasts", "ad_user_payload"),
    *("program", "genre", "subgenre"),
)
# Default of `broadcast_fields` in ads: "all except program ad" of /get-ads.
NESTED_FIELDS = tuple(name for name in BROADCAST_FIELDS if name not in {"program", "ad"})
# Default of `ad_fields` of push messages.
PUSHED_AD_FIELDS = (
    *("id", "created", "lastseen", "duration", "nbroadcasts", "brand", "description", "categories", "related", "media"),
)
# "Example Broadcast Push Message"
PUSHED_FIELDS = ("id", "time", "region", "channel", "ad", "block", "blockindex", "program", "genre", "subgenre")


def format_time(at: int, time_fmt: str) -> str | int:
    """Format an instant in one of the three formats ("Time Formats")."""
    if time_fmt == "unix":
        return at
    if time_fmt == "plain":
        return datetime.fromtimestamp(at, _ZONE_OF_KEY).strftime("%Y-%m-%d %H:%M:%S")
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Wire:
    """Builds rows.

    Args:
        options: Variants of undocumented details.
    """

    def __init__(self, options: SpotwatchOptions) -> None:
        self._options = options

    def ad(self, ad: Ad, fields: Collection[str], nested: Collection[str], time_fmt: str) -> dict[str, Any]:
        """Return an ad with these fields, and its airings with the fields in `nested`."""
        makers: Mapping[str, Any] = {
            "created": lambda: format_time(ad.created, time_fmt),
            "lastseen": lambda: format_time(ad.lastseen, time_fmt),
            "nbroadcasts": lambda: len(ad.airings),
            "broadcasts": lambda: [self.broadcast(airing, nested, time_fmt) for airing in ad.airings],
        }
        row = {
            name: makers[name]() if name in makers else getattr(ad, name)
            for name in AD_FIELDS
            if name in fields and name not in ad.absent
        }
        return self._with_undeclared(row, {"market_share": 0.25})

    def broadcast(self, airing: Broadcast, fields: Collection[str], time_fmt: str) -> dict[str, Any]:
        """Return an airing with these fields."""
        ad, block = airing.ad, airing.block
        values: dict[str, Any] = {
            "id": airing.id,
            "time": format_time(airing.at, time_fmt),
            "ad": ad.id,
            "region": airing.region,
            "channel": airing.channel,
            "block": block.id,
            "blockindex": airing.blockindex,
            "block_length": len(block.airings),
            "pic_in_pic": airing.pic_in_pic,
            "ad_brand": ad.brand,
            "ad_categories": ad.categories,
            "ad_description": ad.description,
            "ad_duration": ad.duration,
            "ad_nbroadcasts": len(ad.airings),
            "ad_user_payload": ad.user_payload,
            "program": block.program,
            "genre": block.genre,
            "subgenre": block.subgenre,
        }
        row = {name: value for name, value in values.items() if name in fields and name not in airing.absent}
        return self._with_undeclared(row, {"confidence": {"video": 97, "audio": []}})

    def block(
        self, block: Block, ad_fields: Collection[str], broadcast_fields: Collection[str], time_fmt: str
    ) -> dict[str, Any]:
        """Return a break; `/get-blocks` has no parameter for its own fields."""
        ads = [self.ad(ad, ad_fields, (), time_fmt) for ad in block.ads]
        airings = [
            {name: getattr(airing, name) for name in ("id",) if name in broadcast_fields} for airing in block.airings
        ]
        if self._options.block_broadcasts == "ads":
            ads = [{**ad, "broadcasts": airings[:1]} for ad in ads]
        row: dict[str, Any] = {
            "id": block.id,
            "region": block.region,
            "channel": block.channel,
            "start": format_time(block.start, time_fmt),
            "finish": format_time(block.finish, time_fmt),
            "program": block.program,
            "genre": block.genre,
            "subgenre": block.subgenre,
            "ads": ads,
        }
        if self._options.updated == "present" or (self._options.updated == "changed" and block.changed):
            row["updated"] = format_time(block.updated, time_fmt)
        if self._options.block_broadcasts == "block":
            row["broadcasts"] = airings
        return self._with_undeclared(row, {"rating": None, "position": 3})

    def message(self, airing: Broadcast) -> dict[str, Any]:
        """Return a push message."""
        broadcast = self.broadcast(airing, PUSHED_FIELDS, "iso8601")
        times = {"start": airing.at, "end": airing.at + airing.ad.duration, "detected": airing.at + 3}
        return {
            "push_type": "broadcast",
            "message": {
                "broadcast": broadcast,
                "timings": {name: format_time(at, "iso8601") for name, at in times.items()},
                "ad": self.ad(airing.ad, PUSHED_AD_FIELDS, (), "iso8601"),
            },
        }

    def _with_undeclared(self, row: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
        return {**row, **others} if self._options.undeclared else row
