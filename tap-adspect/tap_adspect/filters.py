"""Filters of reports and the click log (REST API, "Reporting Filters")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_adspect.rows import asn, plain_address

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

FILTERS = (
    "stream_id",
    "ip_address",
    "asn",
    "country_code",
    "os",
    "browser",
    "engine",
    "sub_id",
    "click_id",
    "mode",
    "target",
)
"""All filters but `query_id`: guest access to reports of other accounts is not supported."""

Filters = dict[str, list[str | int]]


def all_filters(config: Mapping[str, Any], filters: Filters) -> Filters:
    """Return the filters to send, sorted by name.

    Args:
        config: All settings. `stream_ids` applies unless the filters contain `stream_id`.
        filters: The filters of a report or of the click log; an empty list means no filter.
    """
    given = {"stream_id": sorted(set(config.get("stream_ids") or ())), **filters}
    return {name: values for name, values in sorted(given.items()) if values}


def parameters(filters: Filters) -> dict[str, list[str | int]]:
    """Return the filters as request parameters."""
    return {f"{name}[]": values for name, values in filters.items()}


def unmatched(name: str, wanted: Collection[Any], counts: Mapping[Any, int]) -> int:
    """Count rows that a filter should have excluded.

    Args:
        name: The filter.
        wanted: Its values. Assumed: the vendor compares whole values. If wrong, for example if a network is allowed
            for `ip_address`, its rows count as unmatched, and the user sees a warning.
        counts: The number of rows per value of the column.
    """
    accepted = {_comparable(name, value) for value in wanted}
    return sum(number for value, number in counts.items() if _comparable(name, value) not in accepted)


def _comparable(name: str, value: Any) -> str:
    if name == "ip_address":
        value = plain_address(str(value))
    return str(asn(value) if name == "asn" else value).casefold()
