"""The report service: reports are queued, built, and then returned page by page under a `report_id`."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from vendor_simulators.messages import Response
from vendor_simulators.seeded import generator
from vendor_simulators.springserve.facts import DIMENSIONS, METRICS, MONEY, RATES, ReportQuery, ReportRow
from vendor_simulators.springserve.lists import refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vendor_simulators.messages import Request
    from vendor_simulators.springserve.facts import Facts
    from vendor_simulators.springserve.options import SpringServeOptions

Row = dict[str, Any]

INTERVALS = ("hour", "day", "cumulative")
DEFAULT_ZONE = "America/New_York"
_FILTERS = {filter_name: name for name, filter_name in DIMENSIONS.items()} | {"supply_group_ids": "supply_group"}
_MEMBERS = {
    *("start_date", "end_date", "interval", "timezone", "dimensions", "metrics", "currency", "account_id"),
    *("report_service", "async", "report_id", "page"),
    *_FILTERS,
}


@dataclass
class Job:
    """A requested report."""

    report_id: str
    body: Mapping[str, Any]
    polls: int
    forgotten: bool
    rows: list[Row] | None = field(default=None)


class Service:
    """Handler of `POST /report`.

    Args:
        facts: The facts to report on.
        options: The variants.
        seed: Seed of the report ids.
        flag: Records a violation.
    """

    def __init__(self, facts: Facts, options: SpringServeOptions, seed: int, flag: Callable[[str], None]) -> None:
        self._facts = facts
        self._options = options
        self._flag = flag
        self._ids = generator("reports", seed)
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def response(self, request: Request) -> Response:
        """Respond to one request for a report or one of its pages."""
        try:
            body = request.json()
        except ValueError:
            raise refuse(400, "the body is no JSON") from None
        if not isinstance(body, dict):
            raise refuse(400, "the body is no object")
        self._check(body)
        if "report_id" in body:
            return self._poll(body)
        query = parse_report_query(body)
        if not body.get("async") and self._options.sync_response != "status":
            rows = self._sync_page(self._rows(query, body), body)
            return Response.json(rows if self._options.sync_response == "array" else {"data": rows})
        with self._lock:
            job = Job(
                str(uuid.UUID(int=self._ids.getrandbits(128), version=4)),
                body,
                self._options.polls,
                forgotten=len(self._jobs) < self._options.forget,
            )
            self._jobs[job.report_id] = job
        return self._state(job, 1)

    def _sync_page(self, rows: list[Row], body: Mapping[str, Any]) -> list[Row]:
        """Return the requested page; the official SDK requests the pages of any report until one is empty."""
        if self._options.sync_page == "ignored":
            return rows
        size = self._options.sync_rows
        page = body.get("page", 1) if self._options.sync_page == "requested" else 1
        return rows[(page - 1) * size : page * size]

    def _check(self, body: Mapping[str, Any]) -> None:
        if "timezone" not in body:
            self._flag(f"a report without timezone (the default is {DEFAULT_ZONE})")
        for name in body:
            if name not in _MEMBERS:
                self._flag(f"a report with {name!r} (ignored by the vendor, or overrides the days)")

    def _poll(self, body: dict[str, Any]) -> Response:
        with self._lock:
            job = self._jobs.get(body["report_id"])
            if job is None or job.forgotten:
                raise refuse(404, "Report not found")
            if {name: value for name, value in body.items() if name not in {"report_id", "page"}} != job.body:
                self._flag("a poll whose body differs from that of the report request")
            if job.polls > 0:
                if "page" in body:
                    self._flag("a request for a page of an incomplete report")
                job.polls -= 1
        return self._state(job, body.get("page", 1))

    def _state(self, job: Job, page: int) -> Response:
        if job.polls > 0:
            status = "QUEUED" if job.polls >= self._options.polls else "BUILDING"
            return Response.json({"status": status, "report_id": job.report_id})
        if self._options.final_status != "COMPLETE":
            return Response.json({"status": self._options.final_status, "report_id": job.report_id})
        if job.rows is None:
            job.rows = self._rows(parse_report_query(job.body), job.body)
        size = self._options.report_rows
        response: Row = {
            "status": "COMPLETE",
            "report_id": job.report_id,
            "page": page,
            "total_rows": len(job.rows),
            "data": job.rows[(page - 1) * size : page * size],
        }
        if self._options.total_pages:
            response["total_pages"] = -(-len(job.rows) // size)
        return Response.json(response)

    def _rows(self, query: ReportQuery, body: Mapping[str, Any]) -> list[Row]:
        unknown = [name for name in query.dimensions if name not in DIMENSIONS]
        if unknown and self._options.unknown_dimension == "refuse":
            raise refuse(422, "Invalid report", dimensions=[f"{name} is not a dimension" for name in unknown])
        metrics = body.get("metrics") or METRICS
        if self._options.last_day == "exclusive":
            query = replace(query, last=query.last - timedelta(days=1))
        if self._options.report_filters == "ignored":
            query = replace(query, filters={})
        return [
            self._row(query, row, [name for name in metrics if name in METRICS], index)
            for index, row in enumerate(self._facts.rows(query))
        ]

    def _row(self, query: ReportQuery, row: ReportRow, metrics: list[str], index: int) -> Row:
        sent: Row = {}
        if row.moment is not None:
            tail = self._options.dates == "tail" or (self._options.dates == "both" and index % 2)
            sent["date"] = f"{row.moment:%Y-%m-%d %H:%M:%S}{'.0' if tail else ''}"
        for name, value in zip(query.dimensions, row.group, strict=True):
            if name not in DIMENSIONS:
                continue
            sent[name] = value
            if name.endswith("_id"):
                thing = name.removesuffix("_id")
                sent[f"{thing}_name"] = None if value is None else f"{thing.replace('_', ' ')} {value}"
        for name in metrics:
            value = row.sums[name]
            exact = name in MONEY or name in RATES
            numbers = self._options.numbers
            as_text = numbers == "text" or (numbers == "mixed" and (index + len(name)) % 2)
            sent[name] = str(value) if as_text else float(value) if exact else value
        return sent


def _day(text: object) -> date | None:
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        return None


def parse_report_query(body: Mapping[str, Any]) -> ReportQuery:
    """Parse the query of a report request.

    Raises:
        Refused: Invalid fields; 422 with the errors by field.
    """
    errors: dict[str, list[str]] = {}
    days: list[date] = []
    for name in ("start_date", "end_date"):
        day = _day(body.get(name))
        if day is None:
            errors[name] = ["is not a date"]
        else:
            days.append(day)
    interval = body.get("interval", "cumulative")
    if interval not in INTERVALS:
        errors["interval"] = [f"is not one of {', '.join(INTERVALS)}"]
    zone = body.get("timezone", DEFAULT_ZONE)
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, TypeError):
        errors["timezone"] = ["is not a time zone"]
    if errors:
        raise refuse(422, "Invalid report", **errors)
    filters = {
        name: frozenset(map(str, body[filter_name]))
        for filter_name, name in _FILTERS.items()
        if filter_name in body and name in DIMENSIONS
    }
    return ReportQuery(days[0], days[1], interval, zone, tuple(body.get("dimensions") or ()), filters)
