"""The five taps of the fault matrix: small simulators, settings, and kinds of requests."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tap_adspect.tap import TapAdspect
from tap_ispot.tap import TapISpot
from tap_magnite.tap import TapMagnite
from tap_spotwatch.tap import TapSpotwatch
from tap_springserve.tap import TapSpringServe
from vendor_simulators.adspect import AdspectSimulator
from vendor_simulators.ispot import ISpotSimulator
from vendor_simulators.magnite import MagniteSimulator
from vendor_simulators.spotwatch import SpotwatchSimulator
from vendor_simulators.springserve import SpringServeSimulator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from singer_adtech.tap import AdTechTap
    from vendor_simulators.simulator import Simulator

UTC = dt.timezone.utc


@dataclass(frozen=True)
class Target:
    """A kind of request of a tap, and the streams that send it.

    Args:
        name: Name of the kind.
        path: Path of the requests, or a pattern.
        streams: The selected streams.
        method: Their method.
        holds: Properties of the response: `rows`; `total`: it reports the number of rows; `apart`: it identifies its
            request, by days or page numbers, for example; `lines`: an empty body means no rows; `array` or `map`: an
            empty one means no rows; `twins`: equal rows are valid; `digest`: the key is a digest of the whole row;
            `parent`: the path contains an id from another list.
    """

    name: str
    path: str
    streams: tuple[str, ...]
    method: str = "GET"
    holds: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Vendor:
    """A tap and its vendor, small enough for runs of a fraction of a second.

    Args:
        tap: The tap.
        now: The current time for the tap.
        simulator: Creates the vendor's simulator.
        settings: Further settings: no look-back, so that lost rows are not read again by chance, and small pages, so
            that each list has several.
        targets: The kinds of requests that faults apply to.
        truth: Further arguments of the simulator's truth, by stream.
    """

    tap: type[AdTechTap]
    now: dt.datetime
    simulator: Callable[[], Simulator]
    settings: Mapping[str, Any]
    targets: tuple[Target, ...]
    truth: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def _rows(name: str, path: str, stream: str, *more: str, method: str = "GET") -> Target:
    return Target(name, path, (stream,), method, frozenset({"rows", *more}))


VENDORS: dict[str, Vendor] = {
    "tap-adspect": Vendor(
        TapAdspect,
        dt.datetime(2025, 4, 2, 12, tzinfo=UTC),
        lambda: AdspectSimulator(first_day=dt.date(2025, 3, 28), days=3, rows_per_day=13, streams=6),
        {
            "lookback_days": 0,
            "log_lookback_hours": 0,
            "log_window_minutes": 1440,
            "log_count_check": True,
            "window_days": 1,
            "page_size": 2,
        },
        (
            _rows("streams", "/v1/streams", "streams", "total", "apart"),
            _rows("IP lists", "/v1/streams/*/ip-*", "stream_ip_lists", "array", "parent"),
            _rows("funnel", "/v1/reports/funnel", "funnel_daily", "lines", "apart"),
            _rows("click log", "/v1/reports/log", "click_log", "lines", "apart", "twins"),
            Target("counts of the log", "/v1/reports/funnel", ("click_log",), holds=frozenset({"lines"})),
        ),
    ),
    "tap-ispot": Vendor(
        TapISpot,
        dt.datetime(2024, 3, 20, 16, tzinfo=UTC),
        lambda: ISpotSimulator(first_day=dt.date(2024, 3, 9), days=3, rows_per_day=30),
        {"lookback_days": 0, "page_size": 4, "catalog_page_size": 15},
        (
            Target("token", "/v4/oauth2/token", ("networks",), "POST"),
            _rows("audience airings", "/v4/metrics/audience/airings", "audience_airings", "total", "apart"),
            _rows("corrections", "/v4/airings/updates", "airing_updates", "total", "digest"),
            _rows("spots", "/v4/spots", "spots", "total", "apart"),
        ),
        {"airing_updates": {"airing_types": ("N", "R", "L", "SC", "NS"), "national_only": False}},
    ),
    "tap-magnite": Vendor(
        TapMagnite,
        dt.datetime(2025, 3, 24, 12, tzinfo=UTC),
        lambda: MagniteSimulator(first_day=dt.date(2025, 3, 1), days=3, rows_per_day=8),
        {"lookback_days": 0, "window_days": 1},
        (
            Target("login", "/v1/resources/sessions", ("seats",), "POST"),
            _rows("ad units", "/v1/resources/adUnits", "ad_units", "array"),
            _rows("dimensions", "/v1/resources/query/sources/*/dimensions", "query_dimensions", "array"),
            Target("query", "/v1/resources/queries", ("adstats_daily",), "POST"),
            Target("poll", "/v1/resources/queries/????????*[!s]", ("adstats_daily",)),
            _rows("results", "/v1/resources/queries/*/results", "adstats_daily", "array", "apart"),
        ),
    ),
    "tap-spotwatch": Vendor(
        TapSpotwatch,
        dt.datetime(2024, 6, 15, 10, tzinfo=UTC),
        lambda: SpotwatchSimulator(first_day=dt.date(2024, 6, 8), days=3, rows_per_day=20),
        {
            "ads_lookback_days": 0,
            "broadcasts_lookback_days": 0,
            "blocks_lookback_minutes": 0,
            "page_size": 7,
        },
        (
            _rows("ads", "/*", "ads", "total", "apart"),
            _rows("broadcasts", "/*", "broadcasts", "total", "apart"),
            # Not `apart`: blocks are requested twice per window, by two times.
            _rows("blocks", "/*", "blocks", "total"),
            _rows("channels", "/get-all-channels", "channels", "map"),
        ),
    ),
    "tap-springserve": Vendor(
        TapSpringServe,
        dt.datetime(2026, 2, 10, 15, tzinfo=UTC),
        lambda: SpringServeSimulator(first_day=dt.date(2026, 2, 1), days=3, rows_per_day=12, report_rows=10, polls=1),
        {"lookback_days": 0, "window_days": 1, "page_size": 5},
        (
            Target("login", "/api/v0/auth", ("keys",), "POST"),
            _rows("supply tags", "/api/v1/supply_tags", "supply_tags", "total", "apart"),
            _rows("campaigns (v0)", "/api/v0/campaigns", "campaigns", "array", "apart"),
            _rows(
                "members of lists", "/api/v0/domain_lists/*/domains", "domain_list_domains", "array", "apart", "parent"
            ),
            _rows("report", "/api/v0/report", "supply_daily", "total", "apart", method="POST"),
        ),
    ),
}
