"""JSON with decimals to the last digit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from vendor_simulators.messages import Answer, Content


def text(value: Any) -> str:
    """Return a value as compact JSON; a `Decimal` is a number with all of its digits."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(name)}:{text(item)}" for name, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def answer(value: Any, status: int = 200) -> Answer:
    """Return an answer with this value as its body."""
    return Answer(status, Content(text(value).encode()))


def lines(rows: list[list[Any]]) -> Answer:
    """Return an answer with one array a line, spaced as in the document's examples."""
    body = "".join("[" + ", ".join(map(text, row)) + "]\n" for row in rows)
    return Answer(200, Content(body.encode()))
