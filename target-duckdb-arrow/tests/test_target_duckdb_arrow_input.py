"""Inputs, pipes and signals: one-line errors with a non-zero exit code, without records."""

from __future__ import annotations

import contextlib
import json
import shlex
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from target_duckdb_arrow.errors import LoadError
from target_duckdb_arrow_fixtures import GOOD, PROGRAM, SCHEMA, errors, lines, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from target_duckdb_arrow_fixtures import Query


def test_messages_are_read_from_a_file(tmp_path: Path, config: Callable[..., str], query: Query) -> None:
    source = tmp_path / "messages.singer"
    source.write_text(lines(GOOD))
    result = run(config(), f"--input={source}", messages=[])
    assert (result.returncode, result.stdout) == (0, '{"n": 1}\n')
    assert query("SELECT id, x FROM s") == [(1, "a")]


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            f'{{"type": "RECORD", "stream": "s", "record": {{"x": {DEEP}}}}}',
            "Line 2 of the input is not a Singer message",
        ),
        (f'{{"type": "STATE", "value": {{"x": {DEEP}}}}}', "Line 2 of the input is not a Singer message"),
        (f'{{"type": "SCHEMA", "stream": "t", "schema": {DEEP}}}', "Line 2 of the input is not a Singer message"),
        (DEEP, "Line 2 of the input is not a Singer message"),
        ("{" * 50_000, "Line 2 of the input is not a Singer message"),
        ('{"type": "RECORD", "stream": "s", "record": {"id": ' + "9" * 5000 + "}}", "Stream 's': the record of line 2"),
        ("\x00\x01\x02", "Line 2 of the input is not a Singer message"),
    ],
    ids=["record", "state", "schema", "line", "objects", "digits", "binary"],
)
def test_input_beyond_every_limit_ends_with_one_line(config: Callable[..., str], line: str, reason: str) -> None:
    result = run(config(), messages=[SCHEMA, line])
    assert (result.returncode, result.stdout) == (1, "")
    (error,) = errors(result)
    assert error.startswith(reason)
    assert len(error) < 300


@pytest.mark.parametrize(
    ("depth", "definition", "record", "loaded"),
    [
        (300, {}, "object", True),
        (950, {}, "object", None),
        (950, {"type": "object"}, "object", None),
        (100, "deep", "none", True),
        (900, "deep", "none", None),
    ],
)
def test_deep_json_is_loaded_or_refused(
    feed: Callable[..., list[str]], depth: int, definition: object, record: str, *, loaded: bool | None
) -> None:
    # given a deeply nested value or schema
    deep = '{"type": "array", "items": ' * depth + '{"type": "integer"}' + "}" * depth
    properties = deep if definition == "deep" else json.dumps(definition)
    value = "null" if record == "none" else '{"a":' * depth + "1" + "}" * depth

    # when / then
    with contextlib.nullcontext() if loaded else contextlib.suppress(LoadError):
        feed(
            [
                f'{{"type": "SCHEMA", "stream": "s", "schema": {{"properties": {{"x": {properties}}}}}}}',
                f'{{"type": "RECORD", "stream": "s", "record": {{"x": {value}}}}}',
            ]
        )


def test_a_byte_order_mark_at_the_start_of_a_file_is_skipped(
    tmp_path: Path, config: Callable[..., str], query: Query
) -> None:
    source = tmp_path / "messages.singer"
    source.write_text(lines(GOOD), encoding="utf-8-sig")
    assert run(config(), f"--input={source}", messages=[]).returncode == 0
    assert query("SELECT id FROM s") == [(1,)]


def test_utf_16_is_named(tmp_path: Path, config: Callable[..., str]) -> None:
    source = tmp_path / "messages.singer"
    source.write_text(lines(GOOD), encoding="utf-16")
    result = run(config(), f"--input={source}", messages=[])
    assert result.returncode == 1
    (line,) = errors(result)
    assert line.startswith("Line 1 of the input is not a Singer message: it is UTF-16, and Singer messages are UTF-8")


@pytest.mark.parametrize(
    ("redirection", "message"),
    [
        ("<&-", "Standard input is closed. Pipe a tap into the loader, or name a file with --input."),
        (
            ">&-",
            "Standard output is closed, so the state cannot be written. The rows are loaded. Run again from the last",
        ),
        ("| true", "Standard output is closed, so the state cannot be written."),
    ],
)
def test_closed_streams_end_with_one_line(
    tmp_path: Path, config: Callable[..., str], redirection: str, message: str
) -> None:
    # given
    source = tmp_path / "messages.singer"
    source.write_text(lines(GOOD))
    command = shlex.join([*PROGRAM, config(), *([] if "<" in redirection else ["--input", str(source)])])

    # when
    result = subprocess.run(
        ["/bin/bash", "-c", f"set -o pipefail; (sleep 1; exec {command}) {redirection}"],
        check=False,
        capture_output=True,
        text=True,
    )

    # then
    assert result.returncode == 1
    (line,) = errors(result)
    assert line.startswith(message)
    assert "Exception ignored" not in result.stderr


@pytest.mark.parametrize("imported", ["typing_extensions", "duckdb", "target_duckdb_arrow.target"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_first_second_ends_with_one_line(
    config: Callable[..., str], imported: str, number: signal.Signals
) -> None:
    # given a loader that imports its libraries and prints a line for each
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "target_duckdb_arrow", config()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert any(line.split()[-1] == imported for line in process.stderr)

    # when
    process.send_signal(number)
    out, err = process.communicate(timeout=60)

    # then
    assert process.returncode == 128 + number
    assert out == ""
    assert "Traceback" not in err
    assert "topped by signal" in err


@pytest.mark.parametrize(
    "line",
    [
        '{"type": "RECORD", "stream": "s", "record": {"id": "secret"}}',
        '{"type": "RECORD", "stream": "s", "record": {"id": 1, "x": {"name": "secret"}}}',
        '{"type": "RECORD", "stream": "s", "record": ["secret"]}',
        '{"type": "RECORD", "stream": "s", "record": {"id": 1, "x": "secret \\ud800"}}',
        '{"type": "RECORD", "stream": "s", "record": {"id": 1, "x": "secret',
        '{"type": "RECORD", "stream": "s", "record": "secret", "version": "secret"}',
        '{"type": "RECORD", "stream": "s", "record": {"x": "secret"}}',
        "secret",
        '{"type": "STATE", "value": "secret"}',
    ],
)
@pytest.mark.parametrize("settings", [{}, {"validate_records": True}, {"stream_maps": {"s": {"x": "x + 1"}}}])
def test_no_message_quotes_a_record(
    feed: Callable[..., list[str]], caplog: pytest.LogCaptureFixture, line: str, settings: dict[str, Any]
) -> None:
    with pytest.raises(LoadError) as error:
        feed([SCHEMA, line], **settings)
    assert "secret" not in str(error.value)
    assert "secret" not in caplog.text


def test_a_bad_record_ends_with_one_line_and_what_was_committed_stays(
    config: Callable[..., str],
    query: Query,
) -> None:
    # given two good batches and a bad record
    bad = {"type": "RECORD", "stream": "s", "record": {"id": "two"}}

    # when
    result = run(config(batch_size_rows=1), messages=[*GOOD, GOOD[1], bad])

    # then the STATE was printed with the second batch, and the bad record is not loaded
    assert result.returncode == 1
    assert result.stdout == '{"n": 1}\n'
    (line,) = errors(result)
    assert line == (
        "Stream 's', column 'id', line 5 of the input: a string of 3 characters (aaa) is not an integer. Correct the "
        "stream's schema in the tap, or deselect the property."
    )
    assert query("SELECT id FROM s") == [(1,)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            b'{"type": "STATE", "value": {"a": "\xff"}}',
            "The STATE of line 2 cannot be read: it is not valid UTF-8 (byte 7)",
        ),
        (
            b'{"type": "SCHEMA", "stream": "t", "schema": {"a": "\xff"}}',
            "Stream 't': the schema of line 2 cannot be read: it is not valid UTF-8",
        ),
        (
            b'{"type": "RECORD", "stream": "s", "record": {"x": "\xff"}}',
            "Stream 's': the record of line 2 cannot be read",
        ),
        (
            b'{"type": "RECORD", "stream": "\xff", "record": {}}',
            "Line 2 of the input is not a Singer message: it is not valid UTF-8",
        ),
    ],
)
def test_invalid_utf_8_ends_with_one_line(config: Callable[..., str], line: bytes, message: str) -> None:
    result = subprocess.run(
        [*PROGRAM, config()],
        check=False,
        capture_output=True,
        input=json.dumps(SCHEMA).encode() + b"\n" + line + b"\n",
    )
    assert (result.returncode, result.stdout) == (1, b"")
    assert b"Traceback" not in result.stderr
    assert f"| {message}".encode() in result.stderr


def test_a_full_disk_ends_with_one_line_and_the_old_rows_stay(
    config: Callable[..., str],
    query: Query,
) -> None:
    # given a table, and a limit of 4 MB for files
    assert run(config()).returncode == 0
    chunk = "".join(chr(97 + index % 26) for index in range(1000))
    records = [
        {"type": "RECORD", "stream": "s", "record": {"id": number, "x": f"{number} {chunk[number % 700 :]}" * 3}}
        for number in range(8000)
    ]

    # when
    result = run(config(), messages=[SCHEMA, *records], limit="-f 4096")

    # then
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = errors(result)
    assert line.startswith("Setting 'filepath': DuckDB failed on ")
    assert "run again from the last state" in line
    assert query("SELECT * FROM s") == [(1, "a")]
