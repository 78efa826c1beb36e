"""SpringServe's responses: the envelopes of lists and reports, and the messages of errors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
from singer_adtech.errors import DataError, shorten
from singer_adtech.records.exact_json import exact_json
from singer_adtech.records.page import once_per_response
from singer_adtech.records.values import json_kind
from singer_adtech.redaction import REDACTOR

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import requests

_FIRST_WORDS = 200


class Page(msgspec.Struct):
    """One answer to a list: the envelope of v1, or a bare array, which has rows alone.

    The documented envelope has `count`, `includable_fields` and `additional_data_fields` beside these.
    """

    results: list[msgspec.Raw]
    total_count: int | None = None
    current_page: int | None = None
    total_pages: int | None = None


class ReportAnswer(msgspec.Struct):
    """One answer about a report: its state, and rows once it is complete; a bare array is a complete one."""

    status: str | None = None
    report_id: int | str | None = None
    page: int | None = None
    total_pages: int | None = None
    total_rows: int | None = None
    data: list[msgspec.Raw] | None = None
    error: Any = None

    @property
    def words(self) -> str:
        """What the vendor says of a report that it did not complete; empty if it says nothing."""
        return _first(str(self.error)) if self.error else ""


class _Row(msgspec.Struct):
    id: msgspec.Raw = msgspec.Raw(b"")


_PAGES: msgspec.json.Decoder[list[msgspec.Raw] | Page] = msgspec.json.Decoder(list[msgspec.Raw] | Page, strict=False)
_REPORTS: msgspec.json.Decoder[list[msgspec.Raw] | ReportAnswer] = msgspec.json.Decoder(
    list[msgspec.Raw] | ReportAnswer, strict=False
)
_IDS: msgspec.json.Decoder[_Row] = msgspec.json.Decoder(_Row)


@once_per_response
def read_page(response: requests.Response) -> Page:
    """Read an answer's frame and leave its rows as bytes.

    Either version may answer with an array or with an envelope: a few v1 lists are declared as arrays.

    Raises:
        DataError: The answer is neither.
    """
    try:
        answer = _PAGES.decode(response.content)
    except msgspec.DecodeError:
        raise _unexpected(response, "an array, or an object with `results`") from None
    return answer if isinstance(answer, Page) else Page(answer)


@once_per_response
def read_report(response: requests.Response) -> ReportAnswer:
    """Read an answer about a report and leave its rows as bytes.

    Raises:
        DataError: It is neither an array nor an object with `data` or with `status` and `report_id`.
    """
    try:
        answer = _REPORTS.decode(response.content)
    except msgspec.DecodeError:
        answer = ReportAnswer()
    if not isinstance(answer, ReportAnswer):
        return ReportAnswer(data=answer)
    if answer.status is None and answer.data is None:
        raise _unexpected(response, "rows, or an object with `status` and `report_id`")
    return answer


def decode_rows(rows: Iterable[msgspec.Raw]) -> Iterator[dict[str, Any]]:
    """Decode rows, numbers exact.

    Raises:
        DataError: One is no object.
    """
    for sent in rows:
        row = exact_json(bytes(sent))
        if not isinstance(row, dict):
            raise DataError(f"a row is a JSON {json_kind(row)} instead of an object", "check `api_url`")
        yield row


def row_ids(page: Page) -> list[bytes]:
    """Return what tells the rows of a page from those of another: their ids, or the rows where they have none."""
    return [_id(row) or bytes(row) for row in page.results]


def _id(row: msgspec.Raw) -> bytes:
    try:
        return bytes(_IDS.decode(row).id)
    except msgspec.DecodeError:
        return b""


def words(response: requests.Response) -> str:
    """Find the vendor's words in a body that may be anything.

    An error is `{"error": "..."}`, 422 adds `{"errors": {"field": ["..."]}}`, 429 is text, and the load balancer sends
    HTML, of which the text without its tags is returned.
    """
    text = response.content[:10_000].decode("utf-8", "replace")
    if is_html(response):
        return _first(re.sub(r"<[^>]*>", " ", re.sub(r"(?is)<(title|style|script)\b.*?</\1>", " ", text)) or text)
    try:
        body = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # The beginning of an object may hold anything.
        return "" if text.lstrip()[:1] in {"{", "["} else _first(text)
    if not isinstance(body, dict):
        return _first(body) if isinstance(body, str) else ""
    found = [str(body[name]) for name in ("error", "message") if body.get(name)]
    errors = body.get("errors")
    if isinstance(errors, dict):
        found += [
            f"{field}: {', '.join(map(str, said)) if isinstance(said, list) else said}"
            for field, said in errors.items()
        ]
    elif errors:
        found.append(", ".join(map(str, errors)) if isinstance(errors, list) else str(errors))
    return _first("; ".join(found))


def is_html(response: requests.Response) -> bool:
    """Tell whether an answer is a page of HTML, as the load balancer sends it."""
    return "html" in response.headers.get("Content-Type", "") or response.content.lstrip()[:1] == b"<"


def _first(text: str) -> str:
    # Before it is cut: the beginning of a secret would not be known as one any more.
    return shorten(REDACTOR.scrub(text), _FIRST_WORDS)


def _unexpected(response: requests.Response, expected: str) -> DataError:
    # Without a word of it: it may be rows.
    return DataError(f"HTTP {response.status_code} with an unexpected body: expected {expected}", "check `api_url`")
