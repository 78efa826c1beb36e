"""Magnite sessions, lists, details and metadata: responses and violations."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from vendor_simulators.calls import Reply, call
from vendor_simulators.magnite import MagniteSimulator

if TYPE_CHECKING:
    from vendor_simulators.pytest_plugin import Simulate

BASE = "/v1/resources"
JSON = {"Content-Type": "application/json", "Accept": "application/json"}


def start(simulate: Simulate, **options: Any) -> MagniteSimulator:
    """Start a simulator with three days."""
    return simulate(MagniteSimulator(first_day=date(2025, 3, 1), days=3, rows_per_day=20, **options))


def login(simulator: MagniteSimulator) -> dict[str, str]:
    """Log in and return the headers of later calls."""
    body = json.dumps({"accessKey": simulator.access_key, "secretKey": simulator.secret_key})
    reply = call(simulator.url, f"{BASE}/sessions", "POST", headers=JSON, body=body)
    assert reply.status == 201
    return {"Cookie": f"ApiSession={simulator.sessions.issued[-1]}"}


def get(simulator: MagniteSimulator, path: str, headers: dict[str, str], **params: Any) -> Reply:
    """Get a path below the base."""
    return call(simulator.url, f"{BASE}{path}", headers=headers, params=params)


def test_the_documented_login(simulate: Simulate) -> None:
    # Given the keys in the guide
    simulator = start(simulate)
    body = '{"accessKey": "tv-MNdiN3IG1chX-jm", "secretKey": "MKmxH7scxxKACcs3BjZd"}'
    reply = call(simulator.url, f"{BASE}/sessions", "POST", headers=JSON, body=body)
    # Then the response is the one in the guide
    assert reply.status == 201
    assert reply.headers.all("Set-Cookie")[0] == "VhfpSession=4e7a8e0c-018d-4184-a780-7b8d7d7683fe;Version=1;Path=/"
    assert reply.json() == {
        "id": 415284,
        "sessionCode": "4e7a8e0c-018d-4184-a780-7b8d7d7683fe",
        "sessionStartTime": "2016-04-22T13:39:08.237+0000",
        "lastValidated": "2016-04-22T13:39:08.237+0000",
        "lastLogin": "2016-03-17T00:37:15.000+0000",
        "user": {
            "creationDate": "2014-06-11T01:22:55.000+0000",
            "id": 6,
            "emailAddress": "cgeorge@magnite.com",
            "firstName": "Curious",
            "lastName": "George",
            "countryCode": "US",
            "timezoneCode": "America/Los_Angeles",
            "currencyCode": "USD",
            "localeCode": "en_US",
            "company": "Monkey Media, LLC",
            "name": "Curious George",
        },
    }


@pytest.mark.parametrize("status", [401, 403, 400])
def test_the_documented_error(simulate: Simulate, status: int) -> None:
    simulator = start(simulate, wrong_keys=status)
    body = '{"accessKey": "a", "secretKey": "b"}'
    reply = call(simulator.url, f"{BASE}/sessions", "POST", headers=JSON, body=body)
    assert reply.status == status
    assert reply.json() == {
        "type": "error",
        "errorCode": "invalid-credentials",
        "errorDescription": "The supplied credentials are not valid.",
        "errors": None,
    }
    assert simulator.violations == []


@pytest.mark.parametrize(
    ("headers", "body", "said"),
    [
        (JSON, '{"accessKey": "a"}', "another body"),
        (JSON, "accessKey=a", "another body"),
        ({**JSON, "Content-Type": "text/plain"}, "{}", "Content-Type text/plain"),
    ],
)
def test_an_undocumented_login(simulate: Simulate, headers: dict[str, str], body: str, said: str) -> None:
    simulator = start(simulate)
    assert call(simulator.url, f"{BASE}/sessions", "POST", headers=headers, body=body).status == 400
    assert len(simulator.violations) == 1
    assert said in simulator.violations[0]


def test_cookies_of_a_login(simulate: Simulate) -> None:
    names = {}
    for option in ("VhfpSession", "ApiSession", "none"):
        simulator = start(simulate, login_cookies=option)
        body = json.dumps({"accessKey": simulator.access_key, "secretKey": simulator.secret_key})
        reply = call(simulator.url, f"{BASE}/sessions", "POST", headers=JSON, body=body)
        names[option] = [cookie.partition("=")[0] for cookie in reply.headers.all("Set-Cookie")]
    assert names == {"VhfpSession": ["VhfpSession", "AWSALB"], "ApiSession": ["ApiSession"], "none": []}


def test_a_session_times_out_and_is_closed(simulate: Simulate) -> None:
    simulator = start(simulate)
    first = login(simulator)
    assert get(simulator, "/seats", first).status == 200
    # 419 is returned only for a session that has timed out
    simulator.expire_tokens()
    assert get(simulator, "/seats", first).status == 419
    second = login(simulator)
    assert get(simulator, "/seats", second).status == 200
    code = simulator.sessions.issued[1]
    assert call(simulator.url, f"{BASE}/sessions/{code}", "DELETE", headers=second).status == 204
    assert get(simulator, "/seats", second).status == 401
    assert simulator.sessions.open_codes == []
    assert simulator.violations == []


def test_requests_keep_a_session_alive(simulate: Simulate) -> None:
    simulator = start(simulate, session_seconds=0)
    assert get(simulator, "/seats", login(simulator)).status == 419


@pytest.mark.parametrize(
    ("cookie", "said"),
    [
        (None, "without ApiSession"),
        ("AWSALB={code}", "without ApiSession"),
        ("ApiSession={code}; ApiSession={code}", "a cookie is sent twice"),
        ("ApiSession={code}; VhfpSession=another", "ApiSession and VhfpSession differ"),
    ],
)
def test_invalid_cookies(simulate: Simulate, cookie: str | None, said: str) -> None:
    simulator = start(simulate)
    code = login(simulator)["Cookie"].partition("=")[2]
    get(simulator, "/seats", {"Cookie": cookie.format(code=code)} if cookie else {})
    assert [one for one in simulator.violations if said in one]


def test_a_client_may_replay_the_cookie_that_it_was_given(simulate: Simulate) -> None:
    # Given a client that accepts anything, as public clients do
    simulator = start(simulate, cookie_domain=".tremorhub.com")
    body = json.dumps({"accessKey": simulator.access_key, "secretKey": simulator.secret_key})
    headers = {"Content-Type": "application/json", "Accept": "*/*"}
    reply = call(simulator.url, f"{BASE}/sessions", "POST", headers=headers, body=body)
    cookie, *attributes = reply.headers.all("Set-Cookie")[0].split(";")
    # Then either name of the cookie is read
    assert (reply.status, attributes) == (201, ["Version=1", "Path=/", "Domain=.tremorhub.com"])
    code = cookie.removeprefix("VhfpSession=")
    for sent in (cookie, f"ApiSession={code}", f"ApiSession={code}; {cookie}"):
        assert get(simulator, "/seats", {"Cookie": sent}).status == 200
    assert simulator.violations == []


def test_the_other_cookie_may_be_read(simulate: Simulate) -> None:
    simulator = start(simulate, reads_cookie="VhfpSession", not_logged_in=419)
    code = login(simulator)["Cookie"].partition("=")[2]
    assert get(simulator, "/seats", {"Cookie": f"ApiSession={code}"}).status == 419
    assert get(simulator, "/seats", {"Cookie": f"ApiSession={code}; VhfpSession={code}"}).status == 200


def test_the_documented_list_and_detail(simulate: Simulate) -> None:
    simulator = start(simulate)
    headers = login(simulator)
    seat = {"id": 5000, "name": "Monkey Media, LLC", "code": "frykr"}
    publisher = {"id": 4000, "name": "Monkey Time, Inc", "code": "mnkye", "seat": seat}
    brand = {"id": 3000, "name": "My Monkey (TM)", "code": "zjq4m", "publisher": publisher}
    assert get(simulator, "/adUnits", headers).json()[0] == {
        "id": 1000,
        "name": "My Monkey Unit",
        "code": "40404",
        "type": {"id": 2, "name": "Mid-roll"},
        "status": {"id": 1, "name": "Active"},
        "linearity": {"id": 1, "name": "Linear/In-stream"},
        "adUnitFormat": {"id": 1, "name": "VAST"},
        "supply": {"id": 2000, "name": "My Monkey Game", "code": "q4tty", "brand": brand},
    }
    assert get(simulator, "/supply/2000", headers).json() == {
        "creationDate": "2014-06-04T04:49:27.000+0000",
        "updateDate": "2014-06-04T04:49:27.000+0000",
        "id": 2000,
        "name": "My Monkey Game",
        "description": "Play around and learn about Monkeys. I like Monkeys.",
        "code": "q4tty",
        "domain": "monkeysforme.com",
        "paidType": None,
        "storeUrl": None,
        "bundleIdIsOverride": None,
        "bundleId": None,
        "videoQuality": None,
        "keys": [],
        "adParams": [],
        "keywords": [],
        "allowVastWrappers": True,
        "supplyDomainIsFallback": True,
        "type": {"id": 2, "name": "Site"},
        "brand": brand,
    }


def test_lists_are_bare_arrays_and_unknown_paths_404(simulate: Simulate) -> None:
    simulator = start(simulate, supply_path="supplies", ad_units_path="adunits")
    headers = login(simulator)
    counts = {"seats": 2, "publishers": 4, "brands": 6, "supplies": 12, "adunits": 20}
    for path, count in counts.items():
        assert len(get(simulator, f"/{path}", headers).json()) == count
    for path in ("/supply", "/adUnits", "/seats/1", "/seats/x", "/nothing", "/seats/5000/more"):
        assert get(simulator, path, headers).status == 404
    assert simulator.violations == []


@pytest.mark.parametrize(
    ("options", "answered"),
    [
        ({}, {"query/sources/adstats-publisher", "query/sources/17"}),
        ({"sources_path": "queries"}, {"queries/sources/adstats-publisher", "queries/sources/17"}),
        ({"source_in_path": "name"}, {"query/sources/adstats-publisher"}),
        ({"source_in_path": "id"}, {"query/sources/17"}),
        ({"source_ids": "absent"}, {"query/sources/adstats-publisher"}),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_paths_of_sources(simulate: Simulate, options: dict[str, Any], answered: set[str]) -> None:
    simulator = start(simulate, **options)
    headers = login(simulator)
    words = [f"{base}/sources/{word}" for base in ("query", "queries") for word in ("adstats-publisher", "17")]
    found = {word for word in words if get(simulator, f"/{word}/metrics", headers).status == 200}
    assert found == answered
