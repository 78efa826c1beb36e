"""The session of a run (Public API Guide, "Authentication"): one login, one Cookie header, one log-out."""

from __future__ import annotations

import math
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests
from singer_adtech.errors import VendorError
from singer_adtech.http.auth import Token, TokenAuthenticator
from singer_adtech.http.responses import check_json, describe
from singer_adtech.redaction import REDACTOR
from typing_extensions import override

from tap_magnite.answers import (
    INVALID_CREDENTIALS,
    SESSION_TIMEOUT,
    check_answer,
    error_body,
    read_object,
    vendor_words,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from singer_adtech.clock import Clock
    from singer_adtech.http.requester import Requester
    from singer_adtech.http.session import Session
    from singer_adtech.runs.metrics import RequestCounts

API_SESSION = "ApiSession"
"""The cookie that the guide's text names."""

VHFP_SESSION = "VhfpSession"
"""The cookie that the guide's sample shows."""

_CHECK_KEYS = (
    "the login was refused: check `access_key` and `secret_key`; API access must be switched on for the account"
)
_LOGIN_REMEDIES = {
    HTTPStatus.NOT_FOUND: "check `api_url`",
    **dict.fromkeys((HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, SESSION_TIMEOUT), _CHECK_KEYS),
}
_PATIENCE = 10.0
"""Seconds that a log-out waits for a login of another thread."""


class SessionAuthenticator(TokenAuthenticator):
    """A session, shared by all streams and threads of a run.

    It is sent as one Cookie header: `ApiSession` with the session's code, and every other cookie that the login set.
    Requests that meet 419 together cause one login.

    Args:
        requester: Sends the login, with the same patience as any request.
        api_url: The API's base address.
        access_key: The user's access key.
        secret_key: The user's secret key.
        clock: Where time comes from.
        own: Counts what is sent without the requester: the end of a session, and the cancel of a query.
        identify: Takes the company that a login says the session is of.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a session is made of
        self,
        requester: Requester,
        api_url: str,
        access_key: str,
        secret_key: str,
        clock: Clock,
        own: RequestCounts,
        *,
        identify: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(clock, header="Cookie", prefix="")
        self._own = own
        self._requester = requester
        self._url = f"{api_url}/sessions"
        self._keys = {"accessKey": access_key, "secretKey": secret_key}
        self._code: str | None = None
        self._leaving = False
        self._identify = identify

    @property
    def ended(self) -> bool:
        """Whether the session was closed, and no other is to be opened."""
        return self._leaving

    @override
    def refused(self, response: requests.Response) -> bool:
        # Assumed: 401, which the guide does not give to a session that was good, means the same as 419.
        return response.status_code in {HTTPStatus.UNAUTHORIZED, SESSION_TIMEOUT}

    @override
    def renew(self, prepared: requests.PreparedRequest) -> bool:
        # A thread that is still at work after the log-out must not open a session that nobody closes.
        return not self._leaving and super().renew(prepared)

    @override
    def login(self) -> Token:
        if self._leaving:
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
        values = {**cookies, API_SESSION: code}
        # Until it is refused: the guide tells of a time-out after a while without requests, and not how long that is.
        return Token("; ".join(f"{name}={values[name]}" for name in (API_SESSION, *_others(cookies))), math.inf)

    def logout(self, session: Session) -> None:
        """End the session, once, whatever the vendor says; nothing can be asked with this object afterwards.

        Args:
            session: Connections for this one request; not those of the run, whose timeout may be minutes.
        """
        self._leaving = True
        # A login of another thread has its end awaited, as it opens a session that is to be closed.
        locked = self._lock.acquire(timeout=_PATIENCE)
        try:
            code, token = self._code, self._token
            self._code = None
            if code is None or token is None:
                return
            request = requests.Request("DELETE", f"{self._url}/{quote(code, safe='')}", headers={"Cookie": token.value})
            self._own.sent()
            with suppress(Exception):
                session.send(request.prepare())
        finally:
            if locked:
                self._lock.release()

    def say(self, session: Session, request: requests.Request) -> None:
        """Send one request with the session as it is: no renewal, no repetition.

        Raises:
            Exception: Whatever goes wrong on the way; what the vendor answers is not looked at.
        """
        if self._token is not None:
            request.headers = {**request.headers, "Cookie": self._token.value}
            self._own.sent()
            session.send(request.prepare())


def _others(cookies: Mapping[str, str]) -> list[str]:
    return [name for name in cookies if name != API_SESSION]


def _check_login(response: requests.Response) -> None:
    if (error_body(response) or {}).get("errorCode") == INVALID_CREDENTIALS:
        raise VendorError(describe(response, words=vendor_words(response)), _CHECK_KEYS)
    check_answer(response, _LOGIN_REMEDIES)


def _cookies(response: requests.Response) -> dict[str, str]:
    """Return the cookies that an answer sets, by name; read from the headers, as the run's cookie jar takes none."""
    cookies: dict[str, str] = {}
    for line in response.raw.headers.getlist("Set-Cookie"):
        pair, *attributes = line.split(";")
        name, equals, value = pair.strip().partition("=")
        # A cookie without a value, or with an age of nothing, is one that the server takes back.
        gone = any(attribute.strip().lower().startswith(("max-age=0", "max-age=-")) for attribute in attributes)
        if name and equals and value and not gone:
            cookies[name.strip()] = value.strip()
    return cookies


def _session_code(session: Mapping[str, Any], cookies: Mapping[str, str]) -> str:
    """Return the session's code.

    Raises:
        VendorError: There is none.
    """
    told = session.get("sessionCode")
    code = str(told) if isinstance(told, (str, int)) and told else None
    code = code or cookies.get(API_SESSION) or cookies.get(VHFP_SESSION)
    if code is None:
        raise VendorError("the login gave no session code, neither in its body nor in a cookie", "report this")
    return code
