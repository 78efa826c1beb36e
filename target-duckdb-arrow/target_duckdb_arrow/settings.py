"""The settings, and how they are read from files and the environment."""

from __future__ import annotations

import json
import os
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th

from target_duckdb_arrow.errors import SettingError, one_line, shorten

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ENVIRONMENT = "ENV"
"""The value of `--config` that means the environment."""

VARIABLE_PREFIX = "TARGET_DUCKDB_ARROW_"
"""Prefix of the environment variables."""

CONFIG: dict[str, Any] = th.PropertiesList(
    th.Property(
        "filepath",
        th.StringType(min_length=1),
        required=True,
        title="File",
        description="The DuckDB database file. It and its folder are created if missing.",
    ),
    th.Property(
        "default_target_schema",
        th.StringType,
        title="Schema",
        description=(
            "DuckDB schema to load into. Without it, streams named `schema-table` go to that schema, others to `main`."
        ),
    ),
    th.Property(
        "load_method",
        th.StringType,
        default="upsert",
        allowed_values=["upsert", "append-only", "overwrite"],
        title="Load method",
        description=(
            "`upsert` replaces rows with the same key, and appends streams without a key. `append-only` appends all "
            "rows. `overwrite` replaces each table at the end of a run if a STATE followed the stream's last record, "
            "and keeps the replaced table until the next run. Use it with `meltano run --full-refresh`."
        ),
    ),
    th.Property(
        "overwrite_without_state",
        th.BooleanType,
        default=False,
        title="Overwrite without STATE",
        description=(
            "Let `overwrite` replace tables even if the input contains no STATE, for taps that never send one. "
            "A failed tap is then not recognised."
        ),
    ),
    th.Property(
        "add_record_metadata",
        th.BooleanType,
        default=False,
        title="Record metadata",
        description="Add the `_sdc_` columns of the Singer SDK.",
    ),
    th.Property(
        "hard_delete",
        th.BooleanType,
        default=False,
        title="Hard delete",
        description=(
            "Delete rows of older versions on ACTIVATE_VERSION, and the row of a record that has `_sdc_deleted_at`. "
            "Without it, ACTIVATE_VERSION sets `_sdc_deleted_at` if record metadata is on. Adds the `_sdc_` columns."
        ),
    ),
    th.Property(
        "batch_size_rows",
        th.IntegerType(minimum=1),
        default=122_880,
        title="Rows per batch",
        description="Write a batch once a stream has this many records waiting. The default is DuckDB's row group.",
    ),
    th.Property(
        "max_batch_bytes",
        th.IntegerType(minimum=1),
        default=128 * 1024 * 1024,
        title="Bytes per batch",
        description="Write a batch once the waiting records of all streams take this many bytes of memory.",
    ),
    th.Property(
        "lock_timeout",
        th.IntegerType(minimum=0),
        default=300,
        title="Lock timeout",
        description="Seconds to wait for another process that has the file open.",
    ),
    th.Property(
        "validate_records",
        th.BooleanType,
        default=False,
        title="Validate records",
        description=(
            "Validate each record against its JSON Schema, which is several times slower. Values that do not fit their "
            "column are always rejected."
        ),
    ),
).to_dict()
"""JSON Schema of the loader's own settings. The SDK adds those of stream maps and flattening."""

_WORDS = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0"), False),
}
# Variables that singer-sdk reads and that are not settings.
_NOT_SETTINGS = frozenset({"LOGLEVEL"})


def read_files(paths: Iterable[str]) -> dict[str, Any]:
    """Read files of settings. Later files override earlier ones.

    Raises:
        SettingError: A file cannot be read or is not a JSON object.
    """
    settings: dict[str, Any] = {}
    for path in paths:
        try:
            content = json.loads(Path(path).read_bytes())
        except OSError as error:
            raise SettingError(
                f"Option --config {path}: {error.strerror}. Choose a file with a JSON object."
            ) from error
        except (ValueError, RecursionError) as error:  # a path with a NUL too
            reason = one_line(error) if isinstance(error, json.JSONDecodeError) else type(error).__name__
            raise SettingError(
                f"Option --config {path}: not JSON ({reason}). Choose a file with a JSON object."
            ) from error
        if not isinstance(content, dict):
            raise SettingError(f"Option --config {path}: not a JSON object. Choose a file with a JSON object.")
        settings |= content
    return settings


def read_environment(properties: Mapping[str, Mapping[str, Any]], prefix: str) -> dict[str, Any]:
    """Read settings from environment variables. An empty variable counts as not set.

    Args:
        properties: JSON Schemas of the settings.
        prefix: prefix of the variables.

    Raises:
        SettingError: A variable cannot be read.
    """
    settings = {}
    for name, definition in properties.items():
        variable = prefix + name.upper()
        if text := os.environ.get(variable, "").strip():
            try:
                settings[name] = _parse(text, definition.get("type", "string"))
            except (ValueError, RecursionError) as error:
                raise SettingError(
                    f"Environment variable {variable}: {one_line(error)}. Correct or unset it."
                ) from error
    return settings


def _parse(text: str, types: str | list[str]) -> Any:
    kinds = {types} if isinstance(types, str) else set(types)
    if "integer" in kinds:
        try:
            return int(text)
        except ValueError:
            raise ValueError(f"{shorten(text)} is not an integer") from None
    if "boolean" in kinds:
        if text.lower() not in _WORDS:
            raise ValueError(f"{shorten(text)} is neither true nor false")
        return _WORDS[text.lower()]
    if kinds & {"object", "array"}:
        try:
            return json.loads(text)
        except ValueError:
            raise ValueError("the value is not valid JSON") from None
    return text


def unknown_settings(
    given: Iterable[str],
    properties: Iterable[str],
    prefix: str | None,
) -> Iterator[str]:
    """Return a warning for each setting that does not exist.

    Args:
        given: names from files.
        properties: names of the settings.
        prefix: prefix of the environment variables, or None if they are not read.
    """
    known = list(properties)
    for name in given:
        if name not in known:
            yield f"Setting {shorten(name)} does not exist and is ignored{_nearest(name, known)}"
    if prefix is None:
        return
    variables = {prefix + name.upper(): name for name in known}
    for variable in os.environ:
        name = variable.removeprefix(prefix)
        # Meltano's own variables of a plugin, such as ..._SELECT, have a second underscore.
        if variable.startswith(prefix) and variable not in variables and name[:1] != "_" and name not in _NOT_SETTINGS:
            yield f"Environment variable {variable} is not a setting and is ignored{_nearest(variable, variables)}"


def _nearest(name: str, known: Iterable[str]) -> str:
    nearest = get_close_matches(name, known, 1)
    return f": did you mean {nearest[0]}?" if nearest else ""
