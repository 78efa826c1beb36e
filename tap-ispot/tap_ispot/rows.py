"""Rows as iSpot.tv sends them: the envelope around them, and what a row calls itself."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec
from singer_adtech.errors import DataError
from singer_adtech.records.exact_json import exact_json
from singer_adtech.records.shapes import unwrap

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    import requests


class Pagination(msgspec.Struct):
    """`meta.pagination` of an answer (Quickstart, "Pagination response format"); its links are never followed.

    Any member may be missing or unusable: a whole answer is not refused for it.
    """

    total: Any = None
    per_page: Any = None
    current_page: Any = None
    total_pages: Any = None
    links: Any = None


class _Meta(msgspec.Struct):
    # Assumed: it may be an empty array, as an empty entity is.
    pagination: Pagination | list[Any] | None = None


class _Envelope(msgspec.Struct):
    data: msgspec.Raw
    # Assumed: a list without further pages may be answered with an empty array, as an empty entity is.
    meta: _Meta | list[Any] | None = None


# Made before threads use it: msgspec 0.22 may crash when several are the first to need a type.
_ENVELOPES = msgspec.json.Decoder(_Envelope, strict=False)


def read_envelope(response: requests.Response) -> _Envelope:
    """Read an answer's frame and leave its rows as bytes.

    Raises:
        msgspec.DecodeError: The body is no JSON, breaks off, or has no `data`.
    """
    return _ENVELOPES.decode(response.content)


@dataclass(frozen=True)
class Extent:
    """What an answer reports about the whole list.

    Args:
        rows: Rows of all pages; None if it does not say.
        last_page: The last page known to exist; None if the answer says nothing about other pages.
        page_size: Rows of a full page.
    """

    rows: int | None
    last_page: int | None
    page_size: int


def read_extent(response: requests.Response, page: int, page_size: int) -> Extent:
    """Return how long the list is of which an answer is a page.

    The vendor's number of pages counts, as it may give fewer rows per page than asked for. Where it is missing, or too
    small for the total, pages are computed from the total; without a total, the existence of the link `next` counts.

    Args:
        response: The answer.
        page: Number of the page.
        page_size: Rows that were asked for.
    """
    meta = read_envelope(response).meta
    sent = meta.pagination if isinstance(meta, _Meta) and isinstance(meta.pagination, Pagination) else Pagination()
    rows, pages, size = _count(sent.total), _count(sent.total_pages), _count(sent.per_page) or page_size
    if rows is not None:
        return Extent(rows, max(pages or 0, -(-rows // size)), size)
    if isinstance(sent.links, dict) and "next" in sent.links:
        pages = max(pages or 0, page + 1 if sent.links["next"] else page)
    return Extent(None, pages, min(size, page_size))


def _count(value: Any) -> int | None:
    """Read a count, perhaps in a text; None for anything else."""
    try:
        number = int(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else -1
    except (ValueError, OverflowError):
        return None
    return number if number >= 0 else None


def read_rows(response: requests.Response) -> Iterator[dict[str, Any]]:
    """Decode the rows of an answer, numbers exact.

    Raises:
        DataError: `data` is neither a list of objects nor an object.
    """
    data = exact_json(bytes(read_envelope(response).data))
    for row in data if isinstance(data, list) else [data]:
        if not isinstance(row, dict):
            raise DataError("an answer's `data` holds something else than objects", "report this to the tap's authors")
        yield row


def without_own_name(row: dict[str, Any], own_name: str) -> Iterable[tuple[str, Any]]:
    """Take the entity's own name away from a catalogue row that is wrapped in it.

    Args:
        row: `{"brand": {"data": {"id": 1}}, "industry": ...}`, or the entity's fields at the top.
        own_name: The entity in the singular.

    Returns:
        The entity's fields, then what stood beside it; a name may occur in both.
    """
    entity = unwrap(row.get(own_name))
    if not isinstance(entity, dict) or "id" in row:
        return row.items()
    return chain(entity.items(), ((name, value) for name, value in row.items() if name != own_name))


def with_airing_prefix(row: dict[str, Any], columns: Container[str]) -> Iterable[tuple[str, Any]]:
    """Give bare fields at the top of an airing's row the prefix that they have where the airing is wrapped.

    Args:
        row: A row of `/airings`, whose shape is not documented, or of a metric endpoint.
        columns: The stream's columns.

    Returns:
        The fields; one is bare if it is declared as the airing's, or if it is a value that no column is named after.
    """
    if "airing" in row:
        return row.items()
    return (
        (f"airing_{name}", value) if _is_bare(name, unwrap(value), columns) else (name, value)
        for name, value in row.items()
    )


def _is_bare(name: str, value: Any, columns: Container[str]) -> bool:
    if f"airing_{name}" in columns or f"airing_{name}_id" in columns:
        return True
    return name not in columns and not isinstance(value, (dict, list)) and value is not None


def row_hash(row: dict[str, Any]) -> str:
    """Return the SHA-256 (hex) of a row's JSON (UTF-8, sorted keys, no spaces): a key where the vendor gives none."""
    return hashlib.sha256(_CANONICAL.encode(row)).hexdigest()


_CANONICAL = msgspec.json.Encoder(order="sorted", decimal_format="number")
