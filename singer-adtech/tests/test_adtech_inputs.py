"""Files of the command line; what they may hold, tests of all taps together try (`tests/test_taps_inputs.py`)."""

from __future__ import annotations

import io
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.runs.inputs import (
    InputError,
    check_catalog,
    listed,
    read_json,
    read_settings,
    state_lines,
    unwrap_state,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_numbers_are_exact_and_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    # given
    file = tmp_path / "config.json"
    file.write_bytes(b'\xef\xbb\xbf{"factor": 0.10, "big": 123456789012345678901234567890}')
    # then
    assert read_settings(str(file)) == {"factor": Decimal("0.10"), "big": 123456789012345678901234567890}


def test_a_file_may_be_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b'{"bookmarks": {}}')))
    # then
    assert read_json("-", "--state") == {"bookmarks": {}}


def test_an_option_that_names_no_file_is_refused() -> None:
    with pytest.raises(InputError, match="`--config`: the file name is empty"):
        read_settings("")


def test_what_meltano_keeps_of_a_run_in_part_stands_above_what_whole_runs_have() -> None:
    # given
    completed = {"singer_state": {"bookmarks": {"a": {"v": 1}, "b": {"v": 1}}}}
    partial = {"singer_state": {"bookmarks": {"b": {"v": 2}}}}
    # then
    assert unwrap_state({"completed": completed, "partial": partial}) == {"bookmarks": {"a": {"v": 1}, "b": {"v": 2}}}


def test_a_state_of_this_tap_is_silent() -> None:
    states: list[dict[str, Any]] = [
        {},
        {"bookmarks": {}},
        {"bookmarks": {"a": {}}},
        {"currently_syncing": None},
    ]
    assert [list(state_lines(state, ["a"])) for state in states] == [[]] * len(states)


def test_a_catalog_of_the_right_shape_is_taken() -> None:
    # given
    stream = {
        "tap_stream_id": "a",
        "schema": {"properties": {"id": {"type": "integer"}}},
        "metadata": [{"breadcrumb": [], "metadata": {"selected": True}}],
        "key_properties": ["id"],
        "replication_key": None,
    }
    # then
    assert check_catalog({"streams": [stream]}) == {"streams": [stream]}


def test_many_names_are_counted() -> None:
    assert listed("abcdefg") == "a, b, c, d, e and 2 more"
    assert listed("abcde") == "a, b, c, d, e"
