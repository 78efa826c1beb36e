"""The setting `reports`: what each becomes, what is refused, and what a state is good for afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tap_adspect.filters import FILTERS
from tap_adspect.reports import BASE_METRICS, DIMENSIONS, METRICS
from tap_adspect.tap import TapAdspect
from vendor_simulators.messages import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from adspect_fixtures import Script, Scripted
    from singer_adtech.testing import FakeClock, TapRunner
    from singer_sdk.streams import Stream
    from vendor_simulators.adspect import AdspectSimulator

ALL_DIMENSIONS = [
    "date",
    "month",
    "stream_id",
    "asn",
    "country_code",
    "os",
    "browser",
    "engine",
    "language",
    "sub_id",
    "mode",
    "target",
    "tag",
]
INTEGERS = [
    "clicks",
    "uniques",
    "fingerprints",
    "money_hits",
    "money_uniques",
    "safe_hits",
    "givt",
    "sivt",
    "mia",
    "conversions",
]
NUMBERS = ["quality", "expenses", "cr", "revenue", "profit", "roi", "cpc", "cpm", "cpa", "epl", "ecpc", "ecpm"]
ALL_FILTERS = [
    "stream_id",
    "ip_address",
    "asn",
    "country_code",
    "os",
    "browser",
    "engine",
    "sub_id",
    "click_id",
    "mode",
    "target",
]


def discovered(*reports: dict[str, Any], **settings: Any) -> dict[str, Stream]:
    """Return the streams of a tap with these reports and no credentials."""
    tap = TapAdspect(config={"reports": list(reports), **settings}, validate_config=False)
    return dict(tap.streams)


def test_the_lists_of_names_are_those_of_the_document() -> None:
    assert list(DIMENSIONS) == ALL_DIMENSIONS
    assert {name for name, column in METRICS.items() if column.kind == "integer"} == set(INTEGERS)
    assert {name for name, column in METRICS.items() if column.kind == "number"} == set(NUMBERS)
    assert len(METRICS) == 22
    assert list(FILTERS) == ALL_FILTERS
    assert set(METRICS) - set(BASE_METRICS) == {"cr", "roi", "cpc", "cpm", "cpa", "epl", "ecpc", "ecpm"}


def test_a_report_becomes_a_stream() -> None:
    # Given a report with every dimension and every metric
    stream = discovered({"name": "all_of_it", "dimensions": ALL_DIMENSIONS, "metrics": [*NUMBERS, *INTEGERS]})[
        "all_of_it"
    ]
    # Then
    assert list(stream.schema["properties"]) == [*ALL_DIMENSIONS, *NUMBERS, *INTEGERS, "time_zone", "_extra"]
    assert list(stream.primary_keys) == ALL_DIMENSIONS
    assert (stream.replication_key, stream.replication_method) == ("date", "INCREMENTAL")
    assert stream.selected_by_default
    columns = stream.schema["properties"]
    for name in ALL_DIMENSIONS:
        assert columns[name]["type"] == (["integer"] if name in {"asn", "target"} else ["string"])
    for name in INTEGERS:
        assert columns[name]["type"] == ["integer", "null"]
    for name in NUMBERS:
        assert columns[name]["type"] == ["number", "null"]
    assert columns["date"]["format"] == "date"
    assert columns["time_zone"]["type"] == ["string", "null"]
    assert columns["_extra"]["type"] == ["object", "null"]
    assert set(stream.schema["required"]) == set(ALL_DIMENSIONS)
    assert all(len(column["description"]) > 4 for column in columns.values())


def test_a_report_by_month_has_the_month_as_its_bookmark() -> None:
    stream = discovered({"name": "monthly", "dimensions": ["os", "month"]})["monthly"]
    assert (list(stream.primary_keys), stream.replication_key) == (["os", "month"], "month")
    assert "format" not in stream.schema["properties"]["month"]
    assert [name for name in stream.schema["properties"] if name in METRICS] == list(BASE_METRICS)


def test_keys_may_be_put_into_another_order() -> None:
    report = {"name": "own", "dimensions": ["date", "os"], "primary_keys": ["os", "date"]}
    assert list(discovered(report)["own"].primary_keys) == ["os", "date"]


def test_discovery_needs_no_settings_and_finds_the_default_report() -> None:
    streams = TapAdspect(validate_config=False).streams
    assert set(streams) == {
        "streams",
        "account",
        "saved_queries",
        "stream_ip_lists",
        "account_ip_lists",
        "collections",
        "click_log",
        "funnel_daily",
    }
    assert list(streams["funnel_daily"].primary_keys) == ["date", "stream_id"]


def test_no_reports_means_no_report_streams() -> None:
    assert len(discovered()) == 7


A = {"name": "a", "dimensions": ["date"]}
WHERE = "setting `reports`, report a: "
METRIC_LIST = ", ".join(METRICS)


@pytest.mark.parametrize(
    ("reports", "said"),
    [
        (
            [{**A, "metrics": ["clicks", "foo"]}],
            f"{WHERE}`metrics` has 'foo': allowed are {METRIC_LIST}",
        ),
        ([{**A, "metrics": []}], f"{WHERE}`metrics` is empty: at least one of {METRIC_LIST}"),
        ([{**A, "primary_keys": []}], f"{WHERE}`primary_keys` [] is not allowed: the dimensions (date) in any order"),
        ([{**A, "metrics": ["clicks", "clicks"]}], f"{WHERE}`metrics` has 'clicks' twice: name it once"),
        (
            [{**A, "dimensions": ["date", "hour"]}],
            f"{WHERE}`dimensions` has 'hour': allowed are {', '.join(ALL_DIMENSIONS)}",
        ),
        ([{**A, "dimensions": ["date", "date"]}], f"{WHERE}`dimensions` has 'date' twice: name it once"),
        (
            [{**A, "dimensions": ["stream_id"]}],
            (
                f"{WHERE}`dimensions` ['stream_id'] is not allowed: date or month must be among them, because a total "
                "over a moving range has no lasting key"
            ),
        ),
        (
            [{"name": "a"}],
            (
                f"{WHERE}`dimensions` [] is not allowed: date or month must be among them, because a total over a "
                "moving range has no lasting key"
            ),
        ),
        ([{**A, "dimensions": "date"}], f"{WHERE}`dimensions` 'date' is not allowed: give a list of names"),
        (
            [{**A, "name": "Upper"}],
            (
                "setting `reports`, report Upper: `name` 'Upper' is not allowed: use at most 63 "
                "lower-case letters, digits and `_`, starting with a letter"
            ),
        ),
        (
            [{**A, "name": "a" * 64}],
            (
                f"setting `reports`, report {'a' * 64}: `name` '{'a' * 64}' is not allowed: use at most 63 "
                "lower-case letters, digits and `_`, starting with a letter"
            ),
        ),
        (
            [A, {"dimensions": ["date"]}],
            (
                "setting `reports`, report 2: `name` None is not allowed: use at most 63 lower-case "
                "letters, digits and `_`, starting with a letter"
            ),
        ),
        ([A, A], f"{WHERE}`name` 'a' is the name of another stream of this tap: choose another name"),
        (
            [{**A, "name": "click_log"}],
            (
                "setting `reports`, report click_log: `name` 'click_log' is the name of another stream of this tap: "
                "choose another name"
            ),
        ),
        (
            [{**A, "metric": ["clicks"]}],
            (
                f"{WHERE}'metric' is not a member of a report: allowed are name, dimensions, metrics, time_zone, "
                "lookback_days, window_days, primary_keys, filters"
            ),
        ),
        (
            [{**A, "filters": {"query_id": "x"}}],
            f"{WHERE}`filters` has 'query_id': allowed are {', '.join(ALL_FILTERS)}",
        ),
        (
            [{**A, "filters": {"os[]": "iOS"}}],
            f"{WHERE}`filters` has 'os[]': allowed are {', '.join(ALL_FILTERS)}",
        ),
        (
            [{**A, "filters": ["os"]}],
            f"{WHERE}`filters` ['os'] is not allowed: give an object of {', '.join(ALL_FILTERS)}",
        ),
        (
            [{**A, "filters": {"os": [None]}}],
            f"{WHERE}the filter `os` [None] is not allowed: give a text, an integer or a list",
        ),
        (
            [{**A, "filters": {"os": True}}],
            f"{WHERE}the filter `os` True is not allowed: give a text, an integer or a list",
        ),
        (
            [{**A, "time_zone": "Mars"}],
            f"{WHERE}`time_zone`: 'Mars' is not a time zone: give an IANA name such as `Europe/Berlin`",
        ),
        (
            [{**A, "time_zone": 7}],
            f"{WHERE}`time_zone` 7 is not allowed: give an IANA name such as `Europe/Berlin`",
        ),
        ([{**A, "lookback_days": 91}], f"{WHERE}`lookback_days` 91 is not allowed: an integer from 0 to 90"),
        ([{**A, "lookback_days": -1}], f"{WHERE}`lookback_days` -1 is not allowed: an integer from 0 to 90"),
        ([{**A, "window_days": 0}], f"{WHERE}`window_days` 0 is not allowed: an integer from 1 to 31"),
        ([{**A, "window_days": 32}], f"{WHERE}`window_days` 32 is not allowed: an integer from 1 to 31"),
        ([{**A, "window_days": "7"}], f"{WHERE}`window_days` '7' is not allowed: an integer from 1 to 31"),
        (
            [{**A, "primary_keys": ["os"]}],
            f"{WHERE}`primary_keys` ['os'] is not allowed: the dimensions (date) in any order",
        ),
        (
            [{**A, "dimensions": ["date", "os"], "primary_keys": ["date"]}],
            f"{WHERE}`primary_keys` ['date'] is not allowed: the dimensions (date, os) in any order",
        ),
        (["a"], "setting `reports[0]`: 'a' is not allowed: an object"),
        ("a", "setting `reports`: 'a' is not allowed: a list, each item an object"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_bad_report_is_refused_in_one_line_before_the_first_request(
    run_tap: TapRunner, adspect: AdspectSimulator, reports: Any, said: str
) -> None:
    run = run_tap({**adspect.settings(), "reports": reports}, "nothing", fails=True)
    assert run.error == said
    assert len(adspect.journal) == 0
    assert run.output == ""


def empty_run(script: Script) -> Scripted:
    """Start a vendor without rows."""
    return script.body("[]")


@pytest.mark.parametrize(
    ("report", "setting", "said"),
    [
        ({"time_zone": "Europe/Berlin"}, {}, "time_zone UTC, now Europe/Berlin"),
        ({}, {"time_zone": "Europe/Berlin"}, "time_zone UTC, now Europe/Berlin"),
        ({"dimensions": ["date", "os", "tag"]}, {}, "dimensions date, os, now date, os, tag"),
        ({"filters": {"os": "iOS"}}, {}, 'filters {"mode":["Filter"]}, now {"os":["iOS"]}'),
        ({"filters": {}}, {}, 'filters {"mode":["Filter"]}, now none'),
        ({}, {"stream_ids": ["s"]}, 'filters {"mode":["Filter"]}, now {"mode":["Filter"],"stream_id":["s"]}'),
    ],
)
def test_a_state_of_another_meaning_is_refused(  # noqa: PLR0913, PLR0917 - one row of a table
    run_tap: TapRunner,
    script: Script,
    frozen: Callable[[str], FakeClock],
    report: dict[str, Any],
    setting: dict[str, Any],
    said: str,
) -> None:
    # Given a state that keeps what it was made with
    vendor = empty_run(script)
    own = {"name": "own", "dimensions": ["date", "os"], "filters": {"mode": ["Filter", "Filter"]}}
    first = run_tap({**vendor.settings(), "reports": [own]}, "own")
    assert first.states[-1]["bookmarks"]["own"] == {
        "replication_key": "date",
        "replication_key_value": "2025-04-01",
        "read_from": "2025-03-28",
        "time_zone": "UTC",
        "dimensions": ["date", "os"],
        "filters": {"mode": ["Filter"]},
    }
    vendor.journal.clear()
    # When another setting changes what a row means
    given = {**vendor.settings(), **setting, "reports": [{**own, **report}]}
    clock = frozen("2025-04-02T12:00:00Z")
    run = run_tap(given, "own", "account", state=first.states[-1], clock=clock, fails=True)
    # Then nothing is asked for, of other streams neither
    assert run.error == (
        f"stream own: report own: its state was made with {said}: give the report another name or clear its "
        "state (by a new state id or `--full-refresh`), or undo the change"
    )
    assert len(vendor.journal) == 0
    assert run.output == ""


def test_what_does_not_change_the_meaning_goes_on(run_tap: TapRunner, script: Script) -> None:
    # Given a state
    vendor = empty_run(script)
    own = {"name": "own", "dimensions": ["date", "os"], "filters": {"os": ["a", "b"], "mode": "Filter"}}
    first = run_tap({**vendor.settings(), "reports": [own]}, "own")
    vendor.journal.clear()
    # When metrics, windows, look-back, order of keys and of filter values are others
    changed = {
        **own,
        "metrics": ["cr"],
        "filters": {"mode": ["Filter"], "os": ["b", "a"]},
        "window_days": 31,
        "lookback_days": 1,
        "primary_keys": ["os", "date"],
    }
    run = run_tap({**vendor.settings(), "reports": [changed]}, "own", state=first.states[-1])
    # Then
    # Requested twice, because there are no rows.
    assert [request.param("date_from") for request in vendor.journal] == ["1743379200"] * 2
    assert run.states[-1] == first.states[-1]


def test_a_state_without_a_signature_is_taken_and_signed(run_tap: TapRunner, script: Script) -> None:
    vendor = empty_run(script)
    bookmark = {"replication_key": "date", "replication_key_value": "2025-04-01"}
    run = run_tap(vendor.settings(), "funnel_daily", state={"bookmarks": {"funnel_daily": bookmark}})
    assert [request.param("date_from") for request in vendor.journal] == ["1743120000"] * 2
    assert run.states[-1]["bookmarks"]["funnel_daily"] == {
        **bookmark,
        "time_zone": "UTC",
        "dimensions": ["date", "stream_id"],
        "filters": {},
    }


def test_a_state_of_a_stream_that_is_not_selected_is_nobody_s_business(run_tap: TapRunner, script: Script) -> None:
    vendor = script.body('{"account_id": "a"}')
    bookmark = {"replication_key": "date", "replication_key_value": "2025-04-01", "time_zone": "Asia/Dubai"}
    run = run_tap(vendor.settings(), "account", state={"bookmarks": {"funnel_daily": bookmark}})
    assert len(run.records("account")) == 1


def test_a_report_s_own_windows_and_look_back_hold(run_tap: TapRunner, script: Script) -> None:
    vendor = empty_run(script)
    reports = [
        {"name": "own", "dimensions": ["date"], "window_days": 2, "lookback_days": 1, "time_zone": "Asia/Dubai"},
        {"name": "other", "dimensions": ["date"]},
    ]
    state = {
        "bookmarks": {
            name: {"replication_key": "date", "replication_key_value": "2025-03-31"} for name in ("own", "other")
        }
    }
    run = run_tap({**vendor.settings(), "reports": reports, "window_days": 5}, "own", "other", state=state)
    asked = [
        (request.param("time_zone"), request.param("date_from"), request.param("date_to")) for request in vendor.journal
    ]
    # It is 2025-04-02 in Dubai already
    assert asked == [
        *[("UTC", "1743120000", "1743552000")] * 2,
        *[("Asia/Dubai", "1743278400", "1743451200")] * 2,
        *[("Asia/Dubai", "1743451200", "1743624000")] * 2,
    ]
    assert run.bookmarks("own")[-3:] == ["2025-03-31", "2025-03-31", "2025-04-02"]


def test_a_report_of_another_account_is_refused_where_the_account_is_read(run_tap: TapRunner, script: Script) -> None:
    # Given a run that reads the account too, as it does by default
    def of(account: str) -> Scripted:
        return script(
            lambda request: Response.json({"account_id": account} if request.path.endswith("account") else [])
        )

    first = of("a1")
    state = run_tap(first.settings(), "account", "funnel_daily").states[-1]
    # When
    other = of("b2")
    run = run_tap(other.settings(), "account", "funnel_daily", state=state, fails=True)
    # Then no report is asked for
    assert [request.path for request in other.journal] == ["/v1/account"]
    assert "its state was made with account a1, and the responses belong to account b2" in run.error
