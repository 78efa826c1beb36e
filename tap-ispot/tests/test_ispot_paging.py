"""Pages: how many are asked for, in which order they are given out, and what happens where numbers do not add up."""

from __future__ import annotations

import threading
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from vendor_simulators.faults import Fault
from vendor_simulators.ispot import ISpotSimulator
from vendor_simulators.messages import Answer

if TYPE_CHECKING:
    from conftest import RunTap, Script, Scripted
    from vendor_simulators.messages import Request
    from vendor_simulators.pytest_plugin import Simulate


def numbers(vendor: Scripted | ISpotSimulator, path: str = "/v4/movies") -> list[int]:
    """Return the pages asked for, in order of arrival."""
    return [int(request.param("page[number]") or 0) for request in vendor.journal.matching(path)]


@pytest.mark.parametrize(
    "pagination",
    [
        {"total": 2, "count": 2, "total_pages": 0},
        {"total": 2, "count": 2, "total_pages": 1},
        {"total": 2, "count": 2},
        {"total": 2, "total_pages": None},
        {"total": "2", "total_pages": "1"},
    ],
    ids=str,
)
def test_no_further_page_is_asked_for(run_tap: RunTap, script: Script, pagination: dict[str, Any]) -> None:
    # Given one page, whose number of pages is 0, 1 or not told
    vendor = script.rows({"id": 1}, {"id": 2}, **pagination)
    # When
    run = run_tap({**vendor.settings(), "row_count_check": "fail", "catalog_page_size": 2}, "movies")
    # Then
    assert [one["id"] for one in run.records("movies")] == [1, 2]
    assert numbers(vendor) == [1]


@pytest.mark.parametrize(
    "meta", ['{"meta": {}}', '{"meta": {"pagination": null}}', '{"meta": null}', '{"meta": []}', "{}"]
)
def test_a_short_answer_without_pagination_is_the_only_page(run_tap: RunTap, script: Script, meta: str) -> None:
    body = '{"data": [{"id": 1}, {"id": 2}], ' + meta[1:]
    vendor = script(lambda _: Answer.text(body.replace(", }", "}"), content_type="application/json"))
    run = run_tap({**vendor.settings(), "row_count_check": "fail", "catalog_page_size": 3}, "movies")
    assert [one["id"] for one in run.records("movies")] == [1, 2]
    assert numbers(vendor) == [1]


@pytest.mark.parametrize(
    ("stream", "setting"), [("movies", {"catalog_page_size": 2}), ("airing_updates", {"page_size": 2})]
)
def test_a_full_answer_without_pagination_fails_the_run(
    run_tap: RunTap, script: Script, stream: str, setting: dict[str, int]
) -> None:
    # Given an answer as long as a page, which does not say whether it is the last
    vendor = script(lambda _: Answer.json({"data": [{"id": 1}, {"id": 2}]}))
    # When
    run = run_tap({**vendor.settings(), **setting}, stream, fails=True)
    # Then
    where = "stream movies" if stream == "movies" else "stream airing_updates, window 2024-03-08..2024-03-08"
    assert run.error == (
        f"{where}: the answer does not say how many pages there are, and is as long as a page (2 rows): more rows "
        "cannot be ruled out: raise `page_size` and `catalog_page_size`, or lower `window_days`"
    )
    assert run.states == []
    assert len(vendor.data_requests) == 1


def test_data_as_an_object_is_one_row(run_tap: RunTap, script: Script) -> None:
    vendor = script(lambda _: Answer.json({"data": {"id": 5, "name": "Acme"}}))
    run = run_tap(vendor.settings(), "account")
    assert run.records("account") == [{"id": 5, "name": "Acme", "_extra": None}]
    assert numbers(vendor, "/v4/account") == [1]


def test_a_smaller_page_than_asked_is_believed(run_tap: RunTap, simulate: Simulate) -> None:
    # Given a vendor that gives 7 rows a page, whatever is asked
    simulator = simulate(ISpotSimulator(days=1, clamp_page_size=7))
    # When all 25 movies are read in pages of 1,000
    run = run_tap({**simulator.settings(), "row_count_check": "fail"}, "movies")
    # Then the vendor's own number of pages is asked for, and none beyond
    assert sorted(numbers(simulator)) == [1, 2, 3, 4]
    assert run.by_key("movies", "id") == simulator.truth("movies")
    assert simulator.violations == []


@pytest.mark.parametrize("size", [1, 4, 5, 6, 24, 25, 26])
def test_no_page_beyond_the_last(run_tap: RunTap, simulate: Simulate, size: int) -> None:
    # Given 25 movies
    simulator = simulate(ISpotSimulator(days=1))
    run = run_tap({**simulator.settings(), "catalog_page_size": size, "row_count_check": "fail"}, "movies")
    assert sorted(numbers(simulator)) == list(range(1, -(-25 // size) + 1))
    assert len(run.records("movies")) == 25
    assert simulator.violations == []


@pytest.mark.parametrize("parallel", [1, 2, 4, 10])
def test_pages_in_flight_and_their_order(run_tap: RunTap, script: Script, parallel: int) -> None:
    # Given pages of which the later are answered first
    lock, arrived, most = threading.Lock(), set[int](), 0
    full = threading.Barrier(parallel)

    def answer(request: Request) -> Answer:
        nonlocal most
        number = int(request.param("page[number]") or 0)
        if number > 1:
            with lock:
                arrived.add(number)
                most = max(most, len(arrived))
            # As many as may be in flight come together; the first of them is answered last.
            if number <= 1 + parallel:
                full.wait(10)
            threading.Event().wait(0.02 if number % parallel == 2 % parallel else 0)
            with lock:
                arrived.discard(number)
        return script.page([{"id": number}], total=21, total_pages=21)

    vendor = script(answer)
    # When
    run = run_tap({**vendor.settings(), "parallel_requests": parallel}, "movies")
    # Then they come out in order, with as many in flight as allowed
    assert [one["id"] for one in run.records("movies")] == list(range(1, 22))
    assert most == parallel
    assert numbers(vendor)[0] == 1
    assert sorted(numbers(vendor)) == list(range(1, 22))


def test_a_row_that_comes_twice_is_written_once(run_tap: RunTap, script: Script) -> None:
    # Given a second page that repeats a row of the first, as lists move while they are read
    def answer(request: Request) -> Answer:
        rows = [{"id": 1, "title": "A"}, {"id": 2}] if request.param("page[number]") == "1" else [{"id": 2}, {"id": 3}]
        return script.page(rows, total=3, total_pages=2)

    vendor = script(answer)
    run = run_tap({**vendor.settings(), "row_count_check": "fail"}, "movies")
    assert [one["id"] for one in run.records("movies")] == [1, 2, 3]


def test_a_row_of_two_windows_is_written_in_both(run_tap: RunTap, script: Script) -> None:
    vendor = script.rows(script.airing(1))
    run = run_tap({**vendor.settings(), "end_date": "2024-03-09"}, "audience_airings")
    assert [one["airing_id"] for one in run.records()] == ["1", "1"]


def growing(script: Script) -> Scripted:
    """Make a vendor whose total is 3, then 4, of which it gives 3."""

    def answer(request: Request) -> Answer:
        if request.param("page[number]") == "1":
            return script.page([script.airing(1), script.airing(2)], total=3, total_pages=2)
        return script.page([script.airing(3)], total=4, total_pages=2)

    return script(answer)


SAID = (
    "stream audience_airings, window 2024-03-08..2024-03-08: 3 rows read, and the vendor's total is 4: run again; if "
    "it stays so, set `row_count_check` to `warn` and tell the vendor"
)


def test_a_missing_row_can_fail_the_run(run_tap: RunTap, script: Script) -> None:
    run = run_tap({**growing(script).settings(), "row_count_check": "fail"}, "audience_airings", fails=True)
    assert run.error == SAID
    assert run.states == []


def test_a_missing_row_is_warned_of(run_tap: RunTap, script: Script) -> None:
    run = run_tap(growing(script).settings(), "audience_airings")
    warnings = [one for one in run.warnings() if "rows read" in one]
    assert len(warnings) == 1
    for part in ("window 2024-03-08..2024-03-08", "3 rows read, and the vendor's total is 4", "row_count_check"):
        assert part in warnings[0]
    assert run.bookmarks() == ["2024-03-09T00:00:00-05:00"]


def test_a_missing_row_can_be_left_unsaid(run_tap: RunTap, script: Script) -> None:
    run = run_tap({**growing(script).settings(), "row_count_check": "off"}, "audience_airings")
    assert run.warnings() == []
    assert run.bookmarks() == ["2024-03-09T00:00:00-05:00"]


def test_a_list_is_counted_as_a_whole(run_tap: RunTap, script: Script) -> None:
    vendor = script.rows({"id": 1}, total=2, total_pages=1)
    run = run_tap({**vendor.settings(), "row_count_check": "fail"}, "movies", fails=True)
    assert run.error.startswith("stream movies: 1 rows read, and the vendor's total is 2: ")


def test_a_first_page_that_fails_for_good_asks_for_no_other(run_tap: RunTap, simulate: Simulate) -> None:
    simulator = simulate(ISpotSimulator(first_day=date(2024, 3, 8), days=1))
    simulator.faults.add(Fault(path="/v4/movies", action="status", status=404))
    run_tap({**simulator.settings(), "catalog_page_size": 5}, "movies", fails=True)
    assert numbers(simulator) == [1]
