"""Definitions for Meltano Hub, in the format of its repository, and the snippet of a tap's README for `meltano.yml`."""

from __future__ import annotations

import re
import sys
import textwrap
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from typing_extensions import override

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore] # pytest brings it there

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

REPOSITORY = "https://github.com/OWNER/REPOSITORY"
"""Address of this repository. READMEs and definitions are generated with it."""

PUBLISHED = False
"""Whether the packages are on the package index."""

FILES = REPOSITORY.replace("https://github.com/", "https://raw.githubusercontent.com/") + "/main"
"""Address of the repository's files, for programs that read them."""


class Facts(NamedTuple):
    """The parts of a definition that are not in the plugin's code.

    Attributes:
        domain_url: The vendor's documentation of the API, or the site of the database.
        keywords: Search terms on the Hub, in addition to those of all plugins.
    """

    domain_url: str
    keywords: tuple[str, ...]


PLUGINS = {
    "tap-ispot": Facts("https://developer.ispot.tv/", ("airings", "television")),
    "tap-adspect": Facts("https://docs.adspect.io/en/latest/api.html", ("affiliate marketing", "traffic")),
    "tap-spotwatch": Facts("https://api.spotwatch.io/", ("airings", "television")),
    "tap-magnite": Facts("https://help.magnite.com/help/api-documentation-test", ("ctv", "programmatic", "ssp")),
    "tap-springserve": Facts(
        "https://springserve.atlassian.net/wiki/spaces/SSD/pages/1573617663/API+-+Getting+Started",
        ("ad server", "ctv", "programmatic"),
    ),
    "target-duckdb": Facts("https://duckdb.org/", ("database",)),
}

PREAMBLE = (
    "Meltano passes every setting to the tap as text. The tap converts it, and refuses an invalid value in one line "
    "that names the setting. Lists and objects are JSON, or YAML in `meltano.yml`."
)

LIBRARY = """The tap needs the library `singer-adtech` of the same repository. Until the first release of both, name
both in one command: a package with the library's name on a public index is not ours. """

FROM_INDEX = """```
pip install {package}
```

"""

TEXT = """{library}From git, or from a checkout{placeholder}:

```
pip install {from_git}
pip install {from_checkout}
```

In a Meltano project of your own, with the definition from [hub][hub/README.md]:

```
meltano add {name} --plugin-type {kind} --from-ref {definition}
```

{extras}Or paste this entry into `meltano.yml`, and run `meltano install`. It declares every setting, because Meltano
ignores others and their environment variables:

{snippet}"""

PLACEHOLDER = " (the git address is a placeholder until the first release: see [hub][hub/README.md])"

EXTRAS = """This adds the entry below with labels and descriptions, but without `select` and `use_cached_catalog`: copy
these two. With a cached catalog, an upgrade of the tap would not add columns.

"""


def git_urls(*folders: str) -> str:
    """Return the `pip_url` that installs packages of this repository from git."""
    return " ".join(f"git+{REPOSITORY}.git#subdirectory={folder}" for folder in folders)


def packages(plugin: dict[str, Any]) -> list[str]:
    """Return the folders of a plugin's packages. A tap needs the library in the same command."""
    package = plugin["executable"]
    return [package] if plugin["plugin_type"] == "loaders" else ["singer-adtech", package]


def path(plugin: dict[str, Any]) -> str:
    """Return the path of a plugin's definition in this folder and in the Hub's repository."""
    return f"_data/meltano/{plugin['plugin_type']}/{plugin['name']}/{plugin['variant']}.yml"


def definition(plugin: dict[str, Any], folder: Path, select: Sequence[str] = ()) -> dict[str, Any]:
    """Return a plugin's definition with the fields of the Hub.

    Args:
        plugin: The definition in the format of `meltano lock`.
        folder: Folder of the package, for its README.md and pyproject.toml.
        select: Rules for the streams that are on by default.
    """
    kind, name = plugin["plugin_type"], plugin["name"]
    facts = PLUGINS[name]
    readme = (folder / "README.md").read_text(encoding="utf-8")
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    docs = f"{REPOSITORY}/blob/main/{folder.name}/README.md"
    hub = {
        **{key: value for key, value in plugin.items() if key != "plugin_type"},
        "pip_url": git_urls(*packages(plugin)),
        "repo": REPOSITORY,
        "docs": docs,
        "domain_url": facts.domain_url,
        "keywords": sorted({*facts.keywords, "meltano_sdk", *(["advertising", "api"] if kind == "extractors" else [])}),
        "logo_url": f"/assets/logos/{kind}/{name.partition('-')[2]}-{plugin['variant']}.svg",
        "log_parser": "singer-sdk",
        "maintenance_status": "beta",
        # The Hub rates plugins.
        "quality": "unknown",
        "supported_python_versions": [
            one.rpartition(" ")[2]
            for one in project["classifiers"]
            if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", one)
        ],
        "usage": f"{section(readme, 'At a glance' if kind == 'extractors' else 'Promises')}\n\n"
        f"Details, and errors with their remedies: [README]({docs}).\n",
    }
    if kind == "extractors":
        hub |= {
            "prereq": f"{section(readme, 'Prerequisites')}\n",
            "select": list(select),
            "settings_preamble": PREAMBLE,
        }
    return hub


def section(readme: str, title: str) -> str:
    """Return a section's text without its heading: its table if it has one, otherwise its paragraphs and lists.

    Raises:
        SystemExit: The section is missing.
    """
    found = re.search(rf"^## {title}\n+(.*?)\s*(?=^## |\Z)", readme, flags=re.DOTALL | re.MULTILINE)
    if not found:
        sys.exit(f"the section `{title}` is missing in a README.md")
    rows = [line for line in found[1].splitlines() if line.startswith("|")]
    # The Hub shows a line break where the text has one.
    return "\n".join(rows) or re.sub(r"(?<!\n)\n(?!\n|- ) *", " ", found[1])


class _Dumper(yaml.SafeDumper):
    """A dumper that writes texts of several lines as blocks, and no aliases."""

    @override
    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def to_yaml(content: object, *, sort_keys: bool = True) -> str:
    """Return YAML in the form that the Hub's linter requires: sorted keys, lists without indentation."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=sort_keys, allow_unicode=True, width=100)


def installation(plugin: dict[str, Any], select: Sequence[str] = ()) -> str:
    """Return the text of a README about installation, with and without Meltano."""
    names = packages(plugin)
    from_git = " ".join(f'"{name} @ git+{REPOSITORY}.git#subdirectory={name}"' for name in names)
    return TEXT.format(
        library=FROM_INDEX.format(package=names[-1]) if PUBLISHED else LIBRARY if len(names) > 1 else "",
        placeholder=PLACEHOLDER if "OWNER/" in REPOSITORY else "",
        from_git=from_git,
        from_checkout=" ".join(f"./{name}" for name in names),
        name=plugin["name"],
        kind=plugin["plugin_type"].removesuffix("s"),
        definition=f"{FILES}/hub/{path(plugin)}",
        extras=EXTRAS if select else "",
        snippet=snippet(plugin, select),
    )


def links(text: str) -> str:
    """Return the targets of links to files of this repository, absolute because a package index renders the text."""
    labels = sorted({*re.findall(r"\]\[((?:[\w.-]+/)*[\w.-]*[A-Z][\w.-]*(?:#[\w-]+)?|docs/[\w./#-]+)\]", text)})
    return "\n".join(f"[{label}]: {REPOSITORY}/blob/main/{label}" for label in labels)


def snippet(plugin: dict[str, Any], select: Sequence[str] = ()) -> str:
    """Return an entry for the `meltano.yml` of another project, with every setting."""
    extras = {"use_cached_catalog": False} if plugin["plugin_type"] == "extractors" else {}
    head = {key: plugin[key] for key in ("name", "variant", "namespace", "executable")}
    plain = to_yaml([{**head, "pip_url": git_urls(*packages(plugin)), **extras}], sort_keys=False)
    lines = textwrap.indent(plain, "  ").splitlines()
    lines += _flow("capabilities", plugin["capabilities"])
    if select:
        lines += _flow("select", [f"'{rule}'" for rule in select])
    settings = []
    for one in plugin["settings"]:
        more = (", sensitive: true" if one.get("sensitive") else "") + (
            f", value: {one['value']}" if "value" in one else ""
        )
        settings.append(f"{{name: {one['name']}{more}}}")
    lines += _flow("settings", settings)
    return "\n".join(["```yaml", "plugins:", f"  {plugin['plugin_type']}:", *lines, "```"])


def _flow(key: str, items: Sequence[str]) -> list[str]:
    # Items keep their spaces: the text is wrapped only between items.
    listed = ", ".join(one.replace(" ", "\0") for one in items)
    lines = textwrap.wrap(f"{key}: [{listed}]", 112, break_long_words=False, break_on_hyphens=False)
    return textwrap.indent("\n  ".join(lines), "    ").replace("\0", " ").splitlines()
