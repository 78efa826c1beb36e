"""What a backfill decides before and after it reads, and what it refuses."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import backfill
import pytest
from backfill_meltano import Answer, TapSetup
from backfill_plan import (
    BackfillError,
    Position,
    Record,
    Slice,
    Stream,
    months,
    place_bookmark,
    state_id,
    still_to_read,
)
from backfill_progress import Progress, duration
from meltano_project import ROOT
from pipelines import Outcome, Pipeline

if TYPE_CHECKING:
    from collections.abc import Mapping


DAY = dt.date.fromisoformat
JANUARY, FEBRUARY = Slice(DAY("2024-01-01"), DAY("2024-01-31")), Slice(DAY("2024-02-01"), DAY("2024-02-10"))


# Slices


@pytest.mark.parametrize(
    ("first", "last", "names"),
    [
        ("2023-11-15", "2024-02-01", ["2023-11-15..2023-11-30", "2023-12", "2024-01", "2024-02-01..2024-02-01"]),
        ("2024-02-01", "2024-02-29", ["2024-02"]),
        ("2024-02-01", "2024-02-28", ["2024-02-01..2024-02-28"]),
        ("2024-12-31", "2025-01-01", ["2024-12-31..2024-12-31", "2025-01-01..2025-01-01"]),
        ("2024-03-07", "2024-03-07", ["2024-03-07..2024-03-07"]),
        ("2024-03-08", "2024-03-07", []),
    ],
)
def test_a_range_is_cut_by_calendar_month(first: str, last: str, names: list[str]) -> None:
    assert [part.name for part in months(DAY(first), DAY(last))] == names


def test_slices_cover_each_day_once() -> None:
    parts = list(months(DAY("2022-01-17"), DAY("2024-12-03")))
    assert [part.first for part in parts[1:]] == [part.last + dt.timedelta(days=1) for part in parts[:-1]]
    assert (parts[0].first, parts[-1].last, len(parts)) == (DAY("2022-01-17"), DAY("2024-12-03"), 36)


def test_a_slice_has_a_state_id_of_its_own() -> None:
    # A cut month is another one than the whole month: what was read of it says nothing of the rest.
    ids = {state_id("tap-ispot", "target-duckdb", "prod", part.name) for part in (JANUARY, FEBRUARY)}
    assert ids == {
        "backfill:prod:tap-ispot-to-target-duckdb:2024-01",
        "backfill:prod:tap-ispot-to-target-duckdb:2024-02-01..2024-02-10",
    }


AIRINGS = Stream("airings", ("airings",), {}, {"2024-01": "2024-02-01"})
DAILY = Stream("daily", ("daily",), {"time_zone": "UTC"}, {"2024-01": "2024-01-31"})


def record(*, succeeded: bool = True, **bookmarks: str) -> Record:
    return Record(succeeded, {name: {"replication_key_value": value} for name, value in bookmarks.items()})


@pytest.mark.parametrize(
    ("known", "lacking"),
    [
        (record(succeeded=False), ["airings", "daily"]),  # never begun
        (record(airings="2024-02-01", daily="2024-01-31"), []),
        (record(succeeded=False, airings="2024-02-01", daily="2024-01-31"), ["airings", "daily"]),  # killed at its end
        (record(airings="2024-02-01", daily="2024-01-30"), ["daily"]),
        (record(airings="2024-02-01"), ["daily"]),  # a stream that was chosen later
    ],
)
def test_a_slice_is_done_when_its_last_run_succeeded_and_came_to_its_end(known: Record, lacking: list[str]) -> None:
    assert [stream.name for stream in still_to_read(JANUARY, [AIRINGS, DAILY], known)] == lacking


def test_a_slice_that_was_read_with_other_settings_is_not_skipped_in_silence() -> None:
    known = Record(succeeded=True, bookmarks={"daily": {"replication_key_value": "2024-01-31", "time_zone": "CET"}})
    with pytest.raises(BackfillError, match="stream daily: 2024-01 was read with another time_zone than the settings"):
        still_to_read(JANUARY, [DAILY], known)


# Where bookmarks belong

END = {"replication_key": "day", "replication_key_value": "2024-03-31", "time_zone": "UTC"}
RANGE = DAY("2024-01-01"), DAY("2024-03-31")


def entry(value: str, **more: str) -> dict[str, str]:
    return {"replication_key": "day", "replication_key_value": value, **more}


@pytest.mark.parametrize(
    ("normal", "position", "kind", "words"),
    [
        # (a) at the range's end or after it
        (entry("2024-03-31"), Position(beyond=True), "stay", "bookmark 2024-03-31 left where it is, at the backfill's"),
        (entry("2025-01-01"), Position(beyond=True), "stay", "bookmark 2025-01-01 left where it is, at the backfill's"),
        # one that lies far ahead stays, whatever is missing before the range
        (entry("2025-01-01"), Position(unread="2023-12-31", beyond=True), "stay", "left where it is, at the"),
        # (b) in the range, or right before it
        (entry("2024-02-10"), Position(), "move", "bookmark moved from 2024-02-10 to 2024-03-31"),
        (entry("2024-01-01"), Position(), "move", "bookmark moved from 2024-01-01 to 2024-03-31"),
        (entry("2024-02-10", time_zone="UTC"), Position(), "move", "bookmark moved from 2024-02-10 to 2024-03-31"),
        # (c) before it, with a gap
        (
            entry("2023-12-20"),
            Position(unread="2023-12-20"),
            "gap",
            "bookmark 2023-12-20 left where it is: days from 2023-12-20 to 2023-12-31 are not read, or only in part",
        ),
        # (d) none yet
        (None, Position(), "move", "bookmark set to 2024-03-31"),
        ({}, Position(), "move", "bookmark set to 2024-03-31"),
        (
            None,
            Position(unread="2022-01-01"),
            "gap",
            "no bookmark set: days from 2022-01-01 to 2023-12-31 are not read, though `start_date` asks for them",
        ),
        (None, Position(start_after=True), "stay", "no bookmark set: a run begins at `start_date`, after"),
        # what needs the user
        (entry("2024-02-10", time_zone="CET"), Position(), "clash", "its rows were read with another time_zone"),
        ({**entry("7"), "replication_key": "id"}, Position(problem="it is of id"), "clash", "left alone: it is of id"),
        (entry("2025-01-01", time_zone="CET"), Position(beyond=True), "clash", "bookmark 2025-01-01 left alone"),
    ],
)
def test_a_bookmark_moves_neither_back_nor_over_days_that_nobody_has_read(
    normal: Mapping[str, Any] | None, position: Position, kind: str, words: str
) -> None:
    verdict = place_bookmark("daily", normal, END, position, RANGE)
    assert verdict.kind == kind
    assert words in verdict.line
    # Where no run without slices has been, the range is the first that was read
    since = {} if normal and "replication_key_value" in normal else {"read_from": "2024-01-01"}
    assert verdict.entry == (END | since if kind == "move" else None)


def test_a_gap_names_the_range_that_closes_it() -> None:
    verdict = place_bookmark("daily", entry("2023-12-20"), END, Position(unread="2023-12-20"), RANGE)
    assert "--from 2023-12-20 --to 2024-03-31" in verdict.line


@pytest.mark.parametrize(
    ("normal", "position", "since"),
    [
        # First of all a backfill, and a run without slices that begins before its end
        (None, Position(), "2024-01-01"),
        ({"replication_key_value": "2024-02-15", "read_from": "2024-01-20"}, Position(), "2024-01-01"),
        ({"replication_key_value": "2024-02-15", "read_from": "2023-12-01"}, Position(), "2023-12-01"),
        # Of an older version
        ({"replication_key_value": "2024-02-15"}, Position(), None),
        # The run without slices is further: the earliest day moves if nothing between is left out
        ({"replication_key_value": "2024-05-01", "read_from": "2024-04-01"}, Position(beyond=True), "2024-01-01"),
        (
            {"replication_key_value": "2024-05-01", "read_from": "2024-04-01T00:00:00+00:00"},
            Position(beyond=True),
            "2024-01-01",
        ),
        ({"replication_key_value": "2024-05-01", "read_from": "2024-04-02"}, Position(beyond=True), None),
        ({"replication_key_value": "2024-05-01", "read_from": "2024-04-01T23:00:00Z"}, Position(beyond=True), None),
        ({"replication_key_value": "2024-05-01", "read_from": "2023-04-01"}, Position(beyond=True), None),
        ({"replication_key_value": "2024-05-01"}, Position(beyond=True), None),
    ],
)
def test_the_earliest_day_of_a_slice_is_no_clash_and_joins_what_was_read_before(
    normal: Mapping[str, Any] | None, position: Position, since: str | None
) -> None:
    # when
    verdict = place_bookmark("daily", normal, {**END, "read_from": "2024-03-01"}, position, RANGE)
    # then
    assert verdict.kind == ("stay" if position.beyond else "move")
    assert (verdict.entry or {}).get("read_from") == since


# Bad input


class Project:
    """A project with one tap and two loaders, of which one is not installed."""

    environment = "prod"

    def taps(self) -> list[str]:
        """Name the taps."""
        return ["tap-ispot"]

    def loaders(self) -> list[str]:
        """Name the loaders."""
        return ["target-duckdb", "target-s3"]

    def installed(self, plugin: str) -> bool:
        """Tell whether a plugin is there."""
        return plugin != "target-s3"


def answer(**more: Any) -> Answer:
    told = {"last": DAY("2024-02-29"), "streams": (AIRINGS,), "left_out": {"brands": "read whole each time"}, **more}
    return Answer(**told, overrides={}, settings=frozenset())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--from", "2024-13-01"], "argument --from: '2024-13-01' is not a date: give one such as 2022-01-31"),
        (["--to", "tomorrow"], "argument --to: 'tomorrow' is not a date: give one such as 2022-01-31"),
        (["--from", "2024-02-01"], "--from 2024-02-01 is after --to 2024-01-31"),
        (["--at-once", "0"], "argument --at-once: '0' is not allowed: a number from 1"),
    ],
)
def test_a_wrong_command_line_gets_one_line(given: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        backfill.arguments(["tap-ispot", "--from", "2024-01-01", "--to", "2024-01-31", *given])
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"backfill: {said} (see --help)\n"


@pytest.mark.parametrize(
    ("given", "world", "said"),
    [
        (["tap-nope"], {}, "meltano.yml has no extractor tap-nope: it has tap-ispot"),
        (["--loader", "target-nope"], {}, "meltano.yml has no loader target-nope: it has target-duckdb, target-s3"),
        (
            ["--loader", "target-s3"],
            {},
            "target-s3 is not installed: run `make plugins`, or `make loaders` for every loader",
        ),
        ([], {"config": {"start_date": None}}, "setting `start_date` is missing: set TAP_ISPOT_START_DATE"),
        ([], {"loader": {"load_method": "overwrite"}}, "`load_method` is overwrite, and each slice would replace"),
        ([], {"streams": ()}, "no selected stream is cut by date, so there is nothing to backfill"),
        ([], {"last": DAY("2023-12-31")}, "--from 2024-01-01: that day is not over yet; the last that is over is 2023"),
        (["--select", "brands"], {}, "--select brands: it is not cut by date: read whole each time"),
        (["--select", "x"], {}, "--select x: it is not among the streams that meltano.yml selects and that are cut by"),
    ],
)
def test_what_cannot_be_backfilled_is_told_before_anything_runs(
    given: list[str], world: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, loader = ({**world.pop(name, {})} for name in ("config", "loader"))
    setup = TapSetup("tap-ispot", Path("tap-ispot"), {"start_date": "2024-01-01", **config}, {}, loader)
    monkeypatch.setattr(backfill, "meltano_project", lambda _: Project())
    monkeypatch.setattr(backfill, "read_setup", lambda *_: setup)
    monkeypatch.setattr(TapSetup, "plan", lambda *_: answer(**world))
    tap = [] if "tap-nope" in given else ["tap-ispot"]
    options = backfill.arguments([*tap, *given, "--from", "2024-01-01", "--to", "2024-02-29"])
    with pytest.raises(BackfillError) as problem:
        backfill.prepare(options)
    assert said in str(problem.value)


def test_streams_that_share_a_bookmark_are_read_together() -> None:
    both = Stream("blocks", ("block_ads", "blocks"))
    options = backfill.arguments(["t", "--from", "2024-01-01", "--to", "2024-01-31", "--select", "blocks"])
    assert backfill.choose(options, answer(streams=(AIRINGS, both))) == [both]


@pytest.mark.parametrize(
    ("known", "config", "folder"),
    [
        ({"budget_folder"}, {}, str(ROOT / "output" / "budgets" / "tap-ispot")),
        ({"budget_folder"}, {"budget_folder": "shared"}, None),  # it has its own, which Meltano gives it
        (set(), {}, None),  # an older tap
    ],
)
def test_a_slice_is_a_run_of_its_own_within_the_budget_of_all(
    known: set[str], config: dict[str, Any], folder: str | None
) -> None:
    # given
    options = backfill.arguments(["tap-ispot", "--from", "2024-02-01", "--to", "2024-02-10", "--loader", "l"])
    told = Answer(DAY("2024-02-10"), (AIRINGS,), {}, {"lookback_days": "0"}, frozenset(known))
    one = backfill.Backfill(options, Project(), TapSetup("", Path(), config, {}, {}), told)  # type: ignore[arg-type]  # a stand-in
    # when
    pipeline = one.pipeline(FEBRUARY, [Stream("blocks", ("block_ads", "blocks")), AIRINGS])
    # then
    assert pipeline == Pipeline(
        "2024-02-01..2024-02-10",
        "tap-ispot",
        "l",
        state_id="backfill:prod:tap-ispot-to-l:2024-02-01..2024-02-10",
        environment="prod",
        settings={"lookback_days": "0", "start_date": "2024-02-01", "end_date": "2024-02-10"}
        | ({"budget_folder": folder} if folder else {}),
        select=["block_ads", "blocks", "airings"],
    )


# Progress, and the first slice alone


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2 h 00 min"), (11_100, "3 h 05 min")],
)
def test_durations_are_for_readers(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def outcome(pipeline: Pipeline, state: Any = "done", **more: Any) -> Outcome:
    return Outcome(pipeline, state, 0, 60.0, {"airings": 1200}, "", Path("none.log"), **more)


def test_progress_tells_what_is_done_and_what_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(total=10, done=3, at_once=3)
    progress.ended(outcome(Pipeline("2024-01", "t", "l")))
    progress.ended(outcome(Pipeline("2024-02", "t", "l"), "failed"))
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "2024-01 done 1,200 rows 60 s 4 of 10 slices done, 1,200 rows so far, about 2 min left",
        "2024-02 failed 1,200 rows 60 s 4 of 10 slices done, 2,400 rows so far, about 100 s left",
    ]


@pytest.mark.parametrize(
    ("states", "calls"),
    [
        (["done", "done", "done", "done"], [(1, 1), (3, 3)]),
        # Nobody knows whether a slice that failed has made the table.
        (["failed", "done", "failed", "done"], [(1, 1), (1, 1), (2, 3)]),
        (["failed", "failed", "failed", "done"], [(1, 1), (1, 1), (1, 1)]),
        (["stopped", "done", "done", "done"], [(1, 1)]),
    ],
)
def test_slices_run_alone_until_one_has_made_the_tables(
    states: list[str], calls: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given slices that end as told
    made: list[tuple[int, int]] = []
    ends = iter(states)

    def run_pipelines(pipelines: list[Pipeline], *, at_once: int, **_: Any) -> list[Outcome]:
        made.append((len(pipelines), at_once))
        return [
            outcome(one, state, signal=15 if state == "stopped" else None)
            for one, state in zip(pipelines, ends, strict=False)
        ]

    monkeypatch.setattr(backfill, "run_pipelines", run_pipelines)
    setup = TapSetup("tap-ispot", Path("tap-ispot"), {}, {}, {})
    options = backfill.arguments(["tap-ispot", "--from", "2024-01-01", "--to", "2024-04-30"])
    one = backfill.Backfill(options, Project(), setup, answer(last=DAY("2024-04-30")), [AIRINGS])  # type: ignore[arg-type]  # a stand-in
    # when
    backfill.load(one, {part: [AIRINGS] for part in one.parts}, Progress(4, 0, 3))
    # then
    assert made == calls
