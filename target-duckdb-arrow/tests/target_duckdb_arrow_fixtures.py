"""Fixtures and helpers: messages, the target in this process and as a program, and queries of the file."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import duckdb
import msgspec
import pytest
from target_duckdb_arrow.target import TargetDuckDBArrow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    Load = Callable[..., list[str]]
    Query = Callable[[str], list[tuple[Any, ...]]]

PROGRAM = [sys.executable, "-m", "target_duckdb_arrow"]
STRING = {"type": ["string", "null"]}
INTEGER = {"type": ["integer", "null"]}
MOMENT = {"type": ["string", "null"], "format": "date-time"}
PAIR = {"id": INTEGER, "x": STRING}
STATE = {"type": "STATE", "value": {"at": 1}}


encode = msgspec.json.Encoder(decimal_format="number").encode


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
    """Run the target as a program, optionally with a limit of `ulimit`."""
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


@pytest.fixture
def filepath(tmp_path: Path) -> Path:
    """Return the path of the database file, in a folder that does not exist yet."""
    return tmp_path / "new" / "warehouse.duckdb"


@pytest.fixture
def config(tmp_path: Path, filepath: Path) -> Callable[..., str]:
    """Return a function that writes a file of settings and returns the option for it."""

    def write(**settings: object) -> str:
        path = tmp_path / "config.json"
        path.write_text(json.dumps({"filepath": str(filepath), **settings}))
        return f"--config={path}"

    return write


@pytest.fixture
def feed(filepath: Path) -> Load:
    """Return a function that feeds messages (objects, or lines of text) and returns the lines of stdout."""

    def run(messages: Iterable[dict[str, Any] | str], **settings: Any) -> list[str]:
        lines = (one if isinstance(one, str) else encode(one).decode() for one in messages)
        target = TargetDuckDBArrow(config={"filepath": str(filepath), **settings})
        with contextlib.redirect_stdout(io.StringIO()) as out:
            target.listen(io.StringIO("".join(f"{line}\n" for line in lines)))
        return out.getvalue().splitlines()

    return run


@pytest.fixture
def load(feed: Load) -> Load:
    """Return a function that loads records of the stream `s`."""

    def run(
        properties: dict[str, Any],
        records: Iterable[dict[str, Any]],
        keys: Sequence[str] = (),
        **settings: Any,
    ) -> list[str]:
        schema = {"type": "SCHEMA", "stream": "s", "schema": {"properties": properties}, "key_properties": keys}
        rows = ({"type": "RECORD", "stream": "s", "record": record} for record in records)
        return feed([schema, *rows], **settings)

    return run


@pytest.fixture
def query(filepath: Path) -> Query:
    """Return a function that queries the file, in UTC."""

    def run(sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(filepath), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.execute(sql).fetchall()

    return run


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterable[None]:
    """Restore the log level that a target sets."""
    metrics = logging.getLogger("singer_sdk.metrics")
    level = metrics.level
    yield
    metrics.setLevel(level)
