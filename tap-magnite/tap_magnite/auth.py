"""The authenticator: one login, one Cookie header, one logout per run (Public API Guide, "Authentication")."""

from __future__ import annotations

import math
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests
from singer_adtech.errors import VendorError
from singer_adtech.http.auth import Token, TokenAuthenticator
from singer_adtech.http.responses import check_json
from singer_adtech.redaction import REDACTOR
from typing_extensions import override

from tap_magnite.responses import (
    INVALID_CREDENTIALS,
    SESSION_TIMEOUT,
    check_response,
    description,
    error_body,
    read_object,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from singer_adtech.clock import Clock
    from singer_adtech.http.requester import Requester
    from singer_adtech.http.session import Session
    from singer_adtech.metrics import RequestCounts

API_SESSION = "ApiSession"
"""The name of the cookie in the text of the guide."""

VHFP_SESSION = "VhfpSession"
"""The name of the cookie in the example of the guide."""

_CHECK_KEYS = "check `access_key` and `secret_key`, and whether the account has API access"
_LOGIN_WAIT = 10.0
"""Seconds that a logout waits for a login in another thread."""


class SessionAuthenticator(TokenAuthenticator):
    """The session of a run, shared by all streams and threads.

    Requests send it in one Cookie header: `ApiSession` with the session code, and the other cookies of the login.
    Parallel requests that get status 419 cause one login.

    Args:
        requester: Sends the login, with the usual retries.
        api_url: The API's base address.
        access_key: The user's access key.
        secret_key: The user's secret key.
        clock: The clock.
        counts: Counts the requests that bypass the requester: logout and cancelled queries.
        identify: Called with the company in the login response.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of a session
        self,
        requester: Requester,
        api_url: str,
        access_key: str,
        secret_key: str,
        clock: Clock,
        counts: RequestCounts,
        *,
        identify: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(clock, header="Cookie", prefix="")
        self._counts = counts
        self._requester = requester
        self._url = f"{api_url}/sessions"
        self._keys = {"accessKey": access_key, "secretKey": secret_key}
        self._code: str | None = None
        self._ended = False
        self._identify = identify

    @property
    def ended(self) -> bool:
        """Whether the session was closed and must not be opened again."""
        return self._ended

    @override
    def refused(self, response: requests.Response) -> bool:
        # Assumed: 401 during a run means that the session has expired, like 419; the guide does not document it. If
        # wrong, there is one more login, and the second refusal fails the run.
        return response.status_code in {HTTPStatus.UNAUTHORIZED, SESSION_TIMEOUT}

    @override
    def renew(self, prepared: requests.PreparedRequest) -> bool:
        # A thread that runs after the logout must not open a session, because it would stay open.
        return not self._ended and super().renew(prepared)

    @override
    def login(self) -> Token:
        if self._ended:
            raise VendorError("the run has ended")
        self._code = None
        response = self._requester.send(
            requests.Request("POST", self._url, json=self._keys),
            auth=None,
            check_status=_check_login,
            check_body=check_json,
            label="login",
        )
        cookies = _cookies(response)
        REDACTOR.add(*cookies.values())
        session = read_object(response)
        code = _session_code(session, cookies)
        REDACTOR.add(code)
        self._code = code
        user = session.get("user")
        company = user.get("company") if isinstance(user, dict) else None
        if isinstance(company, str) and company:
            self._identify(company)
        # Assumed: the session cookie is read as `ApiSession` (text of the guide) or under the name that was set (its
        # example), so both are sent. If wrong, the first request after the login is refused, and the run fails.
        values = {**cookies, API_SESSION: code}
        # Valid until refused: the guide mentions an idle timeout without its length.
        return Token("; ".join(f"{name}={values[name]}" for name in (API_SESSION, *_others(cookies))), math.inf)

    def logout(self, session: Session) -> None:
        """End the session. Errors are ignored, and no requests can be sent afterwards.

        Args:
            session: Connections with a short timeout; the timeout of the run may be minutes.
        """
        self._ended = True
        # Wait for a login in another thread, because its session must be closed too.
        locked = self._lock.acquire(timeout=_LOGIN_WAIT)
        try:
            code, token = self._code, self._token
            self._code = None
            if code is None or token is None:
                return
            request = requests.Request("DELETE", f"{self._url}/{quote(code, safe='')}", headers={"Cookie": token.value})
            self._counts.sent()
            with suppress(Exception):
                session.send(request.prepare())
        finally:
            if locked:
                self._lock.release()

    def send_once(self, session: Session, request: requests.Request) -> None:
        """Send a request with the current session, without renewal or retries.

        Raises:
            Exception: The request failed. The response is not checked.
        """
        if self._token is not None:
            request.headers = {**request.headers, "Cookie": self._token.value}
            self._counts.sent()
            session.send(request.prepare())


def _others(cookies: Mapping[str, str]) -> list[str]:
    return [name for name in cookies if name != API_SESSION]


def _check_login(response: requests.Response) -> None:
    error = error_body(response) or {}
    refused = response.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
    if refused or error.get("errorCode") == INVALID_CREDENTIALS:
        raise VendorError(f"the login was refused: {description(response)}", _CHECK_KEYS)
    check_response(response, {SESSION_TIMEOUT: _CHECK_KEYS, HTTPStatus.NOT_FOUND: "check `api_url`"})


def _cookies(response: requests.Response) -> dict[str, str]:
    """Return the cookies of a response by name, read from its headers: the run has no cookie jar."""
    cookies: dict[str, str] = {}
    for line in response.raw.headers.getlist("Set-Cookie"):
        pair, *attributes = line.split(";")
        name, equals, value = pair.strip().partition("=")
        # The server deletes a cookie with an empty value or a Max-Age of 0 or less.
        deleted = any(attribute.strip().lower().startswith(("max-age=0", "max-age=-")) for attribute in attributes)
        if name and equals and value and not deleted:
            cookies[name.strip()] = value.strip()
    return cookies


def _session_code(session: Mapping[str, Any], cookies: Mapping[str, str]) -> str:
    """Return the session code.

    Raises:
        VendorError: The response has no session code.
    """
    sent = session.get("sessionCode")
    code = str(sent) if isinstance(sent, (str, int)) and sent else None
    code = code or cookies.get(API_SESSION) or cookies.get(VHFP_SESSION)
    if code is None:
        raise VendorError(
            "the login returned no session code in its body or a cookie",
            "report this to the tap's authors",
        )
    return code
