"""A plain HTTP call for tests of the simulators: no retries, no redirects, no hidden errors."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from vendor_simulators.messages import Headers

if TYPE_CHECKING:
    from collections.abc import Mapping

# Seconds without a response before a call fails.
_TIMEOUT = 10


@dataclass
class Reply:
    """A response, with its body decompressed."""

    status: int
    headers: Headers
    body: bytes

    def json(self) -> Any:
        """Return the body parsed as JSON.

        Raises:
            ValueError: The body is not valid JSON.
        """
        return json.loads(self.body)


def call(  # noqa: PLR0913 - the parts of a request
    url: str,
    path: str,
    method: str = "GET",
    *,
    params: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | str | None = None,
) -> Reply:
    """Send one request on a new connection and return the response.

    Args:
        url: Address of the server.
        path: Path, not percent-encoded.
        method: HTTP method.
        params: Query parameters.
        headers: Request headers.
        body: Request body.

    Raises:
        OSError: The connection failed.
        http.client.HTTPException: The response is missing or truncated.
    """
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT)
    try:
        target = quote(path) + (f"?{urlencode(params)}" if params else "")
        connection.request(method, target, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        content = response.read()
        found = Headers(response.getheaders())
    finally:
        connection.close()
    if found.get("Content-Encoding") == "gzip" and content:
        content = gzip.decompress(content)
    return Reply(response.status, found, content)
