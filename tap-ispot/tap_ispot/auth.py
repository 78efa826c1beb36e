"""The bearer token of a run (API Quickstart, "Authentication")."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
import requests
from singer_adtech.http.auth import Token, TokenAuthenticator
from singer_adtech.http.responses import check_json, check_status
from singer_adtech.http.retries import TransientError
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Mapping

    from singer_adtech.clock import Clock
    from singer_adtech.http.requester import Requester

TOKEN_LIFETIME = 24 * 60 * 60
"""Seconds until a token expires if the response does not contain its lifetime (Quickstart, "Token Expiration")."""

_LOGIN_REMEDIES: Mapping[int, str] = dict.fromkeys(
    (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED),
    "iSpot.tv refused the credentials: check `client_id` and `client_secret`",
)


class _TokenResponse(msgspec.Struct):
    """The response of the token endpoint; other members are ignored."""

    access_token: str
    # Assumed: a token may come with `expires_in`, as in OAuth 2.0; the Quickstart does not show it. If wrong, the
    # documented 24 hours apply.
    expires_in: float | str | None = None


class ISpotAuthenticator(TokenAuthenticator):
    """OAuth client credentials: one token for the whole run, because the vendor asks callers to request few.

    Args:
        requester: Sends the login, with the retries of any request.
        token_url: `{api_url}/oauth2/token`.
        client_id: Usually 20 characters.
        client_secret: Usually 40 characters.
        clock: The time source.
    """

    def __init__(self, requester: Requester, token_url: str, client_id: str, client_secret: str, clock: Clock) -> None:
        super().__init__(clock)
        self._requester = requester
        self._token_url = token_url
        # In the form body: the Quickstart's prose mentions headers, but both of its samples send a form.
        self._form = {"client_id": client_id, "client_secret": client_secret, "grant_type": "client_credentials"}

    @override
    def login(self) -> Token:
        response = self._requester.send(
            requests.Request("POST", self._token_url, data=self._form),
            auth=None,
            check_status=partial(check_status, remedies=_LOGIN_REMEDIES),
            check_body=_check_token,
            label="login",
        )
        token = msgspec.json.decode(response.content, type=_TokenResponse)
        return Token(token.access_token, _lifetime(token.expires_in))


def _check_token(response: requests.Response) -> None:
    check_json(response)
    try:
        msgspec.json.decode(response.content, type=_TokenResponse)
    except msgspec.ValidationError as error:
        raise TransientError(f"HTTP {response.status_code} without an `access_token`", response) from error


def _lifetime(expires_in: float | str | None) -> float:
    try:
        return float(expires_in) if expires_in is not None else TOKEN_LIFETIME
    except ValueError:
        return TOKEN_LIFETIME
