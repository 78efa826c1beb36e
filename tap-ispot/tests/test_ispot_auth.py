"""The token: asked for once, shared by all, renewed when it must be, and nowhere to be seen."""

from __future__ import annotations

import threading
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from vendor_simulators.faults import Fault
from vendor_simulators.ispot import ISpotSimulator
from vendor_simulators.messages import Response

if TYPE_CHECKING:
    from ispot_fixtures import FakeClock, RunTap, Script, Scripted
    from vendor_simulators.messages import Request
    from vendor_simulators.pytest_plugin import Simulate

TOKEN = "/v4/oauth2/token"


def logins(vendor: Scripted | ISpotSimulator) -> int:
    """Return how many tokens were asked for."""
    return len(vendor.journal.matching(TOKEN))


def test_one_token_serves_all_streams_and_pages(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    settings = {**ispot.settings(), "end_date": "2024-03-12", "catalog_page_size": 9, "page_size": 9}
    run_tap(settings, "audience_airings", "movies", "brands", "account")
    assert logins(ispot) == 1
    assert len(ispot.journal) > 20
    assert {request.headers["Authorization"] for request in ispot.journal[1:]} == {f"Bearer {ispot.tokens.issued[0]}"}


@pytest.mark.parametrize(
    ("answer", "lifetime"),
    [
        ({}, 86_400),
        ({"expires_in": 86_400}, 86_400),
        ({"expires_in": "7200", "token_type": "Bearer"}, 7200),
        ({"expires_in": "soon"}, 86_400),
        ({"expires_in": None}, 86_400),
    ],
    ids=str,
)
@pytest.mark.parametrize(("before_end", "expected"), [(301, 1), (299, 2)])
def test_the_token_is_renewed_five_minutes_before_its_end(  # noqa: PLR0913, PLR0917 - two tables of cases
    run_tap: RunTap,
    script: Script,
    frozen: Any,
    answer: dict[str, Any],
    lifetime: float,
    before_end: float,
    expected: int,
) -> None:
    # Given a first page for which so much time goes by
    clock: FakeClock = frozen("2024-03-20T12:00:00-04:00")

    def reply(request: Request) -> Response:
        if request.param("page[number]") == "1":
            clock.pass_by(lifetime - before_end)
        return script.page([{"id": int(request.param("page[number]") or 0)}], total=2, total_pages=2)

    vendor = script(reply)
    vendor.token_answer |= answer
    # When the second is asked for
    run_tap(vendor.settings(), "movies", clock=clock)
    # Then
    assert logins(vendor) == expected
    assert len(vendor.data_requests) == 2


def test_calls_refused_together_renew_once(run_tap: RunTap, script: Script) -> None:
    # Given four pages in flight that all meet 401 with the first token
    met = threading.Barrier(4, timeout=10)

    def answer(request: Request) -> Response:
        number = int(request.param("page[number]") or 0)
        if number > 1 and request.headers["Authorization"] == "Bearer first":
            met.wait()
            return Response.json({"title": "Unauthorized"}, 401)
        vendor.token_answer = {"access_token": "second"}
        return script.page([{"id": number}], total=5, total_pages=5)

    vendor = script(answer)
    vendor.token_answer = {"access_token": "first"}
    # When
    run = run_tap(vendor.settings(), "movies")
    # Then there is one new token, each call was sent twice, and nobody waited
    assert [one["id"] for one in run.records("movies")] == [1, 2, 3, 4, 5]
    assert logins(vendor) == 2
    assert len(vendor.data_requests) == 1 + 4 * 2
    assert run.clock.waits == []


def test_a_token_that_dies_in_mid_run_is_replaced(run_tap: RunTap, simulate: Simulate) -> None:
    simulator = simulate(ISpotSimulator(first_day=date(2024, 3, 8), days=3, rows_per_day=20))
    simulator.faults.add(Fault(path="/v4/metrics/audience/airings", action="expire_token", nth=2))
    run = run_tap({**simulator.settings(), "end_date": "2024-03-10"}, "audience_airings")
    assert run.by_key() == simulator.truth("audience_airings")
    assert [request.status for request in simulator.journal] == [200, 200, 401, 200, 200, 200]
    assert logins(simulator) == 2


def test_a_second_401_is_fatal(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    # Given a vendor that refuses every token
    problem = '{"title": "Unauthorized", "detail": "the account is closed"}'
    ispot.faults.add(
        Fault(path="/v4/movies", status=401, times=None, body=problem, content_type="application/problem+json")
    )
    # When
    run = run_tap(ispot.settings(), "movies", fails=True)
    # Then the call was sent twice, with two tokens
    assert [(request.method, request.path) for request in ispot.journal] == [
        ("POST", TOKEN),
        ("GET", "/v4/movies"),
        ("POST", TOKEN),
        ("GET", "/v4/movies"),
    ]
    assert run.error == (
        'stream movies: HTTP 401 Unauthorized "Unauthorized: the account is closed" (X-Request-ID simulated-00000004): '
        "a new token was refused: check `client_id`, `client_secret` and the account"
    )
    assert run.clock.waits == []


@pytest.mark.parametrize("status", [400, 401])
def test_wrong_credentials_are_fatal_at_once(run_tap: RunTap, simulate: Simulate, status: int) -> None:
    simulator = simulate(ISpotSimulator(days=1, wrong_credentials=status))
    run = run_tap({**simulator.settings(), "client_secret": "wrong-secret-0123"}, "movies", fails=True)
    assert [(request.method, request.path) for request in simulator.journal] == [("POST", TOKEN)]
    words = {400: "Bad Request", 401: "Unauthorized"}[status]
    assert run.error == (
        f'stream movies: HTTP {status} {words} "{words}: the client is unknown" (X-Request-ID simulated-00000001): '
        "iSpot.tv refused the credentials: check `client_id` and `client_secret`"
    )
    assert "wrong-secret-0123" not in run.error
    assert run.clock.waits == []
    assert simulator.violations == []


@pytest.mark.parametrize(
    ("fault", "waits", "said"),
    [
        (Fault(path=TOKEN, status=503, times=None), [1, 2, 4, 8, 16], "HTTP 503 Service Unavailable"),
        (Fault(path=TOKEN, action="html", times=None), [1, 2, 4, 8, 16], 'HTTP 502 Bad Gateway "an HTML page"'),
        (
            Fault(path=TOKEN, action="drop", times=None),
            [1, 2, 4, 8, 16],
            "{host} closed the connection before responding",
        ),
        (Fault(path=TOKEN, action="cut", times=None), [1, 2, 4, 8, 16], "the response from {host} was cut off"),
        (
            Fault(path=TOKEN, action="broken_json", times=None),
            [1, 2, 4, 8, 16],
            "the response body is not valid JSON (cut off at byte ",
        ),
        (
            Fault(path=TOKEN, status=200, body='{"token_type": "Bearer"}', times=None),
            [1, 2, 4, 8, 16],
            "HTTP 200 without an `access_token`",
        ),
        (Fault(path=TOKEN, status=403, times=None), [], "HTTP 403 Forbidden"),
        (Fault(path=TOKEN, status=404, times=None), [], "HTTP 404 Not Found"),
        (Fault(path=TOKEN, action="redirect", times=None), [], "HTTP 302 Found"),
        (
            Fault(path=TOKEN, status=429, times=None),
            [1, 2, 4, 8, 16, 32, 64, 128, 256],
            "rate limit of /oauth2/token: HTTP 429 Too Many Requests",
        ),
        (
            Fault(path=TOKEN, status=429, times=None, headers={"Retry-After": "3600"}),
            [900] * 9,
            "rate limit of /oauth2/token: HTTP 429 Too Many Requests",
        ),
    ],
    ids=lambda value: f"{value.action}-{value.status}" if isinstance(value, Fault) else "",
)
def test_a_login_that_fails(
    run_tap: RunTap, ispot: ISpotSimulator, fault: Fault, waits: list[float], said: str
) -> None:
    ispot.faults.add(fault)
    run = run_tap(ispot.settings(), "movies", fails=True)
    assert run.clock.waits == waits
    assert logins(ispot) == len(ispot.journal) == len(waits) + 1
    assert run.error.startswith(f"stream movies: {said.replace('{host}', urlsplit(ispot.api_url).netloc)}")
    ending = f"(tried {len(waits) + 1} times)"
    assert (ending in run.error) is bool(waits)


def test_a_login_that_succeeds_late(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    ispot.faults.add(Fault(path=TOKEN, status=500, times=5))
    run = run_tap(ispot.settings(), "movies")
    assert run.clock.waits == [1, 2, 4, 8, 16]
    assert run.by_key("movies", "id") == ispot.truth("movies")


def test_nothing_secret_in_any_address_or_in_the_output(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    run = run_tap({**ispot.settings(), "end_date": "2024-03-12"})
    secrets = [ispot.client_id, ispot.client_secret, *ispot.tokens.issued]
    for text in [run.output, *run.log, *(request.target for request in ispot.journal)]:
        assert not [secret for secret in secrets if secret in text]
    assert ispot.violations == []


def test_a_vendor_that_repeats_the_credentials_does_not_leak_them(run_tap: RunTap, script: Script) -> None:
    # Given secrets that URLs and JSON spell in another way, and errors that quote them
    client, secret = 'cl&ient"id/1', 'se=cret+"\\value/2'
    vendor = script(lambda request: Response.text(f"token {request.headers['Authorization']} is bad", 400))
    vendor.token_answer = {"access_token": "tok-en+/=="}
    settings = {**vendor.settings(), "client_id": client, "client_secret": secret}
    # When
    run = run_tap(settings, "movies", fails=True)
    # Then
    assert 'HTTP 400 Bad Request "token Bearer [hidden] is bad"' in run.error
    assert vendor.journal[0].form()["client_secret"] == secret
    # And when the login quotes its form, as it came and decoded
    vendor.faults.add(Fault(path=TOKEN, status=400, body="client_id=cl%26ient%22id%2F1"))
    assert "cl%26ient" not in run_tap(settings, "movies", fails=True).error
    vendor.faults.add(Fault(path=TOKEN, status=401, body=f"unknown {client} {secret}"))
    assert '"unknown [hidden] [hidden]"' in run_tap(settings, "movies", fails=True).error
