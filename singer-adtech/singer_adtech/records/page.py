"""A page of rows, and its response envelope, decoded once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import msgspec
    import requests

T = TypeVar("T")

Row: TypeAlias = "msgspec.Raw | bytes"
"""A row as sent: JSON."""


@dataclass(frozen=True)
class Page:
    """The decoded content of a response.

    Args:
        rows: The rows, as JSON or decoded.
        total: The reported total of rows in the part or list; None if not reported.
        keys: The values of the stream's `key_column`, one per row; None without such a column.
    """

    rows: Iterable[Row | dict[str, Any]]
    total: int | None = None
    keys: Iterable[str] | None = None


def once_per_response(decode: Callable[[requests.Response], T]) -> Callable[[requests.Response], T]:
    """Cache the result of an envelope decoder, to share it between body checks, paging, totals and rows.

    The result is kept as long as the response and its body. The decoder may be called from several threads.
    """
    results: WeakKeyDictionary[requests.Response, tuple[bytes, T]] = WeakKeyDictionary()

    @wraps(decode)
    def decode_once(response: requests.Response) -> T:
        body = response.content
        known = results.get(response)
        # A repaired body is a different object.
        if known is None or known[0] is not body:
            known = results[response] = body, decode(response)
        return known[1]

    return decode_once
