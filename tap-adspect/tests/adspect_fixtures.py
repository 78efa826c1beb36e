"""What the tests of tap-adspect share: runs of the tap in this process, and a scripted vendor."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from singer_adtech.testing import FakeClock, tap_runner
from tap_adspect.tap import TapAdspect
from vendor_simulators import scripted
from vendor_simulators.messages import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from singer_adtech.testing import TapRunner
    from vendor_simulators.pytest_plugin import Simulate

NOW = dt.datetime(2025, 4, 1, 20, 30, 40, tzinfo=dt.timezone.utc)
"""What the tap takes for now, unless a test says otherwise."""


class ExactTap(TapAdspect):
    """The tap with waits that can be told in advance; its random part has a test of its own."""

    retry_policy = replace(TapAdspect.retry_policy, jitter=0)


class Scripted(scripted.Scripted):
    """A vendor that gives every request the answer that a test makes."""

    base_path = "/v1"
    own_settings: ClassVar[dict[str, str]] = {"api_key": "made-up-key", "start_date": "2025-03-28"}


class Script(scripted.Script[Scripted]):
    """Starts scripted vendors and makes their answers."""

    def body(self, text: str, status: int = 200, content_type: str = "application/json") -> Scripted:
        """Start a vendor that gives this body, whatever is asked."""
        return self(lambda _: Response.text(text, status, content_type))

    def rows(self, *rows: Any) -> Scripted:
        """Start a vendor that gives these rows, one a line, whatever is asked."""
        return self.body("".join(f"{json.dumps(row)}\n" for row in rows))


@pytest.fixture
def run_tap(monkeypatch: pytest.MonkeyPatch) -> Iterator[TapRunner]:
    with tap_runner(ExactTap, NOW, monkeypatch) as runner:
        yield runner


@pytest.fixture
def script(simulate: Simulate) -> Script:
    return Script(simulate, Scripted)


@pytest.fixture
def frozen() -> Callable[[str], FakeClock]:
    """Make a clock that stands at an instant, ISO 8601 with offset."""
    return lambda text: FakeClock(dt.datetime.fromisoformat(text))
