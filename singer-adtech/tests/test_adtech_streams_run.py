"""A run over several streams: what fails, what is forbidden, and what the others have of it."""

from __future__ import annotations

import datetime as dt
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from singer_adtech import settings
from singer_adtech.http.auth import Authenticator, HeaderAuthenticator
from singer_adtech.records.exact_json import exact_json
from singer_adtech.records.writer import OutputError
from singer_adtech.runs.streams_run import how_to_deselect
from singer_adtech.streams.base import AdTechStream
from singer_adtech.streams.derived import DerivedStream, DerivingStream
from singer_adtech.tap import AdTechTap
from singer_adtech.testing import Run, TapRunner, tap_runner
from singer_sdk import typing as th
from singer_sdk.pagination import BaseAPIPaginator, SinglePagePaginator
from singer_sdk.streams.rest import HTTPRequest
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import requests
    from local_server import Call, Server
    from singer_sdk.helpers.types import Record

NOW = dt.datetime(2024, 6, 15, tzinfo=dt.timezone.utc)
STATE = {"bookmarks": {"b": {"replication_key": "x", "replication_key_value": "kept"}}}
DOWN = 'HTTP 500 Internal Server Error "Oops" (tried 6 times): the vendor may be down: try again later'
LOST = "localhost:{} closed the connection before responding (tried 6 times): try again later"
NO_RIGHT = "no access: ask the vendor for it"


class Plain(AdTechStream[Any]):
    """A list."""

    primary_keys = ("id",)
    schema: ClassVar[dict[str, Any]] = th.PropertiesList(th.Property("id", th.IntegerType, required=True)).to_dict()

    @override
    def get_new_paginator(self) -> BaseAPIPaginator[Any]:
        return SinglePagePaginator()

    @override
    def parse_response(self, response: requests.Response) -> Iterable[Any]:
        yield from exact_json(response.content)


class A(Plain):
    """One list."""

    name = "a"
    path = "/a"


class B(DerivingStream[Any], Plain):
    """Another list, from which a stream follows."""

    name = "b"
    path = "/b"


class C(Plain):
    """A third list."""

    name = "c"
    path = "/c"


class Details(DerivedStream):
    """What follows from each row of `b`, by a request of its own."""

    name = "details"
    path = "/details"
    parent_stream_type = B
    primary_keys = ("id",)
    schema: ClassVar[dict[str, Any]] = Plain.schema

    @override
    def rows(self, record: Record) -> Iterator[dict[str, Any]]:
        yield from exact_json(self.fetch(HTTPRequest(url=f"{self.url_base}{self.path}")).content)


class TwoPages(BaseAPIPaginator[int]):
    """Two pages."""

    @override
    def get_next(self, response: requests.Response) -> int | None:
        return 2 if self.current_value == 1 else None


class D(Plain):
    """A list of two pages."""

    name = "d"
    path = "/d"

    @override
    def get_new_paginator(self) -> BaseAPIPaginator[Any]:
        return TwoPages(1)


class PlainTap(AdTechTap):
    """A tap with lists, of which one has a derived stream."""

    name = "tap-plain"
    package_name = "singer-adtech"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        settings.api_url("https://api.plain.example"), settings.request_timeout(), settings.on_forbidden()
    ).to_dict()

    @override
    def make_authenticator(self) -> Authenticator:
        return HeaderAuthenticator("X-Key", "made-up")

    @override
    def discover_streams(self) -> list[AdTechStream[Any]]:
        return [A(self), B(self), C(self), D(self), Details(self)]


@pytest.fixture
def run_plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[TapRunner]:
    with tap_runner(PlainTap, NOW, monkeypatch) as runner:
        yield runner


def answer(server: Server, **statuses: int) -> None:
    """Let the vendor answer lists with these statuses; 0 closes the connection, and what is not named is well."""

    def reply(call: Call) -> Any:
        status = statuses.get(call.path.strip("/"), 200)
        if not status:
            return server.reply(hang_up=True)
        return (
            server.json([{"id": 1}, {"id": 2}]) if status == HTTPStatus.OK else server.json({"title": "Oops"}, status)
        )

    server.answer = reply


def records(run: Run) -> list[str]:
    return [one["stream"] for one in run.messages if one["type"] == "RECORD"]


def errors(run: Run) -> list[str]:
    return [line.removeprefix("ERROR ") for line in run.log if line.startswith(("ERROR ", "CRITICAL "))]


def summaries(run: Run) -> dict[str, str]:
    """Return how each stream ended, as the metrics have it."""
    lines = [line.partition("METRIC: ")[2] for line in run.log if '"stream_summary"' in line]
    tags: list[dict[str, str]] = [exact_json(line.encode())["tags"] for line in lines]
    return {one["stream"]: one["status"] for one in tags}


def test_one_failing_stream_does_not_cost_the_others(server: Server, run_plain: TapRunner) -> None:
    # given
    answer(server, a=500)
    # when
    run = run_plain({"api_url": server.url}, "a", "b", "c", state=STATE, fails=True)
    # then: the others are read, the run fails with that stream's line, and states are as before
    assert records(run) == ["b", "b", "c", "c"]
    assert run.error == f"stream a: {DOWN}"
    assert errors(run) == [run.error]
    assert run.states[-1]["bookmarks"]["b"]["replication_key_value"] == "kept"
    assert summaries(run) == {"a": "failed", "b": "succeeded", "c": "succeeded"}
    # and the loader never hears of the stream
    assert [one["stream"] for one in run.messages if one["type"] == "SCHEMA"] == ["b", "c"]


def test_a_failure_of_the_last_stream_is_one_line_and_not_two(server: Server, run_plain: TapRunner) -> None:
    # given
    answer(server, c=500)
    # when
    run = run_plain({"api_url": server.url}, "a", "c", fails=True)
    # then: the command line makes the last line of the error
    assert run.error == f"stream c: {DOWN}"
    assert errors(run) == []


def test_several_failing_streams_have_a_line_each_and_a_summary(server: Server, run_plain: TapRunner) -> None:
    # given
    answer(server, a=500, c=400)
    # when
    run = run_plain({"api_url": server.url}, "a", "b", "c", fails=True)
    # then
    bad = 'stream c: HTTP 400 Bad Request "Oops": check the settings'
    assert records(run) == ["b", "b"]
    assert errors(run) == [f"stream a: {DOWN}", bad]
    assert run.error == f"2 of 3 streams failed: stream a: {DOWN}; {bad}"


def test_an_error_of_the_tap_itself_costs_one_stream_only(
    server: Server, run_plain: TapRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: a fault of the tap
    answer(server)
    monkeypatch.setattr(A, "parse_response", lambda _self, response: iter([response.headers["missing"]]))
    # when
    run = run_plain({"api_url": server.url}, "a", "b", fails=True)
    # then
    assert records(run) == ["b", "b"]
    assert run.error == "stream a: unexpected KeyError: 'missing': set the log level to debug to see where"


def test_refused_credentials_are_asked_for_once_and_named_once(server: Server, run_plain: TapRunner) -> None:
    # given
    answer(server, a=401, b=401, c=401)
    # when
    run = run_plain({"api_url": server.url}, "a", "b", "c", fails=True)
    # then
    assert server.paths() == ["/a"]
    assert run.error == 'stream a: HTTP 401 Unauthorized "Oops": check the credentials'
    assert errors(run) == []


def test_a_401_of_one_stream_among_others_is_that_streams(server: Server, run_plain: TapRunner) -> None:
    # given: credentials that the vendor has accepted before
    answer(server, b=401)
    # when
    run = run_plain({"api_url": server.url}, "a", "b", "c", fails=True)
    # then
    assert records(run) == ["a", "a", "c", "c"]
    assert run.error == 'stream b: HTTP 401 Unauthorized "Oops": check the credentials'


def test_a_host_that_is_gone_is_waited_for_twice_and_not_for_each_stream(server: Server, run_plain: TapRunner) -> None:
    # given
    answer(server, a=0, b=0, c=0)
    # when
    run = run_plain({"api_url": server.url}, "a", "b", "c", fails=True)
    # then: 31 s for each of two streams
    assert run.clock.waits == [1, 2, 4, 8, 16] * 2
    lost = LOST.format(server.port)
    assert run.error == (
        "2 of 3 streams failed, and 1 were not read, because they would fail in the same way: "
        f"stream a: {lost}; stream b: {lost}"
    )
    assert errors(run) == [f"stream a: {lost}", f"stream b: {lost}"]
    assert summaries(run) == {"a": "failed", "b": "failed"}


def test_a_stream_that_is_read_in_between_shows_that_the_host_is_there(server: Server, run_plain: TapRunner) -> None:
    # given
    answer(server, a=0, c=0)
    # when
    run = run_plain({"api_url": server.url}, "a", "b", "c", fails=True)
    # then
    assert records(run) == ["b", "b"]
    lost = LOST.format(server.port)
    assert run.error == f"2 of 3 streams failed: stream a: {lost}; stream c: {lost}"


def test_a_closed_stdout_ends_the_run_at_once(
    server: Server, run_plain: TapRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    answer(server)

    def broken(_: object) -> None:
        raise OutputError("stdout: Broken pipe")

    monkeypatch.setattr("singer_adtech.records.writer.MessageWriter.flush", broken)
    # when
    run = run_plain({"api_url": server.url}, "a", "b", "c", fails=True)
    # then
    assert server.paths() == ["/a"]
    assert run.error == "stdout: Broken pipe"


def test_a_forbidden_stream_is_skipped_and_the_others_are_read(server: Server, run_plain: TapRunner) -> None:
    # given
    answer(server, b=403)
    # when
    run = run_plain({"api_url": server.url}, "a", "b", "c", state=STATE)
    # then: a warning says how to deselect it, and nothing else is told of it
    assert records(run) == ["a", "a", "c", "c"]
    assert run.states[-1]["bookmarks"]["b"]["replication_key_value"] == "kept"
    (warning,) = run.warnings()
    assert warning == (
        f'stream b: skipped, because it is forbidden: HTTP 403 Forbidden "Oops": {NO_RIGHT}, or deselect it: '
        '`meltano select tap-plain --exclude b "*"`, or `"selected": false` in the catalog'
    )
    assert [one["stream"] for one in run.messages if one["type"] == "SCHEMA"] == ["a", "c"]
    assert summaries(run) == {"a": "succeeded", "b": "skipped", "c": "succeeded"}


def test_a_forbidden_stream_fails_the_run_if_the_setting_says_so(server: Server, run_plain: TapRunner) -> None:
    # given
    answer(server, a=403)
    # when
    run = run_plain({"api_url": server.url, "on_forbidden": "fail"}, "a", "b", fails=True)
    # then
    assert records(run) == ["b", "b"]
    assert run.error == f'stream a: HTTP 403 Forbidden "Oops": {NO_RIGHT}, or {how_to_deselect("tap-plain", "a")}'


@pytest.mark.parametrize(
    ("streams", "said"),
    [(("a", "c"), "all selected streams are forbidden: a, c: stream a: HTTP 403"), (("c",), "stream c: HTTP 403")],
)
def test_a_run_in_which_all_is_forbidden_fails(
    server: Server, run_plain: TapRunner, streams: tuple[str, ...], said: str
) -> None:
    # given
    answer(server, a=403, c=403)
    # when
    run = run_plain({"api_url": server.url}, *streams, fails=True)
    # then
    assert run.error.startswith(said)


def test_a_403_in_the_middle_of_a_stream_is_a_failure(server: Server, run_plain: TapRunner) -> None:
    # given: a list of two pages, the second of which is refused
    server.script(server.json([{"id": 1}]))
    answer(server, d=403)
    # when
    run = run_plain({"api_url": server.url}, "d", fails=True)
    # then: the rest of the stream is not passed over
    assert run.error == f'stream d: HTTP 403 Forbidden "Oops": {NO_RIGHT}, or {how_to_deselect("tap-plain", "d")}'


def test_a_derived_stream_that_fails_does_not_cost_its_parent(server: Server, run_plain: TapRunner) -> None:
    # given
    answer(server, details=400)
    # when
    run = run_plain({"api_url": server.url}, "b", "c", "details", fails=True)
    # then: it is asked for once, and not for each row of the parent
    assert records(run) == ["b", "b", "c", "c"]
    assert server.paths() == ["/b", "/details", "/c"]
    assert run.error == 'stream details: HTTP 400 Bad Request "Oops": check the settings'
    assert summaries(run) == {"b": "succeeded", "c": "succeeded", "details": "failed"}


def test_a_derived_stream_that_is_forbidden_is_skipped(server: Server, run_plain: TapRunner) -> None:
    # given
    answer(server, details=403)
    # when
    run = run_plain({"api_url": server.url}, "b", "details")
    # then
    assert records(run) == ["b", "b"]
    assert [one.partition(", because")[0] for one in run.warnings()] == ["stream details: skipped"]


@pytest.mark.parametrize(("status", "ended"), [(400, "failed"), (403, "skipped")])
def test_a_derived_stream_ends_as_its_parent_does(
    server: Server, run_plain: TapRunner, status: int, ended: str
) -> None:
    # given
    answer(server, b=status)
    # when
    run = run_plain({"api_url": server.url}, "b", "c", "details", fails=status == 400)
    # then
    assert records(run) == ["c", "c"]
    assert f"stream details: {ended} too, because it follows from b" in run.warnings()
    assert summaries(run) == {"b": ended, "c": "succeeded", "details": ended}


def test_a_connection_test_that_passes_has_no_error_line(server: Server, run_plain: TapRunner) -> None:
    # given
    answer(server)
    # when
    run = run_plain({"api_url": server.url}, test=True)
    # then
    assert errors(run) == []
    assert run.log[-1] == "INFO tap-plain: 5 of 5 streams readable"
    assert "METRIC" not in "".join(run.log)


def test_a_connection_test_goes_on_after_a_failure(server: Server, run_plain: TapRunner) -> None:
    # given
    answer(server, a=500)
    # when
    run = run_plain({"api_url": server.url}, test=True, fails=True)
    # then
    assert errors(run) == [f"stream a: {DOWN}"]
    assert run.error == "4 of 5 streams readable"
    assert server.paths()[-1] == "/d"


def test_a_connection_test_names_what_is_forbidden(server: Server, run_plain: TapRunner) -> None:
    # given
    answer(server, c=403)
    # when
    run = run_plain({"api_url": server.url}, test=True)
    # then
    assert run.log[-1] == "INFO tap-plain: 4 of 5 streams readable, 1 forbidden: c"
    assert errors(run) == []
