"""Reference lists ("Misc Requests") in their possible shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vendor_simulators.spotwatch.data import CATEGORIES, CHANNELS, GENRES, HISTORICAL, TRACKED_ONLY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from vendor_simulators.spotwatch.options import SpotwatchOptions

__all__ = ["ALL", "CATEGORIES", "REGIONS", "SINCE", "TRACKED", "genre_rows", "pairs", "response"]

ALL: Mapping[str, tuple[str, ...]] = {
    region: (*CHANNELS.get(region, ()), *HISTORICAL.get(region, ())) for region in sorted({*CHANNELS, *HISTORICAL})
}
TRACKED: Mapping[str, tuple[str, ...]] = {
    region: (*channels, *TRACKED_ONLY.get(region, ())) for region, channels in CHANNELS.items()
}
REGIONS = tuple(ALL)
SINCE = "2012-01-01"


def pairs(channels: Mapping[str, Collection[str]]) -> set[tuple[str, str]]:
    """Return a map of channels as (region, channel) pairs."""
    return {(region, channel) for region, of_region in channels.items() for channel in of_region}


def genre_rows(shape: str) -> set[tuple[str, str, str]]:
    """Return the (region, genre, subgenre) rows that one of the shapes expresses."""
    rows: set[tuple[str, str, str]] = set()
    for region in CHANNELS:
        for genre, subgenres in GENRES.items():
            if shape == "nested":
                rows |= {(region, genre, subgenre) for subgenre in subgenres or ("",)}
            else:
                rows.add((region, genre, ""))
            if shape == "two_lists":
                rows |= {(region, "", subgenre) for subgenre in subgenres}
    return rows


def response(path: str, options: SpotwatchOptions, brands: Iterable[str]) -> Any:
    """Return the response of a call. Lists contain one name twice and a null, both without meaning."""
    if path in ("/get-all-channels", "/get-tracked-channels"):
        channels = ALL if path == "/get-all-channels" else TRACKED
        return {region: _channels(of_region, options) for region, of_region in channels.items()}
    if path == "/get-all-tv-genres":
        return {region: _genres(options.genres) for region in CHANNELS}
    names = {"/get-all-regions": REGIONS, "/get-all-categories": CATEGORIES}.get(path, tuple(brands))
    if options.lists == "strings":
        return [*names, *names[:1], None]
    return [{"name": name, "label": name.upper()} for name in names]


def _channels(names: Collection[str], options: SpotwatchOptions) -> list[Any]:
    if options.channel_lists == "strings":
        return [*names, *list(names)[:1]]
    return [{"name": name, "since": SINCE} for name in names]


def _genres(shape: str) -> Any:
    if shape == "nested":
        return {genre: list(subgenres) for genre, subgenres in GENRES.items()}
    if shape == "list":
        return list(GENRES)
    return {"genres": list(GENRES), "subgenres": [name for subgenres in GENRES.values() for name in subgenres]}
