"""The click log: its columns, and how a click is sent (REST API, "Click Log Columns")."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vendor_simulators.adspect.clicks import ACCOUNT_ID

if TYPE_CHECKING:
    from datetime import tzinfo

    from vendor_simulators.adspect.clicks import Click
    from vendor_simulators.adspect.options import AdspectOptions

COLUMNS = (
    "timestamp",
    "ip_address",
    "asn",
    "account_id",
    "stream_id",
    "country_code",
    "os",
    "browser",
    "engine",
    "languages",
    "cost",
    "sub_id",
    "click_id",
    "mode",
    "sequence",
    "target",
    "tags",
)


def sent(click: Click, column: str, zone: tzinfo, options: AdspectOptions) -> Any:
    """Return one value of a row as it is sent."""
    if column == "timestamp":
        return click.at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
    if column == "account_id":
        return ACCOUNT_ID
    value = getattr(click, column)
    if value is None:
        return "" if column in ("sub_id", "click_id") and options.blank_id == "empty" else None
    if column in ("languages", "tags"):
        texts = {"array": list(value), "json": json.dumps(value), "commas": ", ".join(value)}
        return texts[options.lists]
    as_text = (column == "cost" and options.money == "string") or (
        column in ("sequence", "target") and options.codes == "string"
    )
    return asn_sent(value, options) if column == "asn" else str(value) if as_text else value


def asn_sent(value: int | None, options: AdspectOptions) -> str | int | None:
    """Return a network number as it is sent."""
    if value is None:
        return None
    texts: dict[str, str | int] = {
        "number": value,
        "digits": str(value),
        "prefixed": f"AS{value}",
        "halves": f"AS{value // 65536}.{value % 65536}",
    }
    return texts[options.asn]
