"""Undocumented details of the API: the simulator's default, and variants that a tap must handle."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date  # noqa: TC003 - needed at run time to convert text to options
from typing import Literal


@dataclass(frozen=True)
class ISpotOptions:
    """Options of the iSpot simulator; the first value listed is the default.

    Args:
        token_response: `full` includes token_type and expires_in in addition to access_token.
        token_seconds: Lifetime of a token in seconds; the documented lifetime is 24 hours.
        links: `meta.pagination.links` of a single page; `absent` omits them on every page.
        empty_total_pages: `total_pages` of an empty list.
        empty_to_one: A missing nested object: `{"data": []}`, `{"data": null}`, null, or no field.
        catalogue_row: The entity's fields at the top level of the row, or wrapped in its own name.
        ids: Ids other than an airing's: numbers, or strings of digits. Ids inside lists are always numbers.
        audience_numbers: Impressions and attention as JSON numbers or as strings.
        markets: dma and mso of rows that are not national: string, number, object with id and name, or such an object
            wrapped in `data`.
        product: The product of an airing row: an object, or a list of one.
        account: One object under `data`, or a list.
        clamp_page_size: Maximum rows per page regardless of the request, with matching per_page and total_pages; None =
            no maximum.
        ties: Whether rows that are equal in all sort fields change their order from call to call.
        limit_headers: X-RateLimit-* with the reset in epoch seconds; the same in seconds from now; X-Rate-Limit-*
            (epoch); RateLimit-* (seconds from now); none.
        too_many: 429 as problem+json, the same with Retry-After, or plain text.
        wrong_credentials: Status of a login with wrong credentials.
        airings_row: Rows of `/airings`: as in the metrics endpoints, or with the airing's fields at the top level.
        pagination: Whether responses have `meta`.
        rights: The account's subscription. Without spend the field is missing; without impressions or attention the
            endpoint returns 403.
        sort: Whether rows have the requested order, or a new random one at each call.
        ignored_filters: Filters of airings by id (`brand`) without effect.
        end_date: Whether the last day of a range is inclusive or exclusive.
        spot_dates: Whether the dates of a query for spots select those that aired in the range, or those that first
            aired in it.
        day_zone: Whether days are Eastern or UTC days.
        total_error: Number added to the total.
        skipped_rows: Rows that are missing at the beginning of each page but the first, and in the total.
        shared_ids: Whether a few airings have the id of another one.
        undeclared: Whether a few rows have undocumented fields.
        extremes: Whether the first day has a spend of 20 digits and an airing id above 64 bits.
        empty_days: Days without rows.
    """

    token_response: Literal["full", "token_only"] = "full"  # noqa: S105 - not a password
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
    sort: Literal["requested", "ignored"] = "requested"
    ignored_filters: tuple[str, ...] = ()
    end_date: Literal["inclusive", "exclusive"] = "inclusive"
    spot_dates: Literal["aired", "first_aired"] = "aired"
    day_zone: Literal["eastern", "utc"] = "eastern"
    total_error: int = 0
    skipped_rows: int = 0
    shared_ids: bool = False
    undeclared: bool = True
    extremes: bool = True
    empty_days: tuple[date, ...] = ()
