"""A small HTTP server that answers what a test tells it to, breaks what it is told to break, and keeps a journal."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from typing_extensions import override

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from io import BufferedIOBase


@dataclass
class Call:
    """A request that came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: str
    port: int
    target: str


@dataclass
class Reply:
    """An answer to give, and how to break it."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    chunks: list[bytes] | None = None
    """Sent in chunked encoding instead of `body`."""
    send_bytes: int | None = None
    """The connection is closed after so many bytes of the body, or after so many chunks."""
    hang_up: bool = False
    """The connection is closed without a byte."""
    drip: float | None = None
    """Seconds before each byte of the body."""


class Server:
    """An HTTP server on a free port of this machine that answers what a test tells it to.

    Attributes:
        calls: The journal of requests, in the order in which they came.
        most_in_flight: Requests that were being answered at once, at most.
        answer: Makes the reply when no scripted one is left.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.calls: list[Call] = []
        self.most_in_flight = 0
        self.answer: Callable[[Call], Reply] = lambda _: Reply(404)
        self._script: deque[Reply] = deque()
        self._in_flight = 0
        self._lock = threading.Lock()
        self._server = _TcpServer(("127.0.0.1", 0), _handler(self))
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://localhost:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @staticmethod
    def json(value: Any, status: int = 200, **headers: str) -> Reply:
        """Make a JSON answer; underscores in the names of headers stand for dashes."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json"} | named)

    reply = Reply

    def script(self, *replies: Reply) -> None:
        """Give these answers next, whatever is asked."""
        self._script.extend(replies)

    def reply_to(self, call: Call) -> Reply:
        """Write a request into the journal and make its answer."""
        with self._lock:
            self.calls.append(call)
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
            scripted = self._script.popleft() if self._script else None
        try:
            return scripted or self.answer(call)
        finally:
            with self._lock:
                self._in_flight -= 1

    def paths(self) -> list[str]:
        """Return the paths asked for, in order."""
        return [call.path for call in self.calls]

    def close(self) -> None:
        """Stop, if it has not been stopped."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()


class _TcpServer(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that hangs up, or refuses a certificate, is what many tests are about."""


def _drip(out: BufferedIOBase, body: bytes, seconds: float) -> None:
    for one in body:
        time.sleep(seconds)
        out.write(bytes([one]))


def _send_chunks(out: BufferedIOBase, chunks: list[bytes], number: int | None) -> bool:
    """Send so many chunks, or all of them and their end; returns whether the body is whole."""
    out.writelines(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks[:number])
    if number is None:
        out.write(b"0\r\n\r\n")
    return number is None


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 20
        disable_nagle_algorithm = True

        def _do(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            parts = urlsplit(self.path)
            body = self.rfile.read(length).decode()
            call = Call(
                self.command,
                parts.path,
                dict(parse_qsl(parts.query, keep_blank_values=True)),
                dict(self.headers.items()),
                body,
                self.client_address[1],
                self.path,
            )
            with suppress(ConnectionError):
                self._send(server.reply_to(call))

        do_GET = do_POST = do_HEAD = do_DELETE = _do  # noqa: N815 - the names that http.server looks for

        def _send(self, reply: Reply) -> None:
            if reply.hang_up:
                self.close_connection = True
                return
            # Without the header `Date`, which a test gives where it is about it.
            self.send_response_only(reply.status)
            for name, text in reply.headers.items():
                self.send_header(name, text)
            if reply.chunks is not None:
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.close_connection = not _send_chunks(self.wfile, reply.chunks, reply.send_bytes)
                return
            if "Content-Length" not in reply.headers:
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if reply.drip:
                _drip(self.wfile, reply.body, reply.drip)
                return
            self.wfile.write(reply.body[: reply.send_bytes])
            self.close_connection = reply.send_bytes is not None

        @override
        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    return Handler
