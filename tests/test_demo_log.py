"""Meltano's JSON log as readable text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from demo_log import parse, readable


def entry(level: str, event: str, **more: Any) -> str:
    return json.dumps({"timestamp": "now", "name": "tap-x", "level": level, "event": event, **more}) + "\n"


FRAMES = [{"filename": "loader.py", "lineno": 7, "name": "write"}]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (
            entry("info", "stream airings: succeeded, 7 rows", summary={"metric": "stream_summary"}),
            "now info     tap-x: stream airings: succeeded, 7 rows\n",
        ),
        (
            entry("error", "Block run completed", exit_codes={"loaders": -9}),
            "now error    tap-x: Block run completed {'loaders': -9}\n",
        ),
        (
            entry(
                "critical", "failed", exception=[{"exc_type": "OSError", "exc_value": "disk full", "frames": FRAMES}]
            ),
            "now critical tap-x: failed\n  OSError: disk full\n    loader.py:7 in write\n",
        ),
    ],
)
def test_an_entry_is_readable(line: str, text: str) -> None:
    found = parse(line)
    assert found is not None
    assert readable(found) == text


@pytest.mark.parametrize("line", ["Traceback\n", "[1]\n", '{"level": "info"}\n'])
def test_other_lines_are_not_entries(line: str) -> None:
    assert parse(line) is None
