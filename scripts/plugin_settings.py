"""Write the settings of the taps into meltano.yml, here and in the taps' own folders, in the form that Meltano writes.

`python scripts/plugin_settings.py` writes them; with `--check` nothing is written, and the exit code says if a file is
out of date. What is not a setting of a tap stays as it is: selections, loaders, jobs, schedules, comments.

Every setting is of Meltano's kind `string`. Meltano converts values of other kinds before the tap sees them: as a date
`2026` becomes today, as a boolean `t` becomes false, as an array `"NR"` becomes its letters, and an empty integer ends
in a traceback. A text reaches the tap unchanged, and the tap reads it or refuses it in one line.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meltano.core import yaml
from meltano.core.project import Project

if TYPE_CHECKING:
    from singer_sdk import Tap

ROOT = Path(__file__).resolve().parent.parent
TAPS = {
    "tap-adspect": "TapAdspect",
    "tap-ispot": "TapISpot",
    "tap-magnite": "TapMagnite",
    "tap-spotwatch": "TapSpotwatch",
    "tap-springserve": "TapSpringServe",
}
"""The taps of this repository, with their classes."""

BUILT_IN = ("stream_map", "faker_", "flattening_", "emit_")
"""How settings begin that singer-sdk adds to every tap; one of them that a user declares stays as it is."""


def tap_class(name: str) -> type[Tap]:
    """Return the class of a tap."""
    found: type[Tap] = getattr(importlib.import_module(f"{name.replace('-', '_')}.tap"), TAPS[name])
    return found


def settings(name: str, *, defaults: bool) -> list[dict[str, Any]]:
    """Return the settings of a tap as Meltano defines them.

    Args:
        name: The tap.
        defaults: Whether default values are part of it.
    """
    definitions = []
    for setting, declared in tap_class(name).config_jsonschema["properties"].items():
        if setting.startswith(BUILT_IN):
            continue
        definition = {"name": setting, "kind": "string"}
        definition |= {"label": declared["title"], "description": declared["description"]}
        if defaults and "default" in declared:
            definition["value"] = declared["default"]
        if declared.get("secret"):
            definition["sensitive"] = True
        definitions.append(definition)
    return definitions


def as_meltano_writes(text: str) -> str:
    """Return the text of a meltano.yml in the form in which Meltano itself writes it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "meltano.yml")
        path.write_text(text, encoding="utf-8")
        with Project(Path(folder)).meltano_update():
            pass
        return path.read_text(encoding="utf-8")


def current(path: Path) -> str:
    """Return what a meltano.yml has to be: with the settings of the taps, in Meltano's form."""
    # Not Meltano's own `load`, whose result belongs to its cache.
    project = yaml.yaml.load(path.read_text(encoding="utf-8"))
    for plugin in project["plugins"].get("extractors", ()):
        if plugin["name"] in TAPS:
            of_the_sdk = [setting for setting in plugin["settings"] if setting["name"].startswith(BUILT_IN)]
            plugin["settings"] = settings(plugin["name"], defaults=path.parent != ROOT) + of_the_sdk
    return as_meltano_writes(yaml.dump(project) or "")


def main() -> int:
    """Write or check the files; returns the exit code."""
    parser = argparse.ArgumentParser(description="Write the taps' settings into every meltano.yml, or check them.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file is out of date")
    check = parser.parse_args().check
    outdated = []
    for path in [ROOT / "meltano.yml", *sorted(ROOT.glob("*/meltano.yml"))]:
        text = current(path)
        if text != path.read_text(encoding="utf-8"):
            outdated.append(str(path.relative_to(ROOT)))
            if not check:
                path.write_text(text, encoding="utf-8")
    if check and outdated:
        print(f"out of date: {', '.join(outdated)}: run `python scripts/plugin_settings.py`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
