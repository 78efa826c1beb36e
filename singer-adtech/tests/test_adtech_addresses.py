"""Addresses that are allowed as `api_url`, and how little of one a message shows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.errors import SettingError
from singer_adtech.http.addresses import (
    check_api_url,
    is_loopback,
    may_hold_credentials,
    origin,
    shown_host,
    shown_origin,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result
    from local_server import Server

GIVE_IT = "give the address of the vendor's API, such as https://api.example.com/v1"


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example",
        "https://api.example/v1/",
        "https://API.Example:8443/v1",
        "HTTPS://api.example",
        "https://[2001:db8::1]:8443/v1",
        "https://api.münchen.example",
        "http://localhost:8080",
        "http://LOCALHOST/v1",
        "http://127.0.0.1:1",
        "http://127.255.0.9:65535/v1",
        "http://[::1]:8080",
    ],
)
def test_an_address_may_have_a_port_and_a_path_and_be_this_machine(url: str) -> None:
    check_api_url({"api_url": url})


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "it does not begin with https:// and a host"),
        ("api.example", "it does not begin with https:// and a host"),
        ("ftp://api.example", "it does not begin with https:// and a host"),
        ("https://", "it does not begin with https:// and a host"),
        ("https:///v1", "it does not begin with https:// and a host"),
        ("https://api.example:99999", "its host or port is not valid (ports are 1 to 65535)"),
        ("https://api.example:port", "its host or port is not valid (ports are 1 to 65535)"),
        ("https://[::1", "its host or port is not valid (ports are 1 to 65535)"),
        ("https://api.example:0", "port 0 is not valid"),
        (" https://api.example", "it contains a space, a backslash or a control character"),
        ("https://api.example\n", "it contains a space, a backslash or a control character"),
        ("https://api.example/v 1", "it contains a space, a backslash or a control character"),
        ("https://api.example\\@evil.example", "it contains a space, a backslash or a control character"),
    ],
)
def test_what_is_not_an_address_is_refused_without_being_quoted(url: str, why: str) -> None:
    with pytest.raises(SettingError) as caught:
        check_api_url({"api_url": url})
    assert str(caught.value) == f"setting `api_url`: the value is not allowed: {why}: {GIVE_IT}"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://anna:pa55word@api.example/v1", "it contains user information"),
        ("https://pa55word@api.example", "it contains user information"),
        ("https://api.example/v1?key=pa55word", "it contains a query or a fragment"),
        ("https://api.example/v1#pa55word", "it contains a query or a fragment"),
        ("https://api.example/v1?", "it contains a query or a fragment"),
    ],
)
def test_credentials_in_an_address_are_refused(url: str, why: str) -> None:
    with pytest.raises(SettingError) as caught:
        check_api_url({"api_url": url})
    assert str(caught.value) == (
        f"setting `api_url`: the value is not allowed: {why}: set credentials only in their own settings"
    )


@pytest.mark.parametrize(
    "host", ["api.example", "10.0.0.1", "[2001:db8::1]:80", "localhost.example", "127.0.0.1.example", "128.0.0.1"]
)
def test_credentials_do_not_go_over_http_to_another_machine(host: str) -> None:
    # given
    url = f"http://{host}/v1"
    # when / then
    with pytest.raises(SettingError) as caught:
        check_api_url({"api_url": url, "allow_http": False})
    assert f"http would send the credentials to {host.removesuffix(':80')} unencrypted" in str(caught.value)
    assert "set `allow_http` to true" in str(caught.value)
    # unless the user says so by name
    check_api_url({"api_url": url, "allow_http": True})


def test_a_loopback_host_is_named_or_numbered() -> None:
    assert [
        host for host in ("localhost", "127.0.0.1", "::1", "127.1", "example", "10.0.0.1") if is_loopback(host)
    ] == [
        "localhost",
        "127.0.0.1",
        "::1",
    ]


def test_the_default_port_is_a_port() -> None:
    assert origin("https://api.example/v4") == origin("https://API.example:443/other") == ("https", "api.example", 443)
    assert origin("http://api.example") == ("http", "api.example", 80)


def test_a_message_shows_a_host_and_nothing_secret() -> None:
    # given
    url = "https://anna:pa55word@api.example:8443/token/abc?key=pa55word"
    # then
    assert shown_host(url) == "api.example:8443"
    assert shown_origin(url) == "https://api.example:8443"
    assert shown_host("https://[::1]/x") == "[::1]"
    assert shown_origin("http://[::1]:3128") == "http://[::1]:3128"


@pytest.mark.parametrize(
    ("value", "may"),
    [
        ("https://a:b@c", True),
        ("anna:pa55word@api.example", True),
        ("/sources?key=1", True),
        ("token=abc", True),
        (["x", {"y": "http://z"}], True),
        ("hide", False),
        (20000, False),
        ("monkey business", False),
    ],
)
def test_a_value_that_looks_like_an_address_may_hold_credentials(value: Any, *, may: bool) -> None:
    assert may_hold_credentials(value) is may


@pytest.mark.parametrize("setting", ["api_url", "start_date", "page_size", "extra_fields"])
@pytest.mark.parametrize(
    "value", ["https://anna:pa55word@api.example/v1", "https://api.example/v1?key=pa55word", "http://pa55word@:99999"]
)
def test_a_refused_setting_is_never_printed_with_its_password_or_key(
    server: Server, invoke: Callable[..., Result], log: list[str], setting: str, value: str
) -> None:
    # when
    result = invoke(**{setting: value})
    # then
    assert result.exit_code == 1
    assert "pa55word" not in result.output + json.dumps(log)
    assert server.calls == []
    last = next(line for line in reversed(log) if line.startswith("tap-acme: "))
    assert f"setting `{setting}`" in last
    assert "\n" not in last
