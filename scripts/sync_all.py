"""Every vendor that is set up, side by side: one Meltano run each, into one loader.

    python scripts/sync_all.py [--loader target-postgres] [--environment prod] [--only tap-ispot ...]

A vendor that fails does not stop the others. Exit code 0 if all are done, 1 if one is not, 2 for a mistake in what was
asked for, 130 or 143 after SIGINT or SIGTERM. Bookmarks are those of `meltano run`.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meltano_project import ROOT, MeltanoProject, meltano_project
from pipelines import Outcome, Pipeline, exit_code, run_pipelines
from private_files import keep_private
from user_errors import BAD_INPUT, Parser, ProjectError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CREDENTIALS: dict[str, tuple[tuple[str, ...], ...]] = {
    "tap-ispot": (("client_id", "client_secret"),),
    "tap-adspect": (("api_key",),),
    "tap-spotwatch": (("api_key",),),
    "tap-magnite": (("access_key", "secret_key"),),
    "tap-springserve": (("email", "password"), ("auth_token",)),
}
"""What each tap logs in with; one of the groups is enough."""
ALWAYS = ("start_date",)
"""What each tap needs beside."""


@dataclass(frozen=True)
class Line:
    """A line of the last table."""

    tap: str
    result: str
    rows: int | None = None
    seconds: float | None = None
    log: str = ""
    error: str = ""


def lacking(tap: str, settings: Mapping[str, Any]) -> tuple[str, bool]:
    """Return what a tap lacks to run, as text, and whether it is half set up.

    Args:
        tap: A tap's name; of one that is not of this repository nothing is known.
        settings: Its settings; none and empty text are not set, as a copied .env.example has them.

    Returns:
        The names of what is missing (empty: nothing), and true if some of its credentials are given, which is a
        mistake and no vendor that is not used.
    """
    groups = CREDENTIALS.get(tap)
    if not groups:
        return "", False
    given = {name for name, value in settings.items() if value is not None and value != ""}
    beside = [name for name in ALWAYS if name not in given]
    # The group that was begun, else all of them.
    begun = [group for group in groups if given & {*group}]
    if not begun:
        first, *others = [", ".join(group) for group in groups]
        return ", ".join([first + "".join(f" (or {other})" for other in others), *beside]), False
    missing = min(([name for name in group if name not in given] for group in begun), key=len) + beside
    return ", ".join(missing), bool(missing)


def asked_for() -> argparse.Namespace:
    """Return the arguments."""
    parser = Parser(prog="sync-all", description="Run the vendors in parallel: one Meltano run each, into one loader.")
    parser.add_argument("--loader", default="target-duckdb", help="a loader of meltano.yml (target-duckdb)")
    parser.add_argument("--environment", default="prod", help="an environment of meltano.yml (prod)")
    parser.add_argument("--only", nargs="+", default=[], metavar="TAP", help="only these taps; all without it")
    parser.add_argument(
        "--at-once", type=_positive, default=len(CREDENTIALS), metavar="N", help="most runs at once (5)"
    )
    parser.add_argument("--logs", type=Path, default=ROOT / "output" / "logs", help="folder for logs (output/logs)")
    return parser.parse_args()


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: a number of at least 1")
    return int(text)


def chosen(project: MeltanoProject, loader: str, only: Sequence[str]) -> list[str]:
    """Return the taps to run.

    Raises:
        ProjectError: A tap or the loader is not there, or is not installed.
    """
    taps, loaders = project.taps(), project.loaders()
    if loader not in loaders:
        raise ProjectError(f"meltano.yml has no loader {loader}: it has {', '.join(loaders)}")
    if unknown := [tap for tap in only if tap not in taps]:
        raise ProjectError(f"meltano.yml has no tap {', '.join(unknown)}: it has {', '.join(taps)}")
    wanted = [tap for tap in taps if tap in only or not only]
    if absent := [name for name in (*wanted, loader) if not project.installed(name)]:
        raise ProjectError(
            f"not installed: {', '.join(absent)}: run `make plugins`, or `make loaders` for every loader"
        )
    return wanted


def ready(
    project: MeltanoProject, taps: Sequence[str], options: argparse.Namespace
) -> tuple[list[Pipeline], list[Line]]:
    """Return the runs of the taps that are set up, and a line for each of the others."""
    pipelines, others = [], []
    for tap in taps:
        origin = project.origin(tap)
        names = [*ALWAYS, *(name for group in CREDENTIALS.get(origin, ()) for name in group)]
        missing, half = lacking(origin, project.settings(tap, names))
        if missing:
            prefix = tap.upper().replace("-", "_")
            error = f"missing: {missing}; set {prefix}_<NAME> in .env or in the environment"
            others.append(Line(tap, "failed" if half else "not set up", error=error))
            continue
        state_id = project.state_id(tap, options.loader)
        pipelines.append(Pipeline(tap, tap, options.loader, state_id, options.environment))
    return pipelines, others


def line_of(outcome: Outcome) -> Line:
    """Return the line of a run for the last table."""
    log = os.path.relpath(outcome.log) if outcome.code is not None else ""
    rows = sum(outcome.rows.values()) if outcome.code is not None else None
    seconds = outcome.seconds if outcome.state != "not begun" else None
    return Line(outcome.pipeline.tap, outcome.state, rows, seconds, log, outcome.error)


def say(text: str) -> None:
    """Print a line of progress at once, with the local time."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def ended(outcome: Outcome) -> None:
    """Tell that a run ended."""
    line = line_of(outcome)
    rows = f"{line.rows:,} rows in " if outcome.state == "done" else ""
    say(f"{line.tap}: {line.result}, {rows}{outcome.seconds:.0f} s{f': {line.error}' if line.error else ''}")


def show(lines: Sequence[Line]) -> None:
    """Print the last table, and below it why something is not done."""
    table = [("tap", "result", "rows", "seconds", "log")]
    for line in lines:
        rows = "" if line.rows is None else f"{line.rows:,}"
        seconds = "" if line.seconds is None else f"{line.seconds:,.0f}"
        table.append((line.tap, line.result, rows, seconds, line.log))
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    print()
    for tap, result, rows, seconds, log in table:
        cells = [tap.ljust(widths[0]), result.ljust(widths[1]), rows.rjust(widths[2]), seconds.rjust(widths[3]), log]
        print("  ".join(cells).rstrip())
    if errors := [line for line in lines if line.error]:
        print()
        for line in errors:
            print(f"{line.tap}: {line.result}: {line.error}")


def refuse(reason: str) -> int:
    """Say why nothing was run; returns the exit code."""
    print(f"sync-all: {reason}", file=sys.stderr)
    return BAD_INPUT


def main() -> int:
    """Run the taps; returns the exit code."""
    options = asked_for()
    # `make` has warned already.
    keep_private(ROOT, warn="MAKELEVEL" not in os.environ)
    try:
        project = meltano_project(options.environment)
        taps = chosen(project, options.loader, options.only)
        pipelines, others = ready(project, taps, options)
        if not pipelines:
            show(others)
            return refuse("no tap is set up: run `make env`, and fill in .env for the vendors that you use")
        outcomes = run_pipelines(
            pipelines,
            at_once=options.at_once,
            logs=options.logs,
            on_begin=lambda pipeline: say(f"{pipeline.tap}: begins, into {pipeline.loader}"),
            on_end=ended,
            on_note=lambda pipeline, note: say(f"{pipeline.tap}: {note}"),
        )
    except ProjectError as error:
        return refuse(str(error))
    lines = [*map(line_of, outcomes), *others]
    show(sorted(lines, key=lambda line: taps.index(line.tap)))
    # A vendor without credentials is one that is not used, unless it was asked for.
    counted = [line for line in others if line.result == "failed" or options.only]
    return exit_code(outcomes) or int(bool(counted))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
