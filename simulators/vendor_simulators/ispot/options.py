"""What the vendor does not document: the simulator's first choice, and the others a tap has to survive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date  # noqa: TC003 - read at run time to turn text into options
from typing import Literal


@dataclass(frozen=True)
class ISpotOptions:
    """Choices of the iSpot simulator; the default of each is its first choice.

    Args:
        token_answer: `full` has token_type and expires_in beside access_token.
        token_seconds: How long a token lives; 24 hours are documented.
        links: `meta.pagination.links` of a single page; `absent` leaves them out on every page.
        empty_total_pages: `total_pages` of an empty list.
        empty_to_one: A nested object that is not there: `{"data": []}`, `{"data": null}`, null, or no name at all.
        catalogue_row: The entity's fields at the top of the row, or wrapped in its own name.
        ids: Ids other than an airing's: numbers, or strings of digits. Not those inside lists.
        audience_numbers: Impressions and attention as JSON numbers or as strings.
        markets: dma and mso of rows that are not national: string, number, object with id and name, or that wrapped.
        product: The product of an airing row: an object, or a list of one.
        account: One object under `data`, or a list.
        clamp_page_size: Most rows on a page whatever was asked, with matching per_page and total_pages; None = as
            asked.
        ties: Rows that are equal in every sort name: in another order at each call, or always in the same.
        limit_headers: X-RateLimit-* with the reset as epoch seconds; the same with seconds from now; X-Rate-Limit-*
            (epoch); RateLimit-* (seconds from now); none.
        too_many: 429 as problem+json, the same with Retry-After, or plain text.
        wrong_credentials: Status for them.
        airings_row: Shape of `/airings`: as the metrics endpoints, or the airing's fields at the top.
        pagination: Whether answers have `meta` at all.
        rights: What the account has bought. Without spend the field is missing; without impressions or attention
            the endpoint answers 403.
        undeclared: Whether a few rows have fields that no document names.
        extremes: Whether the first day has a spend of 20 digits and an airing id beyond 64 bits.
        empty_days: Days without a row.
    """

    token_answer: Literal["full", "token_only"] = "full"  # noqa: S105 - no password
    token_seconds: int = 86400
    links: Literal["empty_object", "empty_list", "null", "absent"] = "empty_object"
    empty_total_pages: Literal[1, 0] = 1
    empty_to_one: Literal["empty_list", "null_data", "null", "missing"] = "empty_list"
    catalogue_row: Literal["bare", "wrapped"] = "bare"
    ids: Literal["integer", "digits"] = "integer"
    audience_numbers: Literal["number", "string"] = "number"
    markets: Literal["string", "number", "object", "wrapped"] = "string"
    product: Literal["object", "list"] = "object"
    account: Literal["object", "list"] = "object"
    clamp_page_size: int | None = None
    ties: Literal["move", "stable"] = "move"
    limit_headers: Literal["epoch", "delta", "dashed", "standard", "none"] = "epoch"
    too_many: Literal["problem", "retry_after", "text"] = "problem"
    wrong_credentials: Literal[401, 400] = 401
    airings_row: Literal["wrapped", "bare"] = "wrapped"
    pagination: Literal["present", "absent"] = "present"
    rights: tuple[Literal["spend", "impressions", "attention"], ...] = ("spend", "impressions", "attention")
    undeclared: bool = True
    extremes: bool = True
    empty_days: tuple[date, ...] = ()
