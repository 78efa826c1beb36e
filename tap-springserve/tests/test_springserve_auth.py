"""Logins, tokens and accounts."""

from __future__ import annotations

import datetime as dt
import itertools
import threading
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.testing import FakeClock
from tap_springserve.streams import STREAMS
from vendor_simulators.faults import Fault
from vendor_simulators.messages import Response
from vendor_simulators.springserve import SpringServeSimulator

if TYPE_CHECKING:
    from singer_adtech.testing import TapRunner
    from springserve_fixtures import Script
    from vendor_simulators.messages import Request
    from vendor_simulators.pytest_plugin import Simulate

AUTH = "/api/v0/auth"
NOW = dt.datetime(2026, 2, 10, 15, 30, tzinfo=dt.timezone.utc)


def test_the_login_is_json_and_the_token_travels_bare(run_tap: TapRunner, springserve: SpringServeSimulator) -> None:
    # When lists of both versions and reports are read
    run_tap(springserve.settings(), "campaigns", "supply_labels", "supply_daily")
    # Then there is one login, with nothing but the user in its body
    (login,) = springserve.journal.matching(AUTH)
    assert (login.method, login.params) == ("POST", [])
    assert login.json() == {"email": springserve.email, "password": springserve.password}
    assert "Authorization" not in login.headers
    # And its token stands alone in the header of every other request
    others = [request for request in springserve.journal if request.path != AUTH]
    assert {request.headers["Authorization"] for request in others} == set(springserve.tokens.issued)
    assert len(springserve.tokens.issued) == 1
    assert {request.path.split("/")[2] for request in others} == {"v0", "v1"}


@pytest.mark.parametrize("status", [400, 401, 403, 422])
def test_a_refused_login_ends_the_run_at_once(run_tap: TapRunner, simulate: Simulate, status: int) -> None:
    # Given a wrong password, and a vendor that says so in its own way
    vendor = simulate(SpringServeSimulator(days=1, rows_per_day=5, wrong_credentials=status))

    run = run_tap({**vendor.settings(), "password": "not-the-password"}, "campaigns", fails=True)

    assert len(vendor.journal) == 1
    assert f"HTTP {status} " in run.error
    assert run.error.endswith(
        '"Invalid email or password": SpringServe refused the login: check `email` and `password`'
    )
    assert "not-the-password" not in "\n".join([run.error, *run.log])


@pytest.mark.parametrize("body", ["", "nope", "<html><body>No</body></html>", "[1]", '{"error": 7}'])
def test_the_body_of_a_refusal_may_be_anything(run_tap: TapRunner, script: Script, body: str) -> None:
    vendor = script(lambda _: Response.json([]))
    vendor.login = lambda: Response.text(body, 400)

    run = run_tap(vendor.settings(), "campaigns", fails=True)

    assert run.error.startswith("stream campaigns: HTTP 400 Bad Request")
    assert "SpringServe refused the login: " in run.error
    assert len(vendor.journal) == 1


@pytest.mark.parametrize("answer", [{}, {"token": ""}, {"token": None}, [], {"bearer_token": "secret-thing"}])
def test_a_login_without_a_token_ends_the_run(run_tap: TapRunner, script: Script, answer: Any) -> None:
    vendor = script(lambda _: Response.json([]))
    vendor.login = lambda: Response.json(answer)

    run = run_tap(vendor.settings(), "campaigns", fails=True)

    assert "the login response has no token: expected an object with `token`" in run.error
    assert "secret-thing" not in "\n".join([run.error, *run.log])
    assert len(vendor.journal) == 1


@pytest.mark.parametrize(
    ("expiration", "lasts"),
    [
        (None, 6900),
        ("soon", 6900),
        ([], 6900),
        ("2026-02-10T15:00:00.000Z", 6900),
        ("2026-02-10T16:30:00.000Z", 3300),
        ("2026-02-10T16:30:00", 3300),
        ("2026-02-10 16:30:00 UTC", 3300),
        ("2026-02-10T17:30:00+01:00", 3300),
        (1770741000, 3300),
        (1770741000000, 3300),
    ],
)
def test_a_token_is_renewed_five_minutes_before_its_end(
    run_tap: TapRunner, script: Script, expiration: Any, lasts: float
) -> None:
    # Given a login at 15:30 UTC whose answer tells an end, or none that can be read
    numbers = itertools.count()

    def tokens_used(seconds: float) -> list[str]:
        """Return the tokens of two requests that are so many seconds apart."""
        clock = FakeClock(NOW)
        left = [Response.json([{"id": 1}]), Response.json([])]

        def answer(_: Request) -> Response:
            clock.pass_by(seconds)
            return left.pop(0)

        vendor = script(answer)
        vendor.login = lambda: Response.json({"token": f"made-up-{next(numbers)}", "expiration": expiration})
        run_tap({**vendor.settings(), "parallel_requests": 1}, "campaigns", clock=clock)
        return [request.headers["Authorization"] for request in vendor.data_requests]

    # When the second request comes a second before the last five minutes / then the token is the same
    assert len(set(tokens_used(lasts - 1))) == 1
    # When they have begun / then there is another one
    assert len(set(tokens_used(lasts))) == 2


def test_a_token_that_dies_in_the_middle_of_a_report_is_replaced_once(
    run_tap: TapRunner, springserve: SpringServeSimulator
) -> None:
    # Given a token that dies before a poll
    springserve.faults.add(Fault(path="/api/v0/report", nth=2, action="expire_token"))
    # When a report is read
    run = run_tap({**springserve.settings(), "end_date": "2026-02-02"}, "supply_daily")
    # Then there is one more login and one request more, and the report goes on where it was
    assert len(springserve.journal.matching(AUTH)) == 2
    reports = springserve.journal.matching("/api/v0/report")
    assert [request.status for request in reports] == [200, 401, 200, 200]
    assert len({request.json().get("report_id") for request in reports}) == 2
    assert len(run.records("supply_daily")) > 0


def test_a_second_401_on_one_request_ends_the_run(run_tap: TapRunner, script: Script) -> None:
    vendor = script(lambda _: Response.json({"error": "Invalid token"}, 401))

    run = run_tap(vendor.settings(), "campaigns", fails=True)

    assert [request.path for request in vendor.journal] == [AUTH, "/api/v0/campaigns", AUTH, "/api/v0/campaigns"]
    assert run.error.startswith(
        'stream campaigns: HTTP 401 Unauthorized "Invalid token": SpringServe refused the token: the token is new'
    )


def test_requests_in_flight_share_one_login(run_tap: TapRunner, simulate: Simulate) -> None:
    # Given a token that dies while four lists are being read side by side
    vendor = simulate(SpringServeSimulator(days=1, rows_per_day=40))
    vendor.faults.add(Fault(path="/api/v1/*", nth=6, action="expire_token"))
    barrier = threading.Barrier(4)
    handle = vendor.handle

    def together(request: Request) -> Response:
        seen = len(vendor.journal.matching("/api/v1/*"))
        if request.path.startswith("/api/v1/") and 5 <= seen <= 9 and not barrier.broken:
            try:
                barrier.wait(0.3)
            except threading.BrokenBarrierError:
                barrier.abort()
        return handle(request)

    vendor.handle = together  # type: ignore[method-assign]  # several requests at once, and nothing else
    # When they are read
    run = run_tap({**vendor.settings(), "parallel_requests": 4}, "demand_tag_priorities")
    # Then several are refused, and one login serves all of them
    assert len(vendor.journal.matching(AUTH)) == 2
    assert len([one for one in vendor.journal if one.status == 401]) >= 1
    assert len(run.records("demand_tag_priorities")) == len(vendor.truth("demand_tag_priorities"))


def test_an_auth_token_is_used_as_it_is(run_tap: TapRunner, springserve: SpringServeSimulator) -> None:
    token = springserve.tokens.issue()
    settings = {**springserve.settings(), "auth_token": token}

    run_tap(settings, "campaigns")

    assert springserve.journal.matching(AUTH) == []
    assert {request.headers["Authorization"] for request in springserve.journal} == {token}


def test_an_auth_token_that_has_run_out_ends_the_run(run_tap: TapRunner, springserve: SpringServeSimulator) -> None:
    # Given a token that dies after the first request, beside e-mail and password
    settings = {**springserve.settings(), "auth_token": springserve.tokens.issue(), "page_size": 10}
    springserve.faults.add(Fault(path="/api/v0/campaigns", nth=2, action="expire_token"))

    run = run_tap(settings, "campaigns", fails=True)

    assert [request.status for request in springserve.journal] == [200, 401]
    assert "SpringServe refused the token" in run.error
    assert run.error.endswith("it may have expired: create a new `auth_token`, or give `email` and `password`")


def test_the_account_is_named_in_every_request_but_the_login(
    run_tap: TapRunner, springserve: SpringServeSimulator
) -> None:
    settings = {**springserve.settings(), "account_id": 391}

    run_tap(settings, "campaigns", "supply_labels", "supply_daily", "key_values")

    others = [request for request in springserve.journal if request.path != AUTH]
    assert {request.headers.get("x-auth-context") for request in others} == {"391"}
    assert "x-auth-context" not in springserve.journal.matching(AUTH)[0].headers


def test_without_an_account_none_is_named(run_tap: TapRunner, springserve: SpringServeSimulator) -> None:
    run_tap(springserve.settings(), "campaigns")

    assert [request for request in springserve.journal if "x-auth-context" in request.headers] == []


def test_nothing_is_called_that_changes_the_account(run_tap: TapRunner, springserve: SpringServeSimulator) -> None:
    # When every stream is read
    run_tap({**springserve.settings(), "account_id": 391}, *(str(vars(one)["name"]) for one in STREAMS), "supply_daily")
    # Then there are GETs, and the two POSTs that log in and ask for data
    posts = {request.path for request in springserve.journal if request.method != "GET"}
    assert {request.method for request in springserve.journal} == {"GET", "POST"}
    assert posts == {AUTH, "/api/v0/report"}
    assert springserve.violations == []
