"""The message queue: off unless asked for twice, batches with a STATE after each, and what is lost when."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, cast

import pytest
from singer_adtech.testing import select
from tap_spotwatch.tap import TapSpotwatch
from vendor_simulators.faults import Fault
from vendor_simulators.messages import Response
from vendor_simulators.spotwatch import SpotwatchSimulator

if TYPE_CHECKING:
    from io import BytesIO

    from singer_adtech.testing import Run, TapRunner
    from spotwatch_fixtures import Script, Scripted
    from vendor_simulators.messages import Request
    from vendor_simulators.pytest_plugin import Simulate

STREAM = "broadcast_messages"
PATH = "/get-message-queue"
LOST = "stream broadcast_messages: a read of the queue failed, and up to 100 messages may be lost: "


def message(number: Any, **others: Any) -> dict[str, Any]:
    """Make a message of an airing."""
    return {"push_type": "broadcast", "message": {"broadcast": {"id": number}, "timings": {}, "ad": {}}, **others}


def counts(run: Run) -> list[int]:
    """Return the count of messages in each STATE."""
    found = (state["bookmarks"].get(STREAM, {}).get("messages_read") for state in run.states)
    return [count for count in found if count is not None]


def queue(vendor: Scripted, **more: Any) -> dict[str, Any]:
    """Return settings with which the queue is read."""
    return {**vendor.settings(), "message_queue": True, **more}


def test_messages_are_read_in_batches_of_100_with_a_state_after_each(
    run_tap: TapRunner, spotwatch: SpotwatchSimulator
) -> None:
    # given 250 messages
    truth = spotwatch.truth(STREAM)
    # when
    run = run_tap({**spotwatch.settings(), "message_queue": True}, STREAM)
    # then
    assert run.by_key(STREAM, "broadcast_id") == truth
    assert [one.target for one in spotwatch.journal] == [f"{PATH}?num_messages=100"] * 4
    kinds = [one["type"] for one in run.messages]
    states = [place for place, kind in enumerate(kinds) if kind == "STATE"]
    assert states[:3] == [101, 202, 253]
    assert counts(run)[:3] == [100, 200, 250]
    assert spotwatch.truth(STREAM) == []
    # and the oldest came first
    assert run.records(STREAM)[0]["broadcast_id"] == 181132408


def test_a_batch_is_out_before_the_next_is_asked_for(run_tap: TapRunner, script: Script) -> None:
    # given a vendor that looks at stdout whenever it is asked
    written: list[tuple[int, int]] = []
    left = [[message(number) for number in range(100)], [message(100)], []]

    def answer(_: Request) -> Response:
        text = cast("BytesIO", sys.stdout.buffer).getvalue().decode()
        written.append((text.count('"type":"RECORD"'), text.count('"messages_read"')))
        return Response.json({"messages": left.pop(0)})

    vendor = script(answer)
    # when
    run_tap(queue(vendor), STREAM)
    # then
    assert written == [(0, 0), (100, 1), (101, 2)]


def test_the_count_goes_on_from_the_state(run_tap: TapRunner, script: Script) -> None:
    vendor = script.pages(Response.json([message(1), message(2)]), Response.json([]))
    state = {"bookmarks": {STREAM: {"messages_read": 1250}}}
    run = run_tap(queue(vendor), STREAM, state=state)
    assert counts(run)[-1] == 1252


def test_a_larger_batch_than_requested_is_warned_of(run_tap: TapRunner, script: Script) -> None:
    # given a vendor that ignores `num_messages`
    vendor = script.pages(Response.json([message(number) for number in range(101)]), Response.json([]))
    run = run_tap(queue(vendor), STREAM)
    assert len(run.records(STREAM)) == 101
    assert run.warnings() == [
        f"stream {STREAM}: 100 messages were requested, and 101 returned: that many are lost if a read fails"
    ]


def test_an_empty_queue_is_asked_once(run_tap: TapRunner, script: Script) -> None:
    vendor = script.pages(Response.json({"messages": []}))
    run = run_tap(queue(vendor), STREAM)
    assert len(vendor.journal) == 1
    assert run.records(STREAM) == []
    assert counts(run) == []


def test_selected_without_the_setting_it_is_skipped_with_one_warning(
    run_tap: TapRunner, spotwatch: SpotwatchSimulator
) -> None:
    run = run_tap(spotwatch.settings(), STREAM, "regions")
    assert run.warnings() == [
        "stream broadcast_messages: skipped: reading it removes the messages; set `message_queue` to true to read it"
    ]
    assert spotwatch.journal.matching(PATH) == []
    assert len(run.records("regions")) == 4
    assert len(spotwatch.truth(STREAM)) == 250


def test_the_setting_alone_does_not_read_it(run_tap: TapRunner, spotwatch: SpotwatchSimulator) -> None:
    run_tap({**spotwatch.settings(), "message_queue": True, "end_date": "2024-06-08"})
    assert spotwatch.journal.matching(PATH) == []


def test_no_loader_is_told_to_drop_earlier_messages(run_tap: TapRunner, script: Script) -> None:
    vendor = script.pages(Response.json([message(1)]), Response.json([]))
    run = run_tap(queue(vendor, emit_activate_version_messages=True), STREAM)
    assert [one["type"] for one in run.messages][:3] == ["SCHEMA", "RECORD", "STATE"]


@pytest.mark.parametrize("limit", [1, 5, None])
def test_it_is_never_read_by_a_connection_test(spotwatch: SpotwatchSimulator, limit: int | None) -> None:
    # given a catalog that selects it, and the setting
    config = {**spotwatch.settings(), "message_queue": True, "end_date": "2024-06-08"}
    catalog = select(TapSpotwatch, STREAM, "regions")
    tap = TapSpotwatch(config=config, catalog=catalog)
    # when
    tap.run_sync_dry_run(limit)
    # then all others were read
    assert {request.path for request in spotwatch.journal} >= {"/get-ads", "/get-blocks", "/get-all-regions"}
    assert spotwatch.journal.matching(PATH) == []
    assert len(spotwatch.truth(STREAM)) == 250
    assert spotwatch.violations == []


def test_sdk_connection_test_selects_all_and_leaves_the_queue(
    run_tap: TapRunner, spotwatch: SpotwatchSimulator
) -> None:
    run_tap({**spotwatch.settings(), "message_queue": True}, test=True)
    assert spotwatch.journal.matching(PATH) == []
    assert len(spotwatch.truth(STREAM)) == 250


@pytest.mark.parametrize(
    "broken", [{"status": 503}, {"action": "drop"}, {"action": "cut"}, {"action": "html"}], ids=str
)
def test_a_failed_read_is_tried_again_with_a_warning(
    run_tap: TapRunner, spotwatch: SpotwatchSimulator, broken: dict[str, Any]
) -> None:
    # given a second read that fails; where the answer is cut, its messages are gone
    before = spotwatch.truth(STREAM)
    spotwatch.faults.add(Fault(path=PATH, nth=2, **broken))
    # when
    run = run_tap({**spotwatch.settings(), "message_queue": True}, STREAM)
    # then
    assert len(run.warnings()) == 1
    assert run.warnings()[0].startswith(LOST)
    assert run.clock.waits == [1]
    cut = broken.get("action") == "cut"
    assert len(run.records(STREAM)) == (150 if cut else 250)
    assert counts(run)[-1] == len(run.records(STREAM))
    assert all(record in before for record in run.records(STREAM))


def test_a_read_that_keeps_failing_ends_the_run_after_what_was_read(
    run_tap: TapRunner, spotwatch: SpotwatchSimulator
) -> None:
    spotwatch.faults.add(Fault(path=PATH, nth=2, times=None, status=500))
    run = run_tap({**spotwatch.settings(), "message_queue": True}, STREAM, fails=True)
    assert run.error.startswith("stream broadcast_messages: HTTP 500 Internal Server Error")
    assert (len(run.records(STREAM)), counts(run)) == (100, [100])
    assert len([one for one in run.warnings() if one.startswith(LOST)]) == 5


def test_what_cannot_be_read_of_a_batch_ends_the_run_after_the_rest(run_tap: TapRunner, script: Script) -> None:
    # given a message without an airing, and one that is none, among three
    bad = [{"push_type": "ping", "message": {}}, {"ping": "random"}]
    vendor = script.pages(Response.json([message(1), *bad, message(2), message(3)]))
    # when
    run = run_tap(queue(vendor), STREAM, fails=True)
    # then those that can be read are out with a STATE
    assert [row["broadcast_id"] for row in run.records(STREAM)] == [1, 2, 3]
    assert counts(run) == [5]
    assert run.error.startswith("stream broadcast_messages: a row has no value for its key `broadcast_id`")
    assert len(vendor.journal) == 1


@pytest.mark.parametrize("answer", [{"news": []}, {"messages": None}, {"messages": {}}, "no", None])
def test_an_answer_of_another_shape_ends_the_run(run_tap: TapRunner, script: Script, answer: Any) -> None:
    vendor = script.pages(Response.json(answer))
    run = run_tap(queue(vendor), STREAM, fails=True)
    assert run.error == (
        "stream broadcast_messages: /get-message-queue did not return a list of messages: up to 100 "
        "messages may be lost; report this to the tap's authors"
    )


@pytest.mark.parametrize("media", [False, True])
@pytest.mark.parametrize("payload", [False, True])
def test_the_columns_of_a_message(run_tap: TapRunner, script: Script, *, media: bool, payload: bool) -> None:
    # given the message of the vendor's page, with what settings ask for, a secret, and fields of no document
    broadcast = {"id": 181132408, "time": "2024-07-29T19:31:01Z", "channel": "tlc", "blockindex": 13}
    ad = {"id": 8693926032257232, "brand": "emma"}
    optional = {"media": {"image": None}, "user_payload": "mine"}
    timings = {"start": "2024-07-29T19:31:01Z", "end": "2024-07-29T19:31:11Z", "detected": "2024-07-29T19:31:04Z"}
    inner = {"broadcast": broadcast, "timings": {**timings, "aired": 1}, "ad": {**ad, **optional}, "mood": "good"}
    sent = {"push_type": "broadcast", "token": "a-shared-secret", "message": inner, "version": 2}
    vendor = script.pages(Response.json([sent, sent]), Response.json([]))
    # when
    run = run_tap(queue(vendor, include_media=media, include_user_payload=payload), STREAM)
    # then: sent twice, it is one row
    wanted = [name for name, on in (("media", media), ("user_payload", payload)) if on]
    assert run.records(STREAM) == [
        {
            "broadcast_id": 181132408,
            "push_type": "broadcast",
            "timings_start": "2024-07-29T19:31:01Z",
            "timings_end": "2024-07-29T19:31:11Z",
            "timings_detected": "2024-07-29T19:31:04Z",
            "broadcast": broadcast,
            "ad": {**ad, **{name: optional[name] for name in wanted}},
            "_extra": {"version": 2, "timings_aired": 1, "message_mood": "good"},
        }
    ]
    assert counts(run)[-1] == 2
    assert "a-shared-secret" not in run.output


def test_no_call_that_changes_the_account_is_ever_made(run_tap: TapRunner, simulate: Simulate) -> None:
    # given every stream, twice
    vendor = simulate(SpotwatchSimulator(days=2, rows_per_day=20))
    streams = TapSpotwatch(validate_config=False).streams
    config = {**vendor.settings(), "end_date": "2024-03-02", "include_media": True, "page_size": 5}
    for _ in range(2):
        run_tap({**config, "message_queue": True}, *streams)
    # then
    calls = {request.path for request in vendor.journal if request.path not in vendor.chains.issued}
    assert calls == {
        "/get-ads",
        "/get-broadcasts",
        "/get-blocks",
        "/get-all-channels",
        "/get-tracked-channels",
        "/get-all-regions",
        "/get-all-categories",
        "/get-all-brands",
        "/get-all-tv-genres",
        "/get-message-queue",
    }
    assert {request.method for request in vendor.journal} == {"GET"}
    assert vendor.violations == []


def test_a_queue_that_gives_the_same_messages_for_ever_ends(run_tap: TapRunner, script: Script) -> None:
    # given a queue that does not forget
    vendor = script(lambda _: Response.json({"messages": [message(1), message(2)]}))
    # when
    run = run_tap(queue(vendor), STREAM, fails=True)
    # then it is asked three times more, and every message was written once
    assert run.error.startswith("stream broadcast_messages: the list does not end: 3 pages in a row have no new row: ")
    assert [row["broadcast_id"] for row in run.records(STREAM)] == [1, 2]
    assert len(vendor.journal) == 4
    assert counts(run)[-1] == 8


def test_a_queue_that_is_filled_faster_than_it_is_read_is_left_to_the_next_run(
    run_tap: TapRunner, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a queue that always has another message, and a memory of three
    monkeypatch.setattr("tap_spotwatch.queue.MOST_BATCHES", 7)
    monkeypatch.setattr("tap_spotwatch.queue.REMEMBERED", 3)
    numbers = iter(range(10**9))
    vendor = script(lambda _: Response.json({"messages": [message(next(numbers))]}))
    # when
    run = run_tap(queue(vendor), STREAM)
    # then
    assert [row["broadcast_id"] for row in run.records(STREAM)] == list(range(7))
    assert run.warnings() == [
        "stream broadcast_messages: 7 batches read, and the queue is not empty: the next run continues"
    ]
