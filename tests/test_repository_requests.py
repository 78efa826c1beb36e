"""Requests that the taps may send: SECURITY.md compared with each tap's list, and tried on a socket."""

from __future__ import annotations

import re
import socket
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import requests
from generate import TAPS, logins, tap_class
from singer_adtech.errors import VendorError
from singer_adtech.http.allowed_requests import AllowedRequests
from singer_sdk.exceptions import ConfigValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_adtech.tap import AdTechTap

ROOT = Path(__file__).resolve().parent.parent
WRITING = {"POST", "DELETE"}
"""Methods other than GET and HEAD that taps send; see SECURITY.md."""


def make_tap(name: str, **settings: Any) -> AdTechTap:
    """Create a tap with valid settings."""
    config = dict.fromkeys(logins(name)[0], "made-up-credential") | {"start_date": "2024-03-01"}
    return cast("AdTechTap", tap_class(name)(config={**config, **settings}))


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Open a port that must not receive a connection."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        one.settimeout(0.05)
        yield one


def sample(path: str | re.Pattern[str]) -> str:
    """Return a path that a rule allows."""
    return "/abcdefgh12" if isinstance(path, re.Pattern) else path.replace("*", "x")


@pytest.mark.parametrize("name", TAPS)
def test_a_tap_declares_each_path_to_which_it_writes(name: str) -> None:
    for method, path in make_tap(name).request_rules():
        assert method in {"GET", "HEAD", *WRITING}
        assert not isinstance(path, str) or "**" not in path
        # The last segment may be variable, such as a session id, but never the first.
        assert method not in WRITING or (isinstance(path, str) and re.fullmatch(r"(/[a-z0-9-]+)+(/\*)?", path))


@pytest.mark.parametrize("name", TAPS)
@pytest.mark.parametrize(
    "request_line",
    [
        "PUT /account",
        "PATCH /streams/1",
        "DELETE /streams/1",
        "POST /streams",
        "POST /v1/campaigns",
        "POST /accounts/1/set_current",
        "GET /set-time-zone",
        "GET /mask",
        "GET /no/such/list/at/all",
        "GET /../admin",
        "OPTIONS /",
    ],
)
def test_undeclared_requests_are_refused_before_a_byte_is_sent(
    name: str, request_line: str, listener: socket.socket
) -> None:
    # given
    method, _, path = request_line.partition(" ")
    tap = make_tap(name, api_url=f"http://127.0.0.1:{listener.getsockname()[1]}/api")
    # when
    with pytest.raises(VendorError, match=r"not an allowed request of this tap|another host"):
        tap.requester.send(requests.Request(method, f"{tap.api_url}{path}"), auth=None, label="x")
    # then
    with pytest.raises(TimeoutError):
        listener.accept()


@pytest.mark.parametrize("name", TAPS)
def test_the_path_of_every_stream_is_in_the_list(name: str) -> None:
    # given
    tap = make_tap(name)
    rules = AllowedRequests(tap.request_rules(), "")
    prefixes = ("/v0", "/v1") if name == "tap-springserve" else ("",)
    for stream in tap.streams.values():
        path = re.sub(r"\{.*?\}|<(?!type).*?>", "x", str(getattr(stream, "path", ""))).replace("<type>", "whitelist")
        # then
        allowed = [
            rules.allows(method, f"https://x{prefix}{path}") for method in ("GET", "POST") for prefix in prefixes
        ]
        assert any(allowed), f"{stream.name}: {path}"


@pytest.mark.parametrize("name", TAPS)
def test_every_request_is_counted_in_a_budget_or_declared_free_of_limits(name: str) -> None:
    # given: requests that are not in the list cannot be sent, so the list is complete
    tap = make_tap(name)
    families = tap.request_limits()
    # then
    assert not families or "*" not in tap.unlimited_requests
    for _, path in tap.request_rules():
        one = sample(path)
        free = any(fnmatchcase(one, pattern) for pattern in tap.unlimited_requests)
        counted = any(family.covers(one) for family in families)
        assert free != counted, f"{one} is in {'a family, and free' if counted else 'no family of request limits'}"


def test_the_security_page_names_each_request_that_is_not_a_read() -> None:
    # given
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    for name in TAPS:
        line = next(one for one in text.splitlines() if one.startswith(f"| {name} |"))
        named = set(re.findall(r"`((?:POST|DELETE) [^`]+)`", line))
        # then
        assert named == {f"{method} {path}" for method, path in make_tap(name).request_rules() if method in WRITING}


@pytest.mark.parametrize("name", TAPS)
def test_credentials_go_over_http_to_this_machine_only(name: str) -> None:
    for url in ("http://localhost:8080", "http://127.0.0.1/v1", "http://[::1]:1"):
        assert make_tap(name, api_url=url).api_url == url
    with pytest.raises(ConfigValidationError) as caught:
        make_tap(name, api_url="http://api.example/v1")
    assert caught.value.errors == [
        (
            "setting `api_url`: the value is not allowed: http would send the credentials to api.example unencrypted: "
            "give an https address, or set `allow_http` to true if the network is trusted"
        )
    ]
    assert make_tap(name, api_url="http://api.example/v1", allow_http=True).api_url == "http://api.example/v1"


def test_paths_that_settings_change_change_the_list() -> None:
    # given
    tap = make_tap("tap-magnite", resource_paths={"supply": "/supplies"}, query_sources_path="/own/sources/")
    rules = AllowedRequests(tap.request_rules(), "")
    # then
    allowed = ["/supplies", "/supplies/7", "/own/sources", "/own/sources/adstats/metrics", "/brands"]
    refused = ["/supply", "/query/sources", "/own/sources/adstats"]
    assert [path for path in allowed + refused if rules.allows("GET", f"https://x{path}")] == allowed
    assert not any(rules.allows(method, f"https://x{path}") for path in allowed for method in WRITING)
