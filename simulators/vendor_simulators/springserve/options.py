"""What the vendor does not document: the simulator's first choice, and the others a tap has to survive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SpringServeOptions:
    """Choices of the SpringServe simulator; the default of each is its first choice.

    Args:
        token_seconds: How long a token lives; two hours are documented.
        expiration: How the login tells the end of a token: ISO 8601, seconds since 1970, or not at all.
        wrong_credentials: Status for them; 400 is documented.
        most_v0: Most rows a page of v0, whatever `per` asks for.
        v0_lists: v0 lists as bare arrays, or in the envelope of v1.
        v1_lists: v1 lists in the envelope (but bills and geo_lists, which are declared as arrays), or all as arrays.
        ignore_page: v0 answers the first page whatever page is asked for.
        filter: How `updated_at::gte` is taken: exactly, cut to the day, or not at all.
        sort: Whether v1 sorts as asked, or by id always.
        ties: Rows that `sort` does not tell apart: in another order at each call, or by id.
        edits: Rows edited between two pages of a v1 list, until `most_edits` have been.
        most_edits: Rows edited in this way, in all.
        numbers: Money and rates as text and as numbers, or as one of both.
        zones: Whether timestamps end with `Z`.
        active: v0 says `active` and v1 `is_active`; or both say both.
        app_name_targeting: Its name as the other fields suggest, or as the wiki prints it.
        undeclared: Whether some rows have fields that no document names, and values that fit no type.
        forbidden: Paths (`/supply_tags`, `/report`) that answer 403.
        retry_after: Seconds in `Retry-After` of a 429; none without it.
        polls: Polls until a report is COMPLETE; 0 = the first answer is.
        report_rows: Rows a page of an asynchronous report.
        total_pages: Whether a report tells its number of pages.
        sync_answer: The rows of a report that is not asynchronous: a bare array, wrapped in `data`, or an object with
            status and report_id, which goes on as an asynchronous one.
        forget: So many of the first reports are forgotten at their first poll.
        dates: The date of a report's row with or without the tail `.0`, or the one and then the other.
        unknown_dimension: Whether a dimension that is not known is refused with 422, or left out of the rows.
        last_word: The status of a report once it is done.
    """

    token_seconds: float = 7200.0
    expiration: Literal["iso", "epoch", "none"] = "iso"
    wrong_credentials: Literal[400, 401, 403, 422] = 400
    most_v0: int = 100
    v0_lists: Literal["array", "envelope"] = "array"
    v1_lists: Literal["envelope", "array"] = "envelope"
    ignore_page: bool = False
    filter: Literal["exact", "day", "ignored"] = "exact"
    sort: Literal["asked", "ignored"] = "asked"
    ties: Literal["arbitrary", "id"] = "arbitrary"
    edits: int = 0
    most_edits: int = 20
    numbers: Literal["mixed", "text", "number"] = "mixed"
    zones: bool = True
    active: Literal["word", "both"] = "word"
    app_name_targeting: Literal["one", "two"] = "one"
    undeclared: bool = True
    forbidden: tuple[str, ...] = ()
    retry_after: int | None = None
    polls: int = 2
    report_rows: int = 500
    total_pages: bool = True
    sync_answer: Literal["array", "data", "status"] = "array"
    forget: int = 0
    dates: Literal["plain", "tail", "both"] = "plain"
    unknown_dimension: Literal["refuse", "leave_out"] = "refuse"
    last_word: str = "COMPLETE"
