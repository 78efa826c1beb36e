"""Tools for the tests of taps: `clock`, `runs` and `programs` of a tap, `messages`, and the `suite` of all taps.

A tap's `conftest.py` defines the fixture:

    @pytest.fixture
    def run_tap(monkeypatch: pytest.MonkeyPatch) -> Iterator[TapRunner]:
        with tap_runner(TapAcme, NOW, monkeypatch) as runner:
            yield runner

and one test module has a class based on `TapSuite`.
"""

from __future__ import annotations

import pytest

# Before the import, so that a failed assertion shows its values.
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
