"""Connections that fail: what a user reads, and how often it is tried."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest
import requests
from singer_adtech.errors import VendorError
from singer_adtech.http.connections import explain_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from local_server import Server
    from singer_adtech.http.requester import Requester

CHECK = "check `api_url` and the network of this machine"
SECRET_PATH = "/v1/a-capability?key=pa55word"


def fail(requester: Requester, url: str) -> str:
    """Send a request that fails for good, and return the line."""
    with pytest.raises(VendorError) as caught:
        requester.send(requests.Request("GET", url + SECRET_PATH), auth=None, label="stream airings")
    line = str(caught.value)
    assert not any(secret in line for secret in ("capability", "pa55word", "anna", "\n"))
    return line


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Make a certificate that signed itself."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout {key} -out {certificate}"
    subprocess.run([*command.split(), "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    return certificate, key


@pytest.fixture
def tls_server(make_server: Callable[..., Server], certificate: tuple[Path, Path]) -> Server:
    """Start a server with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return make_server(tls=context)


@pytest.fixture
def raw_server() -> Iterator[Callable[[bytes], int]]:
    """Start servers that answer each connection with some bytes and close it; returns the port."""
    sockets: list[socket.socket] = []

    def start(answer: bytes) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        sockets.append(listener)

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for one in sockets:
        one.shutdown(socket.SHUT_RDWR)
        one.close()


def test_a_certificate_that_is_not_trusted_fails_at_once(
    tls_server: Server, make_requester: Callable[..., Requester], waits: list[float]
) -> None:
    # when
    line = fail(make_requester(tls_server.url), tls_server.url)
    # then
    assert waits == []
    assert line == (
        f"the certificate of localhost:{tls_server.port} is not trusted (self-signed certificate): check `api_url`; "
        "if a company proxy or authority signs certificates, set REQUESTS_CA_BUNDLE to its bundle"
    )


def test_a_certificate_of_another_host_fails_at_once(
    tls_server: Server,
    certificate: tuple[Path, Path],
    make_requester: Callable[..., Requester],
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    url = f"https://127.0.0.1:{tls_server.port}"
    # when
    line = fail(make_requester(url), url)
    # then
    assert waits == []
    assert line.startswith(f"the certificate of 127.0.0.1:{tls_server.port} is not trusted (IP address mismatch")
    assert line.endswith(": check `api_url` and the bundle in REQUESTS_CA_BUNDLE")


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_a_bundle_that_cannot_be_read_fails_at_once(  # noqa: PLR0913, PLR0917 - fixtures
    tls_server: Server,
    make_requester: Callable[..., Requester],
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    content: bytes | None,
) -> None:
    # given
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_bytes(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    # when
    line = fail(make_requester(tls_server.url), tls_server.url)
    # then
    assert waits == []
    assert line == ("the certificate bundle in REQUESTS_CA_BUNDLE cannot be read: correct or unset REQUESTS_CA_BUNDLE")


def test_a_dead_proxy_is_named_and_tried_three_times(
    make_server: Callable[..., Server],
    make_requester: Callable[..., Requester],
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given
    proxy = make_server()
    proxy.close()
    monkeypatch.setenv("HTTPS_PROXY", f"http://anna:pa55word@localhost:{proxy.port}/x?key=pa55word")
    # when
    line = fail(make_requester("https://api.example/v1"), "https://api.example")
    # then
    assert waits == [1, 2]
    assert line == (
        f"no connection to the proxy http://localhost:{proxy.port}: connection refused (tried 3 times): "
        "check HTTPS_PROXY, or add api.example to NO_PROXY"
    )


@pytest.mark.parametrize(
    ("status", "tries"), [("407 Proxy Authentication Required", 1), ("403 Forbidden", 1), ("502 Bad Gateway", 6)]
)
def test_a_proxy_that_refuses_fails_at_once(  # noqa: PLR0913, PLR0917 - fixtures
    raw_server: Callable[[bytes], int],
    make_requester: Callable[..., Requester],
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
    status: str,
    tries: int,
) -> None:
    # given
    port = raw_server(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
    monkeypatch.setenv("HTTPS_PROXY", f"http://anna:pa55word@localhost:{port}")
    # when
    line = fail(make_requester("https://api.example/v1"), "https://api.example")
    # then
    assert len(waits) == tries - 1
    tried = f" (tried {tries} times)" if tries > 1 else ""
    assert line == (
        f"the proxy http://localhost:{port} refused to connect to api.example: {status}{tried}: "
        "check HTTPS_PROXY, or add api.example to NO_PROXY"
    )


@pytest.mark.parametrize("proxy", ["http://localhost:99999", "nonsense://localhost", "socks5://localhost:1"])
def test_a_proxy_that_is_none_fails_at_once(
    make_requester: Callable[..., Requester], waits: list[float], monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    # given
    monkeypatch.setenv("HTTPS_PROXY", proxy.replace("//", "//anna:pa55word@"))
    # when
    line = fail(make_requester("https://api.example/v1"), "https://api.example")
    # then
    assert waits == []
    assert line.endswith(": check HTTPS_PROXY, or add api.example to NO_PROXY")


def test_a_name_that_is_not_known_on_the_first_request_is_tried_three_times(
    make_requester: Callable[..., Requester], waits: list[float]
) -> None:
    # when
    line = fail(make_requester("https://api.invalid/v1"), "https://api.invalid")
    # then
    assert waits == [1, 2]
    assert line == f"no connection to api.invalid: unknown host name (tried 3 times): {CHECK}"


def test_a_name_that_was_known_before_is_tried_as_often_as_anything(
    server: Server, make_requester: Callable[..., Requester], waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    server.script(server.json({}, Connection="close"))
    requester = make_requester(server.url)
    requester.send(requests.Request("GET", server.url), auth=None, label="x")
    server.close()

    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    # when
    line = fail(requester, server.url)
    # then
    assert waits == [1, 2, 4, 8, 16]
    assert line == f"no connection to localhost:{server.port}: unknown host name (tried 6 times): {CHECK}"


@pytest.mark.parametrize(
    ("answer", "scheme", "cause", "remedy"),
    [
        (b"", "http", "{host} closed the connection before responding", "try again later"),
        (b"SSH-2.0-x\r\n", "http", "no connection to {host}: the response is not HTTP", f"{CHECK}, or try again later"),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            "https",
            "no connection to {host}: no secure connection (wrong version number)",
            f"{CHECK}, or try again later",
        ),
    ],
)
def test_no_connection_names_the_host_and_the_cause(  # noqa: PLR0913, PLR0917 - fixtures
    raw_server: Callable[[bytes], int],
    make_requester: Callable[..., Requester],
    waits: list[float],
    answer: bytes,
    scheme: str,
    cause: str,
    remedy: str,
) -> None:
    # given
    host = f"localhost:{raw_server(answer)}"
    # when
    line = fail(make_requester(f"{scheme}://{host}"), f"{scheme}://{host}")
    # then
    assert waits == [1, 2, 4, 8, 16]
    assert line == f"{cause.format(host=host)} (tried 6 times): {remedy}"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            requests.exceptions.ConnectTimeout(),
            f"no connection to api.example within 30 s: {CHECK}",
        ),
        (
            requests.exceptions.ReadTimeout(),
            (
                "no response from api.example within 300 s: try again later, request less at a time, or raise "
                "`request_timeout`"
            ),
        ),
        (
            requests.exceptions.ConnectionError(OSError(101, "Network is unreachable")),
            f"no connection to api.example: network is unreachable: {CHECK}, or try again later",
        ),
        (
            ValueError("Invalid header value b'key pa55word\\n'"),
            (
                "the request to api.example could not be made: check the settings: a credential or an address may "
                "contain an invalid character"
            ),
        ),
    ],
)
def test_a_failure_is_explained_without_the_address(error: Exception, line: str) -> None:
    # when
    explained = explain_failure(error, "https://api.example/secret?key=1", proxy=None, timeout=(30, 300))
    # then
    assert f"{getattr(explained, 'what', '')}: {explained.remedy}" == line


def test_a_credential_that_no_header_can_carry_is_one_line_without_it(
    server: Server, make_requester: Callable[..., Requester]
) -> None:
    # given
    class Auth(requests.auth.AuthBase):
        def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
            r.headers["Authorization"] = "key pa55word\n"
            return r

    # when
    with pytest.raises(VendorError) as caught:
        make_requester(server.url).send(requests.Request("GET", server.url), auth=Auth(), label="x")  # type: ignore[arg-type]
    # then
    assert "pa55word" not in str(caught.value)
    assert "could not be made: check the settings" in str(caught.value)
    assert server.calls == []


@pytest.mark.parametrize("location", ["http://[", "http://localhost:99999/", "http://a b/"])
def test_a_malformed_location_is_one_line(
    server: Server, make_requester: Callable[..., Requester], location: str
) -> None:
    # given
    server.script(server.reply(302, headers={"Location": location}))
    # when
    with pytest.raises(VendorError) as caught:
        make_requester(server.url).send(requests.Request("GET", server.url), auth=None, label="x")
    # then
    assert str(caught.value).startswith("the vendor sent the tap to a")
    assert str(caught.value).endswith(": check `api_url`")


def test_a_redirect_from_https_to_http_is_refused(
    tls_server: Server,
    server: Server,
    certificate: tuple[Path, Path],
    make_requester: Callable[..., Requester],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    tls_server.script(tls_server.reply(302, headers={"Location": f"{server.url}/v1?key=pa55word"}))
    # when
    line = fail(make_requester(tls_server.url), tls_server.url)
    # then
    assert line == (
        f"the vendor sent the tap to another host (http://localhost:{server.port}), which was not asked: "
        "check `api_url`"
    )
    assert server.calls == []
