"""The names of singer-sdk that the loader depends on, so that a release that changes them is easy to understand."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import target_duckdb_arrow

PACKAGE = Path(target_duckdb_arrow.__file__).parent
VERSION = version("singer-sdk")

USED = {
    # private names, used by sdk.py only
    "plugin_base.PluginBase._env_var_config": ("self", "reading the environment without .env files"),
    "target_base.Target._handle_termination": ("self, signum, frame", "ending on a signal without writing"),
    "plugin_base._ConfigInput": ("config, parse_env", "the settings that --config passes to invoke"),
    "helpers._flattening.flatten_key": (
        "key_name, parent_keys, separator, max_key_length",
        "flattening records with the names of the schema",
    ),
    "helpers._flattening.FlatteningOptions": (
        "enabled, max_level, separator, max_key_length",
        "flattening records as deep as the schema",
    ),
    "sinks.core.Sink._add_sdc_metadata_to_record": ("self, record, message, context", "the _sdc_ columns"),
    "sinks.batch.BatchSink._get_context": ("self, record", "the _sdc_ columns: the start of a batch"),
    # public names that are overridden
    "mapper.StreamMap.flatten_record": ("self, record", "flattening records without dropping properties"),
    "target_base.Target.__init__": (
        "self, config, parse_env_config, validate_config, setup_mapper, message_reader",
        "passing the loader's own reader",
    ),
    "plugin_base.PluginBase.cb_config": ("ctx, param, value", "errors of one line for files of settings"),
    "target_base.Target.invoke": ("about, about_format, config, file_input", "errors of one line"),
    "target_base.Target.process_endofpipe": ("self", "writing the rest of the input"),
    "sinks.core.Sink.__init__": ("self, target, stream_name, schema, key_properties", "creating sinks"),
    "sinks.core.Sink.get_validator": ("self", "validating against the schema with _sdc_ properties"),
    "sinks.batch.BatchSink.process_batch": ("self, context", "writing a batch"),
    "sinks.core.Sink.activate_version": ("self, new_version", "ACTIVATE_VERSION"),
    "sinks.core.Sink.clean_up": ("self", "logging unknown properties at the end"),
    "singerlib.encoding.base.GenericSingerReader.__init__": ("self", "reading messages"),
    "singerlib.encoding.base.GenericSingerReader.process_lines": ("self, file_input, callbacks", "reading messages"),
    "singerlib.encoding.base.GenericSingerReader.default_input": ("self", "reading standard input as bytes"),
    "singerlib.encoding.base.GenericSingerReader.deserialize_json": ("self, line", "reading messages"),
}
"""Names below `singer_sdk`, their parameters, and the purpose for which the loader uses them."""


def find(name: str) -> Any:
    """Return a name of singer-sdk: without binding it, if it belongs to a class."""
    parts = name.split(".")
    depth = next(index for index, part in enumerate(parts) if part.lstrip("_")[:1].isupper() or part == "flatten_key")
    found: Any = importlib.import_module(".".join(["singer_sdk", *parts[:depth]]))
    for part in parts[depth:]:
        found = vars(found)[part]
    return found


def parameters(found: Any) -> str:
    """Return the names of the parameters, without `cls` for class methods."""
    if isinstance(found, property):
        return "self"
    function = getattr(found, "fget", found)
    bound = isinstance(function, classmethod)
    names = [*inspect.signature(function.__func__ if bound else function).parameters]
    return ", ".join(names[1:] if bound else names)


@pytest.mark.parametrize("name", USED)
def test_singer_sdk_still_has_what_the_loader_uses(name: str) -> None:
    expected, purpose = USED[name]
    used = f"singer_sdk.{name}, which target_duckdb_arrow/sdk.py uses for {purpose}"
    try:
        found = find(name)
    except (ImportError, KeyError):
        pytest.fail(f"singer-sdk {VERSION} no longer has {used}", pytrace=False)
    if parameters(found) != expected:
        pytest.fail(f"singer-sdk {VERSION} has changed {used}: {parameters(found)}", pytrace=False)


def overridden() -> set[str]:
    """Collect the functions and properties of singer-sdk that classes of the loader override."""
    names = set()
    for info in pkgutil.iter_modules([str(PACKAGE)]):
        if info.name == "__main__":
            continue
        for one in vars(importlib.import_module(f"target_duckdb_arrow.{info.name}")).values():
            if not inspect.isclass(one) or not one.__module__.startswith("target_duckdb_arrow"):
                continue
            for base in one.__mro__:
                names |= {
                    f"{base.__module__.removeprefix('singer_sdk.')}.{base.__qualname__}.{name}"
                    for name in vars(one).keys() & vars(base).keys()
                    if base.__module__.startswith("singer_sdk.") and _is_code(vars(base)[name])
                }
    return names


def _is_code(attribute: object) -> bool:
    return callable(attribute) or isinstance(attribute, (property, classmethod)) or hasattr(attribute, "fget")


def test_every_override_is_listed() -> None:
    # A base class of a base class may have the name too: one of them has to be listed
    listed = {name.rpartition(".")[2] for name in USED}
    missing = {name for name in overridden() if name.rpartition(".")[2] not in listed}
    assert missing == set()


def test_private_names_are_used_by_one_module_only() -> None:
    private = re.compile(r"from singer_sdk\S* import .*\b_\w+|from singer_sdk\S*\._|import singer_sdk\S*\._")
    found = {path.name for path in PACKAGE.glob("*.py") if private.search(path.read_text())}
    assert found == {"sdk.py"}
    of_the_sdk = {
        name
        for base in (find("target_base.Target"), find("sinks.batch.BatchSink"))
        for one in base.__mro__
        if one.__module__.startswith("singer_sdk.")
        for name in vars(one)
        if re.match(r"_[a-z]", name) and not name.startswith("_abc_")
    }
    uses = re.compile(r"\b(?:self|cls|sink|target|super\(\))\.(_[a-z]\w*)")
    found = {path.name for path in PACKAGE.glob("*.py") if of_the_sdk & {*uses.findall(path.read_text())}}
    assert found == {"sdk.py"}
