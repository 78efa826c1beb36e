"""One HTTP session for a whole run, shared by all streams and threads."""

from __future__ import annotations

from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from typing_extensions import override

from singer_adtech.errors import VendorError
from singer_adtech.http.addresses import origin, shown_origin
from singer_adtech.http.allowed_requests import AllowedRequests
from singer_adtech.http.connections import explain_failure
from singer_adtech.http.downloads import BodyLimits, read_body

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from singer_adtech.errors import TapError
    from singer_adtech.http.allowed_requests import Rule
    from singer_adtech.http.retries import TransientError

LONGEST_CONNECT = 30.0
"""Seconds to wait for a connection; the read has its own, longer limit."""

MOST_REDIRECTS = 5


class WholeBodyAdapter(HTTPAdapter):
    """Reads the whole body with the headers, within limits; see `downloads.read_body`.

    Args:
        limits: What a body may cost.
    """

    def __init__(self, *args: Any, limits: BodyLimits, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits

    @override
    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(request, *args, **kwargs)
        try:
            body = read_body(response, self._limits)
        except BaseException:
            # Half of a body is still to come: the connection cannot serve another request.
            response.raw.close()
            raise
        finally:
            response.raw.release_conn()
        # requests' own `content` fills these two in the same way, after reading in pieces.
        response._content = body  # noqa: SLF001
        response._content_consumed = True  # type: ignore[attr-defined]  # noqa: SLF001 - unknown to the stubs
        return response


class _RequestsSession(requests.Session):
    """A session that does not look where a redirect leads, which may fail, where it is not to follow it."""

    @override
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


class Session:
    """A connection pool for one vendor.

    Credentials go to the configured host only. Proxies and certificate bundles of the environment
    (`HTTPS_PROXY`, `REQUESTS_CA_BUNDLE`) are honoured; cookies and `.netrc` are not used.

    Args:
        api_url: The vendor's base address; no other scheme, host or port is ever asked.
        connections: Connections kept open at most: the number of requests in flight.
        timeout: Seconds without a byte before a request counts as lost.
        follow_redirects: Whether a redirect within the same host is followed (GET and HEAD only).
        allowed: The methods and paths that may be sent, see `allowed_requests`; any if not given.
        limits: What a body may cost; by default its size is limited, and `timeout` is the time that any may take.
    """

    def __init__(  # noqa: PLR0913 - what is asked, and what is refused
        self,
        api_url: str,
        *,
        connections: int,
        timeout: float,
        follow_redirects: bool = True,
        allowed: Iterable[Rule] | None = None,
        limits: BodyLimits | None = None,
    ) -> None:
        self._origin = origin(api_url)
        self._timeout = (min(timeout, LONGEST_CONNECT), timeout)
        self._follow_redirects = follow_redirects
        self._allowed = None if allowed is None else AllowedRequests(allowed, urlsplit(api_url).path)
        self.limits = limits or BodyLimits(seconds=timeout)
        self._session = _RequestsSession()
        # A login's cookies would otherwise travel with every later request of every stream.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = WholeBodyAdapter(pool_connections=1, pool_maxsize=connections, limits=self.limits)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    @property
    def requests_session(self) -> requests.Session:
        """The session of the requests library below."""
        return self._session

    def send(self, prepared: requests.PreparedRequest) -> requests.Response:
        """Send a request and read the whole response.

        Args:
            prepared: The request, authenticated.

        Returns:
            The response with its body read and decompressed.

        Raises:
            VendorError: The request or a redirect leads to another host, or to a path that is not allowed, or the
                response is too large.
            requests.exceptions.RequestException: No response, or not a whole one; see `explain`.
        """
        for number in range(MOST_REDIRECTS):
            self._check(prepared, redirected=number > 0)
            response = self._session.send(
                prepared, timeout=self._timeout, allow_redirects=False, **self._environment(prepared.url)
            )
            if not (self._follow_redirects and response.is_redirect and prepared.method in {"GET", "HEAD"}):
                return response
            prepared = prepared.copy()
            try:
                # Prepared again, so that the host that is checked is the host that is asked, however it is spelled.
                prepared.prepare_url(urljoin(prepared.url or "", response.headers["location"]), None)
            except (ValueError, requests.exceptions.RequestException):
                raise _unreadable() from None
        raise VendorError(f"more than {MOST_REDIRECTS} redirects in a row", "check `api_url`")

    def explain(self, error: Exception, url: str) -> TapError | TransientError:
        """Say why no whole response came to a request; see `connections.explain_failure`."""
        proxy = select_proxy(url, self._environment(url)["proxies"])
        return explain_failure(error, url, proxy=proxy, timeout=self._timeout)

    def close(self) -> None:
        """Close every connection."""
        self._session.close()

    def _environment(self, url: str | None) -> Mapping[str, Any]:
        """Return what the environment says; a prepared request sent as it is would ignore REQUESTS_CA_BUNDLE."""
        return self._session.merge_environment_settings(url, {}, stream=True, verify=None, cert=None)

    def _check(self, prepared: requests.PreparedRequest, *, redirected: bool) -> None:
        url = prepared.url or ""
        try:
            leads_elsewhere = origin(url) != self._origin
        except ValueError:
            raise _unreadable() from None
        if leads_elsewhere:
            raise VendorError(
                f"the vendor sent the tap to another host ({shown_origin(url)}), which was not asked",
                "check `api_url`",
            )
        if self._allowed is not None:
            self._allowed.check(prepared.method or "", url, redirected=redirected)


def _unreadable() -> VendorError:
    return VendorError("the vendor sent the tap to an address that cannot be read", "check `api_url`")
