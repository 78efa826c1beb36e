"""Streams: windows, bookmarks, pages and rows together, against a made-up vendor."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.errors import DataError, StateError, VendorError

if TYPE_CHECKING:
    from collections.abc import Callable

    from acme_vendor import AcmeVendor
    from adtech_fixtures import Run
    from local_server import Call, Reply

MIDNIGHTS = ["2024-03-09T00:00:00-05:00", "2024-03-10T00:00:00-05:00", "2024-03-11T00:00:00-04:00"]


def bookmark(value: str, **extra: Any) -> dict[str, Any]:
    return {"bookmarks": {"airings": {"replication_key": "airing_day", "replication_key_value": value} | extra}}


def finished(run: Run) -> Run:
    if run.error is not None:
        raise run.error
    return run


# ------------------------------------------------------------------------------------------------- windows, bookmarks


def test_the_first_run_reads_each_day_and_writes_a_state_after_each(
    acme: AcmeVendor, run_tap: Callable[..., Run]
) -> None:
    # when
    run = finished(run_tap("airings"))
    # then: three pages on the first day, one (empty) on the second, one on the last, which `end_date` includes
    assert acme.data_calls()[0] == ("2024-03-08", "1")
    assert sorted(acme.data_calls()) == [
        ("2024-03-08", "1"), ("2024-03-08", "2"), ("2024-03-08", "3"), ("2024-03-09", "1"), ("2024-03-10", "1"),
    ]  # fmt: skip
    assert [message["type"] for message in run.messages] == [
        "SCHEMA", *["RECORD"] * 5, "STATE", "STATE", *["RECORD"] * 2, "STATE",
    ]  # fmt: skip
    assert run.bookmarks("airings") == MIDNIGHTS
    assert [record["airing_id"] for record in run.records("airings")] == ["1", "2", "3", "4", "5", "6", "7"]


def test_a_later_run_looks_back_and_the_bookmark_stays_meanwhile(acme: AcmeVendor, run_tap: Callable[..., Run]) -> None:
    # given
    state = bookmark("2024-03-11T00:00:00-04:00")
    # when
    run = finished(run_tap("airings", state=state, end_date="2024-03-12"))
    # then: two days before the bookmark are read again; the first STATE is singer-sdk's, of the state it was given
    assert [day for day, _ in acme.data_calls()] == ["2024-03-09", "2024-03-10", "2024-03-11", "2024-03-12"]
    assert run.bookmarks("airings") == [
        *["2024-03-11T00:00:00-04:00"] * 3, "2024-03-12T00:00:00-04:00", "2024-03-13T00:00:00-04:00",
    ]  # fmt: skip


def test_the_look_back_ends_at_the_start_date(acme: AcmeVendor, run_tap: Callable[..., Run]) -> None:
    # when
    finished(run_tap("airings", state=bookmark("2024-03-10T00:00:00-05:00"), lookback_days=30))
    # then
    assert acme.data_calls()[0] == ("2024-03-08", "1")


def test_windows_of_several_days_are_cut_at_the_end(acme: AcmeVendor, run_tap: Callable[..., Run]) -> None:
    # when
    run = finished(run_tap("airings", window_days=2))
    # then
    asked = [(call.query["start"], call.query["end"]) for call in acme.server.calls if call.path == "/v1/airings"]
    assert sorted(set(asked)) == [("2024-03-08", "2024-03-09"), ("2024-03-10", "2024-03-10")]
    assert run.bookmarks("airings") == MIDNIGHTS[1:]


def test_a_bookmark_beyond_the_end_reads_the_look_back_only(acme: AcmeVendor, run_tap: Callable[..., Run]) -> None:
    # when
    run = finished(run_tap("airings", state=bookmark("2024-03-12T00:00:00-04:00")))
    # then
    assert [day for day, _ in acme.data_calls()] == ["2024-03-10"]
    assert run.bookmarks("airings")[-1] == "2024-03-12T00:00:00-04:00"


@pytest.mark.parametrize("parallel", [{"parallel_requests": 1}, {"parallel_requests": 3}, {"parallel_windows": 2}])
def test_a_run_that_dies_anywhere_goes_on_at_its_window_and_loses_nothing(
    acme: AcmeVendor, run_tap: Callable[..., Run], parallel: dict[str, int]
) -> None:
    # given: a run that is not stopped
    whole = {record["airing_id"]: record for record in finished(run_tap("airings", **parallel)).records("airings")}
    requests = sorted(acme.data_calls())
    died_in: set[str | None] = set()
    for fatal in requests:
        # when: a run dies at this request of it, and another goes on from its last STATE
        acme.before = lambda call, fatal=fatal: (  # type: ignore[misc]  # mypy knows no defaults of lambdas
            acme.server.json({"title": "Gone"}, 410) if (call.query["start"], call.query["page"]) == fatal else None
        )
        dead = run_tap("airings", **parallel)
        acme.before = lambda _: None
        assert isinstance(dead.error, VendorError)
        died_in.add(dead.error.window)
        acme.server.calls.clear()
        state = dead.states[-1] if dead.states else None
        rest = finished(run_tap("airings", state=state, lookback_days=0, **parallel))
        # then: the second begins at the window in which the first died, and both together have every row
        first = min(day for day, _ in acme.data_calls())
        assert dead.error.window == f"{first}..{first}"
        rows = {record["airing_id"]: record for record in dead.records("airings") + rest.records("airings")}
        assert rows == whole
        assert rest.bookmarks("airings")[-1] == MIDNIGHTS[-1]
    assert died_in == {f"{day}..{day}" for day in ("2024-03-08", "2024-03-09", "2024-03-10")}


def test_a_state_that_cannot_be_read_ends_the_run_with_stream_and_remedy(
    acme: AcmeVendor, run_tap: Callable[..., Run]
) -> None:
    # when
    run = run_tap("airings", state=bookmark("last week"))
    # then
    assert isinstance(run.error, StateError)
    assert str(run.error).startswith(
        "stream airings: the state's bookmark 'last week' is not a date or date-time: repair"
    )
    assert acme.data_calls() == []


def test_windows_are_read_side_by_side_and_given_out_in_order(acme: AcmeVendor, run_tap: Callable[..., Run]) -> None:
    # given: the first pages of two days wait for each other
    together = threading.Barrier(2, timeout=10)

    def meet(call: Call) -> None:
        if call.query["page"] == "1" and call.query["start"] != "2024-03-10":
            together.wait()

    acme.before = meet
    # when
    run = finished(run_tap("airings", parallel_windows=2))
    # then
    assert [record["airing_id"] for record in run.records("airings")] == ["1", "2", "3", "4", "5", "6", "7"]
    assert run.bookmarks("airings") == MIDNIGHTS
    assert acme.tokens == 1


# ------------------------------------------------------------------------------------------------------- pages, rows


def test_pages_are_fetched_side_by_side_and_their_rows_come_in_order(
    acme: AcmeVendor, run_tap: Callable[..., Run], write_airing: Callable[..., str]
) -> None:
    # given: nine pages; pages 2 to 4 wait for each other
    acme.airings = {"2024-03-08": [write_airing(number, "2024-03-08") for number in range(1, 19)]}
    together = threading.Barrier(3, timeout=10)

    def meet(call: Call) -> None:
        if call.query["page"] in {"2", "3", "4"}:
            together.wait()

    acme.before = meet
    # when
    run = finished(run_tap("airings", parallel_requests=4, end_date="2024-03-08"))
    # then
    assert [int(record["airing_id"]) for record in run.records("airings")] == list(range(1, 19))
    assert acme.server.most_in_flight <= 4
    assert sorted(int(page) for _, page in acme.data_calls()) == list(range(1, 10))


def test_pages_that_wait_are_bytes_and_one_at_a_time_is_decoded(
    acme: AcmeVendor, acme_module: Any, acme_config: Any, wait_until: Callable[[Callable[[], object]], None]
) -> None:
    # given: nine pages of two rows, of which four may be held
    acme.airings["2024-03-08"] *= 3
    tap = acme_module.TapAcme(config=acme_config | {"parallel_requests": 4})
    stream = tap.streams["airings"]
    decoded: list[bytes] = []
    parse = stream.parse_response

    def note(response: Any) -> Any:
        decoded.append(response.content)
        return parse(response)

    stream.parse_response = note
    # when: one row is taken
    records = stream.get_records(None)
    next(records)
    # then: three more pages came meanwhile, no further ones, and only the first was decoded
    wait_until(lambda: len(acme.data_calls()) == 4)
    time.sleep(0.05)
    assert len(acme.data_calls()) == 4
    assert len(decoded) == 1
    records.close()
    tap.session.close()


def test_a_chain_of_cursors_is_read_to_its_end(acme: AcmeVendor, run_tap: Callable[..., Run]) -> None:
    # when
    run = finished(run_tap("events"))
    # then
    assert [record["id"] for record in run.records("events")] == [1, 2, 3, 4]
    assert [call.query.get("cursor") for call in acme.server.calls[1:]] == [None, "1", "2", "3"]


def test_a_row_comes_once_in_a_window(acme: AcmeVendor, run_tap: Callable[..., Run]) -> None:
    # given: a tie moved between two pages, so that one row came twice
    rows = acme.airings["2024-03-08"]
    rows[2] = rows[1]
    acme.totals_off_by = -1
    # when
    run = finished(run_tap("airings", end_date="2024-03-08", row_count_check="fail"))
    # then: the count is of distinct rows
    assert [record["airing_id"] for record in run.records("airings")] == ["1", "2", "4", "5"]


@pytest.mark.usefixtures("acme")
def test_a_stream_without_a_key_keeps_every_row(run_tap: Callable[..., Run]) -> None:
    # given: a catalog that names no key
    def without_key(tap: Any) -> None:
        tap.streams["spots"].primary_keys = ()

    # when
    run = finished(run_tap("spots", patch=without_key, row_count_check="fail"))
    # then
    assert [record["id"] for record in run.records("spots")] == [1, 2, 3]


def test_a_difference_from_the_vendors_total_warns(
    acme: AcmeVendor, run_tap: Callable[..., Run], log: list[str]
) -> None:
    # given
    acme.totals_off_by = 2
    # when
    run = finished(run_tap("airings", end_date="2024-03-08", row_count_check="warn"))
    # then
    assert run.bookmarks("airings") == MIDNIGHTS[:1]
    where = "stream airings: window 2024-03-08..2024-03-08: 5 rows read, and the reported total is 7"
    assert [line for line in log if "reported total" in line] == [
        f"{where}; read again from its first request",
        f"{where} (read 2 times): the run continues because `row_count_check` is `warn`",
    ]
    assert [record["airing_id"] for record in run.records("airings")] == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("parallel", [1, 3])
def test_a_window_that_lacks_rows_is_read_again_whoever_fetched_it_first(
    acme: AcmeVendor, run_tap: Callable[..., Run], parallel: int
) -> None:
    # given: the last window has one of its two rows at its first reading
    asked = []

    def half(call: Call) -> Reply | None:
        if call.query.get("start") != "2024-03-10":
            return None
        asked.append(call)
        body = f'{{"data": [{acme.airings["2024-03-10"][1]}], "meta": {{"total": 2, "pages": 1}}}}'
        return acme.server.reply(200, body.encode()) if len(asked) == 1 else None

    acme.before = half
    # when
    run = finished(run_tap("airings", parallel_windows=parallel, page_size=10))
    # then: each row once
    assert [record["airing_id"] for record in run.records("airings")] == ["1", "2", "3", "4", "5", "7", "6"]
    assert len(asked) == 2
    assert run.bookmarks("airings")[:3] == MIDNIGHTS


def test_a_row_of_another_window_fails_the_stream_and_none_of_its_page_is_emitted(
    acme: AcmeVendor, run_tap: Callable[..., Run], write_airing: Callable[..., str]
) -> None:
    # given
    acme.airings["2024-03-10"].append(write_airing(99, "2024-03-08"))
    # when
    run = run_tap("airings", page_size=10)
    # then
    assert str(run.error) == (
        "stream airings, window 2024-03-10..2024-03-10: the response has a row of 2024-03-08, outside of the "
        "requested window: a cache or a gateway may have sent it, or the vendor ignored the filter by time: run again "
        "later; if it happens again, report it to the vendor"
    )
    assert {record["airing_day"] for record in run.records("airings")} == {"2024-03-08"}
    assert run.bookmarks("airings")[-1] == MIDNIGHTS[1]


def test_a_difference_can_fail_the_run_and_the_bookmark_stays_before_the_window(
    acme: AcmeVendor, run_tap: Callable[..., Run]
) -> None:
    # given: totals are wrong from the last day on
    def lie(call: Call) -> None:
        acme.totals_off_by = 1 if call.query.get("start") == "2024-03-10" else 0

    acme.before = lie
    # when
    run = run_tap("airings", row_count_check="fail")
    # then
    assert isinstance(run.error, DataError)
    assert str(run.error).startswith(
        "stream airings, window 2024-03-10..2024-03-10: 2 rows read, and the reported total is 3 (read 2 times): run"
    )
    assert run.bookmarks("airings")[-1] == "2024-03-10T00:00:00-05:00"


def test_a_total_of_a_whole_list_is_checked_too(acme: AcmeVendor, run_tap: Callable[..., Run]) -> None:
    # given
    acme.totals_off_by = 1
    # when
    run = run_tap("spots", row_count_check="fail")
    # then
    assert str(run.error).startswith(
        "stream spots: 3 rows read, and the reported total is 4 (read 2 times): run again later"
    )


def test_numbers_are_exact_from_the_wire_to_the_record_line(
    acme: AcmeVendor, run_tap: Callable[..., Run], write_airing: Callable[..., str]
) -> None:
    # given: as text and as numbers, beyond what a float holds
    spends = ['"845199.10"', "0.1000000000000000055511151231257827", "98765432109876543210", '"1e2"', '""', "null"]
    acme.airings = {"2024-03-08": [write_airing(n, "2024-03-08", spend) for n, spend in enumerate(spends)]}
    # when
    run = finished(run_tap("airings", end_date="2024-03-08", page_size=10))
    # then
    written = [line.split('"airing_spend":')[1].split(",")[0] for line in run.output.splitlines() if "RECORD" in line]
    assert written == [
        "845199.10", "0.1000000000000000055511151231257827", "98765432109876543210", "1E+2", "null", "null",
    ]  # fmt: skip


def test_undeclared_fields_are_kept_exactly_and_named_once(
    acme: AcmeVendor, run_tap: Callable[..., Run], log: list[str]
) -> None:
    # given
    rate = '{"data": {"id": "1", "rate": 0.10}, "meta": {}}'
    acme.airings = {"2024-03-08": [f'{{"airing": {rate}}}'], "2024-03-09": [f'{{"airing": {rate}, "spot": []}}']}
    # when
    run = finished(run_tap("airings", end_date="2024-03-09"))
    # then
    assert run.output.count('"_extra":{"airing_rate":0.10}') == 2
    assert [line for line in log if "airing_rate" in line] == [
        "stream airings: The field `airing_rate` is not in the schema: kept in `_extra`"
    ]


def test_a_row_without_its_key_fails_naming_stream_and_window(acme: AcmeVendor, run_tap: Callable[..., Run]) -> None:
    # given
    acme.airings["2024-03-10"] = ['{"airing": {"data": {"id": null}}}']
    # when
    run = run_tap("airings")
    # then
    assert str(run.error).startswith(
        "stream airings, window 2024-03-10..2024-03-10: a row has no value for its key `airing_id`"
    )


def test_a_body_that_breaks_off_is_asked_for_again_and_no_row_is_doubled(
    acme: AcmeVendor, run_tap: Callable[..., Run], waits: list[float]
) -> None:
    # given: page 2 breaks off once, in the middle of a row
    def cut(call: Call) -> Reply | None:
        first = sum(one.query.get("page") == "2" for one in acme.server.calls) == 1
        return acme.server.reply(200, b'{"data": [{"airing": {') if call.query["page"] == "2" and first else None

    acme.before = cut
    # when
    run = finished(run_tap("airings", end_date="2024-03-08"))
    # then
    assert [record["airing_id"] for record in run.records("airings")] == ["1", "2", "3", "4", "5"]
    assert waits == [1]


def test_an_error_says_stream_window_what_the_vendor_said_and_what_to_do(
    acme: AcmeVendor, run_tap: Callable[..., Run]
) -> None:
    # given
    acme.before = lambda call: (
        acme.server.json({"title": "Not yours"}, 403, X_Request_ID="r-1") if "09" in call.query["start"] else None
    )
    # when
    run = run_tap("airings")
    # then
    assert str(run.error) == (
        'stream airings, window 2024-03-09..2024-03-09: HTTP 403 Forbidden "Not yours" (X-Request-ID r-1): '
        "no access: ask the vendor for it, or deselect it: `meltano select tap-acme "
        '--exclude airings "*"`, or `"selected": false` in the catalog'
    )
