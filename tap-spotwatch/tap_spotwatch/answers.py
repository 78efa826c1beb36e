"""Answers of Spotwatch: the page object around rows, and the shapes of its reference lists."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from singer_adtech.errors import DataError
from singer_adtech.http.addresses import origin
from singer_adtech.records.exact_json import exact_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import requests

LINK = re.compile(r"/[A-Za-z0-9_]{8,128}")
"""The form of a page link; no documented call has it, as each holds a dash or is shorter."""


class Page(msgspec.Struct):
    """The page object ("Pagination"); `prev`, `index` and `pages_total` are not needed."""

    next: Any = None
    results_total: Any = None

    @property
    def total(self) -> int | None:
        """Rows of all pages together; None if it is not told."""
        return self.results_total if type(self.results_total) is int else None


class _Envelope(msgspec.Struct):
    page: Page
    results: msgspec.Raw


# Made before threads use it: msgspec 0.22 may crash when several are the first to need a type.
_ENVELOPES = msgspec.json.Decoder(_Envelope)


def read_page(response: requests.Response) -> tuple[Page, msgspec.Raw]:
    """Read an answer's page object, and leave its rows as bytes.

    Raises:
        DataError: There is no page object, or no results.
    """
    try:
        envelope = _ENVELOPES.decode(response.content)
    except msgspec.ValidationError:
        raise DataError(
            "the answer has no `page` object, or no `results`: both were expected",
            "check `api_url`; if it is right, report this to the tap's authors",
        ) from None
    return envelope.page, envelope.results


def read_rows(response: requests.Response) -> Iterator[dict[str, Any]]:
    """Decode the rows of a page, numbers exact.

    Raises:
        DataError: `results` is no list of objects.
    """
    rows = exact_json(bytes(read_page(response)[1]))
    if not isinstance(rows, list):
        raise DataError(
            f"the answer's `results` is {_shape(rows)}: a list was expected", "report this to the tap's authors"
        )
    for row in rows:
        if not isinstance(row, dict):
            raise DataError(
                f"the answer's `results` holds {_shape(row)}: objects were expected", "report this to the tap's authors"
            )
        yield row


def link_path(link: object, api_url: str) -> str:
    """Return the path of a page link, below the base address.

    Args:
        link: What the vendor sent as `next`.
        api_url: The base address, without a slash at its end.

    Raises:
        DataError: The link has another form or leads to another host; its words do not show the link.
    """
    if isinstance(link, str):
        path = link
        if not link.startswith("/"):
            path = _own_path(link, api_url)
        if LINK.fullmatch(path):
            return path
    raise DataError(
        "the vendor's page link is refused: it has an unknown form or leads to another host (link not shown)",
        "check `api_url`; if it is right, report this to Spotwatch",
    )


def _own_path(address: str, api_url: str) -> str:
    """Return what an address has after the base address; nothing if it is elsewhere, or has more than a path."""
    try:
        parts = urlsplit(address)
        if origin(address) != origin(api_url) or "@" in parts.netloc or parts.query or parts.fragment:
            return ""
    except ValueError:  # a port that is none
        return ""
    return parts.path.removeprefix(urlsplit(api_url).path)


def names(value: Any, key: str, call: str) -> Iterator[dict[str, Any]]:
    """Read a list of names.

    Args:
        value: A list of strings (Assumed: the page says "list"), or of objects with the name as `key` or `name`.
        key: What the row calls the name.
        call: The call that answered, for the message.

    Yields:
        Rows with `key`; other members of an object beside it. Nulls are skipped.

    Raises:
        DataError: It is something else.
    """
    if not isinstance(value, list):
        raise _unknown(call, value)
    for item in value:
        if isinstance(item, str):
            yield {key: item}
        elif isinstance(item, dict):
            member = next((name for name in (key, "name") if isinstance(item.get(name), str)), None)
            if member is None:
                raise _unknown(call, value)
            others = {name: other for name, other in item.items() if name != member}
            yield {**others, key: item[member]}
        elif item is not None:
            raise _unknown(call, value)


def channels(value: Any, call: str) -> Iterator[dict[str, Any]]:
    """Read a map of channels by region; rows have `region` and `channel`.

    Raises:
        DataError: It is something else.
    """
    for region, of_region in _members(value, call):
        for row in names(of_region, "channel", call):
            yield {**row, "region": region}


def genres(value: Any, call: str) -> Iterator[dict[str, Any]]:
    """Read the genres by region; rows have `region`, `genre` and `subgenre`.

    Assumed: a region has a map of subgenres by genre. Also read: a list of genres; a map of the two lists `genres` and
    `subgenres`, of which it is not told which belong together. What is not told is `""`.

    Raises:
        DataError: It is something else.
    """
    for region, of_region in _members(value, call):
        if isinstance(of_region, list):
            pairs = [{**row, "subgenre": ""} for row in names(of_region, "genre", call)]
        elif isinstance(of_region, dict) and of_region and of_region.keys() <= {"genres", "subgenres"}:
            pairs = [{**row, "subgenre": ""} for row in names(of_region.get("genres") or [], "genre", call)]
            pairs += [{**row, "genre": ""} for row in names(of_region.get("subgenres") or [], "subgenre", call)]
        else:
            pairs = [
                {**row, "genre": genre}
                for genre, of_genre in _members(of_region, call, empty=True)
                for row in list(names(of_genre or [], "subgenre", call)) or [{"subgenre": ""}]
            ]
        for pair in pairs:
            yield {**pair, "region": region}


def _members(value: Any, call: str, *, empty: bool = False) -> Iterator[tuple[str, Any]]:
    """Return the members of an object; those that are null only if an empty one means something."""
    if not isinstance(value, dict):
        raise _unknown(call, value)
    return ((name, member) for name, member in value.items() if empty or member is not None)


def _unknown(call: str, value: Any) -> DataError:
    return DataError(
        f"{call} answered with {_shape(value)}, a shape that the tap does not know",
        "deselect the stream, and report this to the tap's authors",
    )


def _shape(value: Any) -> str:
    """Say what a JSON value is, without a word of its content."""
    if isinstance(value, list):
        kinds = sorted({_KINDS[type(item)] for item in value})
        return f"a list of {' and '.join(kinds)}" if kinds else "an empty list"
    if isinstance(value, dict):
        kinds = sorted({_KINDS[type(member)] for member in value.values()})
        return f"an object of {' and '.join(kinds)}" if kinds else "an empty object"
    return f"one of {_KINDS[type(value)]}"


_KINDS: Mapping[type, str] = {
    str: "strings",
    int: "numbers",
    Decimal: "numbers",
    bool: "booleans",
    dict: "objects",
    list: "lists",
    type(None): "nulls",
}
