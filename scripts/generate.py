"""Generate README parts, plugin definitions, pages, dbt models and .env.example from the taps' code.

`python scripts/generate.py` writes the files; with `--check` it writes nothing and exits with 1 if one is out of date.

The generated parts are `plugins/extractors/*.lock` and `plugins/loaders/target-duckdb--*.lock` (in the format of
`meltano lock`), the definitions for Meltano Hub in `hub/`, the staging models of `transform/`, docs/marts.md,
docs/assumptions.md, docs/tables/, own.meltano.example.yml, the text between marks in each package's README.md and in
.env.example, and the streams' columns for `orchestration/`, whose environment contains no tap.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import importlib
import io
import json
import re
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hub_files as hub
import yaml
from assumptions import MarkError, page
from marts_page import marts_page
from singer_adtech.streams.derived import DerivedStream
from singer_adtech.streams.windowed import WindowStream
from staging import staging_files, summary
from tables_pages import tables_pages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk import Stream, Tap, Target

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "transform" / "models"
STAGING = MODELS / "staging"
TABLES = ROOT / "docs" / "tables"
VARIANT = "adtech"
TAPS = sorted(path.parent.name for path in ROOT.glob("tap-*/pyproject.toml"))
"""The taps of this repository."""

LOGINS = {"tap-springserve": [["email", "password"], ["auth_token"]]}
"""Alternative groups of credentials, for taps with a schema that requires none of them."""

MARTS_REPORTS = {
    "tap-adspect": [{"name": "funnel_by_country", "dimensions": ["date", "stream_id", "country_code", "sub_id"]}]
}
"""Reports that a mart reads if they are loaded, in addition to the tap's default; with its metrics."""

OWN_CHOICES = """\
# Your own streams, reports and settings. `make own` copies this file to own.meltano.yml, which git does not track, and
# makes its environment the default. The selections replace those of meltano.yml. Meltano writes to the copy too:
#
#   meltano --environment=own select --rm --exclude tap-ispot episodes '*'
#   meltano --environment=own select --exclude tap-ispot movies '*'
#   meltano --environment=own config set tap-ispot window_days 2
#
# Pages: docs/how-to/select.md, docs/how-to/report.md. Credentials belong in .env.
"""


LOADER_DEFAULTS = {
    "filepath": "$MELTANO_PROJECT_ROOT/output/warehouse.duckdb",
    "default_target_schema": "$MELTANO_EXTRACT__LOAD_SCHEMA",
}
"""Values of settings of target-duckdb in every Meltano project."""


def tap_class(name: str) -> type[Tap]:
    """Return the class of a tap."""
    module = importlib.import_module(f"{name.replace('-', '_')}.tap")
    return next(one for one in vars(module).values() if isinstance(one, type) and getattr(one, "name", "") == name)


def logins(name: str) -> list[list[str]]:
    """Return alternative groups of required settings, such as `[["api_key", "start_date"]]`."""
    required: list[str] = tap_class(name).config_jsonschema.get("required", [])
    return [[*group, *required] for group in LOGINS.get(name, [[]])]


def all_settings(plugin: type[Tap | Target]) -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of each setting, those that singer-sdk adds included."""
    schema = copy.deepcopy(plugin.config_jsonschema)
    plugin.append_builtin_config(schema)
    found: dict[str, dict[str, Any]] = schema["properties"]
    return found


def extractor(name: str) -> dict[str, Any]:
    """Return the definition of a tap.

    Every setting is of kind `string`. Meltano converts values of other kinds before the tap sees them: as a date `2026`
    becomes today, as a boolean `t` becomes false, and an empty integer ends in a traceback. A string reaches the tap
    unchanged, and the tap reads it or refuses it in one line.
    """
    tap = tap_class(name)
    definitions = []
    for setting, declared in all_settings(tap).items():
        definition: dict[str, Any] = {"name": setting, "kind": "string"}
        definition |= {"label": declared["title"], "description": declared["description"]}
        if declared.get("secret"):
            definition["sensitive"] = True
        definitions.append(definition)
    label, _, description = (tap.__doc__ or "").removeprefix("Singer tap for ").partition(": ")
    return {
        "plugin_type": "extractors",
        "name": name,
        "namespace": name.replace("-", "_"),
        "variant": VARIANT,
        "label": label,
        "pip_url": f"-e ./singer-adtech -e ./{name}",
        "executable": name,
        "description": description[:1].upper() + description[1:].removesuffix("."),
        "capabilities": sorted(one.value for one in tap.capabilities),
        "settings_group_validation": logins(name),
        "settings": definitions,
    }


def loader() -> dict[str, Any]:
    """Return the definition of the embedded loader."""
    target: type[Target] = importlib.import_module("target_duckdb_arrow.target").TargetDuckDBArrow
    definitions = []
    for setting, declared in all_settings(target).items():
        # Not `options` for an enum: Meltano refuses other values with a traceback, the loader in one line.
        kind = next(one for one in ("integer", "boolean", "object", "string") if one in declared["type"])
        definition = {"name": setting, "kind": kind, "label": declared["title"], "description": declared["description"]}
        definitions.append(
            {**definition, **({"value": LOADER_DEFAULTS[setting]} if setting in LOADER_DEFAULTS else {})}
        )
    return {
        "plugin_type": "loaders",
        "name": "target-duckdb",
        "namespace": "target_duckdb",
        "variant": VARIANT,
        "label": "DuckDB",
        "pip_url": "-e ./target-duckdb-arrow",
        "executable": "target-duckdb-arrow",
        "description": "One DuckDB file, upserted by key",
        "capabilities": sorted(one.value for one in target.capabilities),
        "settings_group_validation": [["filepath"]],
        "settings": definitions,
    }


def streams_table(name: str) -> str:
    """Return a table of a tap's streams, those that are on by default first, and a link to the pages of the tables."""
    tap = tap_class(name)(config={}, validate_config=False, setup_mapper=False)
    lines = [
        "| stream | endpoint | primary key | replication | on by default | |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for stream in sorted(tap.streams.values(), key=lambda stream: not stream.selected_by_default):
        key = stream.replication_key
        parent = stream.parent_stream_type
        whole = f"with {parent.name}" if parent else "full table"  # type: ignore[misc]  # declared as of an instance
        replication = f"incremental, {key}" if key else whole
        path = str(getattr(stream, "path", "")).replace("<", "&lt;").replace(">", "&gt;")
        on = "yes" if stream.selected_by_default else "no"
        lines.append(
            f"| {stream.name} | {path} | {', '.join(stream.primary_keys)} | {replication} | {on} | {summary(stream)} |"
        )
    vendor = name.removeprefix("tap-")
    return "\n".join([*lines, "", f"Columns, time zones and joins: [tables of {name}][docs/tables/{vendor}.md]."])


def selection(name: str) -> list[str]:
    """Return Meltano's rules for the streams that are on by default."""
    tap = tap_class(name)(config={}, validate_config=False, setup_mapper=False)
    return ["*.*", *(f"!{stream.name}.*" for stream in tap.streams.values() if not stream.selected_by_default)]


def own_choices() -> str:
    """Return the example of own.meltano.yml: an environment with the default selection of each tap."""
    extractors = [{"name": name, "select": selection(name)} for name in TAPS]
    content = {"environments": [{"name": "own", "config": {"plugins": {"extractors": extractors}}}]}
    return OWN_CHOICES + yaml.safe_dump(content, sort_keys=False, width=118)


def about_tables(name: str) -> str:
    """Return the tables of settings and capabilities that `--about` prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        tap_class(name).print_about("markdown")
    sections = dict(re.findall(r"^## (.+?)\n+(.*?)\s*(?=^## |\Z)", printed.getvalue(), flags=re.DOTALL | re.MULTILINE))
    rows = [row for row in sections["Settings"].splitlines() if row.startswith("|")]
    # A setting without a default gets an empty cell instead of Python's None.
    settings = "\n".join(re.sub(r"^(\| [^|]+ \| [^|]+) \| None \|", r"\1 | |", row) for row in rows)
    return f"### Settings\n\n{settings}\n\n## Capabilities\n\n{sections['Capabilities']}"


def of_every_tap(heading: str) -> str:
    """Return a section of docs/every-tap.md, with its links as in a README of a tap."""
    text = (ROOT / "docs" / "every-tap.md").read_text(encoding="utf-8")
    section = text.partition(f"## {heading}\n")[2].partition("\n## ")[0].strip()
    return re.sub(r"\]\(\.\./([^)]+)\)", r"][\1]", section)


def streams_of(name: str) -> dict[str, Any]:
    """Return a tap's streams and columns, its credentials, and its look-back settings."""
    tap = tap_class(name)(config={}, validate_config=False, setup_mapper=False)
    declared = tap_class(name).config_jsonschema["properties"]
    definition = extractor(name)
    return {
        "label": definition["label"],
        "description": definition["description"],
        "logins": logins(name),
        "lookbacks": [one for one, schema in declared.items() if "lookback" in one and schema.get("minimum") == 0],
        "streams": {stream.name: _table(stream, tap) for stream in tap.streams.values()},
    }


def _table(stream: Stream, tap: Tap) -> dict[str, Any]:
    owner = stream
    if isinstance(stream, DerivedStream):
        owner = next(one for one in tap.streams.values() if type(one) is stream.parent_stream_type)
    return {
        "description": summary(stream),
        "keys": list(stream.primary_keys),
        "replication_key": stream.replication_key,
        # Read in windows of dates, so that a backfill can read a month of it.
        "windowed": isinstance(owner, WindowStream) and owner.replication_key is not None,
        "columns": {column: _column(schema) for column, schema in stream.schema["properties"].items()},
    }


def _column(schema: dict[str, Any]) -> list[str]:
    kinds = [one for one in schema.get("type", ["any"]) if one != "null"]
    kind = schema.get("format") if kinds == ["string"] and schema.get("format") else " or ".join(kinds)
    return [str(kind), schema.get("description", "")]


def streams_file() -> str:
    """Return the streams of all taps as JSON, with one line per column."""
    text = json.dumps({name: streams_of(name) for name in TAPS}, indent=1, ensure_ascii=False)
    quoted = r'("(?:[^"\\]|\\.)*")'
    return re.sub(rf"\[\n\s+{quoted},\n\s+{quoted}\n\s+\]", r"[\1, \2]", text) + "\n"


def credentials() -> str:
    """Return the variables of .env.example: the credentials and start date of each tap."""
    lines = []
    for name in TAPS:
        declared = tap_class(name).config_jsonschema["properties"]
        lines += ["", f"# {extractor(name)['label']}"]
        for setting in dict.fromkeys((*logins(name)[0], "start_date")):
            lines += textwrap.wrap(declared[setting]["description"], 118, initial_indent="# ", subsequent_indent="# ")
            variable = f"{name}_{setting}".replace("-", "_").upper()
            lines.append(f"{variable}={'2024-01-01' if setting == 'start_date' else ''}")
    return "\n".join(lines)


def with_marts_reports(name: str) -> dict[str, Any]:
    """Return a tap's settings with the default reports and those of `MARTS_REPORTS`."""
    if name not in MARTS_REPORTS:
        return {}
    default = tap_class(name).config_jsonschema["properties"]["reports"]["default"]
    return {"reports": [*default, *({**default[0], **report} for report in MARTS_REPORTS[name])]}


def between_marks(text: str, mark: str, content: str, comment: str = "<!-- {} -->") -> str:
    """Return a text with other content between the marks `MARK: begin` and `MARK: end`."""
    begin, end = (comment.format(f"{mark}: {which}") for which in ("begin", "end"))
    before, found, rest = text.partition(f"{begin}\n")
    _, also, after = rest.partition(f"{end}\n")
    if not found or not also:
        sys.exit(f"the marks `{begin}` and `{end}` are missing")
    return f"{before}{begin}\n{content}\n{end}\n{after}"


def files() -> Iterator[tuple[Path, str]]:
    """Return the generated files with their content."""
    for plugin in (*map(extractor, TAPS), loader()):
        rules = selection(plugin["name"]) if plugin["plugin_type"] == "extractors" else []
        lock = f"{plugin['name']}--{VARIANT}.lock"
        yield ROOT / "plugins" / plugin["plugin_type"] / lock, json.dumps(plugin, indent=2) + "\n"
        folder = ROOT / plugin["executable"]
        yield ROOT / "hub" / hub.path(plugin), hub.to_yaml(hub.definition(plugin, folder, rules))
        text = (folder / "README.md").read_text(encoding="utf-8")
        text = between_marks(text, "installation", f"\n{hub.installation(plugin, rules)}\n")
        if plugin["plugin_type"] == "extractors":
            text = between_marks(text, "streams", f"\n{streams_table(plugin['name'])}\n")
            text = between_marks(text, "about", f"\n{about_tables(plugin['name'])}\n")
            for heading in ("Behaviour", "Errors"):
                text = between_marks(text, f"{heading.lower()} of every tap", f"\n{of_every_tap(heading)}\n")
        yield folder / "README.md", between_marks(text, "links", hub.links(text))
    for name in TAPS:
        tap = tap_class(name)(config=with_marts_reports(name), validate_config=False, setup_mapper=False)
        for name_of_file, text in staging_files(name.removeprefix("tap-"), tap):
            yield STAGING / name_of_file, text
        default = tap_class(name)(config={}, validate_config=False, setup_mapper=False)
        for name_of_file, text in tables_pages(name, default):
            yield TABLES / name_of_file, text
    library = ROOT / "singer-adtech" / "README.md"
    text = library.read_text(encoding="utf-8")
    yield library, between_marks(text, "links", hub.links(text))
    yield ROOT / "own.meltano.example.yml", own_choices()
    yield ROOT / "docs" / "marts.md", marts_page(MODELS / "marts" / "marts.yml")
    yield ROOT / "docs" / "assumptions.md", page({name: extractor(name)["label"] for name in TAPS})
    yield ROOT / "orchestration" / "adtech_orchestration" / "streams.json", streams_file()
    path = ROOT / ".env.example"
    yield path, between_marks(path.read_text(encoding="utf-8"), "generated", f"{credentials()}\n", "# {}")


def main() -> int:
    """Write or check the files; returns the exit code."""
    parser = argparse.ArgumentParser(description="Generate the files that repeat the taps' code, or check them.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file is out of date")
    check = parser.parse_args().check
    try:
        generated = dict(files())
    except MarkError as error:
        sys.exit(str(error))
    outdated = [
        (path, text) for path, text in generated.items() if not path.exists() or path.read_text("utf-8") != text
    ]
    # Models and pages of streams that no longer exist.
    present = (path for folder in (STAGING, TABLES) for path in folder.rglob("*"))
    left_over = [path for path in present if path.is_file() and path not in generated]
    if not check:
        for path, text in outdated:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for path in left_over:
            path.unlink()
        return 0
    for path in [*(path for path, _ in outdated), *left_over]:
        print(f"{path.relative_to(ROOT)} is out of date: run `python scripts/generate.py`")
    return 1 if outdated or left_over else 0


if __name__ == "__main__":
    sys.exit(main())
