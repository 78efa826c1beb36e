"""The click log (REST API, "Click Log"): rows without id or order, silently capped at an undocumented number."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec
from singer_adtech.dates import read_moment
from singer_adtech.errors import DataError, TapError
from singer_adtech.progress.bookmarks import Bookmark
from singer_adtech.progress.signatures import check_account
from singer_adtech.progress.windows import DAY, InstantWindow, midnight
from singer_adtech.records.values import json_kind
from singer_adtech.streams.instants import UTC, InstantWindowStream, UTCBookmark, utc_text
from singer_sdk import StreamSchema
from typing_extensions import override

from tap_adspect.client import SCHEMAS, RowsStream
from tap_adspect.rows import asn, metric, text_list

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import requests
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

KEY_COLUMNS = ("timestamp", "stream_id", "click_id", "sequence", "ip_address")
"""The columns of a row's key, in this order, without those that a later status may change."""

SECOND = dt.timedelta(seconds=1)
BASIC_CHECK, CONVERSION = 0, 255
"""Values of `sequence` that the funnel counts as a click and as a conversion."""

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
    private_columns = ("ip_address",)
    smaller = "log_window_minutes"

    _edge: frozenset[str] = frozenset()
    """Keys of the emitted rows of the previous window's last second."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The requested columns: only those selected and those of the key, because the vendor recommends few."""
        left_out = {"ip_address"} if self.config["ip_addresses"] == "omit" else set()
        return tuple(
            name
            for name in COLUMNS
            if (name in KEY_COLUMNS or self.mask[("properties", name)]) and name not in left_out
        )

    @property
    @override
    def row_names(self) -> tuple[str, ...]:
        return self.columns

    @property
    @override
    def signature(self) -> dict[str, Any]:
        return {"stream_ids": self._stream_ids, "ip_addresses": self.config["ip_addresses"]}

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
        return self.request(self.path, {**self.parameters(window), "columns[]": self.columns})

    @override
    def pages(self, context: Context | None, window: InstantWindow | None = None) -> Iterator[requests.Response]:
        limit, counted = self.config.get("log_row_limit"), self.config["log_count_check"]
        for response in super().pages(context, window):
            rows = self.named_rows(response, self.columns) if limit or counted else []
            if window is None or limit is None or len(rows) < limit:
                if window is not None and counted:
                    self._check_counts(window, rows)
                yield response
            else:
                # A capped response looks complete: it is discarded, and the window is requested in halves.
                for half in _halves(window, len(rows)):
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
        edge: set[str] = set()
        rows, position = 0, Bookmark(self, self.bookmark_kind).position
        for record in super().read_records(context, window, pages):
            rows += 1
            if record["_row_key"] in self._edge:
                continue
            if record["timestamp"] == end:
                edge.add(record["_row_key"])
            yield record
        self._edge = frozenset(edge)
        # With `log_count_check` the funnel has counted the window. Quiet hours are often empty.
        if not rows and window is not None and not self.config["log_count_check"]:
            self.check_empty(window, position)

    @override
    def parse_response(self, response: requests.Response) -> Iterator[dict[str, Any]]:
        rows = self.named_rows(response, self.columns)
        if rows and isinstance(rows[0].get("account_id"), str):
            self.tap.account = rows[0]["account_id"]
            check_account(self)
        for row in rows:
            if self.config["ip_addresses"] == "hash" and row["ip_address"] is not None:
                row["ip_address"] = keyed_hash(self.config["ip_salt"], str(row["ip_address"]))
        for row, key in zip(rows, row_keys(rows), strict=True):
            yield {**row, "_row_key": key}

    @override
    def flat_row(self, row: dict[str, Any], window: InstantWindow | None) -> dict[str, Any]:
        row["timestamp"] = _instant(row["timestamp"])
        for name, convert in (("asn", asn), ("cost", metric), ("languages", text_list), ("tags", text_list)):
            if name in row:
                row[name] = convert(row[name])
        return row

    def _check_counts(self, window: InstantWindow, rows: list[dict[str, Any]]) -> None:
        """Compare the rows of a window with the funnel's counts, and warn if rows are missing.

        It is only a warning because the vendor does not document which rows the funnel counts.
        """
        params = {**self.parameters(window), "metrics[]": _COUNTS}
        try:
            response = self.fetch(self.request("/reports/funnel", params), label=f", window {window}, counts")
            counted = next(iter(self.named_rows(response, _COUNTS)), dict.fromkeys(_COUNTS))
        except TapError as error:
            self.log_lines.warning("window %s: the funnel's counts could not be read: %s", window, error)
            return
        read = [sum(str(row["sequence"]) == str(sequence) for row in rows) for sequence in (BASIC_CHECK, CONVERSION)]
        reported = [_whole(counted[name]) for name in _COUNTS]
        if read[0] < reported[0] or read[1] < reported[1]:
            may = "capped (see `log_row_limit` and `log_window_minutes`)" if rows else "incomplete: run again"
            self.log_lines.warning(
                "window %s: the log has %d clicks and %d conversions, but the funnel has %d and %d: the log may be %s",
                window,
                *read,
                *reported,
                may,
            )


def row_keys(rows: list[dict[str, Any]]) -> list[str]:
    """Compute a key for each row of a response, independent of the order of rows.

    Args:
        rows: All rows of one response as sent, except for IP addresses as emitted.

    Returns:
        For each row the SHA-256 (hex) of the compact JSON (UTF-8) of the key columns (null as `""`) and an ordinal.
        The ordinal distinguishes rows with equal key columns, in the order of their full JSON.
    """
    equal: dict[bytes, list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        equal[_compact.encode(_key_values(row))].append(number)
    keys = [""] * len(rows)
    for numbers in equal.values():
        numbers.sort(key=lambda number: _compact.encode(list(rows[number].values())))
        for ordinal, number in enumerate(numbers):
            keys[number] = hashlib.sha256(_compact.encode([*_key_values(rows[number]), ordinal])).hexdigest()
    return keys


def keyed_hash(salt: str, address: str) -> str:
    """Return the HMAC-SHA-256 (hex) of an address; the salt prevents a search through all addresses."""
    return hmac.new(salt.encode(), address.encode(), hashlib.sha256).hexdigest()


_compact = msgspec.json.Encoder(decimal_format="number")


def _key_values(row: dict[str, Any]) -> list[Any]:
    return ["" if row.get(name) is None else row[name] for name in KEY_COLUMNS]


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
    try:
        moment = dt.datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - requested in UTC
    except (TypeError, ValueError):
        raise DataError(
            f"a row has a timestamp that is not of the form 2024-04-01 00:00:00 (a JSON {json_kind(text)})",
            "report this to the tap's authors",
        ) from None
    return f"{moment.isoformat()}Z"


def _whole(count: Any) -> int:
    return int(count) if isinstance(count, int) or (isinstance(count, str) and count.isdigit()) else 0
