"""The layout described in docs/architecture.md: import directions, sizes, leftovers, URLs."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
TAPS = sorted(path.name for path in ROOT.glob("tap-*") if path.is_dir())
LONGEST_MODULE = 480


def files(*patterns: str) -> list[Path]:
    """Return the tracked files and the untracked ones that git does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],  # noqa: S607 - git of the machine
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\n")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


def imports(folder: str) -> Iterator[tuple[Path, str]]:
    """Return the top-level name of each import in a folder's modules."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name.split(".")[0]) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield path, node.module.split(".")[0]


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("singer-adtech", r"tap_.*|target_.*|vendor_simulators"),
        ("target-duckdb-arrow", r"tap_.*|singer_adtech|vendor_simulators"),
        ("simulators", r"tap_.*|target_.*|singer_adtech|singer_sdk"),
        ("orchestration/adtech_orchestration", r"tap_.*|target_.*|singer_adtech|singer_sdk|vendor_simulators|meltano"),
        *[(f"{tap}/{tap.replace('-', '_')}", r"vendor_simulators|target_.*") for tap in TAPS],
    ],
)
def test_imports_go_one_way(folder: str, forbidden: str) -> None:
    against = [f"{path.relative_to(ROOT)}: {name}" for path, name in imports(folder) if re.fullmatch(forbidden, name)]

    assert against == []


def test_no_tap_imports_another() -> None:
    against = [
        f"{path.relative_to(ROOT)}: {name}"
        for tap in TAPS
        for path, name in imports(tap)
        if name.startswith("tap_") and name != tap.replace("-", "_")
    ]

    assert against == []


def test_no_module_is_long() -> None:
    sizes = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in files("*.py")}

    assert {path: size for path, size in sizes.items() if size > LONGEST_MODULE} == {}


def test_nothing_is_left_over() -> None:
    words = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
    hits = [
        path.relative_to(ROOT) for path in files("*.py", "*.md", "*.toml", "*.yml") if words.search(path.read_text())
    ]

    assert hits == []


def test_no_file_names_a_registry_or_a_machine() -> None:
    # In parts, so that this file does not match.
    registries = ["py" + "pi\\.org", "python" + "hosted\\.org", "npm" + "js\\.org", "deb\\.deb" + "ian\\.org"]
    machine = r"(^|[^A-Za-z0-9_.])/(work|ro" + r"ot|fa" + r"rm)/"
    pattern = re.compile("|".join([*registries, machine]), re.MULTILINE)
    hits = [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in files()
        if path.suffix not in {".png", ".duckdb"} and (found := pattern.search(path.read_text(errors="replace")))
    ]

    assert hits == []


@pytest.mark.parametrize("package", [*TAPS, "singer-adtech", "target-duckdb-arrow"])
def test_each_package_is_complete(package: str) -> None:
    folder = ROOT / package
    module = folder / package.replace("-", "_")

    assert [
        name for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE") if not (folder / name).is_file()
    ] == []
    assert (module / "py.typed").is_file()
    assert (folder / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert list((folder / "tests").glob("__init__.py")) == []
    changes = (folder / "CHANGELOG.md").read_text()
    assert changes.startswith("# Changelog\n\nVersions ")
    version = re.search(r"^version = \"(.*)\"$", (folder / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert re.findall(r"^## (.*)", changes, re.MULTILINE)[0] in {"Unreleased", version[1]}
    assert f"[CHANGELOG.md][{package}/CHANGELOG.md]" in (folder / "README.md").read_text()
