"""A response is decoded once, whoever reads it."""

from __future__ import annotations

import threading

import requests
from singer_adtech.records.page import once_per_response


def test_an_envelope_is_decoded_once_per_body() -> None:
    # given
    decoded: list[bytes] = []

    @once_per_response
    def read(response: requests.Response) -> int:
        decoded.append(response.content)
        return len(decoded)

    one, other = requests.Response(), requests.Response()
    one._content, other._content = b"[1]", b"[1]"  # noqa: SLF001 - a made-up response
    # when: the check, paging and the rows read it, some of them in another thread
    results = [read(one), read(one), read(other)]
    thread = threading.Thread(target=lambda: results.append(read(one)))
    thread.start()
    thread.join()
    # then
    assert results == [1, 1, 2, 1]
    # when its body was repaired
    one._content = b"[2]"  # noqa: SLF001 - as the requester does
    # then
    assert (read(one), decoded) == (3, [b"[1]", b"[1]", b"[2]"])
