"""Undocumented details of the API: the simulator's default, and variants that a tap must handle."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date  # noqa: TC003 - needed at run time to convert text to options
from typing import Literal


@dataclass(frozen=True)
class AdspectOptions:
    """Options of the Adspect simulator; the first value listed is the default.

    Args:
        totals: Where the `X-Pagination-*` headers are: in responses to GET and HEAD, to HEAD only, nowhere; or nowhere
            because HEAD returns 404 or 405.
        past_end: Response to a page number past the end: the last page again, an empty page, or 404.
        list_body: Body of a list: a bare array, or an object with `items`.
        date_from: Whether `date_from` is inclusive or exclusive.
        date_to: Whether `date_to` is exclusive or inclusive.
        time_zone: Whether it defines the days and months of the funnel, or only the display of times ("Time zone for
            displaying date and time"): days are UTC days then.
        ignored_filters: Filters without effect.
        per_page: Whether the size of a page is the requested one, or always the documented default, 20.
        addresses: IPv4 addresses in the log as such, or every other one as an IPv4-mapped IPv6 address, as a server
            with one socket for both protocols records them.
        report_body: One array per line, or one array of arrays.
        counts: Whole numbers of the funnel as strings or as numbers.
        money: Sums of costs and payouts, and costs in the log, as numbers or as strings.
        empty_ratio: A ratio with a zero denominator: null, "nan", "inf", "", or 0.
        blank_dimension: A dimension without a value: null, or "".
        blank_id: A missing sub id or click id in the log: null, or "".
        log_order: Log rows in a new random order at each call, or ordered by time.
        asn: A network number as a number, or as text `"65536"`, `"AS65536"`, `"AS1.0"`.
        lists: Languages and tags as arrays, as text with a JSON array, or as comma-separated text.
        codes: sequence and target as numbers, or as text.
        error_body: Body of errors: an object (a list for 422), an HTML page, or nothing.
        collections: Their shape: a list of texts, a list of objects, an object of codes to labels, or a shape that no
            document and no client has.
        log_cap: Maximum rows in a response of the log; further rows are silently omitted. None = no cap.
        funnel_cap: The same for the funnel.
        streams: Number of traffic streams.
        queries: Number of saved queries.
        printed: Whether to serve the clicks behind the documented examples (1 to 4 April 2024).
        undeclared: Whether a few objects have undocumented fields.
        extremes: Whether the first day has a count above 2^53 and a cost of 20 digits.
        empty_days: UTC days without clicks.
    """

    totals: Literal["get", "head", "none", "head_404", "head_405"] = "get"
    past_end: Literal["repeat", "empty", "not_found"] = "repeat"
    list_body: Literal["array", "items"] = "array"
    date_from: Literal["inclusive", "exclusive"] = "inclusive"
    date_to: Literal["exclusive", "inclusive"] = "exclusive"
    time_zone: Literal["days", "display"] = "days"
    ignored_filters: tuple[str, ...] = ()
    per_page: Literal["requested", "default"] = "requested"
    addresses: Literal["plain", "mapped"] = "plain"
    report_body: Literal["lines", "array"] = "lines"
    counts: Literal["string", "number"] = "string"
    money: Literal["number", "string"] = "number"
    empty_ratio: Literal["null", "nan", "inf", "blank", "zero"] = "null"
    blank_dimension: Literal["null", "empty"] = "null"
    blank_id: Literal["null", "empty"] = "null"
    log_order: Literal["random", "ascending"] = "random"
    asn: Literal["number", "digits", "prefixed", "halves"] = "number"
    lists: Literal["array", "json", "commas"] = "array"
    codes: Literal["number", "string"] = "number"
    error_body: Literal["object", "html", "empty"] = "object"
    collections: Literal["scalars", "objects", "codes", "unknown"] = "scalars"
    log_cap: int | None = None
    funnel_cap: int | None = None
    streams: int = 200
    queries: int = 3
    printed: bool = False
    undeclared: bool = True
    extremes: bool = True
    empty_days: tuple[date, ...] = ()
