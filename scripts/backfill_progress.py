"""What a backfill prints: a line for each slice, how far it is, and in the end a table of what failed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines import Outcome, Pipeline

_MINUTE, _HOUR = 60, 3600


@dataclass
class Progress:
    """How far a backfill is.

    Args:
        total: Slices of the range.
        done: Those that were done before this start.
        at_once: Slices that run at once, once the first one has made the tables.
    """

    total: int
    done: int
    at_once: int
    rows: int = 0
    failed: list[Outcome] = field(default_factory=list)
    _seconds: list[float] = field(default_factory=list)

    def note(self, pipeline: Pipeline, text: str) -> None:
        """Print what a run that goes on has to say."""
        say(f"  {pipeline.name}: {text}")

    def ended(self, outcome: Outcome) -> None:
        """Count a slice that ended, and print its line."""
        rows = sum(outcome.rows.values())
        self.rows += rows
        if outcome.state == "done":
            self.done += 1
            self._seconds.append(outcome.seconds)
        elif outcome.state not in {"stopped", "not begun"}:
            self.failed.append(outcome)
        if outcome.state == "not begun":
            return
        parts = [f"{self.done} of {self.total} slices done", f"{self.rows:,} rows so far", *self._left()]
        say(
            f"  {outcome.pipeline.name:<22}  {outcome.state:<7}  {rows:>10,} rows  {duration(outcome.seconds):>8}   "
            + ", ".join(parts)
        )

    def _left(self) -> list[str]:
        left = self.total - self.done - len(self.failed)
        if not left or not self._seconds:
            return []
        # Slices side by side are slower each than the first alone: what the last ones took says most.
        recent = self._seconds[-2 * self.at_once :]
        rounds = left / min(self.at_once, left)
        return [f"about {duration(rounds * sum(recent) / len(recent))} left"]

    def table(self, root: Path) -> None:
        """Print the slices that failed, with the line that says why."""
        if not self.failed:
            return
        say("\nNot loaded:\n")
        for outcome in self.failed:
            log = outcome.log.relative_to(root) if outcome.log.is_relative_to(root) else outcome.log
            where = f"  (log: {log})" if outcome.log.exists() else ""
            say(f"  {outcome.pipeline.name:<22}  {outcome.state:<6}  {outcome.error}{where}")


def say(text: str) -> None:
    """Print a line at once: a backfill runs for hours, often into a file."""
    print(text, flush=True)


def duration(seconds: float) -> str:
    """Write a number of seconds for a reader: `48 s`, `12 min`, `3 h 05 min`."""
    whole = round(seconds)
    if whole < 2 * _MINUTE:
        return f"{whole} s"
    if whole < 2 * _HOUR:
        return f"{round(whole / _MINUTE)} min"
    hours, rest = divmod(round(whole / _MINUTE), 60)
    return f"{hours} h {rest:02} min"
