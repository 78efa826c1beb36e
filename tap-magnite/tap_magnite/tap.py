"""The tap: its settings, and the requests that it may send. Streams are in `streams` and `reports`."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, Any

from singer_adtech import settings
from singer_adtech.errors import SettingError, shorten
from singer_adtech.reports import reports_setting
from singer_adtech.tap import AdTechTap
from singer_sdk import typing as th
from typing_extensions import override

from tap_magnite.api import MagniteApi
from tap_magnite.auth import SessionAuthenticator
from tap_magnite.definitions import DEFAULT_REPORTS, MOST_DAYS
from tap_magnite.metadata import BASES
from tap_magnite.reports import report_streams
from tap_magnite.streams import STREAMS, InventoryStream, Seats

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from singer_adtech.http.allowed_requests import Rule
    from singer_sdk.streams import Stream

_DAY = "in `time_zone` (for an instant, its date as written)"
_INVENTORY = tuple(stream.name for stream in STREAMS if issubclass(stream, InventoryStream))


class TapMagnite(AdTechTap):
    """Singer tap for Magnite Streaming: the inventory hierarchy, and queries of the data warehouse."""

    name = "tap-magnite"
    # Not a report: a query that is left running would block the next run.
    connection_test = (Seats.name,)
    allowed_requests = (
        # Login and logout.
        ("POST", "/sessions"),
        ("DELETE", "/sessions/*"),
        # The run's own queries: submit, poll, fetch, and cancel if the run stops.
        ("POST", "/queries"),
        ("GET", "/queries/*"),
        ("GET", "/queries/*/results"),
        ("DELETE", "/queries/*"),
    )
    """`request_rules` adds GET of inventory and query sources, because their paths are settings."""
    # The vendor documents one query at a time and no other limit.
    unlimited_requests = ("*",)
    dates_as_written = True

    config_jsonschema = th.PropertiesList(
        th.Property(
            "access_key",
            th.StringType(min_length=1),
            required=True,
            secret=True,
            title="Access key",
            description="Access key of a Console user whose account has API access.",
        ),
        th.Property(
            "secret_key",
            th.StringType(min_length=1),
            required=True,
            secret=True,
            title="Secret key",
            description="Secret key of the access key.",
        ),
        settings.start_date(_DAY),
        settings.end_date(_DAY),
        th.Property(
            "time_zone",
            th.StringType(min_length=1),
            default="UTC",
            title="Time zone",
            description="IANA time zone of the days of reports.",
        ),
        # Assumed: figures are restated for three days at most; the guide does not describe it. If wrong, later changes
        # are missed: compare an older day with the Console, and raise `lookback_days`.
        settings.lookback_days(3, MOST_DAYS, "because figures may be restated"),
        settings.window_days(7, MOST_DAYS),
        reports_setting(
            DEFAULT_REPORTS,
            "Queries of the data warehouse; each becomes a stream with its `name`. `source` (default: "
            "adstats-publisher), `dimensions` (without `day`, rows are totals of windows), `metrics`, `filters` on "
            "dimensions (`field`, `value`, `negate`), `constraints` on metrics (`field`, `operator`, `value`), "
            "`orderings` (`field`, `direction`), `conversions` and `parent` (`field`, `value`), `definition` (an "
            "object of further members of the query). `range` (such as `lastWeek`) replaces the windows by a "
            "predefined range, read completely in each run. `time_zone`, `lookback_days` and `window_days` override "
            "the settings for one report; `primary_keys` replaces the default key; `selected: false` turns a report "
            "off by default. An empty list means no reports.",
        ),
        th.Property(
            "poll_interval",
            th.CustomType({"type": ["number"], "minimum": 0.1, "maximum": 60}),
            default=10,
            title="Poll interval",
            description="Seconds between the submission of a query and the first poll. Each later wait is 1.5 times "
            "longer, up to 60 s (0.1 to 60).",
        ),
        th.Property(
            "query_timeout",
            th.CustomType({"type": ["number"], "minimum": 1, "maximum": 86_400}),
            default=1800,
            title="Query timeout",
            description="Seconds after which a running query is cancelled and the run fails (1 to 86400).",
        ),
        th.Property(
            "busy_wait",
            th.CustomType({"type": ["number"], "minimum": 0.1, "maximum": 600}),
            default=60,
            title="Busy wait",
            description="Seconds between tries while another query of the user is running (0.1 to 600).",
        ),
        th.Property(
            "busy_timeout",
            th.CustomType({"type": ["number"], "minimum": 1, "maximum": 86_400}),
            default=5400,
            title="Busy timeout",
            description="Seconds that a query waits in total for another query of the user, before the run fails (1 "
            "to 86400).",
        ),
        th.Property(
            "include_details",
            th.BooleanType,
            default=False,
            title="Include details",
            description="Whether all fields of seats, publishers, brands, supply and ad units are read: one more "
            "request per row.",
        ),
        settings.parallel_requests(4, 10, "detail requests only"),
        settings.budget_folder(),
        th.Property(
            "resource_paths",
            th.CustomType({"type": ["object"]}),
            title="Resource paths",
            description="Paths of the inventory, if they differ in your account: an object with a path such as "
            "`/supplies` for any of seats, publishers, brands, supply and ad_units.",
        ),
        th.Property(
            "query_sources_path",
            th.StringType(min_length=1),
            title="Query sources path",
            description="Path of the query sources. By default, `/query/sources` and `/queries/sources` are tried.",
        ),
        th.Property(
            "discover_fields",
            th.BooleanType,
            default=False,
            title="Discover fields",
            description="Whether discovery requests the fields of each report's source, to check the reports and to "
            "set the types of their metrics.",
        ),
        settings.request_timeout(),
        settings.max_response_mb(),
        settings.extra_fields(),
        settings.on_forbidden(),
        settings.api_url("https://api.tremorhub.com/v1/resources"),
        settings.allow_http(),
        settings.user_agent(name),
    ).to_dict()

    @override
    def request_rules(self) -> tuple[Rule, ...]:
        paths: Mapping[str, str] = self.config.get("resource_paths") or {}
        lists = [
            paths.get(stream.name, stream.path).rstrip("/") for stream in STREAMS if issubclass(stream, InventoryStream)
        ]
        sources = [base.rstrip("/") for base in (self.config.get("query_sources_path"),) if base] or BASES
        below = ("", "/*/dimensions", "/*/metrics")
        return (
            *self.allowed_requests,
            *(("GET", f"{path}{one}") for path in lists for one in ("", "/*")),
            *(("GET", f"{base}{one}") for base in sources for one in below),
        )

    @override
    def check_settings(self) -> None:
        paths: Mapping[str, Any] = self.config.get("resource_paths") or {}
        for stream, path in paths.items():
            if stream not in _INVENTORY:
                raise SettingError(
                    f"setting `resource_paths`: {shorten(repr(stream), 80)} is not allowed",
                    f"give paths for {', '.join(_INVENTORY)}",
                )
            _check_path(path, f"resource_paths.{stream}")
        if self.config.get("query_sources_path") is not None:
            _check_path(self.config["query_sources_path"], "query_sources_path")

    @override
    def make_authenticator(self) -> SessionAuthenticator:
        return SessionAuthenticator(
            self.requester,
            self.api_url,
            self.config["access_key"],
            self.config["secret_key"],
            self.clock,
            self.run_metrics.own,
            identify=self._identify,
        )

    def _identify(self, company: str) -> None:
        # Hashed: the state must not contain the name.
        self.account = hashlib.sha256(f"{self.name} {company}".encode()).hexdigest()[:16]

    @cached_property
    def api(self) -> MagniteApi:
        """The API for this run's streams."""
        return MagniteApi(self)

    @override
    def close(self) -> None:
        authenticator: SessionAuthenticator | None = self.__dict__.get("authenticator")
        if authenticator is not None:
            authenticator.logout(self.api.short_session())

    @override
    def reopen(self) -> None:
        authenticator: SessionAuthenticator | None = self.__dict__.get("authenticator")
        # Not in `close`: a thread that still runs would create a new one and log in.
        if authenticator is not None and authenticator.ended:
            del self.authenticator

    @override
    def discover_streams(self) -> Sequence[Stream]:
        if self.config.get("discover_fields"):
            # `--discover` does not validate settings, and these requests need credentials.
            self.validate_settings()
        streams: list[Stream] = [stream(self, self.api) for stream in STREAMS]
        return [*streams, *report_streams(self, self.api, {stream.name for stream in streams})]


def _check_path(path: Any, setting: str) -> None:
    """Reject a path that is not below the base address.

    Raises:
        SettingError: The value is not a path, or contains other parts of a URL.
    """
    good = isinstance(path, str) and path.startswith("/") and not path.startswith("//")
    if not good or any(part in path for part in ("?", "#", "..")):
        raise SettingError(
            f"setting `{setting}`: {shorten(repr(path), 80)} is not allowed",
            "give a path that begins with one `/`, without `?`, `#` and `..`",
        )
