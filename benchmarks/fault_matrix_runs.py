"""Runs of a tap for the fault matrix: from its command line, in a separate process, without real waits."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import sys
import time
from dataclasses import dataclass
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import backoff._sync
from singer_adtech.clock import Clock
from typing_extensions import override

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from singer_adtech.tap import AdTechTap

_LINE = re.compile(r"[\d-]+ [\d:,]+ \| (?P<level>[A-Z]+) +\| [^|]+ \| (?P<text>.*)")


class SkippingClock(Clock):
    """A clock that jumps ahead instead of sleeping.

    Args:
        now: Its initial time.
    """

    def __init__(self, now: dt.datetime) -> None:
        self._now = now
        self._began = time.monotonic()
        self._skipped = 0.0

    @override
    def now(self) -> dt.datetime:
        return self._now + type(self._now - self._now)(seconds=self.monotonic())

    @override
    def monotonic(self) -> float:
        return time.monotonic() - self._began + self._skipped

    @override
    def sleep(self, seconds: float) -> None:
        self._skipped += seconds


@dataclass
class Outcome:
    """The result of a run.

    Attributes:
        code: Exit code, negative for a signal; None if the run was stopped after the time limit.
        messages: Singer messages, with floats as `Decimal`.
        log: Level and text of each line of stderr.
    """

    code: int | None
    messages: list[dict[str, Any]]
    log: list[tuple[str, str]]

    @property
    def state(self) -> dict[str, Any] | None:
        """The value of the last STATE message."""
        states = [one["value"] for one in self.messages if one["type"] == "STATE"]
        return states[-1] if states else None


class Process:
    """A forked process that waits to run a tap; create it before any thread starts.

    Args:
        tap: The tap.
        now: The current time for the tap.
        folder: Folder for its output.
        name: Prefix of its file names.
    """

    def __init__(self, tap: type[AdTechTap], now: dt.datetime, folder: Path, name: str) -> None:
        self._out, self._err = folder / f"{name}.out", folder / f"{name}.err"
        read, self._write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._write)
            _become(tap, now, read, self._out, self._err)
        os.close(read)

    def run(self, *arguments: str, seconds: float) -> Outcome:
        """Run the tap with these arguments for at most `seconds`."""
        os.write(self._write, json.dumps(arguments).encode())
        os.close(self._write)
        end = time.monotonic() + seconds
        while True:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                return self._outcome(os.waitstatus_to_exitcode(status))
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                return self._outcome(None)
            time.sleep(0.002)

    def dismiss(self) -> None:
        """End the process without a run."""
        os.close(self._write)
        os.waitpid(self.pid, 0)

    def _outcome(self, code: int | None) -> Outcome:
        # Ignore an incomplete last line.
        lines = self._out.read_text(encoding="utf-8").split("\n")[:-1]
        messages = [json.loads(line, parse_float=Decimal) for line in lines]
        log = []
        for line in self._err.read_text(encoding="utf-8", errors="replace").splitlines():
            found = _LINE.fullmatch(line)
            log.append((found["level"], found["text"]) if found else ("", line))
        return Outcome(code, messages, log)


def _become(tap: type[AdTechTap], now: dt.datetime, read: int, out: Path, err: Path) -> None:
    """Run the tap in this process; never returns."""
    code = 1
    try:
        arguments = os.read(read, 65536)
        if arguments:
            for descriptor, path in ((1, out), (2, err)):
                file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                os.dup2(file, descriptor)
            sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb"), encoding="utf-8", newline="\n")
            sys.stderr = io.TextIOWrapper(os.fdopen(2, "wb", 0), encoding="utf-8", write_through=True)
            tap.clock = SkippingClock(now)
            vars(backoff._sync)["time"] = SimpleNamespace(sleep=tap.clock.sleep)  # noqa: SLF001 - no real wait
            code = _code(tap, json.loads(arguments))
            sys.stdout.flush()
    finally:
        os._exit(code)


def _code(tap: type[AdTechTap], arguments: list[str]) -> int:
    try:
        tap.cli(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
