"""Each row of the specification's table of errors: how often a call is made, after which waits, and what is said."""

from __future__ import annotations

import datetime as dt
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from singer_adtech.testing import tap_runner
from tap_adspect.tap import TapAdspect
from vendor_simulators.adspect import AdspectSimulator
from vendor_simulators.faults import Fault
from vendor_simulators.messages import Response

if TYPE_CHECKING:
    from adspect_fixtures import Script
    from singer_adtech.testing import TapRunner
    from vendor_simulators.messages import Request
    from vendor_simulators.pytest_plugin import Simulate

FUNNEL, LOG = "/v1/reports/funnel", "/v1/reports/log"
WHERE = "stream funnel_daily, window 2025-03-28..2025-04-01: "
BODY = json.dumps({"name": "Error", "message": "It is so.", "code": 0, "status": 0})


def fault(status: int, **more: Any) -> Fault:
    """Make a fault of funnel reports that stays."""
    return Fault(path=FUNNEL, times=None, **{"status": status, "body": BODY, **more})


UNPROCESSABLE = HTTPStatus.UNPROCESSABLE_ENTITY.phrase
"""What the simulator's server calls 422: its words differ between versions of Python."""


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (fault(401), 'HTTP 401 Unauthorized "It is so.": the API key was refused: check `api_key`, the raw key'),
        (fault(403), 'HTTP 403 Forbidden "It is so.": no access to /reports/funnel: ask Adspect for it, or '),
        (fault(403, body=""), "HTTP 403 Forbidden: no access to /reports/funnel: ask Adspect for it, or deselect"),
        (fault(404), 'HTTP 404 Not Found "It is so.": /reports/funnel was not found: check `api_url`'),
        (fault(400), 'HTTP 400 Bad Request "It is so."'),
        (
            fault(422, body='[{"field": "metrics[]", "message": "bad"}, {"field": "x", "message": "worse"}]'),
            f'HTTP 422 {UNPROCESSABLE} "metrics[]: bad; x: worse"',
        ),
        (fault(409, body="first line\nsecond line"), 'HTTP 409 Conflict "first line"'),
        (
            fault(410, body="\n<html>\n<title>No <b>more</b></title>\n<p>x</p></html>"),
            'HTTP 410 Gone "No more"',
        ),
        (Fault(path=FUNNEL, times=None, action="redirect"), "HTTP 302 Found: check `api_url`"),
        (fault(301, headers={"Location": "/v1/account"}, body=""), "HTTP 301 Moved Permanently: check `api_url`"),
        (fault(308, headers={"Location": "/v1/account"}, body=""), "HTTP 308 Permanent Redirect: check `api_url`"),
    ],
    ids=lambda value: f"{value.action}{value.status}{len(value.body)}" if isinstance(value, Fault) else "",
)
def test_fatal_at_once(run_tap: TapRunner, adspect: AdspectSimulator, broken: Fault, said: str) -> None:
    adspect.faults.add(broken)
    run = run_tap(adspect.settings(), "funnel_daily", fails=True)
    assert run.error.startswith(WHERE + said)
    assert len(adspect.journal) == 1
    assert run.clock.waits == []
    assert run.bookmarks("funnel_daily") == []


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (fault(500), 'HTTP 500 Internal Server Error "It is so."'),
        (fault(503, body=""), "HTTP 503 Service Unavailable"),
        (Fault(path=FUNNEL, times=None, action="html"), 'HTTP 502 Bad Gateway "Bad Gateway Bad Gateway"'),
        (Fault(path=FUNNEL, times=None, action="drop"), "{host} closed the connection before responding"),
        (Fault(path=FUNNEL, times=None, action="cut"), "the response from {host} was cut off"),
        (Fault(path=FUNNEL, times=None, action="broken_json"), "the response body is not valid JSON (cut off at byte"),
    ],
    ids=lambda value: f"{value.action}{value.status}" if isinstance(value, Fault) else "",
)
def test_what_may_pass_is_tried_five_times(
    run_tap: TapRunner, adspect: AdspectSimulator, broken: Fault, said: str
) -> None:
    adspect.faults.add(broken)
    run = run_tap(adspect.settings(), "funnel_daily", fails=True)
    said = said.format(host=urlsplit(adspect.api_url).netloc)
    # Where no connection was made, a smaller window would be no better.
    remedy = "try again later" if broken.action == "drop" else "try a smaller `window_days`"
    assert run.error.startswith(f"{WHERE}{said}")
    assert run.error.endswith(f" (tried 5 times): {remedy}")
    assert len(adspect.journal) == 5
    assert run.clock.waits == [1, 2, 4, 8]
    assert run.bookmarks("funnel_daily") == []


@pytest.mark.parametrize("action", ["status", "html", "drop", "cut", "broken_json"])
def test_what_passes_leaves_no_trace(run_tap: TapRunner, adspect: AdspectSimulator, action: Any) -> None:
    adspect.faults.add(Fault(path=FUNNEL, action=action, times=4))
    run = run_tap(adspect.settings(), "funnel_daily")
    assert run.by_key("funnel_daily", "date", "stream_id") == adspect.truth("funnel_daily")
    assert run.clock.waits == [1, 2, 4, 8]
    assert len([one for one in run.warnings() if "waiting" in one]) == 4


@pytest.mark.parametrize(
    ("stream", "path", "said"),
    [
        ("click_log", LOG, "HTTP 500 Internal Server Error (tried 5 times): try a smaller `log_window_minutes`"),
        ("streams", "/v1/streams", "HTTP 500 Internal Server Error (tried 5 times): the vendor may be down: try again"),
        ("account", "/v1/account", "HTTP 500 Internal Server Error (tried 5 times): the vendor may be down: try again"),
    ],
)
def test_what_to_do_depends_on_the_stream(
    run_tap: TapRunner, adspect: AdspectSimulator, stream: str, path: str, said: str
) -> None:
    adspect.faults.add(Fault(path=path, times=None))
    run = run_tap(adspect.settings(), stream, fails=True)
    assert said in run.error
    assert len(adspect.journal) == 5


@pytest.mark.parametrize(
    ("header", "waits"),
    [
        ({"Retry-After": "7"}, [7]),
        ({"Retry-After": "3600"}, [300]),
        ({"Retry-After": "Tue, 01 Apr 2025 20:31:10 GMT", "Date": "Tue, 01 Apr 2025 20:30:40 GMT"}, [30]),
        ({}, [1]),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_the_vendor_s_word_on_when_to_come_back_is_obeyed(
    run_tap: TapRunner, adspect: AdspectSimulator, status: int, header: dict[str, str], waits: list[float]
) -> None:
    adspect.faults.add(Fault(path="/v1/account", status=status, headers=header))
    run = run_tap(adspect.settings(), "account")
    assert run.clock.waits == waits
    assert run.records("account") == adspect.truth("account")


def test_a_rate_limit_that_stays(run_tap: TapRunner, adspect: AdspectSimulator) -> None:
    adspect.faults.add(fault(429))
    run = run_tap(adspect.settings(), "funnel_daily", fails=True)
    assert (
        'HTTP 429 Too Many Requests "It is so." (tried 10 times): run fewer syncs in parallel, or run later'
        in run.error
    )
    assert run.clock.waits == [1, 2, 4, 8, 16, 32, 64, 128, 256]


def test_waits_have_a_random_part(monkeypatch: pytest.MonkeyPatch, adspect: AdspectSimulator) -> None:
    # Given the tap as it is, and chance at three quarters
    monkeypatch.setattr("random.random", lambda: 0.75)
    adspect.faults.add(Fault(path="/v1/account", times=4))
    with tap_runner(TapAdspect, dt.datetime(2025, 4, 1, tzinfo=dt.timezone.utc), monkeypatch) as run_tap:
        run = run_tap(adspect.settings(), "account")
    assert run.clock.waits == pytest.approx([1.075, 2.15, 4.3, 8.6])


def test_a_vendor_that_does_not_answer_in_time(run_tap: TapRunner, adspect: AdspectSimulator) -> None:
    adspect.faults.add(Fault(path="/v1/account", action="slow", delay=1.5))
    run = run_tap({**adspect.settings(), "request_timeout": 1}, "account")
    assert run.clock.waits == [1]
    assert [one for one in run.warnings() if "no response from" in one]


@pytest.mark.parametrize("body", ["html", "empty", "object"])
@pytest.mark.parametrize("stream", ["streams", "funnel_daily"])
def test_a_wrong_key_in_each_form_of_refusal(run_tap: TapRunner, simulate: Simulate, body: str, stream: str) -> None:
    simulator = simulate(AdspectSimulator(days=1, error_body=body))
    run = run_tap({**simulator.settings(), "api_key": "another-key"}, stream, fails=True)
    assert run.error.endswith("the API key was refused: check `api_key`, the raw key from the account page")
    assert len(simulator.journal) == 1


def test_totals_are_asked_for_again_too(run_tap: TapRunner, simulate: Simulate) -> None:
    simulator = simulate(AdspectSimulator(days=1, totals="head", streams=120))
    simulator.faults.add(Fault(path="/v1/streams", method="HEAD", status=503, times=2))
    run = run_tap({**simulator.settings(), "row_count_check": "fail"}, "streams")
    assert run.clock.waits == [1, 2]
    assert len(run.records("streams")) == 120


def test_a_long_message_is_cut(run_tap: TapRunner, script: Script) -> None:
    vendor = script(lambda _: Response.json({"message": "x" * 1000}, 400))
    run = run_tap(vendor.settings(), "account", fails=True)
    assert run.error == f'stream account: HTTP 400 Bad Request "{"x" * 299}…": check the settings'


def test_windows_before_the_failure_are_kept(run_tap: TapRunner, adspect: AdspectSimulator) -> None:
    adspect.faults.add(Fault(path=FUNNEL, nth=3, times=None, status=422, body="no"))
    run = run_tap({**adspect.settings(), "window_days": 1}, "funnel_daily", fails=True)
    assert (
        run.error
        == f'stream funnel_daily, window 2025-03-30..2025-03-30: HTTP 422 {UNPROCESSABLE} "no": check the settings'
    )
    assert run.bookmarks("funnel_daily") == ["2025-03-28", "2025-03-29"]


def test_a_vendor_that_repeats_the_key_does_not_leak_it(run_tap: TapRunner, script: Script) -> None:
    def answer(request: Request) -> Response:
        return Response.text(f"key {vendor.settings()['api_key']} in {request.headers['Authorization']} is bad", 400)

    vendor = script(answer)
    run = run_tap(vendor.settings(), "account", fails=True)
    assert run.error == 'stream account: HTTP 400 Bad Request "key [hidden] in [hidden] is bad": check the settings'
