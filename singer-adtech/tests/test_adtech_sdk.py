"""The parts of singer-sdk that are private or final, and used all the same: listed, and in `sdk` only."""

from __future__ import annotations

import ast
import importlib
import inspect
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import singer_adtech
import singer_sdk.plugin_base
from singer_sdk import Stream, Tap
from singer_sdk.streams.rest import RESTStream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

LIBRARY = Path(str(singer_adtech.__file__)).parent
ROOM = LIBRARY / "sdk"


class Used(NamedTuple):
    """A private or final part of singer-sdk.

    Args:
        owner: The class or module that has it.
        name: Its name.
        parameters: Those of a method; None for an attribute, a property or a class.
        purpose: What it is used for, for the message.
        overridden: Whether it is overridden.
    """

    owner: Any
    name: str
    parameters: tuple[str, ...] | None
    purpose: str
    overridden: bool = False


USED = [
    # sdk/tap.py
    Used(Tap, "sync_all", ("self",), "a stream that fails must not end the run", overridden=True),
    Used(
        Tap,
        "run_sync_dry_run",
        ("self", "dry_run_record_limit", "streams"),
        "a stream that fails must not end the connection test, and a test is told from a run",
        overridden=True,
    ),
    Used(Tap, "run_connection_test", ("self",), "a tap chooses the streams that are tested", overridden=True),
    Used(Tap, "write_schemas", ("self",), "the connection is closed, and the messages are written", overridden=True),
    Used(Tap, "_reset_state_progress_markers", ("self",), "`sync_all` calls it"),
    Used(Tap, "_validate_config", ("self", "raise_errors"), "one line per problem, no secrets", overridden=True),
    Used(Tap, "_config", None, "settings are completed in place before they are checked"),
    Used(Tap, "_env_var_config", None, "only the environment is read, no `.env`", overridden=True),
    Used(Tap, "_handle_termination", ("self", "signum", "frame"), "a signal's exit code", overridden=True),
    Used(
        singer_sdk.plugin_base,
        "_ConfigInput",
        None,
        "`--config` is read and checked by this library, and passed on by singer-sdk",
    ),
    # sdk/streams.py
    Used(Stream, "sync", ("self", "context"), "ACTIVATE_VERSION comes after the records", overridden=True),
    Used(Stream, "_tap", None, "the tap of a stream"),
    Used(Stream, "_stream_version", None, "the version of RECORD messages"),
    Used(Stream, "_sync_records", ("self", "context", "write_messages"), "`sync` calls it"),
    Used(Stream, "_finalize_state", ("self", "state"), "the end of `_sync_records`, for compiled records"),
    Used(Stream, "_write_state_message", ("self",), "the end of `_sync_records`, for compiled records"),
    Used(Stream, "_write_schema_message", ("self",), "SCHEMA messages, also of derived streams"),
    Used(Stream, "_write_record_message", ("self", "record"), "RECORD messages of derived streams"),
    Used(Stream, "_write_activate_version_message", ("self", "full_table_version"), "`sync` calls it"),
    Used(
        Stream,
        "_write_starting_replication_value",
        ("self", "context"),
        "the state of a stream holds nothing but what was read",
        overridden=True,
    ),
    Used(
        Stream,
        "_increment_stream_state",
        ("self", "latest_record", "context"),
        "bookmarks move by windows and not by records",
        overridden=True,
    ),
]


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


@cache
def declared_in(base: type) -> frozenset[str]:
    """Return the private names and final methods of a class of singer-sdk."""
    names = {name for name in (*vars(base), *vars(base).get("__annotations__", ())) if is_private(name)}
    for node in ast.walk(ast.parse(inspect.getsource(base).lstrip())):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_private(node.attr):
            names.add(node.attr)
        if isinstance(node, ast.FunctionDef) and any("final" in ast.unparse(one) for one in node.decorator_list):
            names.add(node.name)
    return frozenset(names)


def private_and_final(cls: type) -> set[str]:
    """Return the private names and final methods of singer-sdk that a class inherits."""
    bases = [base for base in cls.__mro__ if base.__module__.split(".")[0] == "singer_sdk"]
    return {name for base in bases for name in declared_in(base)}


COMMON = {name for cls in (Tap, RESTStream) for name in private_and_final(cls) if is_private(name)}


def uses(path: Path, module: ModuleType) -> Iterator[str]:
    """Find the private and final names of singer-sdk that a module uses: imported, called, set or overridden."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "singer_sdk":
            yield from (part for part in (node.module or "").split(".") if is_private(part))
            yield from (one.name for one in node.names if is_private(one.name))
        elif isinstance(node, ast.Attribute) and node.attr in COMMON:
            if isinstance(node.value, ast.Name) and node.value.id not in {"self", "cls"}:
                yield node.attr
        elif isinstance(node, ast.ClassDef) and isinstance(cls := getattr(module, node.name, None), type):
            names = private_and_final(cls)
            defined = {one.name for one in node.body if isinstance(one, ast.FunctionDef)}
            stored = (
                part for one in node.body if isinstance(one, (ast.Assign, ast.AnnAssign)) for part in ast.walk(one)
            )
            defined |= {one.id for one in stored if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
            yield from defined & names
            for part in ast.walk(node):
                if isinstance(part, ast.Attribute) and is_private(part.attr) and part.attr in names:
                    yield part.attr


def modules() -> list[tuple[str, Path]]:
    """Return the modules of the library, and of the taps that are in the same repository."""
    folders = [LIBRARY, *(path for path in LIBRARY.parent.parent.glob("tap-*/tap_*") if path.is_dir())]
    return [
        (".".join(path.relative_to(folder.parent).with_suffix("").parts).removesuffix(".__init__"), path)
        for folder in folders
        for path in sorted(folder.rglob("*.py"))
        if path.name != "__main__.py"
    ]


@pytest.mark.parametrize("used", USED, ids=[f"{one.owner.__name__}.{one.name}" for one in USED])
def test_singer_sdk_has_what_is_used(used: Used) -> None:
    found = getattr(used.owner, used.name, None)
    what = f"singer-sdk {version('singer-sdk')}: {used.owner.__name__}.{used.name}"
    purpose = f"singer_adtech/sdk {'overrides' if used.overridden else 'uses'} it ({used.purpose})"
    if found is None:
        declared = private_and_final(used.owner) if isinstance(used.owner, type) else set()
        assert used.name in declared, f"{what} does not exist any more; {purpose}"
    elif used.parameters is not None:
        now = tuple(inspect.signature(found).parameters)
        assert now == used.parameters, f"{what} has the parameters {now} instead of {used.parameters}; {purpose}"


def test_the_list_is_complete() -> None:
    found = {
        name
        for path in ROOM.glob("*.py")
        for name in uses(path, importlib.import_module(f"singer_adtech.sdk.{path.stem}"))
    }
    assert found == {used.name for used in USED}


OTHERS = [(name, path) for name, path in modules() if path.parent != ROOM]


@pytest.mark.parametrize(("name", "path"), OTHERS, ids=[name for name, _ in OTHERS])
def test_no_other_module_uses_private_parts_of_singer_sdk(name: str, path: Path) -> None:
    found = sorted(set(uses(path, importlib.import_module(name))))
    assert found == [], f"{name} uses {', '.join(found)} of singer-sdk, which is private or final: use `sdk`"
    assert "ignore[misc]" not in path.read_text()
