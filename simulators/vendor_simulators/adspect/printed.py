"""Clicks that produce the examples in the vendor's documentation (REST API, "Sales Funnel", "Click Log")."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal

from vendor_simulators.adspect.clicks import UTC, Click, Clicks

FIRST_DAY = date(2024, 4, 1)
DAYS = 4
STREAM = "07ac03df-268e-41ff-84ba-adfe2241beb2"

# Per stream: clicks, money hits and safe hits of each day. The documentation shows the days of one stream, and totals
# of the others.
_COUNTS = {
    STREAM: ((931, 343, 582), (1166, 829, 300), (1113, 855, 243), (9, 7, 0)),
    "1ec5880e-bcb6-49b8-9778-a31d22b70708": ((1453, 754, 699),),
    "7a3d39f7-fe75-431e-8be6-9ea9b56b1e4a": ((179, 0, 179),),
    "9f79b75f-20ef-4654-8141-b8bbb2124ec4": ((65, 0, 65),),
}
STREAMS = tuple(_COUNTS)

# The log of one stream at 2024-04-01 00:00:00: address, country; all of them were shown the safe page.
_ADDRESSES = (
    ("23.83.90.68", "US"),
    ("2a03:2880:30ff:8::33", "SE"),
    ("47.128.19.245", "SG"),
    ("176.223.109.119", "US"),
    ("2a03:2880:20ff:76::33", "US"),
    ("89.248.163.208", "NL"),
    ("47.128.98.197", "SG"),
    ("47.128.25.161", "SG"),
    ("95.90.237.130", "DE"),
    ("176.5.15.114", "DE"),
)


class PrintedClicks(Clicks):
    """The clicks behind the documented examples."""

    def __init__(self) -> None:
        last_day = FIRST_DAY + timedelta(days=DAYS - 1)
        super().__init__(0, FIRST_DAY, last_day, rows_per_day=1, streams=1, empty_days=(), extremes=False)

    def _make(self, day: date) -> list[Click]:
        number = (day - FIRST_DAY).days
        rows: list[Click] = []
        for stream, days in _COUNTS.items():
            clicks, money, safe = days[number] if number < len(days) else (0, 0, 0)
            targets = [0] * safe + [1] * money + [None] * (clicks - money - safe)
            rows += [_click(day, stream, order, target) for order, target in enumerate(targets)]
        return rows


def _click(day: date, stream: str, order: int, target: int | None) -> Click:
    printed = stream == STREAM and day == FIRST_DAY and order < len(_ADDRESSES)
    address, country = _ADDRESSES[order] if printed else ("203.0.113.1", "FR")
    seconds = 0 if printed else 1 + order
    return Click(
        at=datetime.combine(day, time(), UTC) + timedelta(seconds=seconds),
        ip_address=address,
        asn=64496,
        stream_id=stream,
        country_code=country,
        os="iOS",
        browser="Apple Safari",
        engine="WebKit",
        languages=("en",),
        cost=Decimal(0),
        sub_id=None,
        click_id=None,
        mode="Filter",
        sequence=0,
        target=target,
        tags=(),
    )
