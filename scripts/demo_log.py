"""Meltano's JSON log as readable text, for the demo."""

from __future__ import annotations

import json
from typing import Any


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
    codes = f" {entry['exit_codes']}" if entry.get("exit_codes") else ""
    return f"{head}{entry['event']}{codes}\n" + "".join(_errors(entry.get("exception")))


def _errors(exception: Any) -> list[str]:
    if not isinstance(exception, list):
        return [f"{exception}\n"] if exception else []
    lines = []
    for error in exception:
        lines += [f"  {error.get('exc_type')}: {error.get('exc_value')}\n"]
        frames = error.get("frames") or []
        lines += [f"    {frame.get('filename')}:{frame.get('lineno')} in {frame.get('name')}\n" for frame in frames]
    return lines
