"""The works of the speed benchmark: vendor, rows, settings of the tap, programs, and the targets."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST_DAY = dt.date(2024, 5, 6)
FIRST_ID = 7777777 * 10**11
"""The first id; its first seven digits are in no other value, so that ids are found in any program's output."""
DAYS = 10
"""Days with rows, unless a work has another number."""


class Size(NamedTuple):
    """The number of rows of a work, and how they are distributed."""

    rows: int
    page: int
    rows_per_day: int

    @property
    def last_day(self) -> dt.date:
        """The last day with rows."""
        return FIRST_DAY + dt.timedelta(days=self.rows // self.rows_per_day - 1)


@dataclass(frozen=True)
class Work:
    """A stream to read.

    Args:
        title: Text for the table.
        vendor: Name of the vendor, and of its methods in the server and the stock tap.
        path: Path of the tap's base address.
        stream: The stream.
        rows: Number of rows in a full run.
        page: Rows per page.
        days: Days with rows.
        settings: Further settings of the tap.
        programs: The programs to compare; none for a work that is measured in another way.
        pool: The work with the same rows, if any.
    """

    title: str
    vendor: str
    path: str
    stream: str
    rows: int = 300_000
    page: int = 10_000
    days: int = DAYS
    settings: Mapping[str, Any] = field(default_factory=dict)
    programs: tuple[str, ...] = ("stock", "ours")
    pool: str = ""

    def size(self, rows: int) -> Size:
        """Return the closest possible number of rows: full pages, and as many on each day.

        A smaller run has smaller days, down to a single page, then fewer days, and then smaller pages. A larger one has
        more days.
        """
        pages = max(round(rows / self.page), 1)
        days = min(max(self.days, round(self.days * rows / self.rows)), pages)
        page = min(self.page, max(rows // 2, 1))
        if page < self.page:
            return Size(2 * page, page, page)
        return Size(pages // days * days * page, page, pages // days * page)

    @property
    def tap(self) -> str:
        """The command of the tap."""
        return f"tap-{self.vendor}"


ISPOT = {
    "client_id": "x" * 20,
    "client_secret": "x" * 40,
    "airing_types": ["N", "R"],
}
SPRINGSERVE = {
    "email": "somebody@publisher.example",
    "password": "made-up",
    # The server has no limits here; with the vendor's, a run would mostly wait.
    "requests_per_minute": 1_000_000,
    "report_requests_per_minute": 1_000_000,
    "report_poll_interval": 0.1,
}

WORKS: Mapping[str, Work] = {
    "ispot": Work(
        "nested airings of 1.1 kB",
        "ispot",
        "/v4",
        "audience_airings",
        settings=ISPOT,
        programs=("loop", "loop-as-sent", "dlt-arrow", "dlt-rest", "airbyte", "stock", "ours"),
    ),
    "ispot-unannounced": Work(
        "airings with 12 unannounced fields",
        "ispot",
        "/v4",
        "audience_airings",
        settings=ISPOT,
        programs=("loop", "loop-as-sent", "stock", "ours"),
    ),
    "ispot-wide": Work(
        "airings of 4.1 kB, all includes",
        "ispot",
        "/v4",
        "audience_airings",
        settings=ISPOT,
        programs=("loop", "loop-as-sent", "stock", "ours"),
    ),
    "adspect-click-log": Work(
        "click log",
        "adspect",
        "/v1",
        "click_log",
        rows=1_000_000,
        page=50_000,
        days=20,
        settings={"api_key": "made-up", "log_window_minutes": 1440},
    ),
    "springserve-entities": Work(
        "supply tags of 4.9 kB", "springserve", "/api", "supply_tags", page=1000, settings=SPRINGSERVE
    ),
    "springserve-reports": Work(
        "daily report", "springserve", "/api", "supply_daily", page=1000, settings={**SPRINGSERVE, "window_days": 1}
    ),
    "spotwatch-broadcasts": Work("broadcasts", "spotwatch", "", "broadcasts", settings={"api_key": "made-up"}),
    "spotwatch-latency": Work(
        "broadcasts, 500 ms per response",
        "spotwatch",
        "",
        "broadcasts",
        rows=80_000,
        page=1000,
        days=80,
        settings={"api_key": "made-up"},
        programs=(),
        pool="spotwatch-broadcasts",
    ),
    "magnite-reports": Work(
        "report",
        "magnite",
        "/v1/resources",
        "adstats_daily",
        settings={"access_key": "made-up", "secret_key": "made-up", "poll_interval": 0.1, "window_days": 1},
    ),
}


@dataclass(frozen=True)
class Limited:
    """A run against a vendor's simulator with its request limits.

    Args:
        title: Text for the table.
        vendor: Name of the simulator.
        stream: The stream.
        path: Path of the limited requests.
        limits: Requests and seconds of each limit.
        options: Arguments of the simulator.
        days: Days of a full run.
        few_days: Days of a smaller run.
        settings: Further settings of the tap.
    """

    title: str
    vendor: str
    stream: str
    path: str
    limits: tuple[tuple[int, float], ...]
    options: tuple[str, ...]
    days: int
    few_days: int
    settings: Mapping[str, Any]


LIMITS: Mapping[str, Limited] = {
    "limits-ispot": Limited(
        "25 requests per 10 s and 75 per minute",
        "ispot",
        "audience_airings",
        "/v4/metrics/audience/airings",
        ((25, 10), (75, 60)),
        ("--rows-per-day", "100"),
        days=25,
        few_days=8,
        settings={"page_size": 20, "airing_types": ["N", "R"]},
    ),
    "limits-springserve": Limited(
        "10 report requests per minute",
        "springserve",
        "supply_daily",
        "/api/v0/report",
        ((10, 60),),
        ("--rows-per-day", "100", "--option", "polls=1"),
        days=15,
        few_days=5,
        settings={"window_days": 1, "report_poll_interval": 0.1},
    ),
}


def earliest(requests: int, limits: tuple[tuple[int, float], ...]) -> float:
    """Return the earliest start of the last of some requests under limits, in seconds after the first one."""
    starts: list[float] = []
    for number in range(requests):
        starts.append(max([starts[number - most] + seconds for most, seconds in limits if number >= most], default=0.0))
    return starts[-1] if starts else 0.0
