"""Messages, and the target as a program."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Load = Callable[..., list[str]]
    Query = Callable[[str], list[tuple[Any, ...]]]

PROGRAM = [sys.executable, "-m", "target_duckdb_arrow"]
STRING = {"type": ["string", "null"]}
INTEGER = {"type": ["integer", "null"]}
MOMENT = {"type": ["string", "null"], "format": "date-time"}
PAIR = {"id": INTEGER, "x": STRING}
STATE = {"type": "STATE", "value": {"at": 1}}


def schema(properties: dict[str, Any], keys: Sequence[str], stream: str = "s") -> dict[str, Any]:
    """Make a SCHEMA message."""
    return {"type": "SCHEMA", "stream": stream, "schema": {"properties": properties}, "key_properties": keys}


def record(stream: str = "s", version: int | None = None, **values: object) -> dict[str, Any]:
    """Make a RECORD message."""
    message = {"type": "RECORD", "stream": stream, "record": values, "time_extracted": "2024-01-01T00:00:00+00:00"}
    return message if version is None else {**message, "version": version}


def pairs(*numbers: int, text: str = "a") -> list[dict[str, Any]]:
    """Make records with an id and a text."""
    return [{"id": number, "x": f"{text}{number}"} for number in numbers]


SCHEMA = schema({"id": {"type": "integer"}, "x": {"type": "string"}}, ["id"])
GOOD = [SCHEMA, {"type": "RECORD", "stream": "s", "record": {"id": 1, "x": "a"}}, {"type": "STATE", "value": {"n": 1}}]


def lines(messages: Sequence[dict[str, Any] | str]) -> str:
    """Write messages, or lines that are text already, as the input of a target."""
    return "".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in messages)


def run(
    *arguments: str,
    messages: Sequence[dict[str, Any] | str] = GOOD,
    limit: str = "",
    folder: Path | None = None,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Run the target as a program, with a limit of `ulimit` if one is given."""
    command = [*PROGRAM, *arguments]
    if limit:
        command = ["sh", "-c", f"ulimit {limit}; exec {shlex.join(command)}"]
    return subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        input=lines(messages),
        env={**os.environ, **environment},
        cwd=folder,
    )


def errors(result: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the logged errors, without the time and the name of the logger."""
    assert "Traceback" not in result.stderr
    return [line.split("|", 3)[3].strip() for line in result.stderr.splitlines() if "| ERROR" in line]
