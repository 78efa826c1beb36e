"""Streams that the account may not see."""

from __future__ import annotations

import io
import json
import logging
from contextlib import redirect_stdout
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from singer_adtech.auth import Authenticator, HeaderAuthenticator
from singer_adtech.emitting import exact_json
from singer_adtech.errors import VendorError
from singer_adtech.forbidden import ForbiddenError, SkippableStream, SkippingTap, on_forbidden
from singer_sdk import typing as th
from singer_sdk.pagination import SinglePagePaginator
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable

    import requests
    from local_server import Call, Reply, Server

STATE = {"bookmarks": {"b": {"replication_key": "x", "replication_key_value": "kept"}}}


class Plain(SkippableStream[Any]):
    """A list."""

    primary_keys = ("id",)
    schema: ClassVar[dict[str, Any]] = th.PropertiesList(th.Property("id", th.IntegerType, required=True)).to_dict()

    @override
    def get_new_paginator(self) -> SinglePagePaginator:
        return SinglePagePaginator()

    @override
    def parse_response(self, response: requests.Response) -> Iterable[Any]:
        yield from exact_json(response.content)

    @override
    def validate_response(self, response: requests.Response) -> None:
        if response.status_code == HTTPStatus.FORBIDDEN:
            raise ForbiddenError("HTTP 403: no right", "ask for it")
        super().validate_response(response)


class A(Plain):
    """One list."""

    name = "a"
    path = "/a"


class B(Plain):
    """Another list."""

    name = "b"
    path = "/b"


class PlainTap(SkippingTap):
    """A tap with two lists."""

    name = "tap-plain"
    package_name = "singer-adtech"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("api_url", th.StringType, required=True),
        th.Property("request_timeout", th.IntegerType, default=5),
        on_forbidden(),
    ).to_dict()

    @override
    def make_authenticator(self) -> Authenticator:
        return HeaderAuthenticator("X-Key", "made-up")

    @override
    def discover_streams(self) -> list[Plain]:
        return [A(self), B(self)]


def run(server: Server, forbidden: set[str], *streams: str, **settings: Any) -> list[dict[str, Any]]:
    """Run the tap against a vendor that forbids some paths, and return the messages."""

    def answer(call: Call) -> Reply:
        return server.json({}, 403) if call.path in forbidden else server.json([{"id": 1}])

    server.answer = answer
    out = io.StringIO()
    with redirect_stdout(out):
        tap = PlainTap(config={"api_url": server.url, **settings}, state=STATE)
        for stream in tap.streams.values():
            stream.selected = stream.name in (streams or ("a", "b"))
        tap.sync_all()
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_forbidden_stream_is_skipped_and_the_others_are_read(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        messages = run(server, {"/b"})

    assert [one["stream"] for one in messages if one["type"] == "RECORD"] == ["a"]
    states = [one["value"] for one in messages if one["type"] == "STATE"]
    assert states[-1]["bookmarks"]["b"]["replication_key_value"] == "kept"
    assert [one.message for one in caplog.records if one.levelno == logging.WARNING] == [
        "stream b: skipped, as it is forbidden: HTTP 403: no right: ask for it"
    ]


def test_a_forbidden_stream_ends_the_run_if_the_setting_says_so(server: Server) -> None:
    with pytest.raises(ForbiddenError, match="HTTP 403: no right: ask for it"):
        run(server, {"/a"}, on_forbidden="fail")


@pytest.mark.parametrize("streams", [("a", "b"), ("b",)])
def test_a_run_in_which_all_is_forbidden_fails(server: Server, streams: tuple[str, ...]) -> None:
    with pytest.raises(VendorError) as caught:
        run(server, {"/a", "/b"}, *streams)

    assert str(caught.value) == (
        f"all selected streams are forbidden: {', '.join(streams)}: ask for the rights, check which account is read, "
        "or select other streams"
    )


def test_a_connection_test_in_which_all_is_forbidden_fails(server: Server) -> None:
    server.answer = lambda _: server.json({}, 403)

    with pytest.raises(VendorError, match="all selected streams are forbidden: a, b"):
        PlainTap(config={"api_url": server.url}).run_connection_test()
