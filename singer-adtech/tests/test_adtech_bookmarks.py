"""Bookmarks that move by windows read whole, and never back."""

from __future__ import annotations

import datetime as dt
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_adtech.errors import StateError
from singer_adtech.progress.bookmarks import Bookmark, DayBookmark, InstantBookmark
from singer_adtech.sdk.streams import SyncedStream
from singer_sdk.helpers._state import StateWriter

if TYPE_CHECKING:
    from singer_adtech.progress.bookmarks import BookmarkKind

NEW_YORK = ZoneInfo("America/New_York")
UTC = dt.timezone.utc


class Stub:
    """A stream and its tap, as far as a bookmark sees them; `states` are the STATE messages, as JSON."""

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        self.states: list[str] = []
        self.stream_state: dict[str, Any] = state or {}
        self.tap_state = {"bookmarks": {"airings": self.stream_state}}
        self.replication_key = "aired_at"
        self.replication_method = "INCREMENTAL"
        self.tap_stream_id = self.name = "airings"
        self.account: str | None = None
        self.signature: dict[str, Any] = {}
        self.states_written = 0
        self.state_writer = StateWriter(SimpleNamespace(write_message=self.write_message))  # type: ignore[arg-type]
        self.tap = self

    write_state = SyncedStream.write_state

    def write_message(self, message: Any) -> None:
        """Note a STATE."""
        self.states_written += 1
        self.states.append(json.dumps(message.value["bookmarks"]["airings"]))


def make(kind: BookmarkKind | None = None, value: Any = None, key: str | None = "aired_at") -> tuple[Stub, Bookmark]:
    state = {} if value is None else {"replication_key": key, "replication_key_value": value}
    stub = Stub(state)
    return stub, Bookmark(stub, kind or DayBookmark())  # type: ignore[arg-type]


def test_the_first_run_has_no_position() -> None:
    assert make()[1].position is None


def test_a_stream_that_a_catalog_makes_full_table_has_no_position_and_keeps_none() -> None:
    # given: the state of an earlier run, and a catalog that asks for the full table
    stub, bookmark = make(value="2024-03-09")
    stub.replication_method = "FULL_TABLE"
    # when: a window is read whole
    position = bookmark.position
    bookmark.advance(dt.date(2024, 3, 20))
    # then: all is read, a STATE tells the loader to commit, and the old bookmark stands
    assert position is None
    assert [json.loads(state)["replication_key_value"] for state in stub.states] == ["2024-03-09"]


def test_looking_at_a_position_leaves_the_state_as_it_is() -> None:
    # given: the state of a first run
    stub, bookmark = make()
    stub.tap_state.clear()
    # when
    position = bookmark.position
    # then
    assert position is None
    assert stub.tap_state == {}


def test_a_position_moves_forward_and_a_state_is_written() -> None:
    # given
    stub, bookmark = make()
    # when
    bookmark.advance(dt.date(2024, 3, 9))
    bookmark.advance(dt.date(2024, 3, 10))
    # then
    assert stub.states == [
        '{"replication_key": "aired_at", "replication_key_value": "2024-03-09"}',
        '{"replication_key": "aired_at", "replication_key_value": "2024-03-10"}',
    ]
    assert bookmark.position == dt.date(2024, 3, 10)


def test_in_the_look_back_it_stays_and_a_state_is_written_all_the_same() -> None:
    # given
    stub, bookmark = make(value="2024-03-11")
    # when
    for day in (9, 10, 11, 12):
        bookmark.advance(dt.date(2024, 3, day))
    # then: the first three are the same, and each is there, as it tells the loader to commit
    values = [json.loads(state)["replication_key_value"] for state in stub.states]
    assert values == ["2024-03-11", "2024-03-11", "2024-03-11", "2024-03-12"]


def test_what_it_was_made_with_is_kept_beside_it() -> None:
    # given
    stub, bookmark = make()
    stub.signature = {"time_zone": "America/New_York"}
    # when
    bookmark.advance(dt.date(2024, 3, 9))
    # then
    assert json.loads(stub.states[0])["time_zone"] == "America/New_York"


@given(days=st.lists(st.dates(dt.date(2020, 1, 1), dt.date(2030, 1, 1)), min_size=1, max_size=20))
def test_it_never_moves_back(days: list[dt.date]) -> None:
    # given
    stub, bookmark = make()
    # when
    for day in days:
        bookmark.advance(day)
    # then
    values = [json.loads(state)["replication_key_value"] for state in stub.states]
    assert values == [max(days[: number + 1]).isoformat() for number in range(len(days))]


def test_instants_are_compared_as_instants() -> None:
    # given: 01:59-04:00 is before 01:01-05:00, though its text is greater
    stub, bookmark = make(InstantBookmark(NEW_YORK), "2024-11-03T01:59:00-04:00")
    # when
    bookmark.advance(dt.datetime(2024, 11, 3, 1, 1, fold=1, tzinfo=NEW_YORK))
    bookmark.advance(dt.datetime(2024, 11, 3, 1, 58, tzinfo=NEW_YORK))
    # then
    values = [json.loads(state)["replication_key_value"] for state in stub.states]
    assert values == ["2024-11-03T01:01:00-05:00"] * 2


def test_an_instant_is_written_with_the_offset_of_its_zone() -> None:
    assert InstantBookmark(NEW_YORK).write(dt.datetime(2024, 3, 11, 4, tzinfo=UTC)) == "2024-03-11T00:00:00-04:00"
    assert InstantBookmark(NEW_YORK).write(dt.datetime(2024, 3, 10, 5, tzinfo=UTC)) == "2024-03-10T00:00:00-05:00"


@pytest.mark.parametrize(
    "text", ["2024-03-11T00:00:00-04:00", "2024-03-11T04:00:00Z", "2024-03-11T00:00:00", "2024-03-11"]
)
def test_an_instant_is_read_in_any_spelling(text: str) -> None:
    assert InstantBookmark(NEW_YORK).read(text) == dt.datetime(2024, 3, 11, 4, tzinfo=UTC)


@given(seconds=st.integers(0, 4_000_000_000))
def test_an_instant_comes_back_as_it_was_written(seconds: int) -> None:
    # given
    instant = dt.datetime.fromtimestamp(seconds, UTC)
    kind = InstantBookmark(NEW_YORK)
    # then
    assert kind.read(kind.write(instant)) == instant


def test_a_day_is_read_from_a_day_and_from_a_date_time_as_written() -> None:
    assert DayBookmark().read("2024-03-11") == dt.date(2024, 3, 11)
    assert DayBookmark().read("2024-03-11T23:00:00-04:00") == dt.date(2024, 3, 11)


@pytest.mark.parametrize("kind", [DayBookmark(), InstantBookmark(NEW_YORK)])
@pytest.mark.parametrize("value", ["yesterday", "", 20240311, ["2024-03-11"]])
def test_a_state_that_is_no_date_is_an_error_that_says_what_to_do(kind: BookmarkKind, value: Any) -> None:
    # given
    _, bookmark = make(kind, value)
    # when
    with pytest.raises(StateError) as caught:
        _ = bookmark.position
    # then
    assert str(caught.value) == (
        f"the state's bookmark {value!r} is not a date or date-time: repair the state, or clear it to read the stream "
        "from the beginning"
    )


def test_a_state_of_another_replication_key_is_refused() -> None:
    # given
    _, bookmark = make(value="2024-03-11", key="updated_at")
    # when
    with pytest.raises(
        StateError, match="belongs to updated_at, and the stream's replication key is aired_at: clear the state"
    ):
        _ = bookmark.position


def test_a_state_that_does_not_name_its_replication_key_is_taken() -> None:
    assert make(value="2024-03-11", key=None)[1].position == dt.date(2024, 3, 11)
