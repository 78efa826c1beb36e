"""The streams of the setting `reports` (vendor's wiki, "Reporting"; official SDK)."""

from __future__ import annotations

import datetime as dt
import re
from difflib import get_close_matches
from functools import lru_cache, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import msgspec
from singer_adtech.errors import DataError, shorten
from singer_adtech.fetching.jobs import JobPolicy, run_job
from singer_adtech.progress.windows import DAY, DayWindow, day_windows
from singer_adtech.records.values import json_kind
from singer_adtech.reports import Report, ReportStream
from singer_sdk.streams.rest import HTTPRequest
from typing_extensions import override

from tap_springserve.client import DOMAIN_REPORT, SpringServeStream
from tap_springserve.jobs import ReportJob
from tap_springserve.report_settings import DOCUMENTED_FILTERS, report_columns
from tap_springserve.responses import decode_report, read_report

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence

    import requests
    from singer_adtech.progress.bookmarks import Bookmark, BookmarkKind
    from singer_adtech.records.page import Row
    from singer_adtech.tap import AdTechTap
    from singer_sdk.helpers.types import Context, Record

DOMAIN_DAYS = 7
"""Past days for which the official SDK documents the dimensions by domain."""

ROUND_ROWS = 50
"""The default page size of the API. A first page of a multiple of it may have been cut off."""

_FIELDS: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}:\d{2})(?:\.\d+)?(Z|[+-]\d{2}:?\d{2})?)?")


class HourBookmark:
    """The bookmark of an hourly report: a day, written as midnight in UTC."""

    def read(self, text: str) -> dt.date:
        """Read the day of a date or date-time, as written."""
        return dt.date.fromisoformat(text[:10])

    def write(self, position: dt.date) -> str:
        """Write a day as midnight in UTC."""
        return f"{position.isoformat()}T00:00:00+00:00"


class SpringServeReport(SpringServeStream[DayWindow], ReportStream):
    """A report: one job per window. Rows are emitted after all rows of the window are read.

    Assumed: `start_date` and `end_date` are both inclusive. If wrong, each window has no rows of its first or last day:
    a warning names the second such window. Cumulative rows of several days are too low, and no check can show it.

    Assumed: `timezone` sets the zone of the days, and dates without a zone are in it. If wrong, days are those of
    New York, and the totals of days differ from those of the console; no check can show it.

    Assumed: `currency` converts all amounts. If wrong, they are in the account's currency, and no check can show it:
    compare a day with the console.

    Assumed: null in a dimension is one group of rows, written as 0 or an empty text. If wrong, two rows have one key,
    and the run ends.

    Args:
        tap: The tap.
        report: The report.
    """

    path = "/report"
    payload_as_json = True
    null_keys: Mapping[str, str | int] = {"string": "", "integer": 0}
    refused_remedy = "check the report's dimensions, metrics and filters"
    references = MappingProxyType({"supply_tag_id": "supply_tags", "demand_tag_id": "demand_tags"})
    # The vendor's total includes equal rows.
    equal_rows_are_one = True

    def __init__(self, tap: AdTechTap, report: Report) -> None:
        columns = report_columns(report)
        super().__init__(
            tap,
            report,
            columns=columns,
            primary_keys=report.primary_keys or ("date", *report.dimensions),
            replication_key="date",
        )
        self._metrics_seen: set[str] = set()
        self._metrics_missed: set[str] = set()
        self._warned = False
        self._windows_without = {"first": 0, "last": 0}
        self._requested_ids = self._find_requested_ids()

    def _find_requested_ids(self) -> dict[str, set[str]]:
        """Return the requested ids by dimension. Domains and types may be matched loosely, but ids are exact."""
        filters = self.report.options["filters"]
        ids = {name.removesuffix("s"): filters[name] for name in DOCUMENTED_FILTERS if filters.get(name)}
        if self.config.get("account_id") is not None:
            ids["account_id"] = [self.config["account_id"]]
        return {
            name: set(map(str, values))
            for name, values in ids.items()
            if name.endswith("_id") and name in self.report.dimensions
        }

    @property
    @override
    def rows_are_totals(self) -> bool:
        return self.interval == "cumulative"

    @property
    @override
    def row_filters(self) -> Mapping[str, tuple[str, ...]]:
        columns = {name: name.removesuffix("s") for name in DOCUMENTED_FILTERS}
        return {name: (column,) for name, column in columns.items() if column in self.report.dimensions}

    @override
    def filter_settings(self, name: str, value: Any) -> dict[str, Any]:
        return self.with_filters({**self.report.options["filters"], name: [value]})

    @property
    @override
    def used_columns(self) -> Collection[str]:
        return [*super().used_columns, *self._requested_ids]

    @property
    @override
    def dimensions_without_null(self) -> Collection[str]:
        # All, regardless of the primary key: the vendor groups rows with null like rows with any other value.
        return self.report.dimensions

    @property
    def interval(self) -> str:
        """`hour`, `day` or `cumulative`."""
        return str(self.report.options["interval"])

    @property
    def by_domain(self) -> bool:
        """Whether the limit for reports by domain or app bundle applies."""
        names = (*self.report.dimensions, *self.report.options["filters"])
        return any("domain" in name or "bundle" in name for name in names)

    # Windows and bookmarks

    @property
    @override
    def bookmark_kind(self) -> BookmarkKind:
        return HourBookmark() if self.interval == "hour" else super().bookmark_kind

    @property
    @override
    def signature(self) -> dict[str, Any]:
        options = self.report.options
        signature = {
            **super().signature,
            **{name: options[name] for name in ("interval", "filters", "currency")},
            "account_id": self.config.get("account_id"),
        }
        if self.interval == "cumulative":
            # Each row covers a window: other windows would overlap with those already read.
            step, epoch = self.days_per_window, dt.date(1970, 1, 1)
            signature["window_days"] = f"{step}, counted from {epoch + (self.start - epoch).days % step * DAY}"
        return signature

    @override
    def windows(self, bookmark: Bookmark) -> Iterator[DayWindow]:
        windows = [*super().windows(bookmark)]
        if windows and self.interval == "cumulative":
            # Counted from the first day, so that windows that are read again have the same keys.
            start, last = self.day_range()
            step = self.days_per_window
            windows = [*day_windows(start + (windows[0].first - start).days // step * step * DAY, last, step)]
        # Only once: this method is called for counting and for reading.
        if windows and not self._warned:
            self._warned = True
            self._warn(windows[0].first)
        return iter(windows)

    def _warn(self, first: dt.date) -> None:
        """Warn of requests that the vendor may answer with other rows than the user expects."""
        today = self.tap.run_start.astimezone(self.report.time_zone).date()
        if self.by_domain and first < today - DOMAIN_DAYS * DAY:
            self.log_lines.warning(
                "domains are requested from %s on, but the vendor documents only the last %d days", first, DOMAIN_DAYS
            )
        for name in self.report.options["filters"]:
            if name not in DOCUMENTED_FILTERS:
                self.log_lines.warning(
                    "the filter `%s` is not documented, and the vendor ignores unknown filters: the rows may not be "
                    "filtered. The nearest documented name is `%s`",
                    shorten(name, 80),
                    get_close_matches(name, DOCUMENTED_FILTERS, n=1, cutoff=0.0)[0],
                )

    # One window

    @override
    def expects_object(self, response: requests.Response) -> bool:
        # A synchronous report is documented as a bare array.
        return bool(self.report.options["async"])

    def body(self, window: DayWindow) -> dict[str, Any]:
        """Return the request body of a window; polls and pages add members."""
        report = self.report
        body: dict[str, Any] = {
            "start_date": window.first.isoformat(),
            "end_date": window.last.isoformat(),
            "interval": self.interval,
            # The vendor's default is New York.
            "timezone": report.time_zone.key,
            "dimensions": list(report.dimensions),
        }
        if report.metrics:
            body["metrics"] = list(report.metrics)
        # At the top level: the vendor silently ignores a nested object of filters.
        body.update(report.options["filters"])
        if report.options["currency"] is not None:
            body["currency"] = report.options["currency"]
        if self.config.get("account_id") is not None:
            body["account_id"] = self.config["account_id"]
        asynchronous = report.options["async"]
        if asynchronous:
            body["report_service"] = True
        body["async"] = asynchronous
        return body

    def request_window(self, window: DayWindow, **more: Any) -> requests.Response:
        """Request a window, its status or one of its pages."""
        return self.fetch(
            HTTPRequest(
                url=f"{self.url_base}/v0{self.path}",
                method="POST",
                data={**self.body(window), **more},
                headers=self.http_headers,
            ),
            label=self.request_label(window),
            counted_as=DOMAIN_REPORT if self.by_domain else None,
        )

    @override
    def pages(self, context: Context | None, window: DayWindow | None = None) -> Iterator[requests.Response]:
        interval = float(self.config["report_poll_interval"])
        policy = JobPolicy(
            first_wait=interval,
            longest_wait=interval,
            timeout=float(self.config["report_timeout"]),
            timeout_setting="report_timeout",
            timeout_for_all=True,
            resubmits=2,
        )
        yield from run_job(
            ReportJob(partial(self.request_window, cast("DayWindow", window)), self._identity, self._ignored_page),
            policy,
            clock=self.tap.clock,
            logger=self.log_lines,
            # The vendor allows one report at a time, across all runs.
            alone=self.tap.exclusive("report", self.log_lines),
            on_wait=self.counts.waited,
        )

    def _identity(self, row: Row) -> Hashable:
        try:
            fields = _FIELDS.decode(row)
        except msgspec.DecodeError:
            return bytes(row)
        return tuple(bytes(fields.get(name, b"")) for name in ("date", *self.report.dimensions))

    def _ignored_page(self, rows: int) -> None:
        if rows % ROUND_ROWS == 0:
            self.log_lines.warning(
                "the vendor ignored the page number of a report with %s rows: rows may be missing. Remove "
                "`async: false` from the report, or lower its `window_days`",
                f"{rows:,}",
            )

    @override
    def total_rows(self, response: requests.Response) -> int | None:
        return read_report(response).total_rows

    @override
    def response_rows(self, response: requests.Response) -> Sequence[Row]:
        return read_report(response).data or []

    @override
    def envelope(self, response: requests.Response) -> object:
        return decode_report(response)

    @override
    def read_records(
        self, context: Context | None, window: DayWindow | None = None, pages: Iterable[requests.Response] | None = None
    ) -> Iterator[Record]:
        self._metrics_seen.clear()
        # Emitted after all rows are counted: half a window would look complete.
        records = [*super().read_records(context, window, pages)]
        for name, ids in self._requested_ids.items():
            if any(str(record[name]) not in ids for record in records):
                raise DataError(
                    f"a row has a `{name}` that was not requested: the vendor ignored the report's filter",
                    "check the filters and `account_id`, and report this to the vendor",
                )
        if window is not None:
            self._check_days(window, {str(record["date"])[:10] for record in records})
        missed = [name for name in self.report.metrics if name not in self._metrics_seen] if records else []
        for name in missed:
            if name not in self._metrics_missed:
                self._metrics_missed.add(name)
                self.log_lines.warning("window %s: no row has the requested metric `%s`", window, name)
        yield from records

    def _check_days(self, window: DayWindow, days: Collection[str]) -> None:
        """Warn of two past windows in a row without rows of their first or last day, if no window before had any.

        Of windows without rows, only those of one day count.
        """
        today = self.tap.run_start.astimezone(self.report.time_zone).date()
        one_day = window.first == window.last
        if window.last >= today or not (one_day or (days and self.interval != "cumulative")):
            return
        for end in [*self._windows_without]:
            if getattr(window, end).isoformat() in days:
                # The vendor includes this day.
                del self._windows_without[end]
            else:
                self._windows_without[end] += 1
        ends = [end for end, windows in self._windows_without.items() if windows == 2]  # noqa: PLR2004 - once may be chance
        if ends:
            self.log_lines.warning(
                "window %s: no rows of its %s day, as in the window before: if the vendor excludes that day, rows are "
                "missing. Compare the report with the console",
                window,
                " or ".join(ends),
            )

    # Rows

    @property
    @override
    def expected_fields(self) -> Collection[str]:
        return (*self.report.dimensions, *self.report.metrics)

    @override
    def note_fields(self, names: Collection[str]) -> None:
        for name in self.report.dimensions:
            if name not in names:
                raise DataError(
                    f"a row does not contain the requested dimension `{name}`", "check its name in the report"
                )
        self._metrics_seen.update(name for name in self.report.metrics if name in names)

    @override
    def added(self, window: DayWindow | None) -> Mapping[str, Any]:
        if window is None or self.interval != "cumulative":
            return {}
        return {"date": window.first.isoformat(), "end_date": window.last.isoformat()}

    @override
    def row_fields(self, row: dict[str, Any]) -> Iterable[tuple[str, Any]]:
        if self.interval != "cumulative" and row.get("date") is None:
            raise _invalid_date(None)
        return row.items()

    @property
    @override
    def converters(self) -> Mapping[str, Callable[[Any], Any]]:
        # A cumulative row gets the days of its window.
        return {} if self.interval == "cumulative" else {"date": self._to_date}

    def _to_date(self, sent: Any) -> str:
        if not isinstance(sent, str):
            raise _invalid_date(sent)
        return _date(sent, hourly=self.interval == "hour")


@lru_cache(1024)
def _date(sent: str, *, hourly: bool) -> str:
    parts = _DATE.fullmatch(sent.strip())
    if parts is None:
        raise _invalid_date(sent)
    day, time, zone = parts.groups()
    if not hourly:
        return str(day)
    if zone is not None and zone.strip("Z+-0:"):
        # No zone is documented. A zone other than the requested one would move the row to another hour.
        raise DataError(f"a row has the date {shorten(sent, 60)}, which is not in UTC", "report this to the vendor")
    return f"{day}T{time or '00:00:00'}+00:00"


def _invalid_date(sent: Any) -> DataError:
    return DataError(f"a row has an invalid date (a JSON {json_kind(sent)})", "report this to the vendor")
