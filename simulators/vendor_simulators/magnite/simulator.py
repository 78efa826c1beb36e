"""The Magnite simulator: sessions, endpoints, the inventory, queries, errors."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from vendor_simulators.magnite.definitions import BadDefinitionError, read_definition
from vendor_simulators.magnite.inventory import KINDS, Inventory
from vendor_simulators.magnite.options import MagniteOptions
from vendor_simulators.magnite.queries import NUMBERS, SHORT_WORDS, Queries, Ticket
from vendor_simulators.magnite.responses import login_cookies, problem, session
from vendor_simulators.magnite.results import Results, reorder
from vendor_simulators.magnite.sessions import Sessions
from vendor_simulators.magnite.truth import DEAL_DIMENSIONS, DEAL_METRICS, Truth
from vendor_simulators.magnite.warehouse import DIMENSIONS, METRICS, SOURCES, Source, Warehouse
from vendor_simulators.messages import Content, Refused, Response
from vendor_simulators.options import build
from vendor_simulators.simulator import FIRST_DAY, Restated, Simulator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from vendor_simulators.magnite.definitions import Query
    from vendor_simulators.messages import Request

BASE = "/v1/resources"
_QUERY_TIME = "2018-04-05T11:26:45.724+0000"
_JSON = "application/json"


class MagniteSimulator(Simulator):
    """Simulator of the Seller Platform API, version 1, with generated data.

    Args:
        seed: Seed of the data.
        first_day: First day with facts.
        days: Number of days with facts.
        rows_per_day: Rows per day of the report by ad unit and currency.
        enforce_limits: No effect: the vendor has no rate limit, and the limit of one query at a time always applies.
        options: See `MagniteOptions`.
    """

    name: ClassVar[str] = "magnite"
    time_zone: ClassVar[str] = "UTC"
    base_path: ClassVar[str] = BASE
    option_type: ClassVar[type[Any]] = MagniteOptions

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
        self.options = build(MagniteOptions, options)
        # The keys in the guide's sample login.
        self.access_key = "tv-MNdiN3IG1chX-jm"
        self.secret_key = "MKmxH7scxxKACcs3BjZd"  # noqa: S105 - published by the vendor
        self.sessions = Sessions(seed, self.options.session_seconds)
        self.queries = Queries(seed, polls=self.options.polls, seconds=self.options.query_seconds)
        self.inventory = Inventory(
            seed,
            max(20, rows_per_day),
            updated_name=self.options.updated_name,
            extremes=self.options.extremes,
            undeclared=self.options.undeclared,
            # Without ids, rows are grouped by name, so two ad units with the same name could not be told apart.
            namesakes=self.options.missing_ids != "always",
        )
        self.warehouse = Warehouse(
            seed,
            self.inventory,
            first_day=first_day,
            last_day=self.last_day,
            rows_per_day=rows_per_day,
            empty_days=self.options.empty_days,
            extremes=self.options.extremes,
        )
        self.results = Results(self.options)
        self._truth = Truth(self)
        self._foreign_query = self.options.foreign_query
        self._lock = threading.Lock()
        paths = {kind: kind for kind in KINDS}
        paths |= {"supply": self.options.supply_path, "ad_units": self.options.ad_units_path}
        self._kinds = {path: kind for kind, path in paths.items()}

    @override
    def settings(self) -> dict[str, str]:
        return {
            "api_url": self.api_url,
            "access_key": self.access_key,
            "secret_key": self.secret_key,
            "start_date": self.first_day.isoformat(),
        }

    @override
    def expire_tokens(self) -> None:
        self.sessions.time_out()

    @override
    def truth(
        self,
        stream: str,
        *,
        first_day: date | None = None,
        last_day: date | None = None,
        source: str = "adstats-publisher",
        dimensions: Sequence[str] | None = None,
        metrics: Sequence[str] | None = None,
        filters: Sequence[dict[str, Any]] = (),
        constraints: Sequence[dict[str, Any]] = (),
        conversions: Sequence[dict[str, Any]] = (),
        parent: dict[str, Any] | None = None,
        details: bool = False,
    ) -> list[dict[str, Any]]:
        """Return the exact records that a correct tap emits for a stream, sorted by its primary key.

        Args:
            stream: Name of a stream; with `dimensions` and `metrics` any other name is a report.
            first_day: First day of a report.
            last_day: Last day of a report, inclusive.
            source: Query source of a report.
            dimensions: Dimensions of a report; by default those of `adstats_daily`.
            metrics: Metrics of a report; by default those of `adstats_daily`.
            filters: As in a query definition.
            constraints: As in a query definition.
            conversions: As in a query definition.
            parent: As in a query definition.
            details: The tap's `include_details`.
        """
        if stream == "deals_daily" and dimensions is None:
            source, dimensions, metrics = "deals-publisher", DEAL_DIMENSIONS, DEAL_METRICS
        if dimensions is None and stream != "adstats_daily":
            return self._truth.plain(stream, details=details)
        lists = {"filters": list(filters), "constraints": list(constraints), "conversions": list(conversions)}
        return self._truth.report(
            {"source": source, **lists, "parent": parent},
            first_day or self.first_day,
            last_day or self.last_day,
            dimensions,
            metrics,
        )

    @override
    def restate(self, seed: int = 1, *, days: int = 3) -> Restated:
        """Change figures and add late rows; the ids are keys of `adstats_daily`."""
        first = self.last_day - timedelta(days=days - 1)
        before = {record["row_key"]: record for record in self.truth("adstats_daily", first_day=first)}
        self.warehouse.restate(seed, days)
        after = {record["row_key"]: record for record in self.truth("adstats_daily", first_day=first)}
        changed = [key for key, record in after.items() if key in before and before[key] != record]
        return Restated(changed, [key for key in after if key not in before])

    @override
    def handle(self, request: Request) -> Response:
        path = request.path.removeprefix(BASE) if request.path.startswith(f"{BASE}/") else ""
        parts = path.strip("/").split("/")
        self._check_address(request, parts)
        if parts == ["sessions"]:
            return self._login(request)
        session = self._session(request)
        if request.method == "DELETE" and parts[0] == "sessions" and len(parts) == 2:  # noqa: PLR2004 - the path and a code
            self.sessions.close(parts[1])
            return Response(204)
        if parts[0] == "queries" and parts[1:2] != ["sources"]:
            return self._query_call(request, parts[1:], session)
        if request.method not in {"GET", "HEAD"}:
            self.flag(f"a call that is not read-only: {request.method} {request.path}")
            raise Refused(problem(405, "method-not-allowed", "Only GET."))
        if parts[:2] == [self.options.sources_path, "sources"]:
            return self._metadata(parts[2:])
        return self._inventory(request, parts)

    def _check_address(self, request: Request, parts: Sequence[str]) -> None:
        target = request.target
        logout = request.method == "DELETE" and parts[0] == "sessions"
        secrets = [self.access_key, self.secret_key, *(() if logout else self.sessions.issued)]
        if any(secret in target for secret in secrets):
            self.flag(f"a key or session code in the URL of a {request.method}")
        allowed = {"fmt"} if parts[0] == "queries" and parts[-1] == "results" else set()
        if others := [name for name, _ in request.params if name not in allowed]:
            self.flag(f"{request.method} {request.path}: parameter {', '.join(others)}")

    # Sessions

    def _login(self, request: Request) -> Response:
        kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        try:
            body = request.json()
        except ValueError:
            body = None
        wrong = (
            (request.method != "POST" and "is not a POST")
            or (kind != _JSON and f"has the Content-Type {kind}")
            or ((not isinstance(body, dict) or body.keys() != {"accessKey", "secretKey"}) and "has another body")
        )
        if wrong:
            self.flag(f"the login {wrong}")
            return problem(400, "bad-request", f"The login {wrong}.")
        if (body["accessKey"], body["secretKey"]) != (self.access_key, self.secret_key):
            return problem(self.options.wrong_keys, "invalid-credentials", "The supplied credentials are not valid.")
        number, code = self.sessions.open()
        body = session(number, code, with_code=self.options.session_code == "body")
        cookies = login_cookies(self.options.login_cookies, code, self.options.cookie_domain)
        return Response.json(body, 201, [("Set-Cookie", cookie) for cookie in cookies])

    def _session(self, request: Request) -> str:
        """Return the session code of a request.

        Raises:
            Refused: The session code is missing, unknown or timed out.
        """
        cookies = request.cookies()
        names = [name for name, _ in cookies]
        if len(request.headers.all("Cookie")) > 1 or len(set(names)) < len(names):
            self.flag(f"{request.method} {request.path}: a cookie is sent twice")
        values = dict(cookies)
        read = self.options.reads_cookie
        if "ApiSession" not in values and (read != "either" or self.options.login_cookies not in values):
            self.flag(f"{request.method} {request.path} without ApiSession")
        elif "ApiSession" in values and values.get("VhfpSession", values["ApiSession"]) != values["ApiSession"]:
            self.flag(f"{request.method} {request.path}: ApiSession and VhfpSession differ")
        # A client may send ApiSession, as in the guide's text, or replay the cookie that it was given.
        own = values.get(self.options.login_cookies, "")
        code = values.get("ApiSession", own) if read == "either" else values.get(read, "")
        state = self.sessions.use(code)
        if state == "timed out":
            raise Refused(problem(419, "session-timeout", "The session has timed out."))
        if state == "unknown":
            raise Refused(problem(self.options.not_logged_in, "not-authenticated", "You are not logged in."))
        return code

    # Inventory and metadata

    def _inventory(self, request: Request, parts: Sequence[str]) -> Response:
        kind = self._kinds.get(parts[0])
        if kind is None or len(parts) > 2:  # noqa: PLR2004 - the list, or the list and an id
            raise Refused(_not_found(request))
        if len(parts) == 1:
            return Response.json([entity.in_list() for entity in self.inventory.of(kind)])
        found = self.inventory.by_id[kind].get(int(parts[1])) if parts[1].isdigit() else None
        if found is None:
            raise Refused(_not_found(request))
        return Response.json(found.detail())

    def _metadata(self, parts: Sequence[str]) -> Response:
        if not parts:
            return Response.json([self.source(source) for source in SOURCES.values()])
        found = next((source for source in SOURCES.values() if parts[0] in self._source_words(source)), None)
        fields = parts[1:]
        if found is None or fields not in (["dimensions"], ["metrics"]):
            raise Refused(problem(404, "not-found", "There is no such query source."))
        return Response.json(self.fields(found, fields[0]))

    def source(self, source: Source) -> dict[str, Any]:
        """Return a query source as listed by the API."""
        ids = {"text": str(source.number), "number": source.number}
        identifier = {"id": ids[self.options.source_ids]} if self.options.source_ids in ids else {}
        label = {"label": "Publisher Ad Stats"} if self.options.undeclared and source.number == 17 else {}  # noqa: PLR2004 - the main one
        return {**identifier, "name": source.name, **label}

    @staticmethod
    def fields(source: Source, kind: str) -> list[dict[str, Any]]:
        """Return the dimensions or metrics of a source as listed by the API."""
        table = DIMENSIONS if kind == "dimensions" else METRICS
        names = source.dimensions if kind == "dimensions" else source.metrics
        return [{"id": name, "name": table[name].name, "type": table[name].type} for name in names]

    def _source_words(self, source: Source) -> set[str]:
        words = {"name": {source.name}, "id": {str(source.number)}}
        allowed = words["name"] if self.options.source_ids == "absent" else words["name"] | words["id"]
        return allowed if self.options.source_in_path == "both" else words[self.options.source_in_path]

    # Queries

    def _query_call(self, request: Request, parts: Sequence[str], session: str) -> Response:
        if not parts and request.method == "POST":
            return self._submit(request, session)
        ticket = self.queries.find(parts[0]) if parts else None
        forgotten = ticket is not None and not self.options.codes_survive_login and ticket.session != session
        if ticket is None or forgotten or ticket.outcome == "lost":
            raise Refused(problem(404, "not-found", "There is no such query."))
        if parts[1:] == ["results"] and request.method == "GET":
            return self._fetch(request, ticket)
        if len(parts) > 1 or request.method not in {"GET", "DELETE"}:
            self.flag(f"unknown call: {request.method} {request.path}")
            raise Refused(problem(405, "method-not-allowed", "No such call."))
        if request.method == "DELETE":
            self.queries.cancel(ticket)
            return Response.json(self._ticket(ticket))
        if ticket.end_delivered:
            self.flag("a poll of a query whose end has been reported")
        self.queries.poll(ticket)
        response = Response.json(self._ticket(ticket))
        if not ticket.running:
            ticket.final_responses.append((response, response.body))
        return response

    def _submit(self, request: Request, session: str) -> Response:
        try:
            query = read_definition(request.json(), today=self.last_day)
        except (BadDefinitionError, ValueError) as error:
            self.flag(f"a definition that breaks the rules: {error}")
            raise Refused(problem(400, "invalid-query", f"The query is not valid: {error}.")) from None
        busy = problem(412, "query-running", "Another query is running.")
        with self._lock:
            self._foreign_query -= 1
            if self._foreign_query >= 0:
                raise Refused(busy)
        running = self.queries.running
        ticket = self.queries.submit(query, session)
        if ticket is None:
            # A client cannot know of a query of an earlier session, or of one whose ticket was lost in transit.
            if running is not None and running.code_delivered and running.session == session:
                self.flag("a second query while another is running")
            raise Refused(busy)
        response = Response.json(self._ticket(ticket), self.options.submit_status)
        ticket.code_responses.append((response, response.body))
        if ticket.outcome == "lost":
            self.queries.cancel(ticket)
        return response

    def _fetch(self, request: Request, ticket: Ticket) -> Response:
        if ticket.status != "COMPLETED":
            self.flag(f"results requested while the query is {ticket.status}")
            raise Refused(problem(409, "not-complete", "The query is not complete."))
        ticket.fetched += 1
        if ticket.outcome == "results lost" or (self.options.results_once and ticket.fetched > 1):
            raise Refused(problem(404, "not-found", "The results are gone."))
        form = request.param("fmt") or "json"
        rows = self.warehouse.rows(self._obeyed(ticket.query))[: self.options.row_limit]
        reorder(rows, ticket.query, self.seed, ticket.fetched, requested=self.options.order == "requested")
        if form == "csv":
            return Response.text(self.results.csv(rows, ticket.query.fields), content_type="text/csv; charset=utf-8")
        if form != "json":
            raise Refused(problem(400, "bad-request", f"fmt={form} is not imitated."))
        return Response(body=Content(self.results.json(rows)))

    def _obeyed(self, query: Query) -> Query:
        """Return the query without the parts that the vendor ignores."""
        return replace(
            query,
            zone=query.zone if self.options.time_zones == "applied" else None,
            last_day=query.last_day - timedelta(days=self.options.to_date == "exclusive"),
            filters=query.filters if self.options.filters == "applied" else (),
        )

    def _ticket(self, ticket: Ticket) -> dict[str, Any]:
        number, word = NUMBERS[ticket.status], ticket.status
        shapes: dict[str, Any] = {
            "number": number,
            "digits": str(number),
            "word": word,
            "short_word": SHORT_WORDS.get(word, word).lower(),
            "object": {"id": number, "name": word},
        }
        error = "The warehouse is not available." if ticket.status == "ERRORED" else None
        return {
            "code": ticket.code,
            "status": shapes[self.options.status],
            "startTime": _QUERY_TIME,
            "error": error,
        }


def _not_found(request: Request) -> Response:
    return problem(404, "not-found", f"There is no {re.sub(r'[^A-Za-z0-9/]', '', request.path.removeprefix(BASE))}.")
