"""JSON text of decimals, every digit kept."""

from __future__ import annotations

import json
import re
from decimal import Decimal

_NUMBER = re.compile(r'"\\u0000([^"]*)"')


def exact_json(value: object) -> str:
    """Return JSON text in which a Decimal is a number with all its digits."""
    # json has no hook for the text of a number: decimals go as strings marked by a NUL, which no other string
    # begins with, and lose their quotes afterwards.
    return _NUMBER.sub(r"\1", json.dumps(value, default=_mark))


def _mark(value: object) -> str:
    if isinstance(value, Decimal):
        return f"\0{value:f}"
    raise TypeError(f"{value!r} is no JSON value")
