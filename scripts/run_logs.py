"""Meltano's JSON log: readable text, row counts, and the one line with the reason of a failure."""

from __future__ import annotations

import json
import re
import signal
from dataclasses import dataclass, field
from typing import Any

# Shells report a signal as this plus its number.
_SIGNAL_BASE = 128
_KINDS = {"Extraction failed": "extractors", "Loading failed": "loaders"}
_GOING_ON = re.compile(r"Another '.*' pipeline is already running which started at (.+?)\. ")


def parse(line: str) -> dict[str, Any] | None:
    """Return an entry of Meltano's JSON log; None for other lines."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and "event" in entry else None


def readable(entry: dict[str, Any]) -> str:
    """Return an entry as one readable line, followed by the errors of its traceback."""
    head = f"{entry.get('timestamp', '')} {entry.get('level', ''):8} {entry.get('name', 'meltano')}: "
    point = entry.get("metric_info")
    if point is not None:
        value = point["value"]
        # A summary metric has several values.
        text = " ".join(f"{name}={one}" for name, one in value.items()) if isinstance(value, dict) else value
        return f"{head}{point['metric']} {point['tags'].get('stream') or ''} {text}\n"
    killed = "".join(f"  {kind}: {_signalled(number)}\n" for kind, number in _signals(entry).items())
    return f"{head}{entry['event']}\n" + killed + "".join(_errors(entry.get("exception")))


def _signals(entry: dict[str, Any]) -> dict[str, int]:
    """Return the signals that ended the tap or the loader, by kind of plugin, from Meltano's entry of exit codes.

    `meltano run` logs both codes in one entry, `meltano el` logs one each. SIGINT and SIGTERM are ignored: taps and
    loaders log these themselves.
    """
    codes = entry.get("exit_codes")
    if not isinstance(codes, dict):
        codes = {_KINDS.get(str(entry["event"]), ""): entry.get("code")}
    numbers = {kind: _signal_of(code) for kind, code in codes.items() if kind in _KINDS.values()}
    return {kind: number for kind, number in numbers.items() if number not in {0, signal.SIGINT, signal.SIGTERM}}


def _signal_of(code: Any) -> int:
    """Return the signal in an exit code, negative or in the shell's form; 0 if none."""
    if not isinstance(code, int):
        return 0
    number = -code if code < 0 else code - _SIGNAL_BASE
    return number if number in {*signal.valid_signals()} else 0


def _signalled(number: int) -> str:
    likely = {
        signal.SIGKILL: "; the likely cause is that the memory of the machine or container ran out (see dmesg)",
        signal.SIGSEGV: "; it crashed",
        signal.SIGABRT: "; it crashed",
    }
    return f"killed by signal {number} ({signal.Signals(number).name}){likely.get(signal.Signals(number), '')}"


def _errors(exception: Any) -> list[str]:
    if not isinstance(exception, list):
        return [f"{exception}\n"] if exception else []
    lines = []
    for error in exception:
        lines += [f"  {error.get('exc_type')}: {error.get('exc_value')}\n"]
        frames = error.get("frames") or []
        lines += [f"    {frame.get('filename')}:{frame.get('lineno')} in {frame.get('name')}\n" for frame in frames]
    return lines


@dataclass
class Reading:
    """The state of a run, read from its log.

    Attributes:
        tap: The extractor's name.
        loader: The loader's name.
        rows: Records that the tap emitted, by stream.
        going_on_since: Start of another run that holds the lock of the state id, as logged; empty if none.
    """

    tap: str
    loader: str
    rows: dict[str, int] = field(default_factory=dict)
    going_on_since: str = ""
    _said: dict[str, str] = field(default_factory=dict)

    def line(self, line: str) -> str:
        """Read a line; return it as readable text."""
        entry = parse(line)
        if entry is None:
            return line
        point = entry.get("metric_info")
        if point is None:
            self._note(entry)
        elif entry.get("name") == self.tap and point["metric"] == "record_count":
            # singer-sdk logs a counter about once per minute and resets it: the sum is the number.
            stream = point["tags"].get("stream") or ""
            self.rows[stream] = self.rows.get(stream, 0) + int(point["value"])
        return readable(entry)

    @property
    def error(self) -> str:
        """The line with the reason: from the loader, else the tap, else Meltano; empty if none."""
        # If the loader fails, the tap reports a broken pipe; if the tap fails, the loader logs no error.
        kinds = ("killed", "loader critical", "tap critical", "ended", "loader error", "tap error", "meltano")
        return next((self._said[kind] for kind in kinds if kind in self._said), "")

    def _note(self, entry: dict[str, Any]) -> None:
        level, event = entry.get("level"), str(entry["event"])
        if level not in {"error", "critical"}:
            return
        for kind, number in _signals(entry).items():
            # Its last line is unrelated. If both were killed, name the loader: the tap only lost its pipe.
            name = self.loader if kind == "loaders" else self.tap
            if kind == "loaders" or "killed" not in self._said:
                self._said["killed"] = f"{name} was {_signalled(number)}"
        by = {self.tap: "tap", self.loader: "loader"}.get(entry.get("name", ""))
        if going_on := _GOING_ON.search(event):
            self.going_on_since = going_on[1]
        if by:
            self._said[f"{by} {level}"] = _first_line(event)
        elif entry.get("message"):
            # If Meltano cannot parse a plugin's log, "Extraction failed" or "Loading failed" contains its last line.
            self._said["ended"] = _plain(str(entry["message"]))
        else:
            self._said.setdefault("meltano", _first_line(event))


def _plain(message: str) -> str:
    """Return the message of a plugin's JSON log line."""
    try:
        said = json.loads(message)
    except ValueError:
        return _first_line(message)
    return _first_line(str(said.get("message", message))) if isinstance(said, dict) else _first_line(message)


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0] if lines else ""
