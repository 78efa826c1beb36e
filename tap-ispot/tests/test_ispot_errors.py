"""Each row of the specification's table of errors: how often a call is made, after which waits, and what is said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from vendor_simulators.faults import Fault
from vendor_simulators.messages import Response

if TYPE_CHECKING:
    from ispot_fixtures import RunTap, Script
    from vendor_simulators.ispot import ISpotSimulator

AUDIENCE = "/v4/metrics/audience/airings"
WHERE = "stream audience_airings, window 2024-03-08..2024-03-08: "
ID = "(X-Request-ID simulated-00000002)"
PROBLEM = json.dumps({"title": "No way", "type": "about:blank", "status": 0, "detail": "it is so", "instance": "/v4"})


def fault(status: int, **more: Any) -> Fault:
    """Make a fault of the airings that stays, with a body as RFC 7807 has it unless another is given."""
    more = {"body": PROBLEM, "content_type": "application/problem+json", **more}
    return Fault(path=AUDIENCE, status=status, times=None, **more)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (
            403,
            (
                f'HTTP 403 Forbidden "No way: it is so" {ID}: no access to this product: '
                "ask iSpot.tv for it, or select tv_airings instead, or deselect it: `meltano select tap-ispot "
                "--exclude audience_airings"
            ),
        ),
        (
            404,
            (f'HTTP 404 Not Found "No way: it is so" {ID}: check `api_url`, or deselect audience_airings'),
        ),
        (409, f'HTTP 409 Conflict "No way: it is so" {ID}'),
        (405, f'HTTP 405 Method Not Allowed "No way: it is so" {ID}'),
    ],
)
def test_fatal_at_once(run_tap: RunTap, ispot: ISpotSimulator, status: int, said: str) -> None:
    ispot.faults.add(fault(status))
    run = run_tap(ispot.settings(), "audience_airings", fails=True)
    assert run.error.startswith(WHERE + said)
    assert len(ispot.journal.matching(AUDIENCE)) == 1
    assert run.clock.waits == []
    assert run.states == []


def test_a_bad_request_shows_the_parameters(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    ispot.faults.add(fault(400))
    settings = {**ispot.settings(), "airing_includes": ["brand", "show"], "network_ids": [300]}
    run = run_tap(settings, "audience_airings", fails=True)
    assert run.error == (
        f'{WHERE}HTTP 400 Bad Request "No way: it is so" {ID}: the request was filter[start_date]=2024-03-08'
        "&filter[end_date]=2024-03-08&filter[airing_type]=N,R&filter[national_only]=1&filter[network]=300"
        "&include=brand,show&sort=airing_date_et,id&page[size]=10000&page[number]=1"
    )
    assert len(ispot.journal.matching(AUDIENCE)) == 1


@pytest.mark.parametrize("name", ["tv_airings", "brands", "attention_airings"])
def test_a_product_not_bought_names_the_stream(run_tap: RunTap, ispot: ISpotSimulator, name: str) -> None:
    ispot.faults.add(Fault(path="/v4/*", nth=2, times=None, status=403))
    run = run_tap(ispot.settings(), name, fails=True)
    assert run.error.endswith(
        ": no access to this product: ask iSpot.tv for it, or deselect it: "
        f'`meltano select tap-ispot --exclude {name} "*"`, or `"selected": false` in the catalog'
    )


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (fault(500), f'HTTP 500 Internal Server Error "No way: it is so" {ID}'),
        (fault(503, body="", content_type="text/plain"), f"HTTP 503 Service Unavailable {ID}"),
        (
            fault(504, body="upstream\n  timed out", content_type="text/plain"),
            f'HTTP 504 Gateway Timeout "upstream timed out" {ID}',
        ),
        (Fault(path=AUDIENCE, times=None, action="html"), f'HTTP 502 Bad Gateway "an HTML page" {ID}'),
        (
            Fault(path=AUDIENCE, times=None, action="html", status=200),
            "HTTP 200 with an HTML page",
        ),
        (Fault(path=AUDIENCE, times=None, action="drop"), "{host} closed the connection before responding"),
        (Fault(path=AUDIENCE, times=None, action="cut"), "the response from {host} was cut off"),
        (
            Fault(path=AUDIENCE, times=None, action="broken_json"),
            "the response body is not valid JSON (cut off at byte ",
        ),
        (fault(200, body='{"meta": {}}', content_type="application/json"), "HTTP 200 with a body without `data`"),
        (fault(200, body="[]", content_type="application/json"), "HTTP 200 with a body without `data`"),
        (fault(200, body="", content_type="application/json"), "HTTP 200 with an empty body"),
        (fault(204, body="", content_type="application/json"), "HTTP 204 with an empty body"),
    ],
    ids=lambda value: f"{value.action}{value.status}{len(value.body)}" if isinstance(value, Fault) else "",
)
def test_what_may_pass_is_tried_six_times(run_tap: RunTap, ispot: ISpotSimulator, broken: Fault, said: str) -> None:
    ispot.faults.add(broken)
    run = run_tap(ispot.settings(), "audience_airings", fails=True)
    # The id is that of the last try
    said = said.replace("00000002", "00000007").replace("{host}", urlsplit(ispot.api_url).netloc)
    assert run.error.startswith(f"{WHERE}{said}")
    # The vendor is only called down where it says so
    down = "the vendor may be down: " if " 50" in said else ""
    assert f" (tried 6 times): {down}try again later" in run.error
    assert len(ispot.journal.matching(AUDIENCE)) == 6
    assert run.clock.waits == [1, 2, 4, 8, 16]
    assert len(ispot.journal.matching("/v4/oauth2/token")) == 1
    assert run.states == []


@pytest.mark.parametrize("times", [1, 5])
@pytest.mark.parametrize("action", ["status", "html", "drop", "cut", "broken_json"])
def test_what_passes_leaves_no_trace(run_tap: RunTap, ispot: ISpotSimulator, action: Any, times: int) -> None:
    ispot.faults.add(Fault(path=AUDIENCE, action=action, times=times))
    run = run_tap({**ispot.settings(), "end_date": "2024-03-08"}, "audience_airings")
    assert run.by_key() == ispot.truth("audience_airings", last_day=ispot.first_day)
    assert run.clock.waits == [1, 2, 4, 8, 16][:times]
    assert len(ispot.journal.matching(AUDIENCE)) == times + 1
    # Each wait is told
    assert len([one for one in run.warnings() if "waiting" in one]) == times


def test_a_vendor_that_does_not_answer_in_time(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    # Given an answer that comes after the limit of two seconds
    ispot.faults.add(Fault(path=AUDIENCE, action="slow", delay=3))
    run = run_tap({**ispot.settings(), "end_date": "2024-03-08", "request_timeout": 2}, "audience_airings")
    assert run.by_key() == ispot.truth("audience_airings", last_day=ispot.first_day)
    assert run.clock.waits == [1]
    assert [one for one in run.warnings() if "no response from" in one]


def test_a_vendor_that_is_not_there(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    # Given a port on which nobody listens: 1 is reserved
    settings = {**ispot.settings(), "api_url": "http://127.0.0.1:1/v4"}
    run = run_tap(settings, "movies", fails=True)
    assert run.error == (
        "stream movies: no connection to 127.0.0.1:1: connection refused (tried 6 times): check `api_url` and the "
        "network of this machine, or try again later"
    )
    assert run.clock.waits == [1, 2, 4, 8, 16]


def test_a_redirect_to_another_host_is_not_followed(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    ispot.faults.add(Fault(path=AUDIENCE, action="redirect", headers={"Location": "http://elsewhere.invalid/v4/x"}))
    run = run_tap(ispot.settings(), "audience_airings", fails=True)
    assert run.error.startswith(WHERE)
    assert "another host (http://elsewhere.invalid" in run.error
    assert run.error.endswith("check `api_url`")
    assert len(ispot.journal.matching(AUDIENCE)) == 1
    assert run.clock.waits == []


def test_a_redirect_within_the_host_is_followed(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    ispot.faults.add(Fault(path="/v4/movies", action="redirect", headers={"Location": "/v4/events?page[number]=1"}))
    run = run_tap(ispot.settings(), "movies")
    assert len(run.records("movies")) == len(ispot.truth("events"))


@pytest.mark.parametrize(
    "body",
    ['{"title": "Slow down", "detail": "really"}', "<html>Slow down</html>", "Slow down", '{"other": 1}', "\x00"],
)
def test_an_error_may_have_any_body(run_tap: RunTap, script: Script, body: str) -> None:
    vendor = script(lambda _: Response.text(body, 403, "application/json"))
    run = run_tap(vendor.settings(), "movies", fails=True)
    assert run.error.startswith("stream movies: HTTP 403 Forbidden")
    assert ": no access to this product: ask iSpot.tv for it, or deselect it: " in run.error
    assert "\n" not in run.error


def test_a_long_error_is_cut(run_tap: RunTap, script: Script) -> None:
    vendor = script(lambda _: Response.text("word " * 1000, 403))
    run = run_tap(vendor.settings(), "movies", fails=True)
    assert len(run.error) < 500


def test_a_page_that_fails_for_good_among_others(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    # Given a third page that is refused while others are in flight
    ispot.faults.add(Fault(path="/v4/movies", params={"page[number]": 3}, status=403, times=None))
    run = run_tap({**ispot.settings(), "catalog_page_size": 5}, "movies", fails=True)
    assert "HTTP 403" in run.error
    asked = [request.param("page[number]") for request in ispot.journal.matching("/v4/movies")]
    assert asked.count("3") == 1
    assert run.states == []
