"""README.md and meltano.yml against the tap: what they say of streams and settings has not drifted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from singer_adtech.streams.base import AdTechStream
from tap_spotwatch.tap import TapSpotwatch

HERE = Path(__file__).resolve().parent.parent
README = (HERE / "README.md").read_text(encoding="utf-8")
PROJECT: dict[str, Any] = yaml.safe_load((HERE / "meltano.yml").read_text(encoding="utf-8"))
PLUGIN: dict[str, Any] = PROJECT["plugins"]["extractors"][0]


def test_the_tables_of_the_readme_are_what_about_prints() -> None:
    command = [sys.executable, str(HERE.parent / "scripts" / "readme_tables.py"), "tap-spotwatch", "--check"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stdout) == (0, "")


def test_the_readme_lists_every_stream_as_it_is() -> None:
    rows = {
        cells[0]: cells[1:]
        for line in README.splitlines()
        if line.startswith("| ") and len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 7
    }
    streams = TapSpotwatch(validate_config=False).streams
    assert rows.keys() - {"stream", "---"} == streams.keys()
    for name, stream in streams.items():
        assert isinstance(stream, AdTechStream)
        key = stream.replication_key
        method = f"incremental, {key}" if key else "with blocks" if stream.parent_stream_type else "full table"
        lookback = getattr(stream, "lookback_setting", None)
        assert rows[name][:5] == [
            stream.path,
            ", ".join(stream.primary_keys),
            method,
            f"`{lookback}`" if lookback else "-",
            "yes" if stream.selected_by_default else "no",
        ]


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


def test_meltano_yml_selects_what_is_on_by_default_and_never_the_queue() -> None:
    streams = TapSpotwatch(validate_config=False).streams.values()
    assert set(PLUGIN["select"]) == {f"{stream.name}.*" for stream in streams if stream.selected_by_default}
    assert "broadcast_messages.*" not in PLUGIN["select"]
    assert PLUGIN["settings_group_validation"] == [["api_key", "start_date"]]
    assert PLUGIN["capabilities"] == sorted(one.value for one in TapSpotwatch.capabilities)
    assert (PLUGIN["namespace"], PLUGIN["pip_url"]) == ("tap_spotwatch", "-e ../singer-adtech -e .")
