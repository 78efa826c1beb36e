"""Requests as a run makes them: budgets, renewal, what an error says."""

from __future__ import annotations

import threading
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest
import requests
from singer_adtech.errors import VendorError
from singer_adtech.http.auth import HeaderAuthenticator, Token, TokenAuthenticator
from singer_adtech.http.budgets import Budgets, Family, Limit
from singer_adtech.http.responses import describe
from singer_adtech.http.retries import RetryPolicy
from singer_adtech.redaction import MASK, REDACTOR
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_server import Server
    from singer_adtech.http.requester import Requester
    from singer_adtech.testing import FakeClock

AIRINGS = Family("airings", ("/airings",), (Limit(3, 60),))


class StubAuthenticator(TokenAuthenticator):
    """Token n is `token-n`."""

    logins = 0

    @override
    def login(self) -> Token:
        self.logins += 1
        return Token(f"token-{self.logins}", 1000)


def test_a_request_says_who_asks_and_takes_gzip(server: Server, send: Callable[..., requests.Response]) -> None:
    # given
    server.script(server.json({}))
    # when
    send()
    # then
    headers = server.calls[0].headers
    assert headers["User-Agent"] == "tap-test/1"
    assert headers["Accept-Encoding"] == "gzip"
    assert headers["Accept"] == "application/json"


def test_headers_of_the_request_go_before_the_defaults(
    server: Server, make_requester: Callable[..., Requester]
) -> None:
    # given
    server.script(server.json({}))
    request = requests.Request("GET", server.url, headers={"Accept": "text/csv"})
    # when
    make_requester(server.url).send(request, auth=None, label="stream clicks")
    # then
    assert server.calls[0].headers["Accept"] == "text/csv"


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (400, "check the settings"),
        (401, "check the credentials"),
        (403, "no access: ask the vendor for it"),
        (404, "check `api_url`, or deselect the stream"),
        (422, "check the settings"),
    ],
)
def test_a_refusal_is_final(
    server: Server, send: Callable[..., requests.Response], waits: list[float], status: int, remedy: str
) -> None:
    # given
    server.script(server.json({"title": "No", "detail": "not\nso"}, status, X_Request_ID="r-9"))
    # when
    with pytest.raises(VendorError) as caught:
        send()
    # then
    reason = HTTPStatus(status).phrase
    assert str(caught.value) == f'HTTP {status} {reason} "No: not so" (X-Request-ID r-9): {remedy}'
    assert waits == []
    assert len(server.calls) == 1


def test_a_redirect_that_is_not_followed_is_final(
    server: Server, send: Callable[..., requests.Response], waits: list[float]
) -> None:
    # given
    server.script(server.reply(302, headers={"Location": "/login"}))
    # when
    with pytest.raises(VendorError, match="HTTP 302 Found: check `api_url`"):
        send(follow_redirects=False)
    # then
    assert waits == []


def test_401_renews_once_and_goes_on(
    server: Server, send: Callable[..., requests.Response], waits: list[float], clock: FakeClock
) -> None:
    # given
    server.script(server.json({}, 401), server.json({"data": 1}))
    authenticator = StubAuthenticator(clock)
    # when
    response = send(auth=authenticator)
    # then
    assert response.json() == {"data": 1}
    assert [call.headers["Authorization"] for call in server.calls] == ["Bearer token-1", "Bearer token-2"]
    assert waits == []


def test_401_twice_is_final(
    server: Server, send: Callable[..., requests.Response], waits: list[float], clock: FakeClock
) -> None:
    # given
    server.answer = lambda _: server.json({"title": "Token refused"}, 401)
    authenticator = StubAuthenticator(clock)
    # when
    with pytest.raises(VendorError) as caught:
        send(auth=authenticator)
    # then
    assert str(caught.value) == 'HTTP 401 Unauthorized "Token refused": check the credentials'
    assert authenticator.logins == 2
    assert len(server.calls) == 2
    assert waits == []


def test_401_with_a_fixed_key_is_final_at_once(server: Server, send: Callable[..., requests.Response]) -> None:
    # given
    server.answer = lambda _: server.json({}, 401)
    # when
    with pytest.raises(VendorError, match="HTTP 401"):
        send(auth=HeaderAuthenticator("Api-Key", "the-key-of-acme"))
    # then
    assert len(server.calls) == 1


def test_a_renewal_and_a_failure_in_one_request(
    server: Server, send: Callable[..., requests.Response], waits: list[float], clock: FakeClock
) -> None:
    # given
    server.script(*[server.json({}, status) for status in (500, 401, 500, 200)])
    # when
    response = send(auth=StubAuthenticator(clock))
    # then
    assert response.status_code == 200
    assert waits == [1, 2]


def test_requests_wait_for_their_budget(
    server: Server, make_requester: Callable[..., Requester], clock: FakeClock
) -> None:
    # given: 3 in 60 s
    server.answer = lambda _: server.json({})
    requester = make_requester(f"{server.url}/v1", budgets=Budgets([AIRINGS], clock))
    # when
    for _ in range(4):
        requester.send(requests.Request("GET", f"{server.url}/v1/airings?page=1"), auth=None, label="x")
    requester.send(requests.Request("GET", f"{server.url}/v1/brands"), auth=None, label="x")
    # then
    assert clock.slept == [60.1]


def test_repeated_and_renewed_requests_are_counted_too(
    server: Server, send: Callable[..., requests.Response], clock: FakeClock, waits: list[float]
) -> None:
    # given: 3 in 60 s
    server.script(*[server.json({}, status) for status in (500, 401, 500, 200)])
    # when
    send(auth=StubAuthenticator(clock), budgets=Budgets([AIRINGS], clock))
    # then: the fourth request waits for the first to leave the span, 3 s of which passed between tries
    assert waits == [1, 2]
    assert clock.slept == pytest.approx([57.1])


def test_an_answer_that_says_that_nothing_is_left_holds_the_family_back(
    server: Server, make_requester: Callable[..., Requester], clock: FakeClock
) -> None:
    # given
    server.script(
        server.json({}, X_RateLimit_Remaining="1", X_RateLimit_Reset="20"),
        server.json({}, X_RateLimit_Remaining="0", X_RateLimit_Reset="20"),
        server.json({}),
        server.json({}),
    )
    requester = make_requester(f"{server.url}/v1", budgets=Budgets([AIRINGS], clock))
    slept = []
    # when
    for path in ("airings", "airings", "brands", "airings"):
        requester.send(requests.Request("GET", f"{server.url}/v1/{path}"), auth=None, label="x")
        slept.append(sum(clock.slept))
    # then
    assert slept == [0, 0, 0, 20]


def test_a_rate_limit_holds_back_the_whole_family(
    server: Server, make_requester: Callable[..., Requester], clock: FakeClock, waits: list[float]
) -> None:
    # given: one request is told to wait, and another of the same family comes while it waits
    budgets = Budgets([Family("airings", ("/airings",), (Limit(100, 60),))], clock)
    server.script(server.json({}, 429, Retry_After="30"), server.json({}), server.json({}))
    requester = make_requester(f"{server.url}/v1", budgets=budgets, policy=RetryPolicy(rate_limit_tries=1))
    request = requests.Request("GET", f"{server.url}/v1/airings")
    # when
    with pytest.raises(VendorError):
        requester.send(request, auth=None, label="x")
    requester.send(request, auth=None, label="x")
    # then
    assert waits == []
    assert clock.slept == [30]


@pytest.mark.parametrize(
    "headers",
    [
        {"X_RateLimit_Reset": "0"},
        {"X_RateLimit_Reset": "1710158300"},  # 100 s ago
        {"X_RateLimit_Reset": "1710165600000", "Date": "Mon, 11 Mar 2024 14:00:00 GMT"},  # now, by the vendor's clock
    ],
    ids=["nothing", "past", "now"],
)
@pytest.mark.parametrize("status", [200, 429])
def test_a_reset_that_is_past_holds_the_family_back_for_a_moment_nevertheless(
    server: Server, make_requester: Callable[..., Requester], clock: FakeClock, status: int, headers: dict[str, str]
) -> None:
    # given: a clock that differs from the vendor's
    server.script(server.json({}, status, X_RateLimit_Remaining="0", **headers), server.json({}))
    requester = make_requester(
        f"{server.url}/v1", budgets=Budgets([AIRINGS], clock), policy=RetryPolicy(rate_limit_tries=1)
    )
    request = requests.Request("GET", f"{server.url}/v1/airings")
    # when
    with suppress(VendorError):
        requester.send(request, auth=None, label="x")
    requester.send(request, auth=None, label="x")
    # then
    assert clock.slept == [1]


def test_a_wait_for_the_budget_names_the_stream(
    server: Server, make_requester: Callable[..., Requester], clock: FakeClock, log: list[str]
) -> None:
    # given: 3 in 60 s
    server.answer = lambda _: server.json({})
    requester = make_requester(f"{server.url}/v1", budgets=Budgets([AIRINGS], clock))
    # when
    for _ in range(4):
        requester.send(requests.Request("GET", f"{server.url}/v1/airings"), auth=None, label="stream airings, day 1")
    # then
    assert [line for line in log if line.startswith("stream")] == [
        "stream airings, day 1: waiting 60 s for the budget of airings: 3 requests per minute"
    ]


def test_a_vendors_own_judgement_replaces_the_general_one(
    server: Server, send: Callable[..., requests.Response]
) -> None:
    # given
    server.script(server.json({"error": 7}))

    def judge(response: requests.Response) -> None:
        if "error" in response.json():
            raise VendorError("error 7", "do this")

    # when / then
    with pytest.raises(VendorError, match="error 7: do this"):
        send(check_status=judge)


@pytest.mark.parametrize(
    ("content_type", "body", "words"),
    [
        ("application/problem+json", b'{"title": "Bad", "status": 400, "detail": "page[size]"}', ' "Bad: page[size]"'),
        ("application/json", b'{"error": "bad", "message": "bad"}', ' "bad"'),
        ("application/json", b'{"errors": ["x", {"field": "page", "message": "y"}]}', ' "x: y"'),
        ("application/json", b'{"error": {"code": 7, "message": "bad"}}', ' "bad"'),
        # What may be rows is not quoted.
        ("application/json", b'{"title": "cut', ""),
        ("application/json", b'[{"email": "anna@example.com"}]', ""),
        ("text/plain", b'{"email": "anna@example.com"}', ""),
        ("text/plain", b"[" * 100_000, ""),
        ("text/html", b"<html><body>secret page</body></html>", ' "an HTML page"'),
        ("text/plain", b"  <!doctype html>", ' "an HTML page"'),
        ("text/plain", b"Too\n many", ' "Too many"'),
        ("text/plain", b"Bad Request", ""),
        ("text/plain", b"", ""),
        ("text/plain", b"\xff\xfe", ' "\ufffd\ufffd"'),
        ("text/plain", b"x" * 1000, f' "{"x" * 299}…"'),
    ],
)
def test_the_vendors_words_are_found_in_any_body(
    server: Server, make_requester: Callable[..., Requester], content_type: str, body: bytes, words: str
) -> None:
    # given
    server.script(server.reply(400, body, {"Content-Type": content_type}))
    # when
    with pytest.raises(VendorError) as caught:
        make_requester(server.url).send(requests.Request("GET", server.url), auth=None, label="x")
    # then
    assert str(caught.value) == f"HTTP 400 Bad Request{words}: check the settings"


def test_a_vendor_that_repeats_the_secret_does_not_give_it_away() -> None:
    # given
    REDACTOR.add("the-key-of-acme")
    response = requests.Response()
    response.status_code, response.reason = 403, "Forbidden"
    response._content = b"the key the-key-of-acme is not valid"  # noqa: SLF001 - a made-up answer
    # then
    assert describe(response) == f'HTTP 403 Forbidden "the key {MASK} is not valid"'
    assert describe(response, words="bad key") == 'HTTP 403 Forbidden "bad key"'


def test_secrets_in_addresses_are_in_no_log_line(
    server: Server, send: Callable[..., requests.Response], log: list[str], waits: list[float]
) -> None:
    # given: urllib3 logs addresses at DEBUG level
    REDACTOR.install()
    REDACTOR.add("a/capability+1")
    server.script(server.reply(hang_up=True), server.json({}, 500), server.json({}))
    # when
    send("/v1/airings?sig=a%2Fcapability%2B1")
    send_again = requests.Request("GET", f"{server.url}/v1/x", params={"sig": "a/capability+1"}).prepare().url
    # then
    assert waits == [1, 2]
    assert any(f"/v1/airings?sig={MASK} HTTP/1.1" in line for line in log)
    assert send_again is not None
    assert REDACTOR.scrub(send_again).endswith(f"sig={MASK}")
    assert not any("capability" in line for line in log)


def test_a_requester_serves_many_threads(server: Server, make_requester: Callable[..., Requester]) -> None:
    # given
    server.answer = lambda call: server.json({"n": call.query["n"]})
    requester = make_requester(server.url, connections=4)
    answers: dict[int, str] = {}

    def work(start: int) -> None:
        for number in range(start, 40, 4):
            request = requests.Request("GET", f"{server.url}/airings?n={number}")
            answers[number] = requester.send(request, auth=None, label="x").json()["n"]

    threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    # when
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    # then
    assert answers == {number: str(number) for number in range(40)}
    assert len({call.port for call in server.calls}) <= 4
