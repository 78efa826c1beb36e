"""The base streams: request limits, paging and errors (vendor's wiki; OpenAPI files of v0 and v1; official SDK)."""

from __future__ import annotations

import datetime as dt
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import urlsplit

from singer_adtech.errors import DataError, shorten
from singer_adtech.http.budgets import Family, Limit
from singer_adtech.http.responses import check_status, describe
from singer_adtech.http.retries import RetryPolicy, TransientError
from singer_adtech.progress.signatures import SEVERAL, check_account
from singer_adtech.progress.stamps import Stamp, rfc3339
from singer_adtech.progress.windows import PartT
from singer_adtech.records.totals import PageProgress
from singer_adtech.records.values import ConversionError, to_text
from singer_adtech.settings import zone
from singer_adtech.streams.base import AdTechStream
from singer_adtech.streams.children import ChildStream
from singer_adtech.streams.keyset import KeysetPosition, KeysetStream
from singer_sdk import SchemaDirectory, StreamSchema
from singer_sdk.pagination import BaseAPIPaginator
from singer_sdk.streams.rest import HTTPRequest, PageContext
from typing_extensions import override

from tap_springserve import schemas
from tap_springserve.responses import accounts, decode_page, is_html, read_page, row_ids, words

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    import requests
    from singer_adtech.records.page import Page, Row
    from singer_adtech.tap import AdTechTap
    from singer_sdk.helpers.types import Context, Record

SCHEMAS = SchemaDirectory(schemas)

MOST_ROWS_V0 = 100
"""Rows per page of v0.
Assumed: v0 allows 100 rows per page; only the default, 50, is documented. If wrong, pages are shorter, and a list still
ends with an empty page, or the vendor refuses the number, and the run ends with its message."""

DOMAIN_REPORT = "/v0/report#domain"
"""The name that budgets use for reports by domain or app bundle; their path is the same as for other reports."""

VENDOR_LIMITS = {
    "requests_per_minute": 240,
    "report_requests_per_minute": 10,
    "domain_report_requests_per_minute": 3,
}
"""Requests per minute that the vendor allows per account (vendor's wiki)."""

LATENESS = 0.5
"""Seconds that may pass until the vendor counts a report request. The limit is low, so a single request matters: the
tenth of a second of other limits was not enough on a busy machine."""

EMPTY_WAIT = 1.0
"""Seconds before a request is repeated that returned an empty array instead of an object."""

_WITHOUT_OFFSET = re.compile(r"\d{4}-\d{2}-\d{2}(?:[Tt ][\d:.,]+)?", re.ASCII)
_EMPTY = re.compile(rb"\s*\[\s*\]\s*")

RETRY_POLICY = RetryPolicy(
    waits=(1, 2, 4, 8, 16, 32, 60),
    rate_limit_tries=8,
    # The waits of the official SDK. It gives up after the last one.
    rate_limit_waits=(5, 10, 20, 40, 60),
)


def request_limits(config: Mapping[str, Any]) -> tuple[Family, ...]:
    """Return the budgets. A report counts as a request too.

    Assumed: polls and pages of reports count as report requests, and the limits apply to one user's token. If wrong,
    reports are slower than necessary, or the log shows waits after 429.
    """
    reports, by_domain = ("/v0/report", DOMAIN_REPORT), (DOMAIN_REPORT,)
    return tuple(
        Family(name, patterns, (Limit(config[setting], 60),), setting, lateness)
        for name, patterns, setting, lateness in (
            ("all requests", ("*",), "requests_per_minute", 0),
            ("reports", reports, "report_requests_per_minute", LATENESS),
            ("reports by domain or app bundle", by_domain, "domain_report_requests_per_minute", LATENESS),
        )
    )


class SpringServeStream(AdTechStream[PartT]):
    """An endpoint of v0 or v1."""

    payload_as_json = False
    nested = False
    version: str = "v0"
    """The API version."""

    @property
    @override
    def http_headers(self) -> dict[str, str]:
        account = self.config.get("account_id")
        # Not `POST /accounts/{id}/set_current`: it would also switch the user's own session.
        # Assumed: `x-auth-context` has the id of an account. If wrong, rows of another account end the stream.
        return {"x-auth-context": str(account)} if account is not None else {}

    @property
    @override
    def converters(self) -> Mapping[str, Callable[[Any], Any]]:
        return {
            name: self._to_rfc3339
            for name, declared in self.schema["properties"].items()
            if declared.get("format") == "date-time"
        }

    _warned_of_zone = False

    def _to_rfc3339(self, value: Any) -> str | None:
        """Convert a timestamp to RFC 3339.

        Assumed: timestamps without an offset are in UTC (all documented ones end with `Z`). If wrong, they are off by
        the offset of their zone: the first one causes a warning, and `timestamp_zone` corrects them.
        """
        text = to_text(value).strip()
        if not text:
            return None
        try:
            if _WITHOUT_OFFSET.fullmatch(text) and not self.config.get("timestamp_zone") and not self._warned_of_zone:
                self._warned_of_zone = True
                self.log_lines.warning("timestamps have no offset: read as UTC. Set `timestamp_zone` to their zone")
            return rfc3339(self._with_offset(text))
        except ValueError:
            raise ConversionError(value) from None

    def _with_offset(self, text: str) -> str:
        """Add the offset of `timestamp_zone`, if set, to a timestamp without one.

        Raises:
            ValueError: It is not a timestamp.
        """
        zone_name = self.config.get("timestamp_zone")
        if zone_name is None or _WITHOUT_OFFSET.fullmatch(text) is None:
            return text
        # Read as UTC, it has the time of the clock. Of an hour that occurs twice, this is the first one.
        offset = f"{Stamp(text).instant.replace(tzinfo=zone(zone_name)):%z}"
        return f"{text}{'' if ':' in text else 'T00:00:00'}{offset[:3]}:{offset[3:5]}"

    not_an_object_remedy = "check `api_url`"

    @override
    def response_rows(self, response: requests.Response) -> Sequence[Row]:
        return read_page(response).results

    # Bare arrays instead of the documented objects with totals

    declared_array: ClassVar[bool] = False
    """Whether the vendor declares its v1 list as a bare array."""

    _shape: Literal["unknown", "object", "array"] = "unknown"
    """The form of this run's responses; still unknown after an empty array."""

    def expects_object(self, response: requests.Response) -> bool:
        """Return whether the vendor documents an object for this response."""
        return urlsplit(response.url).path.removeprefix(urlsplit(self.url_base).path).startswith("/v1/")

    @override
    def envelope(self, response: requests.Response) -> object:
        return decode_page(response)

    @override
    def check_body(self, response: requests.Response) -> None:
        super().check_body(response)
        if not self.expects_object(response):
            return
        is_array = response.content.lstrip()[:1] == b"["
        if is_array and self._shape == "object":
            raise TransientError("the response is a bare array, and earlier ones were objects with totals", response)
        if not is_array:
            self._shape = "object"
        elif not _EMPTY.fullmatch(response.content):
            self._shape = "array"

    @override
    def fetch(self, request: HTTPRequest, *, label: str = "", counted_as: str | None = None) -> requests.Response:
        response = super().fetch(request, label=label, counted_as=counted_as)
        if self._is_doubtful(response):
            # A failing gateway looks the same.
            self.tap.clock.sleep(EMPTY_WAIT)
            response = super().fetch(request, label=label, counted_as=counted_as)
            if self._is_doubtful(response) and self.stream_state.get("replication_key_value"):
                self.log_lines.warning(
                    "two responses were empty arrays, and an earlier run has read rows: if rows are missing, run "
                    "again, and report this to the vendor if they stay empty"
                )
        return response

    def _is_doubtful(self, response: requests.Response) -> bool:
        return (
            self._shape == "unknown"
            and not self.declared_array
            and self.expects_object(response)
            and _EMPTY.fullmatch(response.content) is not None
        )

    @override
    def validate_response(self, response: requests.Response) -> None:
        status = response.status_code
        reported = {HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS}
        if status >= HTTPStatus.BAD_REQUEST and status not in reported and is_html(response):
            # The application returns JSON. HTML is from the load balancer, and temporary.
            raise TransientError(describe(response, words=words(response)), response)
        cause = "the token is new: check the user's access"
        if self.config.get("auth_token"):
            cause = "it may have expired: create a new `auth_token`, or give `email` and `password`"
        path = urlsplit(response.url).path
        remedies: dict[int, str] = {
            HTTPStatus.BAD_REQUEST: self.refused_remedy,
            HTTPStatus.UNAUTHORIZED: f"SpringServe refused the token: {cause}",
            HTTPStatus.FORBIDDEN: f"the user may not read {self.name}: ask for access, or check `account_id`",
            HTTPStatus.NOT_FOUND: f"{path} does not exist in this account or host: deselect {self.name}, or check "
            "`api_url`",
            HTTPStatus.UNPROCESSABLE_ENTITY: self.refused_remedy,
        }
        check_status(response, remedies=remedies, words=words)

    refused_remedy: str = "report this with the request's time, or deselect the stream"
    """The remedy for a request that the vendor rejects as invalid."""


class NumberedPages(BaseAPIPaginator[int]):
    """Numbered pages, up to the reported last page or else until an empty one.

    v0 reports no count and may return fewer rows than requested, so a short page is not necessarily the last one.

    Assumed: the order of v0 does not change while pages are read, although the vendor documents none. If wrong, one row
    comes twice and another is missing: a row that comes twice causes a warning, and a loader deletes no rows. After a
    row is deleted meanwhile, another is missing without a warning until the next run.
    """

    def __init__(self) -> None:
        super().__init__(1)
        self._previous: list[bytes] = []

    @override
    def get_next(self, response: requests.Response) -> int | None:
        page = read_page(response)
        ids = row_ids(page)
        if not ids:
            return None
        # Sorted, because the order may differ: a list without a count ends only with an empty page.
        if sorted(ids) == self._previous:
            raise DataError(
                f"page {self.current_value} has the same rows as the page before: the vendor ignored the page number",
                "report this to the vendor, or deselect the stream",
            )
        self._previous = sorted(ids)
        if page.total_pages is not None and (page.current_page or self.current_value) >= page.total_pages:
            return None
        return self.current_value + 1


class ListStream(SpringServeStream[int | str]):
    """A list, read page by page."""

    schema = StreamSchema(SCHEMAS)
    shared: ClassVar[bool] = False
    """Whether the list may have rows of other accounts although the setting `account_id` selects one.

    Assumed: only connections between accounts, and users, have rows of other accounts. If wrong, such rows end the
    stream; in these lists, they cause a warning.
    """

    _warned_of_account = False

    @override
    def page(self, response: requests.Response) -> Page:
        self.check_accounts(response)
        return super().page(response)

    def check_accounts(self, response: requests.Response) -> None:
        """Check that no row belongs to another account than the setting `account_id`.

        Raises:
            DataError: A row does, and the list is not shared.
        """
        wanted = self.config.get("account_id")
        if wanted is None or self._warned_of_account:
            return
        others = sorted(accounts(read_page(response)) - {str(wanted)})
        if not others:
            return
        found = (
            f"a row of {urlsplit(response.url).path} belongs to account {shorten(others[0], 40)}, and `account_id` is "
            f"{wanted}"
        )
        if not self.shared:
            raise DataError(
                found,
                "check that the user may read that account; if the account shares this list, deselect the stream or "
                "remove `account_id`",
            )
        self._warned_of_account = True
        self.log_lines.warning(
            "%s: accounts share this list, but if all rows do, the vendor ignored `account_id`", found
        )

    @override
    def row_fields(self, row: dict[str, Any]) -> Iterable[tuple[str, Any]]:
        if "app_name_targeting" not in self.shape.columns:
            return row.items()
        # A copy: looking up a field in the row itself would make it a condition of the fast conversion.
        fields = dict(row.items())
        # The spelling in the wiki. If a row has both, one value decides, and the row is converted the careful way.
        misprinted = fields.pop("app_name__targeting", None)
        if misprinted is not None and fields.get("app_name_targeting") is None:
            fields["app_name_targeting"] = misprinted
        return fields.items()

    _warned_of_repeated_row = False

    @override
    def on_duplicate(self, record: Record, *, same: bool) -> bool:
        # Otherwise a loader would treat the missing row as deleted.
        self.counts.read_whole = False
        if not self._warned_of_repeated_row:
            self._warned_of_repeated_row = True
            self.log_lines.warning(
                "a row was returned twice: the list may have changed between two pages, and another row may be missing "
                "until the next run"
            )
        return super().on_duplicate(record, same=same)

    @override
    def total_rows(self, response: requests.Response) -> int | None:
        # None for an array.
        return read_page(response).total_count

    @override
    def get_new_paginator(self) -> NumberedPages:
        return NumberedPages()

    @override
    def get_http_request(self, *, page: PageContext[Any]) -> HTTPRequest:
        # v1 documents `sort` for all lists, v0 has none. Without it, rows may move while pages are read.
        order = {"sort": "id"} if self.version == "v1" else {}
        return self.list_request(self.path, page.next_page_token or 1, **order)

    def list_request(self, path: str, page: int, *, version: str | None = None, **params: Any) -> HTTPRequest:
        """Return the request for one page of a list."""
        version = version or self.version
        size: int = self.config["page_size"]
        rows = size if version == "v1" else min(size, MOST_ROWS_V0)
        return HTTPRequest(
            url=f"{self.url_base}/{version}{path}",
            params={**params, "per": str(rows), "page": str(page)},
            headers=self.http_headers,
            safe_query_chars=",:",
        )


class EntityStream(ListStream, KeysetStream):
    """A v1 list in the order of last changes, or a v0 list that is read in full (`resource_version`).

    Assumed: v1 sorts by `updated_at,id`, and `updated_at::gte` includes its bound and takes a full timestamp. If wrong,
    rows are out of order, before the bound or missing from the totals, and the stream ends.

    Assumed: a change becomes visible within `overlap_minutes`. If wrong, it is missing until the row changes again:
    compare the list with the console, and raise the setting.

    Assumed: every change of a row changes `updated_at`. If wrong, the change is missing until the list is read
    completely (`resource_version: v0` or a cleared state); deletions are always missing.
    """

    version = "v1"
    keyset_remedy = "set `resource_version: v0` to read the whole list"
    account_field = "account_id"
    has_v0: ClassVar[bool] = True
    """Whether v0 also has this list."""

    def __init__(self, tap: AdTechTap) -> None:
        super().__init__(tap)
        if self.has_v0 and self.config.get("resource_version") == "v0":
            self.version = "v0"
            # v0 can neither sort nor filter.
            self.replication_key = None
        self.overlap = dt.timedelta(minutes=self.config["overlap_minutes"])
        self._owners: set[str] = set()

    @property
    @override
    def signature(self) -> dict[str, Any]:
        return {
            "account_id": self.config.get("account_id"),
            "timestamp_zone": self.config.get("timestamp_zone") or "UTC",
        }

    @property
    @override
    def account(self) -> str | None:
        # Per stream: a list may contain entities that another account shares.
        return None if not self._owners else SEVERAL if len(self._owners) > 1 else next(iter(self._owners))

    @override
    def note_accounts(self, accounts: Collection[Any]) -> None:
        self._owners.update(map(str, accounts))
        check_account(self)

    @override
    def get_http_request(self, *, page: PageContext[Any]) -> HTTPRequest:
        position = page.next_page_token
        if not isinstance(position, KeysetPosition):
            return super().get_http_request(page=page)
        # In the vendor's own spelling; with an offset if the user knows it.
        bound = {} if position.bound is None else {"updated_at::gte": self._with_offset(position.bound.text)}
        # Without `id`, the order of rows from a bulk edit would be arbitrary.
        return self.list_request(self.path, position.page, sort="updated_at,id", **bound)

    @override
    def is_last(self, response: requests.Response) -> bool | None:
        page = read_page(response)
        if page.total_pages is None or page.current_page is None:
            return None
        return page.current_page >= page.total_pages

    @property
    @override
    def by_keyset(self) -> bool:
        return self.version == "v1"


class MemberStream(ListStream, ChildStream):
    """A list for each row of a v0 list.

    Assumed: v0 lists all parents, those created in v1 included. If wrong, the members of some are missing: compare the
    parents' ids with those in the stream of their list.
    """

    parent_path: str
    """The path of the parents' list."""
    member: ClassVar[str | None] = None
    """The column of the member, if its field is not documented.

    Assumed: the field of a member is the last part of the path in the singular, or `name`. If wrong, the stream ends
    with an error about its key.
    """

    @override
    def row_fields(self, row: dict[str, Any]) -> Iterable[tuple[str, Any]]:
        fields = dict(super().row_fields(row))
        if self.member is not None and self.member not in fields and "name" in fields:
            fields[self.member] = fields.pop("name")
        return fields.items()

    @override
    def get_http_request(self, *, page: PageContext[Any]) -> HTTPRequest:
        parent = self.part_of(page)
        return self.list_request(self.path.format(parent), page.next_page_token or 1)

    @override
    def parent_ids(self, context: Context | None) -> Iterable[int | str]:
        paginator, progress = NumberedPages(), PageProgress()
        seen: set[int | str] = set()
        while not paginator.finished:
            response = self.fetch(
                self.list_request(self.parent_path, paginator.current_value, version="v0"),
                label=f", list {self.parent_path}",
            )
            self.check_accounts(response)
            rows, known = list(map(self.decode_row, read_page(response).results)), len(seen)
            for row in rows:
                if row.get("id") is None:
                    raise DataError(f"a row of the list {self.parent_path} has no `id`", "report this to the vendor")
                seen.add(row["id"])
                yield row["id"]
            progress.page(rows=len(rows), new=len(seen) - known)
            paginator.advance(response)
