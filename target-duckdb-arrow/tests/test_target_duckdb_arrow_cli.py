"""The command line: settings, and one clear line with a non-zero exit for whatever a user can act on."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import yaml
from target_duckdb_arrow.database import CATALOG, Database
from target_duckdb_arrow.errors import LoadError
from target_duckdb_arrow.target import TargetDuckDBArrow

if TYPE_CHECKING:
    from collections.abc import Callable

    Query = Callable[[str], list[tuple[Any, ...]]]

PROJECT = Path(__file__).parents[1]
SCHEMA = {
    "type": "SCHEMA",
    "stream": "s",
    "schema": {"properties": {"id": {"type": "integer"}, "x": {"type": "string"}}},
    "key_properties": ["id"],
}
GOOD = [SCHEMA, {"type": "RECORD", "stream": "s", "record": {"id": 1, "x": "a"}}, {"type": "STATE", "value": {"n": 1}}]


def run(
    *arguments: str,
    messages: list[dict[str, Any]] = GOOD,
    limit: str = "",
    folder: Path | None = None,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Run the target as a program."""
    command = [sys.executable, "-m", "target_duckdb_arrow", *arguments]
    if limit:
        command = ["sh", "-c", f"ulimit {limit}; exec {shlex.join(command)}"]
    return subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        input="".join(json.dumps(message) + "\n" for message in messages),
        env={**os.environ, **environment},
        cwd=folder,
    )


def errors(result: subprocess.CompletedProcess[str]) -> list[str]:
    """Give what was logged as an error, without the time and the name of the logger."""
    assert "Traceback" not in result.stderr
    return [line.split("|", 3)[3].strip() for line in result.stderr.splitlines() if "| ERROR" in line]


@pytest.fixture
def config(tmp_path: Path, filepath: Path) -> Callable[..., str]:
    """Write a file of settings."""

    def write(**settings: object) -> str:
        path = tmp_path / "config.json"
        path.write_text(json.dumps({"filepath": str(filepath), **settings}))
        return f"--config={path}"

    return write


def test_settings_come_from_the_environment(filepath: Path, query: Query) -> None:
    result = run(
        "--config=ENV",
        TARGET_DUCKDB_ARROW_FILEPATH=str(filepath),
        TARGET_DUCKDB_ARROW_DEFAULT_TARGET_SCHEMA="ispot",
        TARGET_DUCKDB_ARROW_BATCH_SIZE_ROWS="1",
        TARGET_DUCKDB_ARROW_ADD_RECORD_METADATA="true",
    )
    assert (result.returncode, result.stdout) == (0, '{"n": 1}\n')
    assert query("SELECT id, x, _sdc_deleted_at FROM ispot.s") == [(1, "a", None)]


def test_messages_come_from_a_file_if_one_is_named(tmp_path: Path, config: Callable[..., str], query: Query) -> None:
    source = tmp_path / "messages.singer"
    source.write_text("".join(json.dumps(message) + "\n" for message in GOOD))
    result = run(config(), f"--input={source}", messages=[])
    assert (result.returncode, result.stdout) == (0, '{"n": 1}\n')
    assert query("SELECT id, x FROM s") == [(1, "a")]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"filepath": ":memory:"}, "Setting 'filepath' is ':memory:': it must name a local file"),
        ({"filepath": " "}, "Setting 'filepath' is ' ': it must name a local file"),
        ({"filepath": "md:mine"}, "Setting 'filepath' is 'md:mine': it must name a local file"),
        ({"filepath": "/"}, "Setting 'filepath' is '/', which is a folder"),
        (
            {"filepath": 5},
            "Settings: 5 is not of type 'string' in config['filepath']. See target-duckdb-arrow --about.",
        ),
        ({"batch_size_rows": 0}, "Settings: 0 is less than the minimum of 1 in config['batch_size_rows']."),
        ({"load_method": "replace"}, "Settings: 'replace' is not one of ['upsert', 'append-only', 'overwrite'] in"),
        ({"filepath": f"{__file__}/x.duckdb"}, f"Setting 'filepath': the folder {__file__} cannot be made"),
        ({"filepath": __file__}, f"Setting 'filepath': {__file__} exists and is not a DuckDB database."),
        ({"filepath": "~nosuchuser/x.duckdb"}, "Setting 'filepath' cannot be used (Could not determine home directory"),
        ({"filepath": "x" * 5000}, "Setting 'filepath' cannot be used (File name too long): name a file."),
        ({"filepath": "a\0b"}, "Setting 'filepath' cannot be used (a NUL in its name): name a file."),
        ({"lock_timeout": "soon"}, "Settings: 'soon' is not of type 'integer', 'null' in config['lock_timeout']."),
        ({"stream_maps": {"__else__": "x"}}, "Settings: one of them has a wrong form, such as stream_maps"),
        ({"stream_maps": 5}, "Settings: "),
        ({"flattening_enabled": True}, "Settings: flattening_max_depth is required when flattening is enabled."),
        (
            {"default_target_schema": ["x"]},
            "Settings: ['x'] is not of type 'string', 'null' in config['default_target_schema']",
        ),
    ],
)
def test_bad_settings_end_with_one_line(
    config: Callable[..., str],
    settings: dict[str, object],
    message: str,
) -> None:
    # given / when
    result = run(config(**settings))

    # then
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = errors(result)
    assert line.startswith(message)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"filepath":', "not JSON (Expecting value"),
        (b"", "not JSON (Expecting value"),
        (b"[]", "not a JSON object"),
        (b'"x"', "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'[["filepath", "x"]]', "not a JSON object"),
        (b'{"filepath": "\x93\xff"}', "not JSON (UnicodeDecodeError)"),
        (b"[" * 100_000, "not JSON (RecursionError)"),
        (None, "No such file or directory"),
    ],
    ids=["cut off", "empty", "array", "string", "null", "pairs", "binary", "deep", "missing"],
)
def test_settings_that_cannot_be_read_end_with_one_line(tmp_path: Path, content: bytes | None, reason: str) -> None:
    # given
    path = tmp_path / "settings.json"
    if content is not None:
        path.write_bytes(content)

    # when
    result = run(f"--config={path}")

    # then
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = errors(result)
    assert line.startswith(f"Option --config {path}: {reason}")
    assert line.endswith("Name a file with a JSON object.")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("BATCH_SIZE_ROWS", "many", "'many' is not an integer"),
        ("HARD_DELETE", "perhaps", "'perhaps' is neither true nor false"),
        ("STREAM_MAPS", "{", "its value is not JSON"),
    ],
)
def test_a_variable_that_cannot_be_read_is_named(filepath: Path, name: str, value: str, reason: str) -> None:
    variables: dict[str, Any] = {"TARGET_DUCKDB_ARROW_FILEPATH": str(filepath), f"TARGET_DUCKDB_ARROW_{name}": value}
    result = run("--config=ENV", **variables)
    assert (result.returncode, result.stdout) == (1, "")
    assert errors(result) == [f"Environment variable TARGET_DUCKDB_ARROW_{name}: {reason}. Correct or unset it."]


def test_an_empty_variable_is_not_set_and_words_are_read(filepath: Path, query: Query, tmp_path: Path) -> None:
    # given a .env file, which is not the loader's to read
    (tmp_path / ".env").write_text("TARGET_DUCKDB_ARROW_DEFAULT_TARGET_SCHEMA=from_a_file\n")

    # when
    result = run(
        "--config=ENV",
        folder=tmp_path,
        TARGET_DUCKDB_ARROW_FILEPATH=str(filepath),
        TARGET_DUCKDB_ARROW_BATCH_SIZE_ROWS="",
        TARGET_DUCKDB_ARROW_ADD_RECORD_METADATA="t",
    )

    # then
    assert (result.returncode, result.stdout) == (0, '{"n": 1}\n')
    assert query("SELECT id, _sdc_deleted_at FROM main.s") == [(1, None)]


def test_misspelt_settings_are_named_with_the_nearest(config: Callable[..., str]) -> None:
    result = run(
        config(load_metod="overwrite", zzz=1),
        "--config=ENV",
        TARGET_DUCKDB_ARROW_BATCH_SIZE="1",
        TARGET_DUCKDB_ARROW__X="1",
    )
    assert result.returncode == 0
    assert [line.split("|", 3)[3].strip() for line in result.stderr.splitlines() if "| WARNING" in line] == [
        "Setting 'load_metod' does not exist, and has no effect: do you mean load_method?",
        "Setting 'zzz' does not exist, and has no effect",
        (
            "Environment variable TARGET_DUCKDB_ARROW_BATCH_SIZE is not a setting, and has no effect: do you mean "
            "TARGET_DUCKDB_ARROW_BATCH_SIZE_ROWS?"
        ),
    ]


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
    result = subprocess.run(
        [sys.executable, "-m", "target_duckdb_arrow", config()],
        check=False,
        capture_output=True,
        text=True,
        input=f"{json.dumps(SCHEMA)}\n{line}\n",
    )
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
def test_deep_json_is_loaded_or_named(
    feed: Callable[..., list[str]], depth: int, definition: object, record: str, *, loaded: bool | None
) -> None:
    # given a value, or a schema, some levels deep
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


def test_a_byte_order_mark_at_the_start_of_a_file_is_passed_over(
    tmp_path: Path, config: Callable[..., str], query: Query
) -> None:
    source = tmp_path / "messages.singer"
    source.write_text("".join(json.dumps(message) + "\n" for message in GOOD), encoding="utf-8-sig")
    assert run(config(), f"--input={source}", messages=[]).returncode == 0
    assert query("SELECT id FROM s") == [(1,)]


def test_utf_16_is_named(tmp_path: Path, config: Callable[..., str]) -> None:
    source = tmp_path / "messages.singer"
    source.write_text("".join(json.dumps(message) + "\n" for message in GOOD), encoding="utf-16")
    result = run(config(), f"--input={source}", messages=[])
    assert result.returncode == 1
    (line,) = errors(result)
    assert line.startswith(
        "Line 1 of the input is not a Singer message: it is UTF-16 text, and Singer messages are UTF-8"
    )


@pytest.mark.parametrize(
    ("redirection", "message"),
    [
        ("<&-", "Standard input is closed. Pipe a tap into the loader, or name a file with --input."),
        (">&-", "Standard output is closed: the state cannot be written. The rows are loaded; run again from the last"),
        ("| true", "Standard output is closed: the state cannot be written."),
    ],
)
def test_closed_streams_end_with_one_line(
    tmp_path: Path, config: Callable[..., str], redirection: str, message: str
) -> None:
    # given
    source = tmp_path / "messages.singer"
    lines = [GOOD[0], *GOOD[1:]]
    source.write_text("".join(json.dumps(one) + "\n" for one in lines))
    command = shlex.join(
        [
            sys.executable,
            "-m",
            "target_duckdb_arrow",
            config(),
            *([] if "<" in redirection else ["--input", str(source)]),
        ]
    )

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


@pytest.mark.parametrize("delay", [0.2, 0.6])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_first_second_ends_with_one_line(
    config: Callable[..., str], delay: float, number: signal.Signals
) -> None:
    # given a loader whose libraries are being imported
    process = subprocess.Popen(
        [sys.executable, "-m", "target_duckdb_arrow", config()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )

    # when
    time.sleep(delay)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)

    # then
    assert process.returncode == 128 + number
    assert out == b""
    assert b"Traceback" not in err
    assert b"topped by signal" in err


@pytest.mark.parametrize("how", ["touch", "mktemp", "link"])
def test_an_empty_file_becomes_the_database(filepath: Path, config: Callable[..., str], query: Query, how: str) -> None:
    # given
    filepath.parent.mkdir()
    if how == "link":
        (filepath.parent / "real").touch()
        filepath.symlink_to(filepath.parent / "real")
    else:
        filepath.touch(0o600 if how == "mktemp" else 0o644)

    # when / then
    assert run(config()).returncode == 0
    assert query("SELECT id FROM s") == [(1,)]


def test_loaders_that_meet_one_empty_file_all_load_into_it(
    filepath: Path, config: Callable[..., str], query: Query
) -> None:
    # given
    filepath.parent.mkdir()
    filepath.touch()
    command = [sys.executable, "-m", "target_duckdb_arrow", config()]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]

    # when
    for index, process in enumerate(processes):
        assert process.stdin is not None
        record = {"type": "RECORD", "stream": "s", "record": {"id": index}}
        process.stdin.write(f"{json.dumps(SCHEMA)}\n{json.dumps(record)}\n")
        process.stdin.close()

    # then
    assert [process.wait() for process in processes] == [0] * 4
    assert query("SELECT id FROM s ORDER BY id") == [(0,), (1,), (2,), (3,)]
    for process in processes:
        assert process.stdout is not None
        process.stdout.close()


def test_the_file_and_what_lies_next_to_it_is_for_its_owner_only(filepath: Path) -> None:
    # given a umask that lets everybody read
    before = os.umask(0)
    try:
        # when a transaction is written, and its log lies next to the file
        with Database(str(filepath), 0, logging.getLogger("test")).transaction() as connection:
            connection.execute(f"CREATE TABLE {CATALOG}.s AS SELECT 1 AS id").fetchall()
            connection.execute("COMMIT").fetchall()
            modes = {path.name: path.stat().st_mode & 0o777 for path in filepath.parent.iterdir()}
            ((spilled,),) = connection.execute("SELECT current_setting('temp_directory')").fetchall()
            connection.execute("BEGIN").fetchall()
    finally:
        after = os.umask(before)

    # then
    assert modes == {filepath.name: 0o600, f"{filepath.name}.wal": 0o600}
    assert filepath.parent.stat().st_mode & 0o777 == 0o700
    assert spilled == f"{filepath}.tmp"
    assert after == 0


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


def test_a_required_setting_that_is_missing_is_named() -> None:
    result = run()
    assert result.returncode == 1
    assert errors(result) == ["Settings: 'filepath' is a required property. See target-duckdb-arrow --about."]


def test_a_bad_record_ends_with_one_line_and_what_was_committed_stays(
    config: Callable[..., str],
    query: Query,
) -> None:
    # given two batches, the second with a bad record
    bad = {"type": "RECORD", "stream": "s", "record": {"id": "two"}}

    # when
    result = run(config(batch_size_rows=1), messages=[*GOOD, GOOD[1], bad])

    # then the STATE of the first went out with the second batch, and the third is not there
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
            "The STATE of line 2 cannot be read: it is not UTF-8 text (byte 7)",
        ),
        (
            b'{"type": "SCHEMA", "stream": "t", "schema": {"a": "\xff"}}',
            "Stream 't': the schema of line 2 cannot be read: it is not UTF-8",
        ),
        (
            b'{"type": "RECORD", "stream": "s", "record": {"x": "\xff"}}',
            "Stream 's': the record of line 2 cannot be read",
        ),
        (
            b'{"type": "RECORD", "stream": "\xff", "record": {}}',
            "Line 2 of the input is not a Singer message: it is not UTF-8 text",
        ),
    ],
)
def test_bytes_that_are_no_text_end_with_one_line(config: Callable[..., str], line: bytes, message: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "target_duckdb_arrow", config()],
        check=False,
        capture_output=True,
        input=json.dumps(SCHEMA).encode() + b"\n" + line + b"\n",
    )
    assert (result.returncode, result.stdout) == (1, b"")
    assert b"Traceback" not in result.stderr
    assert f"| {message}".encode() in result.stderr


def test_the_traceback_is_kept_for_the_log_level_debug(config: Callable[..., str]) -> None:
    result = run(config(filepath=":memory:"), TARGET_DUCKDB_ARROW_LOGLEVEL="DEBUG")
    assert result.returncode == 1
    assert "Traceback (most recent call last)" in result.stderr


def test_a_file_that_another_process_holds_is_waited_for_and_then_named(
    filepath: Path,
    config: Callable[..., str],
) -> None:
    # given
    filepath.parent.mkdir()
    with duckdb.connect(str(filepath)):
        started = time.monotonic()

        # when
        result = run(config(lock_timeout=1))

    # then
    assert time.monotonic() - started > 1
    assert result.returncode == 1
    (line,) = errors(result)
    assert line == (
        f"Setting 'filepath': {filepath} has been open in another process (PID {os.getpid()}) for 1 seconds. Close it "
        "there, or raise the setting 'lock_timeout', and run again."
    )
    assert f"{filepath} is open in another process (PID {os.getpid()}): waiting up to 1 seconds" in result.stderr


def test_a_file_that_is_let_go_is_written(filepath: Path, config: Callable[..., str], query: Query) -> None:
    # given a file which is held until the target says that it waits
    filepath.parent.mkdir()
    with duckdb.connect(str(filepath)):
        process = subprocess.Popen(
            [sys.executable, "-m", "target_duckdb_arrow", config()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write("".join(json.dumps(message) + "\n" for message in GOOD))
        process.stdin.flush()
        waiting = next(line for line in process.stderr if "waiting up to 300 seconds" in line)

    # when it is let go
    out, _ = process.communicate(timeout=60)

    # then
    assert f"{filepath} is open in another process (PID {os.getpid()})" in waiting
    assert (process.returncode, out) == (0, '{"n": 1}\n')
    assert query("SELECT id FROM s") == [(1,)]


def test_a_full_disk_ends_with_one_line_and_the_old_rows_stay(
    config: Callable[..., str],
    query: Query,
) -> None:
    # given a table, and no room for files of more than 4 MB
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


def test_version_and_about() -> None:
    assert re.match(r"target-duckdb-arrow v\d", run("--version").stdout)
    about = json.loads(run("--about", "--format=json").stdout)
    assert about["name"] == "target-duckdb-arrow"
    assert "default_target_schema" in about["settings"]["properties"]


def settings_table() -> str:
    """Give the table of the settings as the README has it: without those of the SDK's stream maps and flattening."""
    own = {**TargetDuckDBArrow.config_jsonschema["properties"]}
    rows = ["| setting | default | meaning |", "| --- | --- | --- |"]
    for name, definition in own.items():
        if name.startswith(("stream_map", "faker", "flattening")):
            continue
        default = "required" if name == "filepath" else json.dumps(definition.get("default", "none")).strip('"')
        rows.append(f"| `{name}` | {default} | {definition['description']} |")
    return "\n".join(rows)


def test_the_readme_lists_the_settings() -> None:
    # given
    TargetDuckDBArrow.append_builtin_config(TargetDuckDBArrow.config_jsonschema)
    readme = (PROJECT / "README.md").read_text()

    # when
    match = re.search(r"<!-- settings -->\n(.*)\n<!-- /settings -->", readme, re.DOTALL)

    # then
    assert match is not None
    assert match[1] == settings_table()


def test_meltano_yml_has_the_settings() -> None:
    # given
    TargetDuckDBArrow.append_builtin_config(TargetDuckDBArrow.config_jsonschema)
    (loader,) = yaml.safe_load((PROJECT / "meltano.yml").read_text())["plugins"]["loaders"]

    # when
    listed = {setting["name"]: setting for setting in loader["settings"]}

    # then
    wanted = {
        name: definition
        for name, definition in TargetDuckDBArrow.config_jsonschema["properties"].items()
        if not name.startswith(("stream_map", "faker", "flattening"))
    }
    assert list(listed) == list(wanted)
    for name, setting in listed.items():
        assert setting["description"] == wanted[name]["description"]
        if name not in {"filepath", "default_target_schema"}:  # the project gives these
            assert setting.get("value") == wanted[name].get("default")
