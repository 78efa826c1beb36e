"""Lost rows in all five taps: half and empty responses, and responses for another window.

Each case is a stream and the requests for its rows. A run with a fault loads the same rows as a run without, or fails
with one clear line, and the next run from its state loads the rest.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.testing import tap_runner
from tap_adspect.tap import TapAdspect
from tap_ispot.tap import TapISpot
from tap_magnite.tap import TapMagnite
from tap_spotwatch.tap import TapSpotwatch
from tap_springserve.tap import TapSpringServe
from vendor_simulators.adspect import AdspectSimulator
from vendor_simulators.faults import Fault
from vendor_simulators.ispot import ISpotSimulator
from vendor_simulators.magnite import MagniteSimulator
from vendor_simulators.magnite.simulator import BASE
from vendor_simulators.spotwatch import SpotwatchSimulator
from vendor_simulators.springserve import SpringServeSimulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from singer_adtech.tap import AdTechTap
    from singer_adtech.testing import Run
    from vendor_simulators.pytest_plugin import Simulate
    from vendor_simulators.simulator import Simulator

FIRST, LAST = dt.date(2025, 3, 10), dt.date(2025, 3, 12)
NOW = dt.datetime(2025, 3, 20, 15, 0, tzinfo=dt.timezone.utc)


@dataclass(frozen=True)
class Case:
    """A stream and the requests for its rows."""

    tap: type[AdTechTap]
    make: Callable[..., Simulator]
    stream: str
    path: str
    method: str = "GET"
    settings: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.tap.name.removeprefix('tap-')}-{self.stream}"

    def start(self, simulate: Simulate) -> Simulator:
        """Start the vendor."""
        return simulate(self.make(first_day=FIRST, days=3, rows_per_day=24, **self.options))

    def read(self, monkeypatch: pytest.MonkeyPatch, vendor: Simulator, state: Any = None, **more: Any) -> Run:
        """Read the stream."""
        dated = {"start_date": FIRST.isoformat(), "end_date": LAST.isoformat()}
        fails, test = more.pop("fails", False), more.pop("test", False)
        with tap_runner(self.tap, NOW, monkeypatch) as run:
            given = {**vendor.settings(), **dated, **self.settings, **more}
            return run(given, self.stream, state=state, fails=fails, test=test)

    def fault(self, action: Any, **more: Any) -> Fault:
        """Create a fault for the requests for rows."""
        return Fault(path=self.path, method=self.method, action=action, **more)

    def requests(self, vendor: Simulator) -> int:
        """Count the requests for rows."""
        return len(vendor.journal.matching(self.path, self.method))


ADS = {"window_days": 1, "page_size": 10, "parallel_requests": 1}
AIRINGS = Case(
    TapISpot, ISpotSimulator, "audience_airings", "/v4/metrics/audience/airings",
    settings={"window_days": 1, "page_size": 10, "airing_types": []},
)  # fmt: skip
MOVIES = Case(TapISpot, ISpotSimulator, "movies", "/v4/movies", settings={"catalog_page_size": 10})
BROADCASTS = Case(TapSpotwatch, SpotwatchSimulator, "broadcasts", "/*", settings=ADS)
BLOCKS = Case(TapSpotwatch, SpotwatchSimulator, "blocks", "/*", settings={**ADS, "page_size": 2})
TAGS = Case(TapSpringServe, SpringServeSimulator, "supply_tags", "/api/v1/supply_tags", settings={"page_size": 10})
PRIORITIES = Case(
    TapSpringServe, SpringServeSimulator, "demand_tag_priorities", "/api/v1/supply_tags/*",
    settings={"parallel_requests": 1},
)  # fmt: skip
SUPPLY = Case(
    TapSpringServe, SpringServeSimulator, "supply_daily", "/api/v0/report", "POST",
    settings={"window_days": 1}, options={"polls": 0, "report_rows": 1000},
)  # fmt: skip
CAMPAIGNS = Case(TapSpringServe, SpringServeSimulator, "campaigns", "/api/v0/campaigns")
STREAMS = Case(TapAdspect, AdspectSimulator, "streams", "/v1/streams", settings={"page_size": 5})
FUNNEL = Case(TapAdspect, AdspectSimulator, "funnel_daily", "/v1/reports/funnel", settings={"window_days": 1})
CLICKS = Case(
    TapAdspect, AdspectSimulator, "click_log", "/v1/reports/log", settings={"log_window_minutes": 1440},
)  # fmt: skip
QUERY = Case(
    TapMagnite, MagniteSimulator, "adstats_daily", f"{BASE}/queries/*/results", settings={"window_days": 1},
)  # fmt: skip

COUNTED = [AIRINGS, MOVIES, BROADCASTS, BLOCKS, TAGS, PRIORITIES, SUPPLY, STREAMS]
"""Streams for which the vendor reports a total."""

# With both times, the request before the last is for the same window, and its response has no row of another one.
ONE_TIME = [
    Case(TapSpotwatch, SpotwatchSimulator, "blocks", "/*", settings={**BLOCKS.settings, "blocks_by": by})
    for by in ("updated", "start")
]

DATED = [AIRINGS, BROADCASTS, *ONE_TIME, SUPPLY, FUNNEL, CLICKS, QUERY]
"""Windowed streams with dated rows."""

JSON = [*COUNTED, CAMPAIGNS, QUERY]
LINES = [FUNNEL, CLICKS]


def table(*runs: Run) -> dict[tuple[Any, ...], Any]:
    """Return the rows that a loader has after these runs: the last record of each key."""
    rows: dict[tuple[Any, ...], Any] = {}
    for run in runs:
        keys: list[str] = []
        for one in run.messages:
            if one["type"] == "SCHEMA":
                keys = one["key_properties"]
            elif one["type"] == "RECORD":
                rows[tuple(one["record"][name] for name in keys)] = one["record"]
    return rows


def bookmark(run: Run, case: Case) -> str:
    """Return the last bookmark, or an empty string."""
    return (run.bookmarks(case.stream) or [""])[-1]


@pytest.fixture(params=["first", "middle", "last"])
def nth(request: pytest.FixtureRequest) -> Callable[[int], int]:
    """Return a function that picks the request with the fault from a number of requests."""
    place = {"first": 0, "middle": 1, "last": 2}[str(request.param)]
    return lambda count: (1, (count + 1) // 2, count)[place]


@pytest.mark.parametrize("case", COUNTED, ids=str)
def test_one_response_with_half_of_its_rows_loses_nothing(
    case: Case, nth: Callable[[int], int], simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a stream and one response with half of its rows
    truth = table(case.read(monkeypatch, vendor := case.start(simulate)))
    vendor.faults.add(case.fault("half_rows", nth=nth(case.requests(vendor))))
    # When it is read with the default settings
    run = case.read(monkeypatch, vendor)
    # Then the missing rows are read again
    assert table(run) == truth
    assert len(truth) > 10


@pytest.mark.parametrize("case", COUNTED, ids=str)
def test_rows_that_stay_missing_fail_the_stream_and_the_next_run_has_them(
    case: Case, nth: Callable[[int], int], simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given responses with half of their rows from a request on
    clean = case.read(monkeypatch, vendor := case.start(simulate))
    vendor.faults.add(case.fault("half_rows", nth=nth(case.requests(vendor)), times=None))
    # When the stream is read
    run = case.read(monkeypatch, vendor, fails=True)
    # Then it fails with one line that names the setting, and the next run from its bookmark loads all rows
    assert run.error.startswith(f"stream {case.stream}")
    assert "set `row_count_check` to `warn`" in run.error
    assert bookmark(run, case) < bookmark(clean, case) or not bookmark(clean, case)
    vendor.faults.clear()
    again = case.read(monkeypatch, vendor, state=run.states[-1] if run.states else None)
    assert table(run, again) == table(clean)


@pytest.mark.parametrize("case", COUNTED, ids=str)
def test_the_run_continues_without_missing_rows_if_the_setting_allows_it(
    case: Case, simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = {"emit_activate_version_messages": True}
    clean = case.read(monkeypatch, vendor := case.start(simulate), **versions)
    vendor.faults.add(case.fault("half_rows", times=None))

    warned = case.read(monkeypatch, vendor, row_count_check="warn", **versions)
    before = case.requests(vendor)
    off = case.read(monkeypatch, vendor, row_count_check="off")

    assert bookmark(warned, case) == bookmark(clean, case) or case is TAGS
    assert any("because `row_count_check` is `warn`" in one for one in warned.warnings())
    # The table is not activated, because a loader would delete the missing rows.
    assert "ACTIVATE_VERSION" not in {one["type"] for one in warned.messages}
    assert ("ACTIVATE_VERSION" in {one["type"] for one in clean.messages}) is (case in (MOVIES, PRIORITIES, STREAMS))
    # And with `off`, totals are not compared and requests not repeated.
    assert case.requests(vendor) - before <= before
    assert not [one for one in off.warnings() if "total" in one]


def test_half_of_a_click_log_is_a_warning(
    nth: Callable[[int], int], simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a log response with half of its rows, from a vendor that reports no total
    CLICKS.read(monkeypatch, vendor := CLICKS.start(simulate))
    vendor.faults.add(CLICKS.fault("half_rows", nth=nth(CLICKS.requests(vendor))))
    # When it is read
    run = CLICKS.read(monkeypatch, vendor)
    # Then the run succeeds as specified, with a warning that compares it with the funnel
    (warning,) = run.warnings()
    assert "but the funnel has" in warning


@pytest.mark.parametrize("action", ["empty", "no_content"])
@pytest.mark.parametrize("case", [*JSON, *LINES], ids=str)
def test_an_empty_response_is_not_an_empty_result(
    case: Case, action: str, nth: Callable[[int], int], simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = table(case.read(monkeypatch, vendor := case.start(simulate)))
    vendor.faults.add(case.fault(action, nth=nth(case.requests(vendor))))

    assert table(case.read(monkeypatch, vendor)) == truth


@pytest.mark.parametrize("case", [TAGS, SUPPLY, FUNNEL, CLICKS], ids=str)
def test_one_empty_array_is_not_an_empty_result(
    case: Case, nth: Callable[[int], int], simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a stream for which an empty array is not the only empty result, and one from a gateway
    truth = table(case.read(monkeypatch, vendor := case.start(simulate)))
    vendor.faults.add(case.fault("status", status=200, body="[]", nth=nth(case.requests(vendor))))

    assert table(case.read(monkeypatch, vendor)) == truth


@pytest.mark.parametrize("action", ["empty", "no_content"])
@pytest.mark.parametrize("case", JSON, ids=str)
def test_empty_responses_without_end_fail_the_stream(
    case: Case, action: str, simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = case.start(simulate)
    vendor.faults.add(case.fault(action, times=None))

    run = case.read(monkeypatch, vendor, fails=True)

    assert run.error.startswith(f"stream {case.stream}")
    assert "tried" in run.error
    assert run.records(case.stream) == []
    assert run.bookmarks(case.stream) == []


@pytest.mark.parametrize(
    "empty",
    [{"action": "empty"}, {"action": "no_content"}, {"action": "status", "status": 200, "body": "[]"}],
    ids=["empty", "no_content", "empty array"],
)
@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("case", LINES, ids=str)
def test_a_repeated_empty_report_is_accepted_with_a_warning(
    case: Case, empty: dict[str, Any], simulate: Simulate, monkeypatch: pytest.MonkeyPatch, *, counted: bool
) -> None:
    # Given a state of a run that had rows
    clean = case.read(monkeypatch, vendor := case.start(simulate))
    # When the vendor returns no rows twice for a window of the look-back
    vendor.faults.add(case.fault(**empty, times=2))
    run = case.read(
        monkeypatch, vendor, state=clean.states[-1], log_count_check=counted, log_lookback_hours=72, lookback_days=2
    )
    # Then this is accepted with a warning, because the format has no other empty result
    window = "2025-03-10T00:00:00+00:00..2025-03-11T00:00:00+00:00" if case is CLICKS else "2025-03-10..2025-03-10"
    (warning,) = run.warnings()
    assert warning.startswith(f"stream {case.stream}: window {window}: ")
    if case is CLICKS and counted:
        assert "the log has 0 clicks and 0 conversions, but the funnel has " in warning
    else:
        assert "two responses without rows, and an earlier run has read this window" in warning
    assert bookmark(run, case) == bookmark(clean, case)
    assert run.clock.slept == [1]


@pytest.mark.parametrize("case", DATED, ids=str)
def test_a_response_for_another_window_is_requested_again(
    case: Case, simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given one cached response for the previous window
    truth = table(case.read(monkeypatch, vendor := case.start(simulate), page_size=100))
    vendor.faults.add(case.fault("previous", nth=case.requests(vendor)))
    # When the stream is read
    run = case.read(monkeypatch, vendor, page_size=100)
    # Then its rows do not replace those of the window
    assert table(run) == truth
    assert any("outside of the requested window; read again" in one for one in run.warnings())


@pytest.mark.parametrize("case", DATED, ids=str)
def test_responses_of_another_window_without_end_fail_the_stream(
    case: Case, simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given responses for the previous window from the last window on
    clean = case.read(monkeypatch, vendor := case.start(simulate), page_size=100)
    vendor.faults.add(case.fault("previous", nth=case.requests(vendor), times=None))
    # When the stream is read
    run = case.read(monkeypatch, vendor, page_size=100, fails=True)
    # Then it fails with the day and the window but no other value, and the next run loads all rows
    assert run.error.startswith(f"stream {case.stream}, window 2025-03-12")
    assert "the response has a row of 2025-03-11, outside of the requested window: " in run.error
    assert bookmark(run, case) < bookmark(clean, case)
    vendor.faults.clear()
    again = case.read(monkeypatch, vendor, state=run.states[-1])
    assert table(run, again) == table(clean)


@pytest.mark.parametrize("case", [MOVIES, AIRINGS, SUPPLY, STREAMS], ids=str)
def test_a_connection_test_reads_nothing_twice(case: Case, simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    vendor = case.start(simulate)
    vendor.faults.add(case.fault("half_rows", times=None))

    case.read(monkeypatch, vendor, test=True)

    requested = [request.target for request in vendor.journal.matching(case.path, "GET")]
    assert len(requested) == len(set(requested))
