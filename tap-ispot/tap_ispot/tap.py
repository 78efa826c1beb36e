"""tap-ispot: settings, and the list of streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_adtech import settings
from singer_adtech.errors import SettingError, shorten
from singer_adtech.tap import AdTechTap
from singer_sdk import typing as th
from typing_extensions import override

from tap_ispot.auth import ISpotAuthenticator
from tap_ispot.client import EASTERN, CatalogStream, families
from tap_ispot.streams import STREAMS, Spots

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from zoneinfo import ZoneInfo

    from singer_sdk.streams import Stream

_EASTERN_DAY = "an Eastern day (America/New_York)"
_AIRING_INCLUDES = [
    "brand",
    "parent_brand",
    "spot",
    "creative",
    "day_of_week",
    "day_part",
    "episode",
    "industry",
    "network",
    "genre",
    "sub_genre",
    "show",
    "product",
]
_SPOT_INCLUDES = ["brand", "parent", "type", "children", "products", "events"]


def _ids(name: str, of: str, rows: str = "airings") -> th.Property[list[int]]:
    return th.Property(
        name,
        th.ArrayType(th.IntegerType(minimum=1)),
        default=[],
        title=f"{of[0].upper()}{of[1:]} ids",
        description=f"Only {rows} with these {of} ids. Empty means all.",
    )


class TapISpot(AdTechTap):
    """Singer tap for iSpot.tv: every TV ad airing with spend and impressions, and the catalogue."""

    name = "tap-ispot"
    families = families(stream.path for stream in STREAMS)
    allowed_requests = (("POST", "/oauth2/token"), *(("GET", stream.path) for stream in STREAMS))
    # The Quickstart asks callers to request few tokens and gives no number.
    unlimited_requests = ("/oauth2/token",)

    config_jsonschema = th.PropertiesList(
        th.Property(
            "client_id",
            th.StringType(min_length=1),
            required=True,
            secret=True,
            title="Client id",
            description="OAuth client id, from iSpot.tv's customer success.",
        ),
        th.Property(
            "client_secret",
            th.StringType(min_length=1),
            required=True,
            secret=True,
            title="Client secret",
            description="OAuth client secret, from iSpot.tv's customer success.",
        ),
        settings.start_date(_EASTERN_DAY),
        settings.end_date(_EASTERN_DAY),
        settings.lookback_days(30, 365, "because impressions may be added to an airing that late"),
        settings.window_days(1, 31),
        th.Property(
            "airing_types",
            th.ArrayType(th.StringType(allowed_values=["N", "R", "L", "SC", "NS"])),
            default=["N", "R"],
            title="Airing types",
            description="Types of airings: N national, R regional (NFL only), L local, SC spot cable, NS national "
            "satellite. Empty means all.",
        ),
        th.Property(
            "national_only",
            th.BooleanType,
            default=True,
            title="National only",
            description="Only airings of national advertisers. This is the reach of the advertiser, not of the airing.",
        ),
        _ids("brand_ids", "brand", "airings, and ads of the stream spots,"),
        _ids("industry_ids", "industry", "airings, and ads of the stream spots,"),
        _ids("network_ids", "network"),
        _ids("parent_brand_ids", "parent brand"),
        _ids("spot_ids", "ad"),
        _ids("creative_ids", "creative (version of an ad)"),
        _ids("show_ids", "show"),
        _ids("product_ids", "product"),
        th.Property(
            "product_types",
            th.ArrayType(th.StringType(allowed_values=["primary", "secondary", "competitive"])),
            default=[],
            title="Types of products",
            description="Only airings with products of these types: primary, secondary, competitive. Empty means all.",
        ),
        th.Property(
            "spot_types",
            th.ArrayType(th.IntegerType(minimum=1)),
            default=[],
            title="Types of ads",
            description="Only airings of ads of these types: 1 commercial, 2 show promo, 3 movie trailer, 4 "
            "infomercial, 5 public service announcement, 6 network movie promo. Empty means all.",
        ),
        th.Property(
            "languages",
            th.ArrayType(th.StringType(min_length=1)),
            default=[],
            title="Languages",
            description="Only airings in these languages: `en`, `es`. Empty means all.",
        ),
        th.Property(
            "dma_in_key",
            th.BooleanType,
            default=False,
            title="Market in the key",
            description="Whether the market (`airing_dma` and `airing_dma_id`) is a part of the key of airings, for "
            "accounts in which a regional airing has one id in several markets. Without a market, the two are then an "
            "empty text and 0.",
        ),
        th.Property(
            "airing_includes",
            settings.non_empty_list(th.StringType(min_length=1)),
            default=_AIRING_INCLUDES,
            title="Airing includes",
            description="Entities added to each airing. The vendor also has `brand.parent` and `industry.parent`.",
        ),
        th.Property(
            "spot_includes",
            settings.non_empty_list(th.StringType(min_length=1)),
            default=_SPOT_INCLUDES,
            title="Spot includes",
            description="Entities added to each ad of the stream spots. The vendor also has `airing_summary` and "
            "`airing_parent_summary`.",
        ),
        th.Property(
            "airing_sort",
            th.StringType(min_length=1),
            default="airing_date_et,id",
            title="Airing sort",
            description="Order of airings, to change only if the vendor refuses the default. It must be a total order.",
        ),
        th.Property(
            "catalog_sort",
            th.StringType(min_length=0),
            default="id",
            title="Sort of lists",
            description="Order of lists, to change only if the vendor refuses the default. If empty, none is sent, and "
            "rows that move between pages fail the row count.",
        ),
        th.Property(
            "catalog_includes",
            th.CustomType({"type": ["object"]}),
            title="Includes of lists",
            description="Entities added to the rows of lists in place of the defaults: an object of stream names and "
            'lists, such as `{"shows": ["genre"], "episodes": []}`.',
        ),
        th.Property(
            "accessible_only",
            th.BooleanType,
            default=True,
            title="Accessible only",
            description="Only brands and industries that the account has access to.",
        ),
        th.Property(
            "api_version",
            th.StringType(pattern=r"^\d{4}-\d{2}-\d{2}$"),
            title="API version",
            description="Version of the API as a date, `YYYY-MM-DD`, sent in the header `iSpot-Version`.",
        ),
        settings.page_size(10_000, 10_000, "airings and airing updates"),
        th.Property(
            "catalog_page_size",
            th.IntegerType(minimum=1, maximum=10_000),
            default=1000,
            title="Catalogue page size",
            description="Rows per page of the lists (1 to 10000).",
        ),
        settings.parallel_requests(4, 10, "pages of one window"),
        settings.budget_folder(),
        settings.request_timeout(),
        settings.max_response_mb(),
        settings.extra_fields(),
        settings.row_count_check(),
        settings.on_forbidden(),
        settings.api_url("https://api.ispot.tv/v4"),
        settings.allow_http(),
        settings.user_agent(name),
    ).to_dict()

    @property
    @override
    def day_zone(self) -> ZoneInfo:
        return EASTERN

    @override
    def check_settings(self) -> None:
        lists = [one.name for one in STREAMS if issubclass(one, CatalogStream) and one is not Spots]
        chosen: Mapping[str, Any] = self.config.get("catalog_includes") or {}
        for stream, names in chosen.items():
            if stream not in lists:
                raise SettingError(
                    f"setting `catalog_includes`: {shorten(repr(stream), 80)} is not allowed",
                    f"give lists for {', '.join(lists)}; for spots, set `spot_includes`",
                )
            if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
                raise SettingError(
                    f"setting `catalog_includes.{stream}`: {shorten(repr(names), 80)} is not allowed",
                    "give a list of names such as `genre`; an empty list adds none",
                )

    @override
    def make_authenticator(self) -> ISpotAuthenticator:
        return ISpotAuthenticator(
            self.requester,
            f"{self.api_url}/oauth2/token",
            self.config["client_id"],
            self.config["client_secret"],
            self.clock,
        )

    @override
    def discover_streams(self) -> Sequence[Stream]:
        return [stream(self) for stream in STREAMS]
