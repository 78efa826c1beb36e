"""The licences of the dependencies of the released packages."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, distribution

import release
from packaging.requirements import Requirement

PERMISSIVE = re.compile(
    r"\b(MIT|BSD|Apache|ISC|PSF|Python Software Foundation|0BSD|Unlicense|Zlib|CC0|MPL|Mozilla Public)", re.IGNORECASE
)
"""MPL-2.0 requires the source of changed files only. No file is changed here."""

COPYLEFT = re.compile(r"\b(A?GPL|LGPL|GNU|SSPL|BUSL|Commons Clause|proprietary)", re.IGNORECASE)


def dependencies() -> dict[str, Distribution]:
    """Return the distributions that the released packages install on this Python, by name, without extras."""
    found: dict[str, Distribution] = {}
    waiting = [Requirement(name) for name in release.projects()]
    while waiting:
        requirement = waiting.pop()
        name = requirement.name.lower().replace("_", "-").replace(".", "-")
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found[name] = distribution(name)
        waiting += [Requirement(line) for line in found[name].requires or ()]
    return found


def licence(package: Distribution) -> str:
    """Return the SPDX expression of a package, else its classifiers, else its free text."""
    about = package.metadata
    classifiers = [line for line in about.get_all("Classifier", []) if line.startswith("License ::")]
    return "\n".join(about.get_all("License-Expression") or classifiers or about.get_all("License", [])).split("\n")[0]


def test_every_dependency_has_a_permissive_licence() -> None:
    licences = {name: licence(package) for name, package in dependencies().items()}

    assert len(licences) > len(release.projects())
    assert {name: text for name, text in licences.items() if not PERMISSIVE.search(text) or COPYLEFT.search(text)} == {}
