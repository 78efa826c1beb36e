"""Streams that follow from the records of another: no requests, one SCHEMA, whatever is selected."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from singer_adtech import settings
from singer_adtech.http.auth import HeaderAuthenticator
from singer_adtech.records.exact_json import exact_json
from singer_adtech.streams.derived import DerivedStream, DerivingStream
from singer_adtech.tap import AdTechTap
from singer_adtech.testing import select, tap_runner
from singer_sdk import typing as th
from singer_sdk.pagination import SinglePagePaginator
from singer_sdk.streams.rest import HTTPRequest
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_server import Server
    from requests import Response
    from singer_adtech.streams.base import AdTechStream
    from singer_adtech.testing import TapRunner
    from singer_sdk.helpers.types import Record
    from singer_sdk.streams.rest import PageContext

NOW = dt.datetime(2024, 6, 15, tzinfo=dt.timezone.utc)


class Baskets(DerivingStream[Any]):
    """Baskets of fruit."""

    name = "baskets"
    path = "/baskets"
    primary_keys = ("id",)
    schema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True),
        th.Property("fruit", th.CustomType({"type": ["array", "null"], "items": {"type": "string"}})),
    ).to_dict()

    @override
    def get_new_paginator(self) -> SinglePagePaginator:
        return SinglePagePaginator()

    @override
    def get_http_request(self, *, page: PageContext[Any]) -> HTTPRequest:
        return HTTPRequest(url=self.url_base + self.path)

    @override
    def parse_response(self, response: Response) -> Iterator[Any]:
        yield from exact_json(response.content)


class Fruit(DerivedStream):
    """Each fruit of each basket."""

    name = "fruit"
    path = "/baskets"
    parent_stream_type = Baskets
    primary_keys = ("basket", "place")
    schema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("basket", th.IntegerType, required=True),
        th.Property("place", th.IntegerType, required=True),
        th.Property("kind", th.StringType),
    ).to_dict()

    @override
    def rows(self, record: Record) -> Iterator[dict[str, Any]]:
        for place, kind in enumerate(record["fruit"] or ()):
            yield {"basket": record["id"], "place": place if kind else None, "kind": kind}


class TapFruit(AdTechTap):
    """A tap with a derived stream."""

    name = "tap-fruit"
    package_name = "singer-adtech"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        settings.api_url("https://api.fruit.example"), settings.request_timeout()
    ).to_dict()

    @override
    def make_authenticator(self) -> HeaderAuthenticator:
        return HeaderAuthenticator("Api-Key", "made-up-key")

    @override
    def discover_streams(self) -> list[AdTechStream[Any]]:
        return [Fruit(self), Baskets(self)]


@pytest.fixture
def run_fruit(monkeypatch: pytest.MonkeyPatch) -> Iterator[TapRunner]:
    with tap_runner(TapFruit, NOW, monkeypatch) as runner:
        yield runner


BASKETS = [{"id": 1, "fruit": ["apple", "pear", "apple"]}, {"id": 2, "fruit": None}, {"id": 3, "fruit": ["fig"]}]
FRUIT = [
    {"basket": 1, "place": 0, "kind": "apple"},
    {"basket": 1, "place": 1, "kind": "pear"},
    {"basket": 1, "place": 2, "kind": "apple"},
    {"basket": 3, "place": 0, "kind": "fig"},
]


@pytest.mark.parametrize("selected", [("baskets",), ("fruit",), ("baskets", "fruit")])
def test_both_are_selected_by_themselves(server: Server, run_fruit: TapRunner, selected: tuple[str, ...]) -> None:
    # given
    server.answer = lambda _: server.json(BASKETS)
    # when
    run = run_fruit({"api_url": server.url}, catalog=select(TapFruit, *selected))
    # then: one request in each case, and each SCHEMA once, before its records
    assert run.records("baskets") == (BASKETS if "baskets" in selected else [])
    assert run.records("fruit") == (FRUIT if "fruit" in selected else [])
    assert len(server.calls) == 1
    assert sorted(one["stream"] for one in run.messages if one["type"] == "SCHEMA") == sorted(selected)
    seen: set[str] = set()
    for one in run.messages:
        if one["type"] == "SCHEMA":
            seen.add(one["stream"])
        assert one["type"] != "RECORD" or one["stream"] in seen


def test_what_is_not_selected_of_the_parent_serves_the_child_all_the_same(server: Server, run_fruit: TapRunner) -> None:
    # given
    server.answer = lambda _: server.json(BASKETS)
    # when
    run = run_fruit({"api_url": server.url}, catalog=select(TapFruit, "baskets", "fruit", without=["fruit", "kind"]))
    # then
    assert run.records("baskets") == [{"id": 1}, {"id": 2}, {"id": 3}]
    assert run.records("fruit") == [{"basket": row["basket"], "place": row["place"]} for row in FRUIT]


def test_records_are_counted(server: Server, run_fruit: TapRunner) -> None:
    # given
    server.answer = lambda _: server.json(BASKETS)
    # when
    run = run_fruit({"api_url": server.url}, "baskets", "fruit")
    # then
    counts = [one for one in run.log if '"metric":"record_count"' in one.replace(" ", "")]
    assert len([one for one in counts if '"fruit"' in one and '"value":4' in one.replace(" ", "")]) == 1


def test_a_row_without_its_key_names_the_derived_stream(server: Server, run_fruit: TapRunner) -> None:
    # given: a fruit without a name, which this tap gives no place
    server.answer = lambda _: server.json([{"id": 1, "fruit": [""]}])
    # when
    run = run_fruit({"api_url": server.url}, "fruit", fails=True)
    # then
    assert run.error == "stream fruit: a row has no value for its key `place`: report this with the request's time"


def test_a_connection_test_covers_both(server: Server, run_fruit: TapRunner) -> None:
    # given
    server.answer = lambda _: server.json(BASKETS)
    # when
    run = run_fruit({"api_url": server.url}, test=True)
    # then
    assert len(server.calls) == 1
    assert run.records("fruit")[:3] == FRUIT[:3]
