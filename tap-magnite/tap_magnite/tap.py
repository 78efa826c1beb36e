"""tap-magnite: settings, and the list of streams."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import requests
from singer_adtech import settings
from singer_adtech.errors import SettingError, shorten
from singer_adtech.http.session import Session
from singer_adtech.reports import reports_setting
from singer_adtech.tap import AdTechTap
from singer_sdk import typing as th
from typing_extensions import override

from tap_magnite.answers import read_array
from tap_magnite.auth import SessionAuthenticator
from tap_magnite.metadata import BASES, Metadata
from tap_magnite.reports import DEFAULT_REPORTS, MOST_DAYS, report_streams
from tap_magnite.streams import STREAMS, InventoryStream, Seats

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from singer_adtech.http.allowed_requests import Rule
    from singer_sdk.streams import Stream

_DAY = "a day in `time_zone`; of an instant, the date as written"
_INVENTORY = tuple(stream.name for stream in STREAMS if issubclass(stream, InventoryStream))
_SHORT_TIMEOUT = 10.0
"""Seconds that a stopping run waits for an answer."""


class TapMagnite(AdTechTap):
    """Singer tap for Magnite Streaming: the inventory hierarchy, and queries of the data warehouse."""

    name = "tap-magnite"
    # A query that a test left behind would block the next run.
    connection_test = (Seats.name,)
    allowed_requests = (
        # The session of the run, begun and ended.
        ("POST", "/sessions"),
        ("DELETE", "/sessions/*"),
        # A query of its own: asked for, looked at, fetched, and cancelled where the run stops.
        ("POST", "/queries"),
        ("GET", "/queries/*"),
        ("GET", "/queries/*/results"),
        ("DELETE", "/queries/*"),
    )
    """Beside these: GET of the inventory and of the query sources, whose paths are settings; see `request_rules`."""
    # The vendor documents one query at a time, and no number of requests.
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
            description="Secret key that belongs to the access key.",
        ),
        settings.start_date(_DAY),
        settings.end_date(_DAY),
        th.Property(
            "time_zone",
            th.StringType(min_length=1),
            default="UTC",
            title="Time zone",
            description="IANA zone in which the days of reports are cut.",
        ),
        settings.lookback_days(3, MOST_DAYS, "as figures may be restated"),
        settings.window_days(7, MOST_DAYS),
        reports_setting(
            DEFAULT_REPORTS,
            "Queries of the data warehouse, each of which becomes a stream of its `name`: `source` "
            "(adstats-publisher), `dimensions` (with `day`), `metrics`, `filters` on dimensions (`field`, `value`, "
            "`negate`), `constraints` on metrics (`field`, `operator`, `value`), and for this report alone "
            "`time_zone`, `lookback_days`, `window_days`, `primary_keys`. An empty list means none.",
        ),
        th.Property(
            "poll_interval",
            th.CustomType({"type": ["number"], "minimum": 0.1, "maximum": 60}),
            default=10,
            title="Poll interval",
            description="Seconds between the submit of a query and the first look at it; each later wait is 1.5 times "
            "longer, up to 60 s (0.1 to 60).",
        ),
        th.Property(
            "query_timeout",
            th.CustomType({"type": ["number"], "minimum": 1, "maximum": 86_400}),
            default=1800,
            title="Query timeout",
            description="Seconds after which a query that still runs is cancelled, and the run fails (1 to 86400).",
        ),
        th.Property(
            "busy_wait",
            th.CustomType({"type": ["number"], "minimum": 0.1, "maximum": 600}),
            default=60,
            title="Busy wait",
            description="Seconds to wait while another query of the user runs, before the next try (0.1 to 600).",
        ),
        th.Property(
            "busy_timeout",
            th.CustomType({"type": ["number"], "minimum": 1, "maximum": 86_400}),
            default=5400,
            title="Busy timeout",
            description="Seconds in all that one query waits for another one to end, before the run fails (1 to "
            "86400).",
        ),
        th.Property(
            "include_details",
            th.BooleanType,
            default=False,
            title="Include details",
            description="Whether every field of seats, publishers, brands, supply and ad units is read: one more "
            "request for each row.",
        ),
        settings.parallel_requests(4, 10, "detail calls only"),
        settings.budget_folder(),
        th.Property(
            "resource_paths",
            th.CustomType({"type": ["object"]}),
            title="Resource paths",
            description="Paths of the inventory, where your account has others: an object of seats, publishers, "
            "brands, supply, ad_units to a path such as `/supplies`.",
        ),
        th.Property(
            "query_sources_path",
            th.StringType(min_length=1),
            title="Query sources path",
            description="Path of the query sources. Without it `/query/sources` and `/queries/sources` are tried.",
        ),
        th.Property(
            "discover_fields",
            th.BooleanType,
            default=False,
            title="Discover fields",
            description="Whether discovery asks the vendor for the fields of each report's source: reports are checked "
            "against them, and metrics get their types.",
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
        # The name itself is nobody's business who reads the state.
        self.account = hashlib.sha256(f"{self.name} {company}".encode()).hexdigest()[:16]

    @cached_property
    def metadata(self) -> Metadata:
        """Query sources and their fields, shared by discovery and streams."""
        return Metadata(self)

    def field_types(self, source: str, kind: Any) -> dict[str, str]:
        """Return the ids of a source's dimensions or metrics with their types, as the vendor lists them.

        Raises:
            VendorError: The vendor refused, or does not know the source.
        """
        listed = self.metadata.fields(source, kind, "discovery")
        return {str(row.get("id")): str(row.get("type") or "") for row in read_array(listed)}

    def say(self, method: str, url: str) -> None:
        """Send one request with the session as it is, for a run that stops: no renewal, no repetition.

        Raises:
            Exception: Whatever goes wrong on the way; what the vendor answers is not looked at.
        """
        cast("SessionAuthenticator", self.authenticator).say(self._short_session(), requests.Request(method, url))

    @override
    def close(self) -> None:
        authenticator: SessionAuthenticator | None = self.__dict__.get("authenticator")
        if authenticator is not None:
            authenticator.logout(self._short_session())

    @override
    def reopen(self) -> None:
        authenticator: SessionAuthenticator | None = self.__dict__.get("authenticator")
        # Not when closing: a thread that is still at work would make a new one, and log in.
        if authenticator is not None and authenticator.ended:
            del self.authenticator

    def _short_session(self) -> Session:
        timeout = min(_SHORT_TIMEOUT, self.config["request_timeout"])
        return Session(
            self.api_url,
            connections=1,
            timeout=timeout,
            follow_redirects=False,
            allowed=self.request_rules(),
        )

    @override
    def discover_streams(self) -> Sequence[Stream]:
        if self.config.get("discover_fields"):
            # `--discover` alone does not look at settings, and these requests need credentials.
            self._validate_config()
        streams: list[Stream] = [stream(self) for stream in STREAMS]
        return [*streams, *report_streams(self, {stream.name for stream in streams})]


def _check_path(path: Any, setting: str) -> None:
    """Refuse a path that leads elsewhere than below the base address.

    Raises:
        SettingError: It is no path, or holds what belongs to an address.
    """
    good = isinstance(path, str) and path.startswith("/") and not path.startswith("//")
    if not good or any(part in path for part in ("?", "#", "..")):
        raise SettingError(
            f"setting `{setting}`: {shorten(repr(path), 80)} is not allowed",
            "give a path that begins with one `/`, without `?`, `#` and `..`",
        )
