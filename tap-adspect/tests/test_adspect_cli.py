"""The program as a user runs it: reports from the settings, personal data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from singer_adtech.testing import Program, select
from tap_adspect.tap import TapAdspect
from vendor_simulators.faults import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from vendor_simulators.adspect import AdspectSimulator


FUNNEL = "/v1/reports/funnel"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program("tap_adspect", tmp_path)


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


def test_ids_of_queries_and_personal_data_are_in_records_only(program: Program, adspect: AdspectSimulator) -> None:
    # Given settings from the environment, every log line, and an error at the end
    adspect.faults.add(Fault(path="/v1/streams", status=400, times=None))
    report = {"name": "own", "dimensions": ["date"], "metrics": ["clicks"]}
    given = {
        **adspect.settings(),
        "end_date": "2025-03-28",
        "log_window_minutes": "1440",
        "reports": json.dumps([report]),
        "ip_addresses": "hash",
        "ip_salt": "a-salt-of-many-letters",
        "loglevel": "DEBUG",
    }
    environment = {f"TAP_ADSPECT_{name.upper()}": value for name, value in given.items()}
    names = ("saved_queries", "streams", "click_log", "own", "account")
    catalog = program.file("catalog.json", select(TapAdspect, *names, config={"reports": [report]}))
    # When
    finished = program("--config=ENV", "--catalog", catalog, environment=environment)
    # Then
    assert finished.returncode == 1
    assert "DEBUG" in finished.stderr
    assert given["ip_salt"] not in finished.stdout + finished.stderr
    queries = [str(one["query_id"]) for one in adspect.truth("saved_queries")]
    assert all(query in finished.stdout for query in queries)
    assert not [query for query in [*queries, "<?php", "page code", "192.0.2."] if query in finished.stderr]
    # A report from the environment is a stream
    assert adspect.journal.matching(FUNNEL, **{"group_by[]": "date"})


def test_test_reads_the_streams_that_are_selected_by_default(program: Program, adspect: AdspectSimulator) -> None:
    finished = program("--test", config=adspect.settings())
    assert finished.returncode == 0, finished.stderr
    # One request each
    on = [stream for stream in TapAdspect(validate_config=False).streams.values() if stream.selected_by_default]
    paths = {request.path for request in adspect.journal}
    assert paths == {f"/v1{stream.path}" for stream in on}  # type: ignore[attr-defined]  # every stream has a path
    assert len(adspect.journal) == len(on)
