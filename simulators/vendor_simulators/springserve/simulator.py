"""The SpringServe simulator: logins, endpoints, limits, errors."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from vendor_simulators.limits import Limiter, Rule
from vendor_simulators.messages import Refused, Response
from vendor_simulators.options import build
from vendor_simulators.simulator import FIRST_DAY, Restated, Simulator
from vendor_simulators.springserve import truth
from vendor_simulators.springserve.data import MEMBERS, SIZES, SMALL, Inventory
from vendor_simulators.springserve.facts import Facts
from vendor_simulators.springserve.lists import Lists, refuse
from vendor_simulators.springserve.options import SpringServeOptions
from vendor_simulators.springserve.rows import Rows
from vendor_simulators.springserve.sample import ACCOUNT_ID
from vendor_simulators.springserve.service import Service
from vendor_simulators.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import date

    from vendor_simulators.messages import Request
    from vendor_simulators.springserve.data import Entity

LIMITS = {
    "all": [Rule(240, 60)],
    "reports": [Rule(10, 60)],
    "domain_reports": [Rule(3, 60)],
}
"""From the vendor's wiki; each limit applies per account."""

BOTH = {
    *("supply_tags", "demand_tags", "creatives", "supply_labels", "demand_labels", "domain_lists", "app_bundle_lists"),
    *("app_name_lists", "deal_lists", "partner_segments", "bills"),
}
"""Lists in both v0 and v1."""
V1_ONLY = {"geo_lists", "isp_lists", "scanned_creative_lists", "clearline_deals"}
_BASE = "/api"
_PATH = re.compile(rf"{_BASE}/(v[01])/([a-z_]+)(?:/(\d+))?(?:/([a-z_]+))?/?")
_MEMBERS_AT = {(parents, part): stream for stream, (parents, _, part, _) in MEMBERS.items()}


class SpringServeSimulator(Simulator):
    """Simulator of the SpringServe v0 and v1 APIs with generated data.

    Args:
        seed: Seed of the data.
        first_day: First day with reports, UTC.
        days: Number of days with reports.
        rows_per_day: Number of supply tags; other lists are proportional.
        enforce_limits: Whether requests above the vendor's limits get 429.
        options: See `SpringServeOptions`.
    """

    name: ClassVar[str] = "springserve"
    time_zone: ClassVar[str] = "UTC"
    base_path: ClassVar[str] = _BASE
    option_type: ClassVar[type[Any]] = SpringServeOptions

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
        self.options = build(SpringServeOptions, options)
        self.email = "somebody@publisher.example"
        self.password = "simulated-password-1"  # noqa: S105 - valid in the simulator only
        self.account_id = ACCOUNT_ID
        self.tokens = Tokens(seed, self.options.token_seconds)
        self.limits = Limiter(LIMITS)
        self.inventory = Inventory(seed, first_day, rows_per_day)
        self.facts = Facts(self.inventory, first_day, self.last_day)
        self.rows = Rows(self.inventory, self.options)
        self._lists = Lists(self.options, self.flag)
        self._service = Service(self.facts, self.options, seed, self.flag)
        self._edited = 0

    @override
    def settings(self) -> dict[str, str]:
        return {
            "api_url": self.api_url,
            "email": self.email,
            "password": self.password,
            "start_date": self.first_day.isoformat(),
        }

    @override
    def expire_tokens(self) -> None:
        self.tokens.expire()

    @override
    def restate(self, seed: int = 1, *, days: int = 3) -> Restated:
        """Change the reports of the last days, edit some entities of each list, and add one."""
        changed: list[str | int] = list(self.facts.restate(seed, days))
        added: list[str | int] = []
        for kind, entities in self.inventory.entities.items():
            for number in range(seed % 5, len(entities), 13):
                self.inventory.edit(entities[number])
                changed.append(entities[number].id)
            added.append(self.inventory.add(kind).id)
        return Restated(sorted(set(changed), key=str), added)

    @override
    def truth(
        self,
        stream: str,
        *,
        first_day: date | None = None,
        last_day: date | None = None,
        version: str = "v1",
        report: Mapping[str, Any] | None = None,
        window_days: int = 7,
    ) -> list[dict[str, Any]]:
        """Return the exact records that a correct tap emits for a stream, sorted by its primary key.

        Args:
            stream: Name of an entity stream or of a report.
            first_day: First day of a report; by default the first day of the data.
            last_day: Last day of a report, inclusive; by default the last day of the data.
            version: The tap's `resource_version`.
            report: The report as in the tap's `reports` setting; by default the built-in report with this name.
            window_days: The tap's setting; determines the rows of a cumulative report.

        Raises:
            ValueError: The vendor's tap has no such stream.
        """
        if report is not None or stream in truth.DEFAULT_REPORTS:
            chosen = report if report is not None else truth.DEFAULT_REPORTS[stream]
            return truth.report(self.facts, chosen, first_day or self.first_day, last_day or self.last_day, window_days)
        return truth.entities(self.inventory, self.rows, stream, version if stream in BOTH else self._version(stream))

    @staticmethod
    def _version(stream: str) -> str:
        return "v1" if stream in V1_ONLY else "v0"

    @override
    def handle(self, request: Request) -> Response:
        self._check_secrets(request)
        # The official SDK logs in to each version.
        if request.path in {f"{_BASE}/v0/auth", f"{_BASE}/v1/auth"}:
            self._count("all")
            return self._login(request)
        match = _PATH.fullmatch(request.path)
        if match is None:
            raise refuse(404, "Not Found")
        version, name, identity, part = match.groups()
        if not self.tokens.valid(request.headers.get("Authorization", "")):
            self._count("all")
            raise refuse(401, "You need to sign in or sign up before continuing.")
        self._check_context(request)
        if (request.method, version, name) == ("POST", "v0", "report"):
            return self._report(request)
        self._count("all")
        if request.method not in {"GET", "HEAD"}:
            self.flag(f"a call that is not read-only: {request.method} {request.path}")
            raise refuse(405, "Method Not Allowed")
        return self._list(request, version, name, int(identity) if identity else None, part)

    # Logins

    def _login(self, request: Request) -> Response:
        if request.method != "POST":
            raise refuse(404, "Not Found")
        if "Authorization" in request.headers:
            self.flag("a login with a token")
        if request.params:
            self.flag("a login with a query")
        given: Any = {}
        try:
            # The official SDK sends JSON; the OpenAPI file declares a form.
            is_form = "form-urlencoded" in request.headers.get("Content-Type", "")
            given = request.form() if is_form else request.json()
        except ValueError:
            self.flag("a login whose body is neither JSON nor a form")
        if not isinstance(given, dict) or set(given) != {"email", "password"}:
            self.flag("a login with fields other than email and password")
        if given != {"email": self.email, "password": self.password}:
            raise refuse(self.options.wrong_credentials, "Invalid email or password")
        response: dict[str, object] = {"token": self.tokens.issue(), "bearer_token": "not to be used"}
        end = datetime.now(tz=timezone.utc) + timedelta(seconds=self.options.token_seconds)
        if self.options.expiration == "iso":
            response["expiration"] = end.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        elif self.options.expiration == "epoch":
            response["expiration"] = int(end.timestamp())
        return Response.json(response)

    def _check_secrets(self, request: Request) -> None:
        secrets = (self.password, *self.tokens.issued)
        if any(secret in request.target for secret in secrets):
            self.flag("a secret in a URL")
        if request.headers.get("Authorization", "").partition(" ")[2]:
            self.flag("a token with an authentication scheme")

    def _check_context(self, request: Request) -> None:
        context = request.headers.get("x-auth-context")
        if self.options.context == "ignored":
            return
        if context is not None and context != str(self.account_id):
            raise refuse(403, "You are not authorized to access this account.")

    # Limits

    def _count(self, *families: str) -> None:
        for family in families:
            usage = self.limits.count(family)
            if usage is not None and not usage.allowed and self.enforce_limits:
                response = Response.text("Retry later\n", 429)
                if self.options.retry_after is not None:
                    response.default("Retry-After", str(self.options.retry_after))
                raise Refused(response)

    # Lists and reports

    def _forbid(self, path: str) -> None:
        if path in self.options.forbidden:
            raise refuse(403, "You are not authorized to access this page.")

    def _report(self, request: Request) -> Response:
        body = request.body.decode("utf-8", "replace")
        by_domain = re.search(r'"[a-z_]*(domain|bundle)[a-z_]*"', body) is not None
        self._count("all", "reports", *(["domain_reports"] if by_domain else []))
        self._forbid("/report")
        return self._service.response(request)

    def _list(self, request: Request, version: str, name: str, identity: int | None, part: str | None) -> Response:
        self._forbid(f"/{name}" if part is None else f"/{name}/{part}")
        known = name in SIZES or name in SMALL
        has_v0, has_v1 = name not in V1_ONLY, name in BOTH or name in V1_ONLY
        if part is not None and identity is not None:
            return self._members(request, version, name, identity, part)
        if not known or not (has_v0 if version == "v0" else has_v1):
            raise refuse(404, "Not Found")
        if identity is not None:
            entity = self.inventory.find(name, identity)
            if entity is None:
                raise refuse(404, "Not Found")
            return Response.json(self.rows.entity(entity, version))
        if version == "v1" and (request.param("updated_at::gte") or request.param("page") not in {None, "1"}):
            self._edit_rows(name)
        rows = [self.rows.entity(entity, version) for entity in self.inventory.entities[name]]
        if version == "v0":
            return self._lists.v0(request, sorted(rows, key=lambda row: int(row["id"])))
        return self._lists.v1(request, name, rows)

    def _members(self, request: Request, version: str, name: str, identity: int, part: str) -> Response:
        stream = _MEMBERS_AT.get((name, part))
        if stream is None or version != ("v1" if stream == "demand_tag_priorities" else "v0"):
            raise refuse(404, "Not Found")
        parent = self.inventory.find(name, identity)
        if parent is None:
            raise refuse(404, "Not Found")
        rows = [self.rows.member(stream, parent, number) for number in self.inventory.members(stream, parent)]
        return self._lists.v0(request, rows) if version == "v0" else self._lists.v1(request, part, rows)

    def _edit_rows(self, name: str) -> None:
        """Edit rows that have been returned and rows that have not, between two pages of a list."""
        entities = self.inventory.entities[name]
        for _ in range(min(self.options.edits, self.options.most_edits - self._edited)):
            entity: Entity = entities[(self._edited * 7) % len(entities)]
            self.inventory.edit(entity)
            self._edited += 1


def streams() -> Collection[str]:
    """Return the names of all entity streams."""
    return [*SIZES, *SMALL, *MEMBERS]
