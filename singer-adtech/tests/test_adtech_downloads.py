"""Bodies: whole, within a size and a time, and in little memory."""

from __future__ import annotations

import gzip
import time
import tracemalloc
import zlib
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import requests
from singer_adtech.errors import VendorError
from singer_adtech.http import downloads
from singer_adtech.http.downloads import BodyLimits
from singer_adtech.http.responses import check_json
from singer_adtech.http.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_server import Reply, Server
    from singer_adtech.http.requester import Requester

ROW = b'{"id": 1, "title": "Caf\xc3\xa9 au lait", "spend": "845199.10"}'
ONE_MB = BodyLimits(megabytes=1, seconds=5, smaller="lower `page_size`")
TOO_LARGE = "the response is larger than 1 MB: lower `page_size`, or raise `max_response_mb`"


def get(server: Server, limits: BodyLimits = ONE_MB, timeout: float = 5) -> requests.Response:
    with closing(Session(server.url, connections=1, timeout=timeout, limits=limits)) as session:
        return session.send(requests.Request("GET", server.url).prepare())


def in_chunks(server: Server, body: bytes, **headers: str) -> Reply:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return server.reply(200, headers=named, chunks=[body[at : at + 100_000] for at in range(0, len(body), 100_000)])


@pytest.mark.parametrize("zeros", [b"", b"\0" * 7])
@pytest.mark.parametrize("piece", [1, 7, 1024 * 1024])
def test_members_of_gzip_are_one_body_however_they_arrive(
    server: Server, monkeypatch: pytest.MonkeyPatch, piece: int, zeros: bytes
) -> None:
    # given
    body = ROW * 50
    members = [gzip.compress(body[:500]), zeros, gzip.compress(b""), gzip.compress(body[500:]), zeros]
    monkeypatch.setattr(downloads, "PIECE", piece)
    server.script(server.reply(200, b"".join(members), {"Content-Encoding": "GZIP"}))
    # then
    assert get(server).content == body


@pytest.mark.parametrize(
    ("sent", "encoding"),
    [(zlib.compress(ROW), "deflate"), (ROW, "identity"), (ROW, "utf-8"), (b"", "gzip"), (ROW, "")],
    ids=["deflate", "identity", "an encoding that is none", "nothing", "no encoding"],
)
def test_a_body_is_decompressed_as_its_encoding_says(server: Server, sent: bytes, encoding: str) -> None:
    # given
    server.script(server.reply(200, sent, {"Content-Encoding": encoding}))
    # then
    assert get(server).content == (ROW if sent else b"")


def test_what_follows_a_gzip_member_and_is_none_is_an_error(server: Server) -> None:
    # given
    server.script(server.reply(200, gzip.compress(ROW) + b"and more", {"Content-Encoding": "gzip"}))
    # then
    with pytest.raises(requests.exceptions.ContentDecodingError):
        get(server)


def test_a_declared_length_that_is_too_large_is_refused_before_the_body_is_read(server: Server) -> None:
    # given: the body never comes
    server.script(server.reply(200, b"", {"Content-Length": "1000001"}))
    start = time.monotonic()
    # when
    with pytest.raises(VendorError) as caught:
        get(server)
    # then
    assert str(caught.value) == TOO_LARGE
    assert time.monotonic() - start < 4


def test_a_head_may_declare_any_length(server: Server) -> None:
    # given
    server.script(server.reply(200, b"", {"Content-Length": "5000000"}))
    # when
    with closing(Session(server.url, connections=1, timeout=5, limits=ONE_MB)) as session:
        response = session.send(requests.Request("HEAD", server.url).prepare())
    # then
    assert response.content == b""


def test_a_body_of_unknown_length_is_read_to_the_limit(server: Server) -> None:
    # given
    server.script(in_chunks(server, b"x" * 1_000_000), in_chunks(server, b"x" * 1_000_001))
    # then
    assert len(get(server).content) == 1_000_000
    with pytest.raises(VendorError) as caught:
        get(server)
    assert str(caught.value) == TOO_LARGE


def test_a_gzip_bomb_is_refused_within_a_little_memory(server: Server) -> None:
    # given: 300 MB in 0.3 MB
    bomb = gzip.compress(b"0" * 300_000_000, 1)
    server.script(server.reply(200, bomb, {"Content-Encoding": "gzip"}))
    tracemalloc.start()
    # when
    try:
        with pytest.raises(VendorError) as caught:
            get(server)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # then
    assert str(caught.value) == TOO_LARGE
    assert peak < 10_000_000


def test_a_response_that_is_too_large_is_not_requested_again(
    server: Server, make_requester: Callable[..., Requester], waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    monkeypatch.setattr(BodyLimits, "too_large", lambda _: VendorError("too large"))
    monkeypatch.setattr(downloads, "MEGABYTE", 1)
    server.answer = lambda _: server.reply(200, b"x" * 1000)
    # when
    with pytest.raises(VendorError, match="too large"):
        make_requester(server.url).send(requests.Request("GET", server.url), auth=None, label="x")
    # then
    assert len(server.calls) == 1
    assert waits == []


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("chunked", [False, True])
def test_the_download_holds_less_than_three_times_the_body(server: Server, *, zipped: bool, chunked: bool) -> None:
    # given: 30 MB, with characters that take two and four bytes each once decoded
    body = b"[" + b", ".join([ROW] * 540_000) + ', "\U0001f600"]'.encode()
    sent = gzip.compress(body, 1) if zipped else body
    headers = {"Content-Encoding": "gzip"} if zipped else {}
    server.script(in_chunks(server, sent, **headers) if chunked else server.reply(200, sent, headers))
    tracemalloc.start()
    # when
    try:
        before = tracemalloc.get_traced_memory()[0]
        response = get(server, BodyLimits(megabytes=100), 60)
        check_json(response)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    # then: the server's own copies of chunks are among them
    assert response.content == body
    assert peak < 3 * len(body)


def test_not_enough_memory_is_one_line_and_names_the_setting(
    server: Server, make_requester: Callable[..., Requester], waits: list[float]
) -> None:
    # given
    def check(_: requests.Response) -> None:
        raise MemoryError

    server.script(server.json({}))
    # when
    with pytest.raises(VendorError) as caught:
        make_requester(server.url).send(requests.Request("GET", server.url), auth=None, check_body=check, label="x")
    # then
    assert str(caught.value) == "not enough memory for the response: request less at a time"
    assert waits == []


def test_a_body_that_drips_is_not_waited_for_without_limit(
    server: Server, make_requester: Callable[..., Requester], log: list[str], waits: list[float]
) -> None:
    # given: a byte each hundredth of a second, which no read timeout ends; it would take 100 s
    server.script(server.reply(200, b" " * 10_000, drip=0.01), server.json({"data": 1}))
    start = time.monotonic()
    # when
    response = make_requester(server.url, timeout=0.3).send(
        requests.Request("GET", server.url), auth=None, check_body=check_json, label="stream airings"
    )
    # then
    assert response.json() == {"data": 1}
    assert time.monotonic() - start < 10
    assert waits == [1]
    assert (
        "stream airings: the response arrived with less than 10,000 bytes per second after 0.3 s; try 1, waiting 1 s"
    ) in log


def test_a_slow_and_honest_download_is_waited_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    # given: twice as long as any body may take, and fast enough
    monkeypatch.setattr(downloads, "SLOWEST", 20)
    server.script(server.reply(200, b"[" + b" " * 38 + b"]", drip=0.01))
    # then
    assert len(get(server, BodyLimits(seconds=0.2), 5).content) == 40


def test_a_body_that_stops_is_given_up_after_the_timeout(server: Server) -> None:
    # given
    server.script(server.reply(200, b"[1, 2]", drip=3))
    # then
    with pytest.raises(requests.exceptions.Timeout):
        get(server, BodyLimits(seconds=60), 0.2)


def test_a_connection_whose_body_was_refused_is_not_used_again(server: Server) -> None:
    # given: what is left of the body would be taken for the next response
    server.script(in_chunks(server, b"x" * 3_000_000), server.json({"data": 1}))
    # when
    with closing(Session(server.url, connections=1, timeout=5, limits=ONE_MB)) as session:
        with pytest.raises(VendorError):
            session.send(requests.Request("GET", server.url).prepare())
        response = session.send(requests.Request("GET", server.url).prepare())
    # then
    assert response.json() == {"data": 1}
    assert len({call.port for call in server.calls}) == 2


def test_the_limits_of_a_tap_name_the_settings_that_it_has() -> None:
    # given
    config = {"request_timeout": 60, "max_response_mb": 2}
    # then
    assert BodyLimits.of(config, {"page_size", "window_days"}) == BodyLimits(
        2, 60, "lower `page_size` or `window_days`"
    )
    assert BodyLimits.of({"request_timeout": 300}, ()) == BodyLimits(512, 300, "request less at a time")
