"""Singer messages and catalogs."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from singer_adtech.tap import AdTechTap


def read_messages(text: str) -> list[dict[str, Any]]:
    """Read Singer messages, numbers with a point as `Decimal`; an incomplete last line is left out."""
    return [json.loads(one, parse_float=Decimal) for one in text.split("\n")[:-1]]


def select(
    tap_class: type[AdTechTap], *streams: str, without: Sequence[str] = (), config: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return a catalog in which some streams are selected.

    Args:
        tap_class: The tap.
        streams: Selected streams.
        without: Columns to deselect in each stream.
        config: Settings that decide about streams, such as `reports`.
    """
    catalog: dict[str, Any] = json.loads(tap_class(config=dict(config or {}), validate_config=False).catalog_json_text)
    for entry in catalog["streams"]:
        for one in entry["metadata"]:
            if one["breadcrumb"] == []:
                one["metadata"]["selected"] = entry["tap_stream_id"] in streams
            elif one["breadcrumb"][-1] in without:
                one["metadata"]["selected"] = False
    return catalog
