"""Settings as text: how they are read from environment variables, and from a file that has them as text.

singer-sdk's own reader looks for a `.env` above its own folder and lets it win over exported variables, takes every
word it does not know for false, and fails on an empty text. Here nothing but the environment is read, and a text that
does not fit its setting is refused in one line.
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
"""What a boolean may be written as, in any case."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,100}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_SPELLED = {
    "boolean": "true or false",
    "array": "as JSON",
    "object": "as JSON",
}
_SDK_VARIABLES = frozenset({"loglevel"})
"""What singer-sdk itself reads from a variable of the tap's prefix."""

_SDK_SETTINGS = frozenset({"batch_config", "metrics_log_level"})
"""Settings of singer-sdk that are not in every tap's schema."""


def read_environment(schema: Mapping[str, Any], prefix: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Read the settings that environment variables have.

    Args:
        schema: The settings' JSON schema.
        prefix: What the variables' names begin with, such as `TAP_X_`.
        environ: The environment.

    Returns:
        Settings by name. One whose variable is empty is not set.

    Raises:
        SettingError: A text cannot be read as its setting's type.
    """
    found: dict[str, Any] = {}
    for name, declared in schema.get("properties", {}).items():
        text = environ.get(_variable(prefix, name), "")
        if text.strip():
            found[name] = read_text(name, text, declared, variable=True)
    return found


def read_file_texts(config: dict[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """Give settings of a file that are text the type that is declared.

    Meltano gives them so where a setting's kind is `string`, and those that are empty in the environment as `""`.

    Args:
        config: The settings, changed in place. One that is null, or empty and not required, is not set: its default
            holds. Numbers with a point, which a file gives as decimals, are floats.
        schema: Their JSON schema.

    Returns:
        What is wrong with those that cannot be read, which are taken out.
    """
    problems: list[str] = []
    required = schema.get("required", ())
    for name in [name for name, value in config.items() if value is None or (value == "" and name not in required)]:
        del config[name]
    for name, declared in schema.get("properties", {}).items():
        value = config.get(name)
        try:
            if isinstance(value, str):
                config[name] = read_text(name, value, declared)
            elif isinstance(value, Decimal) and "number" in declared.get("type", ()):
                # Decimals cannot be multiplied with floats.
                config[name] = read_text(name, str(value), declared)
        except SettingError as error:
            del config[name]
            problems.append(str(error))
    return problems


def read_text(name: str, text: str, declared: Mapping[str, Any], *, variable: bool = False) -> Any:
    """Read a setting that is given as text.

    Args:
        name: The setting.
        text: Its value; lists and objects are JSON.
        declared: The setting's JSON schema.
        variable: Whether it comes from an environment variable, where a list of texts may also be written as `a,b`.

    Raises:
        SettingError: The text cannot be read as the setting's type.
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
    """Return names that a configuration has and no setting, in order."""
    known = schema.get("properties", {}).keys() | _SDK_SETTINGS
    return [name for name in config if name not in known]


def unknown_variables(schema: Mapping[str, Any], prefix: str, environ: Mapping[str, str]) -> list[str]:
    """Return names of variables with the tap's prefix that are of no setting, in order.

    Meltano exports, in addition to the settings, what it calls extras (`TAP_X__SELECT`), the members of settings that
    are objects (`TAP_X_STREAM_MAPS_...`), and those of plugins that inherit from this one, whose prefix may begin like
    this one (`TAP_X_EU_START_DATE`): none of them is a misspelt setting.
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
    """Say of each unknown setting and variable in one line what may have been meant; values are not shown."""
    names = list(schema.get("properties", {}))
    unknown = unknown_settings(schema, config)
    for name in unknown:
        yield f"setting `{shorten(name, 80)}` is unknown and ignored: {_nearest(name, names)}"
    for variable in unknown_variables(schema, prefix, environ):
        # Meltano gives an undeclared setting in both ways.
        of_setting = (_variable(prefix, name) for name in unknown)
        if not any(variable == name or variable.startswith(f"{name}_") for name in of_setting):
            nearest = _nearest(variable, [_variable(prefix, name) for name in names])
            yield f"variable `{shorten(variable, 80)}` does not belong to a setting and is ignored: {nearest}"


def _nearest(name: str, names: Collection[str]) -> str:
    found = get_close_matches(name, names, n=1)
    return f"did you mean `{found[0]}`?" if found else "see `--about` for the settings"


def variable_prefix(tap: str) -> str:
    """Return the beginning of the variables' names of a tap, such as `TAP_X_`."""
    return f"{tap.upper().replace('-', '_')}_"


def _variable(prefix: str, name: str) -> str:
    return f"{prefix}{name.upper().replace('-', '_')}"


def _has_members(declared: Mapping[str, Any]) -> bool:
    return "object" in declared.get("type", ())
