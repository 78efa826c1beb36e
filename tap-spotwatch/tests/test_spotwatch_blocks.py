"""Breaks by the time of their last change and by their start, and the rows that airings refer to."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.testing import assert_truth, select
from tap_spotwatch.tap import TapSpotwatch
from vendor_simulators.messages import Response
from vendor_simulators.spotwatch import SpotwatchSimulator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from singer_adtech.testing import TapRunner
    from spotwatch_fixtures import Script
    from vendor_simulators.messages import Request
    from vendor_simulators.pytest_plugin import Simulate

    Asked = Callable[[Sequence[Request], str], list[tuple[str | None, str | None]]]

DAY = ("2024-06-01T00:00:00Z", "2024-06-02T00:00:00Z")
NOON = "2024-06-01T12:00:00Z"


@pytest.mark.parametrize(
    ("by", "updated", "start"),
    [("updated", [DAY], []), ("start", [], [DAY]), ("both", [DAY], [DAY]), (None, [DAY], [DAY])],
)
def test_blocks_are_requested_by_the_times_of_the_setting(  # noqa: PLR0913, PLR0917 - a case and its fixtures
    run_tap: TapRunner,
    script: Script,
    asked: Asked,
    by: str | None,
    updated: list[tuple[str, str]],
    start: list[tuple[str, str]],
) -> None:
    vendor = script.pages(script.page())
    run = run_tap({**vendor.settings(), "blocks_by": by}, "blocks")
    assert asked(vendor.journal, "updated") == updated
    assert asked(vendor.journal, "start") == start
    # one STATE per window
    assert run.bookmarks("blocks") == [DAY[1]]


@pytest.mark.parametrize("parallel", [1, 3])
@pytest.mark.parametrize("by", ["updated", "start", "both"])
def test_blocks_that_never_changed_come_by_their_start_only(
    run_tap: TapRunner, simulate: Simulate, by: str, parallel: int
) -> None:
    # given a vendor that stamps blocks only when they change
    vendor = simulate(SpotwatchSimulator(first_day=date(2024, 6, 8), days=4, rows_per_day=80, updated="changed"))
    last = date(2024, 6, 10)
    settings = {**vendor.settings(), "end_date": last.isoformat(), "page_size": 7, "parallel_requests": parallel}
    # when
    run = run_tap({**settings, "blocks_by": by}, "blocks", "block_ads")
    # then
    assert_truth(run, vendor, "blocks", "block_ads", last_day=last, blocks_by=by)
    assert (None in {row["updated"] for row in run.records("blocks")}) is (by != "updated")
    # and no block is written twice because it comes by both
    assert len(run.records("blocks")) == len({row["id"] for row in run.records("blocks")})


def test_a_change_after_the_start_was_read_comes_by_updated(run_tap: TapRunner, simulate: Simulate) -> None:
    # given a first run, after which breaks of two days before change
    vendor = simulate(SpotwatchSimulator(first_day=date(2024, 6, 8), days=5, rows_per_day=60, updated="changed"))
    settings = {**vendor.settings(), "end_date": None}
    first = run_tap(settings, "blocks")
    vendor.restate(days=3)
    state = first.states[-1]
    state["bookmarks"]["blocks"]["replication_key_value"] = "2024-06-13T00:00:00Z"
    # when
    second = run_tap(settings, "blocks", state=state)
    # then
    rows = {row["id"]: row for row in [*first.records("blocks"), *second.records("blocks")]}
    assert [rows[key] for key in sorted(rows)] == vendor.truth("blocks")
    assert {row["program"] for row in second.records("blocks")} >= {"identified 1"}


@pytest.mark.parametrize("parallel", [1, 2])
@pytest.mark.parametrize("broken", ["updated", "start"])
def test_each_of_the_two_readings_is_counted_and_repeated_separately(
    run_tap: TapRunner, script: Script, parallel: int, broken: str
) -> None:
    # given two pages by each time, of which one result has too few rows the first time
    count: dict[str, int] = {}

    def answer(request: Request) -> Response:
        by = "updated" if request.param("updated_from") or request.path.startswith("/updated") else "start"
        if request.params:
            count[by] = count.get(by, 0) + 1
            rows = [{"id": 1 if by == "updated" else 3, "start": NOON, "updated": NOON}]
            return script.page(*rows, following=f"/{by}_page2", total=2)
        if by == broken and count[by] == 1:
            return script.page(total=2)
        return script.page({"id": 2 if by == "updated" else 4, "start": NOON, "updated": NOON}, total=2)

    vendor = script(answer)
    # when
    run = run_tap({**vendor.settings(), "parallel_requests": parallel, "row_count_check": "fail"}, "blocks")
    # then
    assert sorted(row["id"] for row in run.records("blocks")) == [1, 2, 3, 4]
    assert count == {"updated": 1, "start": 1} | {broken: 2}
    window = f"window 2024-06-01T00:00:00+00:00..2024-06-02T00:00:00+00:00 by {broken}"
    problem = "1 rows read, and the reported total is 2; read again from its first request"
    assert run.warnings() == [f"stream blocks: {window}: {problem}"]


@pytest.mark.parametrize("parallel", [1, 2])
def test_an_expired_link_of_the_first_reading_loses_no_page_of_the_second(
    run_tap: TapRunner, script: Script, parallel: int
) -> None:
    expired: list[str] = []

    def answer(request: Request) -> Response:
        if request.param("updated_from"):
            return script.page({"id": 1, "updated": NOON}, following="/linknumber1", total=2)
        if request.params:
            return script.page({"id": 3, "start": NOON}, following="/linknumber2", total=2)
        if request.path == "/linknumber1" and not expired:
            expired.append(request.path)
            return Response.text("Link not found.", 400)
        return script.page({"id": 2 if request.path == "/linknumber1" else 4, "start": NOON}, total=2)

    vendor = script(answer)
    run = run_tap({**vendor.settings(), "parallel_requests": parallel}, "blocks")
    assert sorted(row["id"] for row in run.records("blocks")) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("by", "row", "taken"),
    [
        ("start", {"start": "2024-06-01T00:00:00Z"}, True),
        # a break that began before the window, if the vendor selects by airings
        ("start", {"start": "2024-05-31T23:30:00Z"}, True),
        ("start", {"start": "2024-05-31T22:30:00Z"}, False),
        ("start", {"start": "2024-06-02T00:00:02Z"}, False),
        # a change after the end does not drop a break that started before it
        ("start", {"start": NOON, "updated": "2024-06-05T00:00:00Z"}, True),
        ("updated", {"start": "2024-05-01T00:00:00Z", "updated": NOON}, True),
        ("updated", {"start": NOON, "updated": "2024-06-05T00:00:00Z"}, False),
    ],
)
def test_a_block_belongs_to_the_window_of_the_time_by_which_it_was_requested(
    run_tap: TapRunner, script: Script, by: str, row: dict[str, Any], *, taken: bool
) -> None:
    vendor = script.pages(script.page({"id": 1, **row}))
    run = run_tap({**vendor.settings(), "blocks_by": by}, "blocks", fails=not taken)
    assert [one["id"] for one in run.records("blocks")] == ([1] if taken else [])
    assert taken or "outside of the requested window" in run.error


@pytest.mark.parametrize(
    ("then", "now", "refused"),
    [
        ("updated", "both", "blocks_by updated, now start, updated"),
        ("start", "both", "blocks_by start, now start, updated"),
        ("updated", "start", "blocks_by updated, now start"),
        ("both", "start", None),
        ("both", "both", None),
    ],
)
def test_blocks_by_belongs_to_the_state(
    run_tap: TapRunner, script: Script, then: str, now: str, refused: str | None
) -> None:
    vendor = script.pages(script.page())
    state = run_tap({**vendor.settings(), "blocks_by": then}, "blocks").states[-1]
    run = run_tap({**vendor.settings(), "blocks_by": now}, "blocks", state=state, fails=refused is not None)
    assert refused is None or f"its state was made with {refused}: undo the change" in run.error


@pytest.mark.parametrize(("minutes", "warned"), [(60, True), (1440, False)])
def test_blocks_without_any_change_time_are_warned_of(
    run_tap: TapRunner, script: Script, minutes: int, *, warned: bool
) -> None:
    vendor = script.pages(script.page({"id": 1, "start": NOON}))
    run = run_tap({**vendor.settings(), "blocks_lookback_minutes": minutes}, "blocks")
    expected = (
        f"stream blocks: no break has `updated`: a change is only found if the break started at most "
        f"`blocks_lookback_minutes` ({minutes}) before the bookmark: raise it, for example to 4320"
    )
    assert run.warnings() == ([expected] if warned else [])


def test_broadcasts_that_name_missing_blocks_are_warned_of(run_tap: TapRunner, simulate: Simulate) -> None:
    # given a vendor that stamps blocks only when they change
    vendor = simulate(SpotwatchSimulator(first_day=date(2024, 3, 1), days=2, rows_per_day=60, updated="changed"))
    settings = {**vendor.settings(), "end_date": "2024-03-02"}
    # when blocks are requested by `updated` alone, and by both
    alone = run_tap({**settings, "blocks_by": "updated"}, "blocks", "broadcasts")
    both = run_tap(settings, "blocks", "broadcasts")
    # then: airings of the first hour may be in breaks of earlier runs
    came = {row["id"] for row in alone.records("blocks")}
    named = [row["block"] for row in alone.records("broadcasts") if row["time"] >= "2024-03-01T01:00:00Z"]
    missing = list(dict.fromkeys(block for block in named if block not in came))
    assert len(missing) > 5
    problem = f"{len(missing)} blocks of its airings did not come with the stream blocks, such as {missing[0]}"
    remedy = "the vendor may omit `updated` from them: set `blocks_by` to `both`, and read this range again"
    assert alone.warnings() == [f"stream broadcasts: {problem}: {remedy}"]
    assert both.warnings() == []


@pytest.mark.parametrize(
    ("streams", "without", "settings", "warned"),
    [
        (("ads", "blocks", "broadcasts"), (), {}, ["ads", "blocks"]),
        (("blocks", "broadcasts"), (), {}, ["blocks"]),
        (("ads", "broadcasts"), (), {}, ["ads"]),
        (("broadcasts",), (), {}, []),
        # filters of the other stream explain missing rows, and filters of broadcasts do not
        (("ads", "blocks", "broadcasts"), (), {"blocks_ad_id": [7]}, ["ads"]),
        (("ads", "blocks", "broadcasts"), (), {"ads_brand": ["emma"]}, ["blocks"]),
        (("ads", "blocks", "broadcasts"), (), {"broadcasts_ad_id": [7]}, ["ads", "blocks"]),
        (("ads", "blocks", "broadcasts"), ("block",), {}, ["ads"]),
        # an airing of the first hour of the range
        (("ads", "blocks", "broadcasts"), (), {"start_date": "2024-06-01T11:00:01Z"}, ["ads"]),
    ],
)
def test_references_are_compared_if_both_streams_are_read_whole(  # noqa: PLR0913, PLR0917 - a case and its fixtures
    run_tap: TapRunner,
    script: Script,
    streams: tuple[str, ...],
    without: tuple[str, ...],
    settings: dict[str, Any],
    warned: list[str],
) -> None:
    # given an airing of an ad and a break that never come
    airing = script.airing(1, NOON, ad=7, block=9)
    vendor = script(lambda request: script.page(*([airing] if request.path == "/get-broadcasts" else [])))
    # when
    catalog = select(TapSpotwatch, *streams, without=without)
    run = run_tap({**vendor.settings(), **settings}, catalog=catalog)
    # then
    found = [one for one in run.warnings() if "did not come" in one]
    assert [one.partition("with the stream ")[2].partition(",")[0] for one in found] == warned
