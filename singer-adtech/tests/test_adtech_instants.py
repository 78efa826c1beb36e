"""Instants: what settings ask for, how a bookmark is written, and windows of instants read side by side."""

from __future__ import annotations

import datetime as dt
import threading
import time
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from singer_adtech import settings
from singer_adtech.errors import SettingError
from singer_adtech.http.auth import HeaderAuthenticator
from singer_adtech.records.exact_json import exact_json
from singer_adtech.streams.instants import InstantRange, InstantWindowStream, UTCBookmark, instant_range, utc_text
from singer_adtech.tap import AdTechTap
from singer_adtech.testing import tap_runner
from singer_sdk import typing as th
from singer_sdk.pagination import SinglePagePaginator
from singer_sdk.streams.rest import HTTPRequest
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_server import Call, Reply, Server
    from requests import Response
    from singer_adtech.progress.windows import InstantWindow
    from singer_adtech.testing import TapRunner
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.streams.rest import PageContext

UTC = dt.timezone.utc
NOW = dt.datetime(2024, 6, 15, 10, 11, 12, 987654, tzinfo=UTC)


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_an_instant_is_written_in_utc_to_the_second() -> None:
    berlin = dt.timezone(dt.timedelta(hours=2))
    assert utc_text(dt.datetime(2024, 6, 1, 1, 2, 3, 999999, tzinfo=berlin)) == "2024-05-31T23:02:03Z"


def test_a_bookmark_is_written_with_z_and_read_in_any_spelling() -> None:
    bookmark = UTCBookmark()
    assert bookmark.write(at("2024-06-01T00:00:00")) == "2024-06-01T00:00:00Z"
    for text in ("2024-06-01T00:00:00Z", "2024-06-01T02:00:00+02:00", "2024-06-01T00:00:00", "2024-06-01"):
        assert bookmark.read(text) == at("2024-06-01T00:00:00")
    with pytest.raises(ValueError, match="soon"):
        bookmark.read("soon")


@pytest.mark.parametrize(
    ("start", "end", "first", "last", "limit"),
    [
        ("2024-06-01", None, "2024-06-01T00:00:00", "2024-06-15T10:11:12", None),
        ("2024-06-01", "2024-06-01", "2024-06-01T00:00:00", "2024-06-02T00:00:00", "2024-06-02T00:00:00"),
        ("2024-06-01T05:00:00", "2024-06-01", "2024-06-01T05:00:00", "2024-06-02T00:00:00", "2024-06-02T00:00:00"),
        ("2024-06-01", "2024-06-01T00:00:00Z", "2024-06-01T00:00:00", "2024-06-01T00:00:00", "2024-06-01T00:00:00"),
        (
            *("2024-06-01T00:00:00.700Z", "2024-06-01T01:00:00.200Z"),
            *("2024-06-01T00:00:00", "2024-06-01T01:00:01", "2024-06-01T01:00:01"),
        ),
        ("2024-06-01", "2024-06-15", "2024-06-01T00:00:00", "2024-06-15T10:11:12", "2024-06-16T00:00:00"),
        ("2024-07-01", None, "2024-07-01T00:00:00", "2024-06-15T10:11:12", None),
    ],
)  # fmt: skip
def test_a_range_of_the_settings(start: str, end: str | None, first: str, last: str, limit: str | None) -> None:
    found = instant_range({"start_date": start, "end_date": end}, NOW)
    assert found == InstantRange(at(first), at(last), at(limit) if limit else None)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2024-06-02", "2024-06-01"),
        ("2024-06-02T00:00:01Z", "2024-06-02T00:00:00Z"),
        ("2024-06-02T00:00:00Z", "2024-06-01"),
    ],
)
def test_a_start_after_the_end_is_refused(start: str, end: str) -> None:
    with pytest.raises(SettingError) as caught:
        instant_range({"start_date": start, "end_date": end}, NOW)
    assert str(caught.value) == (
        f"setting `end_date`: {end!r} is before `start_date` {start!r}: give a later day or instant, or leave it out "
        "to read up to now"
    )


class Events(InstantWindowStream):
    """Events in windows of six hours, the last of which is asked for in its turn only."""

    name = "events"
    path = "/events"
    primary_keys = ("id",)
    replication_key = "at"
    schema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("id", th.StringType, required=True), th.Property("at", th.DateTimeType)
    ).to_dict()
    window_length = dt.timedelta(hours=6)
    lookback = dt.timedelta(hours=1)
    bookmark_kind = UTCBookmark()

    @property
    @override
    def parallel_windows(self) -> int:
        windows: int = self.config["parallel_requests"]
        return windows

    @override
    def instant_range(self) -> tuple[dt.datetime, dt.datetime]:
        wanted = instant_range(self.config, self.tap.run_start)
        return wanted.start, wanted.end

    def is_last(self, window: InstantWindow) -> bool:
        """Tell whether a window is the last."""
        return window.end == self.instant_range()[1]

    @override
    def pages_ahead(self, context: Context | None, window: InstantWindow) -> Iterator[Response]:
        return iter(()) if self.is_last(window) else super().pages_ahead(context, window)

    @override
    def read_records(self, context: Context | None, window: Any = None, pages: Any = None) -> Iterator[Record]:
        return super().read_records(context, window, None if self.is_last(window) else pages)

    @override
    def get_new_paginator(self) -> SinglePagePaginator:
        return SinglePagePaginator()

    @override
    def get_http_request(self, *, page: PageContext[Any]) -> HTTPRequest:
        window = self.window_of(page)
        return HTTPRequest(url=self.url_base + self.path, params={"from": utc_text(window.start)})

    @override
    def parse_response(self, response: Response) -> Iterator[Any]:
        yield from exact_json(response.content)


class TapEvents(AdTechTap):
    """A tap with windows of instants."""

    name = "tap-events"
    package_name = "singer-adtech"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        settings.api_url("https://api.events.example"),
        settings.start_date("a UTC day"),
        settings.end_date("a UTC day"),
        settings.parallel_requests(3, 10, "windows"),
        settings.request_timeout(),
    ).to_dict()

    @override
    def make_authenticator(self) -> HeaderAuthenticator:
        return HeaderAuthenticator("Api-Key", "made-up-key")

    @override
    def discover_streams(self) -> list[Events]:
        return [Events(self)]


@pytest.fixture
def run_events(monkeypatch: pytest.MonkeyPatch) -> Iterator[TapRunner]:
    with tap_runner(TapEvents, NOW, monkeypatch) as runner:
        yield runner


def config(server: Server, **more: Any) -> dict[str, Any]:
    return {"api_url": server.url, "start_date": "2024-06-01", "end_date": "2024-06-01", **more}


def one_row(server: Server, call: Call) -> Reply:
    begin = call.query["from"]
    return server.json([{"id": begin, "at": begin}])


DAY = [f"2024-06-01T{hour:02}:00:00Z" for hour in (0, 6, 12, 18)]


@pytest.mark.parametrize("parallel", [1, 2, 3, 10])
def test_windows_come_in_order_each_with_a_state(server: Server, run_events: TapRunner, parallel: int) -> None:
    # given: the later a window, the faster it comes
    def answer(call: Call) -> Reply:
        time.sleep(0.05 - 0.01 * DAY.index(call.query["from"]))
        return one_row(server, call)

    server.answer = answer
    # when
    run = run_events(config(server, parallel_requests=parallel))
    # then
    assert [record["id"] for record in run.records("events")] == DAY
    assert run.bookmarks("events") == [*DAY[1:], "2024-06-02T00:00:00Z"]
    assert server.most_in_flight <= parallel


def test_a_window_may_be_asked_for_in_its_turn_only(server: Server, run_events: TapRunner) -> None:
    # given: the three others are answered when all of them have been asked for
    together = threading.Barrier(3, timeout=10)

    def answer(call: Call) -> Reply:
        if call.query["from"] != DAY[3]:
            together.wait()
        return one_row(server, call)

    server.answer = answer
    # when
    run = run_events(config(server))
    # then
    assert [call.query["from"] for call in server.calls][3] == DAY[3]
    assert [record["id"] for record in run.records("events")] == DAY


def test_a_later_run_looks_back_and_the_bookmark_stays_meanwhile(server: Server, run_events: TapRunner) -> None:
    # given
    server.answer = lambda call: one_row(server, call)
    state = {"bookmarks": {"events": {"replication_key": "at", "replication_key_value": "2024-06-01T08:00:00+02:00"}}}
    # when
    run = run_events(config(server, parallel_requests=1), state=state)
    # then: an hour before six o'clock, and windows from there
    asked = [call.query["from"] for call in server.calls]
    assert asked == [f"2024-06-01T{hour:02}:00:00Z" for hour in (5, 11, 17, 23)]
    # the first STATE is singer-sdk's, of the state it was given
    assert run.bookmarks("events") == [
        "2024-06-01T08:00:00+02:00", *[f"2024-06-01T{hour}:00:00Z" for hour in (11, 17, 23)], "2024-06-02T00:00:00Z",
    ]  # fmt: skip


def test_a_window_that_fails_stops_those_that_are_read_ahead(server: Server, run_events: TapRunner) -> None:
    # given: a second window that is refused, in a week of windows
    before = set(threading.enumerate())

    def answer(call: Call) -> Reply:
        return one_row(server, call) if call.query["from"] != DAY[1] else server.reply(403)

    server.answer = answer
    # when
    run = run_events(config(server, end_date="2024-06-07"), fails=True)
    # then: the bookmark is before it, and no thread goes on asking
    assert run.bookmarks("events") == [DAY[1]]
    assert "window 2024-06-01T06:00:00+00:00..2024-06-01T12:00:00+00:00: HTTP 403" in run.error
    end = time.monotonic() + 10
    while reading := [one for one in set(threading.enumerate()) - before if one.name == "singer-adtech-ahead"]:
        assert time.monotonic() < end, reading
        time.sleep(0.01)
    assert len(server.calls) <= 5
