"""The command line: settings, and one-line errors with a non-zero exit code."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from target_duckdb_arrow.database import CATALOG, Database
from target_duckdb_arrow.target import TargetDuckDBArrow
from target_duckdb_arrow_fixtures import GOOD, PROGRAM, SCHEMA, errors, lines, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_duckdb_arrow_fixtures import Query

PROJECT = Path(__file__).parents[1]


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


@pytest.mark.parametrize(("filename", "returncode"), [("warehouse.duckdb", 0), ("", 1)])
def test_stderr_has_the_log_and_nothing_else(tmp_path: Path, filename: str, returncode: int) -> None:
    # When the interpreter ends, DuckDB's bindings list objects that were not freed, one per line.
    # PYTHONWARNINGS: singer-sdk warns of an old Python.
    result = run("--config=ENV", TARGET_DUCKDB_ARROW_FILEPATH=str(tmp_path / filename), PYTHONWARNINGS="ignore")
    assert result.returncode == returncode
    assert result.stderr
    assert [one for one in result.stderr.splitlines() if not re.match(r"\d{4}-\d\d-\d\d \d\d:", one)] == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"filepath": ":memory:"},
            "Setting 'filepath' must be a local file, such as output/warehouse.duckdb, and not ':memory:'.",
        ),
        ({"filepath": " "}, "Setting 'filepath' must be a local file, such as output/warehouse.duckdb, and not ' '."),
        (
            {"filepath": "md:mine"},
            "Setting 'filepath' must be a local file, such as output/warehouse.duckdb, and not 'md:mine'.",
        ),
        ({"filepath": "/"}, "Setting 'filepath' must be a file, and '/' is a folder."),
        (
            {"filepath": 5},
            "Settings: 5 is not of type 'string' in config['filepath']. See target-duckdb-arrow --about.",
        ),
        ({"batch_size_rows": 0}, "Settings: 0 is less than the minimum of 1 in config['batch_size_rows']."),
        ({"load_method": "replace"}, "Settings: 'replace' is not one of ['upsert', 'append-only', 'overwrite'] in"),
        ({"filepath": f"{__file__}/x.duckdb"}, f"Setting 'filepath': the folder {__file__} cannot be created"),
        ({"filepath": __file__}, f"Setting 'filepath': {__file__} is not a DuckDB database. Choose another file."),
        (
            {"filepath": "~nosuchuser/x.duckdb"},
            "Setting 'filepath' is not a usable path (Could not determine home directory",
        ),
        ({"filepath": "x" * 5000}, "Setting 'filepath' is not a usable path (File name too long). Choose a file."),
        ({"filepath": "a\0b"}, "Setting 'filepath' is not a usable path (the path contains a NUL). Choose a file."),
        ({"lock_timeout": "soon"}, "Settings: 'soon' is not of type 'integer', 'null' in config['lock_timeout']."),
        ({"stream_maps": {"__else__": "x"}}, "Settings: a value has the wrong form, probably in stream_maps"),
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
    assert line.endswith("Choose a file with a JSON object.")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("BATCH_SIZE_ROWS", "many", "'many' is not an integer"),
        ("HARD_DELETE", "perhaps", "'perhaps' is neither true nor false"),
        ("STREAM_MAPS", "{", "the value is not valid JSON"),
    ],
)
def test_an_invalid_variable_is_named(filepath: Path, name: str, value: str, reason: str) -> None:
    variables: dict[str, Any] = {"TARGET_DUCKDB_ARROW_FILEPATH": str(filepath), f"TARGET_DUCKDB_ARROW_{name}": value}
    result = run("--config=ENV", **variables)
    assert (result.returncode, result.stdout) == (1, "")
    assert errors(result) == [f"Environment variable TARGET_DUCKDB_ARROW_{name}: {reason}. Correct or unset it."]


def test_an_empty_variable_is_not_set_and_booleans_are_read(filepath: Path, query: Query, tmp_path: Path) -> None:
    # given a .env file, which must not be read
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
    # singer-sdk warns about old versions of Python when it is imported.
    warnings = [line.split("|", 3)[3].strip() for line in result.stderr.splitlines() if "| WARNING" in line]
    assert [warning for warning in warnings if "PythonEOLWarning" not in warning] == [
        "Setting 'load_metod' does not exist and is ignored: did you mean load_method?",
        "Setting 'zzz' does not exist and is ignored",
        (
            "Environment variable TARGET_DUCKDB_ARROW_BATCH_SIZE is not a setting and is ignored: did you mean "
            "TARGET_DUCKDB_ARROW_BATCH_SIZE_ROWS?"
        ),
    ]


def test_a_misspelt_required_setting_is_named_before_the_error(tmp_path: Path) -> None:
    settings = tmp_path / "config.json"
    settings.write_text('{"filepth": "warehouse.duckdb"}')
    result = run(f"--config={settings}")
    assert result.returncode == 1
    assert [line.split("|", 3)[3].strip() for line in result.stderr.splitlines()[-2:]] == [
        "Setting 'filepth' does not exist and is ignored: did you mean filepath?",
        "Settings: 'filepath' is a required property. See target-duckdb-arrow --about.",
    ]


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


def test_parallel_loaders_can_start_with_one_empty_file(
    filepath: Path, config: Callable[..., str], query: Query
) -> None:
    # given
    filepath.parent.mkdir()
    filepath.touch()
    command = [*PROGRAM, config()]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]

    # when
    for index, process in enumerate(processes):
        assert process.stdin is not None
        record = {"type": "RECORD", "stream": "s", "record": {"id": index}}
        process.stdin.write(lines([SCHEMA, record]))
        process.stdin.close()

    # then
    assert [process.wait() for process in processes] == [0] * 4
    assert query("SELECT id FROM s ORDER BY id") == [(0,), (1,), (2,), (3,)]
    for process in processes:
        assert process.stdout is not None
        process.stdout.close()


def test_the_file_and_its_log_are_private(filepath: Path) -> None:
    # given a umask that lets other users read
    before = os.umask(0)
    try:
        # when a transaction has written its log
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


def test_a_missing_required_setting_is_named() -> None:
    result = run()
    assert result.returncode == 1
    assert errors(result) == ["Settings: 'filepath' is a required property. See target-duckdb-arrow --about."]


def test_log_level_debug_shows_the_traceback(config: Callable[..., str]) -> None:
    result = run(config(filepath=":memory:"), TARGET_DUCKDB_ARROW_LOGLEVEL="DEBUG")
    assert result.returncode == 1
    assert "Traceback (most recent call last)" in result.stderr


def test_a_file_held_by_another_process_ends_the_run_after_the_timeout(
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
        f"Setting 'filepath': {filepath} is still open in another process (PID {os.getpid()}) after 1 seconds. Close "
        "it there or raise lock_timeout, and run again."
    )
    assert f"{filepath} is open in another process (PID {os.getpid()}): waiting up to 1 seconds" in result.stderr


def test_a_released_file_is_written(filepath: Path, config: Callable[..., str], query: Query) -> None:
    # given a file that is held until the target logs that it waits
    filepath.parent.mkdir()
    with duckdb.connect(str(filepath)):
        process = subprocess.Popen(
            [*PROGRAM, config()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(lines(GOOD))
        process.stdin.flush()
        waiting = next(line for line in process.stderr if "waiting up to 300 seconds" in line)

    # when it is released
    out, _ = process.communicate(timeout=60)

    # then
    assert f"{filepath} is open in another process (PID {os.getpid()})" in waiting
    assert (process.returncode, out) == (0, '{"n": 1}\n')
    assert query("SELECT id FROM s") == [(1,)]


def test_version_and_about() -> None:
    assert re.match(r"target-duckdb-arrow v\d", run("--version").stdout)
    about = json.loads(run("--about", "--format=json").stdout)
    assert about["name"] == "target-duckdb-arrow"
    assert "default_target_schema" in about["settings"]["properties"]


def settings_table() -> str:
    """Return the README's table of settings, without those of stream maps and flattening."""
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
