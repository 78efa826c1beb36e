"""JSON with exact decimals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from vendor_simulators.messages import Content, Response


def text(value: Any) -> str:
    """Return a value as compact JSON; a `Decimal` becomes a number with all its digits."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(name)}:{text(item)}" for name, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def response(value: Any, status: int = 200) -> Response:
    """Return a response with this value as its body."""
    return Response(status, Content(text(value).encode()))


def lines(rows: list[list[Any]]) -> Response:
    """Return a response with one array per line, spaced as in the documented examples."""
    body = "".join("[" + ", ".join(map(text, row)) + "]\n" for row in rows)
    return Response(200, Content(body.encode()))
