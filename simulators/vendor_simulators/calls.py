"""A plain HTTP call, for tests of the simulators: nothing is retried, followed or hidden."""

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

# Seconds until a call that gets no answer fails.
_TIMEOUT = 10


@dataclass
class Reply:
    """What came back; the body unzipped."""

    status: int
    headers: Headers
    body: bytes

    def json(self) -> Any:
        """Return the body read as JSON.

        Raises:
            ValueError: When it is none.
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
    """Send one request on a connection of its own and return the reply.

    Args:
        url: Address of the server.
        path: Path, decoded.
        method: Method.
        params: Query parameters.
        headers: Header fields.
        body: Body.

    Raises:
        OSError: When the connection fails; `http.client.HTTPException` when the reply is cut or none.
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
