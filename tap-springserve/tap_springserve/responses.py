"""SpringServe's responses: the envelopes of lists and reports, and the messages of errors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
from singer_adtech.errors import DataError, shorten
from singer_adtech.records.page import once_per_response
from singer_adtech.redaction import REDACTOR

if TYPE_CHECKING:
    import requests

_FIRST_WORDS = 200


class Page(msgspec.Struct):
    """A page of a list: the envelope of v1, or the rows of a bare array.

    The documented envelope also has `count`, `includable_fields` and `additional_data_fields`.
    """

    results: list[msgspec.Raw]
    total_count: int | None = None
    current_page: int | None = None
    total_pages: int | None = None


class ReportResponse(msgspec.Struct):
    """A response about a report: its status, and its rows when it is complete. A bare array is complete."""

    status: str | None = None
    report_id: int | str | None = None
    page: int | None = None
    total_pages: int | None = None
    total_rows: int | None = None
    data: list[msgspec.Raw] | None = None
    error: Any = None

    @property
    def message(self) -> str:
        """The vendor's message about a failed report; empty if there is none."""
        return _first(str(self.error)) if self.error else ""


class _Row(msgspec.Struct):
    id: msgspec.Raw = msgspec.Raw(b"")


class _Owned(msgspec.Struct):
    account_id: int | str | None = None


_PAGES: msgspec.json.Decoder[list[msgspec.Raw] | Page] = msgspec.json.Decoder(list[msgspec.Raw] | Page, strict=False)
_REPORTS: msgspec.json.Decoder[list[msgspec.Raw] | ReportResponse] = msgspec.json.Decoder(
    list[msgspec.Raw] | ReportResponse, strict=False
)
_IDS: msgspec.json.Decoder[_Row] = msgspec.json.Decoder(_Row)
_OWNERS: msgspec.json.Decoder[_Owned] = msgspec.json.Decoder(_Owned)


@once_per_response
def decode_page(response: requests.Response) -> Page:
    """Decode the envelope of a list; the rows stay bytes.

    Both versions may return an array or an envelope: a few v1 lists are declared as arrays.

    Raises:
        msgspec.DecodeError: The body is neither, or it is not valid JSON.
    """
    decoded = _PAGES.decode(response.content)
    return decoded if isinstance(decoded, Page) else Page(decoded)


def read_page(response: requests.Response) -> Page:
    """Return the envelope of a list, decoded once.

    Raises:
        DataError: The body is neither an array nor an object with `results`.
    """
    try:
        return decode_page(response)
    except msgspec.DecodeError:
        raise _unexpected(response, "an array, or an object with `results`") from None


@once_per_response
def decode_report(response: requests.Response) -> ReportResponse:
    """Decode a response about a report; the rows stay bytes.

    Raises:
        msgspec.DecodeError: The body is neither an array nor such an object, or it is not valid JSON.
    """
    decoded = _REPORTS.decode(response.content)
    return decoded if isinstance(decoded, ReportResponse) else ReportResponse(data=decoded)


def read_report(response: requests.Response) -> ReportResponse:
    """Return a response about a report, decoded once.

    Raises:
        DataError: The body is neither an array nor an object with `data` or with `status` and `report_id`.
    """
    try:
        decoded = decode_report(response)
    except msgspec.DecodeError:
        decoded = ReportResponse()
    if decoded.status is None and decoded.data is None:
        raise _unexpected(response, "rows, or an object with `status` and `report_id`")
    return decoded


def row_ids(page: Page) -> list[bytes]:
    """Return the ids of a page's rows, to compare pages; rows without an id are returned whole."""
    return [_id(row) or bytes(row) for row in page.results]


def _id(row: msgspec.Raw) -> bytes:
    try:
        return bytes(_IDS.decode(row).id)
    except msgspec.DecodeError:
        return b""


def accounts(page: Page) -> set[str]:
    """Return the accounts of a page's rows; rows without a valid one are ignored."""
    found: set[str] = set()
    for row in page.results:
        try:
            account = _OWNERS.decode(row).account_id
        except msgspec.DecodeError:
            continue
        if account is not None:
            found.add(str(account))
    return found


def words(response: requests.Response) -> str:
    """Find the vendor's message in an error body.

    An error is `{"error": "..."}`, 422 adds `{"errors": {"field": ["..."]}}`, 429 is text, and the load balancer sends
    HTML, returned without tags.
    """
    text = response.content[:10_000].decode("utf-8", "replace")
    if is_html(response):
        return _first(re.sub(r"<[^>]*>", " ", re.sub(r"(?is)<(title|style|script)\b.*?</\1>", " ", text)) or text)
    try:
        body = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # An object that is cut off may contain anything.
        return "" if text.lstrip()[:1] in {"{", "["} else _first(text)
    if not isinstance(body, dict):
        return _first(body) if isinstance(body, str) else ""
    found = [str(body[name]) for name in ("error", "message") if body.get(name)]
    errors = body.get("errors")
    if isinstance(errors, dict):
        found += [
            f"{field}: {', '.join(map(str, messages)) if isinstance(messages, list) else messages}"
            for field, messages in errors.items()
        ]
    elif errors:
        found.append(", ".join(map(str, errors)) if isinstance(errors, list) else str(errors))
    return _first("; ".join(found))


def is_html(response: requests.Response) -> bool:
    """Return whether a response is HTML; only the load balancer sends it."""
    return "html" in response.headers.get("Content-Type", "") or response.content.lstrip()[:1] == b"<"


def _first(text: str) -> str:
    # Redacted first: the beginning of a secret would not be recognized after shortening.
    return shorten(REDACTOR.scrub(text), _FIRST_WORDS)


def _unexpected(response: requests.Response, expected: str) -> DataError:
    # The body is not quoted: it may contain rows.
    return DataError(f"HTTP {response.status_code} with an unexpected body: expected {expected}", "check `api_url`")
