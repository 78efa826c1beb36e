"""Reading of settings given as text, in environment variables or in a file.

singer-sdk's reader searches for a `.env` file above its own folder and lets it override exported variables, treats
unknown words as false, and fails on empty text. This module reads only the environment and rejects invalid text in one
line.
"""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from singer_adtech.errors import SettingError, shorten
from singer_adtech.http.addresses import may_hold_credentials
from singer_adtech.records.values import json_type
from singer_adtech.settings import allowed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

BOOLEANS = {**dict.fromkeys(("true", "1", "yes", "on"), True), **dict.fromkeys(("false", "0", "no", "off"), False)}
"""Accepted spellings of booleans, in any case."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,100}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_SPELLED = {
    "boolean": "true or false",
    "array": "as JSON",
    "object": "as JSON",
}
_SDK_VARIABLES = frozenset({"loglevel"})
"""Names that singer-sdk reads from variables with the tap's prefix."""

_SDK_SETTINGS = frozenset({"batch_config", "metrics_log_level"})
"""Settings of singer-sdk that are not in every tap's schema."""


def read_environment(schema: Mapping[str, Any], prefix: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Read settings from environment variables.

    Args:
        schema: The settings' JSON schema.
        prefix: Prefix of the variables' names, such as `TAP_X_`.
        environ: The environment.

    Returns:
        Settings by name. An empty variable leaves its setting unset, unless the setting may be empty.

    Raises:
        SettingError: A value does not match its setting's type.
    """
    found: dict[str, Any] = {}
    for name, declared in schema.get("properties", {}).items():
        text = environ.get(_variable(prefix, name), "")
        if text.strip() or (may_be_empty(declared) and _variable(prefix, name) in environ):
            found[name] = read_text(name, text, declared, variable=True)
    return found


def read_file_texts(config: dict[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """Convert text settings of a file to their declared types.

    Meltano writes settings of kind `string` as text, and those that are empty in the environment as `""`.

    Args:
        config: The settings, changed in place. A setting that is null, or empty and neither required nor allowed to be
            empty, is unset, so its default applies. Decimals become floats.
        schema: Their JSON schema.

    Returns:
        Error messages for invalid settings. These settings are removed.
    """
    problems: list[str] = []
    required = schema.get("required", ())
    properties: Mapping[str, Any] = schema.get("properties", {})
    kept = {*required, *(name for name, declared in properties.items() if may_be_empty(declared))}
    for name in [name for name, value in config.items() if value is None or (value == "" and name not in kept)]:
        del config[name]
    for name, declared in properties.items():
        value = config.get(name)
        try:
            if isinstance(value, str):
                config[name] = read_text(name, value, declared)
            elif isinstance(value, Decimal) and "number" in declared.get("type", ()):
                # Decimals cannot be multiplied by floats.
                config[name] = read_text(name, str(value), declared)
        except SettingError as error:
            del config[name]
            problems.append(str(error))
    return problems


def may_be_empty(declared: Mapping[str, Any]) -> bool:
    """Return whether an empty text is a value of a setting (its `minLength` is 0), and not a missing one."""
    return declared.get("minLength") == 0


def read_text(name: str, text: str, declared: Mapping[str, Any], *, variable: bool = False) -> Any:
    """Read a setting given as text.

    Args:
        name: The setting's name.
        text: Its value. Lists and objects are JSON.
        declared: The setting's JSON schema.
        variable: Whether it comes from an environment variable. There, a list of strings may be written as `a,b`.

    Raises:
        SettingError: The text does not match the setting's type.
    """
    kind = json_type(declared) if "type" in declared else "string"
    try:
        if variable and kind == "array" and not text.strip().startswith("[") and _holds_texts(declared):
            return [item.strip() for item in text.split(",")]
        return _read(text, kind)
    except (ValueError, RecursionError):
        secret = declared.get("secret") or declared.get("writeOnly") or may_hold_credentials(text)
        shown = "the value" if secret else shorten(repr(text), 80)
        spelled = f", {_SPELLED[kind]}" if variable and kind in _SPELLED else ""
        raise SettingError(f"setting `{name}`: {shown} is not allowed: {allowed(declared)}{spelled}") from None


def _read(text: str, kind: str) -> Any:
    if kind == "string":
        return text
    text = text.strip()
    if kind == "boolean":
        if text.lower() not in BOOLEANS:
            raise ValueError(text)
        return BOOLEANS[text.lower()]
    if kind == "integer":
        if not _INTEGER.fullmatch(text):
            raise ValueError(text)
        return int(text)
    if kind == "number":
        if not _NUMBER.fullmatch(text) or math.isinf(float(text)):
            raise ValueError(text)
        return float(text)
    return json.loads(text)


def _holds_texts(declared: Mapping[str, Any]) -> bool:
    items = declared.get("items", {})
    return "type" in items and json_type(items) == "string"


def unknown_settings(schema: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """Return the names in a configuration that are not settings, in order."""
    known = schema.get("properties", {}).keys() | _SDK_SETTINGS
    return [name for name in config if name not in known]


def unknown_variables(schema: Mapping[str, Any], prefix: str, environ: Mapping[str, str]) -> list[str]:
    """Return the variables with the tap's prefix that do not belong to a setting, sorted.

    Meltano also exports extras (`TAP_X__SELECT`), members of object settings (`TAP_X_STREAM_MAPS_...`), and settings
    of inheriting plugins with a longer prefix (`TAP_X_EU_START_DATE`). These are not misspelt settings and are left
    out.
    """
    names = sorted(schema.get("properties", {}))
    known = {_variable(prefix, name) for name in (*names, *_SDK_VARIABLES, *_SDK_SETTINGS)}
    members = tuple(f"{_variable(prefix, name)}_" for name in names if _has_members(schema["properties"][name]))
    inherited = tuple(f"_{name.upper()}" for name in (*names, *_SDK_VARIABLES))
    return sorted(
        variable
        for variable in environ
        if variable.startswith(prefix)
        and variable not in known
        and "__" not in variable
        and not variable.startswith(members)
        and not variable.endswith(inherited)
    )


def unknown_lines(
    schema: Mapping[str, Any], prefix: str, config: Mapping[str, Any], environ: Mapping[str, str]
) -> Iterator[str]:
    """Return a warning line with a suggestion for each unknown setting and variable, without values."""
    names = list(schema.get("properties", {}))
    unknown = unknown_settings(schema, config)
    for name in unknown:
        yield f"setting `{shorten(name, 80)}` is unknown and ignored: {_nearest(name, names)}"
    for variable in unknown_variables(schema, prefix, environ):
        # Meltano passes an undeclared setting both ways.
        of_setting = (_variable(prefix, name) for name in unknown)
        if not any(variable == name or variable.startswith(f"{name}_") for name in of_setting):
            nearest = _nearest(variable, [_variable(prefix, name) for name in names])
            yield f"variable `{shorten(variable, 80)}` does not belong to a setting and is ignored: {nearest}"


def _nearest(name: str, names: Collection[str]) -> str:
    found = get_close_matches(name, names, n=1)
    return f"did you mean `{found[0]}`?" if found else "see `--about` for the settings"


def variable_prefix(tap: str) -> str:
    """Return the prefix of a tap's environment variables, such as `TAP_X_`."""
    return f"{tap.upper().replace('-', '_')}_"


def _variable(prefix: str, name: str) -> str:
    return f"{prefix}{name.upper().replace('-', '_')}"


def _has_members(declared: Mapping[str, Any]) -> bool:
    return "object" in declared.get("type", ())
