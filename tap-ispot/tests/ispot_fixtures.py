"""What the tests of tap-ispot share: runs of the tap in this process, a clock that does not wait, a scripted vendor.

Test folders are no packages, so these classes reach tests as fixtures; their names are imported for types only.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from singer_adtech import testing
from tap_ispot.tap import TapISpot
from typing_extensions import override
from vendor_simulators import scripted
from vendor_simulators.messages import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from vendor_simulators.pytest_plugin import Simulate

TODAY = dt.datetime(2024, 3, 20, 16, 0, tzinfo=dt.timezone.utc)
"""Noon of 20 March 2024 in US Eastern time: what the tap takes for now, unless a test says otherwise."""


class FakeClock(testing.FakeClock):
    """A clock that stands at `TODAY`, unless a test says otherwise, and moves when somebody waits."""

    def __init__(self, start: dt.datetime = TODAY) -> None:
        super().__init__(start)


class Run(testing.Run):
    """What a run of the tap wrote; of `audience_airings`, unless another stream is named."""

    @override
    def records(self, stream: str = "audience_airings") -> list[dict[str, Any]]:
        return super().records(stream)

    @override
    def by_key(self, stream: str = "audience_airings", *key: str) -> list[dict[str, Any]]:
        return super().by_key(stream, *key)

    @override
    def bookmarks(self, stream: str = "audience_airings") -> list[str]:
        return super().bookmarks(stream)


class RunTap:
    """Runs the tap in this process; see `testing.TapRunner` for what a call takes."""

    def __init__(self, runner: testing.TapRunner) -> None:
        self._runner = runner

    def __call__(self, settings: Mapping[str, Any], *streams: str, **more: Any) -> Run:
        """Run the tap."""
        run = self._runner(settings, *streams, **more)
        return Run(run.output, run.error, run.log, run.clock)


class Scripted(scripted.Scripted):
    """A vendor that gives a token, and to every other request the answer that a test makes."""

    time_zone = "America/New_York"
    base_path = "/v4"
    own_settings: ClassVar[dict[str, str]] = {
        "client_id": "made-up-client",
        "client_secret": "made-up-secret",
        "start_date": "2024-03-08",
        "end_date": "2024-03-08",
    }
    login_path = "/v4/oauth2/token"

    def __init__(self, answer: scripted.Answer) -> None:
        super().__init__(answer)
        self.token_answer: dict[str, Any] = {"access_token": "made-up-token"}
        self.login = lambda: Response.json(self.token_answer)


class Script(scripted.Script[Scripted]):
    """Starts scripted vendors and makes their answers."""

    def rows(self, *rows: Any, **pagination: Any) -> Scripted:
        """Start a vendor that gives these rows, whatever is asked."""
        return self(lambda _: self.page(rows, **pagination))

    @staticmethod
    def page(rows: Sequence[Any], **pagination: Any) -> Response:
        """Make one page; without `pagination`, of a list that has no other."""
        told = pagination or {"total": len(rows), "count": len(rows), "total_pages": 1}
        return Response.json({"data": list(rows), "meta": {"pagination": told}})

    @staticmethod
    def airing(number: int, aired: str = "2024-03-08T00:04:12-05:00", **entities: Any) -> dict[str, Any]:
        """Make an airing's row; its id is the number."""
        own = {"id": str(number), "aired_at_et": aired}
        return {"airing": {"data": own}, **entities}


@pytest.fixture
def run_tap(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunTap]:
    """Run the tap in this process."""
    with testing.tap_runner(TapISpot, TODAY, monkeypatch) as runner:
        yield RunTap(runner)


@pytest.fixture
def script(simulate: Simulate) -> Script:
    """Start scripted vendors."""
    return Script(simulate, Scripted)


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[testing.Program]:
    """Run the program as a user does."""
    program = testing.Program("tap_ispot", tmp_path)
    yield program
    program.end()


@pytest.fixture
def frozen() -> Callable[[str], FakeClock]:
    """Make a clock that stands at an instant, ISO 8601 with offset."""
    return lambda text: FakeClock(dt.datetime.fromisoformat(text).astimezone(dt.timezone.utc))
