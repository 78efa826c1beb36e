"""What the vendor does not document: the simulator's first choice, and the others a tap has to survive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date  # noqa: TC003 - read at run time to turn text into options
from typing import Literal


@dataclass(frozen=True)
class MagniteOptions:
    """Choices of the Magnite simulator; the default of each is its first choice.

    Args:
        login_cookies: Cookies that a login sets: VhfpSession and a load balancer's, ApiSession alone, or none.
        reads_cookie: The cookie in which the session code is looked for.
        session_code: Where a login tells the code: in the body and in its cookie, or in the cookie only.
        session_seconds: Seconds without a request after which a session has timed out.
        wrong_keys: Status for wrong credentials.
        not_logged_in: Status for a request without a session, or after the log-out.
        submit_status: Status of an accepted query.
        status: How a query's status is told: number, string of digits, word, the shorter spelling of the word, or an
            object with id and name.
        sources_path: Base of the query sources.
        source_in_path: What stands for a source in a path: its name or its id, only one of them.
        source_ids: Ids of sources: text of digits, numbers, or none.
        polls: Polls that find a query at work before it is complete.
        query_seconds: Seconds after which a query is complete, however often it was asked for.
        foreign_query: Submits that meet somebody else's query before the first one is accepted.
        results_once: Whether results are gone after they were fetched.
        codes_survive_login: Whether a query is still known in a later session.
        missing_twins: Identifiers of dimensions that are null or absent: for a few rows, never, or always.
        metrics: Metrics as JSON numbers, a few as strings; or all as strings; or all as numbers.
        order: Whether results come in no order, or in the order that was asked for.
        updated_name: What seats, publishers and brands call the date of the last change.
        supply_path: Path of the supply.
        ad_units_path: Path of the ad units.
        undeclared: Whether a few rows have fields that no document names.
        extremes: Whether there are ids beyond 2^53, and on the first day an amount of 24 digits.
        empty_days: Days without a row.
    """

    login_cookies: Literal["VhfpSession", "ApiSession", "none"] = "VhfpSession"
    reads_cookie: Literal["ApiSession", "VhfpSession"] = "ApiSession"
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
    missing_twins: Literal["few", "never", "always"] = "few"
    metrics: Literal["mixed", "strings", "numbers"] = "mixed"
    order: Literal["none", "asked"] = "none"
    updated_name: Literal["updateDate", "lastUpdated", "both"] = "updateDate"
    supply_path: Literal["supply", "supplies"] = "supply"
    ad_units_path: Literal["adUnits", "adunits"] = "adUnits"
    undeclared: bool = True
    extremes: bool = True
    empty_days: tuple[date, ...] = ()
