"""Write the table of settings and the list of capabilities into a tap's README, from the tap itself.

They stand between the marks `<!-- about: begin -->` and `<!-- about: end -->`, as `--about --format=markdown` prints
them. `python scripts/readme_tables.py tap-ispot` writes them; with `--check` nothing is written, and the exit code
tells whether they have drifted. What changes without the tap (its version, the library's) is not taken over.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEGIN = "<!-- about: begin -->"
END = "<!-- about: end -->"


def main() -> int:
    """Write or check the README of one tap."""
    parser = argparse.ArgumentParser(description="Write a README's tables from the tap, or check them.")
    parser.add_argument("tap", help="the tap's folder, such as tap-ispot")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the README has drifted")
    chosen = parser.parse_args()
    path = ROOT / chosen.tap / "README.md"
    old = path.read_text(encoding="utf-8")
    if old.count(BEGIN) != 1 or old.count(END) != 1:
        print(f"{path.name} of {chosen.tap} needs the marks {BEGIN} and {END}, once each")
        return 1
    before, _, rest = old.partition(BEGIN)
    _, _, after = rest.partition(END)
    new = f"{before}{BEGIN}\n{tables(about(chosen.tap))}\n{END}{after}"
    if new == old:
        return 0
    if chosen.check:
        print(f"{path.name} of {chosen.tap} has drifted: run `python scripts/readme_tables.py {chosen.tap}`")
        return 1
    path.write_text(new, encoding="utf-8")
    return 0


def about(tap: str) -> str:
    """Return what a tap prints of itself, in Markdown."""
    module = tap.replace("-", "_")
    command = [sys.executable, "-m", module, "--about", "--format=markdown"]
    return subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8").stdout  # noqa: S603 - a tap of this repository


def tables(printed: str) -> str:
    """Take the settings and the capabilities out of what a tap prints, the settings first.

    Args:
        printed: Sections, each under a heading of two signs.

    Returns:
        Both, under headings that fit below the README's chapter on configuration.
    """
    sections = dict(re.findall(r"^## (.+?)\n+(.*?)\s*(?=^## |\Z)", printed, flags=re.DOTALL | re.MULTILINE))
    rows = [row for row in sections["Settings"].splitlines() if row.startswith("|")]
    # A setting without a default is shown with an empty cell, and not with Python's None.
    settings = "\n".join(re.sub(r"^(\| [^|]+ \| [^|]+) \| None \|", r"\1 | |", row) for row in rows)
    return f"\n### Settings\n\n{settings}\n\n## Capabilities\n\n{sections['Capabilities']}\n"


if __name__ == "__main__":
    sys.exit(main())
