"""The command line: settings, and one clear line with a non-zero exit for whatever a user can act on."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import yaml
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


def test_settings_that_cannot_be_read_end_with_one_line(tmp_path: Path) -> None:
    # given
    broken = tmp_path / "broken.json"
    broken.write_text('{"filepath":')

    # when / then
    for path, reason in (
        (broken, "not JSON (Expecting value"),
        (tmp_path / "none.json", "No such file or directory. Name a file"),
    ):
        result = run(f"--config={path}")
        assert (result.returncode, result.stdout) == (1, "")
        (line,) = errors(result)
        assert line.startswith(f"Option --config {path}: {reason}")


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
