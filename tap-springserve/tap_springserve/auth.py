"""The token of a run (vendor's wiki, "Getting started"; the official SDK)."""

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

from tap_springserve.rows import words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from singer_adtech.clock import Clock
    from singer_adtech.http.requester import Requester

TOKEN_LIFETIME = 2 * 60 * 60
"""Seconds that a token lives (vendor's wiki); it can be neither refreshed nor revoked."""

LEEWAY = 5 * 60
"""Seconds before its end at which a token is replaced."""

_LOGIN_REMEDIES: Mapping[int, str] = dict.fromkeys(
    # Wrong credentials are 400 (official SDK). Assumed: the other statuses mean the same.
    (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY),
    "SpringServe refused the login: check `email` and `password`",
)

_MILLISECONDS_FROM = 1e11


class _Login(msgspec.Struct):
    """What the login answers; other members (`bearer_token`) are ignored."""

    token: str
    # An older form of the answer has the token alone.
    expiration: Any = None


class SpringServeAuthenticator(TokenAuthenticator):
    """One token for the whole run, bare in the header, good for v0 and v1.

    Args:
        requester: Sends the login, with the same patience as any request.
        login_url: `{api_url}/v0/auth`.
        email: The user.
        password: The user's password.
        clock: Where time comes from.
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
            answer = msgspec.json.decode(response.content, type=_Login)
        except msgspec.DecodeError:
            answer = _Login("")
        if not answer.token:
            # Without the body: it may hold a token under another name.
            raise DataError(
                "the login was answered without a token: expected an object with `token`", "check `api_url`"
            )
        return Token(answer.token, _lifetime(answer.expiration, self._clock.now()))


def _lifetime(expiration: Any, now: dt.datetime) -> float:
    """Return the seconds until a time as the login tells it; those of any token where it cannot be right.

    Assumed: a text like the other timestamps, or seconds (milliseconds, if there are so many) since 1970.
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
    # A new token that has run out already says that this machine's clock is wrong.
    return left if left > 0 else TOKEN_LIFETIME
