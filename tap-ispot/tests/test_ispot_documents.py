"""What README.md says beyond the generated tables."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent
README = (HERE / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "heading",
    [
        "At a glance",
        "What you can sync",
        "Prerequisites",
        "Installation",
        "Configuration",
        "Capabilities",
        "Usage",
        "Behaviour worth knowing",
        "Errors and what to do",
        "Developer resources",
    ],
)
def test_the_readme_has_this_chapter(heading: str) -> None:
    assert README.count(f"\n## {heading}\n") == 1
