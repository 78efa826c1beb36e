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
from tap_adspect.log import ClickLog
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
            description="The raw key of the account page, not the ready-made Authorization value. It can also write; "
            "this tap only reads.",
        ),
        settings.start_date(_DAY),
        settings.end_date(_DAY),
        th.Property(
            "time_zone",
            th.StringType(min_length=1),
            default="UTC",
            title="Time zone",
            description="IANA zone in which the days and months of reports are cut. The click log is in UTC always.",
        ),
        settings.lookback_days(7, MOST_LOOKBACK_DAYS, "as conversions come late; reports only"),
        settings.window_days(7, MOST_WINDOW_DAYS),
        reports_setting(
            DEFAULT_REPORTS,
            "Reports of the sales funnel, each of which becomes a stream of its `name`: `dimensions` (with `date` or "
            "`month`), `metrics` (without them the base ones), `filters` (names to values), and for this report alone "
            "`time_zone`, `lookback_days`, `window_days`; `primary_keys` may put the dimensions into another order. "
            "An empty list means none.",
        ),
        th.Property(
            "stream_ids",
            th.CustomType({"type": ["array"], "items": {"type": "string", "minLength": 1}, "maxItems": 100}),
            title="Stream ids",
            description="Only these traffic streams, at most 100, in the reports, the click log, streams and their "
            "address lists. All without it.",
        ),
        th.Property(
            "log_window_minutes",
            th.IntegerType(minimum=1, maximum=1440),
            default=60,
            title="Log window in minutes",
            description="Minutes of the click log asked for at once (1 to 1440). The vendor caps the rows of an answer "
            "at a number that it does not tell.",
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
            description="The newest minutes of the click log that are not read yet (0 to 1440).",
        ),
        th.Property(
            "log_row_limit",
            th.IntegerType(minimum=2),
            title="Log row limit",
            description="Rows from which an answer of the click log counts as capped (from 2): its window is read "
            "again in halves. Without it nothing is halved.",
        ),
        th.Property(
            "log_count_check",
            th.BooleanType,
            default=True,
            title="Log count check",
            description="Whether each window of the click log is held against the clicks and conversions that the "
            "funnel counts: one more request a window, and a warning where the log has fewer.",
        ),
        th.Property(
            "ip_addresses",
            th.StringType(allowed_values=["raw", "hash", "omit"]),
            default="raw",
            title="IP addresses",
            description="Addresses of the click log: `raw` as sent, `hash` as HMAC-SHA-256 with `ip_salt`, `omit` not "
            "asked for.",
        ),
        th.Property(
            "ip_salt",
            th.StringType(min_length=1),
            secret=True,
            title="IP salt",
            description="Salt for `ip_addresses: hash`, at least 16 characters. A changed salt is not noticed, and "
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
            raise SettingError("setting `ip_salt` is missing", "`ip_addresses` is hash, which needs one")
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
