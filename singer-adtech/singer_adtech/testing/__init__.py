"""What the tests of taps share: runs of a tap, here or in a process of its own, and a clock that does not wait.

A tap's `conftest.py` makes the fixture:

    @pytest.fixture
    def run_tap(monkeypatch: pytest.MonkeyPatch) -> Iterator[TapRunner]:
        with tap_runner(TapAcme, NOW, monkeypatch) as runner:
            yield runner
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
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import backoff._sync
from typing_extensions import override

from singer_adtech.clock import Clock
from singer_adtech.redaction import REDACTOR
from singer_adtech.runs.command import line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import pytest

    from singer_adtech.tap import AdTechTap

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


class FakeClock(Clock):
    """A clock that moves when somebody waits, and notes how long.

    Args:
        start: The instant at which it stands.

    Attributes:
        slept: Waits for a request budget or a job, in seconds.
        waits: Waits after a failure, in seconds.
    """

    def __init__(self, start: dt.datetime) -> None:
        self._start = start.astimezone(dt.timezone.utc)
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
    """What a run of a tap wrote.

    Attributes:
        output: stdout.
        error: The last line that a user would see on stderr, if the run failed.
        log: Lines of every logger with their level, such as `WARNING text`.
        clock: The clock of the run.
        messages: The Singer messages of the output, numbers with a point as `Decimal`.
    """

    output: str
    error: str
    log: list[str]
    clock: FakeClock
    messages: list[dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.messages = [json.loads(one, parse_float=Decimal) for one in self.output.split("\n") if one]

    def records(self, stream: str) -> list[dict[str, Any]]:
        """Return the records of a stream in the order in which they were written."""
        return [one["record"] for one in self.messages if one["type"] == "RECORD" and one["stream"] == stream]

    def by_key(self, stream: str, *key: str) -> list[dict[str, Any]]:
        """Return the records of a stream sorted by these columns."""
        return sorted(self.records(stream), key=lambda record: tuple(record[name] for name in key))

    @property
    def states(self) -> list[dict[str, Any]]:
        """The values of all STATE messages."""
        return [one["value"] for one in self.messages if one["type"] == "STATE"]

    def bookmarks(self, stream: str) -> list[str]:
        """Return the bookmark of a stream in each STATE that has one."""
        values = (state["bookmarks"].get(stream, {}).get("replication_key_value") for state in self.states)
        return [value for value in values if value is not None]

    def warnings(self) -> list[str]:
        """Return the text of each warning."""
        return [one.removeprefix("WARNING ") for one in self.log if one.startswith("WARNING ")]


class _Notes(logging.Handler):
    """Keeps log lines, with tracebacks."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {self.format(record)}")


class TapRunner:
    """Runs a tap in this process.

    Args:
        tap_class: The tap.
        now: What the tap takes for now, unless a run has a clock of its own.
        monkeypatch: Puts the sleep of the retrying library aside.
    """

    def __init__(self, tap_class: type[AdTechTap], now: dt.datetime, monkeypatch: pytest.MonkeyPatch) -> None:
        self._tap_class = tap_class
        self._now = now
        self._monkeypatch = monkeypatch

    def __call__(  # noqa: PLR0913 - what a user gives on the command line, and the clock
        self,
        settings: Mapping[str, Any],
        *streams: str,
        state: Mapping[str, Any] | None = None,
        catalog: Mapping[str, Any] | None = None,
        clock: FakeClock | None = None,
        families: Sequence[Any] | None = None,
        test: bool = False,
        real_time: bool = False,
        fails: bool = False,
    ) -> Run:
        """Run the tap.

        Args:
            settings: Its settings.
            streams: The streams to select; the selection of the catalog, or what is on by default, if none is named.
            state: A state to go on from.
            catalog: A catalog.
            clock: Where time comes from; one that stands at the runner's `now` if not given.
            families: Other request limits.
            test: Whether singer-sdk's connection test is run, which selects every stream.
            real_time: Whether budgets are kept by the clock of the machine.
            fails: Whether the run has to fail; it must not otherwise.

        Raises:
            AssertionError: The run did not fail although it had to.
        """
        fake = clock or FakeClock(self._now)
        own: dict[str, Any] = {"clock": Clock() if real_time else fake}
        if families is not None:
            own["families"] = tuple(families)
        frozen: type[AdTechTap] = type("Frozen", (self._tap_class,), own)
        # Only the retrying library's own name for `time`: a server in this process needs the real one.
        self._monkeypatch.setattr(backoff._sync, "time", SimpleNamespace(sleep=fake.back_off))  # noqa: SLF001
        notes = _Notes()
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n")
        error = ""
        with _listening(notes), redirect_stdout(out):
            try:
                tap = frozen(
                    config=dict(settings),
                    state=dict(state) if state else None,
                    catalog=dict(catalog) if catalog else None,
                )
                for stream in tap.streams.values() if streams else ():
                    stream.selected = stream.name in streams
                if test:
                    tap.run_connection_test()
                else:
                    tap.sync_all()
            except Exception as problem:
                if not fails:
                    raise
                error = line(problem)
            finally:
                # Pages in flight when a run fails are still being fetched: a server must not stop before they are.
                for thread in threading.enumerate():
                    if thread.name.startswith("singer-adtech"):
                        thread.join(10)
        if fails and not error:
            raise AssertionError("the run did not fail")
        out.seek(0)
        return Run(out.read(), error, notes.lines, fake)


@contextmanager
def _listening(notes: _Notes) -> Iterator[None]:
    """Hear every logger of the process, at every level."""
    root = logging.getLogger()
    level = root.level
    root.addHandler(notes)
    root.setLevel(logging.DEBUG)
    # A line for each column that a catalog does not name: thousands a run, and half of its time.
    logging.getLogger("singer_sdk.singerlib.catalog").setLevel(logging.INFO)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(notes)


@contextmanager
def tap_runner(tap_class: type[AdTechTap], now: dt.datetime, monkeypatch: pytest.MonkeyPatch) -> Iterator[TapRunner]:
    """Give a runner; signal handlers and secrets of the process are as before afterwards.

    Args:
        tap_class: The tap.
        now: What the tap takes for now.
        monkeypatch: pytest's, of the test.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for name in _PROXIES:
        monkeypatch.delenv(name, raising=False)
    try:
        yield TapRunner(tap_class, now, monkeypatch)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        REDACTOR.forget()


def select(tap_class: type[AdTechTap], *streams: str, without: Sequence[str] = ()) -> dict[str, Any]:
    """Make a catalog as a user does.

    Args:
        tap_class: The tap.
        streams: The streams that are selected.
        without: Columns that are deselected in every stream.
    """
    catalog: dict[str, Any] = json.loads(tap_class(validate_config=False).catalog_json_text)
    for entry in catalog["streams"]:
        for one in entry["metadata"]:
            if one["breadcrumb"] == []:
                one["metadata"]["selected"] = entry["tap_stream_id"] in streams
            elif one["breadcrumb"][-1] in without:
                one["metadata"]["selected"] = False
    return catalog


class Program:
    """Runs a tap as a user does, in a process of its own.

    Args:
        module: The tap's package, run as `python -m`.
        folder: Where files are put.
    """

    def __init__(self, module: str, folder: Path) -> None:
        self._module = module
        self._folder = folder
        self._started: list[subprocess.Popen[str]] = []
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(f"{module.upper()}_") and not name.lower().endswith("_proxy")
        }
        # singer-sdk says it on stderr at each start, on the oldest Python that it and the taps support.
        self._environment["PYTHONWARNINGS"] = "ignore:Python 3.10 reached its end of life"

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
        """Start the program.

        Args:
            arguments: Its command line.
            config: Settings, given in a file.
            stdout: Where its output goes.
            environment: Variables beside those of this process.
        """
        # A file for each run: several may go on side by side.
        given = ["--config", self.file(f"config-{len(self._started)}.json", config)] if config is not None else []
        process = subprocess.Popen(  # noqa: S603 - a tap of this environment
            [sys.executable, "-m", self._module, *given, *arguments],
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**self._environment, **(environment or {})},
        )
        self._started.append(process)
        return process

    def end(self) -> None:
        """End what a failed test has left running."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.communicate()

    def __call__(
        self,
        *arguments: str,
        config: Mapping[str, Any] | None = None,
        stdout: Any = subprocess.PIPE,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run the program to its end; see `start`."""
        process = self.start(*arguments, config=config, stdout=stdout, environment=environment)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out or "", err)

    def stop(
        self, number: signal.Signals, states: int, *arguments: str, config: Mapping[str, Any]
    ) -> tuple[int, list[dict[str, Any]]]:
        """Run the program, and send it a signal once it has written so many STATE messages.

        Returns:
            The exit code, and the messages that were written whole.
        """
        # Pipes are closed and the process is waited for, whatever happens.
        with self.start(*arguments, config=config) as process:
            text, seen = "", 0
            while seen < states:
                one = process.stdout.readline() if process.stdout else ""
                if not one:
                    process.kill()
                    raise AssertionError(f"the program ended after {seen} STATE messages")
                text += one
                seen += '"type":"STATE"' in one
            process.send_signal(number)
            rest, _ = process.communicate(timeout=60)
        return process.returncode, read_messages(text + rest)


def read_messages(text: str) -> list[dict[str, Any]]:
    """Read Singer messages, numbers with a point as `Decimal`; a last line that was cut off is left out."""
    return [json.loads(one, parse_float=Decimal) for one in text.split("\n")[:-1]]
