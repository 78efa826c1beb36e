"""What a stream keeps in the state, and which state it continues."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from singer_adtech.errors import StateError
from singer_adtech.progress.continued import ContinuedStream
from singer_adtech.progress.signatures import SEVERAL, narrower, signed
from typing_extensions import override


class Filtered(ContinuedStream):
    """A stream with two filters and a zone, as far as its state is concerned."""

    name = "airings"
    replication_method = "INCREMENTAL"
    filters_of_rows = frozenset({"ids", "national"})

    def __init__(self, state: dict[str, Any], **signature: Any) -> None:
        self.stream_state = state
        self.tap_state = {"bookmarks": {"airings": state}}
        self.tap = SimpleNamespace(account=None)
        self.lines: list[str] = []
        self.log_lines = SimpleNamespace(info=lambda text, *values: self.lines.append(text % values))
        self._signature = signature

    @property
    @override
    def bookmark(self) -> Any:
        return SimpleNamespace(position=None)

    @property
    @override
    def signature(self) -> dict[str, Any]:
        return self._signature


@pytest.mark.parametrize(
    ("then", "now", "narrow"),
    [
        ([], [1], True),
        ([1, 2], [2], True),
        ([1, 2], [2, 1], True),
        ([1], [], False),
        ([1], [1, 2], False),
        ([1], [2], False),
        (False, True, True),
        (True, False, False),
        ("UTC", "Asia/Dubai", False),
        ([], None, False),
        ([1], True, False),
    ],
)
def test_a_filter_is_narrower_if_it_lets_nothing_more_through(then: Any, now: Any, *, narrow: bool) -> None:
    assert narrower(then, now) is narrow


def test_a_narrowed_filter_is_continued_and_signed_again() -> None:
    # given
    stream = Filtered({"ids": [], "national": False, "zone": "UTC"}, ids=[7], national=True, zone="UTC")
    # when
    stream.check_state()
    # then: so that to widen it again is refused
    assert signed(stream) == {"ids": [7], "national": True, "zone": "UTC"}  # type: ignore[arg-type]
    (line,) = stream.lines
    assert line == (
        "its state was made with ids none, now [7], and with national false, now true: the filter is narrower, so "
        "the run continues; to widen it again, read everything again"
    )


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ({"ids": [7], "national": True, "zone": "UTC"}, "ids [7], now none"),
        ({"ids": [], "national": True, "zone": "Asia/Dubai"}, "zone Asia/Dubai, now UTC"),
        ({"ids": [8], "national": False, "zone": "UTC"}, "ids [8], now none, and with national false, now true"),
    ],
)
def test_a_widened_filter_and_another_meaning_are_refused(kept: dict[str, Any], said: str) -> None:
    with pytest.raises(StateError) as refused:
        Filtered(kept, ids=[], national=True, zone="UTC").check_state()
    assert str(refused.value) == (
        f"its state was made with {said}: undo the change, or read everything again under a new state id or with "
        "`--full-refresh`"
    )


def test_a_state_that_is_not_used_may_be_of_anything() -> None:
    # given: a catalog that asks for the full table
    stream = Filtered({"zone": "Asia/Dubai"}, zone="UTC")
    stream.replication_method = "FULL_TABLE"
    # then
    stream.check_state()


def test_where_rows_are_of_several_accounts_none_of_them_tells_whose_they_are() -> None:
    # given
    stream = Filtered({"account": SEVERAL})
    stream.tap.account = "7"
    # when
    stream.check_state()
    # then
    assert signed(stream) == {"account": SEVERAL}  # type: ignore[arg-type]
