"""Tests of a tap's README."""

from __future__ import annotations

import html
import sys

import pytest
from click.testing import CliRunner

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


def cells(row: str) -> list[str]:
    """Return the cells of a row of a Markdown table."""
    return [html.unescape(cell.strip()) for cell in row.strip().strip("|").split("|")]


class DocumentTests(SuiteBase):
    """Tests of the README in the tap's folder; generated parts have a test of the repository."""

    @pytest.fixture
    def readme(self) -> str:
        """Read the README."""
        return (self.folder() / "README.md").read_text(encoding="utf-8")

    def test_the_readme_has_all_chapters(self, readme: str) -> None:
        assert [chapter for chapter in CHAPTERS if readme.count(f"\n## {chapter}\n") != 1] == []

    def test_the_readme_has_the_settings_that_about_prints(self, readme: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "excepthook", sys.excepthook)
        about = CliRunner().invoke(self.tap_class.get_singer_command(), ["--about", "--format=markdown"]).output
        # A setting without a default has None there.
        rows = [cells(line.replace("| None |", "| |")) for line in about.splitlines() if line.startswith("| ")]
        assert len(rows) > len(self.own_settings())
        written = [cells(line) for line in readme.splitlines() if line.startswith("| ")]
        assert [row for row in rows if row not in written] == []

    def test_the_readme_lists_each_stream(self, readme: str) -> None:
        # given the table of streams; rows for a user's own reports are not streams of the tap
        chapter = readme.partition("\n## What you can sync\n")[2].partition("\n## ")[0]
        head, _, *rows = [cells(line) for line in chapter.splitlines() if line.startswith("|")]
        listed = {row[0]: dict(zip(head, row, strict=True)) for row in rows if not row[0].startswith("each report")}
        streams = self.tap_class(validate_config=False).streams
        # then
        assert listed.keys() == streams.keys()
        for name, stream in streams.items():
            row = listed[name]
            key = stream.replication_key
            derived = f"with {stream.parent_stream_type.name}" if stream.parent_stream_type else "full table"
            assert row["primary key"] == ", ".join(stream.primary_keys), name
            assert row["replication"] in ([f"incremental, {key}"] if key else ["full table", derived]), name
            assert row["on by default"] == ("yes" if stream.selected_by_default else "no"), name
            assert f"/{str(getattr(stream, 'path', '')).split('/')[1]}" in row["endpoint"], name
            lookback = row.get("look-back", "yes" if key else "-")
            assert (lookback != "-") == bool(key), name
            assert lookback in {"-", "yes"} or lookback.strip("`") in self.own_settings(), name
