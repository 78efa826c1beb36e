"""Lists of parents, side by side, without a state of their own."""

from __future__ import annotations

import io
import json
import logging
import time
from contextlib import redirect_stdout
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from singer_adtech.errors import DataError, NotFoundError, SettingError, TapError
from singer_adtech.http.auth import Authenticator, HeaderAuthenticator
from singer_adtech.records.exact_json import exact_json
from singer_adtech.streams.children import ChildStream
from singer_adtech.tap import AdTechTap
from singer_sdk import typing as th
from singer_sdk.pagination import BaseAPIPaginator
from singer_sdk.streams.rest import HTTPRequest
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable

    import requests
    from local_server import Call, Reply, Server
    from singer_sdk.helpers.types import Context
    from singer_sdk.streams.rest import PageContext


class NextPages(BaseAPIPaginator[Any]):
    """Each page names the next."""

    def __init__(self) -> None:
        super().__init__(1)

    @override
    def get_next(self, response: requests.Response) -> Any:
        return exact_json(response.content)["next"]


class Members(ChildStream):
    """Members of lists."""

    name = "members"
    path = "/lists/{}/members"
    primary_keys = ("list_id", "word")
    parent_key = "list_id"
    schema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("list_id", th.IntegerType, required=True), th.Property("word", th.StringType, required=True)
    ).to_dict()

    @override
    def parent_ids(self, context: Context | None) -> Iterable[int | str]:
        response = self.fetch(HTTPRequest(url=f"{self.url_base}/lists"))
        yield from exact_json(response.content)

    @override
    def get_http_request(self, *, page: PageContext[Any]) -> HTTPRequest:
        parent = self.part_of(page)
        return HTTPRequest(url=self.url_base + self.path.format(parent), params={"page": page.next_page_token})

    @override
    def get_new_paginator(self) -> NextPages:
        return NextPages()

    @override
    def parse_response(self, response: requests.Response) -> Iterable[Any]:
        yield from exact_json(response.content)["rows"]

    @override
    def total_rows(self, response: requests.Response) -> int | None:
        total: int | None = exact_json(response.content).get("total")
        return total

    @override
    def validate_response(self, response: requests.Response) -> None:
        if response.status_code == HTTPStatus.NOT_FOUND:
            raise NotFoundError("not there")
        super().validate_response(response)


class MemberTap(AdTechTap):
    """A tap with that list."""

    name = "tap-members"
    package_name = "singer-adtech"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("api_url", th.StringType, required=True),
        th.Property("request_timeout", th.IntegerType, default=5),
        th.Property("parallel_requests", th.IntegerType, default=1),
        th.Property("row_count_check", th.StringType, default="fail"),
    ).to_dict()

    @override
    def make_authenticator(self) -> Authenticator:
        return HeaderAuthenticator("X-Key", "made-up")

    @override
    def discover_streams(self) -> list[Members]:
        return [Members(self)]


class Vendor:
    """Lists of words, pages of two.

    Attributes:
        lists: Words by list; a list without any is gone.
        delay: Seconds that an answer about members takes.
        total_off_by: How wrong the total of a list is; None if it is not told.
    """

    def __init__(self, server: Server, lists: dict[int, list[str] | None]) -> None:
        self.lists = lists
        self.delay = 0.0
        self.total_off_by: int | None = None
        self._server = server
        server.answer = self._answer

    def _answer(self, call: Call) -> Reply:
        if call.path == "/lists":
            return self._server.json([*self.lists, *self.lists])
        time.sleep(self.delay)
        words = self.lists[int(call.path.split("/")[2])]
        if words is None:
            return self._server.json({}, 404)
        page = int(call.query["page"])
        following = page + 1 if page * 2 < len(words) else None
        rows = [{"word": word} for word in words[page * 2 - 2 : page * 2]]
        answer: dict[str, Any] = {"rows": rows, "next": following}
        if self.total_off_by is not None:
            answer["total"] = len(words) + self.total_off_by
        return self._server.json(answer)


def run(server: Server, *, selected: bool = True, **settings: Any) -> list[dict[str, Any]]:
    """Run the tap and return its messages."""
    out = io.StringIO()
    with redirect_stdout(out):
        tap = MemberTap(config={"api_url": server.url, **settings})
        tap.streams["members"].selected = selected
        tap.sync_all()
    return [json.loads(line) for line in out.getvalue().splitlines()]


def rows(messages: list[dict[str, Any]]) -> list[tuple[int, str]]:
    return [(one["record"]["list_id"], one["record"]["word"]) for one in messages if one["type"] == "RECORD"]


@pytest.mark.parametrize("parallel", [1, 3])
def test_children_come_in_the_order_of_their_parents_with_their_ids(server: Server, parallel: int) -> None:
    # Given three lists, which the parents' list tells twice
    Vendor(server, {7: ["a", "b", "c"], 8: [], 9: ["a"]})
    # When their members are read
    messages = run(server, parallel_requests=parallel)
    # Then each list is read once, page by page, and rows have their list's id
    assert rows(messages) == [(7, "a"), (7, "b"), (7, "c"), (9, "a")]
    assert sorted(server.paths()) == ["/lists", *["/lists/7/members"] * 2, "/lists/8/members", "/lists/9/members"]
    assert server.paths()[0] == "/lists"


def test_no_state_and_one_schema_whatever_the_number_of_parents(server: Server) -> None:
    Vendor(server, {number: ["a"] for number in range(20)})

    messages = run(server)

    assert [one["type"] for one in messages if one["type"] != "RECORD"] == ["SCHEMA", "STATE"]
    assert "partitions" not in json.dumps(messages[-1])


def test_parents_are_read_side_by_side_up_to_the_limit(server: Server) -> None:
    vendor = Vendor(server, {number: ["a"] for number in range(12)})
    vendor.delay = 0.03

    run(server, parallel_requests=4)

    assert server.most_in_flight == 4


def test_a_row_that_comes_twice_counts_once_and_the_same_word_in_two_lists_is_two_rows(server: Server) -> None:
    Vendor(server, {7: ["a", "b", "a"], 8: ["a"]})

    assert rows(run(server)) == [(7, "a"), (7, "b"), (8, "a")]


def versions(messages: list[dict[str, Any]]) -> int:
    return len([one for one in messages if one["type"] == "ACTIVATE_VERSION"])


def test_a_parent_that_is_gone_is_skipped_with_a_warning(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    # Given a list that is deleted when its members are requested
    vendor = Vendor(server, {7: ["a"], 8: None, 9: ["b"]})
    answer = server.answer

    def delete(call: Call) -> Reply:
        reply = answer(call)
        if call.path == "/lists/8/members":
            del vendor.lists[8]
        return reply

    server.answer = delete

    with caplog.at_level(logging.WARNING):
        messages = run(server, emit_activate_version_messages=True)

    assert rows(messages) == [(7, "a"), (9, "b")]
    assert [one.message for one in caplog.records if one.message.startswith("stream members: list_id")] == [
        "stream members: list_id 8 is gone: skipped"
    ]
    # Its rows are no reason for a loader to delete others.
    assert versions(messages) == 0
    assert server.paths() == ["/lists", *[f"/lists/{number}/members" for number in (7, 8, 9)], "/lists"]


def test_a_list_that_is_not_found_once_is_requested_again(server: Server) -> None:
    # Given a 404 to the second of three lists, once
    Vendor(server, {7: ["a"], 8: ["b"], 9: ["c"]})
    answer = server.answer
    server.answer = lambda call: (
        server.json({}, 404) if server.paths().count("/lists/8/members") == 1 and "8" in call.path else answer(call)
    )

    messages = run(server, emit_activate_version_messages=True)

    assert rows(messages) == [(7, "a"), (9, "c"), (8, "b")]
    assert versions(messages) == 1


def test_a_list_that_is_not_found_although_its_parent_is_listed_is_skipped_with_a_warning(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    Vendor(server, {7: ["a"], 8: None, 9: ["b"]})

    with caplog.at_level(logging.WARNING):
        messages = run(server, emit_activate_version_messages=True)

    assert rows(messages) == [(7, "a"), (9, "b")]
    assert [one.message for one in caplog.records if one.message.startswith("stream members: list_id")] == [
        "stream members: list_id 8 was not found twice, although it is still listed: skipped"
    ]
    assert versions(messages) == 0
    assert server.paths().count("/lists") == 2
    assert server.paths().count("/lists/8/members") == 2


def test_a_stream_fails_if_none_of_its_lists_is_found(server: Server) -> None:
    Vendor(server, {8: None, 9: None})

    with pytest.raises(TapError) as failed:
        run(server)

    assert str(failed.value) == (
        "stream members: none of 2 lists was found, although what they belong to is still listed: not there: check "
        "`api_url` and the account's right to members, or deselect the stream"
    )


@pytest.mark.parametrize(("off_by", "fails"), [(1, True), (0, False), (-1, False), (None, False)])
def test_fewer_rows_than_reported_are_a_loss_and_more_are_not(
    server: Server, off_by: int | None, *, fails: bool
) -> None:
    Vendor(server, {7: ["a", "b", "c"]}).total_off_by = off_by

    if fails:
        with pytest.raises(DataError, match=r"list_id 7: 3 rows read, and the reported total is 4 \(read 2 times\)"):
            run(server)
    else:
        assert len(rows(run(server))) == 3
    # The list of a parent is read again, and only that one.
    assert server.paths().count("/lists/7/members") == (4 if fails else 2)


def test_a_list_of_a_parent_that_lacks_rows_is_read_again(server: Server, log: list[str]) -> None:
    # Given two lists, of which the second is whole at its second reading only
    vendor = Vendor(server, {7: ["a"], 8: ["b", "c"]})
    vendor.total_off_by = 0
    answer = server.answer
    halved: list[Call] = []

    def half(call: Call) -> Reply:
        if call.path == "/lists/8/members" and not halved:
            halved.append(call)
            return server.json({"rows": [{"word": "c"}], "next": None, "total": 2})
        return answer(call)

    server.answer = half
    # When
    messages = run(server)
    # Then what came at the first one comes once
    assert rows(messages) == [(7, "a"), (8, "c"), (8, "b")]
    assert [one for one in log if "read again" in one] == [
        "stream members: list_id 8: 1 rows read, and the reported total is 2; read again from its first request"
    ]


def test_a_stream_that_is_not_selected_asks_for_nothing(server: Server) -> None:
    Vendor(server, {7: ["a"]})

    with pytest.raises(SettingError, match="no stream is selected"):
        run(server, selected=False)

    assert server.calls == []
