"""What the tests of tap-spotwatch share: the tap, and a vendor that answers as a test says.

Test folders are no packages, so these classes reach tests as fixtures; their names are imported for types only.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from singer_adtech.testing import Program, TapRunner, tap_runner
from tap_spotwatch.tap import TapSpotwatch
from vendor_simulators import scripted
from vendor_simulators.messages import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from vendor_simulators.messages import Request
    from vendor_simulators.pytest_plugin import Simulate

NOW = dt.datetime(2024, 6, 15, 10, tzinfo=dt.timezone.utc)
"""What the tap takes for now, unless a test says otherwise: after all days of the simulator's data."""


class Scripted(scripted.Scripted):
    """A vendor that gives to each request the answer that a test makes."""

    own_settings: ClassVar[dict[str, str]] = {
        "api_key": "made-up-key",
        "start_date": "2024-06-01",
        "end_date": "2024-06-01",
    }


class Script(scripted.Script[Scripted]):
    """Starts scripted vendors and makes their answers."""

    def pages(self, *pages: Response) -> Scripted:
        """Start a vendor that gives these answers one after the other, whatever is asked, the last one for ever."""
        left = list(pages)
        return self(lambda _: left.pop(0) if len(left) > 1 else left[0])

    @staticmethod
    def page(*rows: Any, following: Any = None, total: Any = None) -> Response:
        """Make one page."""
        page = {"index": 0, "prev": None, "next": following, "results_total": total, "pages_total": 1}
        page["results_total"] = len(rows) if total is None else total
        return Response.json({"page": page, "results": list(rows)})

    @staticmethod
    def airing(number: int, time: str = "2024-06-01T12:00:00Z", **fields: Any) -> dict[str, Any]:
        """Make an airing's row."""
        return {"id": number, "time": time, **fields}


@pytest.fixture
def run_tap(monkeypatch: pytest.MonkeyPatch) -> Iterator[TapRunner]:
    """Run the tap in this process."""
    with tap_runner(TapSpotwatch, NOW, monkeypatch) as runner:
        yield runner


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Run the tap as a user does."""
    return Program("tap_spotwatch", tmp_path)


@pytest.fixture
def script(simulate: Simulate) -> Script:
    """Start scripted vendors."""
    return Script(simulate, Scripted)


@pytest.fixture
def asked() -> Callable[[Sequence[Request], str], list[tuple[str | None, str | None]]]:
    """Return the windows that were asked for, in order, by the argument's name such as `time`."""

    def windows(requests: Sequence[Request], prefix: str) -> list[tuple[str | None, str | None]]:
        firsts = (one for one in requests if one.param(f"{prefix}_from"))
        found = [(one.param(f"{prefix}_from"), one.param(f"{prefix}_to")) for one in firsts]
        # Windows are asked for side by side: which of two arrives first is left to the machine.
        return sorted(found, key=lambda window: window[0] or "")

    return windows
