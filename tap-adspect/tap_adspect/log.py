"""The click log (REST API, "Click Log"): rows without id or order, silently capped at an undocumented number."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from singer_adtech.dates import read_moment
from singer_adtech.errors import DataError, SettingError, TapError
from singer_adtech.progress.bookmarks import Bookmark
from singer_adtech.progress.signatures import check_account
from singer_adtech.progress.windows import DAY, InstantWindow, midnight
from singer_adtech.records.page import Page, once_per_response
from singer_adtech.records.row_times import ForeignRowError
from singer_adtech.records.values import to_number
from singer_adtech.reports import filter_lists
from singer_adtech.streams.instants import UTC, InstantWindowStream, UTCBookmark, utc_text
from singer_sdk import StreamSchema
from typing_extensions import override

from tap_adspect.checks import LogWindows, outside_text
from tap_adspect.client import SCHEMAS
from tap_adspect.filters import FILTERS, all_filters, parameters, unmatched
from tap_adspect.keys import KEY_COLUMNS, KeyedRows, KeyReader
from tap_adspect.row_streams import RowsStream, named_row, numbered, read_rows
from tap_adspect.rows import metric_converter, to_asn, to_count, to_instant, to_text_list

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

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
"""Values of `sequence` that the funnel counts as a click and as a conversion.

Assumed: the funnel counts no other rows. If wrong, `log_count_check` warns about every window although no row is
missing, or misses rows of a cap that are of another stage.
"""

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
    foreign_remedy = (
        "a cache or a gateway may have sent the response, or the vendor ignored `date_from` and `date_to`, or its "
        "times are not in UTC: run again later; if it happens again, report it to the vendor"
    )

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
        # Assumed: a row is in the log `log_lag_minutes` after its time. If wrong, a later row is read by the look-back
        # (`log_lookback_hours`); one that comes even later is missing, and the funnel has more clicks than the table.
        newest = self.tap.run_start - dt.timedelta(minutes=self.config["log_lag_minutes"])
        end = min(midnight(last + DAY, day_zone).astimezone(UTC), newest.replace(second=0, microsecond=0))
        return start.replace(microsecond=0).astimezone(UTC), end

    def window_parameters(self, window: InstantWindow) -> dict[str, Any]:
        """Return the parameters of a window, always in UTC because a zone with summer time repeats an hour.

        Assumed: the vendor returns the log in UTC. If wrong, the first row that is shifted out of its window ends
        the stream.
        """
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
        limit = self.config.get("log_row_limit")
        for response in super().pages(context, window):
            rows = len(read_rows(response))
            if window is None or limit is None or rows < limit:
                if window is not None:
                    self._check_window(window, self._keyed_rows(response))
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
        # Assumed: `date_to` is exclusive. If wrong, the next window also returns the rows of this window's last second;
        # they are emitted once.
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
            instants = cast("_LogPage", page).instants
            outside = {instant: day for instant in instants if (day := check({"timestamp": instant})) is not None}
            if outside:
                raise self._foreign_rows(page, cast("InstantWindow", window), outside)
        return super().page_records(page, window)

    def _foreign_rows(self, page: Page, window: InstantWindow, outside: Mapping[str, str]) -> ForeignRowError:
        """Return the error for rows of other windows, with their number and direction.

        Args:
            page: The response.
            window: The requested window.
            outside: The timestamps of these rows, with their days.
        """
        start = utc_text(window.start)
        rows, clicks = Counter[str](), Counter[str]()
        for row in page.rows:
            values = self.decode_row(row)
            instant = to_instant(values["timestamp"])
            if instant in outside:
                direction = "before it" if instant < start else "after it"
                rows[direction] += 1
                clicks[direction] += str(values["sequence"]) == str(BASIC_CHECK)
        error = self.foreign_row(next(iter(outside.values())))
        counted = " and ".join(outside_text(rows[one], clicks[one], one) for one in sorted(rows, reverse=True))
        return ForeignRowError(error.what, f"{counted}: {error.remedy}")

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        self._windows = LogWindows()
        try:
            yield from super().get_records(context)
        finally:
            # After a failure too: the next run continues behind the windows read.
            for warning in self._windows.warnings():
                self.log_lines.warning("%s", warning)

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

    def _check_window(self, window: InstantWindow, rows: KeyedRows) -> None:
        self._check_filters(window, rows)
        compared = self.config["log_count_check"] and self._check_counts(window, rows.sequences)
        self._windows.add(window, len(rows.keys), rows.instants, compared=compared)

    def _check_filters(self, window: InstantWindow, rows: KeyedRows) -> None:
        """Warn once per filter about rows that it should have excluded."""
        # Assumed: the vendor obeys filters of the log like those of the funnel. If wrong, the table has rows
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

    def _check_counts(self, window: InstantWindow, sequences: Counter[str]) -> bool:
        """Compare the rows of a window with the funnel's counts, and warn if rows are missing.

        It is only a warning because the vendor does not document which rows the funnel counts.

        Args:
            window: The window.
            sequences: The number of its rows per value of `sequence`.

        Returns:
            Whether the counts could be compared.
        """
        params = {**self.window_parameters(window), "metrics[]": _COUNTS}
        try:
            response = self.fetch(self.request("/reports/funnel", params), label=f", window {window}, counts")
            rows = read_rows(response)
            with numbered(rows):
                reported = _reported([named_row(row, _COUNTS) for row in rows])
        except TapError as error:
            self.log_lines.warning("window %s: the funnel's counts could not be read: %s", window, error)
            return False
        read = [sequences[str(sequence)] for sequence in (BASIC_CHECK, CONVERSION)]
        if read[0] < reported[0] or read[1] < reported[1]:
            may = "capped (see `log_row_limit` and `log_window_minutes`)" if sequences else "incomplete: run again"
            self.log_lines.warning(
                "window %s: the log has %d clicks and %d conversions, but the funnel has %d and %d: the log may be %s",
                window,
                *read,
                *reported,
                may,
            )
        return True


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


def _reported(rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the counts of a funnel without breakdown.

    Raises:
        DataError: It has several rows, or a count is not a number.
    """
    if len(rows) > 1:
        raise DataError(f"the funnel has {len(rows)} rows without a breakdown", "report this to the tap's authors")
    # Assumed: no row and null mean zero. If wrong, the check of this window finds nothing missing.
    counts = [to_count(rows[0][name]) if rows else 0 for name in _COUNTS]
    known = [count for count in counts if count is not None]
    if len(known) < len(counts):
        raise DataError("a count of the funnel is not a whole number", "report this to the tap's authors")
    return known
