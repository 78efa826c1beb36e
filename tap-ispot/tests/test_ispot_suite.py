"""The tests that all taps share."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar

from singer_adtech.testing import Restart, Slices, TapSuite
from tap_ispot.tap import TapISpot
from typing_extensions import override
from vendor_simulators.faults import Fault
from vendor_simulators.ispot import ISpotSimulator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from singer_sdk import Stream

AUDIENCE = "/v4/metrics/audience/airings"
# The tap sends no filter by type to /airings/updates: the specification names the airing streams only.
ALL_TYPES: dict[str, Any] = {"airing_types": ("N", "R", "L", "SC", "NS"), "national_only": False}
LIMIT, SECONDS = 25, 10
"""The vendor's limit for /metrics/audience."""


class TestISpot(TapSuite):
    """Five days of airings around a clock change."""

    tap_class = TapISpot
    now = dt.datetime(2024, 3, 20, 16, tzinfo=dt.timezone.utc)
    settings: ClassVar[Mapping[str, Any]] = {
        "end_date": "2024-03-12",
        "page_size": 15,
        "catalog_page_size": 50,
        "row_count_check": "fail",
    }
    wrong_credentials: ClassVar[Mapping[str, Any]] = {
        "client_id": "somebody-else",
        "client_secret": "somebody-elses-secret",
    }

    # The vendor documents no form of this date.
    text_columns = frozenset({"creative_airing_date_first_et"})

    @override
    @classmethod
    def vendor(cls) -> ISpotSimulator:
        return ISpotSimulator(first_day=dt.date(2024, 3, 8), days=5, rows_per_day=40)

    @override
    @classmethod
    def truth(cls, vendor: ISpotSimulator, stream: str) -> Sequence[Mapping[str, Any]]:
        return vendor.truth(stream, **(ALL_TYPES if stream == "airing_updates" else {}))

    @override
    @classmethod
    def final_bookmark(cls, stream: Stream, records: Sequence[Mapping[str, Any]]) -> str:
        # Bookmarks are the beginning of the next window; days are Eastern.
        return "2024-03-13" if stream.name.endswith("_updates") else "2024-03-13T00:00:00-04:00"

    @override
    @classmethod
    def repeat_secrets(cls, vendor: ISpotSimulator, text: str) -> Sequence[str]:
        vendor.faults.add(Fault(path="/v4/movies", status=400, body=text, times=None))
        return ["audience_airings", "movies"]

    @override
    @classmethod
    def secrets(cls, vendor: ISpotSimulator, config: Mapping[str, Any]) -> Sequence[str]:
        return [*super().secrets(vendor, config), *vendor.tokens.issued]

    @override
    @classmethod
    def restarts(cls) -> Mapping[str, Callable[[], Restart]]:
        return {"audience_airings": cls._airings}

    @classmethod
    def _airings(cls) -> Restart:
        vendor = ISpotSimulator(first_day=dt.date(2024, 3, 1), days=10, rows_per_day=60)
        vendor.faults.add(Fault(path=AUDIENCE, nth=6, times=None, action="slow", delay=30))
        return Restart(
            stream="audience_airings",
            vendor=vendor,
            settings={"end_date": "2024-03-10", "lookback_days": 0},
            states=5,
            bookmark="2024-03-06T00:00:00-05:00",
            requested=lambda: [one.param("filter[start_date]") for one in vendor.journal.matching(AUDIENCE)],
            after=[f"2024-03-{day:02}" for day in range(6, 11)],
            release=vendor.faults.clear,
        )

    @override
    @classmethod
    def slices(cls) -> Slices:
        vendor = ISpotSimulator(first_day=dt.date(2024, 3, 5), days=3, rows_per_day=60, enforce_limits=True)
        vendor.faults.add(Fault(path=AUDIENCE, times=None, action="slow", delay=0.2))

        def limits() -> None:
            """Three runs have more pages than the vendor allows in ten seconds, and keep its limit together."""
            arrivals = [request.at for request in vendor.journal.matching(AUDIENCE)]
            assert LIMIT < len(arrivals) < 3 * LIMIT
            assert max(sum(at <= one < at + SECONDS for one in arrivals) for at in arrivals) <= LIMIT
            assert vendor.journal.concurrency() == 3

        return Slices(
            stream="audience_airings",
            vendor=vendor,
            settings={"page_size": 3, "parallel_requests": 3},
            days=[(day, day) for day in ("2024-03-05", "2024-03-06", "2024-03-07")],
            limits=limits,
        )
