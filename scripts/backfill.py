"""Loads a range of years in slices, a month each and several at once; see docs/backfills.md.

It can be stopped and started again at any time: Meltano's record says which slices are done, and the others go on at
their own bookmarks. When all are done, the bookmarks of the run without slices are put where they belong.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import logging
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from backfill_meltano import TapSetup, edit_bookmarks, forget, read_records, read_setup
from backfill_plan import BackfillError, Record, Slice, Stream, Verdict, months, place_bookmark, state_id, still_to_read
from backfill_progress import Progress, say
from meltano_project import ROOT, GoingOnError, MeltanoProject, meltano_project
from pipelines import SIGNAL_BASE, Outcome, Pipeline, exit_code, run_pipelines
from private_files import keep_private
from user_errors import BAD_INPUT, Parser, ProjectError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from backfill_meltano import Answer, Bookmarks

MOST_ALONE = 3
"""Slices that are tried alone, one after the other, before it is said that something else is wrong than one month."""

BUDGETS = ROOT / "output" / "budgets"
"""Where slices count their requests together, unless the tap's `budget_folder` says otherwise."""


def day(text: str) -> dt.date:
    """Read a day of the command line."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date: give one such as 2022-01-31") from None


def number(text: str) -> int:
    """Read a number of the command line, at least 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: a number from 1")
    return int(text)


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; ends the program where it is wrong."""
    parser = Parser(prog="backfill", description=__doc__, allow_abbrev=False)
    parser.add_argument("tap", help="the extractor's name in meltano.yml")
    parser.add_argument("--loader", default="target-duckdb", help="the loader's name (target-duckdb)")
    parser.add_argument("--from", dest="first", type=day, required=True, help="first day, in the tap's zone")
    parser.add_argument(
        "--to", dest="last", type=day, required=True, help="last day, included; days that are not over are left out"
    )
    parser.add_argument("--environment", default="prod", help="Meltano's environment (prod)")
    parser.add_argument("--at-once", type=number, default=3, help="slices at once (3)")
    parser.add_argument("--select", nargs="+", default=[], metavar="STREAM", help="only these of the selected streams")
    parser.add_argument("--again", action="store_true", help="read slices anew that are done")
    parser.add_argument("--dry-run", action="store_true", help="only tell what would be read")
    parser.add_argument("--logs", type=Path, default=ROOT / "output" / "logs", help="folder for logs (output/logs)")
    options = parser.parse_args(given)
    if options.first > options.last:
        parser.error(f"--from {options.first} is after --to {options.last}")
    return options


@dataclass
class Backfill:
    """One backfill: what was asked for, and what the tap made of it."""

    options: argparse.Namespace
    project: MeltanoProject
    setup: TapSetup
    answer: Answer
    streams: list[Stream] = field(default_factory=list)

    @property
    def parts(self) -> list[Slice]:
        """The slices, in order."""
        return list(months(self.options.first, self.answer.last))

    def state_id(self, part: Slice) -> str:
        """Return the state id of a slice."""
        return state_id(self.options.tap, self.options.loader, self.project.environment, part.name)

    def records(self) -> dict[Slice, Record]:
        """Return what Meltano knows of each slice."""
        ids = {part: self.state_id(part) for part in self.parts}
        known = read_records(self.project, ids.values())
        return {part: known[name] for part, name in ids.items()}

    def to_do(self) -> dict[Slice, list[Stream]]:
        """Return the slices that are not done, with the streams they lack.

        Raises:
            BackfillError: A slice was read with other settings.
        """
        lacking = {part: still_to_read(part, self.streams, record) for part, record in self.records().items()}
        return {part: streams for part, streams in lacking.items() if streams}

    def pipeline(self, part: Slice, streams: Sequence[Stream]) -> Pipeline:
        """Return the run of a slice."""
        settings = {
            **self.answer.overrides,
            "start_date": part.first.isoformat(),
            "end_date": part.last.isoformat(),
        }
        if "budget_folder" in self.answer.settings and not self.setup.config.get("budget_folder"):
            settings["budget_folder"] = str(BUDGETS / self.options.tap)
        return Pipeline(
            part.name,
            self.options.tap,
            self.options.loader,
            state_id=self.state_id(part),
            environment=self.project.environment,
            settings=settings,
            select=[name for stream in streams for name in stream.selects],
        )

    def forget(self) -> None:
        """Forget what slices have read.

        Raises:
            BackfillError: One is being read.
        """
        ids = [self.state_id(part) for part in self.parts]
        for one in ids:
            if self.project.running(one):
                raise BackfillError(
                    f"--again: a run of {one} is going on, or was killed a moment ago: try again when it has ended"
                )
        forget(self.project, ids)


def prepare(options: argparse.Namespace) -> Backfill:
    """Look at all that could be wrong before anything is run.

    Raises:
        BackfillError: Something is.
        ProjectError: So is something of the project.
    """
    project = meltano_project(options.environment)
    for name, known, what in (
        (options.tap, project.taps(), "extractor"),
        (options.loader, project.loaders(), "loader"),
    ):
        if name not in known:
            raise BackfillError(f"meltano.yml has no {what} {name}: it has {', '.join(known)}")
        if not project.installed(name):
            raise BackfillError(f"{name} is not installed: run `make plugins`, or `make loaders` for every loader")
    setup = read_setup(project, options.tap, options.loader)
    if not setup.config.get("start_date"):
        variable = f"{options.tap.upper().replace('-', '_')}_START_DATE"
        raise BackfillError(
            f"{options.tap}: setting `start_date` is missing: set {variable} to the first day that your scheduled runs "
            "shall read, as the bookmark depends on it"
        )
    if setup.loader_config.get("load_method") == "overwrite":
        raise BackfillError(
            f"{options.loader}: `load_method` is overwrite, and each slice would replace the one before: set it to "
            "upsert"
        )
    answer = setup.plan(options.first, options.last)
    if not answer.streams:
        raise BackfillError(f"{options.tap}: no selected stream is cut by date, so there is nothing to backfill")
    if answer.last < options.first:
        raise BackfillError(f"--from {options.first}: that day is not over yet; the last that is over is {answer.last}")
    return Backfill(options, project, setup, answer, choose(options, answer))


def choose(options: argparse.Namespace, answer: Answer) -> list[Stream]:
    """Return the streams to read: those asked for, with those that share their bookmark.

    Raises:
        BackfillError: One that is asked for cannot be read in slices.
    """
    able = [name for stream in answer.streams for name in stream.selects]
    for name in options.select:
        if name in answer.left_out:
            raise BackfillError(f"--select {name}: it is not cut by date: {answer.left_out[name]}")
        if name not in able:
            raise BackfillError(
                f"--select {name}: it is not among the streams that meltano.yml selects and that are cut by date: "
                f"{', '.join(able)}"
            )
    return [stream for stream in answer.streams if not options.select or set(options.select) & set(stream.selects)]


def introduce(backfill: Backfill, to_do: Mapping[Slice, Sequence[Stream]]) -> None:
    """Say what will be read, and what will not."""
    options, answer, parts = backfill.options, backfill.answer, backfill.parts
    selects = [name for stream in backfill.streams for name in stream.selects]
    say(f"{options.tap} into {options.loader}, {options.first} to {answer.last}: {', '.join(selects)}")
    if answer.last < options.last:
        say(
            f"  Read up to {answer.last}: --to {options.last} is not over yet, and a day read in part would count as "
            "read."
        )
    more = [name for name in selects if name not in options.select]
    if options.select and more:
        say(f"  {', '.join(more)}: read too, as one bookmark stands for both.")
    reasons: dict[str, list[str]] = {}
    if not options.select:
        for name, reason in answer.left_out.items():
            reasons.setdefault(reason, []).append(name)
    for reason, left_out in reasons.items():
        say(f"  Left out, {reason}: {', '.join(left_out)}. A run without slices reads them.")
    say(f"  {len(parts)} slices, of which {len(parts) - len(to_do)} are done already.")


def load(backfill: Backfill, to_do: Mapping[Slice, Sequence[Stream]], progress: Progress) -> list[Outcome]:
    """Run the slices that are not done."""
    options = backfill.options
    logs = options.logs / f"backfill-{options.tap}-to-{options.loader}"
    waiting = [backfill.pipeline(part, streams) for part, streams in to_do.items()]
    outcomes: list[Outcome] = []

    def run(pipelines: Sequence[Pipeline], at_once: int) -> list[Outcome]:
        ended = run_pipelines(pipelines, at_once=at_once, logs=logs, on_end=progress.ended, on_note=progress.note)
        outcomes.extend(ended)
        return ended

    # The first one alone: a loader looks whether a table (a column, a schema) is there, and makes it if not. Several
    # that look at once all make it, and on PostgreSQL and Snowflake all but one fail, or wait for each other for ever.
    while waiting and not any(outcome.state == "done" for outcome in outcomes):
        if len(outcomes) == MOST_ALONE:
            say(f"  None of the first {MOST_ALONE} slices was loaded: the others are not begun.")
            return outcomes
        (outcome,) = run([waiting.pop(0)], 1)
        if outcome.signal is not None:
            return outcomes
    if waiting:
        run(waiting, options.at_once)
    return outcomes


def set_bookmarks(backfill: Backfill) -> int:
    """Put the bookmarks of the run without slices where they belong; returns an exit code."""
    *_, last = backfill.parts
    days = backfill.options.first, backfill.answer.last
    ends = backfill.records()[last].bookmarks
    normal = backfill.project.state_id(backfill.options.tap, backfill.options.loader)
    verdicts: list[Verdict] = []

    def edit(bookmarks: Bookmarks) -> Bookmarks:
        positions = backfill.setup.place(*days, bookmarks)
        moved: Bookmarks = {}
        for stream in backfill.streams:
            verdict = place_bookmark(
                stream.name, bookmarks.get(stream.name), ends[stream.name], positions[stream.name], days
            )
            verdicts.append(verdict)
            if verdict.entry is not None:
                moved[stream.name] = dict(verdict.entry)
        return moved

    say(f"Bookmarks of {normal}:")
    try:
        edit_bookmarks(backfill.project, normal, edit)
    except GoingOnError as since:
        say(
            f"  left alone: a run of it is going on since {since}. When it has ended, give this command again: it "
            "skips all slices, and sets the bookmarks."
        )
        return 1
    for verdict in verdicts:
        say(f"  {verdict.line}")
    return int(any(verdict.kind == "clash" for verdict in verdicts))


def run(options: argparse.Namespace) -> int:
    """Run the backfill; returns the exit code.

    Raises:
        BackfillError: Something is wrong, and nothing was run.
        ProjectError: So is something of the project.
    """
    backfill = prepare(options)
    if options.again and not options.dry_run:
        backfill.forget()
    to_do = dict.fromkeys(backfill.parts, backfill.streams) if options.again else backfill.to_do()
    introduce(backfill, to_do)
    if options.dry_run:
        for part, streams in to_do.items():
            say(f"  {part.name:<22}  {', '.join(stream.name for stream in streams)}")
        return 0
    progress = Progress(len(backfill.parts), len(backfill.parts) - len(to_do), options.at_once)
    outcomes = load(backfill, to_do, progress)
    progress.table(ROOT)
    code = exit_code(outcomes)
    if code > SIGNAL_BASE:
        say("Stopped. Give the same command again to go on.")
    if code:
        return code
    lacking = backfill.to_do()
    if lacking:
        # A run that ended well and did not come to the end of its days: nothing may be said to be read then.
        say(f"Not read to the end, though no error was told: {', '.join(part.name for part in lacking)}")
        return 1
    return set_bookmarks(backfill)


def main(given: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    options = arguments(given)
    # `make` has warned already.
    keep_private(ROOT, warn="MAKELEVEL" not in os.environ)
    # Meltano, which is asked in this process, tells much that is not about the backfill; its errors come as exceptions.
    logging.disable(logging.CRITICAL)
    # While slices run, `run_pipelines` takes signals; before and after, this ends the program.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(SIGNAL_BASE + number))
    try:
        return run(options)
    except (BackfillError, ProjectError) as error:
        print(f"backfill: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        return SIGNAL_BASE + signal.SIGINT
    except asyncio.CancelledError:
        # How Meltano's own lock, which is held while bookmarks are set, takes SIGTERM.
        return SIGNAL_BASE + signal.SIGTERM


if __name__ == "__main__":
    sys.exit(main())
