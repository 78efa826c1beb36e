"""Meltano's JSON log: readable lines, the metrics of each stream, and the line with the cause of a failure."""

from __future__ import annotations

import json
import re
import signal
from dataclasses import dataclass, field
from typing import Any

_SIGNAL_BASE = 128
_KINDS = {"Extraction failed": "extractors", "Loading failed": "loaders"}
NUMBERS = {
    "rows": "rows",
    "requests": "requests",
    "retries": "retries",
    "budget_wait_seconds": "seconds waited for the budget",
    "vendor_wait_seconds": "seconds waited for the vendor",
    "unknown_fields": "unknown fields",
    "restated_rows": "rows read again",
    "seconds": "seconds",
    "bytes": "bytes",
}
"""Metrics of a stream and their labels on the page."""


@dataclass
class RunLog:
    """A run, read from its log line by line.

    Attributes:
        extractor: The extractor's name.
        loader: The loader's name.
        streams: Metrics of each finished stream, with its `status`.
        loaded: Whether the loader has succeeded, as far as logged.
    """

    extractor: str
    loader: str
    streams: dict[str, dict[str, Any]] = field(default_factory=dict)
    loaded: bool = True
    _causes: dict[str, str] = field(default_factory=dict)

    def read(self, line: str) -> tuple[str, str]:
        """Read a line of output; return its level and a readable line."""
        entry = _parse(line)
        if entry is None:
            return "info", line.rstrip("\n")
        point = entry.get("summary")
        if point is None:
            self._note(entry)
        elif point["metric"] == "stream_summary" and entry.get("name") == self.extractor:
            self.streams[point["tags"]["stream"]] = {**point["value"], "status": point["tags"]["status"]}
        return str(entry.get("level", "info")), _readable(entry)

    @property
    def rows(self) -> int:
        """Rows of all finished streams."""
        return sum(numbers["rows"] for numbers in self.streams.values())

    @property
    def cause(self) -> str:
        """The line with the cause: of the loader, else the tap, else Meltano; empty if none."""
        # If the loader fails, the tap reports a broken pipe; if the tap fails, the loader logs no error.
        kinds = ("killed", "loader critical", "tap critical", "ended", "loader error", "tap error", "meltano")
        return next((self._causes[kind] for kind in kinds if kind in self._causes), "")

    def _note(self, entry: dict[str, Any]) -> None:
        level, event = entry.get("level"), str(entry["event"])
        if level not in {"error", "critical"}:
            return
        codes = _exit_codes(entry)
        self.loaded = self.loaded and not codes.get("loaders")
        for kind, code in codes.items():
            number = _signal_of(code)
            if number and (kind == "loaders" or "killed" not in self._causes):
                name = self.loader if kind == "loaders" else self.extractor
                self._causes["killed"] = f"{name} was {_describe(number)}"
        plugin = {self.extractor: "tap", self.loader: "loader"}.get(entry.get("name", ""))
        if plugin:
            self._causes[f"{plugin} {level}"] = _first_line(event)
            self.loaded = self.loaded and plugin != "loader"
        elif entry.get("message"):
            # If Meltano cannot parse a plugin's log, "Extraction failed" or "Loading failed" contains its last line.
            self._causes["ended"] = _message(str(entry["message"]))
        else:
            self._causes.setdefault("meltano", _first_line(event))


def last_day(window: object) -> str:
    """Return the last date in a window such as `2025-03-01..2025-03-02`; empty without one."""
    found = re.findall(r"\d{4}-\d{2}-\d{2}", str(window))
    return found[-1] if found else ""


def _parse(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and "event" in entry else None


def _readable(entry: dict[str, Any]) -> str:
    head = f"{entry.get('timestamp', '')} {entry.get('level', ''):8} {entry.get('name', 'meltano')}: "
    return "\n".join([f"{head}{entry['event']}", *_traceback(entry.get("exception"))])


def _traceback(exception: Any) -> list[str]:
    if not isinstance(exception, list):
        return [str(exception)] if exception else []
    lines = []
    for error in exception:
        lines.append(f"  {error.get('exc_type')}: {error.get('exc_value')}")
        frames = error.get("frames") or []
        lines += [f"    {frame.get('filename')}:{frame.get('lineno')} in {frame.get('name')}" for frame in frames]
    return lines


def _exit_codes(entry: dict[str, Any]) -> dict[str, Any]:
    """Return exit codes by kind of plugin: `meltano run` logs both in one entry, `meltano el` one each."""
    codes = entry.get("exit_codes")
    if not isinstance(codes, dict):
        codes = {_KINDS.get(str(entry["event"]), ""): entry.get("code")}
    return {str(kind): code for kind, code in codes.items() if str(kind) in _KINDS.values()}


def _signal_of(code: Any) -> int:
    """Return the signal in an exit code, negative or in the shell's form; 0 if none, or if it asked for an end."""
    if not isinstance(code, int):
        return 0
    number = -code if code < 0 else code - _SIGNAL_BASE
    return number if number in {*signal.valid_signals()} - {signal.SIGINT, signal.SIGTERM} else 0


def _describe(number: int) -> str:
    memory = "; the likely cause is that the memory ran out (see dmesg)" if number == signal.SIGKILL else ""
    return f"killed by signal {number} ({signal.Signals(number).name}){memory}"


def _message(text: str) -> str:
    try:
        entry = json.loads(text)
    except ValueError:
        return _first_line(text)
    return _first_line(str(entry.get("message", text))) if isinstance(entry, dict) else _first_line(text)


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0] if lines else ""
