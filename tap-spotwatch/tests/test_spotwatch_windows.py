"""Incremental behaviour: windows, bookmarks, borders, restarts and counts; the specification's examples exactly."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.testing import FakeClock
from vendor_simulators.messages import Response
from vendor_simulators.spotwatch import SpotwatchSimulator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from singer_adtech.testing import TapRunner
    from spotwatch_fixtures import Script, Scripted
    from vendor_simulators.messages import Request
    from vendor_simulators.pytest_plugin import Simulate

    Asked = Callable[[Sequence[Request], str], list[tuple[str | None, str | None]]]

DAYS = [f"2024-06-0{day}T00:00:00Z" for day in range(1, 10)]


def clock(text: str) -> FakeClock:
    """Return a clock that stands at an instant."""
    return FakeClock(dt.datetime.fromisoformat(text.replace("Z", "+00:00")))


def state(position: str, stream: str = "broadcasts", key: str = "time") -> dict[str, Any]:
    """Make a state with one bookmark."""
    return {"bookmarks": {stream: {"replication_key": key, "replication_key_value": position}}}


@pytest.fixture
def empty(script: Script) -> Scripted:
    """A vendor without a single row."""
    return script.pages(script.page())


def settings(vendor: Scripted, **more: Any) -> dict[str, Any]:
    """Return settings without an end."""
    return {**vendor.settings(), "end_date": None, **more}


def test_the_example_of_the_specification_first_run(run_tap: TapRunner, script: Script, asked: Asked) -> None:
    # given a first day of 14210 airings in two pages
    rows = [script.airing(number, "2024-06-01T12:00:00Z") for number in range(14210)]

    def answer(request: Request) -> Response:
        if request.path == "/hl0fserktnimhbcnfcmq":
            return script.page(*rows[10_000:], total=14210)
        if request.param("time_from") == DAYS[0]:
            return script.page(*rows[:10_000], following="/hl0fserktnimhbcnfcmq", total=14210)
        return script.page()

    vendor = script(answer)
    # when
    run = run_tap(settings(vendor, start_date="2024-06-01"), "broadcasts", clock=clock("2024-06-03T10:00:00Z"))
    # then
    assert asked(vendor.journal, "time") == [
        (DAYS[0], DAYS[1]),
        (DAYS[1], DAYS[2]),
        (DAYS[2], "2024-06-03T10:00:00Z"),
    ]
    assert len(vendor.journal) == 4
    assert {(one.param("time_fmt"), one.param("page_lim")) for one in vendor.journal if one.params} == {
        ("iso8601", "10000")
    }
    assert len(run.records("broadcasts")) == 14210
    assert list(dict.fromkeys(run.bookmarks("broadcasts"))) == [DAYS[1], DAYS[2], "2024-06-03T10:00:00Z"]
    kinds = [one["type"] for one in run.messages]
    assert kinds.index("STATE") == 14211


def test_the_example_of_the_specification_second_run(run_tap: TapRunner, empty: Scripted, asked: Asked) -> None:
    # given the bookmark of the first run
    before = "2024-06-03T10:00:00Z"
    both = state(before)
    both["bookmarks"].update(state(before, "ads", "lastseen")["bookmarks"])
    # when
    given = settings(empty, start_date="2024-06-01")
    run = run_tap(given, "broadcasts", "ads", state=both, clock=clock("2024-06-07T10:00:00Z"))
    # then
    windows = list(pairwise(DAYS[:7]))
    assert asked(empty.journal, "time") == [*windows, (DAYS[6], "2024-06-07T10:00:00Z")]
    assert asked(empty.journal, "lastseen") == [*windows, (DAYS[6], None)]
    states = [
        one["bookmarks"]["broadcasts"]["replication_key_value"]
        for one in run.states
        if one["bookmarks"]["ads"]["replication_key_value"] == "2024-06-07T10:00:00Z"
    ]
    # the one before is the last STATE of ads
    assert states[1:8] == [before, before, DAYS[3], DAYS[4], DAYS[5], DAYS[6], "2024-06-07T10:00:00Z"]


@pytest.mark.parametrize(
    ("stream", "key", "prefix", "setting", "lookback", "first"),
    [
        ("ads", "lastseen", "lastseen", "ads_lookback_days", None, "2024-05-27T06:30:00Z"),
        ("ads", "lastseen", "lastseen", "ads_lookback_days", 0, "2024-06-03T06:30:00Z"),
        ("broadcasts", "time", "time", "broadcasts_lookback_days", None, "2024-05-31T06:30:00Z"),
        ("broadcasts", "time", "time", "broadcasts_lookback_days", 366, "2024-05-01T00:00:00Z"),
        ("blocks", "updated", "updated", "blocks_lookback_minutes", None, "2024-06-03T05:30:00Z"),
        ("blocks", "updated", "updated", "blocks_lookback_minutes", 5, "2024-06-03T06:25:00Z"),
    ],
)
def test_the_look_back_of_each_stream(  # noqa: PLR0913, PLR0917 - a case and its fixtures
    run_tap: TapRunner,
    empty: Scripted,
    asked: Asked,
    stream: str,
    key: str,
    prefix: str,
    setting: str,
    lookback: int | None,
    first: str,
) -> None:
    given = settings(empty, start_date="2024-05-01", window_days=366, **{setting: lookback})
    bookmark = state("2024-06-03T06:30:00Z", stream, key)
    run = run_tap(given, stream, state=bookmark, clock=clock("2024-06-03T06:31:00Z"))
    assert asked(empty.journal, prefix)[0][0] == first
    assert run.bookmarks(stream)[-1] == "2024-06-03T06:31:00Z"


def test_the_first_run_looks_back_at_nothing(run_tap: TapRunner, empty: Scripted, asked: Asked) -> None:
    run_tap(settings(empty, start_date="2024-06-15T08:00:00Z"), "ads", "broadcasts", "blocks")
    found = [asked(empty.journal, prefix)[0][0] for prefix in ("lastseen", "time", "updated")]
    assert found == ["2024-06-15T08:00:00Z"] * 3


def test_run_start_is_cut_to_whole_seconds_and_the_same_for_all(
    run_tap: TapRunner, empty: Scripted, asked: Asked
) -> None:
    run = run_tap(
        settings(empty, start_date="2024-06-15"), "broadcasts", "blocks", clock=clock("2024-06-15T10:11:12.987654Z")
    )
    assert asked(empty.journal, "time")[-1][1] == asked(empty.journal, "updated")[-1][1] == "2024-06-15T10:11:12Z"
    assert run.bookmarks("blocks")[-1] == "2024-06-15T10:11:12Z"


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2024-06-01", "2024-06-02", [(DAYS[0], DAYS[1]), (DAYS[1], DAYS[2])]),
        ("2024-06-01", "2024-06-01", [(DAYS[0], DAYS[1])]),
        ("2024-06-01T12:00:00Z", "2024-06-01", [("2024-06-01T12:00:00Z", DAYS[1])]),
        ("2024-06-01", "2024-06-02T00:00:00Z", [(DAYS[0], DAYS[1])]),
        ("2024-06-01", "2024-06-01T06:00:00+02:00", [(DAYS[0], "2024-06-01T04:00:00Z")]),
        ("2024-06-01T01:00:00+02:00", "2024-06-01T00:00:00Z", [("2024-05-31T23:00:00Z", DAYS[0])]),
        ("2024-06-01T06:00:00", "2024-06-01T07:00:00", [("2024-06-01T06:00:00Z", "2024-06-01T07:00:00Z")]),
        ("2024-06-01T00:00:00.900Z", "2024-06-01T01:00:00.100Z", [(DAYS[0], "2024-06-01T01:00:01Z")]),
        (
            "2024-06-01T06:00:00Z",
            "2024-06-03",
            [
                ("2024-06-01T06:00:00Z", "2024-06-02T06:00:00Z"),
                ("2024-06-02T06:00:00Z", "2024-06-03T06:00:00Z"),
                ("2024-06-03T06:00:00Z", "2024-06-04T00:00:00Z"),
            ],
        ),
        ("2024-06-01", "2024-06-01T00:00:00Z", []),
        ("2024-06-15T10:00:00Z", None, []),
        ("2024-06-15", "2024-06-15", [("2024-06-15T00:00:00Z", "2024-06-15T10:00:00Z")]),
        ("2024-06-15", "2030-01-01", [("2024-06-15T00:00:00Z", "2024-06-15T10:00:00Z")]),
    ],
)
def test_days_and_instants_of_the_settings(  # noqa: PLR0913, PLR0917 - a case and its fixtures
    run_tap: TapRunner, empty: Scripted, asked: Asked, start: str, end: str | None, expected: list[tuple[str, str]]
) -> None:
    # given that it is 2024-06-15T10:00:00Z
    run = run_tap(settings(empty, start_date=start, end_date=end), "broadcasts", "ads")
    # then: with an end in the past, the ads that aired in the range are asked for, whenever they aired last
    assert asked(empty.journal, "time") == expected
    past = end is not None and end < "2024-06-15"
    assert asked(empty.journal, "time_seen" if past else "lastseen") == expected
    assert asked(empty.journal, "lastseen" if past else "time_seen") == []
    assert run.bookmarks("broadcasts")[-1:] == [one for _, one in expected[-1:]]


@pytest.mark.parametrize(("days", "windows"), [(1, 9), (2, 5), (9, 1), (366, 1)])
def test_window_days(run_tap: TapRunner, empty: Scripted, asked: Asked, days: int, windows: int) -> None:
    run_tap(settings(empty, end_date="2024-06-09", window_days=days), "blocks")
    found = asked(empty.journal, "updated")
    assert len(found) == windows
    assert (found[0][0], found[-1][1]) == (DAYS[0], "2024-06-10T00:00:00Z")
    assert [end for _, end in found[:-1]] == [start for start, _ in found[1:]]


def test_empty_windows_move_the_bookmark_and_each_has_a_state(run_tap: TapRunner, empty: Scripted) -> None:
    run = run_tap(settings(empty, end_date="2024-06-03"), "blocks")
    assert run.records("blocks") == []
    assert run.bookmarks("blocks")[:3] == DAYS[1:4]


def test_an_empty_range_asks_nothing_and_keeps_the_bookmark(run_tap: TapRunner, empty: Scripted) -> None:
    before = state("2024-06-15T12:00:00Z", "blocks", "updated")
    run = run_tap(settings(empty, blocks_lookback_minutes=0), "blocks", state=before)
    assert list(empty.journal) == []
    assert set(run.bookmarks("blocks")) == {"2024-06-15T12:00:00Z"}


@pytest.mark.parametrize("position", ["2024-06-05T00:00:00+00:00", "2024-06-05T02:00:00+02:00", "2024-06-05"])
def test_the_bookmark_never_moves_back(run_tap: TapRunner, empty: Scripted, position: str) -> None:
    # given a bookmark in another spelling, and an end before it
    run = run_tap(settings(empty, end_date="2024-06-03"), "broadcasts", state=state(position))
    # then the look-back is read
    assert len(empty.journal) == 2
    assert set(run.bookmarks("broadcasts")) == {position}


def test_no_state_holds_a_link(run_tap: TapRunner, spotwatch: SpotwatchSimulator) -> None:
    run = run_tap({**spotwatch.settings(), "page_size": 7}, "broadcasts", "ads")
    assert len(spotwatch.chains.issued) > 10
    assert {name for one in run.states for name in one} == {"bookmarks"}
    for one in run.states:
        for bookmark in one["bookmarks"].values():
            assert bookmark.keys() <= {"replication_key", "replication_key_value", "read_from", "regions", "channels"}


@pytest.mark.parametrize("bounds", ["inclusive", "upper_exclusive", "lower_exclusive"])
@pytest.mark.parametrize("stream", ["ads", "broadcasts", "blocks"])
@pytest.mark.parametrize("parallel", [1, 3])
def test_the_same_rows_come_out_whatever_the_bounds_mean(
    run_tap: TapRunner, simulate: Simulate, bounds: str, stream: str, parallel: int
) -> None:
    # given days that begin with a row at midnight, and a start before them
    vendor = simulate(SpotwatchSimulator(days=4, rows_per_day=25, bounds=bounds))
    borders = [row for row in vendor.truth(stream, first_day=dt.date(2024, 2, 28)) if "T00:00:00Z" in str(row)]
    given = {**vendor.settings(), "start_date": "2024-02-29", "end_date": "2024-03-04", "parallel_requests": parallel}
    # when
    run = run_tap({**given, "row_count_check": "fail", "page_size": 6}, stream)
    # then: each row once, those of the borders too
    assert len(borders) >= 4
    assert run.by_key(stream, "id") == vendor.truth(
        stream, first_day=dt.date(2024, 2, 29), last_day=dt.date(2024, 3, 4)
    )
    assert len(run.records(stream)) == len({row["id"] for row in run.records(stream)})


def test_a_row_of_two_windows_is_emitted_again_only_if_it_changed(run_tap: TapRunner, script: Script) -> None:
    # given rows at midnight, of which one is another in the second window, and one moves on to the third
    same, moved = script.airing(1, DAYS[1], block_length=2), script.airing(2, DAYS[1], block_length=2)
    later, new = {**moved, "block_length": 3}, script.airing(3, DAYS[2])
    again = script.airing(1, DAYS[2], block_length=2)
    vendor = script.pages(
        script.page(same, moved), script.page(same, later, new), script.page(new, again), script.page()
    )
    # when
    run = run_tap(settings(vendor, end_date="2024-06-04", parallel_requests=1), "broadcasts")
    # then: what is told apart is a window and the one before it
    rows = [(row["id"], row["block_length"]) for row in run.records("broadcasts")]
    assert rows == [(1, 2), (2, 2), (2, 3), (3, None), (1, 2)]


@pytest.mark.parametrize("at", ["2024-06-02T00:00:00Z", "2024-06-02T02:00:00+02:00", "2024-06-02T00:00:00.5Z"])
def test_rows_at_or_past_the_end_are_dropped_and_count(run_tap: TapRunner, script: Script, at: str) -> None:
    # given a row at the end, or past it, among three
    rows = [script.airing(1), script.airing(2, at), script.airing(3, "2024-06-01T23:59:59Z")]
    vendor = script.pages(script.page(*rows))
    # when
    run = run_tap({**vendor.settings(), "row_count_check": "fail"}, "broadcasts")
    # then
    assert [row["id"] for row in run.records("broadcasts")] == [1, 3]
    assert len(vendor.journal) == 1


@pytest.mark.parametrize(
    ("stream", "key", "at", "taken"),
    [
        # What airs, or is updated, while a run reads is not of another window: the run began at 10:00 on the 15th.
        ("ads", "lastseen", "2024-06-15T09:00:00Z", True),
        ("ads", "lastseen", "2024-06-15T08:59:59Z", False),
        ("blocks", "updated", "2024-06-15T10:00:09Z", True),
        ("blocks", "updated", "2024-06-12T00:00:00Z", False),
        ("broadcasts", "time", "2024-06-15T10:00:09Z", False),
        # Bounds may include their instants, and a second may be rounded.
        ("broadcasts", "time", "2024-06-02T00:00:01Z", True),
        ("broadcasts", "time", "2024-05-31T23:59:59Z", True),
        ("broadcasts", "time", "2024-05-31T23:59:58Z", False),
    ],
)
def test_a_row_of_another_window_is_not_taken(  # noqa: PLR0913 - a case and its fixtures
    run_tap: TapRunner, script: Script, stream: str, key: str, at: str, *, taken: bool
) -> None:
    # given a first window with a row of some instant
    vendor = script.pages(script.page({"id": 1, key: at}), script.page({"id": 1, key: at}), script.page())
    # when
    run = run_tap(
        settings(vendor, start_date="2024-06-01", end_date=None, parallel_requests=1), stream, fails=not taken
    )
    # then
    assert [row["id"] for row in run.records(stream)][:1] == ([1] if taken else [])
    if not taken:
        assert run.error.startswith(
            f"stream {stream}, window 2024-06-01T00:00:00+00:00..2024-06-02T00:00:00+00:00: the response has a row of "
            f"{at[:10]}, outside of the requested window: "
        )


def test_ads_of_a_past_range_include_those_that_aired_again_later(
    run_tap: TapRunner, simulate: Simulate, asked: Asked
) -> None:
    # given ads of a day in the middle, some of which aired on later days
    vendor = simulate(SpotwatchSimulator(days=5, rows_per_day=60))
    day = dt.date(2024, 3, 2)
    given = {**vendor.settings(), "start_date": day.isoformat(), "end_date": day.isoformat()}
    # when
    run = run_tap(given, "ads", "broadcasts")
    # then all ads of its airings are there
    bounds = ("2024-03-02T00:00:00Z", "2024-03-03T00:00:00Z")
    assert asked(vendor.journal, "time_seen") == [bounds]
    assert run.by_key("ads", "id") == vendor.truth("ads", first_day=day, last_day=day)
    assert {row["ad"] for row in run.records("broadcasts")} <= {row["id"] for row in run.records("ads")}
    assert any(row["lastseen"] >= "2024-03-03T00:00:01Z" for row in run.records("ads"))
    assert run.bookmarks("ads")[-1] == bounds[1]
    assert run.warnings() == []


def test_an_ad_that_airs_each_day_of_a_past_range_is_written_once(run_tap: TapRunner, script: Script) -> None:
    # given an ad that every window has, and one of an instant before the window
    vendor = script.pages(script.page({"id": 1, "lastseen": "2024-06-14T12:00:00Z"}))
    run = run_tap({**vendor.settings(), "end_date": "2024-06-03"}, "ads")
    assert [row["id"] for row in run.records("ads")] == [1]
    vendor = script.pages(script.page({"id": 1, "lastseen": "2024-05-31T23:59:58Z"}))
    run = run_tap(vendor.settings(), "ads", fails=True)
    assert "the response has a row of 2024-05-31, outside of the requested window: " in run.error


def test_without_an_end_nothing_is_dropped(run_tap: TapRunner, script: Script) -> None:
    # given an ad that airs while the run reads
    vendor = script.pages(script.page({"id": 1, "lastseen": "2024-06-15T10:00:09Z"}))
    run = run_tap(settings(vendor, start_date="2024-06-15"), "ads")
    assert [row["id"] for row in run.records("ads")] == [1]
    assert run.bookmarks("ads")[-1] == "2024-06-15T10:00:00Z"


def test_the_open_window_of_ads_is_asked_for_after_all_others(run_tap: TapRunner, script: Script) -> None:
    # given an ad of the first day that airs again when the last but one window has been answered
    moved = False

    def answer(request: Request) -> Response:
        nonlocal moved
        if request.param("lastseen_to") is None:
            return script.page({"id": 1, "lastseen": "2024-06-15T09:00:00Z"}) if moved else script.page()
        moved = moved or request.param("lastseen_from") == "2024-06-14T00:00:00Z"
        return script.page()

    vendor = script(answer)
    # when
    run = run_tap(settings(vendor, start_date="2024-06-12", parallel_requests=8), "ads")
    # then it is not lost between two windows
    assert [row["lastseen"] for row in run.records("ads")] == ["2024-06-15T09:00:00Z"]
    assert len(vendor.journal) == 4


def test_rows_without_updated_do_not_stop_the_bookmark(run_tap: TapRunner, script: Script) -> None:
    vendor = script.pages(script.page({"id": 1}), script.page({"id": 2, "updated": None}))
    run = run_tap(settings(vendor, end_date="2024-06-02", parallel_requests=1), "blocks")
    assert [(row["id"], row["updated"]) for row in run.records("blocks")] == [(1, None), (2, None)]
    assert run.bookmarks("blocks")[-1] == DAYS[2]


def test_a_window_that_fails_leaves_the_bookmark_before_it(run_tap: TapRunner, script: Script) -> None:
    # given a second of three windows that is refused, while the third is read side by side
    def answer(request: Request) -> Response:
        begin = request.param("time_from") or ""
        refused = begin.startswith("2024-06-02")
        return Response.text("no", 403) if refused else script.page(script.airing(int(begin[8:10]), begin))

    vendor = script(answer)
    # when
    run = run_tap({**vendor.settings(), "end_date": "2024-06-03", "parallel_requests": 3}, "broadcasts", fails=True)
    # then
    assert run.error.startswith("stream broadcasts, window 2024-06-02T00:00:00+00:00..2024-06-03T00:00:00+00:00: HTTP")
    assert [row["id"] for row in run.records("broadcasts")] == [1]
    assert run.bookmarks("broadcasts") == [DAYS[1]]


@pytest.mark.parametrize(
    ("stream", "kept"),
    [("ads", {"regions"}), ("broadcasts", {"regions", "channels"}), ("blocks", {"regions", "channels"})],
)
def test_filters_that_were_widened_are_refused_and_narrowed_ones_are_not(
    run_tap: TapRunner, spotwatch: SpotwatchSimulator, stream: str, kept: set[str]
) -> None:
    # Given a state of two countries
    given = {**spotwatch.settings(), "window_days": 366}
    state = run_tap({**given, "regions": ["se", "de"], "channels": ["a"]}, stream).states[-1]
    assert {name for name in ("regions", "channels") if name in state["bookmarks"][stream]} == kept
    # When
    run_tap({**given, "regions": ["de"], "channels": ["a"]}, stream, state=state)
    spotwatch.journal.clear()
    run = run_tap({**given, "channels": ["a"]}, stream, state=state, fails=True)
    # Then
    assert len(spotwatch.journal) == 0
    assert run.error.startswith(f"stream {stream}: its state was made with regions de, se, now none: undo the change")


def test_names_that_the_vendor_does_not_know_are_warned_of(run_tap: TapRunner, spotwatch: SpotwatchSimulator) -> None:
    # Given a misspelt country, and a misspelt channel beside a right one
    known = run_tap(spotwatch.settings(), "channels").records("channels")[0]
    given = {
        **spotwatch.settings(),
        "regions": [known["region"], f"{known['region']}x"],
        "channels": [f"{known['channel']}x"],
    }
    # When the vendor's own lists are read too
    run = run_tap(given, "broadcasts", "channels", "regions")
    unknown = "is not in the vendor's list"
    # Then
    assert [one for one in run.warnings() if unknown in one or "no rows" in one] == [
        ("stream broadcasts: no rows: check the names in `regions` and `channels`; the vendor accepts unknown names"),
        (
            f"stream channels: setting `channels`: {known['channel'] + 'x'!r} {unknown}, so it has no rows: did you "
            f"mean {known['channel']!r}?"
        ),
        (
            f"stream regions: setting `regions`: {known['region'] + 'x'!r} {unknown}, so it has no rows: did you mean "
            f"{known['region']!r}?"
        ),
    ]
