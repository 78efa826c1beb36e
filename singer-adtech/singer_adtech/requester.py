"""Requests as a run makes them: in budget, authenticated, repeated where that helps, and whole when they come back."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
import requests

from singer_adtech.errors import VendorError, quoted
from singer_adtech.redaction import REDACTOR
from singer_adtech.retries import (
    RateLimitedError,
    RetryPolicy,
    TransientError,
    asked_wait,
    nothing_left,
    reset_wait,
    retry_after,
)

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from singer_adtech.auth import Authenticator
    from singer_adtech.budgets import Budgets
    from singer_adtech.clock import Clock
    from singer_adtech.sessions import Session


LOST = (
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
    ConnectionResetError,
)
"""What requests raises when no whole answer came."""

_NO_HINT = "the vendor may be down: try again later"

_REMEDIES: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "check the credentials",
    HTTPStatus.FORBIDDEN: "the account may lack the right to this: deselect the stream",
    HTTPStatus.NOT_FOUND: "check `api_url`, or deselect the stream",
}
"""What a user can do about a refusal, where the vendor's own rules say nothing better."""


class Requester:
    """Sends requests for all streams of a run. Its methods may be called from several threads.

    Args:
        api_url: The base address; budgets count the path below it.
        session: Connections.
        budgets: The vendor's request limits.
        policy: When requests are repeated.
        clock: Where time comes from.
        user_agent: Sent with each request.
        logger: Told about waits.
    """

    def __init__(  # noqa: PLR0913 - the parts of which a run's requests are made
        self,
        api_url: str,
        *,
        session: Session,
        budgets: Budgets,
        policy: RetryPolicy,
        clock: Clock,
        user_agent: str,
        logger: logging.Logger,
    ) -> None:
        self._base_path = urlsplit(api_url).path.rstrip("/")
        self._session = session
        self._budgets = budgets
        self._policy = policy
        self._clock = clock
        self._user_agent = user_agent
        self._logger = logger

    def send(  # noqa: PLR0913 - what is asked, by whom, how it is judged, counted and called
        self,
        request: requests.Request,
        *,
        auth: Authenticator | None,
        check_status: Callable[[requests.Response], None] | None = None,
        check_body: Callable[[requests.Response], None] | None = None,
        label: str,
        counted_as: str | None = None,
    ) -> requests.Response:
        """Send a request until it is answered in full.

        Args:
            request: The request, not yet authenticated.
            auth: Who asks; None for a login.
            check_status: Raises for an answer that is no success; `check_status` of this module if not given.
            check_body: Raises `TransientError` for a body that is not what it should be, so that it is asked for again.
            label: What messages call this request; no secret.
            counted_as: The path for which budgets count it, where a vendor tells requests of one path apart.

        Returns:
            A successful answer, its body read, decompressed and checked.

        Raises:
            VendorError: The vendor refused, or failed more often than the policy forgives.
        """
        path = counted_as or self._path(request.url)
        spans = [family.longest_span for family in self._budgets.families(path)]
        judge = check_status or globals()["check_status"]

        def attempt() -> requests.Response:
            response = self._exchange(request, auth, path, label)
            try:
                judge(response)
                if check_body is not None:
                    check_body(response)
            except TransientError as error:
                limited = isinstance(error, RateLimitedError)
                if error.asked_wait is None:
                    # The reset, which many vendors tell in every answer, is advice on rate limits only.
                    advice = asked_wait if limited else retry_after
                    error.asked_wait = advice(response.headers, self._clock.now())
                if limited and error.asked_wait is not None:
                    self._budgets.hold(path, min(error.asked_wait, self._policy.longest_wait))
                raise
            return response

        try:
            return self._policy.run(
                attempt,
                longest_unasked_wait=max(spans) if spans else None,
                announce=lambda what: self._logger.warning("%s: %s", label, REDACTOR.scrub(what)),
            )
        except RateLimitedError as error:
            tries = self._policy.rate_limit_tries
            families = self._budgets.families(path)
            names = ", ".join(family.name for family in families) or REDACTOR.scrub(path)
            settings = " or ".join(f"`{family.setting}`" for family in reversed(families) if family.setting)
            lower = f"lower {settings}, or " if settings else ""
            raise VendorError(
                f"rate limit of {names}: {error} (tried {tries} times)", f"{lower}run fewer syncs at once, or later"
            ) from error
        except TransientError as error:
            raise VendorError(f"{error} (tried {self._policy.tries} times)", _NO_HINT) from error

    def _exchange(
        self, request: requests.Request, auth: Authenticator | None, path: str, label: str
    ) -> requests.Response:
        """Send once; once more with a new credential if the old one has run out."""
        prepared, response = self._send_once(request, auth, path)
        if auth is not None and auth.refused(response) and auth.renew(prepared):
            self._logger.info("%s: the credential has run out (HTTP %d), asked again", label, response.status_code)
            _, response = self._send_once(request, auth, path)
        return response

    def _send_once(
        self, request: requests.Request, auth: Authenticator | None, path: str
    ) -> tuple[requests.PreparedRequest, requests.Response]:
        with self._budgets.turn(path, partial(self._prepare, request, auth)) as prepared:
            try:
                response = self._session.send(prepared)
            except LOST as error:
                raise TransientError(_lost(error)) from error
            if nothing_left(response.headers):
                wait = reset_wait(response.headers, self._clock.now())
                if wait is not None:
                    self._budgets.hold(path, min(wait, self._policy.longest_wait))
        return prepared, response

    def _prepare(self, request: requests.Request, auth: Authenticator | None) -> requests.PreparedRequest:
        prepared = request.prepare()
        prepared.headers.setdefault("User-Agent", self._user_agent)
        prepared.headers.setdefault("Accept-Encoding", "gzip")
        prepared.headers.setdefault("Accept", "application/json")
        return prepared if auth is None else auth(prepared)

    def _path(self, url: str) -> str:
        path = urlsplit(url).path
        return path.removeprefix(self._base_path)


def check_status(response: requests.Response) -> None:
    """Raise for an answer that is no success.

    Args:
        response: Any answer.

    Raises:
        RateLimitedError: 429.
        TransientError: 5xx.
        VendorError: Any other status from 300 on.
    """
    status = response.status_code
    said = describe(response)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise RateLimitedError(said, response)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise TransientError(said, response)
    if status >= HTTPStatus.MULTIPLE_CHOICES:
        general = "check the settings" if status >= HTTPStatus.BAD_REQUEST else "check `api_url`"
        raise VendorError(said, _REMEDIES.get(status, general))


def check_json(response: requests.Response) -> None:
    """Refuse an answer whose body is not whole.

    Raises:
        TransientError: The body is no JSON in UTF-8, or breaks off.
    """
    try:
        msgspec.json.decode(response.content, type=msgspec.Raw)
        # msgspec does not look into strings that it passes over.
        response.content.decode()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TransientError(f"HTTP {response.status_code} with a body that is no whole JSON", response) from error


def describe(response: requests.Response, *, words: str | None = None) -> str:
    """Say in one line what the vendor answered.

    Args:
        response: Any answer; its body may be JSON, text or HTML.
        words: The vendor's own words, where the caller has found them in the body.

    Returns:
        Status, words and the vendor's request id, without secrets and without the address.
    """
    text = words if words is not None else _words(response)
    request_id = response.headers.get("X-Request-ID")
    reason = response.reason or ""
    parts = [f"HTTP {response.status_code} {reason}".rstrip()]
    if text and text != reason:
        parts.append(f'"{quoted(REDACTOR.scrub(text))}"')
    if request_id:
        parts.append(f"(X-Request-ID {quoted(request_id, 80)})")
    return " ".join(parts)


def _words(response: requests.Response) -> str:
    """Find the vendor's words in an error body that may be anything."""
    kind = response.headers.get("Content-Type", "")
    text = response.content[:10_000].decode("utf-8", "replace")
    if "html" in kind or text.lstrip()[:1] == "<":
        return "an HTML page"
    if "json" in kind:
        try:
            body = msgspec.json.decode(response.content)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return text
        if isinstance(body, dict):
            names = ("title", "detail", "error", "error_description", "errorDescription", "message")
            said = [str(body[name]) for name in names if isinstance(body.get(name), (str, int)) and body[name] != ""]
            return ": ".join(dict.fromkeys(said)) or text
    return text


def _lost(error: Exception) -> str:
    """Name a lost connection without the address, which may hold a capability."""
    if isinstance(error, requests.exceptions.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the answer was cut off"
    if isinstance(error, requests.exceptions.ContentDecodingError):
        return "the answer could not be decompressed"
    if isinstance(error, requests.exceptions.SSLError):
        return "no secure connection: the certificate was not accepted"
    return "no connection, or the connection was lost"
