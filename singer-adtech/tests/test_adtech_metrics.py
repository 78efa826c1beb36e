"""What a run tells of itself: every request, and one line for each stream and for the run."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.http.budgets import Family, Limit
from singer_adtech.metrics import RunMetrics
from singer_sdk.logging import StructuredFormatter
from singer_sdk.metrics import MetricExclusionFilter, get_metrics_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from acme_vendor import AcmeVendor
    from adtech_fixtures import Run
    from singer_adtech.testing import FakeClock

STATE = {
    "bookmarks": {"airings": {"replication_key": "airing_day", "replication_key_value": "2024-03-10T00:00:00-05:00"}}
}


def points(log: list[str], metric: str) -> list[dict[str, Any]]:
    """Return the points of a metric, as they were logged."""
    lines = [json.loads(line.partition("METRIC: ")[2]) for line in log if line.startswith("METRIC: ")]
    return [one for one in lines if one["metric"] == metric]


def streams(log: list[str]) -> dict[str, dict[str, Any]]:
    """Return the numbers of each stream."""
    return {one["tags"]["stream"]: one["value"] for one in points(log, "stream_summary")}


@pytest.mark.parametrize("parallel", [1, 4])
def test_every_request_is_counted_in_one_place(
    acme: AcmeVendor, run_tap: Callable[..., Run], log: list[str], waits: list[float], parallel: int
) -> None:
    # given: one request that fails twice
    failures = iter((500, 503))
    acme.before = lambda call: (
        acme.server.json({}, status) if call.path == "/v1/spots" and (status := next(failures, 0)) else None
    )
    # when
    run_tap("airings", "spots", parallel_requests=parallel)
    # then: also repetitions, and the login, which belongs to no stream
    paths = acme.server.paths()
    assert {one["tags"]["stream"]: one["value"] for one in points(log, "http_request_count")} == {
        "airings": paths.count("/v1/airings"),
        "spots": paths.count("/v1/spots"),
        None: paths.count("/v1/login"),
    }
    assert streams(log)["spots"]["retries"] == 2
    assert len(waits) == 2


def test_a_stream_ends_with_one_line_of_its_numbers(
    acme: AcmeVendor, run_tap: Callable[..., Run], log: list[str], clock: FakeClock
) -> None:
    # given: a bookmark in the middle, a look-back of two days, a field that nobody declared
    run = run_tap("airings", state=STATE, patch=lambda tap: setattr(tap, "clock", clock))
    # then
    assert run.error is None
    (point,) = points(log, "stream_summary")
    assert (point["type"], point["tags"]["stream"], point["tags"]["status"]) == ("summary", "airings", "succeeded")
    sizes = point["value"].pop("bytes")
    assert point["value"] == {
        "seconds": 0.0,
        "rows": 7,
        "total": 7,
        "windows": 3,
        "windows_read": 3,
        "window_reached": "2024-03-10..2024-03-10",
        # The 8th, with five rows, and the 9th, without any, lie before the bookmark.
        "restated_rows": 5,
        "unknown_fields": 0,
        "requests": 5,
        "retries": 0,
        "budget_wait_seconds": 0.0,
        "vendor_wait_seconds": 0.0,
        "bookmark": "2024-03-11T00:00:00-04:00",
    }
    assert sizes > len(acme.airings["2024-03-08"][0]) * 7


def test_waits_for_the_budget_and_for_the_vendor_are_told_apart(
    acme: AcmeVendor, run_tap: Callable[..., Run], log: list[str], clock: FakeClock, waits: list[float]
) -> None:
    # given: one request in ten seconds, and a vendor that is away for 1 + 2 seconds
    failures = iter((500, 503))
    acme.before = lambda call: (
        acme.server.json({}, status) if call.path == "/v1/spots" and (status := next(failures, 0)) else None
    )

    def patch(tap: Any) -> None:
        tap.clock = clock
        tap.families = (Family("spots", ("/spots",), (Limit(1, 10),)),)

    # when
    run_tap("spots", patch=patch)
    # then: four requests (two pages) wait three times for 10.1 s in all, of which 3 s had passed before
    numbers = streams(log)["spots"]
    assert waits == [1, 2]
    assert numbers["requests"] == 4
    assert numbers["vendor_wait_seconds"] == 3.0
    assert numbers["budget_wait_seconds"] == pytest.approx(sum(clock.slept), abs=0.001)
    assert numbers["budget_wait_seconds"] == pytest.approx(3 * 10.1 - 3, abs=0.001)


def test_the_run_ends_with_the_sums(acme: AcmeVendor, run_tap: Callable[..., Run], log: list[str]) -> None:
    # given: one stream that fails
    acme.before = lambda call: acme.server.json({}, 400) if call.path == "/v1/events" else None
    # when
    run_tap()
    # then
    (point,) = points(log, "tap_summary")
    assert point["tags"]["status"] == "failed"
    assert point["value"]["streams"] == {"succeeded": 2, "failed": 1}
    assert point["value"]["rows"] == 7 + 3
    assert point["value"]["requests"] == len(acme.server.calls)
    assert log.index(next(line for line in log if '"tap_summary"' in line)) > max(
        number for number, line in enumerate(log) if '"stream_summary"' in line
    )


def test_a_metric_can_be_excluded_as_those_of_singer_sdk_can(clock: FakeClock, log: list[str]) -> None:
    # given: singer-sdk's filter, which looks at the point itself
    exclusion = MetricExclusionFilter(metrics=["stream_summary"])
    get_metrics_logger().addFilter(exclusion)
    # when
    try:
        RunMetrics(clock).log_stream("airings", "/airings", "succeeded", None)
    finally:
        get_metrics_logger().removeFilter(exclusion)
    # then
    assert points(log, "stream_summary") == []
    assert len(points(log, "http_request_count")) == 1


def test_in_the_structured_log_the_summaries_are_readable_lines_and_other_metrics_are_omitted(
    acme: AcmeVendor, run_tap: Callable[..., Run], clock: FakeClock, waits: list[float]
) -> None:
    # given: the log as Meltano configures it, a bookmark and a vendor that is away for one second
    failures = iter((500,))
    acme.before = lambda call: (
        acme.server.json({}, status) if call.path == "/v1/spots" and (status := next(failures, 0)) else None
    )
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(StructuredFormatter())
    logging.getLogger().addHandler(handler)
    # when
    try:
        run_tap("airings", "spots", state=STATE, patch=lambda tap: setattr(tap, "clock", clock))
    finally:
        logging.getLogger().removeHandler(handler)
    # then
    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    summaries = {line["message"]: line["extra"]["summary"] for line in lines if "summary" in line["extra"]}
    airings, spots, run = summaries
    assert airings == (
        "stream airings: succeeded, 7 rows, window 2024-03-10..2024-03-10 reached (3 of 3), 5 requests, "
        "5 restated rows, 0.0 s"
    )
    assert (
        spots == "stream spots: succeeded, 3 rows, 3 requests, 1 of them repeated, 1.0 s (waits: 1.0 s for the vendor)"
    )
    assert run == (
        "run succeeded (streams: 2 succeeded): 10 rows, 9 requests, 1 of them repeated, 5 restated rows, 1.0 s "
        "(waits: 1.0 s for the vendor)"
    )
    assert waits == [1]
    assert [point["metric"] for point in summaries.values()] == ["stream_summary", "stream_summary", "tap_summary"]
    assert not [line for line in lines if line["message"].startswith(("METRIC", "Skipping"))]
