"""iSpot.tv's rows: the response envelope, paging information, and the nesting of a row."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

import msgspec
from singer_adtech.records.compiled import CompiledRecord
from singer_adtech.records.page import once_per_response
from singer_adtech.records.shapes import unwrap

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Sequence

    import requests
    from singer_adtech.records.page import Row


class Pagination(msgspec.Struct):
    """`meta.pagination` of a response (Quickstart, "Pagination response format"). Its links are not followed.

    A response with missing or unusable members is still valid.
    """

    total: Any = None
    per_page: Any = None
    current_page: Any = None
    total_pages: Any = None
    links: Any = None


class _Meta(msgspec.Struct):
    # Assumed: `meta` and its `pagination` may be empty arrays for a list of one page, like empty entities. If wrong,
    # they are always objects, which are read too.
    pagination: Pagination | list[Any] | None = None


class _Envelope(msgspec.Struct):
    data: list[msgspec.Raw] | dict[str, msgspec.Raw]
    meta: _Meta | list[Any] | None = None


# Created at import: msgspec 0.22 may crash if several threads are the first to use a type.
_ENVELOPES = msgspec.json.Decoder(_Envelope, strict=False)


@once_per_response
def read_envelope(response: requests.Response) -> _Envelope:
    """Decode the response envelope; the rows stay bytes.

    Raises:
        msgspec.DecodeError: The body is not valid JSON, is cut off, or has no `data`.
    """
    return _ENVELOPES.decode(response.content)


@dataclass(frozen=True)
class Extent:
    """The reported length of a list.

    Args:
        rows: Total of rows; None if not reported.
        last_page: Number of the last page; None if not reported.
        page_size: Rows per page.
    """

    rows: int | None
    last_page: int | None
    page_size: int


def read_extent(response: requests.Response, page: int, page_size: int) -> Extent:
    """Return the length of the list from one of its pages.

    Assumed: `total` counts all rows of a query. If wrong, fewer rows than reported fail the stream; more rows are
    accepted.

    The reported number of pages decides, because the vendor may return fewer rows per page than requested. If it is
    missing or too small for the total, it is computed from the total. Without a total, the link `next` decides.

    Args:
        response: The response.
        page: Number of its page.
        page_size: Rows requested per page.
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
    """Read a count from a number or numeric string; None for anything else."""
    try:
        number = int(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else -1
    except (ValueError, OverflowError):
        return None
    return number if number >= 0 else None


def read_rows(response: requests.Response) -> Sequence[Row]:
    """Return the rows of a response as JSON; `data` may be a single row."""
    data = read_envelope(response).data
    return data if isinstance(data, list) else [msgspec.json.encode(data)]


def without_own_name(row: dict[str, Any], own_name: str) -> Iterable[tuple[str, Any]]:
    """Unwrap a catalogue row that is wrapped in an object of the entity's name.

    Assumed: a row of a list is an entity, wrapped in its name or not; the Quickstart shows airings only. If wrong, a
    row has no `id`, and the stream fails.

    Args:
        row: `{"brand": {"data": {"id": 1}}, "industry": ...}`, or the entity's fields at the top.
        own_name: Name of the entity, in the singular.

    Returns:
        The entity's fields, then the fields next to it. A name may occur in both.
    """
    entity = unwrap(row.get(own_name))
    if not isinstance(entity, dict) or "id" in row:
        return row.items()
    return chain(entity.items(), ((name, value) for name, value in row.items() if name != own_name))


def with_own_prefix(row: dict[str, Any], columns: Container[str], own_name: str) -> Iterable[tuple[str, Any]]:
    """Prefix an entity's own fields with its name, such as `airing_`, if the row does not wrap them in it.

    Assumed: in rows of airings and corrections, fields next to the wrapped entities belong to the airing or ad itself.
    If wrong, they are in columns or `_extra` with its prefix, and unknown ones are named in a warning.

    Args:
        row: A row of `/airings` (its format is not documented), of a metric endpoint, or a correction.
        columns: The stream's columns.
        own_name: Name of the entity.

    Returns:
        The fields. The prefix is added if a column of the prefixed name exists, or if the field is a scalar without a
        column.
    """
    if own_name in row:
        return row.items()
    return (
        (f"{own_name}_{name}", value) if _is_bare(name, unwrap(value), columns, own_name) else (name, value)
        for name, value in row.items()
    )


def _is_bare(name: str, value: Any, columns: Container[str], own_name: str) -> bool:
    if f"{own_name}_{name}" in columns or f"{own_name}_{name}_id" in columns:
        return True
    return name not in columns and not isinstance(value, (dict, list)) and value is not None


def identity_getter(record: Any, names: Iterable[str]) -> tuple[list[str], Callable[[Any], Any]]:
    """Return the columns that records like this one have, and a function that returns their values.

    Args:
        record: A record, compiled or a dictionary.
        names: At least two columns of all records, and others.
    """
    if isinstance(record, CompiledRecord):
        attributes = record.attributes
        found = [name for name in names if name in attributes]
        return found, attrgetter(*(attributes[name] for name in found))
    found = [name for name in names if name in record]
    return found, itemgetter(*found)


def row_hash(row: dict[str, Any]) -> str:
    """Return the SHA-256 (hex) of a row's JSON (UTF-8, sorted keys, no spaces), a key for rows without an id."""
    return hashlib.sha256(_CANONICAL.encode(row)).hexdigest()


_CANONICAL = msgspec.json.Encoder(order="sorted", decimal_format="number")
