"""The fault plan over real sockets, with iSpot as the vendor."""

from __future__ import annotations

import http.client
import json
import time
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
from vendor_simulators.calls import Reply, call
from vendor_simulators.faults import Fault

if TYPE_CHECKING:
    from vendor_simulators.adspect import AdspectSimulator
    from vendor_simulators.ispot import ISpotSimulator


def basic(key: str) -> str:
    return f"Basic {b64encode(f'{key}:'.encode()).decode()}"


def brands(simulator: ISpotSimulator, **params: object) -> Reply:
    headers = {"Authorization": f"Bearer {simulator.tokens.issue()}"}
    return call(simulator.url, "/v4/brands", params={"sort": "id", **params}, headers=headers)


def test_fault_applies_to_consecutive_requests_from_the_nth_match(ispot: ISpotSimulator) -> None:
    # Given a fault for the second and third request
    fault = Fault(
        path="/v4/brands", nth=2, times=2, status=429, headers={"Retry-After": "1"}, body='{"title": "Too many"}'
    )
    ispot.faults.add(fault)

    # When four requests are sent, and one to another path in between
    statuses = [brands(ispot).status]
    headers = {"Authorization": f"Bearer {ispot.tokens.issue()}"}
    assert call(ispot.url, "/v4/networks", headers=headers).status == 200
    second = brands(ispot)
    statuses += [second.status, brands(ispot).status, brands(ispot).status]

    # Then these two fail as planned, and the journal has the statuses sent
    assert statuses == [200, 429, 429, 200]
    assert second.headers["Retry-After"] == "1"
    assert second.headers["Content-Type"] == "application/json"
    assert second.json() == {"title": "Too many"}
    assert [entry.status for entry in ispot.journal.matching("/v4/brands")] == [200, 429, 429, 200]
    assert (fault.seen, fault.fired) == (4, 2)


def test_fault_matches_method_pattern_and_parameters(ispot: ISpotSimulator) -> None:
    # Given a fault for page 2 of anything below /v4, without an end
    ispot.faults.add(
        Fault(path="/v4/*", method="get", params={"page[number]": 2}, times=None, status=503, body="maintenance")
    )

    # When pages 1 and 2 are requested
    first = brands(ispot, **{"page[size]": 20, "page[number]": 1})
    second = brands(ispot, **{"page[size]": 20, "page[number]": 2})
    again = brands(ispot, **{"page[size]": 20, "page[number]": 2})

    # Then page 2 fails, each time
    assert [first.status, second.status, again.status] == [200, 503, 503]
    assert (second.body, second.headers["Content-Type"]) == (b"maintenance", "text/plain; charset=utf-8")


def test_first_fault_due_wins_and_all_that_match_count(ispot: ISpotSimulator) -> None:
    # Given two faults, both due at the first request and the second one also at the next
    ispot.faults.add(Fault(status=500), Fault(status=502, times=2))

    # When three requests come
    statuses = [brands(ispot).status for _ in range(3)]

    # Then the first request counts for the second fault too
    assert statuses == [500, 502, 200]


def test_fault_plan_can_be_cleared(ispot: ISpotSimulator) -> None:
    # Given a fault without an end
    ispot.faults.add(Fault(times=None))
    assert brands(ispot).status == 500

    # When the plan is cleared
    ispot.faults.clear()

    # Then requests succeed again
    assert brands(ispot).status == 200


def test_html_fault(ispot: ISpotSimulator) -> None:
    # Given pages of HTML, one as an error and one as a success
    ispot.faults.add(Fault(action="html"), Fault(action="html", nth=2, status=200))

    # When two requests come
    replies = [brands(ispot), brands(ispot)]

    # Then both are HTML
    assert [reply.status for reply in replies] == [502, 200]
    for reply in replies:
        assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
        assert reply.body.startswith(b"<!DOCTYPE html>")


def test_cut_fault_sends_less_than_content_length(ispot: ISpotSimulator) -> None:
    # Given a complete response, and a fault
    whole = brands(ispot).body
    ispot.faults.add(Fault(action="cut"))

    # When the body is cut
    with pytest.raises(http.client.IncompleteRead) as caught:
        brands(ispot)

    # Then half of it arrives, and Content-Length announces the rest
    assert caught.value.partial == whole[: len(whole) // 2]
    assert caught.value.expected == len(whole) - len(whole) // 2
    assert ispot.journal[-1].status == 200


def test_drop_fault_sends_nothing(ispot: ISpotSimulator) -> None:
    # Given a fault
    ispot.faults.add(Fault(action="drop"))

    # When the connection is dropped
    with pytest.raises(http.client.RemoteDisconnected):
        brands(ispot)

    # Then the request was recorded without a response, and the next one gets one
    assert ispot.journal[-1].status == 0
    assert brands(ispot).status == 200


def test_slow_fault_delays_the_response(ispot: ISpotSimulator) -> None:
    # Given a fault of a fifth of a second
    ispot.faults.add(Fault(action="slow", delay=0.2))

    # When the request comes
    began = time.monotonic()
    reply = brands(ispot)

    # Then the response is right and late
    assert reply.status == 200
    assert time.monotonic() - began >= 0.2
    entry = ispot.journal[-1]
    assert entry.finished - entry.at >= 0.2


def test_broken_json_fault_has_a_correct_length(ispot: ISpotSimulator) -> None:
    # Given a complete response, and a fault
    whole = brands(ispot).body
    ispot.faults.add(Fault(action="broken_json"))

    # When the request comes
    reply = brands(ispot)

    # Then the body ends in the middle, and Content-Length matches
    assert (reply.status, reply.headers["Content-Length"]) == (200, str(len(whole) // 2))
    assert reply.body == whole[: len(whole) // 2]
    with pytest.raises(json.JSONDecodeError):
        reply.json()
    assert brands(ispot).body == whole


def test_redirect_fault_points_to_another_host(ispot: ISpotSimulator) -> None:
    # Given a redirect with defaults, and one to a given address
    ispot.faults.add(
        Fault(action="redirect"), Fault(action="redirect", nth=2, status=307, headers={"location": "http://other/"})
    )

    # When requests come
    replies = [brands(ispot), brands(ispot)]

    # Then each has one Location
    assert [reply.status for reply in replies] == [302, 307]
    assert [reply.headers["Location"] for reply in replies] == ["http://elsewhere.invalid/", "http://other/"]


def test_expire_token_fault_makes_all_tokens_invalid(ispot: ISpotSimulator) -> None:
    # Given a token that works
    headers = {"Authorization": f"Bearer {ispot.tokens.issue()}"}
    assert call(ispot.url, "/v4/brands", headers=headers).status == 200
    ispot.faults.add(Fault(action="expire_token"))

    # When it expires just before a request
    statuses = [call(ispot.url, "/v4/brands", headers=headers).status for _ in range(2)]

    # Then it stays invalid, a new one works, and no violation is recorded
    assert statuses == [401, 401]
    assert brands(ispot).status == 200
    assert ispot.violations == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"action": "explode"}, "allowed are status, html"),
        ({"nth": 0}, "count from 1"),
        ({"times": 0}, "count from 1"),
        ({"action": "slow"}, "needs a delay"),
    ],
)
def test_invalid_faults_are_refused(fields: dict[str, object], message: str) -> None:
    # When a fault is invalid, then the error names the reason
    with pytest.raises(ValueError, match=message):
        Fault(**fields)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(("action", "status"), [("empty", 200), ("no_content", 204)])
def test_response_without_a_body(ispot: ISpotSimulator, action: Any, status: int) -> None:
    ispot.faults.add(Fault(path="/v4/brands", action=action))
    reply = brands(ispot)
    assert (reply.status, reply.body) == (status, b"")
    assert brands(ispot).json()["data"]


def test_half_of_the_rows_and_exact_numbers(ispot: ISpotSimulator) -> None:
    # Given a response, and the same one with half of its rows
    headers = {"Authorization": f"Bearer {ispot.tokens.issue()}"}
    day = {"filter[start_date]": "2024-03-08", "filter[end_date]": "2024-03-08", "sort": "airing_date_et,id"}
    path = "/v4/metrics/audience/airings"
    whole = json.loads(call(ispot.url, path, params=day, headers=headers).body, parse_float=str)
    ispot.faults.add(Fault(path=path, action="half_rows"))
    half = json.loads(call(ispot.url, path, params=day, headers=headers).body, parse_float=str)
    # Then every second row is missing, starting with the first, and the rest is equal
    assert half == {**whole, "data": whole["data"][1::2]}
    assert len(whole["data"]) == 40


def test_half_of_the_lines_of_a_report(adspect: AdspectSimulator) -> None:
    params = {"date_from": 1743120000, "date_to": 1743206400, "time_zone": "UTC", "group_by[]": "date"}
    asked = {**params, "metrics[]": "clicks"}
    headers = {"Authorization": basic(adspect.api_key), "Content-Type": "application/json"}
    whole = call(adspect.url, "/v1/reports/funnel", params={**asked, "group_by[]": "os"}, headers=headers).body
    adspect.faults.add(Fault(path="/v1/reports/funnel", action="half_rows", times=2))
    half = call(adspect.url, "/v1/reports/funnel", params={**asked, "group_by[]": "os"}, headers=headers).body
    # In any order, as the vendor sends them.
    assert {*half.splitlines()} < {*whole.splitlines()}
    assert len(half.splitlines()) == len(whole.splitlines()) // 2
    # A list of one row becomes empty.
    assert call(adspect.url, "/v1/reports/funnel", params=asked, headers=headers).body == b""


def test_response_to_another_request(ispot: ISpotSimulator) -> None:
    # Given three pages
    ispot.faults.add(Fault(path="/v4/brands", nth=3, times=2, action="previous"))
    pages = [brands(ispot, **{"page[size]": 5, "page[number]": number}).json() for number in (1, 2)]
    # When another page, and the last one again, come from a cache that ignores the query
    again = [brands(ispot, **{"page[size]": 5, "page[number]": number}).json() for number in (3, 2)]
    # Then both are responses to other requests
    assert again == [pages[1], pages[0]]
