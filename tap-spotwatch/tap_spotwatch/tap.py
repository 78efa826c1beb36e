"""tap-spotwatch: settings, and the list of streams."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from singer_adtech import settings
from singer_adtech.errors import SettingError
from singer_adtech.http.auth import HeaderAuthenticator
from singer_adtech.http.links import HiddenLinks
from singer_adtech.streams.instants import instant_range
from singer_adtech.tap import AdTechTap
from singer_sdk import typing as th
from typing_extensions import override

from tap_spotwatch import filters
from tap_spotwatch.responses import LINK
from tap_spotwatch.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk.streams import Stream

# The characters of a header: printable ASCII, without leading or trailing spaces.
_KEY = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")


def _names(name: str, of: str, streams: str) -> th.Property[list[str]]:
    return th.Property(
        name,
        th.ArrayType(th.StringType),
        default=[],
        title=name.capitalize(),
        description=f"Only {of}, in {streams}. Empty means all. Entries must not be blank or contain a comma.",
    )


def _lookback(name: str, default: int, most: int, unit: str, why: str) -> th.Property[int]:
    stream = name.partition("_")[0]
    return th.Property(
        name,
        th.IntegerType(minimum=0, maximum=most),
        default=default,
        title=f"Look-back of {stream} in {unit}",
        description=f"{unit.capitalize()} before the bookmark of {stream} that are read again after the first run, "
        f"{why} (0 to {most}).",
    )


def _switch(name: str, title: str, description: str) -> th.Property[bool]:
    return th.Property(name, th.BooleanType, default=False, title=title, description=description)


class TapSpotwatch(AdTechTap):
    """Singer tap for Spotwatch: ads, airings and ad breaks detected on European TV."""

    name = "tap-spotwatch"
    # No call is built from a response: a plain GET can change the account.
    follow_redirects = False
    allowed_requests = (
        ("GET", "/get-ads"),
        ("GET", "/get-broadcasts"),
        ("GET", "/get-blocks"),
        ("GET", LINK),
        ("GET", "/get-all-channels"),
        ("GET", "/get-tracked-channels"),
        ("GET", "/get-all-regions"),
        ("GET", "/get-all-categories"),
        ("GET", "/get-all-brands"),
        ("GET", "/get-all-tv-genres"),
        ("GET", "/get-message-queue"),
        # The same calls with arguments that are too long for an address.
        ("POST", "/get-ads"),
        ("POST", "/get-broadcasts"),
        ("POST", "/get-blocks"),
        ("POST", "/get-all-brands"),
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
            description="The key of the Spotwatch account, sent only in the header `Authorization`.",
        ),
        settings.api_url("https://api.spotwatch.io"),
        settings.allow_http(),
        settings.start_date("a UTC day, or an instant"),
        th.Property(
            "end_date",
            th.StringType,
            title="End date",
            description="End of the range, ISO 8601: a UTC day (inclusive) or an instant (exclusive). Default: "
            "now, also if it is in the future.",
        ),
        th.Property(
            "blocks_by",
            th.StringType(allowed_values=["updated", "start", "both"]),
            default="both",
            title="Blocks by",
            description="The time by which blocks are requested: `updated` (their last change), `start`, or `both`, "
            "with two requests per window. The vendor may omit `updated` from blocks that never changed, and `updated` "
            "alone does not return these.",
        ),
        _names("regions", "these countries", "ads, broadcasts and blocks"),
        _names("channels", "these TV channels", "broadcasts and blocks"),
        *filters.properties(),
        _switch(
            "channel_in_key",
            "Channel in the key",
            "Whether `region` and `channel` are parts of the keys of broadcasts, blocks and block_ads, for accounts in "
            "which channels use the same ids.",
        ),
        settings.page_size(10_000, 100_000, "ads, broadcasts and blocks"),
        settings.window_days(1, 366),
        th.Property(
            "window_overlap_seconds",
            th.IntegerType(minimum=0, maximum=3600),
            default=0,
            title="Window overlap in seconds",
            description="Seconds before each window that are requested too, in case the vendor excludes both bounds (0 "
            "to 3600). Rows up to that long before `start_date` are then included.",
        ),
        _lookback("ads_lookback_days", 7, 366, "days", "because ads are identified late"),
        _lookback("broadcasts_lookback_days", 3, 366, "days", "because programmes and ads are assigned late"),
        _lookback("blocks_lookback_minutes", 60, 44_640, "minutes", "because changes may be recorded late"),
        settings.parallel_requests(2, 8, "windows of a stream, never pages of one window"),
        settings.budget_folder(),
        settings.request_timeout(),
        settings.max_response_mb(),
        _switch("include_media", "Include media", "Whether ads have `media`: links to video and images of each ad."),
        _switch("include_user_payload", "Include user payload", "Whether ads have `user_payload`: your own text."),
        _switch(
            "include_ad_fields",
            "Include ad fields",
            "Whether broadcasts have `ad_brand`, `ad_categories`, `ad_description`, `ad_duration`, `ad_nbroadcasts` "
            "and `ad_user_payload`: copies of the ad at the time of reading. They age, because they stay as they are "
            "when the ad airs again or is identified later. A join with ads is current.",
        ),
        _switch(
            "message_queue",
            "Message queue",
            "Whether the stream broadcast_messages, if selected, is read. Reading removes the messages from the queue.",
        ),
        settings.row_count_check(),
        settings.on_forbidden(),
        settings.extra_fields(),
        settings.user_agent(name),
    ).to_dict()

    @cached_property
    def links(self) -> HiddenLinks:
        """The page links of this run, to hide in logs."""
        return HiddenLinks()

    @override
    def check_settings(self) -> None:
        if not _KEY.fullmatch(self.config["api_key"]):
            raise SettingError(
                "setting `api_key`: the value is not allowed",
                "use the key as issued: printable ASCII without leading or trailing spaces",
            )
        instant_range(self.config, self.run_start)
        filters.check(self.config, self.run_start)

    @override
    def make_authenticator(self) -> HeaderAuthenticator:
        # "Schema": the scheme of the header is the word `key`.
        return HeaderAuthenticator("Authorization", f"key {self.config['api_key']}")

    @override
    def discover_streams(self) -> Sequence[Stream]:
        return [stream(self) for stream in STREAMS]
