"""Loading messages through the target in this process, and looking into the file."""

from __future__ import annotations

import contextlib
import io
import json
import logging
from typing import TYPE_CHECKING, Any

import duckdb
import msgspec
import pytest
from target_duckdb_arrow.target import TargetDuckDBArrow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

encode = msgspec.json.Encoder(decimal_format="number").encode


@pytest.fixture
def filepath(tmp_path: Path) -> Path:
    """The database file, in a folder that is not there yet."""
    return tmp_path / "new" / "warehouse.duckdb"


@pytest.fixture
def config(tmp_path: Path, filepath: Path) -> Callable[..., str]:
    """Write a file of settings."""

    def write(**settings: object) -> str:
        path = tmp_path / "config.json"
        path.write_text(json.dumps({"filepath": str(filepath), **settings}))
        return f"--config={path}"

    return write


@pytest.fixture
def feed(filepath: Path) -> Callable[..., list[str]]:
    """Feed messages (objects, or lines as text) with settings; gives the lines written to stdout."""

    def run(messages: Iterable[dict[str, Any] | str], **settings: Any) -> list[str]:
        lines = (one if isinstance(one, str) else encode(one).decode() for one in messages)
        target = TargetDuckDBArrow(config={"filepath": str(filepath), **settings})
        with contextlib.redirect_stdout(io.StringIO()) as out:
            target.listen(io.StringIO("".join(f"{line}\n" for line in lines)))
        return out.getvalue().splitlines()

    return run


@pytest.fixture
def load(feed: Callable[..., list[str]]) -> Callable[..., list[str]]:
    """Load records of one stream, `s`."""

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
def query(filepath: Path) -> Callable[[str], list[tuple[Any, ...]]]:
    """Ask the file, in UTC."""

    def run(sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(filepath), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.execute(sql).fetchall()

    return run


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterable[None]:
    """Keep the levels that a target sets from reaching other tests."""
    metrics = logging.getLogger("singer_sdk.metrics")
    level = metrics.level
    yield
    metrics.setLevel(level)
