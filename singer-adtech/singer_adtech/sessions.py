"""One HTTP session for a whole run, shared by all streams and threads."""

from __future__ import annotations

import gzip
import zlib
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from typing_extensions import override
from urllib3.exceptions import DecodeError, HTTPError

from singer_adtech.errors import VendorError

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_CONNECT = 30.0
"""Seconds to wait for a connection; the read has its own, longer limit."""

MOST_REDIRECTS = 5


class WholeBodyAdapter(HTTPAdapter):
    """Reads a body in one call.

    requests reads in pieces of 10 KiB, which is half of the CPU time of a large download. A body that ends before its
    declared length raises `requests.exceptions.ChunkedEncodingError`, as a cut chunked body does, and a compressed one
    that breaks off `requests.exceptions.ContentDecodingError`.
    """

    @override
    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(request, *args, **kwargs)
        zipped = response.headers.get("Content-Encoding", "").lower() in {"gzip", "x-gzip"}
        try:
            body = response.raw.read(decode_content=not zipped)
            if zipped:
                # Not left to urllib3, which takes a gzip stream without its end for a whole one.
                body = gzip.decompress(body)
        except (DecodeError, EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise requests.exceptions.ContentDecodingError(error, request=request) from error
        except HTTPError as error:
            raise requests.exceptions.ChunkedEncodingError(error, request=request) from error
        finally:
            response.raw.release_conn()
        # requests' own `content` fills these two in the same way, after reading in pieces.
        response._content = body  # noqa: SLF001
        response._content_consumed = True  # type: ignore[attr-defined]  # noqa: SLF001 - unknown to the stubs
        return response


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port of an address: what must not change when credentials travel."""
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or default


class Session:
    """A connection pool for one vendor.

    Credentials go to the configured host only. Proxies and certificate bundles of the environment
    (`HTTPS_PROXY`, `REQUESTS_CA_BUNDLE`) are honoured; cookies and `.netrc` are not used.

    Args:
        api_url: The vendor's base address; no other scheme, host or port is ever asked.
        connections: Connections kept open at most: the number of requests in flight.
        timeout: Seconds without a byte before a request counts as lost.
        follow_redirects: Whether a redirect within the same host is followed (GET and HEAD only).
    """

    def __init__(self, api_url: str, *, connections: int, timeout: float, follow_redirects: bool = True) -> None:
        self._origin = origin(api_url)
        self._timeout = (min(timeout, LONGEST_CONNECT), timeout)
        self._follow_redirects = follow_redirects
        self._session = requests.Session()
        # A login's cookies would otherwise travel with every later request of every stream.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = WholeBodyAdapter(pool_connections=1, pool_maxsize=connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    @property
    def requests_session(self) -> requests.Session:
        """The session of the requests library below."""
        return self._session

    def send(self, prepared: requests.PreparedRequest) -> requests.Response:
        """Send a request and read the whole answer.

        Args:
            prepared: The request, authenticated.

        Returns:
            The answer with its body read and decompressed.

        Raises:
            VendorError: The request or a redirect leads to another host.
            requests.exceptions.RequestException: No answer, or not a whole one.
        """
        for _ in range(MOST_REDIRECTS):
            self._check_host(prepared.url or "")
            # A prepared request sent as it is would ignore REQUESTS_CA_BUNDLE; proxies too.
            settings: Mapping[str, Any] = self._session.merge_environment_settings(
                prepared.url, {}, stream=True, verify=None, cert=None
            )
            response = self._session.send(prepared, timeout=self._timeout, allow_redirects=False, **settings)
            if not (self._follow_redirects and response.is_redirect and prepared.method in {"GET", "HEAD"}):
                return response
            prepared = prepared.copy()
            # Prepared anew, so that the host that is checked is the host that will be asked, however it is spelled.
            prepared.prepare_url(urljoin(prepared.url or "", response.headers["location"]), None)
        raise VendorError(f"more than {MOST_REDIRECTS} redirects in a row", "check `api_url`")

    def close(self) -> None:
        """Close every connection."""
        self._session.close()

    def _check_host(self, url: str) -> None:
        if origin(url) != self._origin:
            scheme, host, port = origin(url)
            raise VendorError(
                f"the vendor sent the tap to another host ({scheme}://{host}:{port}), which was not asked",
                "check `api_url`",
            )
