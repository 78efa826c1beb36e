"""The click log: its columns and the wire format of a click (REST API, "Click Log Columns")."""

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


def render_value(click: Click, column: str, zone: tzinfo, options: AdspectOptions) -> Any:
    """Render one value of a log row."""
    if column == "timestamp":
        return click.at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
    if column == "account_id":
        return ACCOUNT_ID
    value = getattr(click, column)
    if value is None:
        return "" if column in ("sub_id", "click_id") and options.blank_id == "empty" else None
    if column == "ip_address" and options.addresses == "mapped" and click.at.second % 2 and ":" not in value:
        return f"::ffff:{value}"
    if column in ("languages", "tags"):
        texts = {"array": list(value), "json": json.dumps(value), "commas": ", ".join(value)}
        return texts[options.lists]
    as_text = (column == "cost" and options.money == "string") or (
        column in ("sequence", "target") and options.codes == "string"
    )
    return render_asn(value, options) if column == "asn" else str(value) if as_text else value


def render_asn(value: int | None, options: AdspectOptions) -> str | int | None:
    """Render a network number."""
    if value is None:
        return None
    texts: dict[str, str | int] = {
        "number": value,
        "digits": str(value),
        "prefixed": f"AS{value}",
        "halves": f"AS{value // 65536}.{value % 65536}",
    }
    return texts[options.asn]
