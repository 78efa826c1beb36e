"""Undocumented details of the API: the simulator's default, and variants that a tap must handle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SpringServeOptions:
    """Options of the SpringServe simulator; the first value listed is the default.

    Args:
        token_seconds: Lifetime of a token in seconds; the documented lifetime is two hours.
        expiration: Expiry in the login response: ISO 8601, seconds since 1970, or none.
        wrong_credentials: Status of a login with wrong credentials; 400 is documented.
        max_rows_v0: Maximum rows per page of v0, regardless of `per`.
        v0_lists: v0 lists as bare arrays, or in the envelope of v1.
        v1_lists: v1 lists in the envelope (except bills and geo_lists, which are declared as arrays), or all as arrays.
        ignore_page: Whether v0 returns the first page for any page number.
        filter: Whether `updated_at::gte` is applied exactly, truncated to the day, or ignored.
        sort: Whether v1 sorts as requested, or always by id.
        ties: Order of rows that are equal in `sort`: different at each call, or by id.
        edits: Rows edited between two pages of a v1 list, up to `most_edits` in total.
        most_edits: Maximum number of rows edited between pages.
        numbers: Money and rates as a mix of text and numbers, or always as text, or always as numbers.
        zones: Whether timestamps end with `Z`.
        stamp_hours: Hours by which timestamps without `Z` are ahead of UTC, in rows and in filters.
        active: `active` in v0 and `is_active` in v1, or both fields in both.
        app_name_targeting: Field name with one underscore, like the other fields, or with two, as in the wiki.
        member_names: Undocumented field of the members of lists of ids and parameters: the last part of the path in the
            singular, or `name`, or both: then `name` is a description.
        undeclared: Whether some rows have undocumented fields and values that do not match their type.
        context: Whether `x-auth-context` selects an account, or is ignored: then rows belong to the active account.
        forbidden: Paths (`/supply_tags`, `/report`) that return 403.
        retry_after: `Retry-After` of a 429 in seconds; None = no header.
        polls: Polls until a report is COMPLETE; 0 = complete in the first response.
        report_rows: Rows per page of an asynchronous report.
        total_pages: Whether a report includes its number of pages.
        sync_response: Response to a synchronous report request: a bare array, an array in `data`, or an object with
            status and report_id, after which the report continues asynchronously.
        sync_rows: Rows per page of a synchronous report.
        sync_page: Whether a synchronous report returns the requested page, or the first page for any number, whole or
            cut off after `sync_rows` rows.
        last_day: Whether `end_date` of a report is inclusive or exclusive.
        report_filters: Whether reports apply the documented filters.
        forget: Number of reports, from the first, that are unknown when they are polled.
        dates: Dates of report rows without the suffix `.0`, with it, or alternately.
        unknown_dimension: Whether an unknown dimension is refused with 422 or omitted from the rows.
        final_status: Status of a finished report.
    """

    token_seconds: float = 7200.0
    expiration: Literal["iso", "epoch", "none"] = "iso"
    wrong_credentials: Literal[400, 401, 403, 422] = 400
    max_rows_v0: int = 100
    v0_lists: Literal["array", "envelope"] = "array"
    v1_lists: Literal["envelope", "array"] = "envelope"
    ignore_page: bool = False
    filter: Literal["exact", "day", "ignored"] = "exact"
    sort: Literal["requested", "ignored"] = "requested"
    ties: Literal["arbitrary", "id"] = "arbitrary"
    edits: int = 0
    most_edits: int = 20
    numbers: Literal["mixed", "text", "number"] = "mixed"
    zones: bool = True
    stamp_hours: int = 0
    active: Literal["word", "both"] = "word"
    app_name_targeting: Literal["one", "two"] = "one"
    member_names: Literal["singular", "name", "both"] = "singular"
    undeclared: bool = True
    context: Literal["selects", "ignored"] = "selects"
    forbidden: tuple[str, ...] = ()
    retry_after: int | None = None
    polls: int = 2
    report_rows: int = 500
    total_pages: bool = True
    sync_response: Literal["array", "data", "status"] = "array"
    sync_rows: int = 50
    sync_page: Literal["requested", "ignored", "cut"] = "requested"
    last_day: Literal["inclusive", "exclusive"] = "inclusive"
    report_filters: Literal["applied", "ignored"] = "applied"
    forget: int = 0
    dates: Literal["plain", "tail", "both"] = "plain"
    unknown_dimension: Literal["refuse", "leave_out"] = "refuse"
    final_status: str = "COMPLETE"
