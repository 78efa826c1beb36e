"""`make sync` and `make backfill`: the jobs of the page, from the terminal, without a service.

    python -m adtech_orchestration.headless sync [--only TAP ...] [--loader target-postgres]
    python -m adtech_orchestration.headless backfill TAP --from 2022-01 --to 2024-12

Every run is a process and a record in the Dagster instance, as from the page. A failed run does not stop the others.
Exit code 0 if all are done, 1 if one failed, 2 for invalid input, 130 or 143 after SIGINT or SIGTERM.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import dagster as dg
from typing_extensions import override

from adtech_orchestration import alive, home, marts, project
from adtech_orchestration.history import MONTHS, finished, job_name
from adtech_orchestration.processes import SIGNAL_BASE, Part, Result, run_parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adtech_orchestration.project import Account

BAD_INPUT = 2


class _Parser(argparse.ArgumentParser):
    @override
    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {message} (see --help)\n")


@dataclass(frozen=True)
class Plan:
    """What to run, and results that are known without a run."""

    parts: Sequence[Part]
    known: Sequence[Result] = ()


def arguments() -> argparse.Namespace:
    """Return the arguments."""
    parser = _Parser(prog="orchestration", description="Run Dagster's jobs from the terminal.")
    commands = parser.add_subparsers(dest="command", required=True)
    sync = commands.add_parser("sync", help="read the new data of all accounts in parallel")
    sync.add_argument("--only", nargs="+", default=[], metavar="TAP", help="only these extractors of meltano.yml")
    backfill = commands.add_parser("backfill", help="read past months of an account")
    backfill.add_argument("tap", nargs="+", metavar="TAP", help="extractors of meltano.yml")
    backfill.add_argument("--from", dest="first", required=True, type=_month, help="first month, or a day of it")
    backfill.add_argument("--to", dest="last", required=True, type=_month, help="last month, or a day of it")
    backfill.add_argument("--again", action="store_true", help="read finished months again")
    backfill.add_argument("--dry-run", action="store_true", help="only show the months")
    for command in (sync, backfill):
        command.add_argument("--loader", help="a loader of meltano.yml; by default that of its jobs")
        command.add_argument("--environment", help="an environment of meltano.yml (that of .env, or prod)")
    return parser.parse_args()


def _month(text: str) -> str:
    try:
        return dt.date.fromisoformat(text if text.count("-") > 1 else f"{text}-01").isoformat()[:7]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a month such as 2024-01") from error


def chosen(names: Sequence[str]) -> list[Account]:
    """Return the accounts with these names; all without names.

    Raises:
        ProjectError: An account is not in meltano.yml.
    """
    accounts = project.accounts()
    known = [account.extractor for account in accounts]
    if unknown := [name for name in names if name not in known]:
        raise project.ProjectError(f"meltano.yml has no tap {', '.join(unknown)}: it has {', '.join(known)}")
    return [account for account in accounts if account.extractor in names or not names]


def plan_sync(accounts: Sequence[Account], *, named: bool) -> Plan:
    """Return a part per account that is set up; the others are known results.

    Args:
        accounts: The accounts.
        named: Whether the user named them, so that a missing setup is a failure.
    """
    parts, known = [], []
    with ThreadPoolExecutor() as pool:
        setups = [*pool.map(project.setup, accounts)]
    for account, setup in zip(accounts, setups, strict=True):
        part = Part(account.name, account.name, account.loader, account.name)
        if setup.missing:
            state = "failed" if named or setup.partly else "not set up"
            known.append(Result(part, state, error=setup.problem(account)))
        else:
            parts.append(part)
    return Plan(parts, known)


def plan_backfill(instance: dg.DagsterInstance, accounts: Sequence[Account], options: argparse.Namespace) -> Plan:
    """Return a part per month that is not done.

    Raises:
        ProjectError: The range is empty, no month of it is over, or an account is not set up.
    """
    if options.first > options.last:
        raise project.ProjectError(f"the first month, {options.first}, is after the last one, {options.last}")
    months = [month for month in MONTHS.get_partition_keys() if options.first <= month <= options.last]
    if not months:
        keys = MONTHS.get_partition_keys()
        raise project.ProjectError(
            f"no month from {options.first} to {options.last} can be read: months from {keys[0]} to {keys[-1]} can. "
            "A month is read once it is over; set ORCHESTRATION_FIRST_MONTH for earlier ones"
        )
    for bound, month in ((options.first, months[0]), (options.last, months[-1])):
        if bound != month:
            say(f"{bound} is left out: months from {months[0]} to {months[-1]} can be read, once they are over")
    parts, known = [], []
    for account in accounts:
        project.complete_settings(account)
        done = finished(instance, account)
        for month in months:
            part = Part(
                f"{account.name}-{month}", account.name, account.loader, job_name(account), month, again=options.again
            )
            if month in done and not options.again:
                known.append(Result(part, "done before"))
            else:
                parts.append(part)
    return Plan(parts, known)


def build_models(instance: dg.DagsterInstance, accounts: Sequence[Account]) -> tuple[Sequence[Result], int]:
    """Build the dbt models after loads; return the result and the exit code. Without dbt it is not a failure."""
    part = Part(marts.NAME, marts.NAME, accounts[0].loader, marts.NAME)
    if problem := marts.problem(accounts):
        return [Result(part, "not set up", error=problem)], 0
    return run_parts(instance, [part], say)


def say(text: str) -> None:
    """Print a line of progress with the local time."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def show(results: Sequence[Result]) -> None:
    """Print the last table, and the errors below it."""
    table = [("part", "result", "rows", "seconds", "log")]
    for one in results:
        rows = "" if one.rows is None else f"{one.rows:,}"
        seconds = "" if one.seconds is None else f"{one.seconds:,.0f}"
        log = project.root() / "output" / "logs" / f"{one.part.name}.log"
        table.append((one.part.name, one.state, rows, seconds, os.path.relpath(log) if one.seconds is not None else ""))
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    print()
    for row in table:
        numbers = [text.rjust(width) for text, width in zip(row[2:4], widths[2:4], strict=True)]
        print("  ".join([row[0].ljust(widths[0]), row[1].ljust(widths[1]), *numbers, row[4]]).rstrip())
    if errors := [one for one in results if one.error]:
        print()
        for one in errors:
            print(f"{one.part.name}: {one.state}: {one.error}")


def main() -> int:
    """Run the command; return the exit code."""
    options = arguments()
    if options.loader:
        os.environ["ORCHESTRATION_LOADER"] = options.loader
    if options.environment:
        os.environ["MELTANO_ENVIRONMENT"] = options.environment
    try:
        home.prepare()
        with dg.DagsterInstance.get() as instance:
            for run_id in alive.close_dead_runs(instance):
                say(f"run {run_id[:8]} is dead: its record is closed, and the next run continues from its last state")
            if options.command == "sync":
                accounts = chosen(options.only)
                plan = plan_sync(accounts, named=bool(options.only))
            else:
                accounts = chosen(options.tap)
                plan = plan_backfill(instance, accounts, options)
            if options.command == "backfill" and options.dry_run:
                show([*(Result(part, "to do") for part in plan.parts), *plan.known])
                return 0
            results, code = run_parts(instance, plan.parts, say)
            if any(one.state == "done" for one in results) and code < SIGNAL_BASE:
                built, code_of_models = build_models(instance, accounts)
                results, code = [*results, *built], max(code, code_of_models)
    except project.ProjectError as error:
        print(f"orchestration: {error}", file=sys.stderr)
        return BAD_INPUT
    show(sorted([*results, *plan.known], key=lambda one: one.part.name))
    if options.command == "sync" and not plan.parts and all(one.state == "not set up" for one in plan.known):
        print("no tap is set up: run `make env`, and fill in .env for the vendors that you use", file=sys.stderr)
        return BAD_INPUT
    return code or int(any(one.state == "failed" for one in plan.known))


if __name__ == "__main__":
    sys.exit(main())
