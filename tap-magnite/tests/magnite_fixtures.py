"""What the tests of tap-magnite share: runs of the tap, in this process and as a program, and a scripted vendor."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from singer_adtech.testing import Program, TapRunner, tap_runner
from tap_magnite.tap import TapMagnite
from typing_extensions import override
from vendor_simulators import scripted
from vendor_simulators.messages import Response

if TYPE_CHECKING:
    from collections.abc import Iterator
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


class Scripted(scripted.Scripted):
    """A vendor that opens and closes sessions, and gives every other request the answer that a test makes."""

    base_path = BASE
    own_settings: ClassVar[dict[str, str]] = {
        "access_key": "made-up-access-key",
        "secret_key": "made-up-secret-key",
        "start_date": "2025-03-01",
    }
    login_path = f"{BASE}/sessions"

    def __init__(self, answer: scripted.Answer) -> None:
        super().__init__(answer)
        self.login = lambda: Response.json({"sessionCode": f"made-up-code-{self.logins}"}, 201)

    @override
    def handle(self, request: Request) -> Response:
        return Response(204) if request.path.startswith(f"{self.login_path}/") else super().handle(request)


class Script(scripted.Script[Scripted]):
    """Starts scripted vendors."""

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
    return Script(simulate, Scripted)


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Program]:
    """Run the program as a user does."""
    program = Program("tap_magnite", tmp_path)
    yield program
    program.end()
