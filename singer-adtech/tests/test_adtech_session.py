"""The session: connections, hosts, certificates, proxies, whole bodies."""

from __future__ import annotations

import gzip
import ssl
import subprocess
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import requests
from singer_adtech.errors import VendorError
from singer_adtech.http.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from local_server import Call, Reply, Server

BODY = b'{"data": [' + b'{"id": 1}, ' * 500 + b'{"id": 2}]}'


def get(session: Session, url: str, **headers: str) -> requests.Response:
    return session.send(requests.Request("GET", url, headers=headers).prepare())


def make_session(url: str, *, timeout: float = 5.0, follow_redirects: bool = True) -> Session:
    return Session(url, connections=2, timeout=timeout, follow_redirects=follow_redirects)


def test_a_connection_is_used_again(server: Server) -> None:
    # given
    server.answer = lambda _: server.json({})
    # when
    with closing(make_session(server.url)) as session:
        for _ in range(5):
            get(session, server.url)
    # then
    assert len({call.port for call in server.calls}) == 1


def test_a_connection_is_used_again_after_an_error(server: Server) -> None:
    # given
    server.script(server.json({}, 500), server.json({}, 429), server.json({}))
    # when
    with closing(make_session(server.url)) as session:
        statuses = [get(session, server.url).status_code for _ in range(3)]
    # then
    assert statuses == [500, 429, 200]
    assert len({call.port for call in server.calls}) == 1


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_whole_body_is_read_and_decompressed(server: Server, *, chunked: bool, zipped: bool) -> None:
    # given
    sent = gzip.compress(BODY) if zipped else BODY
    headers = {"Content-Encoding": "gzip"} if zipped else {}
    chunks = [sent[at : at + 10] for at in range(0, len(sent), 10)] if chunked else None
    server.script(server.reply(200, sent, headers, chunks))
    # when
    with closing(make_session(server.url)) as session:
        response = get(session, server.url)
    # then
    assert response.content == BODY
    assert response.json()["data"][-1] == {"id": 2}


def test_two_gzip_members_are_one_body(server: Server) -> None:
    # given
    server.script(server.reply(200, gzip.compress(b"[1,") + gzip.compress(b"2]"), {"Content-Encoding": "gzip"}))
    # when
    with closing(make_session(server.url)) as session:
        response = get(session, server.url)
    # then
    assert response.content == b"[1,2]"


def test_a_body_shorter_than_declared_is_an_error(server: Server) -> None:
    # given
    server.script(server.reply(200, BODY, send_bytes=100))
    # when / then
    with (
        closing(make_session(server.url)) as session,
        pytest.raises(requests.exceptions.ChunkedEncodingError),
    ):
        get(session, server.url)


def test_a_chunked_body_without_its_end_is_an_error(server: Server) -> None:
    # given
    server.script(server.reply(200, chunks=[BODY[:50], BODY[50:]], send_bytes=1))
    # when / then
    with (
        closing(make_session(server.url)) as session,
        pytest.raises(requests.exceptions.ChunkedEncodingError),
    ):
        get(session, server.url)


@pytest.mark.parametrize(
    "zipped",
    [gzip.compress(BODY)[:-20], gzip.compress(BODY)[:5], b"no gzip at all"],
    # Compressed bytes hold the time, and a test's name must not.
    ids=["without its end", "a beginning", "no gzip"],
)
def test_a_gzip_body_that_breaks_off_is_an_error_even_if_its_length_is_right(server: Server, zipped: bytes) -> None:
    # given: text or CSV would otherwise be cut without a word
    server.script(server.reply(200, zipped, {"Content-Encoding": "gzip"}))
    # when / then
    with (
        closing(make_session(server.url)) as session,
        pytest.raises(requests.exceptions.ContentDecodingError),
    ):
        get(session, server.url)


def test_no_answer_in_time_is_a_timeout(server: Server) -> None:
    # given: the connection is made, and nothing is ever answered
    done = threading.Event()

    def answer(_: Call) -> Reply:
        done.wait(10)
        return server.json({})

    server.answer = answer
    # when / then
    with closing(make_session(server.url, timeout=0.1)) as session, pytest.raises(requests.exceptions.Timeout):
        get(session, server.url)
    done.set()


def test_cookies_are_not_kept(server: Server) -> None:
    # given
    server.script(server.json({}, Set_Cookie="session=1; Path=/"), server.json({}))
    # when
    with closing(make_session(server.url)) as session:
        get(session, server.url)
        get(session, server.url)
        kept = list(session.requests_session.cookies)
    # then
    assert [call.headers.get("Cookie") for call in server.calls] == [None, None]
    assert kept == []


def test_the_users_netrc_is_not_used(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.script(server.json({}))
    # when
    with closing(make_session(server.url)) as session:
        get(session, server.url)
    # then
    assert server.calls[0].headers.get("Authorization") is None


def test_a_redirect_within_the_host_is_followed_with_credentials(server: Server) -> None:
    # given
    server.script(
        server.reply(302, headers={"Location": "/v2/airings?page=1"}),
        server.reply(307, headers={"Location": f"{server.url}/v3/airings"}),
        server.json({"data": 1}),
    )
    # when
    with closing(make_session(server.url)) as session:
        response = get(session, f"{server.url}/v1/airings", Authorization="Bearer abc")
    # then
    assert response.json() == {"data": 1}
    assert server.paths() == ["/v1/airings", "/v2/airings", "/v3/airings"]
    assert server.calls[1].query == {"page": "1"}
    assert server.calls[2].headers["Authorization"] == "Bearer abc"


def test_a_redirect_to_another_host_is_refused_and_gets_no_credentials(
    server: Server, make_server: Callable[..., Server]
) -> None:
    # given: another port of the same machine is another host
    other = make_server()
    server.script(server.reply(302, headers={"Location": f"{other.url}/take?all=1"}))
    # when
    with closing(make_session(server.url)) as session, pytest.raises(VendorError) as caught:
        get(session, server.url, Authorization="Bearer abc")
    # then
    assert other.calls == []
    assert f"another host (http://localhost:{other.port})" in str(caught.value)
    assert "take" not in str(caught.value)


@pytest.mark.parametrize(
    "location",
    [
        "https://localhost:{port}/",
        "http://127.0.0.1:{port}/",
        "//elsewhere.example/",
        "http://x@elsewhere.example\\@localhost:{port}/",
    ],
)
def test_another_scheme_or_name_is_another_host(server: Server, location: str) -> None:
    # given
    server.script(server.reply(302, headers={"Location": location.format(port=server.port)}), server.json({}))
    # when
    with closing(make_session(server.url)) as session, pytest.raises(VendorError) as caught:
        get(session, server.url)
    # then
    assert "another host" in str(caught.value)
    assert len(server.calls) == 1


def test_a_request_to_another_host_is_refused(server: Server, make_server: Callable[..., Server]) -> None:
    # given: a vendor's `next` link that leads elsewhere
    other = make_server()
    # when
    with closing(make_session(server.url)) as session, pytest.raises(VendorError) as caught:
        get(session, f"{other.url}/next")
    # then
    assert other.calls == []
    assert str(caught.value) == (
        f"the vendor sent the tap to another host (http://localhost:{other.port}), which was not asked: check `api_url`"
    )


def test_a_redirect_is_given_back_where_the_vendor_does_not_redirect(server: Server) -> None:
    # given
    server.script(server.reply(302, headers={"Location": "/elsewhere"}))
    # when
    with closing(make_session(server.url, follow_redirects=False)) as session:
        response = get(session, server.url)
    # then
    assert response.status_code == 302
    assert len(server.calls) == 1


def test_a_post_is_not_redirected(server: Server) -> None:
    # given: a login whose form would be sent again
    server.script(server.reply(307, headers={"Location": "/elsewhere"}))
    # when
    with closing(make_session(server.url)) as session:
        response = session.send(requests.Request("POST", server.url, data={"secret": "x"}).prepare())
    # then
    assert response.status_code == 307
    assert len(server.calls) == 1


def test_redirects_without_end_are_an_error(server: Server) -> None:
    # given
    server.answer = lambda _: server.reply(302, headers={"Location": "/again"})
    # when
    with closing(make_session(server.url)) as session, pytest.raises(VendorError, match="more than 5 redirects"):
        get(session, server.url)
    # then
    assert len(server.calls) == 5


def test_a_proxy_of_the_environment_is_used(
    server: Server, make_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: a proxy that answers by itself
    proxy = make_server()
    proxy.script(proxy.json({"from": "proxy"}))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    # when
    with closing(make_session(server.url)) as session:
        response = get(session, f"{server.url}/airings")
    # then
    assert response.json() == {"from": "proxy"}
    assert proxy.calls[0].target == f"{server.url}/airings"
    assert server.calls == []


def test_no_proxy_is_honoured(
    server: Server, make_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    proxy = make_server()
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "localhost")
    server.script(server.json({"from": "vendor"}))
    # when
    with closing(make_session(server.url)) as session:
        response = get(session, server.url)
    # then
    assert response.json() == {"from": "vendor"}
    assert proxy.calls == []


def test_a_certificate_is_checked_against_the_bundle_of_the_environment(
    make_server: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: a server with a certificate that it signed itself
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout {key} -out {certificate}"
    subprocess.run([*command.split(), "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = make_server(tls=context)
    server.answer = lambda _: server.json({"data": []})
    with closing(make_session(server.url)) as session:
        # when / then: it is unknown without the variable
        with pytest.raises(requests.exceptions.SSLError):
            get(session, server.url)
        assert server.calls == []
        # when / then: and known with it
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert get(session, server.url).json() == {"data": []}
