"""The iSpot simulator: tokens, endpoints, limits, pages, errors."""

from __future__ import annotations

import math
import re
import time
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

from typing_extensions import override

from vendor_simulators.cache import Cache
from vendor_simulators.ispot import truth
from vendor_simulators.ispot.airings import Airings
from vendor_simulators.ispot.options import ISpotOptions
from vendor_simulators.ispot.rows import Wire
from vendor_simulators.ispot.rules import BASE, ENDPOINTS, LIMITS, BadQueryError, Endpoint, Ids, Query, read
from vendor_simulators.ispot.select import Selection
from vendor_simulators.limits import Limiter
from vendor_simulators.messages import Content, Refused, Response
from vendor_simulators.options import build
from vendor_simulators.simulator import FIRST_DAY, Restated, Simulator
from vendor_simulators.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date

    from vendor_simulators.limits import Usage
    from vendor_simulators.messages import Request

# Size of the page cache in bytes.
_CACHED_BYTES = 256 * 2**20
_TOKEN_PATH = f"{BASE}/oauth2/token"
_TOKEN_FIELDS = {"client_id", "client_secret", "grant_type"}
_HEADER_PREFIX = {"epoch": "X-RateLimit-", "delta": "X-RateLimit-", "dashed": "X-Rate-Limit-", "standard": "RateLimit-"}
_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    429: "Too Many Requests",
}
# Paths of streams whose name is not the last part of the path.
_PATHS = {
    "tv_airings": "/metrics/tv/airings",
    "audience_airings": "/metrics/audience/airings",
    "attention_airings": "/metrics/attention/airings",
    "airing_updates": "/airings/updates",
    "product_categories": "/product-categories",
    "spot_updates": "/spots/updates",
    "new_spots": "/spots/new",
    "active_spots": "/spots/actives",
    "network_families": "/networks/family",
    "extended_network_families": "/networks/family/extended",
}


class ISpotSimulator(Simulator):
    """Simulator of the iSpot.tv v4 API with generated data.

    Args:
        seed: Seed of the data.
        first_day: First Eastern day with airings.
        days: Number of days with airings.
        rows_per_day: Airings of all types per day; a tap's default filters keep about four in five.
        enforce_limits: Whether requests above the vendor's limits get 429. If not, the headers never report zero
            remaining requests.
        options: See `ISpotOptions`.
    """

    name: ClassVar[str] = "ispot"
    time_zone: ClassVar[str] = "America/New_York"
    base_path: ClassVar[str] = BASE
    option_type: ClassVar[type[Any]] = ISpotOptions

    def __init__(
        self,
        *,
        seed: int = 7,
        first_day: date = FIRST_DAY,
        days: int = 30,
        rows_per_day: int = 200,
        enforce_limits: bool = False,
        **options: object,
    ) -> None:
        super().__init__(
            seed=seed, first_day=first_day, days=days, rows_per_day=rows_per_day, enforce_limits=enforce_limits
        )
        self.options = build(ISpotOptions, options)
        # 20 and 40 alphanumeric characters, as documented in the Quickstart.
        self.client_id = "simulatedclient00001"
        self.client_secret = "simulatedsecret0123456789abcdefghijklmno"  # noqa: S105 - valid in the simulator only
        self.tokens = Tokens(seed, self.options.token_seconds)
        self.limits = Limiter(LIMITS)
        self._airings = Airings(
            seed,
            first_day,
            self.last_day,
            rows_per_day,
            empty_days=self.options.empty_days,
            extremes=self.options.extremes,
        )
        self._selection = Selection(self._airings, seed, self.options)
        self._wire = Wire(self.options)
        self._truth = truth.Truth(self.options)
        self._pages: Cache[Content] = Cache(_CACHED_BYTES, lambda content: len(content.plain))
        self._request_ids = count(1)

    @override
    def settings(self) -> dict[str, str]:
        return {
            "api_url": self.api_url,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "start_date": self.first_day.isoformat(),
        }

    @override
    def expire_tokens(self) -> None:
        self.tokens.expire()

    @override
    def restate(self, seed: int = 1, *, days: int = 3) -> Restated:
        return self._airings.restate(seed, days)

    @override
    def truth(
        self,
        stream: str,
        *,
        first_day: date | None = None,
        last_day: date | None = None,
        include: Collection[str] = truth.INCLUDE,
        airing_types: Collection[str] = ("N", "R"),
        national_only: bool = True,
        accessible_only: bool = True,
        languages: Collection[str] = (),
        product_types: Collection[str] = (),
        **ids: Collection[int],
    ) -> list[dict[str, Any]]:
        """Return the exact records that a correct tap emits for a stream, sorted by its primary key.

        The arguments other than the days are the tap's settings, with the same defaults. Days are Eastern. `ids` are
        `brand_ids` and the like, and `spot_types`.
        """
        path = _PATHS.get(stream, f"/{stream}")
        endpoint = ENDPOINTS.get(path)
        if endpoint is None:
            raise ValueError(f"no stream {stream!r}")
        query = Query(
            number=1,
            size=1,
            sort=(),
            include=frozenset(include),
            first_day=first_day or self.first_day,
            last_day=last_day or self.last_day,
            airing_types=frozenset(airing_types),
            national_only=national_only,
            accessible=accessible_only and stream in ("brands", "industries"),
            languages=frozenset(languages),
            product_types=frozenset(product_types),
            ids=Ids({name.removesuffix("_ids").removesuffix("s"): frozenset(values) for name, values in ids.items()}),
        )
        if endpoint.metric:
            rows = self._selection.airings(query)
            return truth.in_order((self._truth.airing(row, endpoint.metric, include) for row in rows), "airing_id")
        if not endpoint.kind:
            changes = self._selection.changes(query)
            records = (self._truth.change(day, change) for day, change in changes)
            return truth.in_order(records, "update_date", "update_key")
        if endpoint.kind == "spot_updates":
            spots = (self._truth.spot_change(day, change) for day, change in self._selection.spot_changes(query))
            return truth.in_order(spots, "update_date", "update_key")
        things = self._selection.entities(endpoint.kind, query)
        key = "family_key" if stream.endswith("network_families") else "access_key" if stream == "access" else "id"
        return truth.in_order((self._truth.entity(endpoint.kind, thing) for thing in things), key)

    @override
    def decorate(self, request: Request, response: Response) -> None:
        response.default("X-Request-ID", f"simulated-{next(self._request_ids):08}")

    @override
    def handle(self, request: Request) -> Response:
        self._check_secrets(request)
        if request.path == _TOKEN_PATH:
            return self._token(request)
        self._check_token(request)
        endpoint = ENDPOINTS.get(request.path.removeprefix(BASE)) if request.path.startswith(f"{BASE}/") else None
        if endpoint is None:
            self.flag(f"unknown path: {request.method} {request.path}")
            return self._problem(request, 404, "no such address")
        headers = self._count(request, endpoint)
        if request.method not in ("GET", "HEAD"):
            self.flag(f"a call that is not read-only: {request.method} {request.path}")
            response = self._problem(request, 405, "only GET")
        else:
            response = self._data(request, endpoint)
        response.headers += headers
        return response

    def _check_secrets(self, request: Request) -> None:
        values = {value for _, value in request.params} | set(request.path.split("/"))
        names = {name for name, _ in request.params}
        if names & {"client_id", "client_secret", "access_token"} or values & {
            self.client_id,
            self.client_secret,
            *self.tokens.issued,
        }:
            self.flag(f"a credential in the address of {request.method} {request.path}")
        version = request.headers.get("iSpot-Version")
        if version is not None and not re.fullmatch(r"\d{4}-\d\d-\d\d", version):
            self.flag(f"iSpot-Version is not a date: {version}")

    def _token(self, request: Request) -> Response:
        kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        fields = request.form_items()
        wrong = (
            (request.method != "POST" and "is not a POST")
            or (kind != "application/x-www-form-urlencoded" and "has no form body")
            or (sorted(name for name, _ in fields) != sorted(_TOKEN_FIELDS) and "has other fields than documented")
            or (dict(fields)["grant_type"] != "client_credentials" and "has another grant_type")
            or ("Authorization" in request.headers and "has an Authorization header")
            or (bool(request.params) and "has parameters in the address")
        )
        if wrong:
            self.flag(f"the token call {wrong}")
            return self._problem(request, 400, f"the token call {wrong}")
        form = request.form()
        if (form["client_id"], form["client_secret"]) != (self.client_id, self.client_secret):
            return self._problem(request, self.options.wrong_credentials, "the client is unknown")
        response: dict[str, object] = {"access_token": self.tokens.issue()}
        if self.options.token_response == "full":  # noqa: S105 - not a password
            response = {"token_type": "Bearer", "expires_in": self.options.token_seconds, **response}
        return Response.json(response)

    def _check_token(self, request: Request) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not token:
            self.flag(f"no Bearer token: {request.method} {request.path}")
        elif self.tokens.valid(token):
            return
        raise Refused(self._problem(request, 401, "the token is not valid"))

    def _count(self, request: Request, endpoint: Endpoint) -> list[tuple[str, str]]:
        """Count a request against the limits and return the rate limit headers."""
        usage = self.limits.count(endpoint.family)
        if usage is None:
            return []
        refused = self.enforce_limits and not usage.allowed
        if not self.enforce_limits:
            usage.remaining = max(1, usage.remaining)
        headers = self._limit_headers(usage)
        if refused:
            response = self._problem(request, 429, f"more than {usage.limit} requests to {endpoint.family}")
            if self.options.too_many == "text":
                response = Response.text("Too Many Requests", 429)
            elif self.options.too_many == "retry_after":
                response.headers.append(("Retry-After", str(math.ceil(usage.reset))))
            response.headers += headers
            raise Refused(response)
        return headers

    def _limit_headers(self, usage: Usage) -> list[tuple[str, str]]:
        style = self.options.limit_headers
        if style == "none":
            return []
        since = time.time() if style in ("epoch", "dashed") else 0.0
        values = {"Limit": usage.limit, "Remaining": usage.remaining, "Reset": math.ceil(since + usage.reset)}
        return [(f"{_HEADER_PREFIX[style]}{name}", str(value)) for name, value in values.items()]

    def _data(self, request: Request, endpoint: Endpoint) -> Response:
        lacking = {"audience": {"impressions"}, "attention": {"impressions", "attention"}}.get(endpoint.metric, set())
        if lacking - set(self.options.rights):
            return self._problem(request, 403, f"the account has not bought {endpoint.metric}")
        try:
            query = read(request, endpoint)
        except BadQueryError as error:
            return self._violation(request, str(error))
        if not self._selection.stable(endpoint, query):
            return Response(body=self._page(request, endpoint, query))
        key = (request.path, tuple(request.params), self._airings.generation)
        return Response(body=self._pages.get(key, lambda: self._page(request, endpoint, query)))

    def _page(self, request: Request, endpoint: Endpoint, query: Query) -> Content:
        """Return a page as JSON.

        Raises:
            Refused: The page number is greater than that of the last page.
        """
        rows = self._selection.rows(endpoint, query)
        size = min(query.size, self.options.clamp_page_size or query.size)
        pages = math.ceil(len(rows) / size) if rows else self.options.empty_total_pages
        if query.number > max(1, pages):
            raise Refused(self._violation(request, f"page[number]={query.number} of {pages} pages"))
        skipped = self.options.skipped_rows
        page = rows[(query.number - 1) * size + (skipped if query.number > 1 else 0) : query.number * size]
        texts = self._texts(page, endpoint, query)
        if endpoint.kind == "account" and self.options.account == "object" and len(texts) == 1:
            body = texts[0]
        else:
            body = f"[{','.join(texts)}]"
        if self.options.pagination == "absent":
            return Content(f'{{"data":{body}}}'.encode())
        pagination: dict[str, object] = {
            "total": len(rows) - skipped * max(0, pages - 1) + self.options.total_error,
            "count": len(page),
            "per_page": size,
            "current_page": query.number,
            "total_pages": pages,
        }
        if self.options.links != "absent":
            pagination["links"] = self._links(request, query.number, pages)
        meta = Response.json({"pagination": pagination}).body.plain.decode()
        return Content(f'{{"data":{body},"meta":{meta}}}'.encode())

    def _texts(self, page: Sequence[Any], endpoint: Endpoint, query: Query) -> list[str]:
        if endpoint.metric:
            return [self._wire.airing(row, endpoint.metric, query.include) for row in page]
        if not endpoint.kind:
            return [self._wire.change(change) for _, change in page]
        if endpoint.kind == "spot_updates":
            return [self._wire.spot_change(change) for _, change in page]
        return [self._wire.entity(thing, endpoint.wrapper, query.include) for thing in page]

    def _links(self, request: Request, number: int, pages: int) -> object:
        if pages <= 1:
            return {"empty_object": {}, "empty_list": [], "null": None}[self.options.links]
        others = [pair for pair in request.params if pair[0] != "page[number]"]
        near = {"previous": number - 1, "next": number + 1}
        return {
            name: f"{self.url}{request.path}?{urlencode([*others, ('page[number]', str(page))])}"
            for name, page in near.items()
            if 1 <= page <= pages
        }

    def _violation(self, request: Request, detail: str) -> Response:
        self.flag(f"{request.method} {request.path}: {detail}")
        return self._problem(request, 400, detail)

    def _problem(self, request: Request, status: int, detail: str) -> Response:
        """Return an error in the format of RFC 7807."""
        response = Response.json(
            {
                "title": _TITLES[status],
                "type": "about:blank",
                "status": status,
                "detail": detail,
                "instance": request.path,
            },
            status,
        )
        response.content_type = "application/problem+json"
        return response
