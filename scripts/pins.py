"""Write the versions of the current environment into pyproject.toml, without registry addresses.

`uv.lock` contains the registry's host, so it is not committed; `constraint-dependencies` pins the same versions, in
Meltano's plugin environments too. To upgrade, run `make pins`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXPORT = ["--all-packages", "--all-groups", "--no-emit-workspace"]
PLAIN = ["--no-hashes", "--no-annotate", "--no-header", "--quiet"]
UNCONSTRAINED = frozenset({"jsonschema", "pytz", "simplejson", "singer-sdk"})
"""Packages that a loader needs in another version; the group `pins` and `pip_url` pin them for our packages."""


def main() -> None:
    """Replace the list between the markers in pyproject.toml."""
    uv = sys.argv[1]
    exported = subprocess.run(  # noqa: S603 - the uv that the Makefile installed
        [uv, "export", "--format", "requirements-txt", *EXPORT, *PLAIN],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    pins = [
        line
        for line in exported.splitlines()
        if re.match(r"[A-Za-z0-9]", line) and re.split(r"[=\[ ;]", line, maxsplit=1)[0] not in UNCONSTRAINED
    ]
    path = ROOT / "pyproject.toml"
    listed = "".join(f'    "{_single_quoted(pin)}",\n' for pin in pins)
    text = re.sub(
        r"(# pins: begin.*?\n).*?(    # pins: end)",
        lambda marks: marks[1] + listed + marks[2],
        path.read_text(),
        flags=re.DOTALL,
    )
    path.write_text(text)
    print(f"{len(pins)} pins written")


def _single_quoted(pin: str) -> str:
    """Use single quotes in a marker, so that the pin fits into a TOML string."""
    return pin.replace('"', "'")


if __name__ == "__main__":
    main()
