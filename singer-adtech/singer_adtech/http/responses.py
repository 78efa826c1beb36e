"""Responses: status codes, and one-line descriptions of errors."""

from __future__ import annotations

from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from singer_adtech.errors import AuthError, ForbiddenError, NotFoundError, VendorError, shorten
from singer_adtech.http.bodies import InvalidBodyError, json_problem
from singer_adtech.http.retries import RateLimitedError, TransientError
from singer_adtech.redaction import REDACTOR

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import requests

_ERRORS: Mapping[int, type[VendorError]] = {
    HTTPStatus.UNAUTHORIZED: AuthError,
    HTTPStatus.FORBIDDEN: ForbiddenError,
    HTTPStatus.NOT_FOUND: NotFoundError,
}
_REMEDIES: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: "check the credentials",
    HTTPStatus.FORBIDDEN: "no access: ask the vendor for it",
    HTTPStatus.NOT_FOUND: "check `api_url`, or deselect the stream",
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: "check the credentials of the proxy in HTTP_PROXY",
}


def check_status(
    response: requests.Response,
    *,
    remedies: Mapping[int, str] = MappingProxyType({}),
    errors: Mapping[int, type[VendorError]] = MappingProxyType({}),
    words: Callable[[requests.Response], str | None] = lambda _: None,
) -> None:
    """Raise for a response that is not a success.

    Args:
        response: Any response.
        remedies: Advice to the user by status. The default is general advice.
        errors: Error classes by status. The defaults are listed below.
        words: Extracts the vendor's error description from the body. If it returns None, `describe` does.

    Raises:
        RateLimitedError: 429.
        TransientError: 5xx.
        AuthError: 401.
        ForbiddenError: 403.
        NotFoundError: 404.
        VendorError: Any other status from 300.
    """
    status = response.status_code
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return
    description = describe(response, words=words(response))
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise RateLimitedError(description, response)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise TransientError(description, response)
    error = errors.get(status) or _ERRORS.get(status, VendorError)
    general = "check the settings" if status >= HTTPStatus.BAD_REQUEST else "check `api_url`"
    raise error(description, remedies.get(status) or _REMEDIES.get(status, general))


def describe(response: requests.Response, *, words: str | None = None) -> str:
    """Describe a response in one line.

    Args:
        response: Any response with a body of JSON, text or HTML.
        words: The vendor's error description, if the caller extracted it.

    Returns:
        Status, description and the vendor's request id, without secrets or the address.
    """
    text = words if words is not None else _words(response)
    request_id = response.headers.get("X-Request-ID")
    reason = response.reason or ""
    parts = [f"HTTP {response.status_code} {reason}".rstrip()]
    if text and text != reason:
        parts.append(f'"{shorten(REDACTOR.scrub(text))}"')
    if request_id:
        parts.append(f"(X-Request-ID {shorten(request_id, 80)})")
    return " ".join(parts)


def _words(response: requests.Response) -> str:
    """Extract the vendor's error description from any kind of body.

    Only known JSON members are used, because others may contain rows.
    """
    kind = response.headers.get("Content-Type", "")
    text = response.content[:10_000].decode("utf-8", "replace").strip()
    if "html" in kind or text[:1] == "<":
        return "an HTML page"
    if "json" not in kind and text[:1] not in {"{", "["}:
        return text
    try:
        body = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return ": ".join(dict.fromkeys(_found_words(body)))


def _found_words(body: Any) -> list[str]:
    if not isinstance(body, dict):
        return []
    found: list[str] = []
    for name in ("title", "detail", "error", "error_description", "errorDescription", "message", "errors"):
        value = body.get(name)
        values = value if isinstance(value, list) else [value]
        found += [str(one) for one in values if isinstance(one, (str, int)) and one not in {"", False, True}]
        found += [word for one in values for word in _found_words(one)]
    return found


def check_json(response: requests.Response, envelope: Callable[[requests.Response], object] | None = None) -> None:
    """Reject a response with an incomplete body.

    Args:
        response: The response.
        envelope: Decodes its envelope and keeps the result, so that the body is read once.

    Raises:
        InvalidBodyError: The body is not JSON in UTF-8, or is cut off.
    """
    body = response.content
    problem = json_problem(body) if envelope is None else json_problem(body, lambda _: envelope(response))
    if problem is not None:
        raise InvalidBodyError(problem, response)
