"""What README.md says beyond the generated tables."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent.parent
README = (HERE / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "words",
    [
        "A crash of the tap or of the\n  loader between reading and loading loses up to one batch: 100 messages",
        "Other readers of the queue, including other runs of this tap, remove messages too",
        "The queue holds 1,000 messages. After that the vendor drops the oldest ones",
        "`--discover` and `--test` never read it",
    ],
)
def test_the_readme_says_what_the_queue_loses_when(words: str) -> None:
    chapter = README.partition("### The message queue")[2].partition("\n## ")[0]
    assert words in chapter
