"""Settings from files and from the environment: read, and refused in one line where they cannot be read."""

from __future__ import annotations

import json
import os
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from target_duckdb_arrow.errors import SettingError, one_line, shorten

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ENVIRONMENT = "ENV"
"""What stands for the environment in `--config`."""

_WORDS = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0"), False),
}
# Read by singer-sdk, and not settings.
_NOT_SETTINGS = frozenset({"LOGLEVEL"})


def read_files(paths: Iterable[str]) -> dict[str, Any]:
    """Read files of settings; later ones override earlier ones.

    Raises:
        SettingError: A file cannot be read, or is not a JSON object.
    """
    settings: dict[str, Any] = {}
    for path in paths:
        try:
            content = json.loads(Path(path).read_bytes())
        except OSError as error:
            raise SettingError(f"Option --config {path}: {error.strerror}. Name a file with a JSON object.") from error
        except (ValueError, RecursionError) as error:  # a path with a NUL too
            reason = one_line(error) if isinstance(error, json.JSONDecodeError) else type(error).__name__
            raise SettingError(
                f"Option --config {path}: not JSON ({reason}). Name a file with a JSON object."
            ) from error
        if not isinstance(content, dict):
            raise SettingError(f"Option --config {path}: not a JSON object. Name a file with a JSON object.")
        settings |= content
    return settings


def read_environment(properties: Mapping[str, Mapping[str, Any]], prefix: str) -> dict[str, Any]:
    """Read settings from environment variables. An empty variable is not set, and no other file is looked at.

    Args:
        properties: JSON Schemas of the settings.
        prefix: what the variables begin with.

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
            raise ValueError("its value is not JSON") from None
    return text


def unknown_settings(
    given: Iterable[str],
    properties: Iterable[str],
    prefix: str | None,
) -> Iterator[str]:
    """Write a warning about each setting that does not exist.

    Args:
        given: names from files.
        properties: names of the settings.
        prefix: what environment variables begin with; None if they are not read.
    """
    known = list(properties)
    for name in given:
        if name not in known:
            yield f"Setting {shorten(name)} does not exist, and has no effect{_nearest(name, known)}"
    if prefix is None:
        return
    variables = {prefix + name.upper(): name for name in known}
    for variable in os.environ:
        name = variable.removeprefix(prefix)
        # Meltano's own variables of a plugin, such as ..._SELECT, have a second underscore.
        if variable.startswith(prefix) and variable not in variables and name[:1] != "_" and name not in _NOT_SETTINGS:
            yield f"Environment variable {variable} is not a setting, and has no effect{_nearest(variable, variables)}"


def _nearest(name: str, known: Iterable[str]) -> str:
    nearest = get_close_matches(name, known, 1)
    return f": do you mean {nearest[0]}?" if nearest else ""
