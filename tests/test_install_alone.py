"""Installation of single packages with pip in an empty virtual environment, without the workspace."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore] # pytest brings it there

ROOT = Path(__file__).resolve().parent.parent
TAPS = sorted(path.name for path in ROOT.glob("tap-*"))
PROJECTS = {
    path.parent.name: tomllib.loads(path.read_text())
    for path in [ROOT / "pyproject.toml", *sorted(ROOT.glob("*/pyproject.toml"))]
}
"""Every pyproject.toml by folder."""


@pytest.mark.meltano
@pytest.mark.parametrize(
    ("program", "folders"),
    [
        *[(tap, ["singer-adtech", tap]) for tap in TAPS],
        ("target-duckdb-arrow", ["target-duckdb-arrow"]),
    ],
)
def test_pip_installs_a_package_from_its_folder(program: str, folders: list[str], tmp_path: Path) -> None:
    # given an empty virtual environment
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    programs = tmp_path / "venv" / "bin"

    # when pip installs the package, together with the library if it is a tap
    subprocess.run(
        [programs / "pip", "install", "--quiet", *(ROOT / folder for folder in folders)],
        check=True,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        cwd=tmp_path,
    )

    # then the program prints its name and version, and the workspace is not needed
    printed = subprocess.run(
        [programs / program, "--about", "--format=json"], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    about = json.loads(printed.stdout)
    assert about["name"] == program
    assert about["version"][0].isdigit()


@pytest.mark.meltano
@pytest.mark.parametrize("tap", TAPS[:1])
def test_the_library_is_never_fetched_from_an_index(tap: str, tmp_path: Path) -> None:
    # given an empty virtual environment, and published packages with the library's name
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    for version in ("0.1.0", "0.1.0.post1", "99.0"):
        publish(tmp_path / "published", "singer_adtech", version)

    # when pip installs a tap without the library
    done = subprocess.run(
        [tmp_path / "venv" / "bin" / "pip", "install", "--find-links", tmp_path / "published", ROOT / tap],
        check=False,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    # then the error names the missing package, and nothing is installed
    assert done.returncode == 1
    assert "No matching distribution found for singer-adtech==0.1.0+not.published" in done.stderr
    installed = [path.name for path in (tmp_path / "venv").rglob("site-packages/*")]
    assert [name for name in installed if name.startswith(("singer", tap.replace("-", "_")))] == []


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


def test_no_workspace_package_is_required_from_an_index() -> None:
    # A public index rejects versions with a local part, so only a folder can satisfy the requirement.
    own = {str(project["project"]["name"]) for project in PROJECTS.values()}
    from_index = [
        (folder, line)
        for folder, project in PROJECTS.items()
        for line in requirements(project)
        if re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0].lower().replace("_", "-") in own
    ]
    version = PROJECTS["singer-adtech"]["project"]["version"]

    assert "+" in version
    assert from_index == [(tap, f"singer-adtech=={version}") for tap in TAPS]


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
