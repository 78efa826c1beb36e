"""Check and build a release.

    python scripts/release.py check TAG       compare a tag (tap-ispot-v1.2.3) with the package's version and changelog
    python scripts/release.py build TAG UV    check, build and inspect; write the dependencies with their hashes
    python scripts/release.py pythons         the supported Python versions, as JSON, from the classifiers

The files are written to dist/. Problems are printed one per line, and the exit code is 1.
"""

from __future__ import annotations

import email
import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore] # pytest brings it there

ROOT = Path(__file__).resolve().parent.parent
TAG = re.compile(r"(?P<package>[a-z0-9-]+)-v(?P<version>\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?)")
ADDRESS = "OWNER/REPOSITORY"
"""Stands for the repository in the URLs until it has an address."""

EXPORT = ("--no-default-groups", "--no-emit-workspace", "--no-annotate", "--no-header", "--format", "requirements.txt")
WRONG_USAGE = 2


def projects() -> dict[str, dict[str, Any]]:
    """Return the `project` table of each package that is released, by name."""
    tables = [tomllib.loads(path.read_text())["project"] for path in sorted(ROOT.glob("*/pyproject.toml"))]
    return {table["name"]: table for table in tables if "Private :: Do Not Upload" not in table["classifiers"]}


def pythons() -> list[str]:
    """Return the Python versions in the classifiers of every package, oldest first.

    Raises:
        ValueError: The packages differ.
    """
    prefix = "Programming Language :: Python :: "
    versions = {
        tuple(line.removeprefix(prefix) for line in table["classifiers"] if line.startswith(f"{prefix}3."))
        for table in projects().values()
    }
    if len(versions) != 1:
        raise ValueError(f"The packages support different Python versions: {sorted(versions)}")
    return list(versions.pop())


def tag_problems(tag: str) -> list[str]:
    """Compare a tag with the version, the newest entry of the changelog and the URLs of its package."""
    found = TAG.fullmatch(tag)
    if not found or found["package"] not in projects():
        return [f"{tag}: not a release tag. Expected PACKAGE-vX.Y.Z with one of: {', '.join(projects())}"]
    package, version = found["package"], found["version"]
    project = projects()[package]
    changelog = re.search(r"^## (.+)$", (ROOT / package / "CHANGELOG.md").read_text(), re.MULTILINE)
    problems = []
    if project["version"] != version:
        problems.append(f"{tag}: {package}/pyproject.toml has version {project['version']}")
    if not changelog or changelog[1] != version:
        newest = changelog[1] if changelog else "missing"
        problems.append(f"{tag}: the newest entry of {package}/CHANGELOG.md is {newest}")
    if any(ADDRESS in url for url in project["urls"].values()):
        problems.append(f"{tag}: the URLs in {package}/pyproject.toml contain {ADDRESS}: write the repository's name")
    return problems


def wheel_problems(path: Path) -> list[str]:
    """Look for missing and unexpected files in a wheel, and for a version that differs from its name."""
    module, version = path.name.split("-")[:2]
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        about = email.message_from_bytes(wheel.read(f"{module}-{version}.dist-info/METADATA"))
    allowed = (f"{module}/", f"{module}-{version}.dist-info/")
    needed = [f"{module}/py.typed", f"{module}-{version}.dist-info/licenses/LICENSE"]
    if module.startswith(("tap_", "target_")):
        needed.append(f"{module}-{version}.dist-info/entry_points.txt")
    problems = [f"{path.name}: {name} is missing" for name in needed if name not in names]
    problems += [f"{path.name}: unexpected file {name}" for name in names if not name.startswith(allowed)]
    if about["Version"] != version or not about.get_payload():
        problems.append(f"{path.name}: the metadata has version {about['Version']}, or no description")
    return problems


def source_problems(path: Path) -> list[str]:
    """Look for missing and unexpected files in a source distribution. Tests cannot run there."""
    root = path.name.removesuffix(".tar.gz")
    module = root.rsplit("-", 1)[0]
    with tarfile.open(path) as archive:
        names = [name.removeprefix(f"{root}/") for name in archive.getnames()]
    files = {"CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml", ".gitignore"}
    problems = [f"{path.name}: {name} is missing" for name in sorted(files - {".gitignore"}) if name not in names]
    problems += [
        f"{path.name}: unexpected file {name}"
        for name in names
        if name not in files and not name.startswith(f"{module}/")
    ]
    return problems


def file_problems(folder: Path) -> list[str]:
    """Inspect every wheel and source distribution of a folder."""
    wheels, sources = sorted(folder.glob("*.whl")), sorted(folder.glob("*.tar.gz"))
    if not wheels or len(wheels) != len(sources):
        return [f"{folder}: expected as many wheels as source distributions, found {len(wheels)} and {len(sources)}"]
    return [
        *(problem for path in wheels for problem in wheel_problems(path)),
        *(problem for path in sources for problem in source_problems(path)),
    ]


def build(tag: str, uv: str, folder: Path) -> list[str]:
    """Build the package of a tag, and a requirements file, into an empty folder; return the problems found."""
    package = tag.rpartition("-v")[0]
    shutil.rmtree(folder, ignore_errors=True)
    requirements = folder / f"{tag.replace('-v', '-')}-requirements.txt"
    for command in (
        ["build", "--package", package, "--out-dir", str(folder)],
        ["export", "--package", package, *EXPORT, "--output-file", str(requirements)],
    ):
        subprocess.run([uv, *command, "--quiet"], cwd=ROOT, check=True)  # noqa: S603 - the uv that the Makefile installed
    return file_problems(folder)


def main(arguments: list[str]) -> int:
    """Run a command; return the exit code."""
    match arguments:
        case ["check", tag]:
            problems = tag_problems(tag)
            print("\n".join(problems) or f"{tag}: ready", file=sys.stderr if problems else sys.stdout)
        case ["build", tag, uv]:
            problems = tag_problems(tag) or build(tag, uv, ROOT / "dist")
            print("\n".join(problems) or "built dist/", file=sys.stderr if problems else sys.stdout)
        case ["pythons"]:
            problems = []
            print(json.dumps(pythons()))
        case _:
            print(__doc__, file=sys.stderr)
            return WRONG_USAGE
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
