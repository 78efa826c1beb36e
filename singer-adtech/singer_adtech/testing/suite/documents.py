"""Tests of a tap's README."""

from __future__ import annotations

from singer_adtech.testing.suite.base import SuiteBase

CHAPTERS = (
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
)


class DocumentTests(SuiteBase):
    """Tests of the README in the tap's folder; generated parts have a test of the repository."""

    def test_the_readme_has_all_chapters(self) -> None:
        readme = (self.folder() / "README.md").read_text(encoding="utf-8")
        assert [chapter for chapter in CHAPTERS if readme.count(f"\n## {chapter}\n") != 1] == []
