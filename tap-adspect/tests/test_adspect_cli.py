"""The program as a user runs it: exit codes, the last line on stderr, and a run that is stopped half way."""

from __future__ import annotations

import base64
import datetime as dt
import json
import signal
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.testing import Program, read_messages, select
from tap_adspect.tap import TapAdspect
from vendor_simulators.adspect import AdspectSimulator
from vendor_simulators.faults import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from vendor_simulators.pytest_plugin import Simulate

FUNNEL = "/v1/reports/funnel"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program("tap_adspect", tmp_path)


def last_line(text: str) -> str:
    """Return the last line."""
    return text.rstrip("\n").rsplit("\n", 1)[-1]


def test_discovery_needs_no_credentials_and_knows_the_reports(program: Program) -> None:
    # Given reports of one's own and a bad one, in two runs side by side
    report = {"name": "by_country", "dimensions": ["date", "country_code"], "metrics": ["clicks"]}
    good = program.start("--discover", config={"reports": [report]})
    bad = program.start("--discover", config={"reports": [{**report, "metrics": ["hits"]}]})
    # Then
    out, err = good.communicate(timeout=60)
    assert good.returncode == 0, err
    streams = {entry["tap_stream_id"]: entry for entry in json.loads(out)["streams"]}
    assert streams["by_country"]["key_properties"] == ["date", "country_code"]
    assert "funnel_daily" not in streams
    out, err = bad.communicate(timeout=60)
    assert (bad.returncode, out) == (1, "")
    [line] = [one for one in err.splitlines() if "| INFO " not in one]
    assert "tap-adspect: setting `reports`, report by_country: `metrics` has 'hits': allowed are clicks, " in line


def test_bad_settings_get_one_clear_line(program: Program, adspect: AdspectSimulator) -> None:
    bad: dict[str, dict[str, Any]] = {
        "setting `api_key` is missing": {"api_key": None},
        "`api_key`: this is the Authorization header; use the raw API key": {
            "api_key": base64.b64encode(f"{adspect.api_key}:".encode()).decode()
        },
        "setting `ip_salt` is missing": {"ip_addresses": "hash"},
    }
    runs = {
        said: program.start(config={k: v for k, v in {**adspect.settings(), **changed}.items() if v is not None})
        for said, changed in bad.items()
    }
    for said, process in runs.items():
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (1, "")
        [line] = [one for one in err.splitlines() if "| INFO " not in one]
        assert said in line
        assert adspect.api_key not in err
    assert len(adspect.journal) == 0


def test_no_secret_in_the_output_at_the_level_debug(program: Program, adspect: AdspectSimulator) -> None:
    # Given settings from the environment, a log at which everything is said, and a vendor that repeats the key
    header = base64.b64encode(f"{adspect.api_key}:".encode()).decode()
    salt = "a-salt-of-many-letters"
    adspect.faults.add(Fault(path="/v1/streams", status=400, body=f"bad: {adspect.api_key} {header}", times=None))
    report = {"name": "own", "dimensions": ["date"], "metrics": ["clicks"]}
    given = {
        **adspect.settings(),
        "end_date": "2025-03-28",
        "log_window_minutes": "1440",
        "reports": json.dumps([report]),
        "ip_addresses": "hash",
        "ip_salt": salt,
        "loglevel": "DEBUG",
    }
    environment = {f"TAP_ADSPECT_{name.upper()}": value for name, value in given.items()}
    names = ("saved_queries", "streams", "click_log", "own", "account")
    catalog = program.file("catalog.json", select_with(report, *names))
    # When
    finished = program("--config=ENV", "--catalog", catalog, environment=environment)
    # Then it got to the error, and nothing secret is anywhere but in records
    assert finished.returncode == 1
    assert 'HTTP 400 Bad Request "bad: [hidden] [hidden]"' in last_line(finished.stderr)
    assert "DEBUG" in finished.stderr
    for text in (finished.stdout, finished.stderr):
        assert not [secret for secret in (adspect.api_key, header, salt) if secret in text]
    queries = [str(one["query_id"]) for one in adspect.truth("saved_queries")]
    assert all(query in finished.stdout for query in queries)
    assert not [query for query in [*queries, "<?php", "page code", "192.0.2."] if query in finished.stderr]
    # A report from the environment is a stream
    assert adspect.journal.matching(FUNNEL, **{"group_by[]": "date"})


def select_with(report: dict[str, Any], *names: str) -> dict[str, Any]:
    """Make a catalog of a tap with a report that selects these streams."""
    tap = TapAdspect(config={"reports": [report]}, validate_config=False)
    catalog: dict[str, Any] = json.loads(tap.catalog_json_text)
    for entry in catalog["streams"]:
        for one in entry["metadata"]:
            if one["breadcrumb"] == []:
                one["metadata"]["selected"] = entry["tap_stream_id"] in names
    return catalog


@pytest.fixture
def slow(simulate: Simulate) -> AdspectSimulator:
    """Ten days; the answers of the second half do not come in time for a run that is stopped."""
    simulator = simulate(AdspectSimulator(first_day=dt.date(2025, 3, 1), days=10, rows_per_day=40, streams=8))
    simulator.faults.add(Fault(path="/v1/reports/*", nth=6, times=None, action="slow", delay=30))
    return simulator


@pytest.mark.parametrize("stream", ["funnel_daily", "click_log"])
def test_a_run_killed_half_way_goes_on_from_its_last_state(
    program: Program, slow: AdspectSimulator, stream: str
) -> None:
    # Given a run that is killed when five of ten windows are loaded
    catalog = program.file("catalog.json", select(TapAdspect, stream))
    windows = {"window_days": 1, "log_window_minutes": 1440, "log_count_check": False}
    given = {**slow.settings(), "end_date": "2025-03-10", **windows}
    code, before = program.stop(signal.SIGKILL, 5, "--catalog", catalog, config=given)
    assert code == -signal.SIGKILL
    state = [one["value"] for one in before if one["type"] == "STATE"][-1]
    reached = {"funnel_daily": "2025-03-05", "click_log": "2025-03-06T00:00:00Z"}[stream]
    assert state["bookmarks"][stream]["replication_key_value"] == reached
    # When it is started again from its last STATE, without look-back
    slow.journal.clear()
    slow.faults.clear()
    config = {**given, "lookback_days": 0, "log_lookback_hours": 0}
    finished = program("--catalog", catalog, "--state", program.file("state.json", state), config=config)
    # Then it did not start over, and both runs together hold the truth
    assert finished.returncode == 0, finished.stderr
    first = {"funnel_daily": dt.datetime(2025, 3, 5), "click_log": dt.datetime(2025, 3, 6)}[stream]  # noqa: DTZ001
    days = [
        dt.datetime.fromtimestamp(int(request.param("date_from") or 0), dt.timezone.utc) for request in slow.journal
    ]
    # A day without a row is asked for twice.
    assert list(dict.fromkeys(day.date() for day in days)) == [
        (first + dt.timedelta(days=number)).date() for number in range(11 - first.day)
    ]
    rows = [one["record"] for one in [*before, *read_messages(finished.stdout)] if one["type"] == "RECORD"]
    key = ("date", "stream_id") if stream == "funnel_daily" else ("_row_key",)
    loaded = {tuple(row[name] for name in key): row for row in rows}
    assert [loaded[one] for one in sorted(loaded)] == slow.truth(stream)
    assert slow.violations == []


def test_a_run_that_is_asked_to_stop_says_so_by_its_exit_code(program: Program, slow: AdspectSimulator) -> None:
    catalog = program.file("catalog.json", select(TapAdspect, "funnel_daily"))
    given = {**slow.settings(), "end_date": "2025-03-10", "window_days": 1}
    code, said = program.stop(signal.SIGTERM, 5, "--catalog", catalog, config=given)
    assert code == 143
    bookmarks = [one["value"]["bookmarks"]["funnel_daily"] for one in said if one["type"] == "STATE"]
    assert bookmarks[-1]["replication_key_value"] == "2025-03-05"


def test_test_reads_the_streams_that_are_on(program: Program, adspect: AdspectSimulator) -> None:
    finished = program("--test", config=adspect.settings())
    assert finished.returncode == 0, finished.stderr
    assert sorted(request.path for request in adspect.journal) == [
        "/v1/account",
        "/v1/reports",
        "/v1/reports/funnel",
        "/v1/streams",
    ]
