"""What the tests of tap-springserve share: runs of the tap in this process, and a vendor that answers by script."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from singer_adtech.testing import FakeClock, Program, TapRunner, tap_runner
from tap_springserve.tap import TapSpringServe
from vendor_simulators import scripted
from vendor_simulators.messages import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vendor_simulators.pytest_plugin import Simulate

NOW = dt.datetime(2026, 2, 10, 15, 30, tzinfo=dt.timezone.utc)
"""What the tap takes for now, unless a test says otherwise: the last day of the simulator's data."""


@pytest.fixture
def run_tap(monkeypatch: pytest.MonkeyPatch) -> Iterator[TapRunner]:
    """Run the tap in this process."""
    with tap_runner(TapSpringServe, NOW, monkeypatch) as runner:
        yield runner


@pytest.fixture
def frozen() -> Callable[[str], FakeClock]:
    """Make a clock that stands at an instant, ISO 8601 with offset."""
    return lambda text: FakeClock(dt.datetime.fromisoformat(text))


class Scripted(scripted.Scripted):
    """A vendor that gives a token, and to every other request the answer that a test makes."""

    base_path = "/api"
    own_settings: ClassVar[dict[str, str]] = {
        "email": "somebody@publisher.example",
        "password": "made-up-password",
        "start_date": "2026-02-01",
    }
    login_path = "/api/v0/auth"


class Script(scripted.Script[Scripted]):
    """Starts scripted vendors and makes their answers."""

    def answers(self, *answers: Response | Any) -> Scripted:
        """Start a vendor that gives these answers one after the other; what is no answer is sent as JSON."""
        left = [one if isinstance(one, Response) else Response.json(one) for one in answers]
        return self(lambda _: left.pop(0))

    @staticmethod
    def page(*rows: Any, page: int = 1, pages: int = 1, total: int | None = None) -> Response:
        """Make one page of a v1 list."""
        return Response.json(
            {
                "count": len(rows),
                "total_count": len(rows) if total is None else total,
                "current_page": page,
                "total_pages": pages,
                "includable_fields": [],
                "additional_data_fields": [],
                "results": list(rows),
            }
        )


@pytest.fixture
def script(simulate: Simulate) -> Script:
    """Start scripted vendors."""
    return Script(simulate, Scripted)


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Program]:
    """Run the program as a user does."""
    program = Program("tap_springserve", tmp_path)
    yield program
    program.end()
