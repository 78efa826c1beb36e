"""Runs of a tap in the process of the tests."""

from __future__ import annotations

import io
import json
import logging
import signal
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
from singer_adtech.testing.clock import FakeClock

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping, Sequence

    import pytest

    from singer_adtech.tap import AdTechTap

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


@dataclass
class Run:
    """The output of one run of a tap.

    Attributes:
        output: stdout.
        error: The last line on stderr if the run failed, else empty.
        log: Lines of all loggers with their level, such as `WARNING text`.
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
        """Return the records of a stream in the order of the output."""
        return [one["record"] for one in self.messages if one["type"] == "RECORD" and one["stream"] == stream]

    def by_key(self, stream: str, *key: str) -> list[dict[str, Any]]:
        """Return the records of a stream sorted by these columns; by its primary key if none are given."""
        columns = key or self.key_properties(stream)
        return sorted(self.records(stream), key=lambda record: tuple(record[name] for name in columns))

    def key_properties(self, stream: str) -> tuple[str, ...]:
        """Return the primary key of a stream from its SCHEMA message.

        Raises:
            StopIteration: The run wrote no SCHEMA message for the stream.
        """
        return tuple(
            next(one["key_properties"] for one in self.messages if one["type"] == "SCHEMA" and one["stream"] == stream)
        )

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
    """Handler that keeps log lines, tracebacks included."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {self.format(record)}")


class TapRunner:
    """A callable that runs a tap in this process.

    Args:
        tap_class: The tap.
        now: The current time of runs without a clock.
        monkeypatch: Replaces the sleep of the library that repeats requests.
    """

    def __init__(self, tap_class: type[AdTechTap], now: dt.datetime, monkeypatch: pytest.MonkeyPatch) -> None:
        self._tap_class = tap_class
        self._now = now
        self._monkeypatch = monkeypatch

    def __call__(  # noqa: PLR0913 - the options of the command line, and the clock
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
            streams: Streams to select; by default the selection of the catalog, or the streams selected by default.
            state: State to continue from.
            catalog: Catalog; by default the discovered one.
            clock: The tap's clock; by default one that starts at the runner's `now`.
            families: Request limits that replace the tap's.
            test: Whether to run singer-sdk's connection test (of every stream).
            real_time: Whether the tap uses the system clock.
            fails: Whether the run must fail.

        Raises:
            AssertionError: The run was expected to fail and did not.
        """
        fake = clock or FakeClock(self._now)
        tap_class = with_clock(self._tap_class, Clock() if real_time else fake)
        if families is not None:
            tap_class.families = tuple(families)
        # Replaced in the retrying library only: a server in this process needs the real module.
        self._monkeypatch.setattr(backoff._sync, "time", SimpleNamespace(sleep=fake.back_off))  # noqa: SLF001
        notes = _Notes()
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n")
        error = ""
        with _listening(notes), redirect_stdout(out):
            try:
                tap = tap_class(
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
                # After a failure, pages in flight are still being fetched: the server must not stop before them.
                for thread in threading.enumerate():
                    if thread.name.startswith("singer-adtech"):
                        thread.join(10)
        if fails and not error:
            raise AssertionError("the run did not fail")
        out.seek(0)
        return Run(out.read(), error, notes.lines, fake)


def with_clock(tap_class: type[AdTechTap], clock: Clock) -> type[AdTechTap]:
    """Return a subclass of a tap with this clock."""
    return type(tap_class.__name__, (tap_class,), {"clock": clock})


@contextmanager
def _listening(notes: _Notes) -> Iterator[None]:
    """Collect the lines of all loggers, at every level."""
    root = logging.getLogger()
    level = root.level
    root.addHandler(notes)
    root.setLevel(logging.DEBUG)
    # One line per column missing in a catalog: thousands per run, and half of its time.
    logging.getLogger("singer_sdk.singerlib.catalog").setLevel(logging.INFO)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(notes)


@contextmanager
def tap_runner(tap_class: type[AdTechTap], now: dt.datetime, monkeypatch: pytest.MonkeyPatch) -> Iterator[TapRunner]:
    """Provide a runner; afterwards, restore signal handlers and forget secrets.

    Args:
        tap_class: The tap.
        now: The tap's current time.
        monkeypatch: The fixture of the test.
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
