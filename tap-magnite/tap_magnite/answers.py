"""What answers of the API mean (Public API Guide, "Errors"): errors, arrays, whole bodies."""

from __future__ import annotations

from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec
from singer_adtech.errors import AuthError, DataError, VendorError
from singer_adtech.http.responses import check_status, describe
from singer_adtech.records.exact_json import exact_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import requests

SESSION_TIMEOUT = 419
"""The session has timed out (Public API Guide, "Maintaining a Session"); in no standard."""

INVALID_CREDENTIALS = "invalid-credentials"
"""The `errorCode` that the guide prints."""

_REFUSED_ANEW = (
    "the session was refused although it is new: check `access_key`, `secret_key` and the account's API access"
)
_REMEDIES: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: _REFUSED_ANEW,
    SESSION_TIMEOUT: _REFUSED_ANEW,
    HTTPStatus.FORBIDDEN: "the user's permissions do not cover this stream: ask for access",
    HTTPStatus.PRECONDITION_FAILED: "the API answers so for queries only: run again, and report it if it stays",
}


def error_body(response: requests.Response) -> dict[str, Any] | None:
    """Return the error object that is an answer's body; None if its body is something else."""
    try:
        body = exact_json(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return body if isinstance(body, dict) and body.get("type") == "error" else None


def error_words(body: Mapping[str, Any] | None) -> str | None:
    """Return code, description and details of an error in one line; None if it has none of them."""
    if body is None:
        return None
    parts = [_words(body.get(name)) for name in ("errorCode", "errorDescription", "errors")]
    return ": ".join(part for part in parts if part) or None


def _words(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return msgspec.json.encode(value).decode() if value else ""


def vendor_words(response: requests.Response) -> str | None:
    """Return the vendor's description of an error, from the error object; None without one."""
    return error_words(error_body(response))


def check_answer(
    response: requests.Response,
    remedies: Mapping[int, str] = MappingProxyType({}),
    errors: Mapping[int, type[VendorError]] = MappingProxyType({}),
) -> None:
    """Raise for a response that is not a success; a 2xx with an error object is not one.

    Args:
        response: Any response.
        remedies: What the user can do, by status, if this differs from other calls.
        errors: Error classes, by status, if these differ from other calls.

    Raises:
        RateLimitedError: 429.
        TransientError: 5xx.
        VendorError: Any other status from 300, and an error object with a lower one.
    """
    check_status(
        response,
        remedies={**_REMEDIES, **remedies},
        errors={SESSION_TIMEOUT: AuthError, **errors},
        words=vendor_words,
    )
    if response.content[:1] != b"[" and error_body(response) is not None:
        raise VendorError(describe(response, words=vendor_words(response)), "check `api_url`")


def read_array(response: requests.Response) -> Iterator[dict[str, Any]]:
    """Decode the rows of a list or a result, numbers exact.

    Raises:
        DataError: The body is no array of objects. An envelope would mean pages, and one page read as all of them
            would lose rows.
    """
    rows = exact_json(response.content)
    if not isinstance(rows, list):
        raise DataError("an array was expected, and something else came", "report this to the tap's authors")
    for row in rows:
        if not isinstance(row, dict):
            raise DataError("an array of objects was expected, and it holds something else", "report this")
        yield row


def read_object(response: requests.Response) -> dict[str, Any]:
    """Decode an answer that is one object, numbers exact.

    Raises:
        DataError: It is something else.
    """
    body = exact_json(response.content)
    if not isinstance(body, dict):
        raise DataError("an object was expected, and something else came", "report this to the tap's authors")
    return body
