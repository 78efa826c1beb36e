"""The HTTP session of a run, shared by all streams and threads."""

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
"""Seconds to wait for a connection. Reads have a separate, longer limit."""

MOST_REDIRECTS = 5


class WholeBodyAdapter(HTTPAdapter):
    """An adapter that also reads the body in `send`, within limits; see `downloads.read_body`.

    Args:
        limits: Limits on the size and time of a body.
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
            # Unread data remains, so the connection cannot be reused.
            response.raw.close()
            raise
        finally:
            response.raw.release_conn()
        # `Response.content` sets the same two attributes.
        response._content = body  # noqa: SLF001
        response._content_consumed = True  # type: ignore[attr-defined]  # noqa: SLF001 - missing from the stubs
        return response


class _RequestsSession(requests.Session):
    """A session that ignores redirect targets: parsing one may fail even if redirects are off."""

    @override
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


class Session:
    """A connection pool for one vendor.

    Credentials are only sent to the configured host. Proxies and certificate bundles from the environment
    (`HTTPS_PROXY`, `REQUESTS_CA_BUNDLE`) are honoured. Cookies and `.netrc` are not used.

    Args:
        api_url: The vendor's base URL. Requests to any other scheme, host or port are refused.
        connections: Maximum number of open connections: the number of requests in flight.
        timeout: Seconds without data before a request fails.
        follow_redirects: Whether to follow redirects within the same host (GET and HEAD only).
        allowed: Methods and paths that may be sent, see `allowed_requests`. Any by default.
        limits: Limits on the size and time of a body. `BodyLimits(seconds=timeout)` by default.
    """

    def __init__(  # noqa: PLR0913 - keyword-only options
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
        # Otherwise login cookies would be sent with every later request.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = WholeBodyAdapter(pool_connections=1, pool_maxsize=connections, limits=self.limits)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    @property
    def requests_session(self) -> requests.Session:
        """The underlying requests session."""
        return self._session

    def send(self, prepared: requests.PreparedRequest) -> requests.Response:
        """Send a request and read the whole response.

        Args:
            prepared: The request, authenticated.

        Returns:
            The response with its body read and decompressed.

        Raises:
            VendorError: The request or a redirect leads to another host or a path that is not allowed, or the
                response is too large.
            requests.exceptions.RequestException: The response is missing or incomplete; see `explain`.
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
                # Normalise the URL so that the host checked is the host requested.
                prepared.prepare_url(urljoin(prepared.url or "", response.headers["location"]), None)
            except (ValueError, requests.exceptions.RequestException):
                raise _unreadable() from None
        raise VendorError(f"more than {MOST_REDIRECTS} redirects in a row", "check `api_url`")

    def explain(self, error: Exception, url: str) -> TapError | TransientError:
        """Explain why a request failed; see `connections.explain_failure`."""
        proxy = select_proxy(url, self._environment(url)["proxies"])
        return explain_failure(error, url, proxy=proxy, timeout=self._timeout)

    def close(self) -> None:
        """Close every connection."""
        self._session.close()

    def _environment(self, url: str | None) -> Mapping[str, Any]:
        """Return the environment's settings; requests' `send` ignores REQUESTS_CA_BUNDLE."""
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
