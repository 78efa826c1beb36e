"""tap-adspect: settings, and the list of streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_adtech import settings
from singer_adtech.errors import SettingError
from singer_adtech.http.retries import RetryPolicy
from singer_adtech.reports import read_reports, reports_setting
from singer_adtech.tap import AdTechTap
from singer_sdk import typing as th
from typing_extensions import override

from tap_adspect.auth import AdspectAuthenticator, check_api_key
from tap_adspect.filters import FILTERS
from tap_adspect.log import ClickLog, log_filters
from tap_adspect.reports import DEFAULT_REPORTS, MOST_LOOKBACK_DAYS, MOST_WINDOW_DAYS, RULES, report_stream
from tap_adspect.streams import LISTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk.streams import Stream

STREAMS = (*LISTS, ClickLog)
_FIXED_NAMES = frozenset(stream.name for stream in STREAMS)
_DAY = "a day in `time_zone`, or an instant"
SHORTEST_SALT = 16


class TapAdspect(AdTechTap):
    """Singer tap for Adspect: traffic streams, reports of the sales funnel, and the click log."""

    name = "tap-adspect"
    retry_policy = RetryPolicy(waits=(1, 2, 4, 8), longest_wait=300, jitter=0.1)
    follow_redirects = False
    allowed_requests = (
        ("GET", "/streams"),
        ("HEAD", "/streams"),
        ("GET", "/streams/*/ip-blacklist"),
        ("GET", "/streams/*/ip-whitelist"),
        ("GET", "/account"),
        ("GET", "/accounts/self/ip-blacklist"),
        ("GET", "/accounts/self/ip-whitelist"),
        ("GET", "/reports"),
        ("HEAD", "/reports"),
        ("GET", "/reports/funnel"),
        ("GET", "/reports/log"),
        ("GET", "/collections/*"),
    )
    # The vendor documents no limits.
    unlimited_requests = ("*",)

    config_jsonschema = th.PropertiesList(
        th.Property(
            "api_key",
            th.StringType(min_length=1),
            required=True,
            secret=True,
            title="API key",
            description="The raw key from the account page, not the Authorization header. The key also allows writing; "
            "this tap only reads.",
        ),
        settings.start_date(_DAY),
        settings.end_date(_DAY),
        th.Property(
            "time_zone",
            th.StringType(min_length=1),
            default="UTC",
            title="Time zone",
            description="IANA time zone of the days and months of reports. The click log is always in UTC.",
        ),
        settings.lookback_days(7, MOST_LOOKBACK_DAYS, "because conversions come late; reports only"),
        settings.window_days(7, MOST_WINDOW_DAYS),
        reports_setting(
            DEFAULT_REPORTS,
            "Reports of the sales funnel; each becomes a stream with its `name`. `dimensions` (with `date` or "
            "`month`), `metrics` (default: the base metrics), `filters` (names to values). `time_zone`, "
            "`lookback_days` and `window_days` override the settings for one report; `primary_keys` may reorder the "
            "dimensions. An empty list means no reports.",
        ),
        th.Property(
            "stream_ids",
            th.CustomType({"type": ["array"], "items": {"type": "string", "minLength": 1}, "maxItems": 100}),
            title="Stream ids",
            description="Only these traffic streams, at most 100, in reports, the click log, streams and their address "
            "lists. Default: all.",
        ),
        th.Property(
            "log_filters",
            th.CustomType({"type": ["object"]}),
            title="Log filters",
            description="Only these rows of the click log: filter names to a value or a list, as in a report's "
            f"`filters` ({', '.join(FILTERS)}). Default: all rows.",
        ),
        th.Property(
            "log_window_minutes",
            th.IntegerType(minimum=1, maximum=1440),
            default=60,
            title="Log window in minutes",
            description="Minutes of the click log per request (1 to 1440). The vendor caps the rows of a response at "
            "an undocumented number.",
        ),
        th.Property(
            "log_lookback_hours",
            th.IntegerType(minimum=0, maximum=720),
            default=24,
            title="Log look-back in hours",
            description="Hours of the click log before the bookmark that are read again after the first run (0 to "
            "720).",
        ),
        th.Property(
            "log_lag_minutes",
            th.IntegerType(minimum=0, maximum=1440),
            default=15,
            title="Log lag in minutes",
            description="Newest minutes of the click log that are left to the next run (0 to 1440).",
        ),
        th.Property(
            "log_row_limit",
            th.IntegerType(minimum=2),
            title="Log row limit",
            description="Number of rows from which a response of the click log counts as capped (from 2). Its window "
            "is requested again in halves. Default: no limit.",
        ),
        th.Property(
            "log_count_check",
            th.BooleanType,
            default=True,
            title="Log count check",
            description="Whether each window of the click log is compared with the clicks and conversions in the "
            "funnel: one more request per window, and a warning if the log has fewer.",
        ),
        th.Property(
            "ip_addresses",
            th.StringType(allowed_values=["raw", "hash", "omit"]),
            default="raw",
            title="IP addresses",
            description="IP addresses in the click log: `raw` as sent, `hash` as HMAC-SHA-256 with `ip_salt`, `omit` "
            "not requested.",
        ),
        th.Property(
            "ip_salt",
            th.StringType(min_length=1),
            secret=True,
            title="IP salt",
            description="Salt for `ip_addresses: hash`, at least 16 characters. A changed salt is not detected and "
            "gives every row a new key.",
        ),
        settings.page_size(100, 100, "streams and saved queries"),
        settings.parallel_requests(1, 4, "windows of one report"),
        settings.budget_folder(),
        settings.request_timeout(),
        settings.max_response_mb(),
        settings.extra_fields(),
        settings.row_count_check(),
        settings.on_forbidden(),
        settings.api_url("https://api.adspect.net/v1"),
        settings.allow_http(),
        settings.user_agent(name),
    ).to_dict()

    @override
    def check_settings(self) -> None:
        check_api_key(self.config["api_key"])
        salt = self.config.get("ip_salt")
        if salt is not None and len(salt) < SHORTEST_SALT:
            raise SettingError("setting `ip_salt`: the value is not allowed: at least 16 characters")
        if salt is None and self.config["ip_addresses"] == "hash":
            raise SettingError("setting `ip_salt` is missing", "`ip_addresses: hash` needs it")
        log_filters(self.config)
        for report in read_reports(self.config, RULES, taken=_FIXED_NAMES):
            self.day_range(report.time_zone)

    @override
    def make_authenticator(self) -> AdspectAuthenticator:
        return AdspectAuthenticator(self.config["api_key"])

    @override
    def discover_streams(self) -> Sequence[Stream]:
        settings.zone(self.config.get("time_zone") or "UTC")
        reports = read_reports(self.config, RULES, taken=_FIXED_NAMES)
        return [*(stream(self) for stream in STREAMS), *(report_stream(self, report) for report in reports)]
