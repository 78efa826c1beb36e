"""What a tap may send, and that nothing else leaves this machine."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import requests
from singer_adtech.errors import VendorError
from singer_adtech.http.allowed_requests import READ_ANYTHING, AllowedRequests
from singer_adtech.http.session import Session

if TYPE_CHECKING:
    from local_server import Server

RULES = (
    ("POST", "/login"),
    ("GET", "/airings"),
    ("GET", "/streams/*/lists"),
    ("DELETE", "/queries/*"),
    ("GET", re.compile(r"/[a-z0-9]{8,}")),
)


@pytest.mark.parametrize(
    ("request_line", "allowed"),
    [
        ("POST /v1/login", True),
        ("GET /v1/airings?page=1", True),
        ("GET /v1/airings/", True),
        ("GET /v1/streams/12%2F3/lists", True),
        ("DELETE /v1/queries/7", True),
        ("GET /v1/hl0fserktnimhb", True),
        ("GET /v1/login", False),
        ("POST /v1/airings", False),
        ("get /v1/airings", False),
        ("GET /v1/set-time-zone", False),
        ("GET /v1/airings/1", False),
        ("GET /v1/streams/lists", False),
        ("GET /v1/streams/1/2/lists", False),
        ("DELETE /v1/queries", False),
        ("DELETE /v1/queries/7/results", False),
        ("GET /v2/airings", False),
        ("GET /airings", False),
        ("GET /v1/streams/../lists", False),
        ("GET /v1/streams/%2e%2E/lists", False),
        ("DELETE /v1/queries/..%2Fadmin", False),
    ],
)
def test_methods_and_paths_are_allowed_one_by_one(request_line: str, *, allowed: bool) -> None:
    # given
    method, _, target = request_line.partition(" ")
    # then
    assert AllowedRequests(RULES, "/v1/").allows(method, f"https://api.example{target}") is allowed


def test_a_tap_that_declares_nothing_may_read_only() -> None:
    # given
    rules = AllowedRequests(READ_ANYTHING, "")
    # then
    assert [method for method in ("GET", "HEAD", "POST", "PUT", "DELETE") if rules.allows(method, "https://x/y/z")] == [
        "GET",
        "HEAD",
    ]
    assert rules.allows("GET", "https://x")


def test_what_is_not_in_the_list_is_refused_before_a_byte_is_sent(server: Server) -> None:
    # given
    request = requests.Request("POST", f"{server.url}/v1/airings", json={"delete": True}).prepare()
    # when / then
    with (
        closing(Session(f"{server.url}/v1", connections=1, timeout=5, allowed=RULES)) as session,
        pytest.raises(VendorError) as caught,
    ):
        session.send(request)
    assert str(caught.value) == (
        "POST /airings was not sent: it is not an allowed request of this tap: report this to the tap's "
        "authors (`allowed_requests`)"
    )
    assert server.calls == []


@pytest.mark.parametrize("location", ["/v1/set-time-zone?to=x", "/v2/airings", "/v1/airings/../login"])
def test_a_redirect_to_what_is_not_in_the_list_is_not_followed(server: Server, location: str) -> None:
    # given
    server.script(server.reply(302, headers={"Location": location}), server.json({}))
    # when / then
    with (
        closing(Session(f"{server.url}/v1", connections=1, timeout=5, allowed=RULES)) as session,
        pytest.raises(VendorError) as caught,
    ):
        session.send(requests.Request("GET", f"{server.url}/v1/airings").prepare())
    assert str(caught.value) == "a redirect leads to a path to which this tap may not send GET: check `api_url`"
    assert server.paths() == ["/v1/airings"]
