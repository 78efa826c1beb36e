"""The tests that all taps share."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar

from singer_adtech.testing import Restart, Slices, TapSuite
from tap_spotwatch.tap import TapSpotwatch
from typing_extensions import override
from vendor_simulators.faults import Fault
from vendor_simulators.spotwatch import SpotwatchSimulator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from singer_sdk import Stream

LAST_DAY = dt.date(2024, 6, 12)
PAGED = ("ads", "broadcasts", "blocks", "block_ads")


class TestSpotwatch(TapSuite):
    """Five days of airings, with optional columns and the message queue."""

    tap_class = TapSpotwatch
    now = dt.datetime(2024, 6, 15, 10, tzinfo=dt.timezone.utc)
    settings: ClassVar[Mapping[str, Any]] = {
        "end_date": LAST_DAY.isoformat(),
        "page_size": 11,
        "window_days": 2,
        "row_count_check": "fail",
        "message_queue": True,
        "include_media": True,
        "include_user_payload": True,
    }
    wrong_credentials: ClassVar[Mapping[str, Any]] = {"api_key": "somebody-elses"}
    dry_runs_skip = frozenset({"broadcast_messages"})

    @override
    @classmethod
    def vendor(cls) -> SpotwatchSimulator:
        return SpotwatchSimulator(first_day=dt.date(2024, 6, 8), days=5, rows_per_day=60, undeclared=True)

    @override
    @classmethod
    def truth(cls, vendor: SpotwatchSimulator, stream: str) -> Sequence[Mapping[str, Any]]:
        last_day = LAST_DAY if stream in PAGED else None
        return vendor.truth(stream, last_day=last_day, include_media=True, include_user_payload=True)

    @override
    @classmethod
    def final_bookmark(cls, stream: Stream, records: Sequence[Mapping[str, Any]]) -> str:
        return "2024-06-13T00:00:00Z"

    @override
    @classmethod
    def repeat_secrets(cls, vendor: SpotwatchSimulator, text: str) -> Sequence[str]:
        vendor.faults.add(Fault(path="/get-all-regions", status=400, body=text, times=None))
        return ["ads", "regions"]

    @override
    @classmethod
    def secrets(cls, vendor: SpotwatchSimulator, config: Mapping[str, Any]) -> Sequence[str]:
        # Page links are capabilities.
        return [*super().secrets(vendor, config), *(link[1:] for link in vendor.chains.issued)]

    @override
    @classmethod
    def restarts(cls) -> Mapping[str, Callable[[], Restart]]:
        return {"broadcasts": cls._broadcasts}

    @classmethod
    def _broadcasts(cls) -> Restart:
        vendor = SpotwatchSimulator(first_day=dt.date(2024, 6, 3), days=10, rows_per_day=60)
        for day in range(8, 13):
            begin = {"time_from": f"2024-06-{day:02}T00:00:00Z"}
            vendor.faults.add(Fault(path="/get-broadcasts", params=begin, times=None, action="slow", delay=30))
        return Restart(
            stream="broadcasts",
            vendor=vendor,
            settings={
                "end_date": LAST_DAY.isoformat(),
                "broadcasts_lookback_days": 0,
                "include_media": True,
                "include_user_payload": True,
            },
            states=5,
            bookmark="2024-06-08T00:00:00Z",
            # Windows are requested in parallel.
            requested=lambda: sorted(one.param("time_from") or "" for one in vendor.journal),
            after=[f"2024-06-{day:02}T00:00:00Z" for day in range(8, 13)],
            release=vendor.faults.clear,
        )

    @override
    @classmethod
    def slices(cls) -> Slices:
        vendor = cls.vendor()
        vendor.faults.add(Fault(path="*", times=None, action="slow", delay=0.3))

        def limits() -> None:
            """Two runs have as many requests in flight as one."""
            assert vendor.journal.concurrency() == 2

        return Slices(
            stream="broadcasts",
            vendor=vendor,
            settings={"window_days": 1, "page_size": 20},
            days=[("2024-06-08", "2024-06-10"), ("2024-06-11", "2024-06-12")],
            limits=limits,
        )
