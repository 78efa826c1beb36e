"""Requests that fail, and are sent again."""

from __future__ import annotations

import gzip
import threading
from typing import TYPE_CHECKING

import msgspec
import pytest
import requests
from singer_adtech.errors import VendorError
from singer_adtech.http.budgets import Budgets, Family, Limit
from singer_adtech.http.retries import RetryPolicy, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_server import Reply, Server
    from singer_adtech.http.requester import Requester
    from singer_adtech.testing import FakeClock

AIRINGS = Family("airings", ("/airings",), (Limit(3, 60),))


def whole_json(response: requests.Response) -> None:
    try:
        msgspec.json.decode(response.content)
    except msgspec.DecodeError as error:
        raise TransientError("a body that is no JSON", response) from error


def test_500_is_asked_again_until_it_succeeds(
    server: Server, send: Callable[..., requests.Response], waits: list[float], log: list[str]
) -> None:
    # given
    server.script(
        server.json({"title": "Oops"}, 503, X_Request_ID="r-1"), server.json({}, 500), server.json({"data": 1})
    )
    # when
    response = send()
    # then
    assert response.json() == {"data": 1}
    assert waits == [1, 2]
    assert [line for line in log if line.startswith("stream")] == [
        'stream airings: HTTP 503 Service Unavailable "Oops" (X-Request-ID r-1); try 1, waiting 1 s',
        "stream airings: HTTP 500 Internal Server Error; try 2, waiting 2 s",
    ]


def test_a_thread_that_still_fetches_logs_nothing_after_the_last_line_of_a_run(
    server: Server, make_requester: Callable[..., Requester], log: list[str]
) -> None:
    # given: a run that has ended, and another one
    requester = make_requester(server.url)
    lines = {}
    for ended in (True, False):
        requester.end_log(ended=ended)
        server.script(server.json({}, 503), server.json({}))
        # when: a thread of the run asks, and is answered with what may pass
        requester.send(requests.Request("GET", f"{server.url}/airings"), auth=None, label="stream airings")
        lines[ended] = [line for line in log if line.startswith("stream airings")]
    # then
    assert lines == {True: [], False: ["stream airings: HTTP 503 Service Unavailable; try 1, waiting 1 s"]}


def test_500_six_times_is_the_end(server: Server, send: Callable[..., requests.Response], waits: list[float]) -> None:
    # given
    server.answer = lambda _: server.json({"title": "Oops"}, 500)
    # when
    with pytest.raises(VendorError) as caught:
        send()
    # then
    assert waits == [1, 2, 4, 8, 16]
    assert len(server.calls) == 6
    assert str(caught.value) == (
        'HTTP 500 Internal Server Error "Oops" (tried 6 times): the vendor may be down: try again later'
    )


def cut_gzip(server: Server) -> Reply:
    return server.reply(200, gzip.compress(b'{"data": [1, 2, 3]}')[:-6], {"Content-Encoding": "gzip"})


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda server: server.reply(hang_up=True), "localhost:{port} closed the connection before responding"),
        (
            lambda server: server.reply(200, b'{"data": [1]}', send_bytes=5),
            "the response from localhost:{port} was cut off",
        ),
        (
            lambda server: server.reply(200, chunks=[b'{"data":', b"[1]}"], send_bytes=1),
            "the response from localhost:{port} was cut off",
        ),
        (cut_gzip, "the response from localhost:{port} could not be decompressed"),
        (lambda server: server.reply(200, b'{"data": [1'), "a body that is no JSON"),
        (lambda server: server.reply(200, b""), "a body that is no JSON"),
    ],
)
def test_what_does_not_come_whole_is_asked_for_again(
    server: Server,
    send: Callable[..., requests.Response],
    log: list[str],
    broken: Callable[[Server], Reply],
    words: str,
) -> None:
    # given
    server.script(broken(server), server.json({"data": [1]}))
    # when
    response = send(check_body=whole_json, policy=RetryPolicy(waits=(0.001,)))
    # then
    assert response.json() == {"data": [1]}
    said = words.format(port=server.port)
    assert [line for line in log if line.startswith("stream")] == [f"stream airings: {said}; try 1, waiting 0.001 s"]


def test_a_timeout_is_asked_again(
    server: Server, send: Callable[..., requests.Response], waits: list[float], log: list[str]
) -> None:
    # given: the first answer takes too long
    slow = threading.Event()

    def answer(_: object) -> Reply:
        if len(server.calls) == 1:
            slow.wait(10)
        return server.json({"data": [1]})

    server.answer = answer
    # when
    response = send(timeout=0.2)
    slow.set()
    # then
    assert response.json() == {"data": [1]}
    assert waits == [1]
    assert f"stream airings: no response from localhost:{server.port} within 0.2 s; try 1, waiting 1 s" in log


def test_nobody_there_is_tried_six_times(
    send: Callable[..., requests.Response], server: Server, waits: list[float]
) -> None:
    # given
    server.close()
    # when
    with pytest.raises(VendorError) as caught:
        send("/v1/airings?token=a-capability")
    # then: without the address, which may hold a capability
    assert waits == [1, 2, 4, 8, 16]
    assert str(caught.value) == (
        f"no connection to localhost:{server.port}: connection refused (tried 6 times): "
        "check `api_url` and the network of this machine, or try again later"
    )


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry_After": "7"}, 7),
        ({"Retry_After": "Mon, 11 Mar 2024 12:00:30 GMT"}, 30),
        ({"X_RateLimit_Reset": "42"}, 42),
        ({"X_RateLimit_Reset": "1710158460"}, 60),  # 12:01 UTC on that day
        ({"Retry_After": "100000"}, 900),
        ({}, 1),
    ],
)
def test_a_rate_limit_is_waited_out(
    server: Server,
    send: Callable[..., requests.Response],
    waits: list[float],
    headers: dict[str, str],
    wait: float,
) -> None:
    # given
    server.script(server.json({}, 429, **headers), server.json({"data": 1}))
    # when
    send()
    # then
    assert waits == [wait]
    assert len(server.calls) == 2


def test_a_rate_limit_ten_times_is_the_end_and_names_the_family(
    server: Server, send: Callable[..., requests.Response], waits: list[float], clock: FakeClock
) -> None:
    # given: waits that nobody asked for are not longer than the family's span
    server.answer = lambda _: server.json({"title": "Slow down"}, 429)
    family = Family("airings", ("/airings",), (Limit(100, 60),))
    # when
    with pytest.raises(VendorError) as caught:
        send(budgets=Budgets([family], clock))
    # then
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert len(server.calls) == 10
    assert str(caught.value) == (
        'rate limit of airings: HTTP 429 Too Many Requests "Slow down" (tried 10 times): '
        "run fewer syncs in parallel, or run later"
    )


def test_rate_limits_and_failures_in_turn(
    server: Server, send: Callable[..., requests.Response], waits: list[float]
) -> None:
    # given
    statuses = [500, 429, 500, 500, 429, 200]
    server.script(*[server.json({}, status) for status in statuses])
    # when
    response = send()
    # then
    assert response.status_code == 200
    assert waits == [1, 1, 1, 2, 2]


@pytest.mark.parametrize("status", [500, 200])
def test_the_reset_of_the_budget_is_no_advice_after_another_failure(
    server: Server, send: Callable[..., requests.Response], waits: list[float], status: int
) -> None:
    # given: every answer tells the reset, also a failure and a body that breaks off
    broken = server.reply(status, b'{"da', {"X-RateLimit-Reset": "55", "X-RateLimit-Remaining": "40"})
    server.script(broken, server.json({}))
    # when
    send(check_body=whole_json)
    # then
    assert waits == [1]


def test_retry_after_is_obeyed_after_503(
    server: Server, send: Callable[..., requests.Response], waits: list[float]
) -> None:
    # given
    server.script(server.json({}, 503, Retry_After="20"), server.json({}))
    # when
    send()
    # then
    assert waits == [20]
