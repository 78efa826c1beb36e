"""Expected records: the output of a correct tap, computed from the data rather than from responses."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from vendor_simulators.springserve.data import MEMBERS
from vendor_simulators.springserve.facts import METRICS, ReportQuery
from vendor_simulators.springserve.service import parse_report_query

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vendor_simulators.springserve.data import Inventory
    from vendor_simulators.springserve.facts import Facts
    from vendor_simulators.springserve.rows import Rows

Record = dict[str, Any]

DEFAULT_REPORTS: dict[str, dict[str, Any]] = {
    "supply_daily": {
        "dimensions": ["supply_tag_id"],
        "metrics": [
            *("total_requests", "usable_requests", "blocked_requests", "impressions", "clicks"),
            *("revenue", "cost", "profit", "fill_rate"),
        ],
    },
    "demand_daily": {
        "dimensions": ["demand_tag_id"],
        "metrics": ["impressions", "clicks", "revenue", "cost", "profit", "fill_rate", "click_through_rate"],
    },
}
"""The built-in reports of a tap without settings."""


def entities(inventory: Inventory, rows: Rows, stream: str, version: str) -> list[Record]:
    """Return the records of a list or child stream, sorted by primary key."""
    if stream in MEMBERS:
        parents, column, _, _ = MEMBERS[stream]
        records = [
            rows.member_record(stream, parent, number)
            for parent in inventory.entities[parents]
            for number in inventory.members(stream, parent)
        ]
        if stream == "demand_tag_priorities":
            return sorted(records, key=lambda record: (record[column], record["demand_tag_id"], record["tier"]))
        key = "id" if records and "id" in records[0] else next(name for name in records[0] if name != column)
        return sorted(records, key=lambda record: (record[column], record[key]))
    if stream not in inventory.entities:
        raise ValueError(f"no stream {stream!r}")
    ordered = sorted(inventory.entities[stream], key=lambda entity: entity.key)
    return [rows.record(entity, version) for entity in ordered]


def report(facts: Facts, definition: Mapping[str, Any], first: date, last: date, window_days: int) -> list[Record]:
    """Return the records of a report, sorted by date and dimensions.

    Args:
        facts: The facts to report on.
        definition: `dimensions`, `metrics`, `interval`, `time_zone`, `filters`, as in the tap's `reports` setting.
        first: First day.
        last: Last day, inclusive.
        window_days: Days per window, for a cumulative report.
    """
    dimensions = list(definition.get("dimensions") or [])
    metrics = list(definition.get("metrics") or [])
    interval = definition.get("interval", "day")
    query = parse_report_query(
        {
            "start_date": first.isoformat(),
            "end_date": last.isoformat(),
            "interval": interval,
            "timezone": definition.get("time_zone", "UTC"),
            "dimensions": dimensions,
            **definition.get("filters", {}),
        }
    )
    spans = list(_windows(first, last, window_days)) if interval == "cumulative" else [(first, last)]
    records: list[Record] = []
    for start, end in spans:
        part = ReportQuery(start, end, interval, query.zone, query.dimensions, query.filters)
        for row in facts.rows(part):
            record: Record = {}
            if row.moment is None:
                record |= {"date": start.isoformat(), "end_date": end.isoformat()}
            elif interval == "day":
                record["date"] = row.moment.date().isoformat()
            else:
                record["date"] = f"{row.moment.isoformat()}+00:00"
            for name, value in zip(dimensions, row.group, strict=True):
                is_id = name.endswith("_id")
                record[name] = value if value is not None else 0 if is_id else ""
                if is_id:
                    entity = name.removesuffix("_id")
                    record[f"{entity}_name"] = None if value is None else f"{entity.replace('_', ' ')} {value}"
            record |= {name: row.sums.get(name) for name in metrics}
            # Without metrics the server returns its own set, for which the stream has no columns.
            extra = None if metrics else {name: row.sums[name] for name in METRICS}
            records.append({**record, "_extra": extra})
    return sorted(records, key=lambda record: tuple(record[name] for name in ("date", *dimensions)))


def _windows(first: date, last: date, days: int) -> Iterator[tuple[date, date]]:
    while first <= last:
        end = min(first + timedelta(days=days - 1), last)
        yield first, end
        first = end + timedelta(days=1)
