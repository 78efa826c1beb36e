"""The streams that the shared meltano.yml selects, from the taps' own catalogs."""

from __future__ import annotations

from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from singer_adtech.tap import AdTechTap

ROOT = Path(__file__).resolve().parent.parent


def tap_class(name: str) -> type[AdTechTap]:
    """Return the class of a tap."""
    module = import_module(f"{name.replace('-', '_')}.tap")
    (found,) = [one for one in vars(module).values() if isinstance(one, type) and getattr(one, "name", "") == name]
    return found


def selected_keys(tap: str, **settings: Any) -> dict[str, tuple[str, ...]]:
    """Return the primary key of each selected stream, by stream."""
    project = yaml.safe_load((ROOT / "meltano.yml").read_text())
    (patterns,) = [plugin["select"] for plugin in project["plugins"]["extractors"] if plugin["name"] == tap]
    excluded = [pattern[1:].removesuffix(".*") for pattern in patterns if pattern.startswith("!")]
    included = [pattern.removesuffix(".*") for pattern in patterns if not pattern.startswith("!")]
    streams = tap_class(tap)(config=settings, validate_config=False).catalog_dict["streams"]
    return {
        stream["tap_stream_id"]: tuple(stream["key_properties"])
        for stream in streams
        if any(fnmatchcase(stream["tap_stream_id"], pattern) for pattern in included)
        and not any(fnmatchcase(stream["tap_stream_id"], pattern) for pattern in excluded)
    }
