"""The tests that all taps share."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from singer_adtech.testing import Restart, Slices, TapSuite
from tap_springserve.tap import TapSpringServe
from typing_extensions import override
from vendor_simulators.faults import Fault
from vendor_simulators.limits import Rule
from vendor_simulators.springserve import SpringServeSimulator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from singer_sdk import Stream

FIRST_DAY = dt.date(2026, 2, 1)
TAGS = "/api/v1/supply_tags"
REPORT = "/api/v0/report"
LIMIT, SECONDS = 6, 2.0

# The tap for a vendor with a minute of two seconds, because a test cannot wait for minutes. Requests may arrive half a
# second late, as in the tap.
HURRIED = f"""
from singer_adtech.http.budgets import Family, Limit
from tap_springserve.client import LATENESS
from tap_springserve.tap import TapSpringServe

TapSpringServe.families = (Family("reports", ("/v0/report",), (Limit({LIMIT}, {SECONDS}),), "", LATENESS),)
TapSpringServe.cli()
"""


def exact(value: Any) -> Any:
    """Make numbers with a point into decimals, like those of messages that were read."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, dict):
        return {name: exact(item) for name, item in value.items()}
    return [exact(item) for item in value] if isinstance(value, list) else value


class TestSpringServe(TapSuite):
    """An account with ten days of reports."""

    tap_class = TapSpringServe
    now = dt.datetime(2026, 2, 10, 15, 30, tzinfo=dt.timezone.utc)
    settings: ClassVar[Mapping[str, Any]] = {
        "end_date": "2026-02-10",
        "page_size": 25,
        "row_count_check": "fail",
        "report_poll_interval": 0.1,
    }
    wrong_credentials: ClassVar[Mapping[str, Any]] = {"password": "another-password"}

    @override
    @classmethod
    def vendor(cls) -> SpringServeSimulator:
        return SpringServeSimulator(first_day=FIRST_DAY, days=10, rows_per_day=40)

    @override
    @classmethod
    def truth(cls, vendor: SpringServeSimulator, stream: str) -> Sequence[Mapping[str, Any]]:
        truth: Sequence[Mapping[str, Any]] = exact(vendor.truth(stream))
        return truth

    @override
    @classmethod
    def final_bookmark(cls, stream: Stream, records: Sequence[Mapping[str, Any]]) -> str:
        return max(str(record[str(stream.replication_key)]) for record in records)

    @override
    @classmethod
    def repeat_secrets(cls, vendor: SpringServeSimulator, text: str) -> Sequence[str]:
        vendor.faults.add(
            Fault(path=TAGS, action="expire_token"),
            Fault(path=TAGS, nth=2, action="html", status=503),
            Fault(path="/api/v1/supply_labels", status=400, body=text, times=None),
        )
        return ["supply_tags", "supply_labels"]

    @override
    @classmethod
    def secrets(cls, vendor: SpringServeSimulator, config: Mapping[str, Any]) -> Sequence[str]:
        return [*super().secrets(vendor, config), *vendor.tokens.issued]

    @override
    @classmethod
    def restarts(cls) -> Mapping[str, Callable[[], Restart]]:
        return {"supply_daily": cls._report, "supply_tags": cls._list}

    @classmethod
    def _report(cls) -> Restart:
        vendor = SpringServeSimulator(first_day=FIRST_DAY, days=10, rows_per_day=30, polls=0)
        vendor.faults.add(Fault(path=REPORT, nth=5, times=None, action="slow", delay=30))
        return Restart(
            stream="supply_daily",
            vendor=vendor,
            settings={"end_date": "2026-02-10", "window_days": 1, "lookback_days": 0},
            states=4,
            bookmark="2026-02-04",
            requested=lambda: list(dict.fromkeys(one.json()["start_date"] for one in vendor.journal.matching(REPORT))),
            after=[f"2026-02-{day:02}" for day in range(4, 11)],
            release=vendor.faults.clear,
        )

    @classmethod
    def _list(cls) -> Restart:
        vendor = SpringServeSimulator(first_day=FIRST_DAY, days=10, rows_per_day=30, polls=0)
        vendor.faults.add(Fault(path=TAGS, nth=4, times=None, action="slow", delay=30))
        return Restart(
            stream="supply_tags",
            vendor=vendor,
            settings={"page_size": 8},
            states=2,
            bookmark="2025-07-16T04:00:00.675Z",
            requested=lambda: [one.param("updated_at::gte") for one in vendor.journal.matching(TAGS)][:1],
            # Ten minutes before the bookmark.
            after=["2025-07-16T03:50:00.675Z"],
            release=vendor.faults.clear,
        )

    @override
    @classmethod
    def slices(cls) -> Slices:
        vendor = SpringServeSimulator(
            first_day=FIRST_DAY, days=6, rows_per_day=10, polls=1, report_rows=6, enforce_limits=True
        )
        vendor.limits.rules["reports"] = [Rule(LIMIT, SECONDS)]

        def limits() -> None:
            """The runs keep the limit of requests together, and have one report open at a time."""
            requests = vendor.journal.matching(REPORT)
            arrivals = [request.at for request in requests]
            assert len(arrivals) == 18
            assert max(sum(at <= one < at + SECONDS for one in arrivals) for at in arrivals) <= LIMIT
            spans: dict[str, tuple[float, float]] = {}
            for request in requests:
                day = request.json()["start_date"]
                spans[day] = (spans.get(day, (request.at, 0))[0], request.finished or request.at)
            assert len(spans) == 6
            assert all(later[0] > earlier[1] for earlier, later in pairwise(sorted(spans.values())))

        return Slices(
            stream="supply_daily",
            vendor=vendor,
            settings={"window_days": 1, "report_poll_interval": 0.1},
            days=[("2026-02-01", "2026-02-02"), ("2026-02-03", "2026-02-04"), ("2026-02-05", "2026-02-06")],
            source=HURRIED,
            limits=limits,
        )
