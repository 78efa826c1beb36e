"""Requests for lists: pages of v0 and v1, the keyset, accounts."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from vendor_simulators.faults import Fault
from vendor_simulators.messages import Response
from vendor_simulators.springserve import SpringServeSimulator

if TYPE_CHECKING:
    from singer_adtech.testing import TapRunner
    from springserve_fixtures import Script, Scripted
    from vendor_simulators.messages import Request
    from vendor_simulators.pytest_plugin import Simulate

A, B, C, D = (f"2026-01-0{day}T00:00:00.500Z" for day in (1, 2, 3, 4))
STATE = {"bookmarks": {"supply_tags": {"replication_key": "updated_at", "replication_key_value": C}}}


def tag(number: int, updated: str | None, **more: Any) -> dict[str, Any]:
    return {"id": number, "updated_at": updated, **more}


def asked(vendor: Scripted) -> list[tuple[str, dict[str, str]]]:
    """Return path and query of each data request."""
    return [(one.path, dict(one.params)) for one in vendor.data_requests]


def test_the_first_run_reads_v1_by_keyset(run_tap: TapRunner, script: Script) -> None:
    # Given 2,500 supply tags of as many instants, as in the specification's example
    start = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
    rows = [tag(one, f"{start + dt.timedelta(seconds=one):%Y-%m-%dT%H:%M:%S}.000Z") for one in range(2500)]

    def answer(request: Request) -> Response:
        found = [row for row in rows if row["updated_at"] >= (request.param("updated_at::gte") or "")]
        return script.page(*found[:1000], pages=-(-len(found) // 1000), total=len(found))

    vendor = script(answer)
    # When they are read for the first time
    run = run_tap({**vendor.settings(), "row_count_check": "fail"}, "supply_tags")
    # Then there are a login and three calls: no filter, then from the last row of each page on
    assert [request.path for request in vendor.journal] == ["/api/v0/auth", *["/api/v1/supply_tags"] * 3]
    first, second, third = (query for _, query in asked(vendor))
    assert first == {"sort": "updated_at,id", "per": "1000", "page": "1"}
    assert second == {**first, "updated_at::gte": "2026-01-01T00:16:39.000Z"}
    assert third == {**first, "updated_at::gte": "2026-01-01T00:33:18.000Z"}
    assert [record["id"] for record in run.records("supply_tags")] == [*range(2500)]
    assert run.bookmarks("supply_tags")[-1] == "2026-01-01T00:41:39.000Z"


def test_a_second_run_asks_from_ten_minutes_before_the_bookmark(run_tap: TapRunner, script: Script) -> None:
    vendor = script.answers(script.page(tag(3, C), tag(4, D)))

    run = run_tap(vendor.settings(), "supply_tags", state=STATE)

    assert asked(vendor) == [
        (
            "/api/v1/supply_tags",
            {"sort": "updated_at,id", "updated_at::gte": "2026-01-02T23:50:00.500Z", "per": "1000", "page": "1"},
        )
    ]
    assert [record["id"] for record in run.records("supply_tags")] == [3, 4]
    assert run.bookmarks("supply_tags")[-1] == D


def test_the_overlap_is_a_setting(run_tap: TapRunner, script: Script) -> None:
    for minutes, bound in ((0, C), (1440, B)):
        vendor = script.answers(script.page(tag(3, C)))

        run_tap({**vendor.settings(), "overlap_minutes": minutes}, "supply_tags", state=STATE)

        assert asked(vendor)[0][1]["updated_at::gte"] == bound


def test_changes_are_found_if_timestamps_are_in_a_zone_that_they_do_not_name(
    run_tap: TapRunner, simulate: Simulate
) -> None:
    # Given timestamps of Tokyo without an offset, and a first run
    vendor = simulate(SpringServeSimulator(days=1, rows_per_day=30, zones=False, stamp_hours=9))
    settings = {**vendor.settings(), "timestamp_zone": "Asia/Tokyo", "page_size": 10}
    first = run_tap(settings, "supply_tags")
    # When a tag is changed and the list is read again
    edited = vendor.inventory.entities["supply_tags"][3]
    vendor.inventory.edit(edited)
    second = run_tap(settings, "supply_tags", state=first.states[-1])
    # Then the change comes, at its instant
    assert [record["id"] for record in second.records("supply_tags")][-1] == edited.id
    both = {record["id"]: record["updated_at"] for run in (first, second) for record in run.records("supply_tags")}
    assert both == {record["id"]: record["updated_at"] for record in vendor.truth("supply_tags")}
    assert all(text.endswith("+09:00") for text in both.values())
    # And the vendor need not guess the zone of filters
    bounds = [one.param("updated_at::gte") for one in vendor.journal.matching("/api/v1/supply_tags")]
    assert {str(bound)[-6:] for bound in bounds if bound} == {"+09:00"}


def test_a_state_of_another_zone_of_timestamps_is_refused(run_tap: TapRunner, script: Script) -> None:
    vendor = script.answers(script.page(tag(3, C)))
    state = run_tap(vendor.settings(), "supply_tags").states[-1]

    run = run_tap({**vendor.settings(), "timestamp_zone": "Asia/Tokyo"}, "supply_tags", state=state, fails=True)

    assert run.error.startswith("stream supply_tags: its state was made with timestamp_zone UTC, now Asia/Tokyo: undo")


def test_the_bookmark_is_written_after_each_page_and_never_goes_back(run_tap: TapRunner, script: Script) -> None:
    vendor = script.answers(script.page(tag(1, A), pages=2), script.page(tag(1, A), tag(2, B)))

    run = run_tap(vendor.settings(), "supply_tags")

    assert run.bookmarks("supply_tags") == [A, B, *[B] * (len(run.bookmarks("supply_tags")) - 2)]

    behind = script.answers(script.page(tag(2, "2026-01-02T23:55:00.000Z")))
    assert set(run_tap(behind.settings(), "supply_tags", state=STATE).bookmarks("supply_tags")) == {C}


def test_a_page_of_one_instant_is_followed_by_its_page_number(run_tap: TapRunner, script: Script) -> None:
    # Given more rows of one instant than a page has
    vendor = script.answers(
        script.page(tag(1, A), tag(2, A), pages=2, total=4),
        script.page(tag(1, A), tag(2, A), pages=2, total=4),
        script.page(tag(3, A), tag(4, B), page=2, pages=2, total=4),
    )
    # When they are read
    run = run_tap({**vendor.settings(), "page_size": 2}, "supply_tags")
    # Then the page number leads on where the instant does not
    assert [(one.get("updated_at::gte"), one["page"]) for _, one in asked(vendor)] == [
        (None, "1"),
        (A, "1"),
        (A, "2"),
    ]
    assert [record["id"] for record in run.records("supply_tags")] == [1, 2, 3, 4]


@pytest.mark.parametrize("choice", [{"filter": "day"}, {"filter": "ignored"}, {"sort": "ignored"}])
def test_a_vendor_that_ignores_filter_or_sort_ends_the_run(
    run_tap: TapRunner, simulate: Simulate, choice: dict[str, Any]
) -> None:
    # Given a vendor that takes the filter or the sort otherwise
    vendor = simulate(SpringServeSimulator(first_day=dt.date(2026, 2, 1), days=1, rows_per_day=200, **choice))
    # When tags are read
    run = run_tap({**vendor.settings(), "page_size": 20}, "supply_tags", fails=True)
    # Then the run ends, and the message names the stream and the setting that helps
    assert run.error.startswith("stream supply_tags: the vendor did not honour the sort or the filter")
    assert run.error.endswith("set `resource_version: v0` to read the whole list")
    assert len(vendor.journal) < 20


@pytest.mark.parametrize("updated", [None, "yesterday"])
def test_a_row_without_a_time_ends_the_run(run_tap: TapRunner, script: Script, updated: str | None) -> None:
    vendor = script.answers(script.page(tag(1, A), tag(2, updated)))

    run = run_tap(vendor.settings(), "supply_tags", fails=True)

    assert "stream supply_tags" in run.error
    assert "the row 2 has no such time" in run.error
    assert "`resource_version: v0`" in run.error


def test_a_vendor_that_ignores_the_page_of_v1_ends_the_run(run_tap: TapRunner, script: Script) -> None:
    vendor = script(lambda _: script.page(tag(1, A), tag(2, A), pages=3))

    run = run_tap(vendor.settings(), "supply_tags", fails=True)

    assert "page 2 has the same rows as the page before" in run.error
    assert len(vendor.data_requests) == 3


def test_a_vendor_that_tells_of_more_and_gives_nothing_ends_the_run(run_tap: TapRunner, script: Script) -> None:
    # Twenty answers at most: the run would go on for ever otherwise.
    vendor = script.answers(*[script.page(pages=5, total=5)] * 20)

    run = run_tap(vendor.settings(), "supply_tags", fails=True)

    assert "page 2 has the same rows as the page before" in run.error
    assert len(vendor.data_requests) == 2


def test_v0_is_read_until_an_empty_page_and_never_stops_at_a_short_one(run_tap: TapRunner, script: Script) -> None:
    # Given a vendor that caps pages below what is asked, and a row that moves from one page to the next
    vendor = script.answers([{"id": 1}, {"id": 2}], [{"id": 2}], [{"id": 3}], [])
    # When a list of v0 is read
    run = run_tap(vendor.settings(), "campaigns")
    # Then pages are asked for until one is empty, 100 rows at most, and each row is there once
    assert asked(vendor) == [("/api/v0/campaigns", {"per": "100", "page": str(page)}) for page in (1, 2, 3, 4)]
    assert [record["id"] for record in run.records("campaigns")] == [1, 2, 3]


def test_a_small_page_size_is_asked_of_v0_too(run_tap: TapRunner, script: Script) -> None:
    vendor = script.answers([])

    run_tap({**vendor.settings(), "page_size": 30}, "campaigns")

    assert asked(vendor) == [("/api/v0/campaigns", {"per": "30", "page": "1"})]


def test_a_vendor_that_ignores_the_page_of_v0_ends_the_run(run_tap: TapRunner, simulate: Simulate) -> None:
    vendor = simulate(SpringServeSimulator(days=1, rows_per_day=20, ignore_page=True))

    run = run_tap(vendor.settings(), "campaigns", fails=True)

    assert run.error.startswith("stream campaigns: page 2 has the same rows as the page before")
    assert len(vendor.journal.matching("/api/v0/campaigns")) == 2


ENDLESS = "the list does not end: 3 pages in a row have no new row"


def test_a_list_of_v0_in_another_order_on_each_page_ends(run_tap: TapRunner, script: Script) -> None:
    # Given a vendor that ignores the page number, and sorts the rows anew each time
    def answer(request: Request) -> Response:
        rows = [{"id": 1}, {"id": 2}, {"id": 3}]
        return Response.json(rows if int(request.param("page") or 0) % 2 else rows[::-1])

    vendor = script(answer)

    run = run_tap(vendor.settings(), "campaigns", fails=True)

    assert run.error.startswith("stream campaigns: page 2 has the same rows as the page before")
    assert len(vendor.data_requests) == 2


@pytest.mark.parametrize(
    ("stream", "path"), [("campaigns", "/api/v0/campaigns"), ("domain_list_domains", "/api/v0/domain_lists")]
)
def test_a_list_of_v0_that_begins_again_and_again_ends(
    run_tap: TapRunner, script: Script, stream: str, path: str
) -> None:
    # Given a list of streams, or of parents, whose pages come round and round
    def answer(request: Request) -> Response:
        number = int(request.param("page") or 0) % 2
        return Response.json([{"id": number * 2 + 1, "name": "x"}, {"id": number * 2 + 2, "name": "y"}])

    vendor = script(answer)

    run = run_tap({**vendor.settings(), "parallel_requests": 1}, stream, fails=True)

    assert run.error.startswith(f"stream {stream}: {ENDLESS}")
    assert len(vendor.journal.matching(path)) == 5


def test_a_list_of_v1_whose_pages_of_one_instant_do_not_end_ends(run_tap: TapRunner, script: Script) -> None:
    # Given tags of one instant, in pages that come round and round, of a vendor that reports more pages
    def answer(request: Request) -> Response:
        number = int(request.param("page") or 0) % 2
        return script.page(tag(number * 2 + 1, A), tag(number * 2 + 2, A), pages=10**12, total=4)

    vendor = script(answer)

    run = run_tap({**vendor.settings(), "parallel_requests": 1}, "supply_tags", fails=True)

    assert run.error.startswith(f"stream supply_tags: {ENDLESS}: set `resource_version: v0`")
    assert len(vendor.data_requests) == 6


def test_the_total_of_an_envelope_on_v0_counts(run_tap: TapRunner, script: Script) -> None:
    vendor = script(lambda _: script.page({"id": 1}, total=2))

    run = run_tap(vendor.settings(), "campaigns", fails=True)

    assert run.error.startswith("stream campaigns: 1 rows read, and the reported total is 2 (read 2 times): ")


def test_an_envelope_on_v0_is_read_up_to_its_last_page(run_tap: TapRunner, script: Script) -> None:
    vendor = script.answers(script.page({"id": 1}, pages=2), script.page({"id": 2}, page=2, pages=2))

    run = run_tap(vendor.settings(), "campaigns")

    assert [record["id"] for record in run.records("campaigns")] == [1, 2]


def test_an_array_on_v1_is_read_until_an_empty_page(run_tap: TapRunner, script: Script) -> None:
    # Given a v1 list that is declared as an array
    vendor = script.answers([tag(1, A), tag(2, B)], [tag(2, B)], [])

    run = run_tap(vendor.settings(), "bills")

    assert [(one.get("updated_at::gte"), one["page"]) for _, one in asked(vendor)] == [(None, "1"), (B, "1"), (B, "2")]
    assert [record["id"] for record in run.records("bills")] == [1, 2]


@pytest.mark.parametrize("passes", [True, False])
def test_an_empty_array_after_an_envelope_is_a_broken_body(
    run_tap: TapRunner, springserve: SpringServeSimulator, *, passes: bool
) -> None:
    # Given a list of several pages, whose second response is an empty array, as a gateway sends it
    springserve.faults.add(Fault(path="/api/v1/supply_tags", nth=2, times=1 if passes else None, status=200, body="[]"))
    given = {**springserve.settings(), "page_size": 5}
    # When it is read
    run = run_tap(given, "supply_tags", fails=not passes)
    # Then it is requested again like any broken body
    assert run.clock.waits == ([1] if passes else [1, 2, 4, 8, 16, 32, 60])
    if passes:
        assert run.by_key("supply_tags", "id") == springserve.truth("supply_tags")
    else:
        assert run.error == (
            "stream supply_tags: the response is a bare array, and earlier ones were objects with totals (tried 8 "
            "times): try again later"
        )


def test_rows_that_are_left_by_the_totals_do_not_end_with_a_response_without_any(
    run_tap: TapRunner, script: Script
) -> None:
    # Given a list of three rows, whose second page has neither rows nor a total
    vendor = script.answers(
        *[script.page(tag(1, A), tag(2, B), pages=2, total=3), {"results": []}] * 2,
    )

    run = run_tap(vendor.settings(), "supply_tags", fails=True)

    assert "2 rows are missing after the first one, according to the reported totals (read 2 times)" in run.error
    assert run.bookmarks("supply_tags") == []


@pytest.mark.parametrize("stands", [False, True])
def test_an_empty_array_as_the_first_response_of_an_envelope_list_is_requested_again(
    run_tap: TapRunner, script: Script, *, stands: bool
) -> None:
    bookmark = {"replication_key": "updated_at", "replication_key_value": B}
    state = {"bookmarks": {"supply_tags": bookmark}} if stands else None
    # Given one that passes, and one that does not
    passing, lasting = script.answers([], script.page(tag(1, B))), script.answers([], [])
    # When the list is read
    whole = run_tap(passing.settings(), "supply_tags", state=state)
    none = run_tap(lasting.settings(), "supply_tags", state=state)
    # Then the second response counts, with a warning where rows were read before
    assert [one["id"] for one in whole.records("supply_tags")] == [1]
    assert none.records("supply_tags") == []
    assert whole.clock.slept == none.clock.slept == [1]
    assert [("two responses were empty arrays" in one) for one in none.warnings()] == [True] * stands
    # Lists that are declared as arrays are believed at once.
    bills = script.answers([])
    assert run_tap(bills.settings(), "bills").warnings() == []


@pytest.mark.parametrize(("mode", "fails"), [("fail", True), ("warn", False), ("off", False)])
def test_fewer_rows_than_reported_are_noticed(run_tap: TapRunner, script: Script, mode: str, *, fails: bool) -> None:
    vendor = script.answers(*[script.page(tag(1, A), tag(2, B), total=3)] * 2)

    run = run_tap({**vendor.settings(), "row_count_check": mode}, "supply_tags", fails=fails)

    assert len(vendor.data_requests) == (1 if mode == "off" else 2)
    words = "1 rows are missing after the first one, according to the reported totals (read 2 times)"
    assert (words in run.error, any(words in one for one in run.warnings())) == (fails, mode == "warn")
    # The bookmark moves past what was confirmed only.
    assert (run.bookmarks("supply_tags") == []) is fails


def test_more_rows_than_told_are_no_loss(run_tap: TapRunner, script: Script) -> None:
    vendor = script.answers(script.page(tag(1, A), tag(2, B), total=1))

    assert run_tap({**vendor.settings(), "row_count_check": "fail"}, "supply_tags").warnings() == []


def test_start_and_end_date_do_not_cut_entities(run_tap: TapRunner, script: Script) -> None:
    # Given a tag that was last edited years before the first day, and one after the last day
    vendor = script.answers(script.page(tag(1, "2012-01-01T00:00:00.000Z"), tag(2, "2026-02-09T00:00:00.000Z")))

    run = run_tap({**vendor.settings(), "end_date": "2026-02-01"}, "supply_tags")

    assert [record["id"] for record in run.records("supply_tags")] == [1, 2]
    assert "updated_at::gte" not in dict(vendor.data_requests[0].params)


def test_streams_that_are_not_selected_cost_nothing(run_tap: TapRunner, springserve: SpringServeSimulator) -> None:
    run_tap(springserve.settings(), "segments")

    assert {request.path for request in springserve.journal} == {"/api/v0/auth", "/api/v0/segments"}


def test_a_list_of_another_account_is_refused_before_the_bookmark_moves(run_tap: TapRunner, script: Script) -> None:
    # Given a state of account 7
    first = script.answers(script.page(tag(3, C, account_id=7)))
    state = run_tap(first.settings(), "supply_tags").states[-1]
    entry = state["bookmarks"]["supply_tags"]
    assert (entry["account"], entry["account_id"]) == ("7", None)
    # When the login is of account 8
    other = script.answers(script.page(tag(3, C, account_id=8), tag(4, D, account_id=8)))
    run = run_tap(other.settings(), "supply_tags", state=state, fails=True)
    # Then
    assert run.error.startswith(
        "stream supply_tags: its state was made with account 7, and the responses belong to account 8: check the "
    )
    assert (run.records("supply_tags"), set(run.bookmarks("supply_tags"))) == ([], {C})


def test_a_list_with_rows_of_several_accounts_says_nothing_of_the_account(run_tap: TapRunner, script: Script) -> None:
    # Given a list that holds what others share
    first = script.answers(script.page(tag(2, B, account_id=7), tag(3, C, account_id=9)))
    state = run_tap(first.settings(), "supply_tags").states[-1]
    # When what has changed is of yet another one
    second = script.answers(script.page(tag(4, D, account_id=8)))
    run = run_tap(second.settings(), "supply_tags", state=state)
    # Then
    assert [record["id"] for record in run.records("supply_tags")] == [4]
    assert {state["bookmarks"]["supply_tags"]["account"] for state in run.states} == {"several"}


@pytest.mark.parametrize(("before", "now", "said"), [(None, 7, "none, now 7"), (7, None, "7, now none")])
def test_a_state_of_another_account_id_is_refused(
    run_tap: TapRunner, script: Script, before: int | None, now: int | None, said: str
) -> None:
    # Given
    vendor = script.answers(script.page(tag(3, C)))
    state = run_tap({**vendor.settings(), "account_id": before}, "supply_tags").states[-1]
    # When
    again = script.answers(script.page(tag(4, D)))
    run = run_tap({**again.settings(), "account_id": now}, "supply_tags", state=state, fails=True)
    # Then
    assert run.error.startswith(f"stream supply_tags: its state was made with account_id {said}: undo the change, or")
    assert len(again.journal) == 0


@pytest.mark.parametrize(
    ("stream", "path"),
    [
        ("supply_tags", "/api/v1/supply_tags"),
        ("campaigns", "/api/v0/campaigns"),
        ("key_values", "/api/v0/keys"),
        ("domain_list_domains", "/api/v0/domain_lists"),
    ],
)
def test_rows_of_another_account_than_the_requested_one_end_the_stream(
    run_tap: TapRunner, simulate: Simulate, stream: str, path: str
) -> None:
    # Given a vendor that ignores the requested account, and returns rows of the active one
    vendor = simulate(SpringServeSimulator(days=1, rows_per_day=10, context="ignored"))
    # When another account is read
    run = run_tap({**vendor.settings(), "account_id": 392}, stream, fails=True)
    # Then
    assert run.error == (
        f"stream {stream}: a row of {path} belongs to account 391, and `account_id` is 392: check that the user may "
        "read that account; if the account shares this list, deselect the stream or remove `account_id`"
    )
    assert (run.records(stream), run.bookmarks(stream)) == ([], [])
    # And its own account is read
    assert run_tap({**vendor.settings(), "account_id": 391}, stream).records(stream)


@pytest.mark.parametrize("stream", ["connected_demand", "connected_supply", "direct_connections", "users"])
def test_lists_between_accounts_may_have_rows_of_others(run_tap: TapRunner, simulate: Simulate, stream: str) -> None:
    vendor = simulate(SpringServeSimulator(days=1, rows_per_day=10, context="ignored", undeclared=False))

    run = run_tap({**vendor.settings(), "account_id": 392}, stream)

    assert len(run.records(stream)) == len(vendor.truth(stream))
    (warning,) = run.warnings()
    assert warning == (
        f"stream {stream}: a row of /api/v0/{stream} belongs to account 391, and `account_id` is 392: accounts share "
        "this list, but if all rows do, the vendor ignored `account_id`"
    )


def test_a_row_of_v0_that_comes_twice_warns_once_and_deletes_nothing(run_tap: TapRunner, script: Script) -> None:
    vendor = script.answers([{"id": 1}, {"id": 2}], [{"id": 2}, {"id": 1}, {"id": 3}], [])

    run = run_tap({**vendor.settings(), "emit_activate_version_messages": True}, "campaigns")

    assert [record["id"] for record in run.records("campaigns")] == [1, 2, 3]
    (warning,) = [one for one in run.warnings() if "emit_activate" not in one]
    assert warning.startswith("stream campaigns: a row was returned twice: the list may have changed between two pages")
    # A loader would delete the row that may be missing.
    assert "ACTIVATE_VERSION" not in {one["type"] for one in run.messages}
