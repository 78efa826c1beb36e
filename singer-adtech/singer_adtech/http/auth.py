"""Authenticators: one object for a whole run, shared by all streams and threads.

They are `requests.auth.AuthBase` objects, as singer-sdk's own authenticators rewrite the query of every URL
(blank parameters vanish) and renew without a lock.
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
    """Puts credentials into a request; the base knows how to be refused, and renews nothing."""

    @abstractmethod
    @override
    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest: ...

    def refused(self, response: requests.Response) -> bool:
        """Tell whether an answer means that the credential has run out."""
        return response.status_code == HTTPStatus.UNAUTHORIZED

    def renew(self, prepared: requests.PreparedRequest) -> bool:  # noqa: ARG002 - for authenticators that renew
        """Replace the credential with which a request was sent.

        Args:
            prepared: The request that was refused.

        Returns:
            Whether there is another credential now, so that the request is worth repeating.
        """
        return False


class HeaderAuthenticator(Authenticator):
    """A fixed header: an API key, or HTTP Basic.

    Args:
        name: The header.
        value: Its value; kept out of every log.
    """

    def __init__(self, name: str, value: str) -> None:
        self._name = name
        self._value = value
        # Also without what stands before it: `Basic`, `Bearer`.
        REDACTOR.add(value, value.rpartition(" ")[2])

    @override
    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        r.headers[self._name] = self._value
        return r


@dataclass(frozen=True)
class Token:
    """A credential that a login gave.

    Args:
        value: The token.
        lifetime: Seconds from the login to its end.
    """

    value: str
    lifetime: float


class TokenAuthenticator(Authenticator):
    """A token that a login gives and that runs out.

    One token serves the whole run. It is renewed `leeway` seconds before its end, and when a request is refused;
    several requests refused with the same token cause one login, under a lock.

    Args:
        clock: Where time comes from.
        leeway: Seconds before its end at which a token is replaced.
        header: The header that carries the token.
        prefix: What stands before the token in the header.
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
        """Ask the vendor for a token.

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
            # Another thread may have renewed since this request was sent: then its token serves.
            if prepared.headers.get(self._header) == self._spelled():
                self._login()
        return True

    def _spelled(self) -> str:
        return self._prefix + (self._token.value if self._token else "")

    def _login(self) -> None:
        if self._refusal is not None:
            # Credentials that were refused stay refused: other threads do not ask again. A new error for each of them,
            # because each is given the stream that met it.
            raise AuthError(self._refusal.what, self._refusal.remedy) from self._refusal
        try:
            token = self.login()
        except TapError as error:
            self._refusal = AuthError(error.what, error.remedy)
            raise AuthError(error.what, error.remedy) from error
        REDACTOR.add(token.value)
        # A token that lives shorter than the leeway would otherwise be renewed at every request.
        self._renew_at = self._clock.monotonic() + max(token.lifetime - self._leeway, token.lifetime / 2)
        self._token = token
