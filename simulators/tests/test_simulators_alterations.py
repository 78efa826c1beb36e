"""Altered bodies and broken deliveries: what the client receives."""

from __future__ import annotations

import gzip
import http.client
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest
from vendor_simulators.alterations import Alteration, alter
from vendor_simulators.calls import call
from vendor_simulators.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vendor_simulators.ispot import ISpotSimulator

PAGE = b'"page":{"total":2,"prev":"p","next":null}}'
BODY = b'{"data":[{"id":1,"name":"a b","x":null},{"id":2,"name":"c d","x":1.50}],' + PAGE
NEW = b',"unannounced_field":"made up"}'


@pytest.mark.parametrize(
    ("alteration", "altered"),
    [
        ("half_rows", BODY.replace(b'{"id":1,"name":"a b","x":null},', b"")),
        ("no_rows", b'{"data":[],"page":{"total":2,"prev":"p","next":null}}'),
        ("many_pages", BODY.replace(b'"total":2', b'"total":1000000000000')),
        ("endless", b'{"data":[],"page":{"total":1000000000000,"prev":"p","next":"p"}}'),
        ("new_field", BODY.replace(b"null},", b"null" + NEW + b",").replace(b"1.50}", b"1.50" + NEW)),
        ("other_type", BODY.replace(b'"a b"', b'{"made":"up"}')),
        ("byte_order_mark", b"\xef\xbb\xbf" + BODY),
        ("half_character", BODY.replace(b"a b", b"a b\\ud83d")),
        ("bad_byte", BODY.replace(b"a b", b"a b\xff")),
        ("nan", BODY.replace(b'"x":null', b'"x":NaN')),
    ],
)  # fmt: skip
def test_a_body_is_altered(alteration: Alteration, altered: bytes) -> None:
    assert alter(BODY, alteration).replace(b": ", b":").replace(b", ", b",") == altered


def test_rows_of_lines_are_altered() -> None:
    assert alter(b'["a", 1]\n["b", 2]\n', "rows_twice") == b'["a", 1]\n["b", 2]\n["a", 1]\n["b", 2]\n'
    assert alter(b'["a", 1]\n["b", 2]\n', "half_rows") == b'["b", 2]\n'


@pytest.mark.parametrize("body", [b"", b"[]", b'{"data":[]}', b"<html></html>"])
def test_a_body_without_rows_stays(body: bytes) -> None:
    assert alter(body, "half_rows") == body


@contextmanager
def open_call(simulator: ISpotSimulator) -> Iterator[http.client.HTTPResponse]:
    """Ask for brands, and read the head of the response only."""
    connection = http.client.HTTPConnection("127.0.0.1", int(simulator.url.rpartition(":")[2]), timeout=5)
    headers = {"Authorization": f"Bearer {simulator.tokens.issue()}"}
    connection.request("GET", "/v4/brands?sort=id", headers=headers)
    with closing(connection), connection.getresponse() as response:
        yield response


def test_a_chunked_body_is_cut(ispot: ISpotSimulator) -> None:
    ispot.faults.add(Fault(action="cut_chunks"))
    with open_call(ispot) as response:
        assert (response.headers["Transfer-Encoding"], response.headers["Content-Length"]) == ("chunked", None)
        with pytest.raises(http.client.IncompleteRead):
            response.read()


def test_a_compressed_body_is_cut(ispot: ISpotSimulator) -> None:
    ispot.faults.add(Fault(action="cut_gzip"))
    with open_call(ispot) as response:
        body = response.read()
    assert (response.headers["Content-Encoding"], response.headers["Content-Length"]) == ("gzip", str(len(body)))
    with pytest.raises(EOFError):
        gzip.decompress(body)


def test_a_connection_is_reset_in_the_body(ispot: ISpotSimulator) -> None:
    ispot.faults.add(Fault(action="reset"))
    with open_call(ispot) as response, pytest.raises(ConnectionResetError):
        response.read()


def test_a_body_drips(ispot: ISpotSimulator) -> None:
    ispot.faults.add(Fault(action="drip", delay=0.01))
    began = time.monotonic()
    with open_call(ispot) as response:
        assert response.read(5) == b'{"dat'
    assert time.monotonic() - began > 0.04


def test_pages_without_rows_have_no_end(ispot: ISpotSimulator) -> None:
    # Given a list of few pages, each of which is altered
    ispot.faults.add(Fault(path="/v4/brands", action="endless", times=None))
    # When a page far past the end is requested
    responses = []
    for number in (1, 1000):
        headers = {"Authorization": f"Bearer {ispot.tokens.issue()}"}
        params = {"sort": "id", "page[size]": 5, "page[number]": number}
        responses.append(call(ispot.url, "/v4/brands", params=params, headers=headers))
    # Then it is there
    assert [(response.status, response.json()["data"]) for response in responses] == [(200, []), (200, [])]
