"""One load of one account: `meltano run` for new data, `meltano el` for one month, with the tap's metrics."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from adtech_orchestration import alive, meltano, project
from adtech_orchestration.logs import RunLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from adtech_orchestration.project import Account

PROGRESS = logging.getLogger("adtech_orchestration.progress")
"""Lines of progress for a terminal."""


class LoadConfig(dg.Config):
    """Options of one run, offered by the page's launchpad."""

    full_refresh: bool = Field(default=False, description="Ignore the bookmarks and read everything again.")


def retry_policy() -> dg.RetryPolicy:
    """Return the retries of a failed run: after one, three, seven minutes, and so on."""
    return dg.RetryPolicy(
        max_retries=int(os.environ.get("ORCHESTRATION_RETRIES") or 2),
        delay=float(os.environ.get("ORCHESTRATION_RETRY_DELAY") or 60),
        backoff=dg.Backoff.EXPONENTIAL,
    )


def load(
    context: dg.AssetExecutionContext,
    account: Account,
    *,
    month: str | None = None,
    only: Sequence[str] = (),
    full_refresh: bool = False,
) -> tuple[RunLog, int]:
    """Run Meltano for an account and log its output.

    Args:
        context: The Dagster run.
        account: The account.
        month: Month to read, such as `2025-03`; None for new data.
        only: Streams to read; empty for all that meltano.yml selects.
        full_refresh: Whether to ignore the bookmarks.

    Returns:
        The log and Meltano's exit code.

    Raises:
        dagster.Failure: The account is not set up, or a run of the same state is alive; not worth a retry.
    """
    try:
        settings = project.complete_settings(account)
        command, variables = _command(account, settings, month, only, full_refresh=full_refresh)
        name = account.name if month is None else f"{account.name}-{month}"
        lock = Path(context.instance.root_directory) / "locks" / f"{_lock_name(account, command, month)}.lock"
        with alive.held(context.instance, context.run.run_id), alive.only_one(context.instance, lock.stem):
            return _run(context, account, name, command, variables, lock)
    except project.ProjectError as error:
        raise dg.Failure(str(error), allow_retries=False) from error


def month_days(month: str) -> tuple[dt.date, dt.date]:
    """Return the first and the last day of a month such as `2025-03`."""
    first = dt.date.fromisoformat(f"{month}-01")
    following = (first + dt.timedelta(days=31)).replace(day=1)
    return first, following - dt.timedelta(days=1)


@contextmanager
def log_file(name: str) -> Iterator[tuple[Path, Callable[[str], None]]]:
    """Open the log of a run, and keep that of the previous one; return its path and a function that writes a line."""
    path = project.root() / "output" / "logs" / f"{name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        path.replace(path.with_suffix(".previous.log"))
    with path.open("w", encoding="utf-8") as file:

        def write(text: str) -> None:
            print(text, file=file, flush=True)
            print(text, flush=True)  # noqa: T201 - Dagster stores the output of a step and shows it while it runs

        yield path, write


def failure(account: Account, log: RunLog, code: int) -> dg.Failure:
    """Return the error of a failed run."""
    ended = f"killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return dg.Failure(log.cause or f"{account.extractor}: Meltano {ended}; see the log")


def _command(
    account: Account,
    settings: Mapping[str, Any],
    month: str | None,
    only: Sequence[str],
    *,
    full_refresh: bool,
) -> tuple[list[str], dict[str, str]]:
    # Runs of one account on one machine count their requests together, even if its pool allows several runs.
    budgets = project.root() / "output" / "budgets" / account.extractor
    variables = {} if settings.get("budget_folder") else {f"{account.prefix}_BUDGET_FOLDER": str(budgets)}
    # Safe: the pool and the lock exclude a second living run of the state.
    options = ["--no-install", "--force", *(["--full-refresh"] if full_refresh else [])]
    if only:
        variables[f"{account.prefix}__SELECT_FILTER"] = json.dumps([*only])
    if month is None:
        return [*project.meltano(), "run", *options, *account.blocks], variables
    first, last = month_days(month)
    variables |= {f"{account.prefix}_START_DATE": f"{first}", f"{account.prefix}_END_DATE": f"{last}"}
    # No look-back: a resumed month would read again what it has just read.
    lookbacks = project.STREAMS[account.tap]["lookbacks"]
    variables |= {f"{account.prefix}_{name.upper()}": "0" for name in lookbacks}
    variables[f"{account.prefix}__SELECT_FILTER"] = json.dumps([f"!{name}" for name in left_out(account, settings)])
    suffix = f"backfill-{month}"
    if len(account.blocks) > 2:  # noqa: PLR2004 - a mapper between tap and loader
        # `meltano el` has no mappers. Loading without them could reveal personal data.
        return [*project.meltano(), "run", *options, f"--state-id-suffix={suffix}", *account.blocks], variables
    # `meltano el` has its own run folder, so that several months can run in parallel.
    state_id = f"--state-id={account.state_id}:{suffix}"
    return [*project.meltano(), "el", *options, state_id, *account.blocks], variables


def _lock_name(account: Account, command: list[str], month: str | None) -> str:
    """Return the name of the lock: `meltano run` shares a run folder per tap, `meltano el` has one per state."""
    return f"{account.extractor}-{month}" if "el" in command else account.extractor


def left_out(account: Account, settings: Mapping[str, Any]) -> list[str]:
    """Return the streams that a month does not read, because they have no windows or count them from `start_date`."""
    lists = [name for name, stream in account.streams.items() if not stream["windowed"]]
    reports = settings.get("reports") or []
    if isinstance(reports, str):
        with suppress(ValueError):
            reports = json.loads(reports)
    cumulative = [
        str(one.get("name"))
        for one in reports
        if isinstance(one, dict) and one.get("interval") == "cumulative" and one.get("window_days") != 1
    ]
    return [*lists, *cumulative]


def _run(  # noqa: PLR0913, PLR0917 - one place that calls it
    context: dg.AssetExecutionContext,
    account: Account,
    name: str,
    command: list[str],
    variables: dict[str, str],
    lock: Path,
) -> tuple[RunLog, int]:
    log, began = RunLog(account.extractor, account.loader), time.monotonic()
    with log_file(name) as (path, write):
        context.log.info("%s; log: %s", " ".join(command), path)

        def on_line(line: str) -> None:
            known = len(log.streams)
            level, text = log.read(line)
            write(text)
            if level in {"warning", "error", "critical"}:
                context.log.log(level.upper(), text)
            if len(log.streams) > known:
                stream, numbers = next(reversed(log.streams.items()))
                context.log.info("stream %s: %s", stream, " ".join(f"{k}={v}" for k, v in numbers.items()))
                PROGRESS.info("%s: stream %s: %s rows", name, stream, f"{numbers['rows']:,}")

        code = meltano.run(command, variables, on_line, lock)
    seconds = time.monotonic() - began
    if code:
        attempts = f"{context.retry_number + 1} of {1 + retry_policy().max_retries}"
        PROGRESS.info("%s: attempt %s failed, %.0f s: %s", name, attempts, seconds, log.cause or f"exit code {code}")
    return log, code
