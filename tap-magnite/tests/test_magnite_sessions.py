"""Sessions: one login for a run, one Cookie header, one log-out, whatever happens between."""

from __future__ import annotations

import io
import threading
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import pytest
from tap_magnite.tap import TapMagnite
from vendor_simulators.faults import Fault
from vendor_simulators.magnite import MagniteSimulator
from vendor_simulators.messages import Response

if TYPE_CHECKING:
    from conftest import Script, Scripted
    from singer_adtech.testing import TapRunner
    from vendor_simulators.messages import Request
    from vendor_simulators.pytest_plugin import Simulate

BASE = "/v1/resources"
SESSIONS = f"{BASE}/sessions"


def calls(vendor: MagniteSimulator | Scripted) -> list[tuple[int, str, str]]:
    """Return status, method and path of each request."""
    return [(one.status, one.method, one.path.removeprefix(BASE)) for one in vendor.journal]


def test_one_login_and_one_logout_for_the_whole_run(run_tap: TapRunner, magnite: MagniteSimulator) -> None:
    run_tap({**magnite.settings(), "include_details": True, "end_date": "2025-03-10"})
    code = magnite.sessions.issued[0]
    assert calls(magnite)[0] == (201, "POST", "/sessions")
    assert calls(magnite)[-1] == (204, "DELETE", f"/sessions/{code}")
    assert len(magnite.journal.matching(f"{SESSIONS}*")) == 2
    login = magnite.journal[0]
    assert login.json() == {"accessKey": magnite.access_key, "secretKey": magnite.secret_key}
    assert (login.headers["Content-Type"], login.headers["Accept"]) == ("application/json", "application/json")
    assert "Cookie" not in login.headers
    assert magnite.violations == []


def test_both_cookies_are_sent_and_each_once(run_tap: TapRunner, magnite: MagniteSimulator) -> None:
    run_tap(magnite.settings(), "seats")
    code = magnite.sessions.issued[0]
    for request in magnite.journal[1:]:
        cookies = request.cookies()
        assert cookies[:2] == [("ApiSession", code), ("VhfpSession", code)]
        assert [name for name, _ in cookies] == ["ApiSession", "VhfpSession", "AWSALB"]
        assert len(request.headers.all("Cookie")) == 1


@pytest.mark.parametrize(
    ("body", "set_cookies", "sent"),
    [
        ({"sessionCode": "code-1"}, [], "ApiSession=code-1"),
        ({"sessionCode": "code-1"}, ["ApiSession=other; Path=/"], "ApiSession=code-1"),
        ({"sessionCode": "code-1"}, ["VhfpSession=code-1;Version=1;Path=/"], "ApiSession=code-1; VhfpSession=code-1"),
        (
            {"sessionCode": "code-1"},
            ["lb=node-a; Secure; HttpOnly; Domain=.tremorhub.com", "lb=node-b", "old=; Max-Age=0", "gone=x; max-age=0"],
            "ApiSession=code-1; lb=node-b",
        ),
        ({}, ["ApiSession=code-2; Path=/", "VhfpSession=code-3"], "ApiSession=code-2; VhfpSession=code-3"),
        ({"sessionCode": None}, ["VhfpSession=code-3"], "ApiSession=code-3; VhfpSession=code-3"),
        ({"sessionCode": ""}, ["VhfpSession=code-3"], "ApiSession=code-3; VhfpSession=code-3"),
    ],
)
def test_the_cookie_header(
    run_tap: TapRunner, script: Script, body: dict[str, Any], set_cookies: list[str], sent: str
) -> None:
    vendor = script.rows()
    vendor.login = lambda: Response.json(body, 201, [("Set-Cookie", one) for one in set_cookies])
    run_tap(vendor.settings(), "seats")
    assert {request.headers["Cookie"] for request in vendor.journal[1:]} == {sent}


def test_a_login_without_a_code_fails(run_tap: TapRunner, script: Script) -> None:
    vendor = script.rows()
    vendor.login = lambda: Response.json({"id": 1}, 201)
    run = run_tap(vendor.settings(), "seats", fails=True)
    assert run.error == "stream seats: the login gave no session code, neither in its body nor in a cookie: report this"
    assert len(vendor.journal) == 1


@pytest.mark.parametrize("status", [419, 401])
def test_a_session_that_ends_in_mid_run_costs_one_login(run_tap: TapRunner, script: Script, status: int) -> None:
    # Given four detail calls in flight that all meet the end of the session
    met = threading.Barrier(4, timeout=10)
    rows = [{"id": number} for number in range(1, 9)]

    def answer(request: Request) -> Response:
        if request.path == f"{BASE}/seats":
            return Response.json(rows)
        if "made-up-code-1" in request.headers["Cookie"]:
            met.wait()
            return Response.json({"type": "error", "errorCode": "session-timeout"}, status)
        return Response.json({"id": int(request.path.rpartition("/")[2]), "description": "whole"})

    vendor = script(answer)
    # When
    run = run_tap({**vendor.settings(), "include_details": True}, "seats")
    # Then there is one login more, and nobody waited
    assert [record["description"] for record in run.records("seats")] == ["whole"] * 8
    assert vendor.logins == 2
    assert len(vendor.journal.matching(f"{BASE}/seats/*")) == 4 + 8
    assert run.clock.waits == []
    assert calls(vendor)[-1] == (204, "DELETE", "/sessions/made-up-code-2")
    assert len(vendor.journal.matching(method="DELETE")) == 1


@pytest.mark.parametrize("status", [419, 401])
def test_a_second_refusal_of_a_call_is_fatal(run_tap: TapRunner, magnite: MagniteSimulator, status: int) -> None:
    words = '{"type": "error", "errorCode": "gone", "errorDescription": "Away.", "errors": ["a", {"b": 1}]}'
    magnite.faults.add(Fault(path=f"{BASE}/seats", status=status, times=None, body=words))
    run = run_tap(magnite.settings(), "seats", fails=True)
    assert [call[:2] for call in calls(magnite)] == [
        (201, "POST"),
        (status, "GET"),
        (201, "POST"),
        (status, "GET"),
        (204, "DELETE"),
    ]
    assert run.error.startswith(f"stream seats: HTTP {status} ")
    assert '"gone: Away.: ["a",{"b":1}]": the session was refused although it is new: check `access_key`' in run.error
    assert run.clock.waits == []


@pytest.mark.parametrize("status", [401, 403, 400])
def test_wrong_keys_are_fatal_at_once(run_tap: TapRunner, simulate: Simulate, status: int) -> None:
    simulator = simulate(MagniteSimulator(days=1, wrong_keys=status))
    run = run_tap({**simulator.settings(), "secret_key": "wrong-secret-0123"}, fails=True)
    assert calls(simulator) == [(status, "POST", "/sessions")]
    assert '"invalid-credentials: The supplied credentials are not valid.": the login was refused: check' in run.error
    assert run.error.endswith("check `access_key` and `secret_key`; API access must be switched on for the account")
    assert "wrong-secret-0123" not in run.error
    assert run.clock.waits == []


@pytest.mark.parametrize("status", [419, 404, 409, 412])
def test_other_refusals_of_a_login_are_fatal_at_once(
    run_tap: TapRunner, magnite: MagniteSimulator, status: int
) -> None:
    magnite.faults.add(Fault(path=SESSIONS, status=status, times=None))
    run = run_tap(magnite.settings(), "seats", fails=True)
    assert calls(magnite) == [(status, "POST", "/sessions")]
    assert f"HTTP {status}" in run.error
    assert run.clock.waits == []


def test_a_login_with_an_error_in_a_success_fails(run_tap: TapRunner, magnite: MagniteSimulator) -> None:
    body = '{"type": "error", "errorCode": "invalid-credentials", "errorDescription": "No.", "errors": null}'
    magnite.faults.add(Fault(path=SESSIONS, status=200, body=body))
    run = run_tap(magnite.settings(), "seats", fails=True)
    assert run.error.endswith("API access must be switched on for the account")
    assert len(magnite.journal) == 1


@pytest.mark.parametrize(
    ("fault", "waits"),
    [
        (Fault(path=SESSIONS, method="POST", status=503, times=2), [1, 2]),
        (Fault(path=SESSIONS, method="POST", status=429, headers={"Retry-After": "30"}), [30]),
        (Fault(path=SESSIONS, method="POST", action="drop"), [1]),
        (Fault(path=SESSIONS, method="POST", action="html", status=200), [1]),
        (Fault(path=SESSIONS, method="POST", action="cut"), [1]),
    ],
    ids=["503", "429", "drop", "html", "cut"],
)
def test_a_login_is_tried_again(
    run_tap: TapRunner, magnite: MagniteSimulator, fault: Fault, waits: list[float]
) -> None:
    magnite.faults.add(fault)
    run = run_tap(magnite.settings(), "seats")
    assert len(run.records("seats")) == 2
    assert run.clock.waits == waits


def test_the_session_is_closed_after_an_error(run_tap: TapRunner, magnite: MagniteSimulator) -> None:
    magnite.faults.add(Fault(path=f"{BASE}/brands", status=403, times=None))
    run_tap(magnite.settings(), "brands", fails=True)
    assert calls(magnite)[-1][:2] == (204, "DELETE")
    assert magnite.sessions.open_codes == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault(path=f"{SESSIONS}/*", status=500, times=None),
        Fault(path=f"{SESSIONS}/*", status=419, times=None),
        Fault(path=f"{SESSIONS}/*", action="drop", times=None),
    ],
    ids=["500", "419", "drop"],
)
def test_a_logout_that_fails_is_not_repeated(run_tap: TapRunner, magnite: MagniteSimulator, fault: Fault) -> None:
    magnite.faults.add(fault)
    run = run_tap(magnite.settings(), "seats")
    assert len(run.records("seats")) == 2
    assert len(magnite.journal.matching(method="DELETE")) == 1
    assert len(magnite.journal.matching(SESSIONS)) == 1
    assert run.clock.waits == []


def test_a_connection_test_is_a_login_a_list_and_a_logout(run_tap: TapRunner, magnite: MagniteSimulator) -> None:
    run_tap({**magnite.settings(), "include_details": True}, test=True)
    assert [(status, method) for status, method, _ in calls(magnite)] == [(201, "POST"), (200, "GET"), (204, "DELETE")]
    assert calls(magnite)[1][2] == "/seats"


def test_nothing_secret_in_any_address_line_or_message(run_tap: TapRunner, magnite: MagniteSimulator) -> None:
    # Given a run whose every log line is kept, with a new login in its middle
    magnite.faults.add(Fault(path=f"{BASE}/brands", action="expire_token"))
    run = run_tap({**magnite.settings(), "end_date": "2025-03-10"})
    # Then
    assert len(magnite.sessions.issued) == 2
    secrets = [magnite.access_key, magnite.secret_key, *magnite.sessions.issued, "cgeorge@magnite.com"]
    cookies = [value for request in magnite.journal for _, value in request.cookies()]
    assert any("DELETE" in one for one in run.log)
    for text in [run.output, *run.log]:
        assert [secret for secret in [*secrets, *cookies] if secret in text] == []
    assert magnite.violations == []


def test_one_tap_may_run_twice(magnite: MagniteSimulator) -> None:
    tap = TapMagnite(config={**magnite.settings(), "discover_fields": True})
    assert len(magnite.sessions.open_codes) == 1
    for expected in (1, 2):
        with redirect_stdout(io.StringIO()):
            assert tap.run_connection_test()
        assert len(magnite.sessions.issued) == expected
        assert magnite.sessions.open_codes == []
    assert magnite.violations == []
