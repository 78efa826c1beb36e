"""Rows as iSpot.tv sends them: the envelope around them, and what a row calls itself."""

from __future__ import annotations

import hashlib
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec
from singer_adtech.emitting import exact_json
from singer_adtech.errors import DataError
from singer_adtech.records import unwrap

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    import requests


class Pagination(msgspec.Struct):
    """`meta.pagination` of an answer (Quickstart, "Pagination response format"); its links are never followed."""

    total: int | None = None
    total_pages: int | None = None


class _Meta(msgspec.Struct):
    pagination: Pagination | None = None


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


def read_pagination(response: requests.Response) -> Pagination | None:
    """Return what an answer says of the whole list; None if it says nothing."""
    meta = read_envelope(response).meta
    return meta.pagination if isinstance(meta, _Meta) else None


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
