"""Spotwatch's responses: the page object around rows, and the formats of its reference lists."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from singer_adtech.errors import DataError
from singer_adtech.http.addresses import origin
from singer_adtech.records.exact_json import exact_json
from singer_adtech.records.page import once_per_response

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import requests

LINK = re.compile(r"/[A-Za-z0-9_]{8,128}")
"""The format of a page link. No documented call matches it: each contains a dash or is shorter."""


class Page(msgspec.Struct):
    """The page object ("Pagination"); `prev`, `index` and `pages_total` are not needed.

    Assumed: a page without `next` is the last one. If wrong, the following rows are missing, and the row count fails;
    without `results_total`, the stream fails.
    """

    next: Any = msgspec.UNSET
    results_total: Any = None

    @property
    def total(self) -> int | None:
        """Rows of all pages; None if not reported."""
        return self.results_total if type(self.results_total) is int else None

    @property
    def is_last(self) -> bool:
        """Whether no page follows.

        Raises:
            DataError: The page object has neither a link nor a total.
        """
        if self.next is msgspec.UNSET and self.total is None:
            raise DataError(
                "the page object has neither `next` nor `results_total`, so it may be one of several",
                "report this to the tap's authors",
            )
        return self.next in (None, msgspec.UNSET)


class Envelope(msgspec.Struct):
    """The page object and the rows as JSON."""

    page: Page
    results: list[msgspec.Raw]


# Created at import: msgspec 0.22 may crash if several threads are the first to use a type.
_ENVELOPES = msgspec.json.Decoder(Envelope)


@once_per_response
def read_envelope(response: requests.Response) -> Envelope:
    """Decode the response envelope; the rows stay bytes.

    Raises:
        msgspec.DecodeError: The body is not JSON of this form.
    """
    return _ENVELOPES.decode(response.content)


def read_page(response: requests.Response) -> Envelope:
    """Return the response envelope.

    Raises:
        DataError: The response has no `page` object, no `results`, or they are not a list.
    """
    try:
        return read_envelope(response)
    except msgspec.ValidationError:
        raise _unusable(exact_json(response.content)) from None


def _unusable(body: Any) -> DataError:
    if isinstance(body, dict) and isinstance(body.get("page"), dict) and not isinstance(body.get("results", []), list):
        return DataError(
            f"`results` in the response is {_kind(body['results'])} instead of a list",
            "report this to the tap's authors",
        )
    return DataError(
        "the response has no `page` object or no `results`",
        "check `api_url`; if it is right, report this to the tap's authors",
    )


def link_path(link: object, api_url: str) -> str:
    """Return the path of a page link, relative to the base address.

    Args:
        link: The value of `next`.
        api_url: The base address without a trailing slash.

    Raises:
        DataError: The link has another form or another host. The message does not contain the link.
    """
    if isinstance(link, str):
        path = link
        if not link.startswith("/"):
            path = _own_path(link, api_url)
        if LINK.fullmatch(path):
            return path
    raise DataError(
        "the page link is refused: it has an unknown form or another host (link not shown)",
        "check `api_url`; if it is right, report this to Spotwatch",
    )


def _own_path(address: str, api_url: str) -> str:
    """Return the path of an address after the base address; empty if the host differs or there is more than a path."""
    try:
        parts = urlsplit(address)
        if origin(address) != origin(api_url) or "@" in parts.netloc or parts.query or parts.fragment:
            return ""
    except ValueError:  # an invalid port
        return ""
    return parts.path.removeprefix(urlsplit(api_url).path)


def names(value: Any, key: str, call: str) -> Iterator[dict[str, Any]]:
    """Read a list of names.

    Args:
        value: A list of strings, or of objects with the name in `key` or `name`.
        key: The column of the name.
        call: The path of the call, for the message.

    Yields:
        Rows with `key` and the other members of an object. Nulls are skipped.

    Raises:
        DataError: The value has another format.
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
        DataError: The value has another format.
    """
    for region, of_region in _members(value, call):
        for row in names(of_region, "channel", call):
            yield {**row, "region": region}


def genres(value: Any, call: str) -> Iterator[dict[str, Any]]:
    """Read the genres by region; rows have `region`, `genre` and `subgenre`.

    An unknown genre or subgenre is `""`.

    Assumed: a region has a map of subgenres by genre, a list of genres, or two lists `genres` and `subgenres`. If
    wrong, the stream fails, or genre and subgenre are exchanged in all rows.

    Raises:
        DataError: The value has another format.
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
    """Return the members of an object; null members only if `empty` is true."""
    if not isinstance(value, dict):
        raise _unknown(call, value)
    return ((name, member) for name, member in value.items() if empty or member is not None)


def _unknown(call: str, value: Any) -> DataError:
    return DataError(
        f"{call} returned {_kind(value)}, an unknown format",
        "deselect the stream, and report this to the tap's authors",
    )


def _kind(value: Any) -> str:
    """Describe a JSON value without its content."""
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
