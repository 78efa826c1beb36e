"""Reading and validation of the settings, state and catalog files passed on the command line.

Any invalid file ends the run with one line that names it.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from singer_adtech.errors import StateError, TapError, shorten

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    import click

MOST_NAMED = 5
"""Names listed in a line before the rest are counted."""

TOLERANCE = dt.timedelta(days=1)
"""How far a bookmark may be ahead of the clock: some streams count today as read."""

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_KINDS: Mapping[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    Decimal: "a number",
    type(None): "null",
}


class InputError(TapError):
    """An unusable file passed on the command line."""


class Parsed:
    """The content of a file. None is JSON null, not a missing option."""

    def __init__(self, value: Any) -> None:
        self.value = value


def parse_option(_: click.Context, param: click.Parameter, path: str | None) -> Parsed | None:
    """Read the file named by an option. Return None if the option is not given."""
    return None if path is None else Parsed(read_json(path, param.opts[0]))


def read_json(path: str, option: str) -> Any:
    """Read a JSON file, with decimal numbers as `Decimal`.

    Args:
        path: The file, or `-` for stdin.
        option: The option's name, for error messages.

    Raises:
        InputError: The file cannot be read or is not valid JSON.
    """
    where = f"`{option}`: {path}"
    try:
        body = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError(where, "file not found") from None
    except (OSError, ValueError) as error:
        raise InputError(where, f"it cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if body.startswith(_UTF_16):
        raise InputError(where, "it is in UTF-16: save it in UTF-8")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(where, f"it is not text in UTF-8 (byte {error.start:,}): give a JSON file") from None
    if not text.strip():
        raise InputError(where, "it is empty: give a JSON object, or leave the option out")
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise InputError(
            where, f"it is not valid JSON: line {error.lineno}, column {error.colno}: {error.msg}"
        ) from None
    except RecursionError:
        raise InputError(where, "it is nested too deeply") from None
    except ValueError as error:
        # Too many digits for Python, NaN, Infinity.
        raise InputError(where, f"it is not valid JSON: {shorten(str(error).partition(';')[0])}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def read_settings(path: str) -> dict[str, Any]:
    """Read a settings file.

    Raises:
        InputError: The file cannot be read or is not an object.
    """
    if not path:
        raise InputError("`--config`", "the file name is empty")
    found = read_json(path, "--config")
    if not isinstance(found, dict):
        raise InputError(f"`--config`: {path}", f"it contains {_kind(found)}: an object of settings is expected")
    return found


# State


def unwrap_state(given: Any) -> dict[str, Any]:
    """Unwrap a state from a STATE message or from the format of `meltano state get` and Meltano's state files.

    Raises:
        StateError: The value is not a state.
    """
    state = given
    for _ in range(4):
        if not isinstance(state, dict):
            break
        if state.get("type") == "STATE" and "value" in state:
            state = state["value"]
        elif "singer_state" in state and "bookmarks" not in state:
            state = state["singer_state"]
        elif "completed" in state and state.keys() <= {"completed", "partial"}:
            state = _merged(state["completed"], state.get("partial"))
        else:
            break
    if not isinstance(state, dict):
        raise StateError(
            f"`--state`: it is {_kind(state)}: an object with `bookmarks` is expected",
            "give the value of the last STATE message, or leave the option out to read everything",
        )
    _check_bookmarks(state.get("bookmarks", {}))
    return state


def _merged(completed: Any, partial: Any) -> Any:
    """Merge the state of a partial run over that of completed runs, like Meltano."""
    if not isinstance(completed, dict) or not isinstance(partial, dict) or not partial:
        return completed
    states = [unwrap_state(one) for one in (completed, partial)]
    return {"bookmarks": {**states[0].get("bookmarks", {}), **states[1].get("bookmarks", {})}}


def _check_bookmarks(bookmarks: Any) -> None:
    if not isinstance(bookmarks, dict):
        raise StateError(f"`--state`: its `bookmarks` is {_kind(bookmarks)}: an object of streams is expected", _REPAIR)
    for name, entry in bookmarks.items():
        where = f"`--state`: its bookmark of stream {shorten(name, 80)}"
        if not isinstance(entry, dict):
            raise StateError(f"{where} is {_kind(entry)}: an object is expected", _REPAIR)
        partitions = entry.get("partitions", [])
        if not isinstance(partitions, list) or not all(isinstance(one, dict) for one in partitions):
            raise StateError(f"{where}: its `partitions` is not a list of objects", _REPAIR)


_REPAIR = "repair the state, or leave it out to read everything"


def state_lines(state: Mapping[str, Any], streams: Collection[str]) -> Iterable[str]:
    """Return a warning line for each part of a state that this tap cannot use.

    Args:
        state: The unwrapped state.
        streams: Names of the tap's streams.
    """
    if state and "bookmarks" not in state and state.keys() != {"currently_syncing"}:
        yield f"the state has no `bookmarks`, only {listed(state)}: it is ignored, and everything is read"
    unknown = [name for name in state.get("bookmarks", {}) if name not in streams]
    if unknown:
        yield (
            f"the state has bookmarks of unknown streams: {listed(unknown)}: they are ignored; they belong to "
            "removed reports, or to another tap"
        )


# Catalog


def check_catalog(catalog: Any) -> dict[str, Any]:
    """Validate the structure of a catalog and return it.

    Raises:
        InputError: The structure is invalid.
    """
    _expect(isinstance(catalog, dict), f"it is {_kind(catalog)}: an object with `streams` is expected")
    streams = catalog.get("streams", [])
    _expect(isinstance(streams, list), f"its `streams` is {_kind(streams)}: a list is expected")
    for number, stream in enumerate(streams, start=1):
        _expect(isinstance(stream, dict), f"stream {number} is {_kind(stream)}: an object is expected")
        name = stream.get("tap_stream_id")
        _expect(isinstance(name, str) and name, f"stream {number} has no `tap_stream_id`")
        _check_entry(f"stream {shorten(str(name), 80)}", stream)
    return dict(catalog)


def _check_entry(where: str, stream: Mapping[str, Any]) -> None:
    schema = stream.get("schema")
    _expect(isinstance(schema, dict), f"{where} has no `schema`, or one that is not an object")
    properties = schema.get("properties") if isinstance(schema, dict) else None
    fine = isinstance(properties, dict) and all(isinstance(one, dict) for one in properties.values())
    _expect(fine, f"{where}: its `schema` has no `properties`, or some that are not objects")
    for name, kind in (("replication_key", str), ("replication_method", str), ("key_properties", list)):
        _expect(isinstance(stream.get(name), (kind, type(None))), f"{where}: its `{name}` is {_kind(stream.get(name))}")
    keys = stream.get("key_properties") or []
    _expect(all(isinstance(key, str) for key in keys), f"{where}: its `key_properties` is not a list of strings")
    metadata = stream.get("metadata", [])
    _expect(isinstance(metadata, list), f"{where}: its `metadata` is {_kind(metadata)}: a list is expected")
    for one in metadata:
        fine = isinstance(one, dict) and isinstance(one.get("metadata"), dict)
        crumbs = one.get("breadcrumb") if isinstance(one, dict) else None
        fine = fine and isinstance(crumbs, list) and all(isinstance(crumb, str) for crumb in crumbs)
        _expect(fine, f"{where}: an item of its `metadata` has no `breadcrumb` or `metadata`")


def _expect(fine: object, problem: str) -> None:
    if not fine:
        raise InputError(f"`--catalog`: {problem}", "create one with `--discover`")


def listed(names: Iterable[str]) -> str:
    """List the first few names and count the rest."""
    every = [shorten(str(name), 80) for name in names]
    more = f" and {len(every) - MOST_NAMED:,} more" if len(every) > MOST_NAMED else ""
    return ", ".join(every[:MOST_NAMED]) + more


def _kind(value: Any) -> str:
    """Describe the type of a JSON value without its content."""
    return _KINDS.get(type(value), "something else")
