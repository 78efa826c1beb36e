"""Adspect's rows: values, and the line format of reports (REST API, "Managing Streams", "Reporting API")."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
from singer_adtech.errors import DataError
from singer_adtech.http.bodies import json_problem
from singer_adtech.records.exact_json import exact_json
from singer_adtech.records.values import (
    MOST_CACHED,
    ConversionError,
    json_kind,
    to_array,
    to_boolean,
    to_integer,
    to_number,
    to_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from singer_adtech.http.bodies import Problem
    from singer_adtech.records.page import Row

FILTER_LEVELS = ("Off", "Low", "Medium", "High", "Paranoid")
"""Names of `filter_level` 0 to 4."""

NO_NUMBERS = frozenset({"", "nan", "inf", "-inf"})
"""Values of a metric without a number, in lower case."""

_ASN = re.compile(r"(?:AS)?([0-9]+)(?:\.([0-9]+))?", re.IGNORECASE)
_HIGH_HALF = 65536
_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_FEW_DIGITS = 20
"""Digits of most counts."""

_PAGE: Mapping[str, Callable[[Any], Any]] = {
    "page": to_text,
    "action": to_text,
    "arg_passthru": to_boolean,
    "weight": to_integer,
    "enabled": to_boolean,
}
_RULE: Mapping[str, Callable[[Any], Any]] = {"param": to_text, "op": to_text, "arg": to_text, "enabled": to_boolean}
_NESTED = {"money_pages": _PAGE, "safe_pages": _PAGE, "url_rules": _RULE}

_CODES = ("id", "value", "code", "key", "name")
_LABELS = ("label", "title", "name", "description")


def stream_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a stream's object; nested objects keep all of their fields.

    Args:
        row: A stream as sent. The document gives two types for some properties, and an older spelling for others.
    """
    flat = dict(row)
    # Assumed: `skip_clicks` and `skipClicks` are the only spellings. If wrong, `skip_clicks` is null, and the
    # value is in `_extra` with a warning.
    if "skipClicks" in flat and flat.get("skip_clicks") is None:
        flat["skip_clicks"] = flat.pop("skipClicks")
    level = flat.get("filter_level")
    if type(level) is int and 0 <= level < len(FILTER_LEVELS):
        flat["filter_level"] = FILTER_LEVELS[level]
    for name in ("ua_blacklist", "ua_whitelist"):
        if isinstance(flat.get(name), str):
            flat[name] = [line for line in flat[name].splitlines() if line.strip()]
    for name, types in _NESTED.items():
        if isinstance(flat.get(name), list):
            flat[name] = [_typed(item, types) if isinstance(item, dict) else item for item in flat[name]]
    return flat


def query_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a saved query; its network numbers become strings."""
    flat = dict(row)
    if isinstance(flat.get("asn"), list):
        flat["asn"] = [str(item) if type(item) is int else item for item in flat["asn"]]
    return flat


def _typed(item: Mapping[str, Any], types: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    typed = dict(item)
    for name, convert in types.items():
        if typed.get(name) is not None:
            try:
                typed[name] = convert(typed[name])
            except ConversionError:
                continue  # as sent: objects have no `_extra`
    return typed


def metric_converter(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return the converter of a metric.

    Args:
        convert: The converter of its type.
    """
    # The same numbers recur in most rows.
    of_text = lru_cache(MOST_CACHED)(lambda text: None if metric(text) is None else convert(text))

    def convert_metric(value: Any) -> Any:
        if type(value) is not str:
            return convert(value)
        return int(value) if len(value) < _FEW_DIGITS and value.isdigit() and value.isascii() else of_text(value)

    return convert_metric


def to_asn(value: Any) -> Any:
    """Convert a number of an autonomous system; see `asn`."""
    return value if type(value) is int else to_integer(asn(value))


def to_text_list(value: Any) -> Any:
    """Convert a list of strings; see `text_list`."""
    return value if type(value) is list else to_array(text_list(value))


def to_instant(text: Any) -> str:
    """Convert a timestamp of the log, in UTC.

    Raises:
        DataError: It is not of the documented form.
    """
    moment = _instant_of(text) if isinstance(text, str) else None
    if moment is None:
        raise DataError(
            f"a row has a timestamp that is not of the form 2024-04-01 00:00:00 (a JSON {json_kind(text)})",
            "report this to the tap's authors",
        )
    return moment


@lru_cache(MOST_CACHED)
def _instant_of(text: str) -> str | None:
    try:
        if _TIMESTAMP.fullmatch(text):
            return f"{dt.datetime.fromisoformat(text).isoformat()}Z"
        # One without leading zeros is accepted too.
        moment = dt.datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - requested in UTC
    except ValueError:
        return None
    return f"{moment.isoformat()}Z"


def metric(value: Any) -> Any:
    """Return a metric as sent, or None if it is not a number, for example a division by zero.

    Assumed: a metric without a number is null, blank, NaN or infinite. If wrong, the metric is null, and the value
    is in `_extra` with a warning.
    """
    return None if isinstance(value, str) and value.strip().lower() in NO_NUMBERS else value


def to_count(value: Any) -> int | None:
    """Return a count of the funnel: 0 without a number (null, blank, `nan`), None if it is something else."""
    try:
        return to_integer(metric(value)) or 0 if metric(value) is not None else 0
    except ConversionError:
        return None


def is_something(value: Any) -> bool:
    """Return whether a metric is neither zero nor without a number."""
    try:
        return metric(value) is not None and to_number(metric(value)) not in {0, None}
    except ConversionError:
        return True


def asn(value: Any) -> Any:
    """Return the number of an autonomous system.

    Args:
        value: `65536`, `"65536"`, `"AS65536"`, or in two halves `"AS1.10"` (65546).

    Returns:
        The number; any other value unchanged, to be checked by its column.
    """
    if not isinstance(value, str):
        return value
    found = _ASN.fullmatch(value.strip())
    if found is None:
        return value
    first, second = found.groups()
    return int(first) if second is None else int(first) * _HIGH_HALF + int(second)


def plain_address(address: str) -> str:
    """Return an IP address as sent, but the IPv4 address of an IPv4-mapped IPv6 address (`::ffff:192.0.2.1`).

    Args:
        address: An address in any spelling, or any other text, returned unchanged.
    """
    if ":" not in address or "ffff" not in address.lower():
        return address
    try:
        mapped = ipaddress.IPv6Address(address).ipv4_mapped
    except ValueError:
        return address
    return address if mapped is None else str(mapped)


def text_list(value: Any) -> Any:
    """Return a list of strings.

    Args:
        value: A list, or a string. Assumed: a string is a JSON array or has comma-separated items. If wrong, a text
            with another separator becomes one item, which the user sees in the column.

    Returns:
        The list, empty for a blank string; any other value unchanged, to be checked by its column.
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith("["):
        try:
            items = exact_json(text.encode())
        except msgspec.DecodeError:
            return value
        return [item if isinstance(item, str) else str(item) for item in items if item is not None]
    return [item.strip() for item in text.split(",") if item.strip()]


def collection_rows(body: Any) -> list[dict[str, Any]] | None:
    """Read a collection. Its format is not documented.

    Args:
        body: Assumed: a list of scalars, a list of objects, or an object of codes to labels. If wrong, the collection
            is skipped, and the user sees a warning.

    Returns:
        Rows with `value`, `label` and the other fields of an object; None for another format. A field with the name
        of a column gets a leading dot.
    """
    if isinstance(body, list) and all(_is_scalar(item) for item in body):
        return [{"value": item} for item in body]
    if isinstance(body, list) and all(isinstance(item, dict) for item in body):
        rows = [_collection_item(item) for item in body]
        return None if None in rows else [row for row in rows if row is not None]
    if isinstance(body, dict) and all(label is None or _is_scalar(label) for label in body.values()):
        return [{"value": code, "label": label} for code, label in body.items()]
    return None


def _collection_item(item: Mapping[str, Any]) -> dict[str, Any] | None:
    code = next((name for name in _CODES if _is_scalar(item.get(name))), None)
    if code is None:
        return None
    label = next((name for name in _LABELS if name != code and _is_scalar(item.get(name))), None)
    row = {"value": item[code], "label": None if label is None else item[label]}
    return row | {
        f".{name}" if name in {"collection", "value", "label"} else name: value
        for name, value in item.items()
        if name not in {code, label}
    }


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, Decimal)) or type(value) is int


def report_problem(body: bytes) -> Problem | None:
    """Return the problem of a report's body; None if `report_rows` can read it."""
    problem = json_problem(body) if body.strip() else None
    if problem is None:
        return None
    start = 0
    for line in body.split(b"\n"):
        in_line = json_problem(line) if line.strip() else None
        if in_line is not None:
            return in_line if in_line.position is None else in_line._replace(position=start + in_line.position)
        start += len(line) + 1
    return None


def report_rows(body: bytes) -> Sequence[Row]:
    """Split the body of a report: one JSON array per line.

    Args:
        body: Empty or blank for no rows. Assumed: a body that is one array of arrays is all rows. If wrong, for example
            if it is one row with an array as its first item, its number of items is wrong, and the stream ends with an
            error.

    Returns:
        Rows as sent. A body of one JSON value that is not an array is one row.

    Raises:
        ValueError: A line is not valid JSON in UTF-8, or is cut off.
        RecursionError: A value is nested too deep.
    """
    if not body.isascii():
        # msgspec does not validate skipped strings.
        body.decode()
    if _ARRAY_OF_ARRAYS.match(body):
        try:
            return _array.decode(body)
        except msgspec.DecodeError:
            pass  # lines, the first of which has an array as its first item
    rows = _row.decode_lines(body)
    lines = b"\n".join(rows)
    # msgspec also accepts several rows on a line, and rows of several lines.
    if len(rows) < 2 or (lines.count(b"\n") == len(rows) - 1 and body.startswith(lines)):  # noqa: PLR2004
        return rows
    # Not with `str.splitlines`: a value may contain other line separators.
    return [_row.decode(line) for line in body.split(b"\n") if line.strip()]


_ARRAY_OF_ARRAYS = re.compile(rb"\s*\[\s*[\[\]]")
_array = msgspec.json.Decoder(list[msgspec.Raw])
_row = msgspec.json.Decoder(msgspec.Raw)
