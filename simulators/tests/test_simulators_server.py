"""The HTTP server, tested with clients over real sockets."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import threading
import time
from typing import TYPE_CHECKING, ClassVar

import pytest
from typing_extensions import override
from vendor_simulators.calls import call
from vendor_simulators.faults import Fault
from vendor_simulators.messages import Refused, Response
from vendor_simulators.server import serve
from vendor_simulators.simulator import Restated, Simulator, SimulatorError

if TYPE_CHECKING:
    from datetime import date

    from vendor_simulators.messages import Request
    from vendor_simulators.pytest_plugin import Simulate

LARGE = {"rows": ["row"] * 5000}


class Echo(Simulator):
    """Responds with everything that the vendors' simulators need of the framework."""

    name: ClassVar[str] = "echo"
    time_zone: ClassVar[str] = "UTC"
    base_path: ClassVar[str] = "/api"

    @override
    def settings(self) -> dict[str, str]:
        return {"api_url": self.api_url}

    @override
    def handle(self, request: Request) -> Response:
        if request.path == "/api/lines":
            return Response.lines([["1", "a"], ["2", "é"]])
        if request.path == "/api/cookies":
            headers = [("Set-Cookie", "A=1; Version=1"), ("Set-Cookie", "B=2")]
            return Response.json({"cookies": request.cookies(), "basic": request.basic()}, headers=headers)
        if request.path == "/api/timeout":
            return Response.text("session timed out", 419)
        if request.path == "/api/large":
            return Response.json(LARGE)
        if request.path == "/api/nothing":
            return Response(status=204)
        if request.path == "/api/refused":
            raise Refused(Response.text("Retry later\n", 429))
        if request.path == "/api/bug":
            raise KeyError("a bug of the simulator")
        return Response.json({"method": request.method, "params": request.params, "body": request.body.decode()})

    @override
    def truth(
        self, stream: str, *, first_day: date | None = None, last_day: date | None = None
    ) -> list[dict[str, object]]:
        return []

    @override
    def restate(self, seed: int = 1, *, days: int = 3) -> Restated:
        return Restated([], [])


@pytest.fixture
def echo(simulate: Simulate) -> Echo:
    return simulate(Echo())


def test_server_passes_method_parameters_and_body(echo: Echo) -> None:
    # Given parameters with brackets, blanks, commas and an empty value
    params = {"page[number]": "2", "include": "a,b", "empty": "", "q": "é &"}

    # When they are sent with a body
    reply = call(echo.url, "/api/x y", "POST", params=params, body='{"a": 1}')

    # Then they arrive decoded and in order, and are in the journal
    assert reply.json() == {"method": "POST", "params": [list(pair) for pair in params.items()], "body": '{"a": 1}'}
    (entry,) = echo.journal
    assert (entry.method, entry.path, entry.params, entry.status) == ("POST", "/api/x y", list(params.items()), 200)
    assert entry.target == "/api/x%20y?page%5Bnumber%5D=2&include=a%2Cb&empty=&q=%C3%A9+%26"
    assert entry.json() == {"a": 1}
    assert 0 < entry.at <= entry.finished <= time.monotonic()


def test_server_answers_head_like_get_without_body(echo: Echo) -> None:
    # When the same path is requested with GET and HEAD
    get = call(echo.url, "/api/large")
    head = call(echo.url, "/api/large", "HEAD")

    # Then both have the length and only GET has the body
    assert get.headers["Content-Length"] == head.headers["content-length"] == str(len(get.body))
    assert get.json() == LARGE
    assert head.body == b""
    assert [entry.method for entry in echo.journal] == ["GET", "HEAD"]


def test_server_keeps_a_connection_alive(echo: Echo) -> None:
    # Given one connection
    connection = http.client.HTTPConnection("127.0.0.1", int(echo.url.rpartition(":")[2]))

    # When three requests use it, including a HEAD and an empty response
    bodies = []
    for method, path in (("HEAD", "/api/large"), ("GET", "/api/nothing"), ("GET", "/api/a")):
        connection.request(method, path)
        bodies.append(connection.getresponse().read())
        port = connection.sock.getsockname()[1]
    connection.request("GET", "/api/b")
    connection.getresponse().read()

    # Then it was one connection throughout and no response ran into the next
    assert connection.sock.getsockname()[1] == port
    assert bodies[:2] == [b"", b""]
    assert json.loads(bodies[2])["method"] == "GET"
    connection.close()


def test_server_compresses_large_bodies_on_request(echo: Echo) -> None:
    # When gzip is accepted, and not
    connection = http.client.HTTPConnection("127.0.0.1", int(echo.url.rpartition(":")[2]))
    connection.request("GET", "/api/large", headers={"Accept-Encoding": "gzip, deflate"})
    response = connection.getresponse()
    zipped = response.read()
    connection.close()
    plain = call(echo.url, "/api/large")
    small = call(echo.url, "/api/a", headers={"Accept-Encoding": "gzip"})

    # Then only the large response to the first is compressed
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.headers["Content-Length"] == str(len(zipped))
    assert json.loads(gzip.decompress(zipped)) == LARGE
    assert "Content-Encoding" not in plain.headers
    assert "Content-Encoding" not in small.headers


def test_server_accepts_a_chunked_body(echo: Echo) -> None:
    # When a chunked body is sent
    connection = http.client.HTTPConnection("127.0.0.1", int(echo.url.rpartition(":")[2]))
    connection.request("POST", "/api/x", body=iter([b"one ", b"two"]), encode_chunked=True)
    response = json.loads(connection.getresponse().read())
    connection.request("GET", "/api/x")
    after = connection.getresponse().status
    connection.close()

    # Then it is read whole, and the next request on the connection is parsed
    assert response["body"] == "one two"
    assert after == 200


def test_server_serves_lines_cookies_basic_and_odd_statuses(echo: Echo) -> None:
    # When features that other vendors need are requested
    lines = call(echo.url, "/api/lines")
    cookies = call(echo.url, "/api/cookies", headers={"Cookie": "ApiSession=x; V=y", "Authorization": "Basic a2V5Og=="})
    timeout = call(echo.url, "/api/timeout")
    refused = call(echo.url, "/api/refused")

    # Then each response is as expected
    assert lines.body.decode() == '["1","a"]\n["2","é"]\n'
    assert lines.headers["Content-Type"] == "application/x-ndjson"
    assert cookies.json() == {"cookies": [["ApiSession", "x"], ["V", "y"]], "basic": ["key", ""]}
    assert cookies.headers.all("Set-Cookie") == ["A=1; Version=1", "B=2"]
    assert (timeout.status, timeout.body) == (419, b"session timed out")
    assert (refused.status, refused.body, refused.headers["Content-Type"]) == (
        429,
        b"Retry later\n",
        "text/plain; charset=utf-8",
    )


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"NONSENSE\r\n\r\n", b"400"),
        (b"GET /api/x HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n", b"400"),
        (b"POST /api/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
        (b"GET http://[bad/ HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"BREW /api/x HTTP/1.1\r\nHost: x\r\n\r\n", b"501"),
    ],
)
def test_server_survives_malformed_requests(echo: Echo, raw: bytes, status: bytes) -> None:
    # When something other than HTTP is received
    with socket.create_connection(("127.0.0.1", int(echo.url.rpartition(":")[2])), timeout=10) as raw_socket:
        raw_socket.sendall(raw)
        raw_socket.shutdown(socket.SHUT_WR)
        with raw_socket.makefile("rb") as stream:
            response = stream.read()

    # Then it is refused, is not an error of the simulator, and the next request gets a response
    assert status in response
    assert call(echo.url, "/api/x").status == 200
    assert echo.errors == []


def test_server_survives_a_client_that_disconnects(echo: Echo) -> None:
    # When a client sends half a body and disconnects
    with socket.create_connection(("127.0.0.1", int(echo.url.rpartition(":")[2]))) as raw_socket:
        raw_socket.sendall(b"POST /api/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")

    # Then the next one is served, and the half is not a request
    assert call(echo.url, "/api/x").status == 200
    assert [entry.method for entry in echo.journal] == ["GET"]
    assert echo.errors == []


def test_serve_raises_the_error_of_the_simulator() -> None:
    # Given a simulator with a bug
    echo = Echo()

    # When a request triggers the bug
    with (
        pytest.raises(SimulatorError, match="failed 1 times; first error: KeyError") as caught,
        serve(echo),
    ):
        reply = call(echo.url, "/api/bug")

    # Then the client got 500 and the test gets the cause
    assert reply.status == 500
    assert echo.journal[0].status == 500
    assert isinstance(caught.value.__cause__, KeyError)


def test_serve_leaves_no_thread_or_socket() -> None:
    # Given the threads running before
    before = threading.active_count()
    echo = Echo()

    # When a server stops while one connection is idle and another waits for a slow response
    with serve(echo) as server:
        idle = socket.create_connection(("127.0.0.1", server.port))
        idle.sendall(b"GET /api/x HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(15) == b"HTTP/1.1 200 OK"
        echo.faults.add(Fault(path="/api/slow", action="slow", delay=60))
        slow = socket.create_connection(("127.0.0.1", server.port))
        slow.sendall(b"GET /api/slow HTTP/1.1\r\nHost: x\r\n\r\n")
        while not echo.journal.matching("/api/slow"):
            time.sleep(0.001)
        began = time.monotonic()

    # Then it stops immediately, every thread has ended and the port is closed
    assert time.monotonic() - began < 5
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port))
    idle.close()
    slow.close()


def test_serve_does_not_hide_the_error_of_the_block() -> None:
    # When the block itself fails after the simulator has
    echo = Echo()
    with pytest.raises(KeyError, match="absent"), serve(echo):
        call(echo.url, "/api/bug").headers["absent"]

    # Then the block's error is raised
    assert len(echo.errors) == 1


def test_address_is_known_only_while_served() -> None:
    # Given a simulator that is not served
    echo = Echo()
    with pytest.raises(RuntimeError, match="not being served"):
        _ = echo.url

    # When it is
    with serve(echo) as server:
        # Then it has the address
        assert echo.api_url == f"{server.url}/api" == f"http://127.0.0.1:{server.port}/api"
    with pytest.raises(RuntimeError, match="not being served"):
        _ = echo.url
