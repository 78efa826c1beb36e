"""Asset checks of a table, judged by the metrics of its stream; a failed check is a warning for a human."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import dagster as dg

from adtech_orchestration.logs import last_day

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MOST_RETRIES = 0.1
"""Share of requests that may be retries."""

FEW_RETRIES = 5
"""Retries that need no warning, whatever the share."""

LATE_DAYS = 3
"""Days from the end of the last window read to today that need no warning."""

EVERY_TABLE = {
    "rows": "The vendor returned rows, or returned none in the previous run either.",
    "retries": f"At most {MOST_RETRIES:.0%} of the requests, or {FEW_RETRIES}, were retries.",
    "unknown_fields": "The vendor sent no field that the schema does not name; such fields are in `_extra`.",
}
WINDOWED = {
    "restated_rows": "The look-back read rows again, or read none in the previous run either.",
    "window_reached": f"The last window read ended at most {LATE_DAYS} days ago, and all windows were read.",
}


def specs(key: dg.AssetKey, *, windowed: bool) -> Iterator[dg.AssetCheckSpec]:
    """Return the checks of a table."""
    for name, description in {**EVERY_TABLE, **(WINDOWED if windowed else {})}.items():
        yield dg.AssetCheckSpec(name, asset=key, description=description)


def results(
    key: dg.AssetKey,
    numbers: Mapping[str, Any],
    before: Mapping[str, Any],
    *,
    windowed: bool,
    today: dt.date,
) -> Iterator[dg.AssetCheckResult]:
    """Judge a stream's metrics.

    Args:
        key: The table.
        numbers: Metrics of this run.
        before: Numbers of the previous run; empty for the first.
        windowed: Whether the stream is read in windows.
        today: Today in UTC.
    """
    verdicts = _verdicts(numbers, before, today)
    for name in (*EVERY_TABLE, *(WINDOWED if windowed else ())):
        passed, description = verdicts[name]
        yield dg.AssetCheckResult(
            passed=passed,
            check_name=name,
            asset_key=key,
            severity=dg.AssetCheckSeverity.WARN,
            description=description,
            metadata={} if numbers[name] is None else {name: numbers[name]},
        )


def _verdicts(
    numbers: Mapping[str, Any],
    before: Mapping[str, Any],
    today: dt.date,
) -> dict[str, tuple[bool, str]]:
    rows, requests, retries = numbers["rows"], numbers["requests"], numbers["retries"]
    unknown, again = numbers["unknown_fields"], numbers["restated_rows"]
    windows, read, reached = numbers["windows"], numbers["windows_read"], last_day(numbers["window_reached"])
    late = bool(reached) and (today - dt.date.fromisoformat(reached)).days > LATE_DAYS
    return {
        "rows": (bool(rows) or not before.get("rows"), f"{rows:,} rows; {before.get('rows', 'none known')} before"),
        "retries": (
            retries <= max(FEW_RETRIES, MOST_RETRIES * requests),
            f"{retries:,} of {requests:,} requests were retries",
        ),
        "unknown_fields": (not unknown, f"{unknown:,} unknown fields, kept in `_extra`"),
        "restated_rows": (
            bool(again) or not before.get("restated_rows"),
            f"{again:,} rows read again; {before.get('restated_rows', 'none known')} before",
        ),
        "window_reached": (
            not late and read == (windows or 0),
            f"{read:,} of {windows or 0:,} windows read, the last to {reached or 'none'}",
        ),
    }
