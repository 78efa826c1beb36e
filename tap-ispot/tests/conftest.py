"""What the tests of tap-ispot share: runs of the tap in this process, a clock that does not wait, a scripted vendor.

Test folders are no packages, so these classes reach tests as fixtures; their names are imported for types only.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import backoff._sync
import pytest
from singer_adtech.cli import line
from singer_adtech.clock import Clock
from singer_adtech.redaction import REDACTOR
from tap_ispot.tap import TapISpot
from typing_extensions import override
from vendor_simulators.messages import Answer
from vendor_simulators.simulator import Restated, Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from vendor_simulators.messages import Request
    from vendor_simulators.pytest_plugin import Simulate

TODAY = dt.datetime(2024, 3, 20, 16, 0, tzinfo=dt.timezone.utc)
"""Noon of 20 March 2024 in US Eastern time: what the tap takes for now, unless a test says otherwise."""


class FakeClock(Clock):
    """A clock that moves when somebody waits, and notes how long.

    Attributes:
        slept: Waits for a request budget, in seconds.
        waits: Waits after a failure, in seconds.
    """

    def __init__(self, start: dt.datetime = TODAY) -> None:
        self._start = start
        self._elapsed = 0.0
        self._lock = threading.Lock()
        self.slept: list[float] = []
        self.waits: list[float] = []

    @override
    def now(self) -> dt.datetime:
        return self._start + dt.timedelta(seconds=self._elapsed)

    @override
    def monotonic(self) -> float:
        return self._elapsed

    @override
    def sleep(self, seconds: float) -> None:
        self._move(seconds, self.slept)

    def back_off(self, seconds: float) -> None:
        """Stand in for the sleep of the library that repeats requests."""
        self._move(seconds, self.waits)

    def pass_by(self, seconds: float) -> None:
        """Let time go by without anybody waiting."""
        self._move(seconds, [])

    def _move(self, seconds: float, notes: list[float]) -> None:
        with self._lock:
            notes.append(seconds)
            self._elapsed += seconds


@dataclass
class Run:
    """What a run of the tap wrote.

    Attributes:
        output: stdout.
        error: The last line that a user would see on stderr, if the run failed.
        log: Log lines with their level, such as `WARNING text`.
        clock: The clock of the run.
    """

    output: str
    error: str
    log: list[str]
    clock: FakeClock
    messages: list[dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.messages = [json.loads(one, parse_float=Decimal) for one in self.output.split("\n") if one]

    def records(self, stream: str = "audience_airings") -> list[dict[str, Any]]:
        """Return the records of a stream in the order in which they were written."""
        return [one["record"] for one in self.messages if one["type"] == "RECORD" and one["stream"] == stream]

    def by_key(self, stream: str = "audience_airings", *key: str) -> list[dict[str, Any]]:
        """Return the records of a stream sorted as the simulator's truth is."""
        names = key or ("airing_id",)
        return sorted(self.records(stream), key=lambda record: tuple(record[name] for name in names))

    @property
    def states(self) -> list[dict[str, Any]]:
        """The values of all STATE messages."""
        return [one["value"] for one in self.messages if one["type"] == "STATE"]

    def bookmarks(self, stream: str = "audience_airings") -> list[str]:
        """Return the bookmark of a stream in each STATE that has one."""
        values = (state["bookmarks"].get(stream, {}).get("replication_key_value") for state in self.states)
        return [value for value in values if value is not None]

    def warnings(self) -> list[str]:
        """Return the text of each warning."""
        return [one.removeprefix("WARNING ") for one in self.log if one.startswith("WARNING ")]


class _Notes(logging.Handler):
    """Keeps log lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.getMessage()}")


class RunTap:
    """Runs the tap in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(  # noqa: PLR0913 - what a user gives on the command line, and the clock
        self,
        settings: Mapping[str, Any],
        *streams: str,
        state: Mapping[str, Any] | None = None,
        catalog: Mapping[str, Any] | None = None,
        clock: FakeClock | None = None,
        families: Sequence[Any] | None = None,
        real_time: bool = False,
        fails: bool = False,
    ) -> Run:
        """Run the tap.

        Args:
            settings: Its settings.
            streams: The streams to select; the selection of the catalog, or what is on by default, if none is named.
            state: A state to go on from.
            catalog: A catalog.
            clock: Where time comes from; one that stands at `TODAY` if not given.
            families: Other request limits.
            real_time: Whether budgets are kept by the clock of the machine.
            fails: Whether the run has to fail; it must not otherwise.
        """
        fake = clock or FakeClock()
        limits = families

        class Frozen(TapISpot):
            clock = Clock() if real_time else fake
            families = TapISpot.families if limits is None else tuple(limits)

        # Only the retrying library's own name for `time`: a server in this process needs the real one.
        self._monkeypatch.setattr(backoff._sync, "time", SimpleNamespace(sleep=fake.back_off))  # noqa: SLF001
        notes = _Notes()
        logger = logging.getLogger("tap-ispot")
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n")
        error = ""
        logger.addHandler(notes)
        try:
            with redirect_stdout(out):
                tap = Frozen(
                    config=dict(settings),
                    state=dict(state) if state else None,
                    catalog=dict(catalog) if catalog else None,
                )
                for stream in tap.streams.values() if streams else ():
                    stream.selected = stream.name in streams
                tap.sync_all()
        except Exception as problem:
            if not fails:
                raise
            error = line(problem)
        finally:
            # Pages in flight when a run fails are still being fetched: a simulator must not stop before they are.
            for thread in threading.enumerate():
                if thread.name.startswith("singer-adtech"):
                    thread.join(10)
            logger.removeHandler(notes)
        out.seek(0)
        assert bool(error) == fails
        return Run(out.read(), error, notes.lines, fake)


class Scripted(Simulator):
    """A vendor that gives a token, and to every other request the answer that a test makes.

    Args:
        answer: Makes an answer of a request.
    """

    name: ClassVar[str] = "scripted"
    time_zone: ClassVar[str] = "America/New_York"
    base_path: ClassVar[str] = "/v4"

    def __init__(self, answer: Callable[[Request], Answer]) -> None:
        super().__init__()
        self._answer = answer
        self.token_answer: dict[str, Any] = {"access_token": "made-up-token"}

    @override
    def settings(self) -> dict[str, str]:
        return {
            "api_url": self.api_url,
            "client_id": "made-up-client",
            "client_secret": "made-up-secret",
            "start_date": "2024-03-08",
            "end_date": "2024-03-08",
        }

    @override
    def handle(self, request: Request) -> Answer:
        return Answer.json(self.token_answer) if request.path == "/v4/oauth2/token" else self._answer(request)

    @override
    def truth(
        self, stream: str, *, first_day: dt.date | None = None, last_day: dt.date | None = None
    ) -> list[dict[str, object]]:
        raise NotImplementedError

    @override
    def restate(self, seed: int = 1, *, days: int = 3) -> Restated:
        raise NotImplementedError

    @property
    def data_requests(self) -> list[Request]:
        """The requests besides the token's."""
        return [request for request in self.journal if request.path != "/v4/oauth2/token"]


class Script:
    """Starts scripted vendors and makes their answers."""

    def __init__(self, simulate: Simulate) -> None:
        self._simulate = simulate

    def __call__(self, answer: Callable[[Request], Answer]) -> Scripted:
        """Start a vendor that answers like this."""
        return self._simulate(Scripted(answer))

    def rows(self, *rows: Any, **pagination: Any) -> Scripted:
        """Start a vendor that gives these rows, whatever is asked."""
        return self(lambda _: self.page(rows, **pagination))

    @staticmethod
    def page(rows: Sequence[Any], **pagination: Any) -> Answer:
        """Make one page; without `pagination`, of a list that has no other."""
        told = pagination or {"total": len(rows), "count": len(rows), "total_pages": 1}
        return Answer.json({"data": list(rows), "meta": {"pagination": told}})

    @staticmethod
    def airing(number: int, **entities: Any) -> dict[str, Any]:
        """Make an airing's row; its id is the number."""
        own = {"id": str(number), "aired_at_et": "2024-03-08T00:04:12-05:00"}
        return {"airing": {"data": own}, **entities}


@pytest.fixture
def run_tap(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunTap]:
    """Run the tap in this process; signal handlers and secrets of the process are as before afterwards."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield RunTap(monkeypatch)
    for number, handler in handlers.items():
        signal.signal(number, handler)
    REDACTOR.discard(*REDACTOR._secrets)  # noqa: SLF001 - there is no public way to forget everything


@pytest.fixture
def script(simulate: Simulate) -> Script:
    """Start scripted vendors."""
    return Script(simulate)


class Cli:
    """Runs `tap-ispot` as a user does, in a process of its own.

    Args:
        folder: Where files are put.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started = 0
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("TAP_ISPOT_") and not name.lower().endswith("_proxy")
        }

    def file(self, name: str, content: Any) -> str:
        """Write JSON into a file and return its path."""
        path = self._folder / name
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)

    def start(
        self,
        *arguments: str,
        config: Mapping[str, Any] | None = None,
        stdout: Any = subprocess.PIPE,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[str]:
        """Start the program with settings from a file."""
        self._started += 1
        given = ["--config", self.file(f"config-{self._started}.json", config)] if config is not None else []
        return subprocess.Popen(
            [sys.executable, "-m", "tap_ispot", *given, *arguments],
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**self._environment, **(environment or {})},
        )

    def __call__(
        self,
        *arguments: str,
        config: Mapping[str, Any] | None = None,
        stdout: Any = subprocess.PIPE,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run the program to its end."""
        process = self.start(*arguments, config=config, stdout=stdout, environment=environment)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out or "", err)


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Run the program as a user does."""
    return Cli(tmp_path)


@pytest.fixture
def frozen() -> Callable[[str], FakeClock]:
    """Make a clock that stands at an instant, ISO 8601 with offset."""
    return lambda text: FakeClock(dt.datetime.fromisoformat(text).astimezone(dt.timezone.utc))
