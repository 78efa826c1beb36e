"""How reports are asked for, waited for, read and checked."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from vendor_simulators.messages import Response

if TYPE_CHECKING:
    from singer_adtech.testing import TapRunner
    from springserve_fixtures import Script, Scripted
    from vendor_simulators.messages import Request

ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
MINE: dict[str, Any] = {"name": "mine", "dimensions": ["supply_tag_id"], "metrics": ["revenue"]}


def row(number: int = 1, revenue: Any = "1.50", date: str = "2026-02-01 00:00:00", **more: Any) -> dict[str, Any]:
    return {"date": date, "supply_tag_id": number, "supply_tag_name": f"Tag {number}", "revenue": revenue, **more}


def complete(*rows: Any, **more: Any) -> dict[str, Any]:
    """Make the answer of a report that is complete, with one page."""
    told = {"page": 1, "total_pages": 1, "total_rows": len(rows)}
    return {"status": "COMPLETE", "report_id": ID, **told, "data": list(rows), **more}


def waiting(status: str = "QUEUED") -> dict[str, Any]:
    return {"status": status, "report_id": ID}


def one_day(vendor: Scripted, *reports: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return settings for the first day only."""
    return {**vendor.settings(), "end_date": "2026-02-01", "reports": list(reports or (MINE,)), **more}


def bodies(vendor: Scripted) -> list[dict[str, Any]]:
    """Return the bodies of all report requests."""
    return [request.json() for request in vendor.data_requests]


# ---------------------------------------------------------------------------------------------------- the request


def test_a_report_is_asked_for_with_its_zone_and_filters_at_the_top(run_tap: TapRunner, script: Script) -> None:
    # Given a report with everything a report may have, and an account
    report = {
        **MINE,
        "interval": "day",
        "filters": {"supply_types": ["Syndicated"], "supply_tag_ids": [3, 1]},
        "currency": "EUR",
        "time_zone": "Europe/Berlin",
    }
    vendor = script.answers(complete(row()))
    # When it is read
    run_tap(one_day(vendor, report, account_id=391), "mine")
    # Then the request is this one, and none that says less
    (request,) = vendor.data_requests
    assert (request.method, request.path, request.params) == ("POST", "/api/v0/report", [])
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["x-auth-context"] == "391"
    assert request.json() == {
        "start_date": "2026-02-01",
        "end_date": "2026-02-01",
        "interval": "day",
        "timezone": "Europe/Berlin",
        "dimensions": ["supply_tag_id"],
        "metrics": ["revenue"],
        "supply_types": ["Syndicated"],
        "supply_tag_ids": [3, 1],
        "currency": "EUR",
        "account_id": 391,
        "report_service": True,
        "async": True,
    }


def test_metrics_are_left_out_and_dimensions_are_empty_where_there_are_none(run_tap: TapRunner, script: Script) -> None:
    vendor = script.answers(complete({"date": "2026-02-01 00:00:00", "revenue": 1}))

    run = run_tap(one_day(vendor, {"name": "mine"}), "mine")

    (body,) = bodies(vendor)
    assert ("metrics" in body, body["dimensions"]) == (False, [])
    assert run.records("mine") == [{"date": "2026-02-01", "_extra": {"revenue": 1}}]


def test_the_default_reports_are_these_two(run_tap: TapRunner, script: Script) -> None:
    vendor = script(lambda _: Response.json([]))

    run_tap({**vendor.settings(), "end_date": "2026-02-01"}, "supply_daily", "demand_daily")

    # Each is requested twice, because an empty array is not what such a report is documented to be.
    demand, _, supply, _ = bodies(vendor)
    assert supply["dimensions"] == ["supply_tag_id"]
    assert demand["dimensions"] == ["demand_tag_id"]
    assert " ".join(supply["metrics"]) == (
        "total_requests usable_requests blocked_requests impressions clicks revenue cost profit fill_rate"
    )
    assert " ".join(demand["metrics"]) == "impressions clicks revenue cost profit fill_rate click_through_rate"


# -------------------------------------------------------------------------------------------------------- the job


@pytest.mark.parametrize("passes", [True, False])
def test_an_empty_array_is_not_a_page_of_a_report_with_a_name(
    run_tap: TapRunner, script: Script, *, passes: bool
) -> None:
    # Given a report of two pages, the second of which is an empty array, as a gateway sends it
    first, second = (complete(row(number), page=number, total_pages=2, total_rows=2) for number in (1, 2))
    vendor = script.answers(first, *([[], second] if passes else [[]] * 8))
    # When it is read
    run = run_tap(one_day(vendor), "mine", fails=not passes)
    # Then the page is requested again like any broken body
    assert len(run.records("mine")) == (2 if passes else 0)
    assert len(vendor.data_requests) == (3 if passes else 9)
    if not passes:
        assert "the response is a bare array, and earlier ones were objects with totals (tried 8 times)" in run.error


def test_polls_and_pages_repeat_the_body_with_the_name_of_the_report(run_tap: TapRunner, script: Script) -> None:
    # Given a report that is queued, built, and has three pages
    pages = [complete(row(number), page=number, total_pages=3, total_rows=3) for number in (1, 2, 3)]
    vendor = script.answers(waiting(), waiting("BUILDING"), *pages)
    # When it is read
    run = run_tap(one_day(vendor, row_count_check="fail"), "mine")
    # Then every request has the same body; polls add `report_id`, pages `page` as well
    first, *others = bodies(vendor)
    assert [{name: one[name] for name in one if name not in first} for one in others] == [
        {"report_id": ID},
        {"report_id": ID},
        {"report_id": ID, "page": 2},
        {"report_id": ID, "page": 3},
    ]
    assert all({name: one[name] for name in first} == first for one in others)
    assert [one for one in run.clock.slept if one == 7] == [7, 7]
    assert [record["supply_tag_id"] for record in run.records("mine")] == [1, 2, 3]


def test_without_a_number_of_pages_an_empty_page_ends_the_report(run_tap: TapRunner, script: Script) -> None:
    first = {"status": "COMPLETE", "report_id": ID, "data": [row(1)]}
    vendor = script.answers(first, {**first, "data": [row(2)]}, {**first, "data": []})

    run = run_tap(one_day(vendor), "mine")

    assert [one.get("page") for one in bodies(vendor)] == [None, 2, 3]
    assert len(run.records("mine")) == 2


@pytest.mark.parametrize("second", [complete(row(1), page=1, total_pages=2), complete(row(1), page=2, total_pages=2)])
def test_a_vendor_that_ignores_the_page_ends_the_run(
    run_tap: TapRunner, script: Script, second: dict[str, Any]
) -> None:
    vendor = script.answers(complete(row(1), total_pages=2, total_rows=2), second)

    run = run_tap(one_day(vendor), "mine", fails=True)

    assert "page 2 of the report was requested, and another was returned" in run.error


@pytest.mark.parametrize("more", [{"status": "COMPLETE"}, {}])
def test_pages_without_a_report_id_are_requested_by_number(
    run_tap: TapRunner, script: Script, more: dict[str, Any]
) -> None:
    # Given two of three pages, and the second one again, without `report_id`
    first, second = ({**more, "page": number, "total_pages": 3, "data": [row(number)]} for number in (1, 2))
    vendor = script.answers(first, second, {**second, "page": 3})

    run = run_tap(one_day(vendor), "mine", fails=True)

    assert [(one.get("report_id"), one.get("page")) for one in bodies(vendor)] == [(None, None), (None, 2), (None, 3)]
    assert "page 3 of the report was requested, and another was returned" in run.error
    assert run.records("mine") == []


def test_pages_of_a_report_that_come_round_and_round_end_the_run(run_tap: TapRunner, script: Script) -> None:
    def answer(request: Request) -> Response:
        number = request.json().get("page", 1)
        return Response.json(complete(row(number % 2), page=number, total_pages=10**12, total_rows=2))

    vendor = script(answer)

    run = run_tap(one_day(vendor), "mine", fails=True)

    assert "the list does not end: 3 pages in a row have no new row: check the report's dimensions" in run.error
    assert len(vendor.data_requests) == 5


def test_a_page_without_rows_ends_the_run(run_tap: TapRunner, script: Script) -> None:
    second = {"status": "COMPLETE", "report_id": ID, "page": 2, "total_pages": 2}
    vendor = script.answers(complete(row(1), total_pages=2), second)

    run = run_tap(one_day(vendor), "mine", fails=True)

    assert "page 2 of 2 of the report has no `data`" in run.error
    assert run.records("mine") == []


def test_what_the_vendor_says_of_an_unknown_status_is_repeated(run_tap: TapRunner, script: Script) -> None:
    vendor = script.answers({**waiting("ERROR"), "error": "Too many rows"})

    run = run_tap(one_day(vendor), "mine", fails=True)

    assert 'the report has the unknown status ERROR ("Too many rows"): QUEUED, BUILDING and COMPLETE' in run.error


@pytest.mark.parametrize("word", ["FAILED", "complete", "ERROR: too many rows"])
def test_any_other_status_ends_the_run_and_is_named(run_tap: TapRunner, script: Script, word: str) -> None:
    vendor = script.answers(waiting(), waiting(word))

    run = run_tap(one_day(vendor), "mine", fails=True)

    assert f"stream mine, window 2026-02-01..2026-02-01: the report has the unknown status {word}" in run.error
    assert run.records("mine") == []


def test_a_report_that_takes_too_long_ends_the_run(run_tap: TapRunner, script: Script) -> None:
    vendor = script(lambda _: Response.json(waiting("BUILDING")))

    run = run_tap(one_day(vendor, report_timeout=20, report_requests_per_minute=1000), "mine", fails=True)

    assert run.clock.slept == [7, 7, 6]
    assert run.error == (
        "stream mine, window 2026-02-01..2026-02-01: no result within 20 s (last status BUILDING): raise "
        "`report_timeout`, or request less at a time"
    )


def test_a_forgotten_report_is_asked_for_anew_twice_at_most(run_tap: TapRunner, script: Script) -> None:
    # Given a vendor that forgets each report at its first poll
    def answer(request: Request) -> Response:
        if "report_id" in request.json():
            return Response.json({"error": "Not Found"}, 404)
        return Response.json(waiting())

    vendor = script(answer)
    # When it is read
    run = run_tap(one_day(vendor), "mine", fails=True)
    # Then it is asked for three times in all, and nothing is emitted
    assert len([one for one in bodies(vendor) if "report_id" not in one]) == 3
    assert run.error == (
        f"stream mine, window 2026-02-01..2026-02-01: the vendor no longer knows report_id {ID} (tried 3 times): "
        "run again later"
    )


def test_a_report_forgotten_between_two_pages_is_read_anew(run_tap: TapRunner, script: Script) -> None:
    gone = Response.json({"error": "Not Found"}, 404)
    vendor = script.answers(
        complete(row(1), total_pages=2, total_rows=2),
        gone,
        complete(row(1, "2.00"), total_pages=2, total_rows=2),
        complete(row(2), page=2, total_pages=2, total_rows=2),
    )

    run = run_tap(one_day(vendor, row_count_check="fail"), "mine")

    assert [record["revenue"] for record in run.records("mine")] == [Decimal("2.00"), Decimal("1.50")]


def test_a_404_to_the_report_itself_ends_the_run(run_tap: TapRunner, script: Script) -> None:
    vendor = script(lambda _: Response.json({"error": "Not Found"}, 404))

    run = run_tap(one_day(vendor), "mine", fails=True)

    assert "/api/v0/report does not exist in this account or host" in run.error
    assert len(vendor.data_requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        [row()],
        {"data": [row()]},
        complete(row()),
    ],
)
def test_a_report_that_is_not_asynchronous_may_have_three_shapes(
    run_tap: TapRunner, script: Script, answer: Any
) -> None:
    # The figures of today change between two requests.
    vendor = script.answers(answer, [row(revenue="1.60")])

    run = run_tap(one_day(vendor, {**MINE, "async": False}), "mine")

    assert [record["revenue"] for record in run.records("mine")] == [Decimal("1.50")]
    assert bodies(vendor)[0]["async"] is False


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"report": []}, "expected rows, or an object with `status` and `report_id`"),
        ("rows", "expected rows, or an object with `status` and `report_id`"),
        ({"status": "QUEUED"}, "no `report_id`"),
        ({"status": "COMPLETE", "report_id": ID}, "no `data`"),
        (
            {"status": "COMPLETE", "report_id": ID, "data": [3], "total_pages": 1},
            "a row is a JSON number instead of an object",
        ),
    ],
)
def test_an_unexpected_shape_ends_the_run_and_says_what_was_expected(
    run_tap: TapRunner, script: Script, answer: Any, words: str
) -> None:
    vendor = script.answers(answer)

    run = run_tap(one_day(vendor), "mine", fails=True)

    assert words in run.error
    assert "stream mine, window 2026-02-01..2026-02-01" in run.error


def test_reports_are_read_strictly_one_at_a_time(run_tap: TapRunner, script: Script) -> None:
    vendor = script(lambda _: Response.json(complete()))

    run_tap({**vendor.settings(), "parallel_requests": 8, "window_days": 1}, "supply_daily", "demand_daily")

    assert len(vendor.data_requests) == 20
    assert vendor.journal.concurrency("/api/v0/report") == 1
