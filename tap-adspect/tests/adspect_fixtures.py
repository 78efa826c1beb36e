"""What the tests of tap-adspect share: runs of the tap in this process, and a scripted vendor."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from singer_adtech.testing import FakeClock, tap_runner
from tap_adspect.tap import TapAdspect
from typing_extensions import override
from vendor_simulators.messages import Response
from vendor_simulators.simulator import Restated, Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from singer_adtech.testing import TapRunner
    from vendor_simulators.messages import Request
    from vendor_simulators.pytest_plugin import Simulate

NOW = dt.datetime(2025, 4, 1, 20, 30, 40, tzinfo=dt.timezone.utc)
"""What the tap takes for now, unless a test says otherwise."""


class ExactTap(TapAdspect):
    """The tap with waits that can be told in advance; its random part has a test of its own."""

    retry_policy = replace(TapAdspect.retry_policy, jitter=0)


class Scripted(Simulator):
    """A vendor that gives every request the answer that a test makes.

    Args:
        answer: Makes an answer of a request.
    """

    name: ClassVar[str] = "scripted"
    time_zone: ClassVar[str] = "UTC"
    base_path: ClassVar[str] = "/v1"

    def __init__(self, answer: Callable[[Request], Response]) -> None:
        super().__init__()
        self._answer = answer

    @override
    def settings(self) -> dict[str, str]:
        return {"api_url": self.api_url, "api_key": "made-up-key", "start_date": "2025-03-28"}

    @override
    def handle(self, request: Request) -> Response:
        return self._answer(request)

    @override
    def truth(
        self, stream: str, *, first_day: dt.date | None = None, last_day: dt.date | None = None
    ) -> list[dict[str, object]]:
        raise NotImplementedError

    @override
    def restate(self, seed: int = 1, *, days: int = 3) -> Restated:
        raise NotImplementedError


class Script:
    """Starts scripted vendors and makes their answers."""

    def __init__(self, simulate: Simulate) -> None:
        self._simulate = simulate

    def __call__(self, answer: Callable[[Request], Response]) -> Scripted:
        """Start a vendor that answers like this."""
        return self._simulate(Scripted(answer))

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
    return Script(simulate)


@pytest.fixture
def frozen() -> Callable[[str], FakeClock]:
    """Make a clock that stands at an instant, ISO 8601 with offset."""
    return lambda text: FakeClock(dt.datetime.fromisoformat(text))
