"""The tap: its settings, and the requests that it may send. Streams are in `streams` and `reports`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_adtech import settings
from singer_adtech.errors import SettingError
from singer_adtech.http.auth import HeaderAuthenticator
from singer_adtech.reports import reports_setting
from singer_adtech.tap import AdTechTap
from singer_sdk import typing as th
from typing_extensions import override

from tap_springserve.auth import SpringServeAuthenticator
from tap_springserve.client import RETRY_POLICY, VENDOR_LIMITS, request_limits
from tap_springserve.report_settings import DEFAULT_REPORTS, reports_of
from tap_springserve.reports import SpringServeReport
from tap_springserve.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_adtech.http.auth import Authenticator
    from singer_adtech.http.budgets import Family
    from singer_sdk.streams import Stream

_DAY = "in `time_zone`"


def _per_minute(name: str, of: str) -> th.Property[int]:
    limit = VENDOR_LIMITS[name]
    return th.Property(
        name,
        th.IntegerType(minimum=1),
        default=limit,
        title=f"{of.capitalize()} per minute",
        description=f"Maximum number of {of} per minute (at least 1). The vendor allows {limit}; lower it if others "
        "use the account.",
    )


class TapSpringServe(AdTechTap):
    """Singer tap for SpringServe: supply and demand tags, related entities, and reports."""

    name = "tap-springserve"
    retry_policy = RETRY_POLICY
    allowed_requests = (
        ("POST", "/v0/auth"),
        ("POST", "/v0/report"),
        *(("GET", f"/{version}{stream.path.format('*')}") for stream in STREAMS for version in ("v0", "v1")),
    )

    config_jsonschema = th.PropertiesList(
        th.Property(
            "email",
            th.StringType,
            title="E-mail",
            description="The user to log in, with `password`. Not needed with an `auth_token`.",
        ),
        th.Property(
            "password",
            th.StringType,
            secret=True,
            title="Password",
            description="The user's password.",
        ),
        th.Property(
            "auth_token",
            th.StringType,
            secret=True,
            title="Token",
            description="Token to use instead of `email` and `password`. It is valid for two hours and is not renewed.",
        ),
        th.Property(
            "account_id",
            th.IntegerType(minimum=1),
            title="Account id",
            description="The account to read, for users of several accounts (at least 1). Rows of another account end "
            "the stream.",
        ),
        settings.start_date(_DAY),
        settings.end_date(_DAY),
        settings.lookback_days(3, 365, "because reports are restated"),
        settings.window_days(7, 366),
        th.Property(
            "time_zone",
            th.StringType(min_length=1),
            default="UTC",
            title="Time zone",
            description="IANA time zone of the days of reports.",
        ),
        reports_setting(
            DEFAULT_REPORTS,
            "Reports; each becomes a stream with its `name`. `dimensions`, `metrics`, and optionally `interval` "
            "(`hour`, `day`, `cumulative`), `filters`, `currency`, `async`, `time_zone`, `lookback_days`, "
            "`window_days`, `primary_keys`. An empty list means no reports.",
        ),
        th.Property(
            "resource_version",
            th.StringType(allowed_values=["v1", "v0"]),
            default="v1",
            title="Version of lists",
            description="API version of lists that both versions have: `v1` reads changes, `v0` reads everything.",
        ),
        th.Property(
            "overlap_minutes",
            th.IntegerType(minimum=0, maximum=10_080),
            default=10,
            title="Overlap",
            description="Minutes before the bookmark from which v1 lists are read again, because a change may become "
            "visible late (0 to 10080).",
        ),
        th.Property(
            "timestamp_zone",
            th.StringType(min_length=1),
            title="Zone of timestamps",
            description="IANA time zone of timestamps in lists that have no offset. UTC if omitted; a warning then "
            "names the streams with such timestamps.",
        ),
        settings.on_forbidden(),
        settings.page_size(1000, 1000, "v1 lists; v0 lists have at most 100"),
        settings.parallel_requests(4, 8, "lists of several parents, or the next page; reports run one at a time"),
        settings.budget_folder(),
        _per_minute("requests_per_minute", "requests of any kind"),
        _per_minute("report_requests_per_minute", "requests for reports"),
        _per_minute("domain_report_requests_per_minute", "requests for reports by domain or app bundle"),
        th.Property(
            "report_poll_interval",
            th.CustomType({"type": ["number"], "minimum": 0.1, "maximum": 300}),
            default=7,
            title="Poll interval",
            description="Seconds between two polls of a report (0.1 to 300).",
        ),
        th.Property(
            "report_timeout",
            th.NumberType(minimum=1),
            default=1800,
            title="Report timeout",
            description="Seconds after which the run fails if a report is not ready (at least 1).",
        ),
        settings.request_timeout(),
        settings.max_response_mb(),
        settings.extra_fields(),
        settings.row_count_check(),
        settings.api_url("https://console.springserve.com/api"),
        settings.allow_http(),
        settings.user_agent(name),
    ).to_dict()

    @override
    def check_settings(self) -> None:
        self._check_credentials()
        if self.config.get("timestamp_zone"):
            settings.zone(self.config["timestamp_zone"], "timestamp_zone")
        self._reports()

    def _check_credentials(self) -> None:
        token: str | None = self.config.get("auth_token")
        if token:
            if not token.isascii() or not token.isprintable():
                raise SettingError("setting `auth_token`: the value is not allowed", "give only the token, in one line")
            return
        missing = [name for name in ("email", "password") if not self.config.get(name)]
        if missing:
            names = " and ".join(f"`{name}`" for name in missing)
            number = "setting {} is missing" if len(missing) == 1 else "settings {} are missing"
            raise SettingError(number.format(names), "give `email` and `password`, or `auth_token`")

    @override
    def request_limits(self) -> tuple[Family, ...]:
        for name, allowed in VENDOR_LIMITS.items():
            if self.config[name] > allowed:
                self.logger.warning(
                    "setting `%s`: %d is above the limit of the vendor (%d)", name, self.config[name], allowed
                )
        return self.families or request_limits(self.config)

    @override
    def make_authenticator(self) -> Authenticator:
        token = self.config.get("auth_token")
        if token:
            return HeaderAuthenticator("Authorization", token)
        return SpringServeAuthenticator(
            self.requester, f"{self.api_url}/v0/auth", self.config["email"], self.config["password"], self.clock
        )

    @override
    def discover_streams(self) -> Sequence[Stream]:
        entities = [stream(self) for stream in STREAMS]
        return [*entities, *(SpringServeReport(self, report) for report in self._reports())]

    def _reports(self) -> list[Any]:
        return reports_of(self.config, taken=[str(vars(stream)["name"]) for stream in STREAMS])
