"""Authenticators: one object per run, shared by all streams and threads.

They are `requests.auth.AuthBase` objects, because singer-sdk's authenticators rewrite the query of every URL
(dropping blank parameters) and renew without a lock.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from requests.auth import AuthBase
from typing_extensions import override

from singer_adtech.errors import AuthError, TapError
from singer_adtech.redaction import REDACTOR

if TYPE_CHECKING:
    import requests

    from singer_adtech.clock import Clock


class Authenticator(AuthBase):
    """Base class that adds credentials to requests. By default, 401 is a refusal and nothing is renewed."""

    @abstractmethod
    @override
    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest: ...

    def refused(self, response: requests.Response) -> bool:
        """Return whether a response means that the credential has expired."""
        return response.status_code == HTTPStatus.UNAUTHORIZED

    def renew(self, prepared: requests.PreparedRequest) -> bool:  # noqa: ARG002 - for authenticators that renew
        """Replace the credential of a refused request.

        Args:
            prepared: The refused request.

        Returns:
            Whether the request should be repeated with another credential.
        """
        return False


class HeaderAuthenticator(Authenticator):
    """A fixed header: an API key, or HTTP Basic.

    Args:
        name: The header's name.
        value: Its value, redacted in logs.
    """

    def __init__(self, name: str, value: str) -> None:
        self._name = name
        self._value = value
        # Also without its scheme: `Basic`, `Bearer`.
        REDACTOR.add(value, value.rpartition(" ")[2])

    @override
    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        r.headers[self._name] = self._value
        return r


@dataclass(frozen=True)
class Token:
    """A token returned by a login.

    Args:
        value: The token.
        lifetime: Seconds from login to expiry.
    """

    value: str
    lifetime: float


class TokenAuthenticator(Authenticator):
    """An expiring token, obtained by a login.

    The whole run uses one token. It is renewed `leeway` seconds before expiry and when a request is refused. Requests
    refused with the same token cause a single login, under a lock.

    Args:
        clock: The clock.
        leeway: Seconds before expiry at which a token is renewed.
        header: Name of the header that carries the token.
        prefix: Text before the token in the header.
    """

    def __init__(
        self, clock: Clock, *, leeway: float = 300.0, header: str = "Authorization", prefix: str = "Bearer "
    ) -> None:
        self._clock = clock
        self._leeway = leeway
        self._header = header
        self._prefix = prefix
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._renew_at = 0.0
        self._refusal: AuthError | None = None

    @abstractmethod
    def login(self) -> Token:
        """Request a token from the vendor.

        Raises:
            VendorError: The credentials were refused.
        """

    @override
    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        with self._lock:
            if self._token is None or self._clock.monotonic() >= self._renew_at:
                self._login()
            r.headers[self._header] = self._spelled()
        return r

    @override
    def renew(self, prepared: requests.PreparedRequest) -> bool:
        with self._lock:
            # Unless another thread has renewed the token since this request was sent.
            if prepared.headers.get(self._header) == self._spelled():
                self._login()
        return True

    def _spelled(self) -> str:
        return self._prefix + (self._token.value if self._token else "")

    def _login(self) -> None:
        if self._refusal is not None:
            # Other threads do not retry refused credentials. Each gets a new error, because its stream is added to it.
            raise AuthError(self._refusal.what, self._refusal.remedy) from self._refusal
        try:
            token = self.login()
        except TapError as error:
            self._refusal = AuthError(error.what, error.remedy)
            raise AuthError(error.what, error.remedy) from error
        REDACTOR.add(token.value)
        # Otherwise a token with a lifetime below the leeway would be renewed at every request.
        self._renew_at = self._clock.monotonic() + max(token.lifetime - self._leeway, token.lifetime / 2)
        self._token = token
