"""Assumptions about rows that the vendor's document leaves open: a warning or an error if one is wrong."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from tap_spotwatch.checks import ENOUGH
from vendor_simulators.spotwatch import SpotwatchSimulator

if TYPE_CHECKING:
    from singer_adtech.testing import TapRunner
    from spotwatch_fixtures import Script
    from vendor_simulators.messages import Request, Response
    from vendor_simulators.pytest_plugin import Simulate

MIDNIGHT, NOON = "2024-06-02T00:00:00Z", "2024-06-01T12:00:00Z"


@pytest.mark.parametrize("stream", ["ads", "broadcasts", "blocks"])
def test_an_overlap_reads_the_rows_at_borders_if_both_bounds_are_exclusive(
    run_tap: TapRunner, simulate: Simulate, stream: str
) -> None:
    # given days that begin with a row at midnight
    vendor = simulate(SpotwatchSimulator(days=4, rows_per_day=25, bounds="exclusive"))
    given = {**vendor.settings(), "start_date": "2024-02-29", "end_date": "2024-03-05", "page_size": 6}
    # when
    run = run_tap({**given, "window_overlap_seconds": 1}, stream)
    # then each row is written once
    first, last = dt.date(2024, 2, 29), dt.date(2024, 3, 5)
    assert run.by_key(stream, "id") == vendor.truth(stream, first_day=first, last_day=last)
    assert len(run.records(stream)) == len({row["id"] for row in run.records(stream)})
    # and without an overlap, airings at midnight are missing
    assert stream != "broadcasts" or not [
        row for row in run_tap(given, stream).records(stream) if row["time"][11:] == "00:00:00Z"
    ]


@pytest.mark.parametrize(
    ("near", "at", "warned"), [(ENOUGH, 0, True), (ENOUGH - 1, 0, False), (ENOUGH, 1, False), (0, 0, False)]
)
@pytest.mark.parametrize("second", ["2024-06-01T23:59:59Z", "2024-06-02T00:00:01Z"])
def test_borders_without_rows_are_warned_of(  # noqa: PLR0913 - a case and its fixtures
    run_tap: TapRunner, script: Script, near: int, at: int, second: str, *, warned: bool
) -> None:
    # given airings in a second next to midnight, and perhaps one at midnight
    times = [*[second] * near, *[MIDNIGHT] * at, NOON]
    first = [script.airing(number, time) for number, time in enumerate(times)]
    vendor = script.pages(script.page(*first), script.page())
    # when
    run = run_tap({**vendor.settings(), "end_date": "2024-06-02", "parallel_requests": 1}, "broadcasts")
    # then
    warning = (
        f"stream broadcasts: {near} rows in the seconds before and after the borders of windows, but none at a border: "
        "both bounds may be exclusive; set `window_overlap_seconds` to 1, and read this range again"
    )
    assert run.warnings() == ([warning] if warned else [])


TIMES = {"ads": "lastseen", "broadcasts": "time", "blocks": "updated"}
ROWS = [{"id": 7, "region": "de", "channel": "vox"}, {"id": 7, "region": "de", "channel": "rtl"}]


@pytest.mark.parametrize("stream", ["broadcasts", "blocks"])
@pytest.mark.parametrize("apart", [False, True])
def test_two_channels_with_one_id_fail_the_stream_unless_they_are_in_the_key(
    run_tap: TapRunner, script: Script, stream: str, *, apart: bool
) -> None:
    # given rows of two channels with one id, in one window or in two
    def answer(request: Request) -> Response:
        day = next(value for name, value in request.params if name.endswith("_from"))
        rows = {"01": ROWS[:1] if apart else ROWS, "03": ROWS[1:] if apart else []}.get(day[8:10], [])
        return script.page(*({**row, TIMES[stream]: day} for row in rows))

    vendor = script(answer)
    settings = {**vendor.settings(), "end_date": "2024-06-03", "parallel_requests": 1}
    # when
    run = run_tap(settings, stream, fails=True)
    # then
    assert run.error == (
        f"stream {stream}: two rows have the id 7 and different region or channel: de vox and de rtl: set "
        "`channel_in_key`, so that region and channel are parts of the key, and read everything again"
    )
    assert len(run.records(stream)) == int(apart)
    # and with the setting both are written, with a schema and a state that show it
    run = run_tap({**settings, "channel_in_key": True}, stream)
    assert sorted(row["channel"] for row in run.records(stream)) == ["rtl", "vox"]
    schema = next(one for one in run.messages if one["type"] == "SCHEMA")
    assert schema["key_properties"] == ["id", "region", "channel"]
    assert schema["schema"]["properties"]["channel"]["type"] == ["string"]
    assert run.states[-1]["bookmarks"][stream]["channel_in_key"] is True


def test_ads_of_breaks_have_the_key_of_their_breaks(run_tap: TapRunner, script: Script) -> None:
    vendor = script.pages(script.page(*({**row, "ads": [{"id": 1}]} for row in ROWS)))
    run = run_tap({**vendor.settings(), "channel_in_key": True}, "block_ads")
    assert {row["channel"] for row in run.records("block_ads")} == {"vox", "rtl"}
    keys = next(one["key_properties"] for one in run.messages if one["type"] == "SCHEMA")
    assert keys == ["block_id", "region", "channel", "position"]


@pytest.mark.parametrize(
    ("then", "now", "refused"),
    [(True, False, "channel_in_key true, now false"), (False, True, None), (True, True, None)],
)
def test_a_smaller_key_is_refused(
    run_tap: TapRunner, script: Script, refused: str | None, *, then: bool, now: bool
) -> None:
    vendor = script.pages(script.page())
    state = run_tap({**vendor.settings(), "channel_in_key": then}, "broadcasts").states[-1]
    run = run_tap({**vendor.settings(), "channel_in_key": now}, "broadcasts", state=state, fails=refused is not None)
    assert refused is None or f"its state was made with {refused}: undo the change" in run.error


@pytest.mark.parametrize(
    ("stream", "settings", "row", "column"),
    [
        ("broadcasts", {"regions": ["de"]}, {"region": "at"}, "region"),
        ("broadcasts", {"regions": ["DE", "fr"]}, {"region": "de"}, None),
        ("broadcasts", {"channels": ["vox"]}, {"channel": "rtl"}, "channel"),
        ("broadcasts", {"channels": ["vox"]}, {"channel": None}, None),
        ("broadcasts", {"broadcasts_ad_id": [3]}, {"ad": 4}, "ad"),
        ("broadcasts", {"broadcasts_block_id": [3]}, {"block": 4}, "block"),
        ("broadcasts", {"broadcasts_block_id": [3]}, {"block": 3}, None),
        ("ads", {"regions": ["de"]}, {"regions": ["at", "fr"]}, "regions"),
        ("ads", {"regions": ["de"]}, {"regions": ["at", "de"]}, None),
        ("ads", {"ads_ids": [3]}, {}, "id"),
        ("blocks", {"regions": ["de"]}, {"region": "at"}, "region"),
        ("blocks", {"blocks_ad_id": [3]}, {"ads": [{"id": 4}, {"id": 5}]}, "ads"),
        ("blocks", {"blocks_ad_id": [3]}, {"ads": [{"id": 4}, {"id": 3}]}, None),
    ],
    ids=str,
)
def test_rows_that_a_filter_excludes_are_warned_of_once(  # noqa: PLR0913, PLR0917 - a case and its fixtures
    run_tap: TapRunner,
    script: Script,
    stream: str,
    settings: dict[str, Any],
    row: dict[str, Any],
    column: str | None,
) -> None:
    vendor = script.pages(script.page(*({"id": number, TIMES[stream]: NOON, **row} for number in (1, 2))))
    run = run_tap({**vendor.settings(), **settings}, stream)
    (setting,) = settings
    warning = f"a row has no `{column}` of the setting `{setting}`: the vendor may ignore this filter"
    assert run.warnings() == ([] if column is None else [f"stream {stream}: {warning}"])
    assert len(run.records(stream)) == 2


@pytest.mark.parametrize(
    ("time", "warned", "error"),
    [
        ("2024-06-01T12:00:00+02:00", False, None),
        ("2024-06-01 12:00:00", True, None),
        ("2024-06-01T12:00:00", True, None),
        (1717243200, False, "`time` of a row is not a date-time in ISO 8601"),
        ("noon", False, "`time` of a row is not a date-time in ISO 8601"),
    ],
)
def test_times_in_another_format_are_noticed(
    run_tap: TapRunner, script: Script, time: Any, error: str | None, *, warned: bool
) -> None:
    vendor = script.pages(script.page(script.airing(1, time), script.airing(2, time)))
    run = run_tap(vendor.settings(), "broadcasts", fails=error is not None)
    warning = (
        "stream broadcasts: `time` has no zone and is read as UTC: the vendor may have sent local times; compare a few "
        "with the programme"
    )
    assert [one for one in run.warnings() if "zone" in one] == ([warning] if warned else [])
    assert error is None or run.error.startswith(f"stream broadcasts: {error}: ")
    assert len(run.records("broadcasts")) == (0 if error else 2)


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        ({}, True),
        ({"start_date": "2024-06-03"}, False),
        ({"window_days": 3}, False),
        ({"channels": ["vox"]}, False),
    ],
)
def test_first_days_without_airings_are_warned_of(
    run_tap: TapRunner, script: Script, settings: dict[str, Any], *, warned: bool
) -> None:
    # given airings from the third day on
    page, empty = script.page(script.airing(1, "2024-06-03T06:00:00Z")), script.page()
    vendor = script(lambda one: page if "2024-06-03" in str(one.params[0]) or "window_days" in settings else empty)
    given = {**vendor.settings(), "end_date": "2024-06-03", "parallel_requests": 1, **settings}
    # when it is read for the first time, and again
    run = run_tap(given, "broadcasts")
    again = run_tap({**given, "broadcasts_lookback_days": 0}, "broadcasts", state=run.states[-1])
    # then
    warning = (
        "stream broadcasts: no rows before 2024-06-03, although `start_date` is earlier: the account may have no "
        "access to earlier days"
    )
    assert run.warnings() == ([warning] if warned else [])
    assert not [one for one in again.warnings() if "no rows before" in one]


@pytest.mark.parametrize("parallel", [1, 2])
def test_a_cached_page_of_the_first_reading_of_a_break_is_requested_again(
    run_tap: TapRunner, script: Script, parallel: int
) -> None:
    # given a cache that returns the response to `updated_from` once for `start_from`
    rows = [{"id": number, "start": NOON, "updated": NOON} for number in (1, 2, 3)]
    cached = script.page(rows[0], following="/linkbyupdated", total=2)
    starts = [cached, script.page(rows[0], following="/linkbystart", total=3)]

    def answer(request: Request) -> Response:
        if request.param("updated_from"):
            return cached
        if request.param("start_from"):
            return starts.pop(0)
        return script.page(rows[1], total=2) if request.path == "/linkbyupdated" else script.page(*rows[1:], total=3)

    vendor = script(answer)
    # when
    run = run_tap({**vendor.settings(), "parallel_requests": parallel}, "blocks")
    # then
    assert [row["id"] for row in run.records("blocks")] == [1, 2, 3]
    (warning,) = run.warnings()
    assert "by start: the response is the same as that to another request" in warning
    assert len(vendor.journal) == 5
