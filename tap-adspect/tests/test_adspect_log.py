"""The click log: windows, caps that nobody tells, twins, edges, keys, and what becomes of addresses."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.progress.signatures import UNDO
from singer_adtech.testing import FakeClock, select
from tap_adspect.filters import FILTERS
from tap_adspect.keys import KeyReader
from tap_adspect.tap import TapAdspect
from vendor_simulators.adspect import AdspectSimulator
from vendor_simulators.faults import Fault
from vendor_simulators.messages import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from adspect_fixtures import Script, Scripted
    from singer_adtech.testing import TapRunner
    from vendor_simulators.messages import Request
    from vendor_simulators.pytest_plugin import Simulate

LOG = "/v1/reports/log"
START = 1743120000
"""2025-03-28T00:00:00Z."""
LOG_END = dt.datetime(2025, 4, 1, 20, 15, tzinfo=dt.timezone.utc)
SALT = "0123456789abcdef"


def asked(vendor: Scripted | AdspectSimulator) -> list[tuple[int, int]]:
    """Return the bounds of the requests for the log, in seconds from the first day's start.

    Those that follow an empty response, and are the same, are left out.
    """
    bounds = [
        (int(request.param("date_from") or 0) - START, int(request.param("date_to") or 0) - START)
        for request in vendor.journal.matching(LOG)
    ]
    return [one for one, _ in itertools.groupby(bounds)]


def text(moment: int) -> str:
    """Spell a second as the log does."""
    return f"{dt.datetime.fromtimestamp(START + moment, dt.timezone.utc):%Y-%m-%d %H:%M:%S}"


def click(request: Request, **values: Any) -> list[Any]:
    """Make a row of what a request asks for."""
    names = [value for name, value in request.params if name == "columns[]"]
    return [values.get(name) for name in names]


def lines(rows: list[list[Any]], empty: str = "") -> Response:
    """Make an answer of rows; of none, with the body `empty`."""
    return Response.text("".join(f"{json.dumps(row)}\n" for row in rows) or empty)


@pytest.fixture
def empty(script: Script) -> Scripted:
    """A vendor without a click."""
    return script.body("[]")


@pytest.mark.parametrize(
    ("given", "windows", "bookmarks"),
    [
        # From the start to now less the lag, to the minute: it is 20:30:40
        (
            {"start_date": "2025-04-01T18:00:30Z"},
            [(410430, 414030), (414030, 417630), (417630, 418500)],
            ["2025-04-01T19:00:30Z", "2025-04-01T20:00:30Z", "2025-04-01T20:15:00Z"],
        ),
        ({"start_date": "2025-04-01T20:00:00", "log_lag_minutes": 0}, [(417600, 419400)], ["2025-04-01T20:30:00Z"]),
        # To the midnight that closes the last day, in the zone of the days
        (
            {"end_date": "2025-03-28", "log_window_minutes": 720},
            [(0, 43200), (43200, 86400)],
            ["2025-03-28T12:00:00Z", "2025-03-29T00:00:00Z"],
        ),
        (
            {"end_date": "2025-03-28", "time_zone": "America/New_York", "log_window_minutes": 1440},
            [(14400, 100800)],
            ["2025-03-29T04:00:00Z"],
        ),
        # A day of 23 hours
        (
            {"start_date": "2025-03-30", "end_date": "2025-03-30", "time_zone": "Europe/Berlin"},
            [(169200 + hour * 3600, 172800 + hour * 3600) for hour in range(23)],
            None,
        ),
    ],
)
def test_windows(
    run_tap: TapRunner,
    empty: Scripted,
    given: dict[str, Any],
    windows: list[tuple[int, int]],
    bookmarks: list[str] | None,
) -> None:
    run = run_tap({**empty.settings(), **given}, "click_log")
    assert asked(empty) == windows
    assert {request.param("time_zone") for request in empty.journal} == {"UTC"}
    # A STATE follows each window, empty ones too
    assert run.bookmarks("click_log") == (bookmarks or run.bookmarks("click_log"))
    assert len(run.bookmarks("click_log")) == len(windows)


@pytest.mark.parametrize(("hours", "first"), [(24, 43200), (0, 129600), (720, 0)])
def test_the_look_back_is_in_hours_and_not_before_the_start(
    run_tap: TapRunner, empty: Scripted, hours: int, first: int
) -> None:
    state = {
        "bookmarks": {"click_log": {"replication_key": "timestamp", "replication_key_value": "2025-03-29T12:00:00Z"}}
    }
    given = {"log_lookback_hours": hours, "end_date": "2025-03-29"}
    run = run_tap({**empty.settings(), **given}, "click_log", state=state)
    assert asked(empty)[0][0] == first
    assert run.bookmarks("click_log")[0] == "2025-03-29T12:00:00Z"
    assert run.bookmarks("click_log")[-1] == "2025-03-30T00:00:00Z"
    assert run.bookmarks("click_log") == sorted(run.bookmarks("click_log"))


def test_a_capped_window_is_thrown_away_and_read_in_halves(run_tap: TapRunner, simulate: Simulate) -> None:
    # Given a vendor that leaves out all rows after the fifth without a word
    simulator = simulate(
        AdspectSimulator(first_day=dt.date(2025, 3, 28), days=1, rows_per_day=100, log_cap=5, streams=3)
    )
    given = {**simulator.settings(), "end_date": "2025-03-28", "log_window_minutes": 1440}
    # When the limit is not known, then rows are lost in silence: what the setting is for
    assert len(run_tap(given, "click_log").records("click_log")) == 5
    # When it is
    simulator.journal.clear()
    run = run_tap({**given, "log_row_limit": 5}, "click_log")
    # Then
    assert run.by_key("click_log", "_row_key") == simulator.truth("click_log")
    assert asked(simulator)[:4] == [(0, 86400), (0, 43200), (0, 21600), (0, 10800)]
    assert run.bookmarks("click_log") == ["2025-03-29T00:00:00Z"]
    assert simulator.violations == []


def test_halves_go_down_to_one_second(run_tap: TapRunner, script: Script) -> None:
    # Given three rows in one second, and none elsewhere
    def answer(request: Request) -> Response:
        start, end = (int(request.param(name) or 0) - START for name in ("date_from", "date_to"))
        return lines(
            [click(request, timestamp=text(7), sequence=0, click_id=str(n)) for n in range(3)]
            if start <= 7 < end
            else [],
            empty="[]",
        )

    vendor = script(answer)
    given: dict[str, Any] = {**vendor.settings(), "end_date": "2025-03-28", "log_window_minutes": 1}
    # When the limit allows three
    clock = dt.datetime(2025, 3, 28, 0, 16, tzinfo=dt.timezone.utc)
    run = run_tap({**given, "log_row_limit": 4}, "click_log", clock=FakeClock(clock))
    assert len(run.records("click_log")) == 3
    assert asked(vendor) == [(0, 60)]
    # When it does not
    vendor.journal.clear()
    run = run_tap({**given, "log_row_limit": 3}, "click_log", clock=FakeClock(clock), fails=True)
    # Then halves are whole seconds
    assert asked(vendor) == [(0, 60), (0, 30), (0, 15), (0, 7), (7, 15), (7, 11), (7, 9), (7, 8)]
    assert run.error == (
        "stream click_log, window 2025-03-28T00:00:00+00:00..2025-03-28T00:01:00+00:00: the second from "
        "2025-03-28T00:00:07Z has 3 rows, at least `log_row_limit`: raise `log_row_limit` if the vendor's own "
        "limit is higher"
    )
    assert run.bookmarks("click_log") == []


def key(*identity: Any) -> str:
    """Return the key that the specification describes."""
    return hashlib.sha256(json.dumps(identity, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def test_keys_are_those_of_the_specification(run_tap: TapRunner, script: Script) -> None:
    # Given clicks that are alike in every column, in those of the key, or in none
    common: dict[str, Any] = {
        "timestamp": "2025-03-28 00:00:01",
        "stream_id": "s",
        "click_id": 'ы"',
        "ip_address": "192.0.2.1",
    }
    rows: list[dict[str, Any]] = [
        {**common, "sequence": 0, "target": 5},
        {**common, "sequence": 0, "target": 3},
        {**common, "sequence": 0, "target": 5},
        {**common, "sequence": "1"},
        {"timestamp": "2025-03-28 00:00:01", "sequence": 255},
    ]
    order = [0, 1, 2, 3, 4]
    vendor = script(lambda request: lines([click(request, **rows[number]) for number in order]))
    given = {**vendor.settings(), "end_date": "2025-03-28", "log_window_minutes": 1440}
    at, ip = "2025-03-28 00:00:01", "192.0.2.1"
    expected = {
        key(at, "s", 'ы"', 0, ip, 0): 3,
        key(at, "s", 'ы"', 0, ip, 1): 5,
        key(at, "s", 'ы"', 0, ip, 2): 5,
        key(at, "s", 'ы"', "1", ip, 0): None,
        key(at, "", "", 255, "", 0): None,
    }
    # When they come in one order and in another
    for order[:] in ([0, 1, 2, 3, 4], [4, 2, 1, 3, 0]):
        run = run_tap(given, "click_log")
        # Then
        assert {one["_row_key"]: one["target"] for one in run.records("click_log")} == expected
    assert {one["timestamp"] for one in run.records("click_log")} == {"2025-03-28T00:00:01Z"}


def test_a_later_status_keeps_the_key() -> None:
    names = ("timestamp", "stream_id", "click_id", "sequence", "ip_address", "target", "tags", "cost")
    keys = KeyReader(names)
    before = [b'["2025-03-28 00:00:01", "s", "c", 0, "i", null, [], 0]']
    after = [b'["2025-03-28 00:00:01", "s", "c", 0, "i", 2, ["x"], 9]']
    assert keys.read(after).keys == keys.read(before).keys


def test_rows_of_the_edge_come_once(run_tap: TapRunner, script: Script) -> None:
    # Given a vendor for whom `date_to` is inclusive, and two twins on the edge between two windows
    def answer(request: Request) -> Response:
        start, end = (int(request.param(name) or 0) - START for name in ("date_from", "date_to"))
        moments = [0, 3600, 3600, 7200]
        return lines([click(request, timestamp=text(one), sequence=0) for one in moments if start <= one <= end])

    vendor = script(answer)
    given = {**vendor.settings(), "end_date": "2025-03-28"}
    run = run_tap(given, "click_log")
    moments = [record["timestamp"] for record in run.records("click_log")]
    assert moments == [
        "2025-03-28T00:00:00Z",
        "2025-03-28T01:00:00Z",
        "2025-03-28T01:00:00Z",
        "2025-03-28T02:00:00Z",
    ]
    assert len({record["_row_key"] for record in run.records("click_log")}) == 4


def test_only_selected_columns_and_those_of_the_key_are_asked_for(run_tap: TapRunner, simulate: Simulate) -> None:
    simulator = simulate(AdspectSimulator(first_day=dt.date(2025, 3, 28), days=1, rows_per_day=20, streams=3))
    unwanted = [
        "ip_address",
        "asn",
        "account_id",
        "os",
        "browser",
        "engine",
        "languages",
        "cost",
        "sub_id",
        "click_id",
        "mode",
        "sequence",
        "target",
        "tags",
    ]
    catalog = select(TapAdspect, "click_log", without=unwanted)
    run = run_tap({**simulator.settings(), "end_date": "2025-03-28"}, catalog=catalog)
    log = simulator.journal.matching("/v1/reports/log")
    assert {tuple(value for name, value in request.params if name == "columns[]") for request in log} == {
        ("timestamp", "ip_address", "stream_id", "country_code", "click_id", "sequence")
    }
    truth = simulator.truth("click_log", columns=["timestamp", "stream_id", "country_code"])
    assert run.by_key("click_log", "_row_key") == truth


def test_filters_of_the_log(run_tap: TapRunner, simulate: Simulate) -> None:
    # Given one value of each documented filter, from the rows
    simulator = simulate(AdspectSimulator(first_day=dt.date(2025, 3, 28), days=1, rows_per_day=200, streams=3))
    everything = simulator.truth("click_log")
    for name in FILTERS:
        value = next(row[name] for row in everything if row[name])
        given = {**simulator.settings(), "end_date": "2025-03-28", "log_window_minutes": 1440}
        simulator.journal.clear()
        # When
        run = run_tap({**given, "log_filters": {name: value}}, "click_log")
        # Then log and funnel are requested with it, and the rows match
        assert run.by_key("click_log", "_row_key") == simulator.truth("click_log", filters={name: [value]})
        assert 0 < len(run.records("click_log")) < len(everything)
        assert [request.param(f"{name}[]") for request in simulator.journal] == [str(value)] * 2
        assert run.warnings() == []
    # When several have several values, and one of them replaces `stream_ids`
    ids = sorted({row["stream_id"] for row in everything})
    filters = {"os": ["iOS", "macOS"], "country_code": ["AE", "US"], "stream_id": ids[1:]}
    run = run_tap({**given, "stream_ids": ids[:1], "log_filters": filters}, "click_log")
    assert run.by_key("click_log", "_row_key") == simulator.truth("click_log", filters=filters)
    assert run.warnings() == []
    assert simulator.violations == []


@pytest.mark.parametrize("treatment", ["raw", "hash"])
def test_a_filter_without_effect_is_a_warning(run_tap: TapRunner, simulate: Simulate, treatment: str) -> None:
    simulator = simulate(
        AdspectSimulator(
            first_day=dt.date(2025, 3, 28),
            days=1,
            rows_per_day=40,
            streams=3,
            ignored_filters=("os", "ip_address", "asn"),
        )
    )
    address = simulator.truth("click_log")[0]["ip_address"]
    given = {
        **simulator.settings(),
        "end_date": "2025-03-28",
        "log_window_minutes": 720,
        "log_filters": {"os": "iOS", "ip_address": address, "mode": "Filter"},
        "ip_addresses": treatment,
        "ip_salt": SALT,
        "reports": [{"name": "by_asn", "dimensions": ["date", "asn"], "filters": {"asn": ["AS65536", "AS1.10"]}}],
    }
    run = run_tap(given, "click_log", "by_asn")
    # Then once each, although both windows have such rows
    half = [
        one for one in simulator.truth("click_log", filters={"mode": ["Filter"]}) if one["timestamp"] < "2025-03-28T12"
    ]
    wrong = {
        "ip_address": sum(one["ip_address"] != address for one in half),
        "os": sum(one["os"] != "iOS" for one in half),
    }
    assert [one for one in run.warnings() if "the log has" not in one] == [
        (
            "stream by_asn: window 2025-03-28..2025-03-28: 3 of 5 rows do not match the filter `asn`: the vendor may "
            "have ignored it, or may write its values differently: compare `filters` and `stream_ids` with the rows"
        ),
        *(
            f"stream click_log: window 2025-03-28T00:00:00+00:00..2025-03-28T12:00:00+00:00: {count} of {len(half)} "
            f"rows do not match the filter `{name}`: the vendor may have ignored it, or may write its values "
            "differently: compare `log_filters` and `stream_ids` with the rows"
            for name, count in wrong.items()
        ),
    ]


@pytest.mark.parametrize("addresses", ["plain", "mapped"])
@pytest.mark.parametrize("treatment", ["raw", "hash", "omit"])
def test_addresses(run_tap: TapRunner, simulate: Simulate, treatment: str, addresses: str) -> None:
    simulator = simulate(
        AdspectSimulator(first_day=dt.date(2025, 3, 28), days=1, rows_per_day=40, streams=3, addresses=addresses)
    )
    given = {**simulator.settings(), "end_date": "2025-03-28", "ip_addresses": treatment, "ip_salt": SALT}
    run = run_tap(given, "click_log")
    truth = simulator.truth("click_log", ip_addresses=treatment, ip_salt=SALT)
    assert run.by_key("click_log", "_row_key") == truth
    asked_for = {value for request in simulator.journal for name, value in request.params if name == "columns[]"}
    assert ("ip_address" in asked_for) is (treatment != "omit")
    assert ("192.0.2." in run.output) is (treatment == "raw")
    assert SALT not in run.output


@pytest.mark.parametrize(
    ("address", "hashed_as"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::FFFF:192.0.2.7", "192.0.2.7"),
        ("::ffff:c000:207", "192.0.2.7"),
        ("0:0:0:0:0:ffff:192.0.2.7", "192.0.2.7"),
        # Not mapped, or not an address
        ("2a03:2880:30ff:8::33", "2a03:2880:30ff:8::33"),
        ("::192.0.2.7", "::192.0.2.7"),
        ("::ffff:unknown", "::ffff:unknown"),
        ("", ""),
    ],
)
def test_a_hash_is_that_of_the_plain_address(run_tap: TapRunner, script: Script, address: str, hashed_as: str) -> None:
    vendor = script(lambda request: lines([click(request, timestamp=text(0), ip_address=address, sequence=0)]))
    given = {"end_date": "2025-03-28", "log_window_minutes": 1440, "ip_addresses": "hash", "ip_salt": SALT}
    [record] = run_tap({**vendor.settings(), **given}, "click_log").records("click_log")
    hashed = hmac.new(SALT.encode(), hashed_as.encode(), hashlib.sha256).hexdigest()
    assert record["ip_address"] == hashed
    assert record["_row_key"] == key("2025-03-28 00:00:00", "", "", 0, hashed, 0)


@pytest.mark.parametrize("counted", ["lines", "absent"])
def test_the_count_check_is_quiet_where_counts_agree(run_tap: TapRunner, simulate: Simulate, counted: str) -> None:
    days = (dt.date(2025, 3, 28),) if counted == "absent" else ()
    simulator = simulate(
        AdspectSimulator(first_day=dt.date(2025, 3, 28), days=1, rows_per_day=40, streams=3, empty_days=days)
    )
    given = {**simulator.settings(), "end_date": "2025-03-28", "log_window_minutes": 720, "log_count_check": True}
    run = run_tap(given, "click_log")
    assert run.warnings() == []
    # An empty answer is asked for once more.
    assert [request.target.split("?")[1] for request in simulator.journal.matching("/v1/reports/funnel")] == [
        f"date_from={START + start}&date_to={START + start + 43200}&time_zone=UTC"
        "&metrics%5B%5D=clicks&metrics%5B%5D=conversions"
        for start in ((0, 0, 43200, 43200) if counted == "absent" else (0, 43200))
    ]
    assert simulator.violations == []


def test_the_count_check_warns_where_the_log_is_capped(run_tap: TapRunner, simulate: Simulate) -> None:
    simulator = simulate(
        AdspectSimulator(first_day=dt.date(2025, 3, 28), days=1, rows_per_day=60, streams=3, log_cap=4)
    )
    ids = sorted({str(row["stream_id"]) for row in simulator.truth("funnel_daily")})
    given = {"end_date": "2025-03-28", "log_window_minutes": 1440, "log_count_check": True, "stream_ids": ids}
    run = run_tap({**simulator.settings(), **given}, "click_log")
    clicks = sum(int(row["clicks"]) for row in simulator.truth("funnel_daily"))
    conversions = sum(int(row["conversions"]) for row in simulator.truth("funnel_daily"))
    read = [sum(one["sequence"] == stage for one in run.records("click_log")) for stage in (0, 255)]
    warning = (
        "stream click_log: window 2025-03-28T00:00:00+00:00..2025-03-29T00:00:00+00:00: the log has "
        f"{read[0]} clicks and {read[1]} conversions, but the funnel has {clicks} and {conversions}: the log may be "
        "capped (see `log_row_limit` and `log_window_minutes`)"
    )
    assert run.warnings() == [warning]
    [request] = simulator.journal.matching("/v1/reports/funnel")
    assert [value for name, value in request.params if name == "stream_id[]"] == ids


def test_a_count_check_that_fails_is_a_warning(run_tap: TapRunner, simulate: Simulate) -> None:
    # Given an account that may read the log and not the funnel
    simulator = simulate(AdspectSimulator(first_day=dt.date(2025, 3, 28), days=1, rows_per_day=20, streams=3))
    simulator.faults.add(Fault(path="/v1/reports/funnel", status=403, times=None))
    given = {"end_date": "2025-03-28", "log_window_minutes": 1440, "log_count_check": True}
    run = run_tap({**simulator.settings(), **given}, "click_log")
    assert run.by_key("click_log", "_row_key") == simulator.truth("click_log")
    assert run.warnings() == [
        (
            "stream click_log: window 2025-03-28T00:00:00+00:00..2025-03-29T00:00:00+00:00: the funnel's counts "
            "could not be read: HTTP 403 Forbidden: no access to /reports/funnel: ask Adspect for it"
        )
    ]


@pytest.mark.parametrize("moment", ["2025-03-28T00:00:00", "1743120000", 1743120000, None, "", "2025-03-28"])
def test_another_timestamp_fails_the_run(run_tap: TapRunner, script: Script, moment: Any) -> None:
    vendor = script(lambda request: lines([click(request, timestamp=moment)]))
    run = run_tap({**vendor.settings(), "end_date": "2025-03-28"}, "click_log", fails=True)
    kind = {str: "string", int: "number"}.get(type(moment), "null")
    assert f": a row has a timestamp that is not of the form 2024-04-01 00:00:00 (a JSON {kind}): report" in run.error


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"ip_addresses": "omit"}, f"its state was made with ip_addresses raw, now omit: {UNDO}"),
        ({"stream_ids": ["b", "a"]}, f'its state was made with filters none, now {{"stream_id":["a","b"]}}: {UNDO}'),
        ({"log_filters": {"os": "iOS"}}, f'its state was made with filters none, now {{"os":["iOS"]}}: {UNDO}'),
    ],
)
def test_a_state_of_another_meaning_is_refused(
    run_tap: TapRunner, empty: Scripted, frozen: Callable[[str], FakeClock], setting: dict[str, Any], said: str
) -> None:
    # Given a state
    given = {**empty.settings(), "start_date": "2025-04-01"}
    first = run_tap(given, "click_log")
    assert first.states[-1]["bookmarks"]["click_log"] == {
        "replication_key": "timestamp",
        "replication_key_value": "2025-04-01T20:15:00Z",
        "filters": {},
        "ip_addresses": "raw",
        "read_from": "2025-04-01T00:00:00+00:00",
    }
    empty.journal.clear()
    # When
    clock = frozen("2025-04-02T12:00:00Z")
    run = run_tap({**given, **setting}, "click_log", state=first.states[-1], clock=clock, fails=True)
    # Then
    assert run.error == f"stream click_log: {said}"
    assert len(empty.journal) == 0
    assert run.output == ""
