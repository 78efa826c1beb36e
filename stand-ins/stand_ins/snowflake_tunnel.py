"""HTTPS proxy that redirects all Snowflake accounts to the stand-in and refuses all other hosts.

target-snowflake has no setting for the host, but its connector honours HTTPS_PROXY, so the loader runs unmodified.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

HOST = "127.0.0.1"
DOMAIN = ".snowflakecomputing.com"


@dataclass
class Tunnel:
    """The proxy.

    Attributes:
        upstream: Port of the stand-in's HTTPS server.
        open: Local ports of the open tunnels to it; a client with another port has disconnected.
    """

    upstream: int
    open: set[int] = field(default_factory=set)

    async def start(self, port: int = 0) -> asyncio.Server:
        """Start listening; port 0 = any free port."""
        return await asyncio.start_server(self._serve, HOST, port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, *_ = head.decode("latin-1").split(" ", 2)
            host = target.rpartition(":")[0]
            if method != "CONNECT" or not host.endswith(DOMAIN):
                writer.write(b"HTTP/1.1 403 only Snowflake accounts are served\r\nContent-Length: 0\r\n\r\n")
                return
            far_reader, far_writer = await asyncio.open_connection(HOST, self.upstream)
            port = far_writer.get_extra_info("sockname")[1]
            self.open.add(port)
            writer.write(b"HTTP/1.1 200 connected\r\n\r\n")
            try:
                # Either end may close the tunnel: then the HTTP connection is over.
                pumps = [
                    asyncio.ensure_future(_pump(reader, far_writer)),
                    asyncio.ensure_future(_pump(far_reader, writer)),
                ]
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                for pump in pumps:
                    pump.cancel()
            finally:
                self.open.discard(port)
                far_writer.close()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass  # not an HTTP request, so there is no response
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
