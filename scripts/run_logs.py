"""Meltano's JSON log, line by line: text for a reader, rows, and the one line that says why a run failed."""

from __future__ import annotations

import json
import re
import signal
from dataclasses import dataclass, field
from typing import Any

# What shells add to the number of the signal that ended a program.
_SIGNAL_BASE = 128
_KINDS = {"Extraction failed": "extractors", "Loading failed": "loaders"}
_GOING_ON = re.compile(r"Another '.*' pipeline is already running which started at (.+?)\. ")


def parse(line: str) -> dict[str, Any] | None:
    """Return an entry of Meltano's JSON log, or none for a line that something else wrote."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and "event" in entry else None


def readable(entry: dict[str, Any]) -> str:
    """Return an entry as one line for a reader, and a traceback's errors below it."""
    head = f"{entry.get('timestamp', '')} {entry.get('level', ''):8} {entry.get('name', 'meltano')}: "
    point = entry.get("metric_info")
    if point is not None:
        value = point["value"]
        # A summary of the taps holds several numbers.
        text = " ".join(f"{name}={one}" for name, one in value.items()) if isinstance(value, dict) else value
        return f"{head}{point['metric']} {point['tags'].get('stream') or ''} {text}\n"
    killed = "".join(f"  {kind}: {_signalled(number)}\n" for kind, number in _signals(entry).items())
    return f"{head}{entry['event']}\n" + killed + "".join(_errors(entry.get("exception")))


def _signals(entry: dict[str, Any]) -> dict[str, int]:
    """Return the signals that ended a tap or a loader, by the kind of plugin, from Meltano's entry on exit codes.

    `meltano run` logs both codes in one entry, `meltano el` one each. SIGINT and SIGTERM are not among them: taps and
    loaders answer these with a line of their own.
    """
    codes = entry.get("exit_codes")
    if not isinstance(codes, dict):
        codes = {_KINDS.get(str(entry["event"]), ""): entry.get("code")}
    numbers = {kind: _signal_of(code) for kind, code in codes.items() if kind in _KINDS.values()}
    return {kind: number for kind, number in numbers.items() if number not in {0, signal.SIGINT, signal.SIGTERM}}


def _signal_of(code: Any) -> int:
    """Return the signal of an exit code, negative or as shells write it; 0 without one."""
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
    """What a run's log has told so far.

    Attributes:
        tap: The extractor's name.
        loader: The loader's name.
        rows: Records that the tap emitted, by stream.
        going_on_since: Since when another run of the state id holds Meltano's lock, as Meltano says it; else empty.
    """

    tap: str
    loader: str
    rows: dict[str, int] = field(default_factory=dict)
    going_on_since: str = ""
    _said: dict[str, str] = field(default_factory=dict)

    def line(self, line: str) -> str:
        """Take in a line; returns it for a reader."""
        entry = parse(line)
        if entry is None:
            return line
        point = entry.get("metric_info")
        if point is None:
            self._note(entry)
        elif entry.get("name") == self.tap and point["metric"] == "record_count":
            # singer-sdk tells a counter about once a minute and starts it anew: the sum is the number.
            stream = point["tags"].get("stream") or ""
            self.rows[stream] = self.rows.get(stream, 0) + int(point["value"])
        return readable(entry)

    @property
    def error(self) -> str:
        """The line that says why: the loader's last word, else the tap's, else Meltano's; empty without any."""
        # A tap complains about its broken pipe where the loader fails; a loader says nothing where the tap does.
        kinds = ("killed", "loader critical", "tap critical", "ended", "loader error", "tap error", "meltano")
        return next((self._said[kind] for kind in kinds if kind in self._said), "")

    def _note(self, entry: dict[str, Any]) -> None:
        level, event = entry.get("level"), str(entry["event"])
        if level not in {"error", "critical"}:
            return
        for kind, number in _signals(entry).items():
            # Its last line was an unrelated one. Of both the loader is named: a tap only loses its pipe then.
            name = self.loader if kind == "loaders" else self.tap
            if kind == "loaders" or "killed" not in self._said:
                self._said["killed"] = f"{name} was {_signalled(number)}"
        by = {self.tap: "tap", self.loader: "loader"}.get(entry.get("name", ""))
        if going_on := _GOING_ON.search(event):
            self.going_on_since = going_on[1]
        if by:
            self._said[f"{by} {level}"] = _first_line(event)
        elif entry.get("message"):
            # "Extraction failed" and "Loading failed" carry the last line of a plugin whose log Meltano does not parse.
            self._said["ended"] = _plain(str(entry["message"]))
        else:
            self._said.setdefault("meltano", _first_line(event))


def _plain(message: str) -> str:
    """Return the message of a plugin's own JSON log line."""
    try:
        said = json.loads(message)
    except ValueError:
        return _first_line(message)
    return _first_line(str(said.get("message", message))) if isinstance(said, dict) else _first_line(message)


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0] if lines else ""
