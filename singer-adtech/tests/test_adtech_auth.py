"""Authenticators."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import requests
from singer_adtech.errors import VendorError
from singer_adtech.http.auth import Authenticator, HeaderAuthenticator, Token, TokenAuthenticator
from singer_adtech.redaction import MASK, REDACTOR
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_server import Call, Reply, Server
    from singer_adtech.clock import Clock
    from singer_adtech.http.requester import Requester
    from singer_adtech.testing import FakeClock


class CountingAuthenticator(TokenAuthenticator):
    """Logs in without a vendor; token n is `token-n`."""

    def __init__(self, clock: Clock, lifetime: float = 1000, **options: str) -> None:
        super().__init__(clock, leeway=300, **options)
        self.lifetime = lifetime
        self.logins = 0
        self.refuse = False

    @override
    def login(self) -> Token:
        self.logins += 1
        if self.refuse:
            raise VendorError("HTTP 401 Unauthorized", "check `client_id`")
        return Token(f"token-{self.logins}", self.lifetime)


def prepared() -> requests.PreparedRequest:
    return requests.Request("GET", "http://localhost/airings?blank=&filter[x]=1").prepare()


def authorization(authenticator: Authenticator) -> str | None:
    return authenticator(prepared()).headers.get("Authorization")


def test_a_fixed_header_is_put_in_and_never_renewed() -> None:
    # given
    authenticator = HeaderAuthenticator("Api-Key", "the-key-of-acme")
    # when
    request = authenticator(prepared())
    # then
    assert request.headers["Api-Key"] == "the-key-of-acme"
    assert authenticator.renew(request) is False


def test_the_address_is_left_as_it_is() -> None:
    # given
    request = prepared()
    url = request.url
    # then: singer-sdk's authenticators would drop the blank parameter
    assert HeaderAuthenticator("Api-Key", "the-key-of-acme")(request).url == url


def test_the_values_of_headers_are_secrets_with_and_without_their_scheme() -> None:
    # when
    HeaderAuthenticator("Authorization", "Basic YWNtZTpzM2NyZXQ=")
    # then
    assert REDACTOR.scrub("Basic YWNtZTpzM2NyZXQ= YWNtZTpzM2NyZXQ=") == f"{MASK} {MASK}"


def test_tokens_are_secrets(clock: FakeClock) -> None:
    # when
    authorization(CountingAuthenticator(clock))
    # then
    assert REDACTOR.scrub("Bearer token-1") == f"Bearer {MASK}"


def test_one_token_serves_until_the_leeway_before_its_end(clock: FakeClock) -> None:
    # given: a token of 1000 s, and a leeway of 300 s
    authenticator = CountingAuthenticator(clock)
    # when
    spelled = []
    for moment in (0, 699.9, 0.2):
        clock.pass_by(moment)
        spelled.append(authorization(authenticator))
    # then
    assert spelled == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


def test_a_token_shorter_than_the_leeway_serves_half_its_life(clock: FakeClock) -> None:
    # given
    authenticator = CountingAuthenticator(clock, lifetime=100)
    # when
    spelled = []
    for moment in (0, 0, 49, 2):
        clock.pass_by(moment)
        spelled.append(authorization(authenticator))
    # then
    assert spelled == ["Bearer token-1"] * 3 + ["Bearer token-2"]


def test_header_and_prefix_are_the_vendors(clock: FakeClock) -> None:
    # given
    authenticator = CountingAuthenticator(clock, header="X-Session", prefix="")
    # then
    assert authenticator(prepared()).headers["X-Session"] == "token-1"


def test_many_threads_start_with_one_login(clock: FakeClock) -> None:
    # given
    authenticator = CountingAuthenticator(clock)
    # when
    in_threads(8, lambda: authorization(authenticator))
    # then
    assert authenticator.logins == 1


def test_requests_refused_with_the_same_token_cause_one_login(clock: FakeClock) -> None:
    # given
    authenticator = CountingAuthenticator(clock)
    sent = [authenticator(prepared()) for _ in range(8)]
    left = iter(sent)
    # when
    in_threads(8, lambda: authenticator.renew(next(left)))
    # then
    assert authenticator.logins == 2
    assert authorization(authenticator) == "Bearer token-2"


def test_a_login_that_is_refused_is_not_tried_again_by_other_threads(clock: FakeClock) -> None:
    # given
    authenticator = CountingAuthenticator(clock)
    sent = [authenticator(prepared()) for _ in range(4)]
    authenticator.refuse = True
    refusals = []
    # when
    for request in sent:
        with pytest.raises(VendorError) as caught:
            authenticator.renew(request)
        refusals.append(str(caught.value))
    # then
    assert refusals == ["HTTP 401 Unauthorized: check `client_id`"] * 4
    assert authenticator.logins == 2


def test_pages_in_flight_that_meet_401_share_one_login(
    server: Server, clock: FakeClock, make_requester: Callable[..., Requester]
) -> None:
    # given: four requests of four threads are all sent with token 1 before any is refused
    barrier = threading.Barrier(4, timeout=10)

    def answer(call: Call) -> Reply:
        if call.headers["Authorization"] == "Bearer token-1":
            barrier.wait()
            return server.json({"title": "expired"}, 401)
        return server.json({"data": []})

    server.answer = answer
    authenticator = CountingAuthenticator(clock)
    requester = make_requester(server.url)
    # when
    in_threads(4, lambda: requester.send(requests.Request("GET", server.url), auth=authenticator, label="page"))
    # then
    assert authenticator.logins == 2
    assert (
        sorted(call.headers["Authorization"] for call in server.calls)
        == ["Bearer token-1"] * 4 + ["Bearer token-2"] * 4
    )


def in_threads(number: int, work: Callable[[], object]) -> None:
    """Do a piece of work in several threads at once; fail if any fails."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised below, in the test
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert failures == []
