"""The click log (REST API, "Click Log"): rows without id or order, silently capped at an undocumented number."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from singer_adtech.dates import read_moment
from singer_adtech.errors import DataError, TapError
from singer_adtech.progress.bookmarks import Bookmark
from singer_adtech.progress.signatures import check_account
from singer_adtech.progress.windows import DAY, InstantWindow, midnight
from singer_adtech.records.compiled import MOST_CACHED
from singer_adtech.records.page import Page, once_per_response
from singer_adtech.records.values import json_kind, to_number
from singer_adtech.streams.instants import UTC, InstantWindowStream, UTCBookmark, utc_text
from singer_sdk import StreamSchema
from typing_extensions import override

from tap_adspect.client import SCHEMAS, RowsStream, named_row, numbered, read_rows
from tap_adspect.keys import KEY_COLUMNS, RowKeys
from tap_adspect.rows import metric_converter, to_asn, to_text_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import requests
    from singer_adtech.records.page import Row
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.streams.rest import HTTPRequest, PageContext

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

_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_COUNTS = ("clicks", "conversions")


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
    def item_names(self) -> tuple[str, ...]:  # type: ignore[override]  # an attribute in the base class
        """The requested columns: only those selected and those of the key, because the vendor recommends few."""
        left_out = {"ip_address"} if self.config["ip_addresses"] == "omit" else set()
        return tuple(
            name
            for name in COLUMNS
            if (name in KEY_COLUMNS or self.mask[("properties", name)]) and name not in left_out
        )

    @property
    @override
    def signature(self) -> dict[str, Any]:
        return {"stream_ids": self._stream_ids, "ip_addresses": self.config["ip_addresses"]}

    @property
    def _hashed(self) -> bool:
        return bool(self.config["ip_addresses"] == "hash")

    @property
    def _stream_ids(self) -> list[str]:
        return sorted(set(self.config.get("stream_ids") or ()))

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

    def parameters(self, window: InstantWindow) -> dict[str, Any]:
        """Return the parameters of a window, always in UTC because a zone with summer time repeats an hour."""
        params: dict[str, Any] = {
            "date_from": int(window.start.timestamp()),
            "date_to": int(window.end.timestamp()),
            "time_zone": "UTC",
        }
        if self._stream_ids:
            params["stream_id[]"] = self._stream_ids
        return params

    @override
    def get_http_request(self, *, page: PageContext[None]) -> HTTPRequest:
        window = self.window_of(page)
        return self.request(self.path, {**self.parameters(window), "columns[]": self.item_names})

    @override
    def pages(self, context: Context | None, window: InstantWindow | None = None) -> Iterator[requests.Response]:
        limit, counted = self.config.get("log_row_limit"), self.config["log_count_check"]
        for response in super().pages(context, window):
            rows = len(read_rows(response))
            if window is None or limit is None or rows < limit:
                if window is not None and counted:
                    self._check_counts(window, self._key_values(response)["sequence"])
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
        with numbered(rows):
            return Page(rows, keys=self._keys.of(rows, self._key_values(response)))

    @override
    def decode_row(self, row: Row | dict[str, Any]) -> dict[str, Any]:
        decoded = super().decode_row(row)
        if decoded["timestamp"] is None:
            _instant(None)
        return decoded

    @property
    @override
    def converters(self) -> Mapping[str, Callable[[Any], Any]]:
        hashed = {"ip_address": self._keys.hash_address} if self._hashed else {}
        lists = {"languages": to_text_list, "tags": to_text_list}
        return {"timestamp": _instant, "asn": to_asn, "cost": metric_converter(to_number), **lists, **hashed}

    @cached_property
    def _keys(self) -> RowKeys:
        return RowKeys(self.item_names, self.config["ip_salt"] if self._hashed else None)

    @cached_property
    def _key_values(self) -> Callable[[requests.Response], dict[str, list[Any]]]:
        """A function that returns the key columns of a response, decoded once."""
        return once_per_response(lambda response: self._keys.values(read_rows(response)))

    def _check_counts(self, window: InstantWindow, sequences: list[Any]) -> None:
        """Compare the rows of a window with the funnel's counts, and warn if rows are missing.

        It is only a warning because the vendor does not document which rows the funnel counts.

        Args:
            window: The window.
            sequences: The column `sequence` of its rows.
        """
        params = {**self.parameters(window), "metrics[]": _COUNTS}
        try:
            response = self.fetch(self.request("/reports/funnel", params), label=f", window {window}, counts")
            rows = read_rows(response)
            with numbered(rows):
                counted = next((named_row(row, _COUNTS) for row in rows), dict.fromkeys(_COUNTS))
        except TapError as error:
            self.log_lines.warning("window %s: the funnel's counts could not be read: %s", window, error)
            return
        times = Counter(map(str, sequences))
        read = [times[str(sequence)] for sequence in (BASIC_CHECK, CONVERSION)]
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


def _halves(window: InstantWindow, rows: int) -> Iterator[InstantWindow]:
    seconds = (window.end - window.start) // SECOND
    if seconds <= 1:
        raise DataError(
            f"the second from {utc_text(window.start)} has {rows} rows, at least `log_row_limit`",
            "raise `log_row_limit` if the vendor's own limit is higher",
        )
    middle = window.start + (seconds // 2) * SECOND
    return iter((InstantWindow(window.start, middle), InstantWindow(middle, window.end)))


def _instant(text: Any) -> str:
    moment = _instant_of(text) if isinstance(text, str) else None
    if moment is None:
        raise DataError(
            f"a row has a timestamp that is not of the form 2024-04-01 00:00:00 (a JSON {json_kind(text)})",
            "report this to the tap's authors",
        )
    return moment


@lru_cache(MOST_CACHED)
def _instant_of(text: str) -> str | None:
    try:
        if _TIMESTAMP.fullmatch(text):
            return f"{dt.datetime.fromisoformat(text).isoformat()}Z"
        # One without leading zeros is accepted too.
        moment = dt.datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - requested in UTC
    except ValueError:
        return None
    return f"{moment.isoformat()}Z"


def _whole(count: Any) -> int:
    return int(count) if isinstance(count, int) or (isinstance(count, str) and count.isdigit()) else 0
