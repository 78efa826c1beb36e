"""Requests as a run makes them: in budget, authenticated, repeated where that helps, and whole when they come back."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
import requests

from singer_adtech.errors import AuthError, ForbiddenError, NoConnectionError, VendorError, quoted
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
from singer_adtech.run_metrics import RequestCounts

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
    HTTPStatus.FORBIDDEN: "the account may lack the right to this: ask the vendor for it",
    HTTPStatus.NOT_FOUND: "check `api_url`, or deselect the stream",
}
"""What a user can do about a refusal, where the vendor's own rules say nothing better."""

_REFUSALS: dict[int, type[VendorError]] = {
    HTTPStatus.UNAUTHORIZED: AuthError,
    HTTPStatus.FORBIDDEN: ForbiddenError,
}


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
        own: The numbers of requests that belong to no stream, such as logins.
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
        own: RequestCounts | None = None,
    ) -> None:
        self._base_path = urlsplit(api_url).path.rstrip("/")
        self._session = session
        self._budgets = budgets
        self._policy = policy
        self._clock = clock
        self._user_agent = user_agent
        self._logger = logger
        self.own = own or RequestCounts()
        self.answered = False
        """Whether the vendor has accepted a request of this run."""

    def send(  # noqa: PLR0913 - what is asked, by whom, how it is judged, counted and called
        self,
        request: requests.Request,
        *,
        auth: Authenticator | None,
        check_status: Callable[[requests.Response], None] | None = None,
        check_body: Callable[[requests.Response], None] | None = None,
        label: str,
        counted_as: str | None = None,
        counts: RequestCounts | None = None,
    ) -> requests.Response:
        """Send a request until it is answered in full.

        Args:
            request: The request, not yet authenticated.
            auth: Who asks; None for a login.
            check_status: Raises for an answer that is no success; `check_status` of this module if not given.
            check_body: Raises `TransientError` for a body that is not what it should be, so that it is asked for again.
            label: What messages call this request; no secret.
            counted_as: The path for which budgets count it, where a vendor tells requests of one path apart.
            counts: The numbers of the stream for which it is sent; those of the tap if it is for none.

        Returns:
            A successful answer, its body read, decompressed and checked.

        Raises:
            VendorError: The vendor refused, or failed more often than the policy forgives.
        """
        path = counted_as or self._path(request.url)
        spans = [family.longest_span for family in self._budgets.families(path)]
        judge = check_status or globals()["check_status"]
        counts = counts or self.own
        failed_at: float | None = None

        def attempt() -> requests.Response:
            nonlocal failed_at
            if failed_at is not None:
                counts.retried(self._clock.monotonic() - failed_at)
            try:
                return once()
            finally:
                failed_at = self._clock.monotonic()

        def once() -> requests.Response:
            response = self._exchange(request, auth, path, label, counts)
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
            self.answered = True
            counts.accept()
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
            lost = isinstance(error.__cause__, requests.exceptions.ConnectionError)
            kind = NoConnectionError if lost else VendorError
            raise kind(f"{error} (tried {self._policy.tries} times)", _NO_HINT) from error

    def _exchange(
        self, request: requests.Request, auth: Authenticator | None, path: str, label: str, counts: RequestCounts
    ) -> requests.Response:
        """Send once; once more with a new credential if the old one has run out."""
        prepared, response = self._send_once(request, auth, path, counts)
        if auth is not None and auth.refused(response) and auth.renew(prepared):
            self._logger.info("%s: the credential has run out (HTTP %d), asked again", label, response.status_code)
            _, response = self._send_once(request, auth, path, counts)
        return response

    def _send_once(
        self, request: requests.Request, auth: Authenticator | None, path: str, counts: RequestCounts
    ) -> tuple[requests.PreparedRequest, requests.Response]:
        asked = self._clock.monotonic()
        preparing = 0.0

        def prepare() -> requests.PreparedRequest:
            # A login within, which is counted by itself.
            nonlocal preparing
            began = self._clock.monotonic()
            prepared = self._prepare(request, auth)
            preparing += self._clock.monotonic() - began
            return prepared

        with self._budgets.turn(path, prepare) as prepared:
            started = self._clock.monotonic()
            counts.sent(budget_wait=started - asked - preparing)
            size = 0
            try:
                response = self._session.send(prepared)
                size = len(response.content)
            except LOST as error:
                raise TransientError(_lost(error)) from error
            finally:
                counts.answered(self._clock.monotonic() - started, size)
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
        AuthError: 401.
        ForbiddenError: 403.
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
        raise _REFUSALS.get(status, VendorError)(said, _REMEDIES.get(status, general))


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
