"""Windows that are read again: links that expired, and totals that do not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from vendor_simulators.messages import Response

if TYPE_CHECKING:
    from singer_adtech.testing import TapRunner
    from spotwatch_fixtures import Script
    from vendor_simulators.messages import Request

NEXT_DAY = "2024-06-02T00:00:00Z"
WHERE = "stream broadcasts, window 2024-06-01T00:00:00+00:00..2024-06-02T00:00:00+00:00: "
LOG = "stream broadcasts: window 2024-06-01T00:00:00+00:00..2024-06-02T00:00:00+00:00: "


def gone(status: int = 400) -> Response:
    """Make the answer of a link that is not known any more."""
    return Response.text("Link [/linknumber2] not found.", status)


@pytest.mark.parametrize("status", [400, 403, 404, 410])
@pytest.mark.parametrize("parallel", [1, 2])
def test_an_expired_link_restarts_its_window(run_tap: TapRunner, script: Script, status: int, parallel: int) -> None:
    # given a second link that has expired at its first use, and rows in another order afterwards
    one, two, three = (script.airing(number) for number in (1, 2, 3))
    vendor = script.pages(
        script.page(one, following="/linknumber1", total=3),
        script.page(two, following="/linknumber2", total=3),
        gone(status),
        script.page(two, following="/linknumber3", total=3),
        script.page({**one, "block_length": 4}, three, total=3),
    )
    # when
    run = run_tap({**vendor.settings(), "parallel_requests": parallel, "row_count_check": "fail"}, "broadcasts")
    # then: from the first request, and what was emitted is emitted again only where it changed
    paths = [request.path for request in vendor.journal]
    assert paths == ["/get-broadcasts", "/linknumber1", "/linknumber2", "/get-broadcasts", "/linknumber3"]
    assert vendor.journal[0].target == vendor.journal[3].target
    rows = [(row["id"], row["block_length"]) for row in run.records("broadcasts")]
    assert rows == [(1, None), (2, None), (1, 4), (3, None)]
    assert run.warnings() == [f"{LOG}the page link expired; read again from its first request"]
    assert run.bookmarks("broadcasts")[-1] == NEXT_DAY
    assert not [line for line in run.log if "linknumber" in line]
    assert run.clock.waits == []


def test_a_window_is_restarted_twice_at_most(run_tap: TapRunner, script: Script) -> None:
    # given links that never work
    def answer(request: Request) -> Response:
        return script.page(script.airing(1), following="/linknumber2", total=2) if request.params else gone(410)

    vendor = script(answer)
    # when
    run = run_tap(vendor.settings(), "broadcasts", fails=True)
    # then
    assert run.error == (
        f'{WHERE}HTTP 410 Gone "Link [[hidden]] not found.": the page link expired: raise `page_size` or lower '
        "`window_days`"
    )
    assert [request.path for request in vendor.journal] == ["/get-broadcasts", "/linknumber2"] * 3
    assert run.states == []
    assert len(run.warnings()) == 2


def test_each_window_has_restarts_of_its_own(run_tap: TapRunner, script: Script) -> None:
    # given two windows, in each of which the link works at the third attempt
    tries: dict[str, int] = {}

    def answer(request: Request) -> Response:
        begin = request.param("time_from")
        if begin:
            day = int(begin[8:10])
            return script.page(script.airing(day, begin), following=f"/linknumber{day}", total=2)
        tries[request.path] = tries.get(request.path, 0) + 1
        day = int(request.path[-1])
        return script.page(script.airing(10 + day, f"2024-06-0{day}T05:00:00Z")) if tries[request.path] > 2 else gone()

    vendor = script(answer)
    # when
    run = run_tap({**vendor.settings(), "end_date": "2024-06-02", "row_count_check": "fail"}, "broadcasts")
    # then
    assert [row["id"] for row in run.records("broadcasts")] == [1, 11, 2, 12]
    assert len(run.warnings()) == 4


TWO = "2 rows read, and the reported total is 3"
REMEDY = (
    "run again later; if rows are still missing, set `row_count_check` to `warn` to load the others, and report "
    "this to the vendor"
)


@pytest.mark.parametrize("mode", ["warn", "fail", "off"])
def test_a_total_that_does_not_fit(run_tap: TapRunner, script: Script, mode: str) -> None:
    # given three rows told and two sent, one of them twice
    vendor = script.pages(script.page(script.airing(1), script.airing(2), script.airing(2), total=3))
    # when
    run = run_tap({**vendor.settings(), "row_count_check": mode}, "broadcasts", fails=mode == "fail")
    # then the window is read again once, and the setting decides
    assert len(vendor.journal) == (1 if mode == "off" else 2)
    again = f"{LOG}{TWO}; read again from its first request"
    if mode == "fail":
        assert run.error == f"{WHERE}{TWO} (read 2 times, 1 received more than once): {REMEDY}"
        assert (run.warnings(), run.states) == ([again], [])
    else:
        notes = "(read 2 times, 1 received more than once)"
        decided = f"{LOG}{TWO} {notes}: the run continues because `row_count_check` is `warn`"
        assert run.warnings() == ([again, decided] if mode == "warn" else [])
        assert [row["id"] for row in run.records("broadcasts")] == [1, 2]
        assert run.bookmarks("broadcasts")[-1] == NEXT_DAY


def test_a_total_that_fits_at_the_second_reading_is_well(run_tap: TapRunner, script: Script) -> None:
    vendor = script.pages(
        script.page(script.airing(1), total=2), script.page(script.airing(1), script.airing(2), total=2)
    )
    run = run_tap({**vendor.settings(), "row_count_check": "fail"}, "broadcasts")
    assert [row["id"] for row in run.records("broadcasts")] == [1, 2]


def test_the_largest_total_of_a_reading_counts(run_tap: TapRunner, script: Script) -> None:
    # given a list that is three rows long at its first page and two at its second, and two rows at the next reading
    vendor = script.pages(
        script.page(script.airing(1), following="/linknumber1", total=3),
        script.page(script.airing(2), total=2),
        script.page(script.airing(1), script.airing(2), total=2),
    )
    # when
    run = run_tap({**vendor.settings(), "row_count_check": "fail"}, "broadcasts")
    # then a list that shrinks costs one more reading
    assert [row["id"] for row in run.records("broadcasts")] == [1, 2]
    assert run.warnings() == [f"{LOG}{TWO}; read again from its first request"]


def test_restarts_for_links_and_for_totals_count_together(run_tap: TapRunner, script: Script) -> None:
    # given a link that expires twice, and then a total that does not fit
    page = script.page(script.airing(1), following="/linknumber1", total=3)
    vendor = script.pages(page, gone(), page, gone(), page, script.page(script.airing(2), total=3))
    # when
    run = run_tap({**vendor.settings(), "row_count_check": "fail"}, "broadcasts", fails=True)
    # then there is no third restart
    assert run.error == f"{WHERE}{TWO} (read 3 times): {REMEDY}"
    assert len(vendor.journal) == 6


@pytest.mark.parametrize("total", [0, 1])
def test_links_without_rows_end(run_tap: TapRunner, script: Script, total: int) -> None:
    # given pages that have no row, or the same row for ever, and always another link
    numbers = iter(range(10**9))
    rows = [script.airing(1)] * total
    vendor = script(lambda _: script.page(*rows, following=f"/linknumber{next(numbers)}", total=total))
    # when
    run = run_tap({**vendor.settings(), "parallel_requests": 1}, "broadcasts", fails=True)
    # then
    assert run.error == (
        f"{WHERE}the list does not end: 3 pages in a row have no new row: report this to the vendor, and deselect the "
        "stream meanwhile"
    )
    assert len(vendor.journal) == 3 + total


def test_links_with_more_rows_than_the_total_end(run_tap: TapRunner, script: Script) -> None:
    # given pages of 100 new rows without an end, and a total of 10
    numbers = iter(range(10**9))

    def answer(_: Request) -> Response:
        number = next(numbers)
        rows = [script.airing(number * 100 + one) for one in range(100)]
        return script.page(*rows, following=f"/linknumber{number}", total=10)

    vendor = script(answer)
    # when
    run = run_tap({**vendor.settings(), "parallel_requests": 1}, "broadcasts", fails=True)
    # then
    assert run.error.startswith(
        f"{WHERE}the list does not end: 1,100 rows were received, and the reported total is 10: "
    )
    assert len(vendor.journal) == 11


@pytest.mark.parametrize(("check", "warned"), [("fail", True), ("off", False)])
def test_pages_without_a_total_are_not_counted(run_tap: TapRunner, script: Script, check: str, *, warned: bool) -> None:
    rows = [[script.airing(1)], [script.airing(2, "2024-06-02T12:00:00Z")]]
    pages = [{"page": {"next": None, "results_total": "1"}, "results": of_window} for of_window in rows]
    vendor = script.pages(*map(Response.json, pages))
    run = run_tap(
        {**vendor.settings(), "end_date": "2024-06-02", "row_count_check": check, "parallel_requests": 1}, "broadcasts"
    )
    assert len(run.records("broadcasts")) == 2
    warning = "stream broadcasts: the response has no `results_total`: missing rows would not be noticed"
    assert run.warnings() == ([warning] if warned else [])


@pytest.mark.parametrize(
    ("page", "error"),
    [
        ({"results_total": 1}, None),
        (
            {"results_total": 3},
            "1 rows read, and the reported total is 3 (read 2 times): ",
        ),
        ({}, "the page object has neither `next` nor `results_total`, so it may be one of several: "),
    ],
)
def test_a_page_without_a_link_is_the_last_only_if_the_total_shows_it(
    run_tap: TapRunner, script: Script, page: dict[str, int], error: str | None
) -> None:
    vendor = script.pages(Response.json({"page": page, "results": [script.airing(1)]}))
    run = run_tap(vendor.settings(), "broadcasts", fails=error is not None)
    assert error is None or run.error.startswith(f"{WHERE}{error}")
    assert run.bookmarks("broadcasts") == ([] if error else ["2024-06-02T00:00:00Z"])
