"""What the vendor does not document: the simulator's first choice, and the others a tap has to survive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date  # noqa: TC003 - read at run time to turn text into options
from typing import Literal


@dataclass(frozen=True)
class AdspectOptions:
    """Choices of the Adspect simulator; the default of each is its first choice.

    Args:
        totals: Where `X-Pagination-*` are: in answers to GET and HEAD, to HEAD alone, nowhere; or nowhere, as HEAD
            answers 404 or 405.
        past_end: A page past the end: the last one again, an empty one, or 404.
        list_body: A list's body: a bare array, or an object with `items`.
        date_to: Whether the second named by `date_to` belongs to the range.
        report_body: One array a line, or one array of arrays.
        counts: Whole numbers of the funnel as strings or as numbers.
        money: Sums of costs and payouts, and costs in the log, as numbers or as strings.
        empty_ratio: A ratio over nothing: null, "nan", "inf", "", or 0.
        blank_dimension: A group without a value: null, or "".
        blank_id: A sub id or click id that is not there, in the log: null, or "".
        log_order: Order of the log's rows: another one at each call, or by time.
        asn: A network number as a number, or as text `"65536"`, `"AS65536"`, `"AS1.0"`.
        lists: Languages and tags as arrays, as text with a JSON array, or as text with commas.
        codes: sequence and target as numbers, or as text.
        error_body: Of errors: an object (a list for 422), a page of HTML, or nothing.
        collections: Their shape: a list of texts, a list of objects, an object of codes to labels, or one that no
            document and no client knows.
        log_cap: Most rows of the log in an answer; the rest is left out without a word. None = no cap.
        streams: Number of traffic streams.
        queries: Number of saved queries.
        printed: Whether the clicks are those from which the document's own examples follow (1 to 4 April 2024).
        undeclared: Whether a few objects have fields that no document names.
        extremes: Whether the first day has a count above 2^53 and a cost of 20 digits.
        empty_days: UTC days without a click.
    """

    totals: Literal["get", "head", "none", "head_404", "head_405"] = "get"
    past_end: Literal["repeat", "empty", "not_found"] = "repeat"
    list_body: Literal["array", "items"] = "array"
    date_to: Literal["exclusive", "inclusive"] = "exclusive"
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
    streams: int = 200
    queries: int = 3
    printed: bool = False
    undeclared: bool = True
    extremes: bool = True
    empty_days: tuple[date, ...] = ()
