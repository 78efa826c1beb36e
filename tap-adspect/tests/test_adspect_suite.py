"""The tests that all taps share."""

from __future__ import annotations

import base64
import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar

from singer_adtech.testing import Restart, Slices, TapSuite
from tap_adspect.tap import TapAdspect
from typing_extensions import override
from vendor_simulators.adspect import AdspectSimulator
from vendor_simulators.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from singer_sdk import Stream

MONTHLY: dict[str, Any] = {"dimensions": ["month", "asn"], "metrics": ["clicks", "roi"]}
BOOKMARKS = {"date": "2025-03-31", "month": "2025-03", "timestamp": "2025-04-01T00:00:00Z"}
SALT = "a-salt-of-many-letters"
"""Not needed by raw addresses, and a secret all the same."""


class TestAdspect(TapSuite):
    """Four of the days around a clock change, and a report by month."""

    tap_class = TapAdspect
    now = dt.datetime(2025, 4, 1, 20, 30, 40, tzinfo=dt.timezone.utc)
    settings: ClassVar[Mapping[str, Any]] = {
        "end_date": "2025-03-31",
        "page_size": 7,
        "window_days": 2,
        "log_window_minutes": 240,
        "row_count_check": "fail",
        "ip_salt": SALT,
        "reports": [{"name": "funnel_daily", "dimensions": ["date", "stream_id"]}, {"name": "funnel_month", **MONTHLY}],
    }
    wrong_credentials: ClassVar[Mapping[str, Any]] = {"api_key": "Somebody_Elses-Key-0123456789"}

    @override
    @classmethod
    def vendor(cls) -> AdspectSimulator:
        return AdspectSimulator(first_day=dt.date(2025, 3, 28), days=5, rows_per_day=60, streams=25)

    @override
    @classmethod
    def truth(cls, vendor: AdspectSimulator, stream: str) -> Sequence[Mapping[str, Any]]:
        if stream == "funnel_month":
            return vendor.truth(stream, first_day=dt.date(2025, 3, 1), last_day=dt.date(2025, 3, 31), **MONTHLY)
        return vendor.truth(stream, last_day=dt.date(2025, 3, 31))

    @override
    @classmethod
    def final_bookmark(cls, stream: Stream, records: Sequence[Mapping[str, Any]]) -> str:
        return BOOKMARKS[str(stream.replication_key)]

    @override
    @classmethod
    def repeat_secrets(cls, vendor: AdspectSimulator, text: str) -> Sequence[str]:
        vendor.faults.add(Fault(path="/v1/streams", status=400, body=text, times=None))
        return ["saved_queries", "funnel_month", "click_log", "account", "streams"]

    @override
    @classmethod
    def secrets(cls, vendor: AdspectSimulator, config: Mapping[str, Any]) -> Sequence[str]:
        header = base64.b64encode(f"{config['api_key']}:".encode()).decode()
        return [*super().secrets(vendor, config), header]

    @override
    @classmethod
    def restarts(cls) -> Mapping[str, Callable[[], Restart]]:
        return {
            "funnel_daily": lambda: cls._restart("funnel_daily", "2025-03-05", 5),
            "click_log": lambda: cls._restart("click_log", "2025-03-06T00:00:00Z", 6),
        }

    @classmethod
    def _restart(cls, stream: str, bookmark: str, first: int) -> Restart:
        vendor = AdspectSimulator(first_day=dt.date(2025, 3, 1), days=10, rows_per_day=40, streams=8)
        vendor.faults.add(Fault(path="/v1/reports/*", nth=6, times=None, action="slow", delay=30))

        def requested() -> list[str]:
            begins = (int(request.param("date_from") or 0) for request in vendor.journal)
            days = [dt.datetime.fromtimestamp(begin, dt.timezone.utc).date().isoformat() for begin in begins]
            # A day without a row is requested twice.
            return list(dict.fromkeys(days))

        return Restart(
            stream=stream,
            vendor=vendor,
            settings={
                "end_date": "2025-03-10",
                "window_days": 1,
                "lookback_days": 0,
                "log_window_minutes": 1440,
                "log_lookback_hours": 0,
                "log_count_check": False,
            },
            states=5,
            bookmark=bookmark,
            requested=requested,
            after=[f"2025-03-{day:02}" for day in range(first, 11)],
            release=vendor.faults.clear,
        )

    @override
    @classmethod
    def slices(cls) -> Slices:
        vendor = AdspectSimulator(first_day=dt.date(2025, 3, 27), days=5, rows_per_day=60)
        vendor.faults.add(Fault(path="*", times=None, action="slow", delay=0.1))

        def limits() -> None:
            """Two runs have as many requests in flight as one: a request per day, one at a time."""
            assert len(vendor.journal) == 5
            assert vendor.journal.concurrency() == 1

        return Slices(
            stream="funnel_daily",
            vendor=vendor,
            settings={"window_days": 1},
            days=[("2025-03-27", "2025-03-28"), ("2025-03-29", "2025-03-31")],
            limits=limits,
        )
