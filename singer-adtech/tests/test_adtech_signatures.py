"""What a bookmark was made with: a state of another meaning is refused, and nothing else is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from singer_adtech.errors import StateError
from singer_adtech.progress.signatures import UNDO, check_signature


def stream(state: Any, **signature: Any) -> Any:
    """Make what a check looks at: a stream with a signature and the state that a run was given."""
    return SimpleNamespace(name="daily", tap_state=state, signature=signature, filters_of_rows=frozenset())


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"bookmarks": {}},
        {"bookmarks": None},
        {"bookmarks": {"daily": {}}},
        {"bookmarks": {"daily": {"replication_key_value": "2024-03-09"}}},
        {"bookmarks": {"daily": {"zone": "UTC", "filters": {}}, "other": {"zone": "Asia/Dubai"}}},
        {"bookmarks": {"daily": {"zone": "UTC", "something": "else"}}},
    ],
)
def test_a_state_without_another_signature_is_taken(state: Any) -> None:
    # given
    looked_at = stream(state, zone="UTC", filters={})
    # when
    check_signature(looked_at)
    # then: the state is as it was, as an entry that nobody asked for would be written out
    assert looked_at.tap_state is state


@pytest.mark.parametrize(
    ("kept", "now", "said"),
    [
        ("UTC", "Asia/Dubai", "UTC, now Asia/Dubai"),
        (["day", "os"], ["day"], "day, os, now day"),
        ({"os": ["iOS"]}, {}, '{"os":["iOS"]}, now none'),
        ([], ["a"], "none, now a"),
        (None, 7, "none, now 7"),
        ([1, 2], [1], "[1,2], now [1]"),
    ],
)
def test_another_signature_is_refused_in_one_line(kept: Any, now: Any, said: str) -> None:
    with pytest.raises(StateError) as refused:
        check_signature(stream({"bookmarks": {"daily": {"thing": kept}}}, thing=now), what="report daily: ")
    assert str(refused.value) == f"report daily: its state was made with thing {said}: {UNDO}"
