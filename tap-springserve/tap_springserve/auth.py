"""The authenticator: one token per run (vendor's wiki, "Getting started"; official SDK)."""

from __future__ import annotations

import datetime as dt
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
import requests
from singer_adtech.errors import DataError
from singer_adtech.http.auth import Token, TokenAuthenticator
from singer_adtech.http.responses import check_json, check_status
from singer_adtech.progress.stamps import Stamp
from typing_extensions import override

from tap_springserve.responses import words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from singer_adtech.clock import Clock
    from singer_adtech.http.requester import Requester

TOKEN_LIFETIME = 2 * 60 * 60
"""Lifetime of a token in seconds (vendor's wiki). It can be neither refreshed nor revoked."""

LEEWAY = 5 * 60
"""Seconds before its expiry at which a token is replaced."""

_LOGIN_REMEDIES: Mapping[int, str] = dict.fromkeys(
    # Wrong credentials are 400 (official SDK). Assumed: wrong credentials may also get 401, 403 or 422. If
    # wrong, the run ends with the wrong advice, next to the vendor's message.
    (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY),
    "SpringServe refused the login: check `email` and `password`",
)

_MILLISECONDS_FROM = 1e11


class _Login(msgspec.Struct):
    """The login response; other members (`bearer_token`) are ignored."""

    token: str
    # An older form of the response has only the token.
    expiration: Any = None


class SpringServeAuthenticator(TokenAuthenticator):
    """One token per run for v0 and v1, sent in the header without a prefix.

    Args:
        requester: Sends the login, with the usual retries.
        login_url: `{api_url}/v0/auth`.
        email: The user.
        password: The user's password.
        clock: The clock.
    """

    def __init__(self, requester: Requester, login_url: str, email: str, password: str, clock: Clock) -> None:
        super().__init__(clock, leeway=LEEWAY, prefix="")
        self._requester = requester
        self._login_url = login_url
        self._body = {"email": email, "password": password}

    @override
    def login(self) -> Token:
        response = self._requester.send(
            # JSON, as the official SDK sends it; the vendor's OpenAPI files declare a form.
            requests.Request("POST", self._login_url, json=self._body),
            auth=None,
            check_status=partial(check_status, remedies=_LOGIN_REMEDIES, words=words),
            check_body=check_json,
            label="login",
        )
        try:
            decoded = msgspec.json.decode(response.content, type=_Login)
        except msgspec.DecodeError:
            decoded = _Login("")
        if not decoded.token:
            # The body is not quoted: it may contain a token under another name.
            raise DataError("the login response has no token: expected an object with `token`", "check `api_url`")
        return Token(decoded.token, _lifetime(decoded.expiration, self._clock.now()))


def _lifetime(expiration: Any, now: dt.datetime) -> float:
    """Return the seconds until the expiry in the login response; `TOKEN_LIFETIME` if it is invalid.

    Assumed: `expiration` is a timestamp like the others, or seconds since 1970 (milliseconds if the number is large).
    If wrong, the token is replaced too early or after the first 401: more logins, and no rows are lost.
    """
    try:
        if isinstance(expiration, str):
            end = Stamp(expiration).instant
        else:
            seconds = float(expiration)
            end = dt.datetime.fromtimestamp(
                seconds / 1000 if seconds > _MILLISECONDS_FROM else seconds, dt.timezone.utc
            )
    except (ValueError, TypeError, OverflowError, OSError):
        return TOKEN_LIFETIME
    left = (end - now).total_seconds()
    # If a new token has already expired, this machine's clock is wrong.
    return left if left > 0 else TOKEN_LIFETIME
