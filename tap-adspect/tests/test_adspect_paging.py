"""Pages: never past the last one, wherever the vendor says which that is, and where it does not say it at all."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from vendor_simulators.adspect import AdspectSimulator
from vendor_simulators.faults import Fault
from vendor_simulators.messages import Response

if TYPE_CHECKING:
    from adspect_fixtures import Script
    from singer_adtech.testing import TapRunner
    from vendor_simulators.messages import Request
    from vendor_simulators.pytest_plugin import Simulate

HEAD = "HEAD /v1/streams?per-page=100"


def get(page: int, size: int = 100) -> str:
    """Spell the request of a page."""
    return f"GET /v1/streams?page={page}&per-page={size}"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # 200 streams at 100 a page are two pages
        ({}, [get(1), get(2)]),
        ({"totals": "head"}, [get(1), HEAD, get(2)]),
        # Nobody says how many: read on until a page repeats, is empty, or is not there
        ({"totals": "none"}, [get(1), HEAD, get(2), get(3)]),
        ({"totals": "none", "past_end": "empty"}, [get(1), HEAD, get(2), get(3)]),
        ({"totals": "none", "past_end": "not_found"}, [get(1), HEAD, get(2), get(3)]),
        ({"totals": "head_404"}, [get(1), HEAD, get(2), get(3)]),
        ({"totals": "head_405"}, [get(1), HEAD, get(2), get(3)]),
        # Also after a short page: the vendor may allow fewer items per page
        ({"totals": "none", "streams": 150}, [get(1), HEAD, get(2), get(3)]),
        ({"totals": "none", "streams": 100, "past_end": "repeat"}, [get(1), HEAD, get(2)]),
        ({"streams": 100}, [get(1)]),
        ({"streams": 101}, [get(1), get(2)]),
        ({"streams": 99, "totals": "head"}, [get(1), HEAD]),
    ],
    ids=str,
)
def test_pages(run_tap: TapRunner, simulate: Simulate, options: dict[str, Any], expected: list[str]) -> None:
    simulator = simulate(AdspectSimulator(days=1, **options))
    run = run_tap({**simulator.settings(), "row_count_check": "fail"}, "streams")
    assert [f"{request.method} {request.target}" for request in simulator.journal] == expected
    assert run.by_key("streams", "stream_id") == simulator.truth("streams")
    assert simulator.violations == []


def test_an_account_without_streams(run_tap: TapRunner, script: Script) -> None:
    # Given no page at all
    headers = [("X-Pagination-Total-Count", "0"), ("X-Pagination-Page-Count", "0")]
    vendor = script(lambda _: Response.json([], headers=headers))
    run = run_tap({**vendor.settings(), "row_count_check": "fail"}, "streams")
    assert run.records("streams") == []
    assert len(vendor.journal) == 1


def listed(*names: str, total: int | None = None, pages: int | None = None) -> Response:
    """Make a page of streams of which the names are the ids."""
    headers = [("X-Pagination-Total-Count", str(total))] if total is not None else []
    headers += [("X-Pagination-Page-Count", str(pages))] if pages is not None else []
    return Response.json([{"stream_id": name} for name in names], headers=headers)


def test_a_stream_that_moves_to_the_next_page_is_emitted_once(run_tap: TapRunner, script: Script) -> None:
    # Given a rename between two pages, by which `b` comes again and `d` is never seen
    pages = {"1": listed("a", "b", total=4, pages=2), "2": listed("b", "c", total=4, pages=2)}
    vendor = script(lambda request: pages[request.param("page") or ""])
    run = run_tap({**vendor.settings(), "page_size": 2, "row_count_check": "warn"}, "streams")
    assert [record["stream_id"] for record in run.records("streams")] == ["a", "b", "c"]
    where = "stream streams: 3 rows read, and the reported total is 4"
    assert run.warnings() == [
        f"{where}; read again from its first request",
        f"{where} (read 2 times, 1 received more than once): the run continues because `row_count_check` is `warn`",
    ]


@pytest.mark.parametrize(("mode", "fails"), [("fail", True), ("warn", False), ("off", False)])
def test_the_total_is_held_against_the_ids_read(
    run_tap: TapRunner,
    script: Script,
    mode: str,
    fails: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    vendor = script(lambda _: listed("a", "a", total=2, pages=1))
    run = run_tap({**vendor.settings(), "row_count_check": mode}, "streams", fails=fails)
    assert ("1 rows read, and the reported total is 2" in run.error) is fails
    assert len([one for one in run.warnings() if "total is 2" in one]) == {"fail": 1, "warn": 2, "off": 0}[mode]


def test_a_total_without_a_number_of_pages_is_enough(run_tap: TapRunner, script: Script) -> None:
    pages = {"1": listed("a", "b", total=3), "2": listed("c", total=3)}
    vendor = script(lambda request: pages[request.param("page") or ""])
    run = run_tap({**vendor.settings(), "page_size": 2, "row_count_check": "fail"}, "streams")
    assert [record["stream_id"] for record in run.records("streams")] == ["a", "b", "c"]
    assert len(vendor.journal) == 2


@pytest.mark.parametrize("pages", [10**12, None])
def test_a_list_that_begins_again_and_again_ends(run_tap: TapRunner, script: Script, pages: int | None) -> None:
    # Given full pages that come round and round, of which the vendor reports far more than there are, or no number
    def answer(request: Request) -> Response:
        number = int(request.param("page") or 0) % 3
        return listed(f"{number}a", f"{number}b", pages=pages)

    vendor = script(answer)
    # When
    run = run_tap({**vendor.settings(), "page_size": 2}, "streams", fails=True)
    # Then
    assert run.error.startswith("stream streams: the list does not end: 3 pages in a row have no new row: ")
    assert len([request for request in vendor.journal if request.method == "GET"]) == 6


def test_a_page_that_must_be_there_fails_the_run(run_tap: TapRunner, simulate: Simulate) -> None:
    # Given two pages, the second of which is answered with 404
    simulator = simulate(AdspectSimulator(days=1))
    simulator.faults.add(Fault(path="/v1/streams", params={"page": 2}, status=404, times=None))
    run = run_tap(simulator.settings(), "streams", fails=True)
    assert run.error == "stream streams: HTTP 404 Not Found: /streams was not found: check `api_url`"
    assert len(simulator.journal) == 2


@pytest.mark.parametrize("body", ['{"list": []}', '"x"', "null", "7", '{"items": {"a": 1}}'])
@pytest.mark.parametrize("stream", ["streams", "saved_queries", "account_ip_lists"])
def test_another_body_fails_the_run(run_tap: TapRunner, script: Script, stream: str, body: str) -> None:
    vendor = script.body(body)
    run = run_tap(vendor.settings(), stream, fails=True)
    assert "the response is neither an array nor an object with `items`" in run.error


def test_a_list_of_something_else_fails_the_run(run_tap: TapRunner, script: Script) -> None:
    run = run_tap(script.body('["x"]').settings(), "streams", fails=True)
    assert "a list contains an item that is not an object" in run.error


def test_a_list_of_addresses_of_a_stream_that_is_gone_is_skipped(run_tap: TapRunner, script: Script) -> None:
    # Given three streams, the second of which is deleted after the list of streams was read
    lists = iter((listed("a", "b/1", "c", total=3, pages=1), listed("a", "c", total=2, pages=1)))

    def answer(request: Request) -> Response:
        if request.path == "/v1/streams":
            return next(lists)
        if "b/1" in request.path:
            return Response.json({"message": "gone"}, 404)
        return Response.json(["192.0.2.1", "192.0.2.1", 65536])

    vendor = script(answer)
    run = run_tap(vendor.settings(), "stream_ip_lists")
    assert [(one["stream_id"], one["list_type"], one["entry"]) for one in run.records("stream_ip_lists")] == [
        (stream, kind, entry)
        for stream in "ac"
        for kind in ("blacklist", "whitelist")
        for entry in ("192.0.2.1", "65536")
    ]
    assert run.records("streams") == []
    assert run.warnings() == ["stream stream_ip_lists: stream_id b/1 is gone: skipped"]
    assert [request.target for request in vendor.journal if "b" in request.target.rsplit("/", 1)[0]] == [
        "/v1/streams/b%2F1/ip-blacklist"
    ]
    assert len([one for one in run.messages if one["type"] == "SCHEMA"]) == 1


@pytest.mark.parametrize("lasting", [False, True])
def test_lists_of_addresses_that_are_not_found_although_their_stream_is_there(
    run_tap: TapRunner, simulate: Simulate, *, lasting: bool
) -> None:
    simulator = simulate(AdspectSimulator(days=1, streams=3))
    simulator.faults.add(Fault(path="/v1/streams/*/ip-*", nth=3, times=None if lasting else 1, status=404))
    run = run_tap(simulator.settings(), "streams", "stream_ip_lists")
    # The lists are requested again; what is not found then is skipped with a warning.
    assert len(run.records("streams")) == 3
    assert len([one for one in run.warnings() if "was not found twice, although it is still listed" in one]) == (
        2 if lasting else 0
    )
    if not lasting:
        assert len(run.by_key("stream_ip_lists", "stream_id", "list_type", "entry")) == len(
            simulator.truth("stream_ip_lists")
        )


def test_windows_are_read_side_by_side_if_asked(run_tap: TapRunner, script: Script) -> None:
    # Given a vendor that does not answer before three requests wait for it
    three = threading.Barrier(3, timeout=10)

    def answer(request: Request) -> Response:
        three.wait()
        day = (int(request.param("date_from") or 0) - 1743120000) // 86400
        return Response.text(json.dumps([f"2025-03-{28 + day}", "5"]))

    vendor = script(answer)
    report = {"name": "daily", "dimensions": ["date"], "metrics": ["clicks"]}
    given = {"window_days": 1, "end_date": "2025-03-30", "reports": [report], "parallel_requests": 3}
    run = run_tap({**vendor.settings(), **given}, "daily")
    assert [record["date"] for record in run.records("daily")] == ["2025-03-28", "2025-03-29", "2025-03-30"]
