"""What becomes of a report's rows, and what ends the run before any of them is emitted."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from vendor_simulators.messages import Response

if TYPE_CHECKING:
    from singer_adtech.testing import TapRunner
    from springserve_fixtures import Script, Scripted

ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
MINE: dict[str, Any] = {"name": "mine", "dimensions": ["supply_tag_id"], "metrics": ["revenue"]}


def row(number: int = 1, revenue: Any = "1.50", date: str = "2026-02-01 00:00:00", **more: Any) -> dict[str, Any]:
    return {"date": date, "supply_tag_id": number, "supply_tag_name": f"Tag {number}", "revenue": revenue, **more}


def complete(*rows: Any, **more: Any) -> dict[str, Any]:
    """Make the answer of a report that is complete, with one page."""
    told = {"page": 1, "total_pages": 1, "total_rows": len(rows)}
    return {"status": "COMPLETE", "report_id": ID, **told, "data": list(rows), **more}


def one_day(vendor: Scripted, *reports: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return settings for the first day only."""
    return {**vendor.settings(), "end_date": "2026-02-01", "reports": list(reports or (MINE,)), **more}


@pytest.mark.parametrize("date", ["2026-02-01 00:00:00", "2026-02-01 00:00:00.0", "2026-02-01", "2026-02-01T00:00:00Z"])
def test_a_day_is_emitted_as_a_date(run_tap: TapRunner, script: Script, date: str) -> None:
    vendor = script.answers(complete(row(date=date)))

    assert run_tap(one_day(vendor), "mine").records("mine") == [
        {
            "date": "2026-02-01",
            "supply_tag_id": 1,
            "supply_tag_name": "Tag 1",
            "revenue": Decimal("1.50"),
            "_extra": None,
        }
    ]


def test_an_hour_is_emitted_as_a_date_time_in_utc(run_tap: TapRunner, script: Script) -> None:
    rows = [row(date="2026-02-01 13:00:00.0"), row(date="2026-02-01 14:00:00")]
    vendor = script.answers(complete(*rows))

    run = run_tap(one_day(vendor, {**MINE, "interval": "hour"}), "mine")

    assert [one["date"] for one in run.records("mine")] == ["2026-02-01T13:00:00+00:00", "2026-02-01T14:00:00+00:00"]
    assert run.bookmarks("mine")[-1] == "2026-02-01T00:00:00+00:00"
    schema = next(one for one in run.messages if one["type"] == "SCHEMA")["schema"]["properties"]
    assert schema["date"]["format"] == "date-time"


@pytest.mark.parametrize("zone", ["Z", "+00:00", "+0000"])
def test_an_hour_may_name_the_zone_that_was_asked_for(run_tap: TapRunner, script: Script, zone: str) -> None:
    vendor = script.answers(complete(row(date=f"2026-02-01T13:00:00{zone}")))

    run = run_tap(one_day(vendor, {**MINE, "interval": "hour"}), "mine")

    assert [one["date"] for one in run.records("mine")] == ["2026-02-01T13:00:00+00:00"]


@pytest.mark.parametrize("zone", ["+05:00", "-0030"])
def test_an_hour_of_another_zone_ends_the_run(run_tap: TapRunner, script: Script, zone: str) -> None:
    vendor = script.answers(complete(row(date=f"2026-02-01T13:00:00{zone}")))

    run = run_tap(one_day(vendor, {**MINE, "interval": "hour"}), "mine", fails=True)

    assert f"a row has the date 2026-02-01T13:00:00{zone}, which is not in UTC" in run.error
    assert run.records("mine") == []


def test_a_cumulative_row_gets_the_days_of_its_window(run_tap: TapRunner, script: Script) -> None:
    sent = {"supply_tag_id": 1, "revenue": 3}
    vendor = script(lambda _: Response.json(complete(sent)))

    settings = {**vendor.settings(), "reports": [{**MINE, "interval": "cumulative"}]}
    run = run_tap(settings, "mine")

    assert [(one["date"], one["end_date"]) for one in run.records("mine")] == [
        ("2026-02-01", "2026-02-07"),
        ("2026-02-08", "2026-02-10"),
    ]


@pytest.mark.parametrize("sent", ["soon", None, 20260201])
def test_a_row_without_a_day_ends_the_run(run_tap: TapRunner, script: Script, sent: Any) -> None:
    vendor = script.answers(complete(row(), {**row(2), "date": sent}))

    run = run_tap(one_day(vendor), "mine", fails=True)

    assert run.error.startswith("stream mine, window 2026-02-01..2026-02-01: a row has an invalid date ")
    assert run.records("mine") == []


@pytest.mark.parametrize("sent", ["2026-01-31 23:00:00", "2026-02-02 00:00:00"])
def test_a_row_dated_outside_of_the_window_ends_the_run(run_tap: TapRunner, script: Script, sent: Any) -> None:
    vendor = script.answers(*[complete(row(), {**row(2), "date": sent})] * 2)

    run = run_tap(one_day(vendor), "mine", fails=True)

    # The job was run again; the message says no more of the row than its day.
    assert len(vendor.data_requests) == 2
    assert run.error.startswith(
        f"stream mine, window 2026-02-01..2026-02-01: the response has a row of {sent[:10]}, outside of the requested "
        "window: "
    )
    assert run.records("mine") == []


def test_a_row_without_a_dimension_ends_the_run(run_tap: TapRunner, script: Script) -> None:
    vendor = script.answers(complete({"date": "2026-02-01", "revenue": 1}))

    run = run_tap(one_day(vendor), "mine", fails=True)

    assert "a row does not contain the requested dimension `supply_tag_id`" in run.error


def test_a_metric_that_no_row_has_is_one_warning(run_tap: TapRunner, script: Script) -> None:
    def answer(request: Any) -> Response:
        day = request.json()["start_date"]
        return Response.json(complete(row(1, date=day, new=1), row(2, date=day, new=1)))

    vendor = script(answer)
    report = {**MINE, "metrics": ["revenue", "wins"]}

    run = run_tap({**vendor.settings(), "reports": [report], "window_days": 2}, "mine")

    assert [one for one in run.warnings() if "wins" in one] == [
        "stream mine: window 2026-02-01..2026-02-02: no row has the requested metric `wins`"
    ]
    assert {one["wins"] for one in run.records("mine")} == {None}
    assert [one for one in run.warnings() if "`new`" in one] == [
        "stream mine: The field `new` is not in the schema: kept in `_extra`"
    ]


@pytest.mark.parametrize(
    ("dimension", "sent", "emitted"),
    [
        ("supply_tag_id", None, 0),
        ("supply_tag_id", "12", 12),
        ("supply_type", None, ""),
        ("supply_type", "Outstream", "Outstream"),
        ("device_model", 12, "12"),
    ],
)
def test_null_dimensions_become_values_that_a_key_may_have(
    run_tap: TapRunner, script: Script, dimension: str, sent: Any, emitted: Any
) -> None:
    vendor = script.answers(complete({"date": "2026-02-01", dimension: sent, "revenue": 1}))

    run = run_tap(one_day(vendor, {**MINE, "dimensions": [dimension]}), "mine")

    assert run.records("mine")[0][dimension] == emitted
    assert next(one for one in run.messages if one["type"] == "SCHEMA")["key_properties"] == ["date", dimension]


def test_two_equal_rows_are_one_with_a_warning(run_tap: TapRunner, script: Script) -> None:
    vendor = script.answers(complete(row(), row()))

    run = run_tap(one_day(vendor, row_count_check="fail"), "mine")

    # The vendor's total counts both.
    assert len(run.records("mine")) == 1
    assert run.warnings() == [
        "stream mine: Ignored a duplicate row (date '2026-02-01', supply_tag_id 1)",
    ]


def test_two_different_rows_of_one_key_end_the_run(run_tap: TapRunner, script: Script) -> None:
    vendor = script.answers(complete(row(), row(revenue="9")))

    run = run_tap(one_day(vendor), "mine", fails=True)

    assert "two different rows have the same key" in run.error
    assert run.records("mine") == []


def test_keys_of_a_users_own(run_tap: TapRunner, script: Script) -> None:
    vendor = script.answers(complete(row()))

    run = run_tap(one_day(vendor, {**MINE, "primary_keys": ["date", "supply_tag_name"]}), "mine")

    schema = next(one for one in run.messages if one["type"] == "SCHEMA")
    assert schema["key_properties"] == ["date", "supply_tag_name"]


@pytest.mark.parametrize(("mode", "fails"), [("fail", True), ("warn", False), ("off", False)])
def test_rows_are_held_against_the_total_before_any_is_emitted(
    run_tap: TapRunner, script: Script, mode: str, *, fails: bool
) -> None:
    vendor = script.answers(*[complete(row(1), row(2), total_rows=3)] * 2)

    run = run_tap(one_day(vendor, row_count_check=mode), "mine", fails=fails)

    # The job was run again, and the setting decides.
    assert len(vendor.data_requests) == (1 if mode == "off" else 2)
    words = "2 rows read, and the reported total is 3 (read 2 times)"
    assert (words in run.error, any(words in one for one in run.warnings())) == (fails, mode == "warn")
    assert (len(run.records("mine")), len(run.bookmarks("mine")) > 0) == ((0, False) if fails else (2, True))


def test_half_a_window_is_never_emitted(run_tap: TapRunner, script: Script) -> None:
    # Given a report whose second page is refused
    vendor = script.answers(complete(row(1), total_pages=2), Response.json({"error": "no"}, 400))

    run = run_tap(one_day(vendor), "mine", fails=True)

    assert run.records("mine") == []
    assert run.bookmarks("mine") == []
