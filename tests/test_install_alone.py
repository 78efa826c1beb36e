"""Installation of single packages with pip in an empty virtual environment, without the workspace."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import hub_files
import pytest
import release
import yaml
from shared_project import tap_class
from singer_adtech.testing import read_messages
from vendor_simulators.registry import SIMULATORS

if TYPE_CHECKING:
    from vendor_simulators.pytest_plugin import Simulate

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore] # pytest brings it there

ROOT = Path(__file__).resolve().parent.parent
TAPS = sorted(path.name for path in ROOT.glob("tap-*"))
UV = str(Path(sys.executable).with_name("uv"))
PROJECTS = {
    path.parent.name: tomllib.loads(path.read_text())
    for path in [ROOT / "pyproject.toml", *sorted(ROOT.glob("*/pyproject.toml"))]
}
"""Every pyproject.toml by folder."""


MESSAGES = """\
{"type": "SCHEMA", "stream": "brands", "schema": {"properties": {"id": {"type": "integer"}}}, "key_properties": ["id"]}
{"type": "RECORD", "stream": "brands", "record": {"id": 1}}
{"type": "RECORD", "stream": "brands", "record": {"id": 2}}
{"type": "STATE", "value": {"bookmarks": {}}}
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files of every release: source distributions, and the wheels built from them."""
    folder = tmp_path_factory.mktemp("dist")
    for package in release.projects():
        subprocess.run([UV, "build", "--quiet", "--package", package, "--out-dir", folder], check=True, cwd=ROOT)
    return folder


class Installed:
    """A virtual environment with the wheels of one package, and of the library if it is a tap."""

    def __init__(self, package: str, built: Path, folder: Path) -> None:
        self._bin, self._folder = folder / "venv" / "bin", folder
        versions = {name: project["version"] for name, project in release.projects().items()}
        names = [package, *(["singer-adtech"] if package in TAPS else [])]
        wheels = [built / f"{name.replace('-', '_')}-{versions[name]}-py3-none-any.whl" for name in names]
        subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, folder / "venv"], check=True)
        subprocess.run(
            [UV, "pip", "install", "--quiet", "--no-config", "--python", self._bin / "python", *wheels],
            check=True,
            cwd=folder,
        )

    def run(self, program: str, *arguments: str, stdin: str = "") -> str:
        """Run a program of the environment; return what it prints."""
        command = [str(self._bin / program), *arguments]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, input=stdin, text=True, cwd=self._folder)
        return done.stdout

    def file(self, name: str, content: object) -> str:
        """Write a JSON file; return its path."""
        path = self._folder / name
        path.write_text(json.dumps(content, default=str))
        return str(path)


@pytest.mark.meltano
def test_built_files_have_everything_and_no_tests(built: Path) -> None:
    assert len(list(built.glob("*.whl"))) == len(TAPS) + 2
    assert release.file_problems(built) == []


@pytest.mark.meltano
@pytest.mark.parametrize("tap", TAPS)
def test_a_tap_that_is_installed_alone_reads_its_vendor(
    tap: str, built: Path, tmp_path: Path, simulate: Simulate
) -> None:
    # given the wheels of the tap and the library in an empty environment, and a vendor
    installed = Installed(tap, built, tmp_path)
    vendor = simulate(SIMULATORS[tap.removeprefix("tap-")](days=2, rows_per_day=20))
    config = installed.file("config.json", vendor.settings())
    streams = tap_class(tap)(config={}, validate_config=False).streams.values()
    stream = next(one.name for one in streams if one.selected_by_default and one.replication_key is None)

    # when its program describes itself, and reads its first list
    about = json.loads(installed.run(tap, "--about", "--format=json"))
    version = installed.run(tap, "--version")
    catalog = json.loads(installed.run(tap, "--config", config, "--discover"))
    for entry in catalog["streams"]:
        (whole,) = [one["metadata"] for one in entry["metadata"] if one["breadcrumb"] == []]
        whole["selected"] = entry["tap_stream_id"] == stream
    chosen = installed.file("catalog.json", catalog)
    printed = installed.run(tap, "--config", config, "--catalog", chosen)

    # then name and version are those of the package, and there are rows of this list only
    assert (about["name"], about["version"]) == (tap, release.projects()[tap]["version"])
    assert about["version"] in version
    records = [line for line in read_messages(printed) if line["type"] == "RECORD"]
    assert records
    assert {record["stream"] for record in records} == {stream}


@pytest.mark.meltano
def test_the_loader_that_is_installed_alone_loads(built: Path, tmp_path: Path) -> None:
    # given
    installed = Installed("target-duckdb-arrow", built, tmp_path)
    config = installed.file("config.json", {"filepath": str(tmp_path / "warehouse.duckdb")})

    # when
    state = installed.run("target-duckdb-arrow", "--config", config, stdin=MESSAGES)

    # then
    assert json.loads(state) == {"bookmarks": {}}
    with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as warehouse:
        assert warehouse.sql("select id from brands order by id").fetchall() == [(1,), (2,)]


@pytest.mark.meltano
def test_pip_prefers_the_folder_of_the_library_to_an_index(tmp_path: Path) -> None:
    # given an empty virtual environment, and a published package with the library's name and an allowed version
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    publish(tmp_path / "published", "singer_adtech", "0.1.99")

    # when pip installs a tap and the library from their folders, without the workspace
    folders = [str(ROOT / "singer-adtech"), str(ROOT / TAPS[0])]
    pip = [str(tmp_path / "venv" / "bin" / "pip"), "install", "--quiet", f"--find-links={tmp_path / 'published'}"]
    subprocess.run([*pip, *folders], check=True, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}, cwd=tmp_path)

    # then the library is the one of the folder
    version = release.projects()["singer-adtech"]["version"]
    installed = [path.name for path in (tmp_path / "venv").rglob("site-packages/singer_adtech*")]
    assert sorted(installed) == ["singer_adtech", f"singer_adtech-{version}.dist-info"]


def publish(folder: Path, name: str, version: str) -> None:
    """Write a minimal wheel."""
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        about = f"{name}-{version}.dist-info"
        wheel.writestr(f"{name}.py", "")
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", "")


def requirements(project: dict[str, object]) -> list[str]:
    """Return every requirement of a pyproject.toml."""
    table = project.get("project", {})
    assert isinstance(table, dict)
    groups = [table.get("dependencies", []), *table.get("optional-dependencies", {}).values()]
    system = project["build-system"]["requires"] if "build-system" in project else []  # type: ignore[index]
    groups += [system, *project.get("dependency-groups", {}).values()]  # type: ignore[attr-defined]
    return [line for group in groups for line in group]


def test_taps_require_the_library_of_the_workspace() -> None:
    # The next minor version of the library may change what the taps use.
    own = {str(project["project"]["name"]) for project in PROJECTS.values()}
    required = [
        (folder, line)
        for folder, project in PROJECTS.items()
        for line in requirements(project)
        if re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0].lower().replace("_", "-") in own
    ]
    library = PROJECTS["singer-adtech"]["project"]["version"]
    major, minor, _ = map(int, library.split("."))

    assert required == [(tap, f"singer-adtech>={major}.{minor},<{major}.{minor + 1}") for tap in TAPS]
    assert PROJECTS[ROOT.name]["tool"]["uv"]["sources"] == {"singer-adtech": {"workspace": True}}


@pytest.mark.skipif(hub_files.PUBLISHED, reason="the packages are on the package index")
def test_no_page_or_plugin_installs_a_workspace_package_from_an_index() -> None:
    names = "|".join(str(project["project"]["name"]) for project in PROJECTS.values())
    # A name that is neither a folder nor followed by a URL.
    bare = re.compile(rf"(?:^|\s)(?:{names})(?:[=<>~!\[][^\s]*)?(?=\s|$)(?! @)")
    commands = [
        (str(page.relative_to(ROOT)), command)
        for page in sorted({*ROOT.glob("*.md"), *ROOT.glob("*/*.md")})
        for command in re.findall(r"(?:pipx?|uv tool|uv) install[^`\n]*", page.read_text())
    ]
    urls = [
        (plugin["name"], plugin["pip_url"])
        for path in (ROOT / "meltano.yml",)
        for kind in yaml.safe_load(path.read_text())["plugins"].values()
        for plugin in kind
    ]

    assert len(commands) > len(TAPS)
    assert [one for one in (*commands, *urls) if bare.search(one[1])] == []
