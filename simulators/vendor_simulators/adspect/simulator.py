"""The Adspect simulator: keys, endpoints, pages, reports, errors."""

from __future__ import annotations

import math
from datetime import date, datetime, time, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import ZoneInfo

from typing_extensions import override

from vendor_simulators.adspect import printed, truth, wire
from vendor_simulators.adspect.clicks import UTC, Clicks
from vendor_simulators.adspect.entities import (
    ACCOUNT,
    COLLECTIONS,
    Entities,
    render_account,
    render_collection,
    render_list,
    render_query,
    render_stream,
)
from vendor_simulators.adspect.funnel import BASE_METRICS, RATIOS, groups, selected
from vendor_simulators.adspect.log import COLUMNS, render_asn, render_value
from vendor_simulators.adspect.options import AdspectOptions
from vendor_simulators.adspect.rules import DEFAULT_PER_PAGE, BadQueryError, Query, check_none, read_paging, read_query
from vendor_simulators.messages import Refused, Response
from vendor_simulators.options import build
from vendor_simulators.seeded import generator
from vendor_simulators.simulator import FIRST_DAY, Restated, Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from vendor_simulators.adspect.clicks import Click
    from vendor_simulators.messages import Request

BASE = "/v1"
_EMPTY_RATIOS = {"null": None, "nan": "nan", "inf": "inf", "blank": "", "zero": 0}
_HTML = "<!DOCTYPE html>\n<html><head><title>Error</title></head>\n<body><h1>Error {status}</h1></body></html>\n"
_LISTS = ("/streams", "/reports")


class AdspectSimulator(Simulator):
    """Simulator of Adspect's API, version 1, with generated data.

    Args:
        seed: Seed of the data.
        first_day: First UTC day with clicks.
        days: Number of days with clicks.
        rows_per_day: Rows of the click log per UTC day.
        enforce_limits: No effect: the vendor documents no limits.
        options: See `AdspectOptions`.
    """

    name: ClassVar[str] = "adspect"
    time_zone: ClassVar[str] = "UTC"
    base_path: ClassVar[str] = BASE
    option_type: ClassVar[type[Any]] = AdspectOptions

    def __init__(
        self,
        *,
        seed: int = 7,
        first_day: date = FIRST_DAY,
        days: int = 30,
        rows_per_day: int = 200,
        enforce_limits: bool = False,
        **options: object,
    ) -> None:
        self.options = build(AdspectOptions, options)
        if self.options.printed:
            first_day, days = printed.FIRST_DAY, printed.DAYS
        super().__init__(
            seed=seed, first_day=first_day, days=days, rows_per_day=rows_per_day, enforce_limits=enforce_limits
        )
        self.api_key = "Simulated_Adspect-Key-0123456789"
        self.entities = Entities(
            seed,
            streams=self.options.streams,
            queries=self.options.queries,
            ids=printed.STREAMS if self.options.printed else (),
            undeclared=self.options.undeclared,
        )
        self._clicks = (
            printed.PrintedClicks()
            if self.options.printed
            else Clicks(
                seed,
                first_day,
                self.last_day,
                rows_per_day,
                streams=self.options.streams - 1,
                empty_days=self.options.empty_days,
                extremes=self.options.extremes,
            )
        )
        self._calls = count()

    @override
    def settings(self) -> dict[str, str]:
        return {"api_url": self.api_url, "api_key": self.api_key, "start_date": self.first_day.isoformat()}

    @override
    def restate(self, seed: int = 1, *, days: int = 3) -> Restated:
        """Change rows of the last days and add late conversions; both are identified by their `_row_key`."""
        changed, added = self._clicks.restate(seed, min(days, (self.last_day - self.first_day).days + 1))
        keys = (
            [record["_row_key"] for record in truth.clicks(rows, COLUMNS, self.options, ip_addresses="raw", ip_salt="")]
            for rows in (changed, added)
        )
        return Restated(*keys)

    @override
    def truth(
        self,
        stream: str,
        *,
        first_day: date | None = None,
        last_day: date | None = None,
        time_zone: str = "UTC",
        dimensions: Sequence[str] = ("date", "stream_id"),
        metrics: Sequence[str] = BASE_METRICS,
        filters: Mapping[str, Collection[str]] | None = None,
        stream_ids: Collection[str] = (),
        columns: Sequence[str] = COLUMNS,
        ip_addresses: str = "raw",
        ip_salt: str = "",
        until: datetime | None = None,
    ) -> list[dict[str, Any]]:
        """Return the exact records that a correct tap emits for a stream, sorted by its primary key.

        The arguments other than the days are the tap's settings, with the same defaults. Days are in `time_zone`. The
        click log may end before the last day, at `until`. Any stream whose name begins with `funnel` is a report.
        """
        known = sorted(one["stream_id"] for one in self.entities.streams)
        owners = [owner for owner in known if not stream_ids or owner in stream_ids]
        fixed: dict[str, Callable[[], list[dict[str, Any]]]] = {
            "streams": lambda: truth.streams(self.entities, owners),
            "account": lambda: [{**ACCOUNT, "_extra": None}],
            "saved_queries": lambda: truth.queries(self.entities),
            "stream_ip_lists": lambda: truth.ip_lists(self.entities, owners),
            "account_ip_lists": lambda: truth.ip_lists(self.entities, [""]),
            "collections": lambda: truth.collections(self.options.collections),
        }
        if stream in fixed:
            return fixed[stream]()
        zone = ZoneInfo(time_zone)
        start = datetime.combine(first_day or self.first_day, time(), zone)
        end = datetime.combine((last_day or self.last_day) + timedelta(days=1), time(), zone)
        wanted = {**({"stream_id": stream_ids} if stream_ids else {}), **(filters or {})}
        rows = selected(self._clicks.between(start, min(end, until or end)), wanted)
        if stream == "click_log":
            return truth.clicks(rows, columns, self.options, ip_addresses=ip_addresses, ip_salt=ip_salt)
        if not stream.startswith("funnel"):
            raise ValueError(f"no stream {stream!r}")
        return truth.funnel(groups(rows, dimensions, zone), dimensions, metrics, time_zone, self.options.empty_ratio)

    @override
    def handle(self, request: Request) -> Response:
        self._check_secrets(request)
        if request.basic() != (self.api_key, ""):
            raise Refused(self._error(401, "Your request was made with invalid credentials."))
        if request.method not in ("GET", "HEAD"):
            self.flag(f"a call that is not read-only: {request.method} {request.path}")
            return self._error(405, "Method Not Allowed")
        kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            self.flag(f"Content-Type {kind or 'missing'}: {request.method} {request.path}")
            return self._error(415, "Content-Type selects JSON or XML")
        try:
            return self._data(request)
        except BadQueryError as error:
            self.flag(f"{request.method} {request.path}: {error}")
            return self._error(422, error.problem, error.field)

    def _check_secrets(self, request: Request) -> None:
        if self.api_key in request.target:
            self.flag(f"the API key in the address of {request.method} {request.path}")
        if request.basic() is None:
            self.flag(f"no HTTP Basic: {request.method} {request.path}")

    def _data(self, request: Request) -> Response:
        path = request.path.removeprefix(BASE) if request.path.startswith(f"{BASE}/") else ""
        if path in _LISTS:
            return self._list(request, path)
        if request.method == "HEAD":
            self.flag(f"HEAD is for lists only: {request.path}")
            return self._error(405, "Method Not Allowed")
        if path in ("/reports/funnel", "/reports/log"):
            query = read_query(request)
            rows = self._funnel(query) if path.endswith("funnel") else self._log(query)
            return wire.response(rows) if self.options.report_body == "array" else wire.lines(rows)
        check_none(request)
        body = self._body(path)
        if body is None:
            self.flag(f"unknown path: {request.method} {request.path}")
            return self._error(404, "Page not found.")
        wrapped = self.options.list_body == "items" and isinstance(body, list)
        return wire.response({"items": body} if wrapped else body)

    def _body(self, path: str) -> object:
        """Return the body of an endpoint without parameters; None if there is no such endpoint."""
        match path.split("/")[1:]:
            case ["account"]:
                return render_account()
            case ["collections", name] if name in COLLECTIONS:
                return render_collection(name, self.options.collections)
            case ["accounts", "self", "ip-blacklist" | "ip-whitelist" as kind]:
                return render_list(self.entities.ip_list("", kind.removeprefix("ip-")))
            case ["streams", owner, "ip-blacklist" | "ip-whitelist" as kind] if self._has(owner):
                return render_list(self.entities.ip_list(owner, kind.removeprefix("ip-")))
        return None

    def _has(self, owner: str) -> bool:
        return any(one["stream_id"] == owner for one in self.entities.streams)

    def _list(self, request: Request, path: str) -> Response:
        if request.method == "HEAD" and self.options.totals in ("head_404", "head_405"):
            return self._error(int(self.options.totals[-3:]), "no such method")
        paging = read_paging(request)
        rows = (
            [render_stream(one) for one in self.entities.streams]
            if path == "/streams"
            else [render_query(one) for one in self.entities.queries]
        )
        name = (request.param("name") or "").lower()
        rows = [row for row in rows if name in str(row.get("name", "")).lower()]
        size = paging.per_page if self.options.per_page == "requested" else DEFAULT_PER_PAGE
        pages = math.ceil(len(rows) / size)
        page = paging.page
        if page > max(1, pages):
            if self.options.totals in ("get", "head"):
                self.flag(f"{request.path}: page {page} of {pages}")
            if self.options.past_end == "not_found":
                return self._error(404, "Page not found.")
            page = page if self.options.past_end == "empty" else pages
        items = rows[(page - 1) * size : page * size]
        response = wire.response({"items": items} if self.options.list_body == "items" else items)
        if self.options.totals == "get" or (self.options.totals == "head" and request.method == "HEAD"):
            response.headers += [
                ("X-Pagination-Total-Count", str(len(rows))),
                ("X-Pagination-Page-Count", str(pages)),
            ]
        return response

    def _between(self, query: Query) -> list[Click]:
        end = query.end + timedelta(seconds=1) if self.options.date_to == "inclusive" else query.end
        start = query.start + timedelta(seconds=1) if self.options.date_from == "exclusive" else query.start
        start = max(start, datetime.combine(self.first_day, time(), UTC))
        end = min(end, datetime.combine(self.last_day, time(), UTC) + timedelta(days=1))
        filters = {name: values for name, values in query.filters.items() if name not in self.options.ignored_filters}
        return selected(self._clicks.between(start, end), filters)

    def _funnel(self, query: Query) -> list[list[Any]]:
        rows: list[list[Any]] = []
        zone = query.zone if self.options.time_zone == "days" else ZoneInfo("UTC")
        for group in groups(self._between(query), query.dimensions, zone):
            row = [self._dimension(name, value) for name, value in zip(query.dimensions, group.dimensions, strict=True)]
            names = query.names[len(query.dimensions) :]
            rows.append(row + [self._metric(name, group.metrics[name]) for name in names])
        return self._shuffled(rows)[: self.options.funnel_cap]

    def _dimension(self, name: str, value: Any) -> Any:
        if value is None:
            return None if self.options.blank_dimension == "null" else ""
        return render_asn(value, self.options) if name == "asn" else value

    def _metric(self, name: str, value: Any) -> Any:
        if value is None:
            return _EMPTY_RATIOS[self.options.empty_ratio]
        if name in RATIOS:
            return value
        whole = isinstance(value, int)
        return str(value) if (self.options.counts if whole else self.options.money) == "string" else value

    def _log(self, query: Query) -> list[list[Any]]:
        clicks = self._between(query)
        rows = [[render_value(click, name, query.zone, self.options) for name in query.names] for click in clicks]
        rows = rows if self.options.log_order == "ascending" else self._shuffled(rows)
        return rows[: self.options.log_cap]

    def _shuffled(self, rows: list[list[Any]]) -> list[list[Any]]:
        """Return rows in a new random order at each call, because no order is documented."""
        if not self.options.printed:
            generator(self.seed, "order", next(self._calls)).shuffle(rows)
        return rows

    def _error(self, status: int, message: str, field: str = "") -> Response:
        if self.options.error_body == "html":
            return Response.text(_HTML.format(status=status), status, "text/html; charset=utf-8")
        if self.options.error_body == "empty":
            return Response(status)
        if field:
            return Response.json([{"field": field, "message": message}], status)
        return Response.json({"name": "Error", "message": message, "code": 0, "status": status}, status)
