"""Undocumented details of the API: the simulator's default, and variants that a tap must handle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SpotwatchOptions:
    """Options of the Spotwatch simulator; the first value listed is the default.

    Args:
        bounds: Whether the bounds of a range are inclusive, or one of them or both are exclusive.
        ignored_arguments: Arguments that select rows (`channel`, `time_to`) without effect.
        links: Page links that work without the header; that require it; that work once.
        link_seconds: Lifetime of a page link in seconds; None = unlimited.
        lost_link_status: Status for an unknown or expired page link.
        total_error: Number added to `results_total`.
        empty_pages_total: `pages_total` of an empty result.
        order: Rows in random order, or ordered by time.
        updated: Whether blocks have `updated`: all of them, none (`updated_from` and `updated_to` select them all the
            same), or only blocks that were changed (these two arguments select no others).
        block_broadcasts: Where `/get-blocks` returns the `broadcast_fields`: nowhere, in the block, or in each of its
            ads.
        bad_key_status: Status for an unknown key.
        key_places: `header` records a violation for a key in the query or the body, although the vendor accepts it
            there.
        lists: Reference lists of strings, or of objects with `name`.
        channel_lists: Channels of a region as strings, or as objects with `name`.
        genres: Per region: subgenres by genre, a list of genres, or the two lists `genres` and `subgenres`.
        brand_filters: Whether the four filters of `/get-all-brands` are optional or required.
        unknown_field: Whether an unknown field name is refused with 400 or ignored.
        undeclared: Whether rows have an undocumented field.
        queue_response: An object with `messages`, or the bare array.
        queue_messages: Number of queued messages; the vendor keeps up to 1000.
        extremes: Whether one ad has an id of almost 64 bits.
    """

    bounds: Literal["inclusive", "upper_exclusive", "lower_exclusive", "exclusive"] = "inclusive"
    ignored_arguments: tuple[str, ...] = ()
    links: Literal["free", "keyed", "once"] = "free"
    link_seconds: float | None = None
    lost_link_status: Literal[400, 403, 404, 410] = 400
    total_error: int = 0
    empty_pages_total: Literal[0, 1] = 0
    order: Literal["any", "time"] = "any"
    updated: Literal["present", "absent", "changed"] = "present"
    block_broadcasts: Literal["none", "block", "ads"] = "none"
    bad_key_status: Literal[403, 400] = 403
    key_places: Literal["header", "any"] = "header"
    lists: Literal["strings", "objects"] = "strings"
    channel_lists: Literal["strings", "objects"] = "strings"
    genres: Literal["nested", "list", "two_lists"] = "nested"
    brand_filters: Literal["optional", "required"] = "optional"
    unknown_field: Literal["refused", "ignored"] = "refused"
    undeclared: bool = False
    queue_response: Literal["object", "array"] = "object"
    queue_messages: int = 250
    extremes: bool = True
