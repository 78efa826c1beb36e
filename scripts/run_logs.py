"""Meltano's JSON log, line by line: text for a reader, rows, and the one line that says why a run failed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

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
    return f"{head}{entry['event']}\n" + "".join(_errors(entry.get("exception")))


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
        kinds = ("loader critical", "tap critical", "ended", "loader error", "tap error", "meltano")
        return next((self._said[kind] for kind in kinds if kind in self._said), "")

    def _note(self, entry: dict[str, Any]) -> None:
        level, event = entry.get("level"), str(entry["event"])
        if level not in {"error", "critical"}:
            return
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
