"""Pages: how many are asked for, in which order they are given out, and what happens where numbers do not add up."""

from __future__ import annotations

import threading
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from vendor_simulators.faults import Fault
from vendor_simulators.ispot import ISpotSimulator
from vendor_simulators.messages import Response

if TYPE_CHECKING:
    from ispot_fixtures import RunTap, Script, Scripted
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
    vendor = script(lambda _: Response.text(body.replace(", }", "}"), content_type="application/json"))
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
    vendor = script(lambda _: Response.json({"data": [{"id": 1}, {"id": 2}]}))
    # When
    run = run_tap({**vendor.settings(), **setting}, stream, fails=True)
    # Then
    where = "stream movies" if stream == "movies" else "stream airing_updates, window 2024-03-08..2024-03-08"
    assert run.error == (
        f"{where}: the response has a full page (2 rows) and does not report the number of pages: there may be more "
        "rows: raise `page_size` and `catalog_page_size`, or lower `window_days`"
    )
    assert run.states == []
    assert len(vendor.data_requests) == 1


def test_data_as_an_object_is_one_row(run_tap: RunTap, script: Script) -> None:
    vendor = script(lambda _: Response.json({"data": {"id": 5, "name": "Acme"}}))
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

    def answer(request: Request) -> Response:
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
    def answer(request: Request) -> Response:
        rows = [{"id": 1, "title": "A"}, {"id": 2}] if request.param("page[number]") == "1" else [{"id": 2}, {"id": 3}]
        return script.page(rows, total=3, total_pages=2)

    vendor = script(answer)
    run = run_tap({**vendor.settings(), "row_count_check": "fail"}, "movies")
    assert [one["id"] for one in run.records("movies")] == [1, 2, 3]


@pytest.mark.parametrize(
    ("aired", "types", "day"),
    [
        ("2024-03-07T23:59:59-05:00", ["N", "L"], "2024-03-07"),
        ("2024-03-09T00:00:00-05:00", ["N", "R"], "2024-03-09"),
        # The last second of the day, in UTC.
        ("2024-03-09T04:59:59Z", ["N"], None),
        # Days of local markets end later than Eastern ones.
        ("2024-03-09T02:00:00-05:00", ["N", "L"], None),
        ("2024-03-09T02:00:00-05:00", [], None),
        ("2024-03-10T02:00:00-05:00", [], "2024-03-10"),
    ],
)
def test_an_airing_of_another_day_is_not_taken(
    run_tap: RunTap, script: Script, aired: str, types: list[str], day: str | None
) -> None:
    # Given a window of one day, whose second row is of some instant
    vendor = script.rows(script.airing(1), script.airing(2, aired))
    # When it is read
    run = run_tap({**vendor.settings(), "airing_types": types}, "audience_airings", fails=day is not None)
    # Then a row of another day fails the stream, after a second reading, and its page is not emitted
    assert [one["airing_id"] for one in run.records()] == (["1", "2"] if day is None else [])
    assert len(vendor.data_requests) == (1 if day is None else 2)
    if day is not None:
        assert run.error.startswith(
            f"stream audience_airings, window 2024-03-08..2024-03-08: the response has a row of {day}, outside of"
        )


PAGINATIONS: list[dict[str, Any]] = [
    {"total": 25, "count": 10, "per_page": 10, "current_page": 1},
    {"total": "25", "per_page": "10"},
    {"total": 25},
    {"total": 25, "total_pages": None},
    {"total": 25, "total_pages": 0},
    {"total": 25, "total_pages": 1},
    {"total": 25, "total_pages": "many"},
    {"total": 25.0, "total_pages": -1},
    {"links": {"next": "https://api.ispot.tv/v4/movies?page=2"}},
    {"total_pages": 1, "links": {"next": "https://api.ispot.tv/v4/movies?page=2"}},
    {"total": None, "total_pages": "3"},
]


@pytest.mark.parametrize("parallel", [1, 4])
@pytest.mark.parametrize("pagination", PAGINATIONS, ids=str)
def test_pages_without_a_usable_number_of_pages_are_all_read(
    run_tap: RunTap, script: Script, pagination: dict[str, Any], parallel: int
) -> None:
    # Given 25 rows in pages of 10, and an envelope without `total_pages`, or with one that cannot be
    def answer(request: Request) -> Response:
        number = int(request.param("page[number]") or 0)
        links = {"links": {"previous": None, "next": None}} if "links" in pagination and number == 3 else {}
        rows = [{"id": one} for one in range(number * 10 - 9, min(number * 10, 25) + 1)]
        return script.page(rows, **{**pagination, **links})

    vendor = script(answer)
    # When they are read
    given = {**vendor.settings(), "catalog_page_size": 10, "parallel_requests": parallel}
    run = run_tap(given, "movies")
    # Then none is lost, and no page beyond the last is asked for
    assert sorted(one["id"] for one in run.records("movies")) == list(range(1, 26))
    assert sorted(numbers(vendor)) == [1, 2, 3]
    assert run.warnings() == []


@pytest.mark.parametrize("pagination", [{"count": 10}, {"per_page": 10, "links": {}}, {"links": []}, {"links": None}])
def test_a_full_page_that_does_not_say_whether_more_follow_fails_the_run(
    run_tap: RunTap, script: Script, pagination: dict[str, Any]
) -> None:
    vendor = script.rows(*({"id": one} for one in range(10)), **pagination)
    # A vendor may give fewer rows per page than asked for.
    size = 1000 if "per_page" in pagination else 10

    run = run_tap({**vendor.settings(), "catalog_page_size": size}, "movies", fails=True)

    assert run.error.startswith("stream movies: the response has a full page (")


@pytest.mark.parametrize("rows", [[], [{"id": 1}, {"id": 2}]], ids=["none", "the same"])
@pytest.mark.parametrize(
    "pages", [{"total": 10**12}, {"total": 2, "total_pages": 10**12}, {"total_pages": 10**12}], ids=str
)
def test_a_list_of_a_trillion_pages_ends(
    run_tap: RunTap, script: Script, pages: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    # Given a vendor that reports more pages than there are
    vendor = script.rows(*rows, **pages)
    # When the list is read
    run = run_tap({**vendor.settings(), "catalog_page_size": 2, "parallel_requests": 1}, "movies", fails=True)
    # Then the run ends soon, with one line
    assert run.error == (
        "stream movies: the list does not end: 3 pages in a row have no new row: report this to the vendor, and "
        "deselect the stream meanwhile"
    )
    assert len(vendor.data_requests) == (4 if rows else 3)


def test_a_list_that_becomes_shorter_while_many_pages_are_on_their_way(run_tap: RunTap, script: Script) -> None:
    # Given ten pages, of which only one is left when the others are asked for
    def answer(request: Request) -> Response:
        if request.param("page[number]") == "1":
            return script.page([{"id": 1}, {"id": 2}], total=20, total_pages=10)
        return script.page([], total=2, total_pages=1)

    vendor = script(answer)
    # When they are read side by side
    run = run_tap({**vendor.settings(), "catalog_page_size": 2, "parallel_requests": 10}, "movies", fails=True)
    # Then that is no list without an end; what the first page reported lacks
    assert "the reported total is 20" in run.error


def growing(script: Script) -> Scripted:
    """Make a vendor whose total is 3, then 4, of which it gives 3."""

    def answer(request: Request) -> Response:
        if request.param("page[number]") == "1":
            return script.page([script.airing(1), script.airing(2)], total=3, total_pages=2)
        return script.page([script.airing(3)], total=4, total_pages=2)

    return script(answer)


SAID = (
    "stream audience_airings, window 2024-03-08..2024-03-08: 3 rows read, and the reported total is 4 (read 2 times): "
    "run again later; if rows are still missing, set `row_count_check` to `warn` to load the others, and report "
    "this to the vendor"
)


def test_a_missing_row_can_fail_the_run(run_tap: RunTap, script: Script) -> None:
    run = run_tap({**growing(script).settings(), "row_count_check": "fail"}, "audience_airings", fails=True)
    assert run.error == SAID
    assert run.states == []


def test_a_missing_row_is_warned_of(run_tap: RunTap, script: Script) -> None:
    run = run_tap({**growing(script).settings(), "row_count_check": "warn"}, "audience_airings")
    where = "stream audience_airings: window 2024-03-08..2024-03-08: 3 rows read, and the reported total is 4"
    assert run.warnings() == [
        f"{where}; read again from its first request",
        f"{where} (read 2 times): the run continues because `row_count_check` is `warn`",
    ]
    assert run.bookmarks() == ["2024-03-09T00:00:00-05:00"]


def test_a_missing_row_can_be_left_unsaid(run_tap: RunTap, script: Script) -> None:
    run = run_tap({**growing(script).settings(), "row_count_check": "off"}, "audience_airings")
    assert run.warnings() == []
    assert run.bookmarks() == ["2024-03-09T00:00:00-05:00"]


def test_a_list_is_counted_as_a_whole(run_tap: RunTap, script: Script) -> None:
    vendor = script.rows({"id": 1}, total=2, total_pages=1)
    run = run_tap({**vendor.settings(), "row_count_check": "fail"}, "movies", fails=True)
    assert run.error.startswith("stream movies: 1 rows read, and the reported total is 2 (read 2 times): ")


def test_a_first_page_that_fails_for_good_asks_for_no_other(run_tap: RunTap, simulate: Simulate) -> None:
    simulator = simulate(ISpotSimulator(first_day=date(2024, 3, 8), days=1))
    simulator.faults.add(Fault(path="/v4/movies", action="status", status=404))
    run_tap({**simulator.settings(), "catalog_page_size": 5}, "movies", fails=True)
    assert numbers(simulator) == [1]
