"""Responses of the API: errors, arrays and objects (Public API Guide, "Errors")."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from singer_adtech.errors import AuthError, DataError, ForbiddenError, VendorError
from singer_adtech.http.responses import describe
from singer_adtech.http.retries import RateLimitedError, TransientError
from singer_adtech.records.exact_json import exact_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import requests

SESSION_TIMEOUT = 419
"""The session has timed out (Public API Guide, "Maintaining a Session"); in no standard."""

INVALID_CREDENTIALS = "invalid-credentials"
"""The `errorCode` that the guide prints."""

_REFUSED_ANEW = "a new session was refused: check `access_key`, `secret_key` and the account's API access"
_REMEDIES: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: _REFUSED_ANEW,
    SESSION_TIMEOUT: _REFUSED_ANEW,
    HTTPStatus.FORBIDDEN: "the user has no permission for this stream: ask for access",
    HTTPStatus.PRECONDITION_FAILED: "the API documents this for queries only: run again, and report this if it stays",
}
_REFUSALS: Mapping[int, type[VendorError]] = {
    HTTPStatus.UNAUTHORIZED: AuthError,
    SESSION_TIMEOUT: AuthError,
    HTTPStatus.FORBIDDEN: ForbiddenError,
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


def description(response: requests.Response) -> str:
    """Say in one line what an answer was, with the vendor's own words."""
    return describe(response, words=error_words(error_body(response)))


def check_response(response: requests.Response, remedies: Mapping[int, str] | None = None) -> None:
    """Raise for an answer that is no success; a 2xx that holds an error is none.

    Args:
        response: Any answer.
        remedies: What a user can do, by status, beyond what holds for every call.

    Raises:
        RateLimitedError: 429.
        TransientError: 5xx.
        VendorError: Any other status from 300 on, and an error with a lower one.
    """
    status = response.status_code
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise RateLimitedError(description(response), response)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise TransientError(description(response), response)
    if status >= HTTPStatus.MULTIPLE_CHOICES or (response.content[:1] != b"[" and error_body(response) is not None):
        general = "check the settings" if status >= HTTPStatus.BAD_REQUEST else "check `api_url`"
        raise _REFUSALS.get(status, VendorError)(
            description(response), (remedies or {}).get(status) or _REMEDIES.get(status, general)
        )


def not_found(response: requests.Response) -> bool:
    """Return whether the status is 404."""
    return response.status_code == HTTPStatus.NOT_FOUND


def read_array(response: requests.Response) -> Iterator[dict[str, Any]]:
    """Decode the rows of a list or a result, numbers exact.

    Raises:
        DataError: The body is no array of objects. An envelope would mean pages, and one page read as all of them
            would lose rows.
    """
    rows = exact_json(response.content)
    if not isinstance(rows, list):
        raise DataError("the response is not a JSON array", "report this to the tap's authors")
    for row in rows:
        if not isinstance(row, dict):
            raise DataError("the response has an item that is not an object", "report this to the tap's authors")
        yield row


def read_object(response: requests.Response) -> dict[str, Any]:
    """Decode an answer that is one object, numbers exact.

    Raises:
        DataError: It is something else.
    """
    body = exact_json(response.content)
    if not isinstance(body, dict):
        raise DataError("the response is not a JSON object", "report this to the tap's authors")
    return body
