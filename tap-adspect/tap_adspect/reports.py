"""Funnel reports: one stream for each report in the setting `reports` (REST API, "Sales Funnel")."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from singer_adtech.errors import DataError
from singer_adtech.progress.bookmarks import Bookmark
from singer_adtech.progress.windows import DAY, DayWindow, first_day, midnight
from singer_adtech.records.row_times import ForeignRowError
from singer_adtech.records.values import converter
from singer_adtech.reports import Column, Report, ReportRules, ReportStream, filter_lists
from typing_extensions import override

from tap_adspect.checks import outside_text
from tap_adspect.filters import FILTERS, all_filters, parameters, unmatched
from tap_adspect.row_streams import RowsStream
from tap_adspect.rows import is_something, metric_converter, to_asn, to_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import requests
    from singer_adtech.progress.bookmarks import BookmarkKind
    from singer_adtech.records.page import Page
    from singer_adtech.records.row_times import RowCheck
    from singer_adtech.tap import AdTechTap
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.streams.rest import HTTPRequest, PageContext

DIMENSIONS: Mapping[str, Column] = {
    "date": Column("string", "Day, `YYYY-MM-DD`, in the zone in time_zone.", "date"),
    "month": Column("string", "Month, `YYYY-MM`, in the zone in time_zone."),
    "stream_id": Column("string", "Id of the stream. See streams for its name."),
    "asn": Column("integer", "Autonomous system number (ASN) of the visitor; -1 if there is none."),
    "country_code": Column("string", "Two-letter country code."),
    "os": Column("string", "Operating system."),
    "browser": Column("string", "Browser."),
    "engine": Column("string", "Browser engine."),
    "language": Column("string", "Browser language. A visitor may be counted under several."),
    "sub_id": Column("string", "Sub id passed with the click."),
    "mode": Column("string", "Mode of the stream at the time of the click."),
    "target": Column(
        "integer", "Page shown: 0 for the safe page, 1 to 255 for the number of the money page, -1 if unknown."
    ),
    "tag": Column("string", "Reason for blocking. A visitor may be counted under several."),
}
"""REST API, "Sales Funnel Breakdown Columns"."""

METRICS: Mapping[str, Column] = {
    "clicks": Column("integer", "Number of clicks."),
    "uniques": Column("integer", "Approximate number of distinct IP addresses. Not additive across rows."),
    "fingerprints": Column("integer", "Visitors with a JavaScript fingerprint."),
    "money_hits": Column("integer", "Visitors who were shown the money page."),
    "money_uniques": Column("integer", "Distinct visitors who were shown the money page. Not additive across rows."),
    "safe_hits": Column("integer", "Visitors who were shown the safe page."),
    "givt": Column("integer", "General invalid traffic: visitors blocked by superficial filters."),
    "sivt": Column("integer", "Sophisticated invalid traffic: fingerprints filtered out."),
    "mia": Column("integer", "Clicks for which no fingerprint was received."),
    "quality": Column("number", "Traffic quality: money_hits / clicks, from 0 to 1."),
    "expenses": Column("number", "Sum of click costs, in the unit passed to the vendor."),
    "conversions": Column("integer", "Number of conversions."),
    "cr": Column("number", "Conversion rate: conversions / clicks."),
    "revenue": Column("number", "Sum of payouts, in the unit passed to the vendor."),
    "profit": Column("number", "Profit: revenue - expenses."),
    "roi": Column("number", "Return on investment: profit / expenses."),
    "cpc": Column("number", "Cost per click: expenses / clicks."),
    "cpm": Column("number", "Cost per 1,000 clicks."),
    "cpa": Column("number", "Cost per conversion: expenses / conversions."),
    "epl": Column("number", "Revenue per conversion: revenue / conversions."),
    "ecpc": Column("number", "Revenue per click: revenue / clicks."),
    "ecpm": Column("number", "Revenue per 1,000 clicks."),
}
"""REST API, "Sales Funnel Metrics"."""

BASE_METRICS = (
    "clicks",
    "uniques",
    "fingerprints",
    "money_hits",
    "money_uniques",
    "safe_hits",
    "givt",
    "sivt",
    "mia",
    "quality",
    "expenses",
    "conversions",
    "revenue",
    "profit",
)
"""The default metrics of a report; the others can be computed from them."""

DEFAULT_REPORTS = [{"name": "funnel_daily", "dimensions": ["date", "stream_id"], "metrics": list(BASE_METRICS)}]

# Assumed: the funnel no longer changes a day after `lookback_days`, 7 by default. If wrong, later conversions are
# missing, and the totals of older days are lower than on the vendor's site.
MOST_LOOKBACK_DAYS = 90
MOST_WINDOW_DAYS = 31


def _check_keys(report: Report) -> None:
    if sorted(report.primary_keys) != sorted(report.dimensions):
        raise ValueError(
            f"`primary_keys` {list(report.primary_keys)} is not allowed: the dimensions "
            f"({', '.join(report.dimensions)}) in any order"
        )


RULES = ReportRules(
    dimensions=DIMENSIONS.keys(),
    metrics=METRICS.keys(),
    days=("date", "month"),
    days_reason="a total over a moving range has no lasting key",
    default_metrics=BASE_METRICS,
    most_lookback_days=MOST_LOOKBACK_DAYS,
    most_window_days=MOST_WINDOW_DAYS,
    check_keys=_check_keys,
    options={"filters": filter_lists(FILTERS)},
)


class MonthBookmark:
    """A calendar month, `2024-03`; its position is the month's first day."""

    def read(self, text: str) -> dt.date:
        """Read a month from a month or day."""
        return dt.date.fromisoformat(f"{text[:7]}-01")

    def write(self, position: dt.date) -> str:
        """Write a month."""
        return position.isoformat()[:7]


@dataclass(frozen=True)
class _Outside:
    """Rows outside of a window.

    Args:
        rows: Their number.
        clicks: Their clicks; None if unknown.
        holds: Whether a metric is not zero.
    """

    rows: int
    clicks: int | None
    holds: bool


class FunnelReport(RowsStream[DayWindow], ReportStream):
    """A report by day. A group without data after a restatement is missing; its old row stays in the target."""

    path = "/reports/funnel"
    smaller = "window_days"
    foreign_remedy = (
        "the response may come from a cache or gateway: run again later; if it happens again, the vendor may cut days "
        "in another zone than `time_zone`: set it to UTC, or to the time zone of the Adspect account"
    )
    day = "date"
    """The dimension that is the replication key."""

    _form = re.compile(r"\d{4}-\d\d-\d\d")

    # Traffic sources choose its content, possibly visitor ids.
    private_columns = ("sub_id",)

    def __init__(self, tap: AdTechTap, report: Report) -> None:
        columns = {
            **{name: DIMENSIONS[name] for name in report.dimensions},
            **{name: METRICS[name] for name in report.metrics},
            "time_zone": Column("string", "Time zone of days and months (IANA name)."),
        }
        keys = report.primary_keys or report.dimensions
        super().__init__(tap, report, columns=columns, primary_keys=keys, replication_key=self.day)
        self.filters = all_filters(self.config, report.options["filters"])
        self._unmatched: set[str] = set()

    @property
    @override
    def parallel_windows(self) -> int:
        windows: int = self.config["parallel_requests"]
        return windows

    @property
    @override
    def item_names(self) -> tuple[str, ...]:
        return (*self.report.dimensions, *self.report.metrics)

    @property
    @override
    def row_filters(self) -> Mapping[str, tuple[str, ...]]:
        return {name: (name,) for name in FILTERS if name in self.report.dimensions}

    @override
    def filter_settings(self, name: str, value: Any) -> dict[str, Any]:
        return self.with_filters({**self.report.options["filters"], name: [value]})

    @property
    @override
    def signature(self) -> dict[str, Any]:
        return {**super().signature, "filters": self.filters}

    @override
    def get_http_request(self, *, page: PageContext[None]) -> HTTPRequest:
        window = self.window_of(page)
        zone = self.report.time_zone
        # Assumed: `date_from` is inclusive. If wrong, clicks of the first second of each window are missing; the click
        # log warns about it.
        params = {
            # Unix seconds: the vendor reads text dates in another zone.
            "date_from": int(midnight(window.first, zone).timestamp()),
            "date_to": int(midnight(window.next_day, zone).timestamp()),
            "time_zone": zone.key,
            "group_by[]": self.report.dimensions,
            "metrics[]": self.report.metrics,
            **parameters(self.filters),
        }
        return self.request(self.path, params)

    @property
    @override
    def converters(self) -> Mapping[str, Callable[[Any], Any]]:
        metrics = {name: metric_converter(converter(self.schema["properties"][name])) for name in self.report.metrics}
        return {**metrics, "asn": to_asn}

    @override
    def added(self, window: DayWindow | None) -> Mapping[str, Any]:
        return {"time_zone": self.report.time_zone.key}

    @override
    def row_check(self, window: DayWindow) -> None:
        """Return nothing, because `page_records` checks the days."""

    @override
    def page_records(self, page: Page, window: DayWindow | None, check: RowCheck | None = None) -> list[Record]:
        days = cast("DayWindow", window)
        records = [*super().page_records(page, days)]
        self.warn_of_limit(f"window {days}", len(records))
        self._check_days(days, [record[self.day] for record in records], page.rows)
        self._check_filters(days, records)
        _, last = self.ends(days)
        return [record for record in records if record[self.day] <= last]

    def _check_days(self, window: DayWindow, days: Sequence[str], rows: Iterable[Any]) -> None:
        """Refuse rows of other windows, and count those to drop.

        Assumed: `time_zone` defines the days, and is not only the zone for display. If wrong, totals of days are wrong.
        East of UTC, rows of the day before the window end the stream. West of UTC, clicks of the day after it are
        dropped, and the user sees their number in a warning.

        Assumed: `date_to` is exclusive. If wrong, the clicks of the next day's first second are returned too. They are
        dropped, because they would replace that day, and the user sees the same warning.

        Args:
            window: The window.
            days: The day or month of each row.
            rows: The rows.

        Raises:
            ForeignRowError: A row belongs to another window.
        """
        first, last = self.ends(window)
        _, following = self.ends(DayWindow(window.first, window.next_day))
        different = dict.fromkeys(days)
        if not all(map(self._form.fullmatch, different)):
            raise DataError(f"a row has an invalid {self.day}", "report this to the tap's authors")
        foreign = [day for day in different if not first <= day <= last and day != following]
        none_within = bool(different) and not any(first <= day <= last for day in different)
        if not (foreign or none_within or (following > last and following in different)):
            return
        before = self._outside([row for row, day in zip(rows, days, strict=True) if day < first])
        after = self._outside([row for row, day in zip(rows, days, strict=True) if day > last])
        if foreign or none_within:
            counted = (
                outside_text(outside.rows, outside.clicks, direction)
                for outside, direction in ((before, "before it"), (after, "after it"))
                if outside.rows
            )
            day = foreign[0] if foreign else days[0]
            hint = "" if foreign else "; a window of more days (`window_days`) may help to find out why"
            raise ForeignRowError(
                f"the response has {'a row' if foreign else 'only rows'} of {day}, outside of the requested window",
                f"{' and '.join(counted)}: {self.foreign_remedy}{hint}",
            )
        if after.holds:
            self._dropped[window] = after

    def _outside(self, rows: Sequence[Any]) -> _Outside:
        """Count the clicks of rows, from the response because the column may be deselected."""
        values = [self.decode_row(row) for row in rows]
        clicks = [to_count(row["clicks"]) for row in values] if "clicks" in self.report.metrics else [None]
        known = [count for count in clicks if count is not None]
        return _Outside(
            len(rows),
            sum(known) if len(known) == len(clicks) else None,
            holds=any(is_something(row[name]) for row in values for name in self.report.metrics),
        )

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        self._dropped: dict[DayWindow, _Outside] = {}
        try:
            yield from super().get_records(context)
        finally:
            if self._dropped:
                self._warn_of_dropped()

    def _warn_of_dropped(self) -> None:
        clicks = [outside.clicks for outside in self._dropped.values()]
        known = [count for count in clicks if count is not None]
        zone = self.report.time_zone.key
        self.log_lines.warning(
            "%s of days after their windows were dropped (first: window %s): harmless if they are of the first second "
            "after a window, because `date_to` may be inclusive; otherwise the vendor cuts days in another zone than "
            "`time_zone` (%s), and totals are wrong: %s",
            outside_text(
                sum(outside.rows for outside in self._dropped.values()),
                sum(known) if len(known) == len(clicks) else None,
            ),
            next(iter(self._dropped)),
            zone,
            "set it to the time zone of the Adspect account" if zone == "UTC" else "set it to UTC",
        )

    def _check_filters(self, window: DayWindow, records: list[Record]) -> None:
        """Warn once per filter about rows that it should have excluded."""
        # Assumed: the vendor obeys every documented filter. If wrong, the totals are too high; this warning
        # names the filter if it is a dimension of the report too.
        for name in sorted(self.filters.keys() & set(self.report.dimensions) - self._unmatched):
            wrong = unmatched(name, self.filters[name], Counter(record[name] for record in records))
            if wrong:
                self._unmatched.add(name)
                self.log_lines.warning(
                    "window %s: %d of %d rows do not match the filter `%s`: the vendor may have ignored it, or may "
                    "write its values differently: compare `filters` and `stream_ids` with the rows",
                    window,
                    wrong,
                    len(records),
                    name,
                )

    @override
    def read_records(
        self, context: Context | None, window: DayWindow | None = None, pages: Iterable[requests.Response] | None = None
    ) -> Iterator[Record]:
        rows, position = 0, Bookmark(self, self.bookmark_kind).position
        for record in super().read_records(context, window, pages):
            rows += 1
            yield record
        if not rows and window is not None:
            self.check_empty(window, position)

    def ends(self, window: DayWindow) -> tuple[str, str]:
        """Return the first and last value of the replication key in a window."""
        return window.first.isoformat(), window.last.isoformat()


class MonthlyFunnelReport(FunnelReport):
    """A report by month: one request per month, the current month up to today."""

    day = "month"
    _form = re.compile(r"\d{4}-\d\d")

    @property
    @override
    def bookmark_kind(self) -> BookmarkKind:
        return MonthBookmark()

    @override
    def windows(self, bookmark: Bookmark) -> Iterator[DayWindow]:
        start, last = self.day_range()
        today = self.tap.run_start.astimezone(self.report.time_zone).date()
        first = start.replace(day=1)
        if bookmark.position is not None:
            first = first_day(first, bookmark.position, self.lookback).replace(day=1)
        while first <= last:
            following = (first + 31 * DAY).replace(day=1)
            yield DayWindow(first, min(following - DAY, today))
            first = following

    @override
    def position_after(self, window: DayWindow) -> dt.date:
        return window.first

    @override
    def ends(self, window: DayWindow) -> tuple[str, str]:
        first, last = super().ends(window)
        return first[:7], last[:7]


def report_stream(tap: AdTechTap, report: Report) -> FunnelReport:
    """Create the stream of a report."""
    return (FunnelReport if FunnelReport.day in report.dimensions else MonthlyFunnelReport)(tap, report)
