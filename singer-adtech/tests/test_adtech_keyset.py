"""Keyset reading: pages asked for by what was read."""

from __future__ import annotations

import io
import json
import re
import time
from contextlib import redirect_stdout
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import pytest
from singer_adtech.errors import DataError
from singer_adtech.http.auth import Authenticator, HeaderAuthenticator
from singer_adtech.progress.stamps import Stamp
from singer_adtech.records.exact_json import exact_json
from singer_adtech.streams.keyset import Keyset, KeysetPosition, KeysetStream
from singer_adtech.tap import AdTechTap
from singer_sdk import typing as th
from singer_sdk.pagination import SinglePagePaginator
from singer_sdk.streams.rest import HTTPRequest
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Collection

    import requests
    from local_server import Call, Reply, Server
    from singer_sdk.streams.rest import PageContext

A, B, C, D = (f"2024-03-0{day}T00:00:00.000Z" for day in (1, 2, 3, 4))


def at(text: str | None, page: int = 1) -> KeysetPosition:
    return KeysetPosition(None if text is None else Stamp(text), page)


# ------------------------------------------------------------------------------------------- positions and new rows


def test_the_next_page_is_asked_for_by_the_last_row() -> None:
    # Given the beginning of a list
    keyset = Keyset(None, remedy="")
    # When a page is taken
    fresh = keyset.take([(1, A), (2, B)])
    # Then all its rows are new, and the next begins at its last instant
    assert fresh == [True, True]
    assert keyset.position == at(B)


def test_rows_at_the_bound_come_again_and_are_not_new() -> None:
    keyset = Keyset(None, remedy="")
    keyset.take([(1, A), (2, B), (3, B)])

    # When the next page begins with them, and one of their instant is new
    fresh = keyset.take([(2, B), (3, B), (4, B), (5, C)])

    assert fresh == [False, False, True, True]
    assert keyset.position == at(C)


def test_a_page_of_one_instant_is_followed_by_its_next_page_number() -> None:
    # Given a page that is all of one instant
    keyset = Keyset(None, remedy="")
    keyset.take([(1, A), (2, A)])
    assert keyset.position == at(A)
    # When it comes again, as it does by the filter
    assert keyset.take([(1, A), (2, A)]) == [False, False]
    # Then only the page number leads on, until the instant changes
    assert keyset.position == at(A, 2)
    assert keyset.take([(3, A), (4, A)]) == [True, True]
    assert keyset.position == at(A, 3)
    assert keyset.take([(5, A), (6, B)]) == [True, True]
    assert keyset.position == at(B)


def test_a_row_that_was_edited_meanwhile_comes_as_a_newer_version() -> None:
    keyset = Keyset(None, remedy="")
    keyset.take([(1, A), (2, B)])

    assert keyset.take([(2, B), (1, C)]) == [False, True]


def test_rows_at_the_bound_of_an_earlier_run_are_new() -> None:
    assert Keyset(Stamp(B), remedy="").take([(1, B), (2, C)]) == [True, True]


def test_an_empty_page_moves_nothing_but_the_page() -> None:
    keyset = Keyset(Stamp(B), remedy="")

    assert keyset.take([]) == []
    assert keyset.position == at(B, 2)


@pytest.mark.parametrize(
    ("bound", "rows", "words"),
    [
        (None, [(1, B), (2, A)], "the row 2 is out of order"),
        (B, [(1, A)], "the row 1 was changed before the requested instant"),
        (None, [(1, None)], "the row 1 has no such time (a JSON null)"),
        (None, [(1, "soon")], "the row 1 has no such time (a JSON string)"),
        (None, [(1, 17)], "the row 1 has no such time (a JSON number)"),
    ],
)
def test_a_vendor_that_does_not_sort_or_filter_is_noticed(
    bound: str | None, rows: list[tuple[int, Any]], words: str
) -> None:
    keyset = Keyset(None if bound is None else Stamp(bound), remedy="read it whole")

    with pytest.raises(DataError) as caught:
        keyset.take(rows)

    assert str(caught.value) == (
        f"the vendor did not honour the sort or the filter by the time of the last change: {words}: read it whole"
    )


@pytest.mark.parametrize("rows", [[(1, A), (2, A)], []])
def test_a_vendor_that_ignores_the_page_number_is_noticed(rows: list[tuple[int, str]]) -> None:
    keyset = Keyset(Stamp(A), remedy="read it whole")
    keyset.take(rows)

    with pytest.raises(DataError, match="page 2 has the same rows as the page before: read it whole"):
        keyset.take(rows)


# ---------------------------------------------------------------------------------------------------------- a stream


class _Body(msgspec.Struct):
    rows: list[msgspec.Raw]


class Tags(KeysetStream):
    """A list in the order of its last change."""

    name = "tags"
    path = "/tags"
    primary_keys = ("id",)
    replication_key = "changed"
    keyset_remedy = "read it whole"
    account_field = "account"
    schema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True), th.Property("changed", th.DateTimeType)
    ).to_dict()

    def __init__(self, tap: AdTechTap) -> None:
        super().__init__(tap)
        self.accounts: list[list[Any]] = []

    @override
    def note_accounts(self, accounts: Collection[Any]) -> None:
        self.accounts.append([*accounts])

    @override
    def get_http_request(self, *, page: PageContext[Any]) -> HTTPRequest:
        position = page.next_page_token or KeysetPosition(None)
        bound = "" if position.bound is None else position.bound.text
        return HTTPRequest(url=self.url_base + self.path, params={"from": bound, "page": position.page})

    @override
    def get_new_paginator(self) -> SinglePagePaginator:
        return SinglePagePaginator()

    @override
    def response_rows(self, response: requests.Response) -> list[msgspec.Raw]:
        return msgspec.json.decode(response.content, type=_Body).rows

    @override
    def total_rows(self, response: requests.Response) -> int | None:
        total: int | None = exact_json(response.content).get("total")
        return total

    @override
    def is_last(self, response: requests.Response) -> bool | None:
        last: bool | None = exact_json(response.content).get("last")
        return last


class TagTap(AdTechTap):
    """A tap with that list."""

    name = "tap-tags"
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
    def discover_streams(self) -> list[Tags]:
        return [Tags(self)]


class Vendor:
    """Rows in the order of their last change, pages of two, and what happens between two answers."""

    def __init__(self, server: Server, rows: dict[int, str]) -> None:
        self.rows = rows
        self.tells_last = True
        self.total_off_by = 0
        self.between: list[dict[int, str]] = []
        self._server = server
        server.answer = self._answer

    def _answer(self, call: Call) -> Reply:
        bound, page = call.query["from"], int(call.query["page"])
        found = sorted(((changed, number) for number, changed in self.rows.items() if changed >= bound))
        part = [{"id": number, "changed": changed} for changed, number in found[(page - 1) * 2 : page * 2]]
        if self.between:
            self.rows = {number: at for number, at in (self.rows | self.between.pop(0)).items() if at}
        told: dict[str, Any] = {"rows": part, "total": len(found) + self.total_off_by}
        if self.tells_last:
            told["last"] = page * 2 >= len(found)
        return self._server.json(told)

    def asked(self) -> list[tuple[str, str]]:
        """Return bound and page of each request."""
        return [(call.query["from"], call.query["page"]) for call in self._server.calls]


def run(server: Server, state: Any = None, catalog: Any = None, **settings: Any) -> list[dict[str, Any]]:
    """Run the tap and return its messages."""
    out = io.StringIO()
    with redirect_stdout(out):
        TagTap(config={"api_url": server.url, **settings}, state=state, catalog=catalog).sync_all()
    return [json.loads(line) for line in out.getvalue().splitlines()]


def ids(messages: list[dict[str, Any]]) -> list[int]:
    return [one["record"]["id"] for one in messages if one["type"] == "RECORD"]


def bookmarks(messages: list[dict[str, Any]]) -> list[str]:
    return [one["value"]["bookmarks"]["tags"]["replication_key_value"] for one in messages if one["type"] == "STATE"]


@pytest.mark.parametrize("parallel", [1, 4])
def test_a_list_is_read_whole_with_a_bookmark_after_each_page(server: Server, parallel: int) -> None:
    # Given five rows, two of one instant
    vendor = Vendor(server, {5: A, 3: B, 4: B, 1: C, 2: D})
    # When they are read for the first time
    messages = run(server, parallel_requests=parallel)
    # Then each comes once, without a filter first and never past the last page
    assert ids(messages) == [5, 3, 4, 1, 2]
    assert vendor.asked() == [("", "1"), (B, "1"), (B, "2")]
    # A page is confirmed by the total of the one after it; a second page of one instant has no total of its own.
    assert bookmarks(messages)[:2] == [B, D]


def test_keys_and_accounts_of_any_type_are_read(server: Server) -> None:
    # given rows with the usual types, and others
    rows = [
        {"id": 1, "changed": A, "account": 7},
        {"id": "2", "changed": B, "account": "x", "new": {"deep": [1]}},
        {"id": 3.0, "changed": C, "account": 1.50},
        {"id": 4, "changed": D, "account": None},
        {"id": 10**30, "changed": D},
    ]
    server.answer = lambda _: server.json({"rows": rows, "last": True})
    tap = TagTap(config={"api_url": server.url})
    out = io.StringIO()
    # when they are read
    with redirect_stdout(out):
        tap.sync_all()
    # then all are emitted, and the accounts are as sent
    assert ids([json.loads(line) for line in out.getvalue().splitlines()]) == [1, 2, 3, 4, 10**30]
    (tags,) = tap.streams.values()
    assert isinstance(tags, Tags)
    assert tags.accounts == [[7, "x", Decimal("1.5")]]


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({"id": 1}, "the row 1 has no such time (a JSON null)"),
        ({"id": 1, "changed": 17}, "the row 1 has no such time (a JSON number)"),
        ({"changed": "soon"}, "the row None has no such time (a JSON string)"),
        (["id"], "a row is a JSON array instead of an object"),
    ],
)
def test_a_row_that_has_no_position_ends_the_run(server: Server, row: Any, error: str) -> None:
    server.answer = lambda _: server.json({"rows": [{"id": 2, "changed": A}, row], "last": True})

    with pytest.raises(DataError, match=re.escape(error)):
        run(server)


def test_a_connection_test_requests_one_page(server: Server) -> None:
    # Given a list of three pages
    vendor = Vendor(server, {1: A, 2: B, 3: C, 4: D, 5: D})
    # When a connection test reads it, with several requests allowed at a time
    with redirect_stdout(io.StringIO()):
        assert TagTap(config={"api_url": server.url, "parallel_requests": 4}).run_connection_test()
    # Then no page was fetched ahead; a request on its way would have arrived by now
    time.sleep(0.1)
    assert vendor.asked() == [("", "1")]


def test_a_later_run_begins_ten_minutes_before_the_bookmark(server: Server) -> None:
    vendor = Vendor(server, {1: A, 2: D})
    state = {"bookmarks": {"tags": {"replication_key": "changed", "replication_key_value": D}}}

    messages = run(server, state)

    assert vendor.asked() == [("2024-03-03T23:50:00.000Z", "1")]
    assert ids(messages) == [2]
    assert set(bookmarks(messages)) == {D}


def test_the_bookmark_never_goes_back(server: Server) -> None:
    # Given a list whose latest row was deleted since
    Vendor(server, {1: "2024-03-03T23:55:00.000Z"})
    state = {"bookmarks": {"tags": {"replication_key": "changed", "replication_key_value": D}}}

    messages = run(server, state)

    assert ids(messages) == [1]
    assert set(bookmarks(messages)) == {D}


def test_rows_edited_while_the_list_is_read_are_not_lost(server: Server) -> None:
    # Given a list of which a row that was read moves to the end after the first page
    vendor = Vendor(server, {1: A, 2: A, 3: B, 4: C})
    vendor.between = [{1: D}]
    # When it is read
    records = [one["record"] for one in run(server) if one["type"] == "RECORD"]
    # Then no row is missing, and the edited one comes a second time, as its newer version
    assert [record["id"] for record in records] == [1, 2, 3, 4, 1]
    assert [record["changed"] for record in records if record["id"] == 1] == [A, D]


def test_without_a_word_about_the_last_page_an_empty_one_ends_the_list(server: Server) -> None:
    vendor = Vendor(server, {1: A, 2: B, 3: C})
    vendor.tells_last = False

    assert ids(run(server)) == [1, 2, 3]
    assert vendor.asked() == [("", "1"), (B, "1"), (C, "1"), (C, "2")]


@pytest.mark.parametrize(("off_by", "fails"), [(1, True), (-1, False), (0, False)])
def test_fewer_rows_than_reported_are_a_loss_and_more_are_not(server: Server, off_by: int, *, fails: bool) -> None:
    vendor = Vendor(server, {1: A, 2: B, 3: C})
    vendor.total_off_by = off_by

    if fails:
        with pytest.raises(DataError, match=f"stream tags: 1 rows are missing after {B}, according to .*read 2 times"):
            run(server)
    else:
        assert ids(run(server)) == [1, 2, 3]


def leave_out(server: Server, missing: int, *requests: int) -> None:
    """Serve six rows, but for one in some requests, by their number from 1."""
    Vendor(server, {1: A, 2: A, 3: B, 4: C, 5: C, 6: D})
    answer = server.answer

    def gap(call: Call) -> Reply:
        whole = exact_json(answer(call).body)
        if len(server.calls) in requests:
            whole["rows"] = [row for row in whole["rows"] if row["id"] != missing]
        return server.json(whole)

    server.answer = gap


@pytest.mark.parametrize("parallel", [1, 4])
@pytest.mark.parametrize(("missing", "request_number"), [(1, 1), (3, 2), (4, 3), (6, 5)])
def test_a_row_that_lacks_in_one_response_is_asked_for_again(
    server: Server, missing: int, request_number: int, parallel: int
) -> None:
    # Given one response without one of its rows
    leave_out(server, missing, request_number)
    # When the list is read
    messages = run(server, parallel_requests=parallel)
    # Then each row is there once, and the bookmark never stood past a row that was still to come
    assert sorted(ids(messages)) == [1, 2, 3, 4, 5, 6]
    for number, one in enumerate(messages):
        if one["type"] == "STATE":
            stands = one["value"]["bookmarks"]["tags"]["replication_key_value"]
            assert {*ids(messages[:number])} >= {row for row, at in {1: A, 2: A, 3: B, 4: C}.items() if at < stands}


@pytest.mark.parametrize("mode", ["fail", "warn", "off"])
def test_a_row_that_stays_missing_keeps_the_bookmark_before_the_gap(
    server: Server, log: list[str], capsys: pytest.CaptureFixture[str], mode: str
) -> None:
    # Given a row that is in the totals and never among the rows
    leave_out(server, 3, *range(1, 99))
    what = f"stream tags: 1 rows are missing after {A}, according to the reported totals"
    # When the list is read
    tap = TagTap(config={"api_url": server.url, "row_count_check": mode})
    if mode == "fail":
        with pytest.raises(DataError, match=re.escape(f"{what} (read 2 times): run again later; ")):
            tap.sync_all()
    else:
        tap.sync_all()
    # Then the setting decides
    messages = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert bookmarks(messages)[-1] == (A if mode == "fail" else D)
    again, goes_on = (
        f"{what}; requested again",
        f"{what} (read 2 times): the run continues because `row_count_check` is `warn`",
    )
    expected = {"fail": [again], "warn": [again, goes_on], "off": []}[mode]
    assert [one for one in log if one.startswith(what)] == expected


def test_a_row_that_is_deleted_while_the_list_is_read_costs_one_more_request(server: Server) -> None:
    # Given a row that is gone when the second page is asked for
    vendor = Vendor(server, {1: A, 2: B, 3: C, 4: D})
    vendor.between = [{4: ""}]  # no time: no row
    # When
    messages = run(server)
    # Then
    assert ids(messages) == [1, 2, 3]
    assert vendor.asked() == [("", "1"), (B, "1"), ("", "1"), (B, "1")]


def test_a_keyset_remembers_the_keys_from_its_bound_on_only() -> None:
    # When a thousand rows are read, ten a page
    keyset, most = Keyset(None, remedy="read it whole"), 0
    for start in range(0, 1000, 9):
        page = [(number, f"2024-03-01T00:{number // 60:02}:{number % 60:02}Z") for number in range(start, start + 10)]
        keyset.take(page, 2000 - start)
        assert keyset.stretch is not None
        held = (keyset._rows, keyset._at_bound, keyset._emitted, keyset.stretch.rows)  # noqa: SLF001 - memory is the point
        most = max(most, sum(map(len, held)))
    assert most <= 20


def test_a_catalog_that_asks_for_the_full_table_gets_it_without_a_bookmark(server: Server) -> None:
    # Given a catalog with the method FULL_TABLE, and an old bookmark
    vendor = Vendor(server, {1: A, 2: D})
    catalog = TagTap(config={"api_url": server.url}).catalog_dict
    catalog["streams"][0]["replication_method"] = "FULL_TABLE"
    catalog["streams"][0]["replication_key"] = None
    state = {"bookmarks": {"tags": {"replication_key": "changed", "replication_key_value": D}}}
    # When it is read
    messages = run(server, state, catalog)
    # Then all rows are
    assert ids(messages) == [1, 2]
    assert vendor.asked()[0] == ("", "1")


@pytest.mark.parametrize("parallel", [1, 4])
def test_the_pages_of_a_list_count_as_requests(server: Server, log: list[str], parallel: int) -> None:
    # Given a list of three pages
    Vendor(server, {5: A, 3: B, 4: B, 1: C, 2: D})
    # When it is read
    run(server, parallel_requests=parallel)
    # Then singer-sdk's metric has all of them, with the tags of other streams
    metrics = [json.loads(line.partition("METRIC: ")[2]) for line in log if "http_request_count" in line]
    assert [(one["tags"]["stream"], one["tags"]["endpoint"], one["value"]) for one in metrics] == [
        ("tags", "/tags", len(server.calls))
    ]
    assert len(server.calls) == 3
