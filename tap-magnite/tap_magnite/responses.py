"""Responses of the API: errors, arrays and objects (Public API Guide, "Errors")."""

from __future__ import annotations

from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec
from singer_adtech.errors import AuthError, DataError, VendorError
from singer_adtech.http.responses import check_json, check_status, describe
from singer_adtech.records.exact_json import exact_json
from singer_adtech.records.page import once_per_response

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import requests

SESSION_TIMEOUT = 419
"""The session has expired (Public API Guide, "Maintaining a Session"); not a standard status."""

INVALID_CREDENTIALS = "invalid-credentials"
"""The `errorCode` of a refused login in the guide."""

_NEW_SESSION_REFUSED = "a new session was refused: check `access_key`, `secret_key` and the account's API access"
_REMEDIES: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: _NEW_SESSION_REFUSED,
    SESSION_TIMEOUT: _NEW_SESSION_REFUSED,
    HTTPStatus.FORBIDDEN: "the user has no permission for this stream: ask for access",
    HTTPStatus.PRECONDITION_FAILED: "the API documents this for queries only: run again, and report this if it stays",
}


def error_body(response: requests.Response) -> dict[str, Any] | None:
    """Return the error object of a response; None if the body is not one."""
    try:
        body = exact_json(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return body if isinstance(body, dict) and body.get("type") == "error" else None


def error_text(body: Mapping[str, Any] | None) -> str | None:
    """Return code, description and details of an error in one line; None if it has none."""
    if body is None:
        return None
    parts = [_text(body.get(name)) for name in ("errorCode", "errorDescription", "errors")]
    return ": ".join(part for part in parts if part) or None


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return msgspec.json.encode(value).decode() if value else ""


def response_text(response: requests.Response) -> str | None:
    """Return the vendor's error message in a response; None without an error object."""
    return error_text(error_body(response))


def description(response: requests.Response) -> str:
    """Describe a response in one line, with the vendor's error message."""
    return describe(response, words=response_text(response))


def check_response(
    response: requests.Response,
    remedies: Mapping[int, str] = MappingProxyType({}),
    errors: Mapping[int, type[VendorError]] = MappingProxyType({}),
) -> None:
    """Raise for an unsuccessful response, also for an error object with status 2xx.

    Args:
        response: Any response.
        remedies: Remedies by status; they replace the general ones.
        errors: Error classes by status; they replace the general ones.

    Raises:
        RateLimitedError: 429.
        TransientError: 5xx.
        VendorError: Any other status from 300, or an error object.
    """
    check_status(
        response,
        remedies={**_REMEDIES, **remedies},
        errors={SESSION_TIMEOUT: AuthError, **errors},
        words=response_text,
    )
    if response.content[:1] != b"[" and error_body(response) is not None:
        raise VendorError(description(response), "check `api_url`")


# Created at import: msgspec 0.22 may crash if several threads are the first to use a type.
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])

NOT_AN_OBJECT = "the response has an item that is not an object"


@once_per_response
def read_items(response: requests.Response) -> list[msgspec.Raw]:
    """Split an array into its items; they stay bytes.

    Raises:
        msgspec.DecodeError: The body is not a JSON array.
    """
    return _ITEMS.decode(response.content)


def check_body(response: requests.Response) -> None:
    """Refuse an incomplete body.

    Raises:
        InvalidBodyError: The body is not JSON in UTF-8, or is cut off.
    """
    check_json(response, read_items)


def read_rows(response: requests.Response) -> list[msgspec.Raw]:
    """Return the rows of a list or result as JSON.

    Raises:
        DataError: The body is not an array. An envelope would mean pages, and the rows of other pages would be lost.
    """
    try:
        return read_items(response)
    except msgspec.ValidationError:
        raise DataError("the response is not a JSON array", "report this to the tap's authors") from None


def read_array(response: requests.Response) -> Iterator[dict[str, Any]]:
    """Decode the rows of a list with exact numbers.

    Raises:
        DataError: The body is not an array of objects.
    """
    for item in read_rows(response):
        row = exact_json(bytes(item))
        if not isinstance(row, dict):
            raise DataError(NOT_AN_OBJECT, "report this to the tap's authors")
        yield row


def read_object(response: requests.Response) -> dict[str, Any]:
    """Decode a response that is one object, with exact numbers.

    Raises:
        DataError: The body is not an object.
    """
    body = exact_json(response.content)
    if not isinstance(body, dict):
        raise DataError("the response is not a JSON object", "report this to the tap's authors")
    return body
