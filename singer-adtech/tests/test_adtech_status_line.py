"""What a user sees while a run works: a line now and then, or a bar on a terminal."""

from __future__ import annotations

import io
import logging
import os
import pty
import sys
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.metrics import StreamCounts
from singer_adtech.status_line import (
    MOST_WINDOW_LINES,
    Progress,
    StatusLine,
    about,
    bar,
    describe,
    draws_bars,
    status_line,
)
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable

    from acme_vendor import AcmeVendor
    from adtech_fixtures import Run
    from singer_adtech.testing import FakeClock

LOGGER = logging.getLogger("tap-test")


class Terminal(io.StringIO):
    """A terminal."""

    @override
    def isatty(self) -> bool:
        return True

    def screen(self) -> list[str]:
        """Return what a user sees, line by line."""
        lines = []
        for line in self.getvalue().split("\n"):
            seen = ""
            for part in line.split("\r"):
                seen = part + seen[len(part) :]
            lines.append(seen.rstrip())
        return lines


def counts(**numbers: Any) -> StreamCounts:
    made = StreamCounts("airings")
    made.report_total(numbers.pop("total", None))
    for name, value in numbers.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("numbers", "elapsed", "words"),
    [
        (
            {"windows": 1064, "windows_read": 11, "rows": 120_000},
            600,
            "window 12 of 1,064, 120,000 rows, about 16 hours left",
        ),
        (
            {"windows": 1064, "windows_read": 912, "rows": 120_000},
            5000,
            "window 913 of 1,064, 120,000 rows, about 14 minutes left",
        ),
        ({"windows": 3, "windows_read": 0, "rows": 5}, 60, "window 1 of 3, 5 rows"),
        ({"windows": 3, "windows_read": 3, "rows": 5}, 60, "window 3 of 3, 5 rows, less than a minute left"),
        ({"windows": 0, "rows": 0}, 1, "window 0 of 0, 0 rows"),
        ({"rows": 500, "total": 2000}, 100, "500 of 2,000 rows, about 5 minutes left"),
        ({"rows": 2100, "total": 2000}, 100, "2,100 of 2,000 rows, less than a minute left"),
        ({"rows": 500}, 100, "500 rows"),
    ],
)
def test_how_far_a_stream_is(numbers: dict[str, Any], elapsed: float, words: str) -> None:
    assert describe(counts(**numbers), elapsed) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (59, "less than a minute"),
        (60, "about 1 minute"),
        (840, "about 14 minutes"),
        (3600, "about 1 hour"),
        (90_000, "about 1 day"),
        (200_000, "about 2 days"),
    ],
)
def test_time_left_is_rough(seconds: float, words: str) -> None:
    assert about(seconds) == words


def test_a_line_every_thirty_seconds_and_no_more(clock: FakeClock, log: list[str]) -> None:
    # given
    progress, stream = Progress("tap-test", clock, LOGGER), counts(windows=100, windows_read=10, rows=1000)
    # when: an answer each second, for a minute and a half
    with progress.running():
        for _ in range(95):
            clock.pass_by(1)
            progress.update(stream)
    progress.update(stream)
    # then
    assert log == [
        "stream airings: window 11 of 100, 1,000 rows, about 4 minutes left",
        "stream airings: window 11 of 100, 1,000 rows, about 9 minutes left",
        "stream airings: window 11 of 100, 1,000 rows, about 14 minutes left",
    ]


def test_a_run_of_the_tap_says_how_far_it_is(
    acme: AcmeVendor, run_tap: Callable[..., Run], log: list[str], clock: FakeClock
) -> None:
    # given: a vendor that takes twenty seconds for each answer
    def slow(_: Any) -> None:
        clock.pass_by(20)

    acme.before = slow
    # when
    run_tap("airings", patch=lambda tap: setattr(tap, "clock", clock), parallel_requests=1)
    # then
    assert [line for line in log if " left" in line] == [
        "stream airings: window 2 of 3, 5 rows, about 3 minutes left",
    ]


def test_the_lines_of_very_many_windows_do_not_flood_the_log(
    run_tap: Callable[..., Run], acme: AcmeVendor, caplog: pytest.LogCaptureFixture
) -> None:
    # given: a window more than has a line each
    acme.airings = {}
    caplog.set_level(logging.INFO)
    # when
    run_tap("airings", start_date="2024-01-01", end_date="2024-02-20")
    # then: one line says what is read
    assert len(acme.server.calls) - 1 == MOST_WINDOW_LINES + 1
    assert [one for one in caplog.messages if "window" in one and "METRIC" not in one] == [
        "stream airings: reads 2024-01-01 to 2024-02-20 (America/New_York), 51 windows"
    ]


# ---------------------------------------------------------------------------------------------------------------- a bar


@pytest.mark.parametrize(
    ("share", "drawn"),
    [(None, ""), (0.0, f"[{'.' * 20}]  "), (0.5, f"[{'#' * 10}{'.' * 10}]  "), (1.0, f"[{'#' * 20}]  ")],
)
def test_the_bar(share: float | None, drawn: str) -> None:
    assert bar(share) == drawn


def test_the_bar_is_redrawn_on_one_line_and_log_lines_stand_above_it(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: a terminal, and a handler that logs to it
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    handler = logging.StreamHandler(terminal)
    root = logging.getLogger()
    root.addHandler(handler)
    progress, stream = Progress("tap-test", clock, LOGGER), counts(windows=4, windows_read=2, rows=10)
    # when
    try:
        LOGGER.setLevel(logging.INFO)
        with progress.running():
            progress.begin(counts())
            assert terminal.screen() == ["tap-test  airings  0 rows"]
            for rows in (10, 20, 3):
                stream.rows = rows
                clock.pass_by(1)
                progress.update(stream)
            assert terminal.screen()[-1].startswith(f"tap-test  airings  [{'#' * 10}{'.' * 10}]  window 3 of 4, 3 rows")
            LOGGER.warning("short")
            assert terminal.screen()[0] == "short"
            assert terminal.screen()[1].startswith("tap-test  airings  [")
        LOGGER.warning("done")
    finally:
        root.removeHandler(handler)
        LOGGER.setLevel(logging.NOTSET)
    # then: nothing is left of it, and no escape sequence was written
    assert terminal.screen() == ["short", "done", ""]
    assert "\x1b" not in terminal.getvalue()


def test_the_bar_is_as_wide_as_the_terminal_at_most() -> None:
    # given
    terminal = Terminal()
    status = StatusLine(terminal)
    # when: 80 columns are assumed of a terminal that does not tell
    status.show("x" * 200)
    # then
    assert terminal.getvalue() == "x" * 79


def test_a_real_terminal_tells_its_width() -> None:
    # given
    leader, follower = pty.openpty()
    # when
    with os.fdopen(follower, "w", encoding="utf-8") as terminal, status_line(terminal) as status:
        status.show("x" * 200)
    # then
    assert os.read(leader, 1000).decode().startswith("x" * 79)
    os.close(leader)


@pytest.mark.parametrize(
    ("stderr", "stdout", "term", "drawn"),
    [
        (Terminal(), io.StringIO(), "xterm", True),
        (io.StringIO(), io.StringIO(), "xterm", False),
        (Terminal(), Terminal(), "xterm", False),
        (Terminal(), io.StringIO(), "dumb", False),
        (Terminal(), io.StringIO(), None, False),
    ],
)
def test_there_is_a_bar_only_where_it_can_be_drawn(
    monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO, stdout: io.StringIO, term: str | None, *, drawn: bool
) -> None:
    monkeypatch.delenv("TERM", raising=False)
    if term:
        monkeypatch.setenv("TERM", term)
    assert draws_bars(stderr, stdout) is drawn
