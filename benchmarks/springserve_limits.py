"""How close tap-springserve comes to the vendor's request limits without exceeding them.

The simulator enforces the documented limits (240 requests per minute, 10 for reports) in a separate process. The tap
reads 5,000 supply tags and a month of an hourly report by supply partner. The result is the duration of the run
compared with the minimum duration under the limits for the same number of requests.

The simulator generates its rows before the run, so that its work is not measured. Its report pages have 2,500 rows; the
vendor's page size is unknown.

With `--scale 4` a second lasts a quarter of a second on both sides: waits are shorter, and the work of the two programs
weighs four times as much as in a real run. `--scale 1` is a real run.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import time
from contextlib import redirect_stdout
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from singer_adtech.clock import Clock
from tap_springserve.tap import TapSpringServe
from typing_extensions import override
from vendor_simulators.limits import Limiter
from vendor_simulators.server import serve
from vendor_simulators.springserve import SpringServeSimulator
from vendor_simulators.springserve.facts import ReportQuery
from vendor_simulators.springserve.simulator import LIMITS

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

FIRST = date(2026, 1, 1)
MINUTE = 60
REPORTS_A_MINUTE = 10
REPORT = {
    "name": "hourly",
    "interval": "hour",
    "dimensions": ["supply_partner_id"],
    "metrics": ["impressions", "revenue"],
}


class FastClock(Clock):
    """A clock that runs faster than real time.

    Args:
        scale: The factor.
        now: Its initial time.
    """

    def __init__(self, scale: float, now: datetime) -> None:
        self._scale = scale
        self._now = now

    @override
    def now(self) -> datetime:
        return self._now

    @override
    def monotonic(self) -> float:
        return time.monotonic() * self._scale

    @override
    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / self._scale)


def warm(simulator: SpringServeSimulator, days: int) -> None:
    """Generate the rows of every response in advance."""
    simulator.truth("supply_tags")
    add_up, known = simulator.facts.rows, {}
    for number in range(days):
        day = FIRST + timedelta(days=number)
        query = ReportQuery(day, day, "hour", "UTC", ("supply_partner_id",), {})
        known[day] = add_up(query)
    simulator.facts.rows = lambda query: known[query.first]  # type: ignore[method-assign]  # generated in advance


def vendor(pipe: Connection, tags: int, days: int, scale: float) -> None:
    """Serve the simulator until a stop message, then send its counts."""
    simulator = SpringServeSimulator(
        first_day=FIRST, days=days, rows_per_day=tags, enforce_limits=True, polls=1, report_rows=2500
    )
    warm(simulator, days)
    simulator.limits = Limiter(LIMITS, clock=lambda: time.monotonic() * scale)
    with serve(simulator):
        pipe.send(simulator.settings())
        pipe.recv()
        journal = list(simulator.journal)
        reports = [one for one in journal if one.path == "/api/v0/report"]
        pipe.send(
            {
                "requests": len(journal),
                "reports": len(reports),
                "limited": sum(one.status == 429 for one in journal),  # noqa: PLR2004 - too many requests
                "violations": len(simulator.violations),
                # From the first report request to the last response.
                "seconds": (reports[-1].finished - reports[0].at) * scale,
            }
        )


def read(settings: dict[str, Any], days: int, scale: float, poll_interval: float) -> tuple[float, dict[str, int]]:
    """Run the tap; return its duration in seconds of its clock, and the records of each stream."""
    last = FIRST + timedelta(days=days - 1)
    now = datetime.combine(last, datetime.min.time(), tzinfo=timezone.utc) + timedelta(hours=23)
    fast = FastClock(scale, now)

    class Fast(TapSpringServe):
        clock = fast

    class Counted(io.StringIO):
        """Output that counts records instead of keeping them."""

        rows: dict[str, int] = {}  # noqa: RUF012 - shared within the run

        @override
        def write(self, text: str) -> int:
            for stream in ("supply_tags", "hourly"):
                count = text.count(f'{{"type":"RECORD","stream":"{stream}"')
                self.rows[stream] = self.rows.get(stream, 0) + count
            return len(text)

    out = Counted()
    begin = time.monotonic()
    with redirect_stdout(out):
        tap = Fast(
            config={
                **settings,
                "reports": [REPORT],
                "row_count_check": "fail",
                "report_poll_interval": poll_interval,
            }
        )
        for stream in tap.streams.values():
            stream.selected = stream.name in {"supply_tags", "hourly"}
        tap.sync_all()
    return (time.monotonic() - begin) * scale, out.rows


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tags", type=int, default=5000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--scale", type=float, default=4)
    parser.add_argument("--poll-interval", type=float, default=7, help="the tap's setting, in seconds of its clock")
    chosen = parser.parse_args()
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    arguments = (theirs, chosen.tags, chosen.days, chosen.scale)
    process = multiprocessing.get_context("spawn").Process(target=vendor, args=arguments)
    process.start()
    seconds, rows = read(ours.recv(), chosen.days, chosen.scale, chosen.poll_interval)
    ours.send("stop")
    counted = ours.recv()
    process.join()
    # Ten reports immediately, ten more a minute later, and so on: the earliest start of the last one.
    dictated = (counted["reports"] - 1) // REPORTS_A_MINUTE * MINUTE
    figures = {
        "supply tags": chosen.tags,
        "days of hourly reports": chosen.days,
        "time scale": f"{chosen.scale:g}",
        "poll interval in seconds": f"{chosen.poll_interval:g}",
        "records": f"{rows['supply_tags']:,} tags, {rows['hourly']:,} report rows",
        "requests": f"{counted['requests']}, of which {counted['reports']} for reports",
        "answers 429": counted["limited"],
        "violations of the vendor's rules": counted["violations"],
        "minimum seconds under the limits": dictated,
        "seconds for the reports": f"{counted['seconds']:.1f}",
        "seconds in total": f"{seconds:.1f}",
        "total above the minimum": f"{seconds / dictated - 1:.1%}" if dictated else "no limit was reached",
    }
    print("| what | figure |\n| --- | --- |")
    for name, figure in figures.items():
        print(f"| {name} | {figure} |")


if __name__ == "__main__":
    main()
