"""What the vendor does not document: the simulator's first choice, and the others a tap has to survive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SpotwatchOptions:
    """Choices of the Spotwatch simulator; the default of each is its first choice.

    Args:
        bounds: Whether both bounds of a range include their instant, or one of them does not.
        links: Page links that work with or without the header; that need it; that are good for one call.
        link_seconds: How long a page link lives; None = as long as the simulator.
        lost_link_status: Status for a page link that is not known any more.
        total_error: What is added to `results_total`.
        empty_pages_total: `pages_total` where there is no result.
        order: Rows in any order, or in that of their times.
        updated: Whether blocks have `updated`.
        block_broadcasts: Where `broadcast_fields` of `/get-blocks` shows: nowhere, in the block, or in each of its ads.
        bad_key_status: Status for a key that is not known.
        key_places: `header` notes a violation for a key in the query or the body, which the vendor takes as well.
        lists: Reference lists of strings, or of objects with `name`.
        channel_lists: Channels of a region as strings, or as objects with `name`.
        genres: By region subgenres by genre, a list of genres, or the two lists `genres` and `subgenres`.
        brand_filters: Whether the four filters of `/get-all-brands` may be left out.
        unknown_field: Whether a field name that is not known fails with 400, or is ignored.
        undeclared: Whether rows have a field that no document names.
        queue_answer: An object with `messages`, or the bare array.
        queue_messages: Messages that wait in the queue; the vendor keeps 1000.
        extremes: Whether one ad has an id of nearly 64 bits.
    """

    bounds: Literal["inclusive", "upper_exclusive", "lower_exclusive"] = "inclusive"
    links: Literal["free", "keyed", "once"] = "free"
    link_seconds: float | None = None
    lost_link_status: Literal[400, 403, 404, 410] = 400
    total_error: int = 0
    empty_pages_total: Literal[0, 1] = 0
    order: Literal["any", "time"] = "any"
    updated: Literal["present", "absent"] = "present"
    block_broadcasts: Literal["none", "block", "ads"] = "none"
    bad_key_status: Literal[403, 400] = 403
    key_places: Literal["header", "any"] = "header"
    lists: Literal["strings", "objects"] = "strings"
    channel_lists: Literal["strings", "objects"] = "strings"
    genres: Literal["nested", "list", "two_lists"] = "nested"
    brand_filters: Literal["optional", "required"] = "optional"
    unknown_field: Literal["refused", "ignored"] = "refused"
    undeclared: bool = False
    queue_answer: Literal["object", "array"] = "object"
    queue_messages: int = 250
    extremes: bool = True
