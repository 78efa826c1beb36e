"""Checks for rows that a vendor may omit or return without any marker."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from singer_adtech.streams.instants import utc_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from singer_adtech.progress.windows import InstantWindow

FEWEST_ROWS = 5
"""Rows per window from which equal maxima are more than a coincidence of quiet hours."""

FEWEST_WINDOWS = 3
"""Windows with the same maximum that indicate a cap."""

FEWEST_EXPECTED = 20
"""Expected rows in the first seconds of windows from which none at all is suspicious."""


class LogWindows:
    """The windows of one run of the click log, compared with each other."""

    def __init__(self) -> None:
        self._not_compared: dict[InstantWindow, int] = {}
        self._expected: dict[InstantWindow, float] = {}
        self._edge_seen = False

    def add(self, window: InstantWindow, rows: int, instants: Collection[str], *, compared: bool) -> None:
        """Note a window. One that is read again replaces its first reading.

        Args:
            window: The window.
            rows: The number of its rows.
            instants: Their different timestamps.
            compared: Whether the rows were compared with the funnel's counts.
        """
        if compared:
            self._not_compared.pop(window, None)
        else:
            self._not_compared[window] = rows
        self._expected[window] = rows / (window.end - window.start).total_seconds()
        self._edge_seen |= not {utc_text(window.start), utc_text(window.end)}.isdisjoint(instants)

    def warnings(self) -> Iterator[str]:
        """Return what the windows together indicate."""
        windows = Counter(self._not_compared.values())
        most = max(windows, default=0)
        if most >= FEWEST_ROWS and windows[most] >= FEWEST_WINDOWS:
            yield (
                f"{windows[most]} of {len(self._not_compared)} windows have {most} rows, and none has more: the vendor "
                f"may omit further rows: set `log_row_limit` to {most}, or compare windows with the funnel by "
                "`log_count_check`, and read this range again"
            )
        # Assumed: `date_from` or `date_to` is inclusive. If wrong, rows of the second between two windows are
        # missing, in the funnel's counts too, and the user sees this warning.
        expected = sum(self._expected.values())
        if expected >= FEWEST_EXPECTED and not self._edge_seen:
            yield (
                f"no row is in the first second of any of {len(self._expected)} windows, although about "
                f"{expected:.0f} are expected: the vendor may exclude both `date_from` and `date_to`: raise "
                "`log_window_minutes` to lose fewer rows, and report this to the tap's authors"
            )


def outside_text(rows: int, clicks: int | None, direction: str = "") -> str:
    """Describe rows outside of a window.

    Args:
        rows: Their number.
        clicks: The clicks they hold; None if unknown.
        direction: Where they are, such as `before it`.
    """
    held = "an unknown number of clicks" if clicks is None else f"{clicks} click{'s'[: clicks != 1]}"
    return f"{held} in {rows} row{'s'[: rows != 1]} {direction}".rstrip()
