"""Test helpers for taps: `clock`, `runs`, `programs`, `messages` and the common `suite`.

Define a fixture in a tap's `conftest.py`:

    @pytest.fixture
    def run_tap(monkeypatch: pytest.MonkeyPatch) -> Iterator[TapRunner]:
        with tap_runner(TapAcme, NOW, monkeypatch) as runner:
            yield runner

and subclass `TapSuite` in one test module.
"""

from __future__ import annotations

import pytest

# Before the import, to show values of failed assertions.
pytest.register_assert_rewrite("singer_adtech.testing.suite")

from singer_adtech.testing.clock import FakeClock
from singer_adtech.testing.messages import read_messages, select
from singer_adtech.testing.programs import Program, last_line
from singer_adtech.testing.runs import Run, TapRunner, tap_runner
from singer_adtech.testing.suite import Restart, Slices, TapSuite, assert_truth

__all__ = [
    "FakeClock",
    "Program",
    "Restart",
    "Run",
    "Slices",
    "TapRunner",
    "TapSuite",
    "assert_truth",
    "last_line",
    "read_messages",
    "select",
    "tap_runner",
]
