"""What the tests of tap-magnite share: runs of the tap, in this process and as a program, and a scripted vendor."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from singer_adtech.testing import Program, TapRunner, tap_runner
from tap_magnite.tap import TapMagnite
from typing_extensions import override
from vendor_simulators.messages import Response
from vendor_simulators.simulator import Restated, Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vendor_simulators.messages import Request
    from vendor_simulators.pytest_plugin import Simulate

NOW = dt.datetime(2025, 3, 24, 12, 0, tzinfo=dt.timezone.utc)
"""What the tap takes for now, unless a test says otherwise."""

BASE = "/v1/resources"


@pytest.fixture
def run_tap(monkeypatch: pytest.MonkeyPatch) -> Iterator[TapRunner]:
    """Run the tap in this process."""
    with tap_runner(TapMagnite, NOW, monkeypatch) as runner:
        yield runner


class Scripted(Simulator):
    """A vendor that opens and closes sessions, and gives every other request the answer that a test makes.

    Args:
        answer: Makes an answer of a request.
    """

    name: ClassVar[str] = "scripted"
    time_zone: ClassVar[str] = "UTC"
    base_path: ClassVar[str] = BASE

    def __init__(self, answer: Callable[[Request], Response]) -> None:
        super().__init__()
        self._answer = answer
        self.login: Callable[[], Response] = lambda: Response.json({"sessionCode": f"made-up-code-{self.logins}"}, 201)
        self.logins = 0

    @override
    def settings(self) -> dict[str, str]:
        return {
            "api_url": self.api_url,
            "access_key": "made-up-access-key",
            "secret_key": "made-up-secret-key",
            "start_date": "2025-03-01",
        }

    @override
    def handle(self, request: Request) -> Response:
        if request.path == f"{BASE}/sessions":
            self.logins += 1
            return self.login()
        return Response(204) if request.path.startswith(f"{BASE}/sessions/") else self._answer(request)

    @override
    def truth(
        self, stream: str, *, first_day: dt.date | None = None, last_day: dt.date | None = None
    ) -> list[dict[str, object]]:
        raise NotImplementedError

    @override
    def restate(self, seed: int = 1, *, days: int = 3) -> Restated:
        raise NotImplementedError


class Script:
    """Starts scripted vendors."""

    def __init__(self, simulate: Simulate) -> None:
        self._simulate = simulate

    def __call__(self, answer: Callable[[Request], Response]) -> Scripted:
        """Start a vendor that answers like this."""
        return self._simulate(Scripted(answer))

    def rows(self, *rows: Any) -> Scripted:
        """Start a vendor whose queries are complete at once and have these rows, and whose lists have them too."""

        def answer(request: Request) -> Response:
            if request.method == "POST":
                return Response.json({"code": "q1", "status": 3, "startTime": None, "error": None})
            return Response.json(list(rows))

        return self(answer)


@pytest.fixture
def script(simulate: Simulate) -> Script:
    """Start scripted vendors."""
    return Script(simulate)


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Program]:
    """Run the program as a user does."""
    program = Program("tap_magnite", tmp_path)
    yield program
    program.end()
