"""How old a table may be, by the schedules that load it."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import TYPE_CHECKING

import dagster as dg
from croniter import croniter_range

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LONGEST_RUN = dt.timedelta(hours=3)
"""Longest usual run."""

_MONTH = (dt.datetime(2025, 1, 1, tzinfo=dt.timezone.utc), dt.datetime(2025, 2, 1, tzinfo=dt.timezone.utc))


def policy(schedules: Mapping[str, str]) -> dg.FreshnessPolicy | None:
    """Return the policy: a warning after one missed run, a failure after two; None without schedules."""
    if not schedules:
        return None
    gap = longest_gap(schedules.values())
    return dg.FreshnessPolicy.time_window(fail_window=2 * gap + LONGEST_RUN, warn_window=gap + LONGEST_RUN)


def longest_gap(crons: Iterable[str]) -> dt.timedelta:
    """Return the longest time between runs, seen over a month."""
    runs = {tick for cron in crons for tick in croniter_range(*_MONTH, cron)}
    return max((later - earlier for earlier, later in pairwise(sorted({*runs, *_MONTH}))))
