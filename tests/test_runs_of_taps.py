"""Runs of all five taps: failures, missing permissions, table versions, metrics, connection tests."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import json
import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from singer_adtech.testing import Run, TapRunner, select, tap_runner
from tap_adspect.tap import TapAdspect
from tap_ispot.tap import TapISpot
from tap_magnite.tap import TapMagnite
from tap_spotwatch.tap import TapSpotwatch
from tap_springserve.tap import TapSpringServe
from target_duckdb_arrow.target import TargetDuckDBArrow
from vendor_simulators.adspect import AdspectSimulator
from vendor_simulators.faults import Fault
from vendor_simulators.ispot import ISpotSimulator
from vendor_simulators.magnite import MagniteSimulator
from vendor_simulators.messages import Content
from vendor_simulators.spotwatch import SpotwatchSimulator
from vendor_simulators.springserve import SpringServeSimulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from singer_adtech.tap import AdTechTap
    from vendor_simulators.messages import Response
    from vendor_simulators.simulator import Simulator

DAYS = 2


@dataclass(frozen=True)
class Case:
    """A tap, its vendor, and one small list stream.

    Attributes:
        tap: The tap.
        simulator: Makes its vendor.
        stream: The list's stream.
        path: The list's path.
        settings: Additional settings.
        logins: Number of login and logout requests.
    """

    tap: type[AdTechTap]
    simulator: Callable[[], Simulator]
    stream: str
    path: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    logins: int = 0


def small(simulator: Callable[..., Simulator], **options: Any) -> Callable[[], Simulator]:
    return partial(simulator, days=DAYS, rows_per_day=20, **options)


CASES = [
    Case(TapAdspect, small(AdspectSimulator, streams=3), "saved_queries", "/v1/reports", {"log_window_minutes": 1440}),
    Case(TapISpot, small(ISpotSimulator), "movies", "/v4/movies", logins=1),
    Case(TapMagnite, small(MagniteSimulator, polls=1), "brands", "/v1/resources/brands", logins=2),
    Case(TapSpotwatch, small(SpotwatchSimulator), "regions", "/get-all-regions"),
    Case(TapSpringServe, small(SpringServeSimulator, polls=1), "campaigns", "/api/v0/campaigns", logins=1),
]


class Setting:
    """A case with a running vendor."""

    def __init__(self, case: Case, vendor: Simulator, run: TapRunner) -> None:
        self.case = case
        self.vendor = vendor
        self.name = case.tap.name
        self._run = run

    def run(self, *streams: str, **more: Any) -> Run:
        """Run the tap with the given streams, or with the default ones."""
        settings = {**self.vendor.settings(), **self.case.settings, **more.pop("settings", {})}
        return self._run(settings, *streams, **more)

    def refuse(self, status: int, **more: Any) -> None:
        """Refuse the list from now on."""
        self.vendor.faults.add(Fault(path=self.case.path, status=status, times=None, **more))


@pytest.fixture(params=CASES, ids=lambda case: case.tap.name)
def setting(
    request: pytest.FixtureRequest, simulate: Callable[[Simulator], Simulator], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Setting]:
    case: Case = request.param
    vendor = simulate(case.simulator())
    now = dt.datetime.combine(vendor.last_day, dt.time(20), dt.timezone.utc)
    with tap_runner(case.tap, now, monkeypatch) as runner:
        yield Setting(case, vendor, runner)


def rows(run: Run) -> dict[str, list[str]]:
    """Return the sorted records of each stream as text."""
    found: dict[str, list[str]] = {}
    for one in run.messages:
        if one["type"] == "RECORD":
            found.setdefault(one["stream"], []).append(json.dumps(one["record"], sort_keys=True, default=str))
    return {stream: sorted(records) for stream, records in found.items()}


def metrics(run: Run, metric: str) -> list[dict[str, Any]]:
    lines = [json.loads(line.partition("METRIC: ")[2]) for line in run.log if "METRIC: " in line]
    return [one for one in lines if one["metric"] == metric]


def errors(run: Run) -> list[str]:
    return [line for line in run.log if line.startswith(("ERROR", "CRITICAL"))]


def test_a_failing_stream_does_not_stop_the_others(setting: Setting) -> None:
    # given
    whole = rows(setting.run())
    setting.refuse(500)
    # when
    run = setting.run(fails=True)
    # then: the other streams are complete, and the run's error is the stream's
    stream = setting.case.stream
    assert rows(run) == {name: records for name, records in whole.items() if name != stream}
    assert run.error.startswith(f"stream {stream}: ")
    assert "HTTP 500" in run.error
    assert len(errors(run)) <= 1
    # and the next run completes from its last state
    setting.vendor.faults.clear()
    assert rows(setting.run(state=run.states[-1]))[stream] == whole[stream]


def test_a_forbidden_stream_is_skipped(setting: Setting) -> None:
    # given
    whole = rows(setting.run())
    setting.refuse(403)
    # when
    run = setting.run()
    # then: the warning has the command that deselects it
    stream = setting.case.stream
    assert rows(run) == {name: records for name, records in whole.items() if name != stream}
    (warning,) = [one for one in run.warnings() if "skipped" in one]
    assert warning.startswith(f"stream {stream}: skipped, because it is forbidden: ")
    assert f'`meltano select {setting.name} --exclude {stream} "*"`' in warning
    assert errors(run) == []


def test_a_forbidden_stream_can_fail_the_run(setting: Setting) -> None:
    # given
    whole = rows(setting.run())
    setting.refuse(403)
    # when
    run = setting.run(settings={"on_forbidden": "fail"}, fails=True)
    # then
    assert rows(run).keys() == whole.keys() - {setting.case.stream}
    assert run.error.startswith(f"stream {setting.case.stream}: ")


def test_refused_credentials_are_sent_once(setting: Setting) -> None:
    # given: a vendor that refuses everything
    setting.vendor.faults.add(Fault(status=401, times=None))
    # when
    run = setting.run(fails=True)
    # then
    assert len(setting.vendor.journal) == 1
    assert errors(run) == []
    assert " streams failed" not in run.error


def test_batch_config_is_refused(setting: Setting) -> None:
    # when: BATCH files would follow the STATE that covers them
    given = {"batch_config": {"encoding": {"format": "jsonl"}, "storage": {"root": "file:///tmp"}}}
    run = setting.run(settings=given, fails=True)
    # then
    assert run.error == (
        "setting `batch_config` is not allowed: BATCH files would contain deselected columns, and follow the STATE "
        "that covers them: remove the setting to send records one by one"
    )
    assert len(setting.vendor.journal) == 0


def test_a_connection_test_that_passes_has_no_error_line(setting: Setting) -> None:
    # when
    run = setting.run(test=True)
    # then
    assert errors(run) == []
    tested = setting.case.tap.connection_test or ()
    number = len(tested) or len(json.loads(setting.case.tap(validate_config=False).catalog_json_text)["streams"])
    streams = "stream" if number == 1 else "streams"
    logged = [line for line in run.log if not line.startswith("DEBUG")]
    assert logged[-1] == f"INFO {setting.name}: {number} of {number} {streams} readable"


def test_every_request_is_counted(setting: Setting) -> None:
    # given: all streams, and a repeated request
    setting.vendor.faults.add(Fault(path=setting.case.path, status=503))
    streams = [
        one["tap_stream_id"] for one in json.loads(setting.case.tap(validate_config=False).catalog_json_text)["streams"]
    ]
    # when
    run = setting.run(*streams, settings={"include_details": True, "log_count_check": True})
    # then: the metrics equal the vendor's journal
    counted = {one["tags"]["stream"]: one["value"] for one in metrics(run, "http_request_count")}
    assert sum(counted.values()) == len(setting.vendor.journal)
    assert counted.get(None, 0) == setting.case.logins
    summaries = {one["tags"]["stream"]: one["value"] for one in metrics(run, "stream_summary")}
    assert summaries.keys() == set(streams)
    assert summaries[setting.case.stream]["retries"] == 1
    assert {stream: one["requests"] for stream, one in summaries.items()} == {
        stream: number for stream, number in counted.items() if stream
    }
    assert {stream: one["rows"] for stream, one in summaries.items() if one["rows"]} == {
        stream: len(records) for stream, records in rows(run).items()
    }
    (tap,) = metrics(run, "tap_summary")
    assert tap["value"]["requests"] == len(setting.vendor.journal)


def test_fields_that_are_not_in_the_schema_are_twenty_warnings_and_a_count(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: a vendor that adds a thousand fields to its rows, and a catalog without `_extra`
    if setting.name == "tap-spotwatch":
        pytest.skip("its list is one of names, without fields")
    fields = {f"new_{number}": 1 for number in range(1000)}
    change(setting, monkeypatch, lambda rows: [row.update(fields) for row in rows])
    # when
    run = setting.run(catalog=select(setting.case.tap, setting.case.stream, without=("_extra",)))
    # then
    warnings = [one for one in run.warnings() if "not in the schema" in one]
    assert len(warnings) == 21
    assert not [one for one in warnings if "kept" in one]
    # The simulators' rows may also have undeclared fields.
    assert re.sub(r"98\d", "980", warnings[-1]) == (
        f"stream {setting.case.stream}: 980 more fields are not in the schema: "
        "dropped, because `_extra` is deselected: select it to keep the field"
    )


def change(setting: Setting, monkeypatch: pytest.MonkeyPatch, edit: Callable[[list[Any]], object]) -> None:
    """Edit the rows of the case's list in the vendor's responses."""
    handle: Callable[[Any], Response] = setting.vendor.handle

    def answer(request: Any) -> Response:
        given = handle(request)
        if request.path == setting.case.path and given.body.plain:
            body = json.loads(given.body.plain)
            edit(body["data"] if isinstance(body, dict) else body)
            given.body = Content(json.dumps(body).encode())
        return given

    monkeypatch.setattr(setting.vendor, "handle", answer)


# --------------------------------------------------------------------------------------------------- with the loader


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., int]:
    """Load a run into DuckDB, and return the number of rows in a stream's table."""
    filepath = tmp_path / "warehouse.duckdb"

    def load(run: Run, stream: str, **settings: Any) -> int:
        target = TargetDuckDBArrow(config={"filepath": str(filepath), **settings})
        with contextlib.redirect_stdout(io.StringIO()):
            target.listen(io.StringIO(run.output))
        with duckdb.connect(str(filepath), read_only=True) as connection:
            (number,) = connection.execute(f'select count(*) from "{stream}"').fetchone() or (0,)  # noqa: S608 - a stream of ours
        return int(number)

    return load


@pytest.mark.parametrize("settings", [{"hard_delete": True}, {"load_method": "overwrite"}])
@pytest.mark.parametrize("status", [403, 500])
def test_a_table_is_kept_if_its_stream_is_skipped_or_fails(
    setting: Setting, load: Callable[..., int], status: int, settings: dict[str, Any]
) -> None:
    # given: a table
    stream, versions = setting.case.stream, {"emit_activate_version_messages": True}
    before = load(setting.run(settings=versions), stream, **settings)
    setting.refuse(status)
    # when: versions are in seconds, so the next one must be later
    setting.case.tap.initialized_at = property(lambda _: 4_000_000_000_000)  # type: ignore[method-assign,assignment]
    try:
        run = setting.run(settings=versions, fails=status == 500)
    finally:
        del setting.case.tap.initialized_at
    # then
    assert before > 0
    assert load(run, stream, **settings) == before


def test_deleted_rows_are_removed_after_a_complete_read(
    setting: Setting, load: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: a table, and a vendor that deleted all rows but one
    stream, versions = setting.case.stream, {"emit_activate_version_messages": True}
    before = load(setting.run(stream, settings=versions), stream, hard_delete=True)
    change(setting, monkeypatch, lambda rows: rows.__delitem__(slice(1, None)))
    monkeypatch.setattr(setting.case.tap, "initialized_at", property(lambda _: 4_000_000_000_000), raising=False)
    # when
    run = setting.run(stream, settings={**versions, "row_count_check": "off"})
    # then
    assert [one["type"] for one in run.messages if one.get("stream") == stream][-1] == "ACTIVATE_VERSION"
    assert before > 1
    assert load(run, stream, hard_delete=True) == 1
