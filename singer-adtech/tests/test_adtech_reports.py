"""Reports of a made-up vendor: the setting read, streams made of it, windows, bookmarks and keys."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from singer_adtech import settings
from singer_adtech.errors import SettingError
from singer_adtech.http.auth import HeaderAuthenticator
from singer_adtech.records.exact_json import exact_json
from singer_adtech.reports import (
    Column,
    Report,
    ReportRules,
    ReportStream,
    filter_lists,
    read_reports,
    report_schema,
    reports_setting,
)
from singer_adtech.tap import AdTechTap
from singer_adtech.testing import FakeClock, tap_runner
from singer_sdk import typing as th
from singer_sdk.pagination import SinglePagePaginator
from singer_sdk.streams.rest import HTTPRequest
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from local_server import Server
    from requests import Response
    from singer_adtech.testing import TapRunner
    from singer_sdk.streams import Stream
    from singer_sdk.streams.rest import PageContext

NOW = dt.datetime(2024, 3, 12, 12, tzinfo=dt.timezone.utc)
COLUMNS = {
    "day": Column("string", "The day.", "date"),
    "os": Column("string", "Operating system."),
    "network": Column("integer", "Network."),
    "clicks": Column("integer", "Clicks."),
    "rate": Column("number", "A rate."),
}


def _check_keys(report: Report) -> None:
    if set(report.primary_keys) != set(report.dimensions):
        raise ValueError("`primary_keys` must be the dimensions")


CLOSED = ReportRules(
    dimensions=("day", "os", "network"),
    metrics=("clicks", "rate"),
    days=("day",),
    days_reason="a row has no key without",
    default_metrics=("clicks",),
    most_lookback_days=30,
    most_window_days=10,
    check_keys=_check_keys,
    options={"filters": filter_lists(("os", "network"))},
)
OPEN = ReportRules(dimensions=None, metrics=None, metrics_required=False)
GENERAL = {"time_zone": "America/New_York", "lookback_days": 2, "window_days": 3}


def read(rules: ReportRules, *reports: Any, **general: Any) -> list[Report]:
    """Read the setting."""
    return read_reports({**GENERAL, **general, "reports": list(reports)}, rules, taken={"spots"})


def test_a_report_that_says_little_has_the_general_settings() -> None:
    assert read(CLOSED, {"name": "daily", "dimensions": ["day"]}) == [
        Report("daily", ("day",), ("clicks",), (), ZoneInfo("America/New_York"), 2, 3, {"filters": {}})
    ]


def test_a_report_that_says_all_has_its_own() -> None:
    # given
    given = {
        "name": "own",
        "dimensions": ["os", "day"],
        "metrics": ["rate", "clicks"],
        "filters": {"os": "b", "network": [7, 7, 5]},
        "time_zone": "UTC",
        "lookback_days": 0,
        "window_days": 10,
        "primary_keys": ["day", "os"],
    }
    # then
    assert read(CLOSED, given) == [
        Report(
            "own",
            ("os", "day"),
            ("rate", "clicks"),
            ("day", "os"),
            ZoneInfo("UTC"),
            0,
            10,
            {"filters": {"network": [5, 7], "os": ["b"]}},
        )
    ]


def test_open_lists_take_any_name_and_may_be_empty() -> None:
    [report] = read(OPEN, {"name": "any", "dimensions": ["a"], "metrics": ["b", "c"]})
    assert (report.dimensions, report.metrics, report.options) == (("a",), ("b", "c"), {})
    [report] = read(OPEN, {"name": "any"})
    assert (report.dimensions, report.metrics) == ((), ())


@pytest.mark.parametrize("reports", [None, []])
def test_no_reports_are_none(reports: Any) -> None:
    assert read_reports({"reports": reports}, CLOSED, taken=()) == []


DAILY: dict[str, Any] = {"name": "daily", "dimensions": ["day"]}
WHERE = "setting `reports`, report daily: "


@pytest.mark.parametrize(
    ("reports", "said"),
    [
        (["x"], "setting `reports`, report 1: 'x' is not allowed: give an object with a name, dimensions and metrics"),
        ([{**DAILY, "sort": 1}], (f"{WHERE}'sort' is not a member of a report: allowed are name, dimensions, metrics, "
         "time_zone, lookback_days, window_days, primary_keys, filters")),
        ([{**DAILY, "name": ""}], ("setting `reports`, report 1: `name` '' is not allowed: use at most 63 "
         "lower-case letters, digits and `_`, starting with a letter")),
        ([DAILY, DAILY], f"{WHERE}`name` 'daily' is the name of another stream of this tap: choose another name"),
        ([{**DAILY, "name": "spots"}], ("setting `reports`, report spots: `name` 'spots' is the name of another stream "
         "of this tap: choose another name")),
        ([{**DAILY, "dimensions": ["day", "hour"]}], f"{WHERE}`dimensions` has 'hour': allowed are day, os, network"),
        ([{**DAILY, "dimensions": ["day", "day"]}], f"{WHERE}`dimensions` has 'day' twice: name it once"),
        ([{**DAILY, "dimensions": [7]}], f"{WHERE}`dimensions` [7] is not allowed: give a list of names"),
        ([{**DAILY, "dimensions": ["os"]}], (f"{WHERE}`dimensions` ['os'] is not allowed: day must be among them, "
         "because a row has no key without")),
        ([{**DAILY, "metrics": ["hits"]}], f"{WHERE}`metrics` has 'hits': allowed are clicks, rate"),
        ([{**DAILY, "metrics": []}], f"{WHERE}`metrics` is empty: at least one of clicks, rate"),
        ([{**DAILY, "lookback_days": 31}], f"{WHERE}`lookback_days` 31 is not allowed: an integer from 0 to 30"),
        ([{**DAILY, "window_days": True}], f"{WHERE}`window_days` True is not allowed: an integer from 1 to 10"),
        ([{**DAILY, "time_zone": "Mars"}], (f"{WHERE}`time_zone`: 'Mars' is not a time zone: give an IANA name such as "
         "`Europe/Berlin`")),
        ([{**DAILY, "time_zone": 1}], (f"{WHERE}`time_zone` 1 is not allowed: give an IANA name such as "
         "`Europe/Berlin`")),
        ([{**DAILY, "primary_keys": ["os"]}], f"{WHERE}`primary_keys` must be the dimensions"),
        ([{**DAILY, "filters": {"day": 1}}], f"{WHERE}`filters` has 'day': allowed are os, network"),
        ([{**DAILY, "filters": "os"}], f"{WHERE}`filters` 'os' is not allowed: give an object of os, network"),
        ([{**DAILY, "filters": {"os": [1.5]}}], (f"{WHERE}the filter `os` [1.5] is not allowed: give a text, an "
         "integer or a list")),
    ],
)  # fmt: skip
def test_a_bad_report_is_refused_in_one_line(reports: list[Any], said: str) -> None:
    with pytest.raises(SettingError) as refused:
        read(CLOSED, *reports)
    assert str(refused.value) == said


def test_a_name_stands_in_one_list_only() -> None:
    with pytest.raises(SettingError, match="'a' is in both `dimensions` and `metrics`: name it once"):
        read(OPEN, {"name": "any", "dimensions": ["a"], "metrics": ["a"]})


def test_a_setting_that_is_no_list_is_refused() -> None:
    with pytest.raises(SettingError, match="setting `reports`: 'daily' is not allowed: give a list of reports"):
        read_reports({"reports": "daily"}, CLOSED, taken=())


def test_an_empty_filter_stays_as_it_may_replace_another() -> None:
    [report] = read(CLOSED, {**DAILY, "filters": {"os": []}})
    assert report.options == {"filters": {"os": []}}


def test_the_schema_follows_from_the_columns() -> None:
    assert report_schema({name: COLUMNS[name] for name in ("day", "clicks")}, keys=["day"]) == {
        "type": "object",
        "properties": {
            "day": {"type": ["string"], "format": "date", "description": "The day."},
            "clicks": {"type": ["integer", "null"], "description": "Clicks."},
            "_extra": {
                "type": ["object", "null"],
                "description": (
                    "Fields that this schema does not contain, and values that do not fit their column, as received; "
                    "null if there are none."
                ),
            },
        },
        "required": ["day"],
    }


# ------------------------------------------------------------------------------------------------------ as streams


class Daily(ReportStream):
    """A report of the made-up vendor: a list of objects."""

    path = "/report"

    def __init__(self, tap: AdTechTap, report: Report) -> None:
        columns = {name: COLUMNS[name] for name in (*report.dimensions, *report.metrics)}
        keys = report.primary_keys or report.dimensions
        super().__init__(tap, report, columns=columns, primary_keys=keys, replication_key="day")

    @override
    def get_new_paginator(self) -> SinglePagePaginator:
        return SinglePagePaginator()

    @override
    def get_http_request(self, *, page: PageContext[None]) -> HTTPRequest:
        window = self.window_of(page)
        return HTTPRequest(
            url=self.url_base + self.path, params={"days": str(window), "zone": self.report.time_zone.key}
        )

    @override
    def parse_response(self, response: Response) -> Iterator[dict[str, Any]]:
        yield from exact_json(response.content)


class TapReports(AdTechTap):
    """A tap of reports alone."""

    name = "tap-reports"
    config_jsonschema = th.PropertiesList(
        settings.api_url("http://127.0.0.1:1"),
        settings.start_date("a day"),
        settings.end_date("a day"),
        settings.lookback_days(2, 30, "as rows change"),
        settings.window_days(3, 10),
        settings.request_timeout(),
        th.Property("time_zone", th.StringType, default="UTC"),
        reports_setting([DAILY], "Reports."),
    ).to_dict()

    @override
    def make_authenticator(self) -> HeaderAuthenticator:
        return HeaderAuthenticator("X-Key", "key")

    @override
    def discover_streams(self) -> Sequence[Stream]:
        return [Daily(self, report) for report in read_reports(self.config, CLOSED, taken=())]


@pytest.fixture
def run_tap(monkeypatch: pytest.MonkeyPatch) -> Iterator[TapRunner]:
    with tap_runner(TapReports, NOW, monkeypatch) as runner:
        yield runner


@pytest.fixture
def vendor(make_server: Callable[..., Server]) -> Server:
    server = make_server()
    server.answer = lambda _: server.json([])
    return server


def given(vendor: Server, *reports: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {"api_url": vendor.url, "start_date": "2024-03-08", "reports": list(reports or [DAILY]), **others}


def test_a_stream_has_the_report_s_name_keys_and_columns() -> None:
    tap = TapReports(
        config={"reports": [{**DAILY, "dimensions": ["day", "os"], "primary_keys": ["os", "day"]}]},
        validate_config=False,
    )
    stream = tap.streams["daily"]
    assert list(stream.primary_keys) == ["os", "day"]
    assert stream.replication_key == "day"
    assert list(stream.schema["properties"]) == ["day", "os", "clicks", "_extra"]
    assert stream.schema["required"] == ["os", "day"]


def test_the_bookmark_is_the_last_day_read_today_included(run_tap: TapRunner, vendor: Server) -> None:
    # given: it is 2024-03-12 in UTC; when
    first = run_tap(given(vendor))
    # then
    assert [call.query["days"] for call in vendor.calls] == ["2024-03-08..2024-03-10", "2024-03-11..2024-03-12"]
    assert first.bookmarks("daily") == ["2024-03-10", "2024-03-12"]
    # when: two days later
    vendor.calls.clear()
    clock = FakeClock(NOW + dt.timedelta(days=2))
    second = run_tap(given(vendor), state=first.states[-1], clock=clock)
    # then: the look-back is counted from the last day, and the bookmark never moves back
    assert [call.query["days"] for call in vendor.calls] == ["2024-03-10..2024-03-12", "2024-03-13..2024-03-14"]
    assert second.bookmarks("daily")[1:] == ["2024-03-12", "2024-03-14"]


def test_days_are_those_of_the_report_s_zone(run_tap: TapRunner, vendor: Server) -> None:
    # given: it is the next day already in Kiritimati, 14 hours ahead
    report = {**DAILY, "time_zone": "Pacific/Kiritimati", "window_days": 10}
    run_tap(given(vendor, report, start_date="2024-03-08T12:00:00Z"))
    # then
    assert [call.query["days"] for call in vendor.calls] == ["2024-03-09..2024-03-13"]


def test_the_signature_is_kept_and_another_one_refused(run_tap: TapRunner, vendor: Server) -> None:
    first = run_tap(given(vendor))
    assert first.states[-1]["bookmarks"]["daily"] == {
        "replication_key": "day",
        "replication_key_value": "2024-03-12",
        "time_zone": "UTC",
        "dimensions": ["day"],
        "read_from": "2024-03-08",
    }
    vendor.calls.clear()
    second = run_tap(given(vendor, time_zone="Asia/Dubai"), state=first.states[-1], fails=True)
    assert second.error == (
        "stream daily: report daily: its state was made with time_zone UTC, now Asia/Dubai: give the report another "
        "name or clear its state (by a new state id or `--full-refresh`), or undo the change"
    )
    assert vendor.calls == []
    assert second.output == ""


def test_keys_are_never_null(run_tap: TapRunner, vendor: Server) -> None:
    rows = [
        {"day": "2024-03-08", "os": None, "network": None, "clicks": None},
        {"day": "2024-03-08", "os": " ", "network": " ", "clicks": "7"},
    ]
    vendor.answer = lambda _: vendor.json(rows)
    report = {**DAILY, "dimensions": ["day", "os", "network"], "window_days": 10}
    run = run_tap(given(vendor, report))
    assert run.records("daily") == [
        {"day": "2024-03-08", "os": "", "network": -1, "clicks": None, "_extra": None},
        {"day": "2024-03-08", "os": " ", "network": -1, "clicks": 7, "_extra": None},
    ]


def test_a_row_that_comes_twice_counts_once_with_a_warning(run_tap: TapRunner, vendor: Server) -> None:
    row = {"day": "2024-03-08", "clicks": 7}
    vendor.answer = lambda _: vendor.json([row, row])
    run = run_tap(given(vendor, {**DAILY, "window_days": 10}))
    assert len(run.records("daily")) == 1
    assert run.warnings() == ["stream daily: Ignored a duplicate row (day '2024-03-08')"]


def test_two_rows_of_one_key_fail_the_run(run_tap: TapRunner, vendor: Server) -> None:
    vendor.script(vendor.reply(200, json.dumps([{"day": "2024-03-08", "clicks": n} for n in (7, 8)]).encode()))
    run = run_tap(given(vendor), fails=True)
    assert run.error == (
        "stream daily, window 2024-03-08..2024-03-10: two different rows have the same key (day '2024-03-08'): one "
        "would replace the other: add a dimension"
    )
    assert run.bookmarks("daily") == []
