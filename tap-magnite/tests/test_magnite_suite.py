"""The tests that all taps share."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar

from singer_adtech.testing import Restart, Slices, TapSuite
from tap_magnite.tap import TapMagnite
from typing_extensions import override
from vendor_simulators.faults import Fault
from vendor_simulators.magnite import MagniteSimulator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from singer_sdk import Stream

QUERIES = "/v1/resources/queries"
CODE = "4e7a8e0c-018d-4184-a780-7b8d7d7683fe"
"""The code of the simulator's first session."""


class TestMagnite(TapSuite):
    """Ten days of one report, and the inventory with details."""

    tap_class = TapMagnite
    now = dt.datetime(2025, 3, 24, 12, tzinfo=dt.timezone.utc)
    settings: ClassVar[Mapping[str, Any]] = {
        "end_date": "2025-03-10",
        "include_details": True,
        "poll_interval": 0.1,
        "busy_wait": 0.1,
    }
    wrong_credentials: ClassVar[Mapping[str, Any]] = {
        "access_key": "somebody-elses-access",
        "secret_key": "somebody-elses-secret",
    }

    @override
    @classmethod
    def vendor(cls) -> MagniteSimulator:
        return MagniteSimulator(first_day=dt.date(2025, 3, 1), days=10, rows_per_day=30)

    @override
    @classmethod
    def truth(cls, vendor: MagniteSimulator, stream: str) -> Sequence[Mapping[str, Any]]:
        return vendor.truth(stream, details=True)

    @override
    @classmethod
    def final_bookmark(cls, stream: Stream, records: Sequence[Mapping[str, Any]]) -> str:
        return "2025-03-10"

    @override
    @classmethod
    def repeat_secrets(cls, vendor: MagniteSimulator, text: str) -> Sequence[str]:
        vendor.faults.add(Fault(path="/v1/resources/supply", status=400, body=text, times=None))
        return ["adstats_daily", "supply"]

    @override
    @classmethod
    def secrets(cls, vendor: MagniteSimulator, config: Mapping[str, Any]) -> Sequence[str]:
        cookies = {value for request in vendor.journal for _, value in request.cookies()}
        return [*super().secrets(vendor, config), *dict.fromkeys([CODE, *vendor.sessions.issued]), *cookies]

    @override
    @classmethod
    def restarts(cls) -> Mapping[str, Callable[[], Restart]]:
        return {"adstats_daily": cls._report}

    @classmethod
    def _report(cls) -> Restart:
        # A query that is left behind ends after half a second.
        vendor = MagniteSimulator(first_day=dt.date(2025, 3, 1), days=6, rows_per_day=10, query_seconds=0.5)
        vendor.faults.add(Fault(path=f"{QUERIES}/?????????", nth=7, action="slow", delay=30))
        return Restart(
            stream="adstats_daily",
            vendor=vendor,
            settings={
                "end_date": "2025-03-06",
                "window_days": 1,
                "lookback_days": 0,
                "poll_interval": 0.1,
                "busy_wait": 0.1,
            },
            states=3,
            bookmark="2025-03-03",
            requested=lambda: [
                one.json()["range"]["fromDate"] for one in vendor.journal.matching(QUERIES, "POST") if one.status == 200
            ],
            # The bookmark's own day is always read again.
            after=["2025-03-03", "2025-03-04", "2025-03-05", "2025-03-06"],
            release=vendor.faults.clear,
        )

    @override
    @classmethod
    def slices(cls) -> Slices:
        vendor = MagniteSimulator(first_day=dt.date(2025, 3, 1), days=6, rows_per_day=10)
        vendor.faults.add(Fault(path=f"{QUERIES}/*/results", times=None, action="slow", delay=0.3))

        def limits() -> None:
            """No submit meets the query of another run."""
            submits = vendor.journal.matching(QUERIES, "POST")
            results = vendor.journal.matching(f"{QUERIES}/*/results", "GET")
            assert [request.status for request in submits] == [200] * 6
            assert all(result.finished < submit.at for result, submit in zip(results, submits[1:], strict=False))

        return Slices(
            stream="adstats_daily",
            vendor=vendor,
            settings={"window_days": 1, "poll_interval": 0.1, "busy_timeout": 1},
            days=[("2025-03-01", "2025-03-02"), ("2025-03-03", "2025-03-04"), ("2025-03-05", "2025-03-06")],
            limits=limits,
        )
