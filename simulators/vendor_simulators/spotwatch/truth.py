"""Expected records: the output of a correct tap, computed from the data rather than from responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vendor_simulators.spotwatch import lists
from vendor_simulators.spotwatch.rows import PUSHED_AD_FIELDS, PUSHED_FIELDS, format_time

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from vendor_simulators.spotwatch.entities import Ad, Block, Broadcast
    from vendor_simulators.spotwatch.options import SpotwatchOptions

AD_COLUMNS = (
    *("id", "created", "lastseen", "duration", "brand", "description", "regions", "categories", "nbroadcasts"),
    *("self_promo", "url", "related", "cross_region_ads"),
)
AD_FIELDS = ("ad_brand", "ad_categories", "ad_description", "ad_duration", "ad_nbroadcasts", "ad_user_payload")
"""Fields of the ad in an airing."""
ISO = "iso8601"


class Truth:
    """Builds expected records.

    Args:
        options: Variants that affect the records.
    """

    def __init__(self, options: SpotwatchOptions) -> None:
        self._options = options

    def ad(self, ad: Ad, optional: Collection[str]) -> dict[str, Any]:
        """Return a record of ads; `optional` holds columns added by settings."""
        values = {name: getattr(ad, name, None) for name in (*AD_COLUMNS, *optional)}
        values.update(
            created=format_time(ad.created, ISO), lastseen=format_time(ad.lastseen, ISO), nbroadcasts=len(ad.airings)
        )
        values.update(dict.fromkeys(ad.absent & values.keys()))
        return {**values, "_extra": self._extra({"market_share": 0.25})}

    def broadcast(self, airing: Broadcast, *, of_ad: bool = False) -> dict[str, Any]:
        """Return a record of broadcasts; with `of_ad`, including the fields of its ad."""
        unknown, ad = airing.absent, airing.ad
        copied = (ad.brand, ad.categories, ad.description, ad.duration, len(ad.airings), ad.user_payload)
        return {
            "id": airing.id,
            "time": format_time(airing.at, ISO),
            "ad": airing.ad.id,
            "region": airing.region,
            "channel": airing.channel,
            "block": airing.block.id,
            "blockindex": airing.blockindex,
            "block_length": None if "block_length" in unknown else len(airing.block.airings),
            "pic_in_pic": None if "pic_in_pic" in unknown else airing.pic_in_pic,
            "program": airing.block.program,
            "genre": airing.block.genre,
            "subgenre": airing.block.subgenre,
            **(dict(zip(AD_FIELDS, copied, strict=True)) if of_ad else {}),
            "_extra": self._extra({"confidence": {"video": 97, "audio": []}}),
        }

    def block(self, block: Block) -> dict[str, Any]:
        """Return a record of blocks."""
        airings = [{"id": airing.id} for airing in block.airings]
        extra = self._extra({"position": 3}) or {}
        if self._options.block_broadcasts == "block":
            extra["broadcasts"] = airings
        return {
            "id": block.id,
            "start": format_time(block.start, ISO),
            "finish": format_time(block.finish, ISO),
            "updated": self._updated(block),
            "region": block.region,
            "channel": block.channel,
            "ads": [{"id": ad.id, **self._of_ad(block)} for ad in block.ads],
            "program": block.program,
            "genre": block.genre,
            "subgenre": block.subgenre,
            "_extra": extra or None,
        }

    def block_ads(self, block: Block) -> list[dict[str, Any]]:
        """Return the records of block_ads for one break."""
        return [
            {
                "block_id": block.id,
                "position": position,
                "ad_id": ad.id,
                "region": block.region,
                "channel": block.channel,
                "start": format_time(block.start, ISO),
                "updated": self._updated(block),
                "_extra": self._of_ad(block) or None,
            }
            for position, ad in enumerate(block.ads)
        ]

    def message(self, airing: Broadcast, optional: Collection[str]) -> dict[str, Any]:
        """Return a record of broadcast_messages."""
        of_ad = [name for name in PUSHED_AD_FIELDS if name not in {"media", "user_payload"} or name in optional]
        ad = {name: value for name, value in self.ad(airing.ad, optional).items() if name in of_ad}
        broadcast = {name: value for name, value in self.broadcast(airing).items() if name in PUSHED_FIELDS}
        undeclared = self._options.undeclared
        return {
            "broadcast_id": airing.id,
            "push_type": "broadcast",
            "timings_start": format_time(airing.at, ISO),
            "timings_end": format_time(airing.at + airing.ad.duration, ISO),
            "timings_detected": format_time(airing.at + 3, ISO),
            "broadcast": {**broadcast, **({"confidence": {"video": 97, "audio": []}} if undeclared else {})},
            "ad": {**ad, **({"market_share": 0.25} if undeclared else {})},
            "_extra": None,
        }

    def lists(self, stream: str, brands: Iterable[str]) -> list[dict[str, Any]]:
        """Return the records of a reference list."""
        plain = self._options.lists == "strings"
        of_channel = self._options.channel_lists == "strings"
        if stream == "channels":
            tracked = lists.pairs(lists.TRACKED)
            return [
                {
                    "region": region,
                    "channel": channel,
                    "tracked": (region, channel) in tracked,
                    "_extra": None if of_channel else {"since": lists.SINCE},
                }
                for region, channel in sorted(lists.pairs(lists.ALL) | tracked)
            ]
        if stream == "tv_genres":
            return [
                {"region": region, "genre": genre, "subgenre": subgenre, "_extra": None}
                for region, genre, subgenre in sorted(lists.genre_rows(self._options.genres))
            ]
        column, names = {
            "regions": ("region", lists.REGIONS),
            "categories": ("category", lists.CATEGORIES),
            "brands": ("brand", brands),
        }[stream]
        return [{column: name, "_extra": None if plain else {"label": name.upper()}} for name in sorted(names)]

    def _updated(self, block: Block) -> str | int | None:
        stamped = {"present": True, "absent": False, "changed": block.changed}[self._options.updated]
        return format_time(block.updated, ISO) if stamped else None

    def _of_ad(self, block: Block) -> dict[str, Any]:
        """Return the members of an ad within a break, except its id."""
        members: dict[str, Any] = {"market_share": 0.25} if self._options.undeclared else {}
        if self._options.block_broadcasts == "ads":
            members["broadcasts"] = [{"id": airing.id} for airing in block.airings[:1]]
        return members

    def _extra(self, fields: dict[str, Any]) -> dict[str, Any] | None:
        return fields if self._options.undeclared else None
