"""HTTP server that runs a simulator on a local port with one thread per connection."""

from __future__ import annotations

import socket
import struct
import sys
import threading
import time
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from typing_extensions import override

from vendor_simulators.control import PREFIX, control
from vendor_simulators.messages import GZIP_FROM_BYTES, Headers, Request, Response
from vendor_simulators.simulator import SimulatorError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vendor_simulators.simulator import Simulator

# Seconds between two checks whether to stop, and the longest that stopping takes.
_POLL = 0.01
# Seconds that the first half of a body has before the connection is reset.
_BEFORE_RESET = 0.02
_BODILESS = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
# Not a standard status; Magnite sends it when a session has timed out.
_REASONS = {419: "Authentication Timeout"}


class Server(TCPServer):
    """A server for one simulator.

    Args:
        simulator: Handles the requests.
        host: Address to listen on.
        port: Port; 0 = any free port.
    """

    # TCPServer because HTTPServer resolves the host name: that takes seconds on some machines.
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, simulator: Simulator, host: str, port: int) -> None:
        super().__init__((host, port), _Handler)
        self.simulator = simulator
        self.port: int = self.server_address[1]
        self.url = f"http://{host}:{self.port}"
        self._open: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()
        self._acceptor = threading.Thread(target=self.serve_forever, args=(_POLL,), name=simulator.name, daemon=True)

    def start(self) -> None:
        """Start handling requests in background threads."""
        self.simulator.started(self.url)
        self._acceptor.start()

    def stop(self) -> None:
        """Close all connections and wait for all threads to end."""
        self.simulator.stopped()
        self.shutdown()
        self._acceptor.join()
        with self._lock:
            connections = dict(self._open)
        for connection in connections:
            # Wakes the thread that waits for the next request on a kept-alive connection.
            _shut(connection)
        for thread in connections.values():
            thread.join()
        self.server_close()

    @override
    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(target=self._connection, args=(request, client_address), daemon=True)
        with self._lock:
            self._open[request] = thread
        thread.start()

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        # Clients may disconnect in the middle of a response: tests kill taps.
        if error is not None and not isinstance(error, ConnectionError):
            self.simulator.errors.append(error)

    def _connection(self, request: socket.socket, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except Exception:  # noqa: BLE001 - reported to the test by handle_error
            self.handle_error(request, client_address)
        finally:
            self.shutdown_request(request)
            with self._lock:
                del self._open[request]


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        # Already closed by the client or by its own thread.
        return


class _Handler(BaseHTTPRequestHandler):
    """A connection: reads requests and sends the simulator's responses."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def _exchange(self) -> None:
        request = self._read()
        if request is None:
            return
        simulator = self.server.simulator
        is_control = request.path.startswith(PREFIX)
        response = control(simulator, request) if is_control else simulator.respond(request)
        if response.delivery == "drop":
            self.close_connection = True
        else:
            request.status = response.status
        request.finished = time.monotonic()
        if response.delivery != "drop":
            self._send(request, response)

    # The base class looks for a method named do_ and the HTTP method.
    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_COPY = _exchange  # noqa: N815 - names of the base class

    def _read(self) -> Request | None:
        """Read the rest of the request; send a 400 and return None if it is malformed."""
        try:
            parts = urlsplit(self.path)
            body = self._read_body()
        except ValueError:
            self.close_connection = True
            self.send_error(HTTPStatus.BAD_REQUEST)
            return None
        return Request(
            method=self.command,
            target=self.path,
            path=unquote(parts.path),
            params=parse_qsl(parts.query, keep_blank_values=True),
            headers=Headers(self.headers.items()),
            body=body,
            at=time.monotonic(),
        )

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._read_chunks()
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length)
        if len(body) < length:
            raise ValueError("the body is shorter than its Content-Length")
        return body

    def _read_chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _body(self, request: Request, response: Response) -> bytes:
        """Return what is sent of the body, and set the header fields that describe it."""
        if response.status in _BODILESS:
            return b""
        body = response.body.plain
        large = len(body) >= GZIP_FROM_BYTES and not response.has("Content-Encoding")
        if large and "gzip" in request.headers.get("Accept-Encoding", ""):
            body = response.body.zipped
            response.default("Content-Encoding", "gzip")
            response.default("Vary", "Accept-Encoding")
        response.default("Content-Type", response.content_type)
        chunked = response.delivery == "cut_chunks"
        response.default(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))))
        if response.delivery in ("cut", "cut_chunks", "reset"):
            self.close_connection = True
            body = body[: len(body) // 2]
        return b"%x\r\n%b\r\n" % (len(body), body) if chunked else body

    def _send(self, request: Request, response: Response) -> None:
        body = self._body(request, response)
        if self.close_connection:
            response.default("Connection", "close")
        try:
            reason = _REASONS.get(response.status) or HTTPStatus(response.status).phrase
        except ValueError:
            reason = ""
        response.default("Date", self.date_time_string())
        lines = [f"{self.protocol_version} {response.status} {reason}"]
        lines += [f"{name}: {value}" for name, value in response.headers]
        head = "\r\n".join([*lines, "\r\n"]).encode("latin-1", "replace")
        if request.method == "HEAD":
            body = b""
        if response.delivery == "drip":
            self._drip(head, body, response.pace)
            return
        # One call for head and body: two would add a round trip to a small response.
        self.wfile.write(head + body)
        if response.delivery == "reset":
            # Otherwise the reset could overtake the first half.
            self.server.simulator.stopping.wait(_BEFORE_RESET)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def _drip(self, head: bytes, body: bytes, pace: float) -> None:
        self.wfile.write(head)
        for number in range(len(body)):
            if self.server.simulator.stopping.wait(pace):
                self.close_connection = True
                return
            self.wfile.write(body[number : number + 1])

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Discard the message: the journal has all requests."""


@contextmanager
def serve(simulator: Simulator, port: int = 0, host: str = "127.0.0.1") -> Iterator[Server]:
    """Serve a simulator while the block runs; afterwards no thread or socket is left.

    Args:
        simulator: Handles the requests.
        port: Port; 0 = any free port, see `Server.port` and `Server.url`.
        host: Address to listen on.

    Raises:
        SimulatorError: At the end of the block, if the simulator raised an unexpected error and the block did not.
    """
    server = Server(simulator, host, port)
    server.start()
    try:
        yield server
    finally:
        server.stop()
    if simulator.errors:
        first, count = simulator.errors[0], len(simulator.errors)
        raise SimulatorError(f"the {simulator.name} simulator failed {count} times; first error: {first!r}") from first
