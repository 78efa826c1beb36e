"""Selection of the rows of a call ("optional" arguments of /get-ads, /get-broadcasts, /get-blocks)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vendor_simulators.spotwatch.data import Data
    from vendor_simulators.spotwatch.entities import Ad, Block, Broadcast


@dataclass(frozen=True)
class Selection:
    """Selects rows by arguments.

    Args:
        data: All rows.
        bounds: Which bounds of a range are inclusive; see `SpotwatchOptions`.
        updated: Which blocks have `updated`; see `SpotwatchOptions`.
    """

    data: Data
    bounds: str
    updated: str

    def within(self, at: int, arguments: Mapping[str, Any], prefix: str) -> bool:
        """Return whether an instant is between `<prefix>_from` and `<prefix>_to`."""
        low, high = arguments.get(f"{prefix}_from"), arguments.get(f"{prefix}_to")
        if low is not None and (at < low or (at == low and self.bounds in ("lower_exclusive", "exclusive"))):
            return False
        return high is None or at < high or (at == high and self.bounds in ("inclusive", "lower_exclusive"))

    def ads(self, arguments: Mapping[str, Any]) -> list[Ad]:
        """Return the ads of `/get-ads`."""
        return [ad for ad in self.data.ads if self._fits_ad(ad, arguments)]

    def _fits_ad(self, ad: Ad, arguments: Mapping[str, Any]) -> bool:
        seen = {name: arguments[name] for name in ("time_seen_from", "time_seen_to") if name in arguments}
        shortest, longest = arguments.get("duration_from", 0), arguments.get("duration_to", ad.duration)
        return (
            self.within(ad.created, arguments, "created")
            and self.within(ad.lastseen, arguments, "lastseen")
            and (not seen or any(self.within(airing.at, seen, "time_seen") for airing in ad.airings))
            and shortest <= ad.duration <= longest
            and (bool(ad.brand) or arguments.get("unidentified", True))
            and (not ad.self_promo or arguments.get("self_promo", True))
            and _any(arguments, "ids", [ad.id])
            and _any(arguments, "category", ad.categories)
            and _any(arguments, "brand", [ad.brand])
            and _any(arguments, "region", ad.regions)
            and _keyword(arguments, f"{ad.brand} {ad.description}")
        )

    def broadcasts(self, arguments: Mapping[str, Any]) -> list[Broadcast]:
        """Return the airings of `/get-broadcasts`."""
        return [
            airing
            for airing in self.data.broadcasts
            if self.within(airing.at, arguments, "time")
            and _any(arguments, "region", [airing.region])
            and _any(arguments, "channel", [airing.channel])
            and _any(arguments, "ad_id", [airing.ad.id])
            and _any(arguments, "ad_brand", [airing.ad.brand])
            and _any(arguments, "ad_category", airing.ad.categories)
            and _any(arguments, "block_id", [airing.block.id])
            and (bool(airing.ad.brand) or not arguments.get("ad_identified", False))
        ]

    def blocks(self, arguments: Mapping[str, Any]) -> list[Block]:
        """Return the breaks of `/get-blocks`."""
        return [
            block
            for block in self.data.blocks
            if self.within(block.start, arguments, "start")
            and self._updated(block, arguments)
            and _any(arguments, "region", [block.region])
            and _any(arguments, "channel", [block.channel])
            and _any(arguments, "ad_id", [ad.id for ad in block.ads])
        ]

    def _updated(self, block: Block, arguments: Mapping[str, Any]) -> bool:
        stamped = self.updated != "changed" or block.changed
        if not stamped:
            return not arguments.keys() & {"updated_from", "updated_to"}
        return self.within(block.updated, arguments, "updated")

    def brands(self, arguments: Mapping[str, Any]) -> list[str]:
        """Return the brands of `/get-all-brands`."""
        return sorted(
            {
                airing.ad.brand
                for airing in self.data.broadcasts
                if airing.ad.brand
                and self.within(airing.at, arguments, "time_seen")
                and _any(arguments, "region", [airing.region])
                and _any(arguments, "channel", [airing.channel])
            }
        )


def _any(arguments: Mapping[str, Any], name: str, values: Iterable[Any]) -> bool:
    return name not in arguments or not set(arguments[name]).isdisjoint(values)


def _keyword(arguments: Mapping[str, Any], text: str) -> bool:
    return "keyword" not in arguments or any(word.lower() in text.lower() for word in arguments["keyword"])
