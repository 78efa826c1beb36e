"""Meltano's JSON log: the one line that says why a run failed, and text for a reader."""

from __future__ import annotations

import json
from typing import Any

import pytest
from run_logs import Reading

KILLED = (
    "target-y was killed by signal 9 (SIGKILL); the likely cause is that the memory of the machine or container ran "
    "out (see dmesg)"
)


def entry(name: str, level: str, event: str, **more: Any) -> str:
    return json.dumps({"timestamp": "now", "name": name, "level": level, "event": event, **more}) + "\n"


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ([], ""),
        ([entry("tap-x", "info", "fine")], ""),
        # The generic line of singer-sdk comes before the tap's own.
        ([entry("tap-x", "error", "An unhandled error"), entry("tap-x", "critical", "no key")], "no key"),
        # The tap's pipe breaks where the loader fails.
        ([entry("tap-x", "critical", "Broken pipe"), entry("target-y", "critical", "disk full\nmore")], "disk full"),
        # Loaders without a structured log: Meltano repeats their last line.
        (
            [entry("target-y", "info", "Traceback"), entry("meltano", "error", "Loading failed", code=1, message="no")],
            "no",
        ),
        ([entry("meltano", "error", "Extraction failed", code=1, message='{"message": "no key"}')], "no key"),
        # A loader that is killed says nothing, and the tap loses its pipe.
        (
            [
                entry("target-y", "info", "Skipping parse of env var settings..."),
                entry("tap-x", "critical", "Broken pipe"),
                entry("meltano", "error", "Loading failed", code=-9, message="Skipping parse of env var settings..."),
            ],
            KILLED,
        ),
        ([entry("meltano", "error", "Loading failed", code=137, message="Skipping parse...")], KILLED),
        (
            [
                entry("tap-x", "critical", "Broken pipe"),
                entry(
                    "meltano",
                    "error",
                    "Block run completed",
                    success=False,
                    exit_codes={"extractors": 1, "loaders": -9},
                ),
            ],
            KILLED,
        ),
        (
            [entry("meltano", "error", "Extraction failed", code=-11, message="working")],
            "tap-x was killed by signal 11 (SIGSEGV); it crashed",
        ),
        # A stop is told by a line of the loader.
        (
            [
                entry("target-y", "error", "Stopped by signal 15: run again from the last state"),
                entry("meltano", "error", "Loading failed", code=143, message="Stopped"),
            ],
            "Stopped",
        ),
        (
            ['Error: "not JSON"\n', entry("meltano", "error", "No such plugin"), entry("m", "error", "x")],
            "No such plugin",
        ),
    ],
)
def test_the_one_line_that_says_why(lines: list[str], error: str) -> None:
    reading = Reading("tap-x", "target-y")
    for line in lines:
        reading.line(line)
    assert reading.error == error


def test_meltanos_own_refusal_is_understood() -> None:
    # given two that started in the same second: Meltano itself refuses the second
    said = "Another 'demo:a-to-b' pipeline is already running which started at 2026-11-22 03:09:11+00:00. To ignore"
    reading = Reading("a", "b")
    reading.line(json.dumps({"timestamp": "now", "level": "error", "event": said}))
    assert reading.going_on_since == "2026-11-22 03:09:11+00:00"


def test_the_numbers_of_a_stream_are_kept_for_a_reader() -> None:
    point = {"metric": "stream_summary", "value": {"rows": 7, "requests": 3}, "tags": {"stream": "airings"}}
    line = Reading("tap-x", "target-y").line(entry("tap-x", "info", "METRIC", metric_info=point))
    assert line == "now info     tap-x: stream_summary airings rows=7 requests=3\n"


def test_the_signal_that_killed_a_loader_is_shown_to_a_reader() -> None:
    # as demo.py prints the end of a log
    line = Reading("tap-x", "target-y").line(entry("m", "error", "Block run completed", exit_codes={"loaders": -9}))
    assert line.startswith(
        "now error    m: Block run completed\n  loaders: killed by signal 9 (SIGKILL); the likely cause"
    )


def test_a_traceback_is_kept_for_a_reader() -> None:
    frames = [{"filename": "loader.py", "lineno": 7, "name": "write"}]
    exception = [{"exc_type": "OSError", "exc_value": "disk full", "frames": frames}]
    line = Reading("tap-x", "target-y").line(entry("target-y", "critical", "failed", exception=exception))
    assert line == "now critical target-y: failed\n  OSError: disk full\n    loader.py:7 in write\n"
