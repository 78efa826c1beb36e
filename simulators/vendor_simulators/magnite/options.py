"""Undocumented details of the API: the simulator's default, and variants that a tap must handle."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date  # noqa: TC003 - needed at run time to convert text to options
from typing import Literal


@dataclass(frozen=True)
class MagniteOptions:
    """Options of the Magnite simulator; the first value listed is the default.

    Args:
        login_cookies: Cookies that a login sets: VhfpSession and a load balancer's cookie, ApiSession only, or none.
        cookie_domain: Attribute `Domain` of the session cookie, such as `.tremorhub.com`; empty for none.
        reads_cookie: The cookie from which the session code is read: the one that a login sets or ApiSession, or only
            one of them.
        session_code: Whether a login returns the code in the body and a cookie, or in the cookie only.
        session_seconds: Session timeout: seconds without a request.
        wrong_keys: Status for wrong credentials.
        not_logged_in: Status for a request without a session or after the logout.
        submit_status: Status of an accepted query.
        status: A query's status as a number, string of digits, word, shorter spelling of the word, or object with id
            and name.
        sources_path: Base path of the query sources.
        source_in_path: Whether paths accept a source's name and id, or only one of them.
        source_ids: Ids of sources as text, as numbers, or absent.
        polls: Number of polls before a query is complete.
        query_seconds: Seconds after which a query is complete regardless of polls.
        foreign_query: Number of submissions refused because of another user's query, before the first one is accepted.
        results_once: Whether results are gone once fetched.
        codes_survive_login: Whether a query is still known in a later session.
        missing_ids: Whether the ids of dimensions are null or absent in a few rows, never, or always.
        metrics: Metrics as JSON numbers with a few strings, all strings, or all numbers.
        order: Whether results are in random order or in the requested order.
        updated_name: Field name of the last change of seats, publishers and brands.
        supply_path: Path of the supply.
        ad_units_path: Path of the ad units.
        time_zones: Whether `timeZone` defines the days, or is ignored: then they are UTC days.
        to_date: Whether `toDate` is inclusive or exclusive.
        filters: Whether filters are applied.
        row_limit: Maximum rows of a result; further rows are silently omitted. None = no limit.
        undeclared: Whether a few rows have undocumented fields.
        extremes: Whether there are ids above 2^53, and an amount of 24 digits on the first day.
        empty_days: Days without rows.
    """

    login_cookies: Literal["VhfpSession", "ApiSession", "none"] = "VhfpSession"
    cookie_domain: str = ""
    reads_cookie: Literal["either", "ApiSession", "VhfpSession"] = "either"
    session_code: Literal["body", "cookie"] = "body"
    session_seconds: int = 1800
    wrong_keys: Literal[401, 403, 400] = 401
    not_logged_in: Literal[401, 419] = 401
    submit_status: Literal[200, 201, 202] = 200
    status: Literal["number", "digits", "word", "short_word", "object"] = "number"
    sources_path: Literal["query", "queries"] = "query"
    source_in_path: Literal["both", "name", "id"] = "both"
    source_ids: Literal["text", "number", "absent"] = "text"
    polls: int = 1
    query_seconds: float = 30.0
    foreign_query: int = 0
    results_once: bool = False
    codes_survive_login: bool = True
    missing_ids: Literal["few", "never", "always"] = "few"
    metrics: Literal["mixed", "strings", "numbers"] = "mixed"
    order: Literal["none", "requested"] = "none"
    updated_name: Literal["updateDate", "lastUpdated", "both"] = "updateDate"
    supply_path: Literal["supply", "supplies"] = "supply"
    ad_units_path: Literal["adUnits", "adunits"] = "adUnits"
    time_zones: Literal["applied", "ignored"] = "applied"
    to_date: Literal["inclusive", "exclusive"] = "inclusive"
    filters: Literal["applied", "ignored"] = "applied"
    row_limit: int | None = None
    undeclared: bool = True
    extremes: bool = True
    empty_days: tuple[date, ...] = ()
