"""Bodies as no vendor documents them: rows missing, doubled or odd, characters broken, totals that never end."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from vendor_simulators.exact import exact_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Alteration = Literal[
    "half_rows",
    "no_rows",
    "rows_twice",
    "new_field",
    "other_type",
    "many_pages",
    "endless",
    "byte_order_mark",
    "half_character",
    "bad_byte",
    "nan",
]

NEW_FIELD = "unannounced_field"
MANY_PAGES = 10**12
_TOTAL = re.compile(r"total_?pages|pages_total|total|total_count|total_rows|results_total")
# A text with a space is a name, never a key of the body, an id or a time.
_NAME = re.compile(rb'([A-Za-z] [A-Za-z0-9][^"\\]*)"')


def alter(body: bytes, alteration: Alteration) -> bytes:
    """Return the body altered; unchanged where it has nothing to alter, such as a row.

    Args:
        body: A JSON body, or one JSON value per line, each line ended.
        alteration: What is done.
            `half_rows`, `no_rows`: every second row is missing, the first of two, or all; totals stay.
            `rows_twice`: the rows are there twice.
            `new_field`: each row has the field `unannounced_field`.
            `other_type`: one field of the first row is an object.
            `many_pages`: each total is 10^12.
            `endless`: the same, no row is there, and a link to the next page always is.
            `byte_order_mark`: one comes first.
            `half_character`, `bad_byte`: behind the first name is half a surrogate pair, or a byte that is not UTF-8.
            `nan`: the first null is NaN.
    """
    if alteration in _TEXTS:
        return _TEXTS[alteration](body)
    try:
        value, is_lines = _read(body)
    except ValueError:
        return body
    rows = max(_arrays(value), key=len, default=[])
    if alteration == "many_pages":
        changed = _enlarge(value)
    elif alteration == "endless":
        changed = _enlarge(value) | _link(value) | _empty(rows)
    else:
        changed = _ROWS[alteration](rows)
    if not changed:
        return body
    return _written(value, is_lines=is_lines)


def _read(body: bytes) -> tuple[Any, bool]:
    """Return the value, and whether it is the list of the values of the lines."""
    if body.endswith(b"\n"):
        return [json.loads(line, parse_float=Decimal) for line in body.splitlines()], True
    return json.loads(body, parse_float=Decimal), False


def _written(value: Any, *, is_lines: bool) -> bytes:
    if is_lines:
        return "".join(f"{exact_json(line)}\n" for line in value).encode()
    return exact_json(value).encode()


def _arrays(value: Any) -> Iterable[list[Any]]:
    """Return the lists that may be the rows: the outermost ones."""
    if isinstance(value, list):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _arrays(item)


def _halve(rows: list[Any]) -> bool:
    changed = bool(rows)
    del rows[::2]
    return changed


def _empty(rows: list[Any]) -> bool:
    changed = bool(rows)
    rows.clear()
    return changed


def _double(rows: list[Any]) -> bool:
    rows += list(rows)
    return bool(rows)


def _add_field(rows: list[Any]) -> bool:
    objects = [row for row in rows if isinstance(row, dict)]
    for row in objects:
        row[NEW_FIELD] = "made up"
    return bool(objects)


def _retype(rows: list[Any]) -> bool:
    """Make the last plain value of the first row an object; objects within the row are looked into."""
    row = rows[0] if rows else None
    while isinstance(row, dict):
        plain = [name for name, value in row.items() if isinstance(value, (str, int, Decimal))]
        if plain and len(row) > 1:
            row[plain[-1]] = {"made": "up"}
            return True
        row = next((value for value in row.values() if isinstance(value, dict)), None)
    if isinstance(row, list) and row:
        row[-1] = {"made": "up"}
        return True
    return False


def _enlarge(value: Any) -> bool:
    changed = False
    for name, item in value.items() if isinstance(value, dict) else ():
        if _TOTAL.fullmatch(name) and isinstance(item, int):
            value[name] = MANY_PAGES
            changed = True
        else:
            changed = _enlarge(item) or changed
    return changed


def _link(value: Any) -> bool:
    """Let the last page lead to the one before."""
    changed = False
    for name, item in list(value.items()) if isinstance(value, dict) else ():
        if name in ("prev", "previous") and item and not value.get("next"):
            value["next"] = item
            changed = True
        changed = _link(item) or changed
    return changed


_ROWS: dict[str, Callable[[list[Any]], bool]] = {
    "half_rows": _halve,
    "no_rows": _empty,
    "rows_twice": _double,
    "new_field": _add_field,
    "other_type": _retype,
}
_TEXTS: dict[str, Callable[[bytes], bytes]] = {
    "byte_order_mark": lambda body: b"\xef\xbb\xbf" + body,
    "half_character": lambda body: _NAME.sub(rb'\1\\ud83d"', body, count=1),
    "bad_byte": lambda body: _NAME.sub(rb"\1" + b'\xff"', body, count=1),
    "nan": lambda body: re.sub(rb"([:,\[] ?)null\b", rb"\1NaN", body, count=1),
}
