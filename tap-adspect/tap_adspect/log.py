"""The click log (REST API, "Click Log"): rows without id or order, and capped without a word at an unknown number."""

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
"""REST API, "Click Log Columns", in the order in which they are asked for."""

KEY_COLUMNS = ("timestamp", "stream_id", "click_id", "sequence", "ip_address")
"""What a row's key is made of, in this order; what a later status may change stays out."""

SECOND = dt.timedelta(seconds=1)
BASIC_CHECK, CONVERSION = 0, 255
"""Values of `sequence`: what the funnel counts as a click, and as a conversion."""

_COUNTS = ("clicks", "conversions")


class ClickLog(RowsStream, InstantWindowStream[None]):
    """Clicks and conversions, one row each: personal data. A conversion is a row of its own at its own time."""

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
    """Keys of the rows of the last window's closing second that have been emitted."""

    @property
    def columns(self) -> tuple[str, ...]:
        """What is asked for: the selected columns and those of the key, as the vendor wants few."""
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
        """Return the parameters of a window; in UTC always, as a zone with summer time repeats an hour."""
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
        window: InstantWindow = page.window  # type: ignore[attr-defined]  # a WindowedPage, as this stream has windows
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
                # A capped answer looks like a whole one: it is thrown away and asked for in halves.
                for half in _halves(window, len(rows)):
                    yield from self.pages(context, half)

    @override
    def read_records(
        self,
        context: Context | None,
        window: InstantWindow | None = None,
        pages: Iterable[requests.Response] | None = None,
    ) -> Iterator[Record]:
        # Assumed: `date_to` may be inclusive. Then the rows of a window's closing second come with the next one too.
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
        # With `log_count_check` the funnel knows better: many a window of a quiet hour never had a row.
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
        """Hold the rows of a window against what the funnel counts in it; never more than a warning.

        What exactly the two count alike is not documented.
        """
        params = {**self.parameters(window), "metrics[]": _COUNTS}
        try:
            response = self.fetch(self.request("/reports/funnel", params), label=f", window {window}, counts")
            counted = next(iter(self.named_rows(response, _COUNTS)), dict.fromkeys(_COUNTS))
        except TapError as error:
            self.log_lines.warning("window %s: it cannot be counted by the funnel: %s", window, error)
            return
        read = [sum(str(row["sequence"]) == str(sequence) for row in rows) for sequence in (BASIC_CHECK, CONVERSION)]
        told = [_whole(counted[name]) for name in _COUNTS]
        if read[0] < told[0] or read[1] < told[1]:
            may = "capped (see `log_row_limit` and `log_window_minutes`)" if rows else "incomplete: run again"
            self.log_lines.warning(
                "window %s: the log has %d clicks and %d conversions, and the funnel counts %d and %d: the log may be "
                "%s",
                window,
                *read,
                *told,
                may,
            )


def row_keys(rows: list[dict[str, Any]]) -> list[str]:
    """Make a key for each row of an answer, the same in whatever order the rows come.

    Args:
        rows: All rows of one answer, as sent; addresses as they are emitted.

    Returns:
        For each row the SHA-256 (hex) of the compact JSON (UTF-8) of the key columns, null as `""`, and an ordinal
        that tells apart rows that are equal in all of them: their place among these by their full JSON.
    """
    twins: dict[bytes, list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        twins[_compact.encode(_key_values(row))].append(number)
    keys = [""] * len(rows)
    for numbers in twins.values():
        numbers.sort(key=lambda number: _compact.encode(list(rows[number].values())))
        for ordinal, number in enumerate(numbers):
            keys[number] = hashlib.sha256(_compact.encode([*_key_values(rows[number]), ordinal])).hexdigest()
    return keys


def keyed_hash(salt: str, address: str) -> str:
    """Return HMAC-SHA-256 (hex) of an address: without the salt it cannot be found by trying all addresses."""
    return hmac.new(salt.encode(), address.encode(), hashlib.sha256).hexdigest()


_compact = msgspec.json.Encoder(decimal_format="number")


def _key_values(row: dict[str, Any]) -> list[Any]:
    return ["" if row.get(name) is None else row[name] for name in KEY_COLUMNS]


def _halves(window: InstantWindow, rows: int) -> Iterator[InstantWindow]:
    seconds = (window.end - window.start) // SECOND
    if seconds <= 1:
        raise DataError(
            f"the one second from {utc_text(window.start)} has {rows} rows, which is `log_row_limit` or more",
            "raise `log_row_limit` if the vendor's own limit is higher",
        )
    middle = window.start + (seconds // 2) * SECOND
    return iter((InstantWindow(window.start, middle), InstantWindow(middle, window.end)))


def _instant(text: Any) -> str:
    try:
        moment = dt.datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - asked for in UTC
    except (TypeError, ValueError):
        raise DataError(
            f"a row has a timestamp that is not like 2024-04-01 00:00:00 (a JSON {json_kind(text)})",
            "report this to the tap's authors",
        ) from None
    return f"{moment.isoformat()}Z"


def _whole(count: Any) -> int:
    return int(count) if isinstance(count, int) or (isinstance(count, str) and count.isdigit()) else 0
