"""The click log (REST API, "Click Log"): rows without id or order, silently capped at an undocumented number."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from singer_adtech.dates import read_moment
from singer_adtech.errors import DataError, SettingError, TapError
from singer_adtech.progress.bookmarks import Bookmark
from singer_adtech.progress.signatures import check_account
from singer_adtech.progress.windows import DAY, InstantWindow, midnight
from singer_adtech.records.page import Page, once_per_response
from singer_adtech.records.values import to_number
from singer_adtech.reports import filter_lists
from singer_adtech.streams.instants import UTC, InstantWindowStream, UTCBookmark, utc_text
from singer_sdk import StreamSchema
from typing_extensions import override

from tap_adspect.client import SCHEMAS, RowsStream, named_row, numbered, read_rows
from tap_adspect.filters import FILTERS, all_filters, parameters, unmatched
from tap_adspect.keys import KEY_COLUMNS, KeyedRows, KeyReader
from tap_adspect.rows import metric_converter, to_asn, to_instant, to_text_list

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    import requests
    from singer_adtech.records.row_times import RowCheck
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.streams.rest import HTTPRequest, PageContext

    from tap_adspect.filters import Filters

COLUMNS = (
    "timestamp",
    "ip_address",
    "asn",
    "account_id",
    "stream_id",
    "country_code",
    "os",
    "browser",
    "engine",
    "languages",
    "cost",
    "sub_id",
    "click_id",
    "mode",
    "sequence",
    "target",
    "tags",
)
"""REST API, "Click Log Columns", in the order of requests."""

SECOND = dt.timedelta(seconds=1)
BASIC_CHECK, CONVERSION = 0, 255
"""Values of `sequence` that the funnel counts as a click and as a conversion."""

_COUNTS = ("clicks", "conversions")


@dataclass(frozen=True)
class _LogPage(Page):
    """A response of the log.

    Args:
        instants: The different timestamps of its rows, converted.
    """

    instants: Collection[str] = ()


class ClickLog(RowsStream[InstantWindow], InstantWindowStream):
    """Clicks and conversions (personal data). A conversion is a separate row with its own time."""

    name = "click_log"
    path = "/reports/log"
    primary_keys = ("_row_key",)
    replication_key = "timestamp"
    is_sorted = False
    schema = StreamSchema(SCHEMAS)
    selected_by_default = False
    key_column = "_row_key"
    private_columns = ("ip_address",)
    smaller = "log_window_minutes"

    _edge: frozenset[str] = frozenset()
    """Keys of the emitted rows of the previous window's last second."""

    @cached_property
    @override
    def item_names(self) -> tuple[str, ...]:
        """The requested columns: only those selected and those of the key, because the vendor recommends few."""
        left_out = {"ip_address"} if self.config["ip_addresses"] == "omit" else set()
        return tuple(
            name
            for name in COLUMNS
            if (name in KEY_COLUMNS or self.mask[("properties", name)]) and name not in left_out
        )

    @property
    @override
    def row_filters(self) -> Mapping[str, tuple[str, ...]]:
        return {name: (name,) for name in FILTERS if name in self.item_names and name not in self.private_columns}

    @override
    def filter_settings(self, name: str, value: Any) -> dict[str, Any]:
        return {"log_filters": {**log_filters(self.config), name: [value]}}

    @property
    @override
    def signature(self) -> dict[str, Any]:
        return {"filters": self.filters, "ip_addresses": self.config["ip_addresses"]}

    @property
    def _hashed(self) -> bool:
        return bool(self.config["ip_addresses"] == "hash")

    @cached_property
    def filters(self) -> Filters:
        """The filters to send."""
        return all_filters(self.config, log_filters(self.config))

    @property
    @override
    def bookmark_kind(self) -> UTCBookmark:
        return UTCBookmark()

    @property
    @override
    def window_length(self) -> dt.timedelta:
        return dt.timedelta(minutes=self.config["log_window_minutes"])

    @property
    @override
    def lookback(self) -> dt.timedelta:
        return dt.timedelta(hours=self.config["log_lookback_hours"])

    @override
    def instant_range(self) -> tuple[dt.datetime, dt.datetime]:
        day_zone = self.tap.day_zone
        start = read_moment(self.config["start_date"], "start_date", day_zone, self.tap.run_start).at
        _, last = self.tap.day_range()
        newest = self.tap.run_start - dt.timedelta(minutes=self.config["log_lag_minutes"])
        end = min(midnight(last + DAY, day_zone).astimezone(UTC), newest.replace(second=0, microsecond=0))
        return start.replace(microsecond=0).astimezone(UTC), end

    def window_parameters(self, window: InstantWindow) -> dict[str, Any]:
        """Return the parameters of a window, always in UTC because a zone with summer time repeats an hour."""
        return {
            "date_from": int(window.start.timestamp()),
            "date_to": int(window.end.timestamp()),
            "time_zone": "UTC",
            **parameters(self.filters),
        }

    @override
    def get_http_request(self, *, page: PageContext[None]) -> HTTPRequest:
        window = self.window_of(page)
        return self.request(self.path, {**self.window_parameters(window), "columns[]": self.item_names})

    @override
    def pages(self, context: Context | None, window: InstantWindow | None = None) -> Iterator[requests.Response]:
        limit, counted = self.config.get("log_row_limit"), self.config["log_count_check"]
        for response in super().pages(context, window):
            rows = len(read_rows(response))
            if window is None or limit is None or rows < limit:
                if window is not None and self._filtered:
                    self._check_filters(window, self._keyed_rows(response))
                if window is not None and counted:
                    self._check_counts(window, self._keyed_rows(response).sequences)
                yield response
            else:
                # A capped response looks complete: it is discarded, and the window is requested in halves.
                for half in _halves(window, rows):
                    yield from self.pages(context, half)

    @override
    def read_records(
        self,
        context: Context | None,
        window: InstantWindow | None = None,
        pages: Iterable[requests.Response] | None = None,
    ) -> Iterator[Record]:
        # Assumed: `date_to` may be inclusive. Then the next window also returns the rows of this window's last second.
        end = utc_text(window.end) if window else ""
        before, edge = self._edge, set[str]()
        rows, position = 0, Bookmark(self, self.bookmark_kind).position
        for record in super().read_records(context, window, pages):
            rows += 1
            if before and record["_row_key"] in before:
                continue
            if record["timestamp"] == end:
                edge.add(record["_row_key"])
            yield record
        self._edge = frozenset(edge)
        # With `log_count_check` the funnel has counted the window. Quiet hours are often empty.
        if not rows and window is not None and not self.config["log_count_check"]:
            self.check_empty(window, position)

    @override
    def page(self, response: requests.Response) -> Page:
        rows = read_rows(response)
        if rows and "account_id" in self.item_names:
            with numbered(rows):
                account = self.decode_row(rows[0])["account_id"]
            if isinstance(account, str):
                self.tap.account = account
                check_account(self)
        keyed = self._keyed_rows(response)
        return _LogPage(rows, keys=keyed.keys, instants=keyed.instants)

    @override
    def page_records(self, page: Page, window: InstantWindow | None, check: RowCheck | None = None) -> Iterable[Record]:
        if check is not None:
            # Checked before conversion, because records of a whole response would need much memory.
            for instant in cast("_LogPage", page).instants:
                outside = check({"timestamp": instant})
                if outside is not None:
                    raise self.foreign_row(outside)
        return super().page_records(page, window)

    @property
    @override
    def converters(self) -> Mapping[str, Callable[[Any], Any]]:
        hashed = {"ip_address": self._keys.emitted} if self._hashed else {}
        lists = {"languages": to_text_list, "tags": to_text_list}
        return {"timestamp": to_instant, "asn": to_asn, "cost": metric_converter(to_number), **lists, **hashed}

    @cached_property
    def _keys(self) -> KeyReader:
        return KeyReader(self.item_names, self.config["ip_salt"] if self._hashed else None, self._filtered)

    @cached_property
    def _filtered(self) -> tuple[str, ...]:
        """The requested columns with a filter."""
        return tuple(name for name in self.filters if name in self.item_names)

    @cached_property
    def _keyed_rows(self) -> Callable[[requests.Response], KeyedRows]:
        """A function that reads the key columns of a response, once."""
        return once_per_response(lambda response: self._keys.read(read_rows(response)))

    def _check_filters(self, window: InstantWindow, rows: KeyedRows) -> None:
        """Warn once per filter about rows that it should have excluded."""
        # Assumed: the vendor obeys filters of the log like those of the funnel. If it ignores one, the table has rows
        # that the user excluded; this warning names the filter if its column is requested.
        for name in self._filtered:
            wanted: Iterable[Any] = self.filters[name]
            wanted = map(self._keys.emitted, wanted) if name == "ip_address" else wanted
            wrong = unmatched(name, [*wanted], rows.filtered[name])
            if wrong and name not in self._unmatched:
                self._unmatched.add(name)
                self.log_lines.warning(
                    "window %s: %d of %d rows do not match the filter `%s`: the vendor may have ignored it, or may "
                    "write its values differently: compare `log_filters` and `stream_ids` with the rows",
                    window,
                    wrong,
                    len(rows.keys),
                    name,
                )

    @cached_property
    def _unmatched(self) -> set[str]:
        """The filters that were warned about."""
        return set()

    def _check_counts(self, window: InstantWindow, sequences: Counter[str]) -> None:
        """Compare the rows of a window with the funnel's counts, and warn if rows are missing.

        It is only a warning because the vendor does not document which rows the funnel counts.

        Args:
            window: The window.
            sequences: The number of its rows per value of `sequence`.
        """
        params = {**self.window_parameters(window), "metrics[]": _COUNTS}
        try:
            response = self.fetch(self.request("/reports/funnel", params), label=f", window {window}, counts")
            rows = read_rows(response)
            with numbered(rows):
                counted = next((named_row(row, _COUNTS) for row in rows), dict.fromkeys(_COUNTS))
        except TapError as error:
            self.log_lines.warning("window %s: the funnel's counts could not be read: %s", window, error)
            return
        read = [sequences[str(sequence)] for sequence in (BASIC_CHECK, CONVERSION)]
        reported = [_whole(counted[name]) for name in _COUNTS]
        if read[0] < reported[0] or read[1] < reported[1]:
            may = "capped (see `log_row_limit` and `log_window_minutes`)" if sequences else "incomplete: run again"
            self.log_lines.warning(
                "window %s: the log has %d clicks and %d conversions, but the funnel has %d and %d: the log may be %s",
                window,
                *read,
                *reported,
                may,
            )


def log_filters(config: Mapping[str, Any]) -> Filters:
    """Read the setting `log_filters`.

    Raises:
        SettingError: It is invalid. The message names the allowed values.
    """
    try:
        return _read_filters(config.get("log_filters"))
    except ValueError as error:
        name, problem = "setting `log_filters`", str(error)
        if problem.startswith("`filters`"):
            raise SettingError(name + problem.removeprefix("`filters`")) from None
        raise SettingError(name, problem) from None


_read_filters = filter_lists(FILTERS)


def _halves(window: InstantWindow, rows: int) -> Iterator[InstantWindow]:
    seconds = (window.end - window.start) // SECOND
    if seconds <= 1:
        raise DataError(
            f"the second from {utc_text(window.start)} has {rows} rows, at least `log_row_limit`",
            "raise `log_row_limit` if the vendor's own limit is higher",
        )
    middle = window.start + (seconds // 2) * SECOND
    return iter((InstantWindow(window.start, middle), InstantWindow(middle, window.end)))


def _whole(count: Any) -> int:
    return int(count) if isinstance(count, int) or (isinstance(count, str) and count.isdigit()) else 0
