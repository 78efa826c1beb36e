"""The streams. To add a list, add a `CatalogStream` here and its schema to `schemas/`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_adtech.progress.signatures import SEVERAL
from singer_adtech.progress.windows import DayWindow
from singer_sdk import StreamSchema
from typing_extensions import override

from tap_ispot.airings import AiringStream, UpdatesStream, list_filters
from tap_ispot.client import SCHEMAS, CatalogStream, date_filters
from tap_ispot.rows import row_hash

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import requests
    from singer_sdk.helpers.types import Context


class AudienceAirings(AiringStream):
    """Airings with spend and impressions, the stream for most users."""

    name = "audience_airings"
    path = "/metrics/audience/airings"
    instead = ", or select tv_airings instead"


class TVAirings(AiringStream):
    """Airings with spend, for accounts without impressions; a subset of audience_airings."""

    name = "tv_airings"
    path = "/metrics/tv/airings"
    selected_by_default = False


class AttentionAirings(AiringStream):
    """Airings with spend, impressions and attention; a superset of audience_airings that needs its own access."""

    name = "attention_airings"
    path = "/metrics/attention/airings"
    selected_by_default = False


class Airings(AiringStream):
    """Airings without metrics; the format of a row is not documented."""

    name = "airings"
    path = "/airings"
    selected_by_default = False


class AiringUpdates(UpdatesStream):
    """Corrections to airings, requested day by day, including deletions that a look-back does not show."""

    name = "airing_updates"
    path = "/airings/updates"
    primary_keys = ("update_date", "update_key")
    replication_key = "update_date"
    selected_by_default = False


class Brands(CatalogStream):
    """Advertised brands and their parents; a brand without a parent may be a parent itself."""

    name = "brands"
    path = "/brands"
    primary_keys = ("id",)
    entity = "brand"
    include = "industry,parent"
    only_accessible = True


class Industries(CatalogStream):
    """Industries and their parents."""

    name = "industries"
    path = "/industries"
    primary_keys = ("id",)
    entity = "industry"
    include = "parent"
    only_accessible = True


class Networks(CatalogStream):
    """TV networks."""

    name = "networks"
    path = "/networks"
    primary_keys = ("id",)
    entity = "network"


class Shows(CatalogStream):
    """TV shows and their genres."""

    name = "shows"
    path = "/shows"
    primary_keys = ("id",)
    entity = "show"
    include = "genre,sub_genre"


class Episodes(CatalogStream):
    """Episodes of shows; the list may be very long."""

    name = "episodes"
    path = "/episodes"
    primary_keys = ("id",)
    selected_by_default = False
    entity = "episode"
    include = "show"


class Products(CatalogStream):
    """Advertised products."""

    name = "products"
    path = "/products"
    primary_keys = ("id",)
    entity = "product"


class ProductCategories(CatalogStream):
    """Categories of products."""

    name = "product_categories"
    path = "/product-categories"
    primary_keys = ("id",)
    entity = "product_category"
    include = "brand,industry,product"


class NetworkFamilies(CatalogStream):
    """Families of networks; the format is not documented."""

    name = "network_families"
    path = "/networks/family"
    primary_keys = ("family_key",)
    selected_by_default = False
    entity = "family"
    sortable = False
    equal_rows_are_one = True

    @override
    def flat_row(self, row: dict[str, Any], window: DayWindow | None) -> dict[str, Any]:
        # Assumed: rows have no id, so the key is made from the row. If wrong, a family that changes becomes a second
        # row: use `id`.
        return {**super().flat_row(row, window), "family_key": row_hash(row)}


class ExtendedNetworkFamilies(NetworkFamilies):
    """Families of networks with the fields of the vendor's extended list; the format is not documented."""

    name = "extended_network_families"
    path = "/networks/family/extended"
    schema = StreamSchema(SCHEMAS, key="network_families")


class Spots(CatalogStream):
    """Ads that aired between `start_date` and `end_date`."""

    # Assumed: the date filters of /spots select ads that aired in the range, not by first airing. If wrong, ads of
    # airings are missing in this stream: compare `spot_id` of airings with it, and set an earlier `start_date`.
    name = "spots"
    path = "/spots"
    primary_keys = ("id",)
    entity = "spot"

    @property
    @override
    def requested_entities(self) -> Sequence[str]:
        chosen: Sequence[str] = self.config["spot_includes"]
        return chosen

    @override
    def filters(self, window: DayWindow | None) -> dict[str, str]:
        days = DayWindow(*self.tap.day_range())
        return {
            **date_filters(days),
            **list_filters(self.config, "brand_ids", "industry_ids"),
            "include": ",".join(self.requested_entities),
        }

    @override
    def flat_row(self, row: dict[str, Any], window: DayWindow | None) -> dict[str, Any]:
        flat = super().flat_row(row, window)
        # Assumed: a list in `spot_includes` that is missing in a row is empty. If wrong, a list that never comes is
        # named in a warning about `include`.
        asked = self.shape.arrays.intersection(self.config["spot_includes"])
        return {**flat, **{name: [] for name in asked if flat.get(name) is None}}

    @override
    def pages(self, context: Context | None, window: DayWindow | None = None) -> Iterator[requests.Response]:
        first, last = self.tap.day_range()
        # A range in the future is empty; a request for it would have its dates in reverse order.
        return super().pages(context, window) if first <= last else iter(())


class NewSpots(CatalogStream):
    """Ads that the vendor lists as new; its parameters are not documented."""

    # Assumed: the rows of `new_spots` and `active_spots` have the fields of /spots. If wrong, other fields are kept in
    # `_extra` with a warning, and a row without an `id` fails the stream.
    name = "new_spots"
    path = "/spots/new"
    primary_keys = ("id",)
    schema = StreamSchema(SCHEMAS, key="spots")
    selected_by_default = False
    entity = "spot"
    sortable = False


class ActiveSpots(CatalogStream):
    """Ads that the vendor lists as active; its parameters are not documented."""

    name = "active_spots"
    path = "/spots/actives"
    primary_keys = ("id",)
    schema = StreamSchema(SCHEMAS, key="spots")
    selected_by_default = False
    entity = "spot"
    sortable = False


class SpotUpdates(UpdatesStream):
    """Corrections to ads, requested day by day; the format is not documented."""

    name = "spot_updates"
    path = "/spots/updates"
    primary_keys = ("update_date", "update_key")
    replication_key = "update_date"
    selected_by_default = False
    own_name = "spot"


class Celebrities(CatalogStream):
    """Celebrities seen in ads."""

    name = "celebrities"
    path = "/celebrities"
    primary_keys = ("id",)
    entity = "celebrity"


class Movies(CatalogStream):
    """Movies advertised on TV."""

    name = "movies"
    path = "/movies"
    primary_keys = ("id",)
    entity = "movie"


class Events(CatalogStream):
    """Events that ads belong to."""

    name = "events"
    path = "/events"
    primary_keys = ("id",)
    entity = "event"


class Account(CatalogStream):
    """The account, one object or a list."""

    name = "account"
    path = "/account"
    primary_keys = ("id",)
    selected_by_default = False
    entity = "account"
    sortable = False

    @override
    def flat_row(self, row: dict[str, Any], window: DayWindow | None) -> dict[str, Any]:
        flat = super().flat_row(row, window)
        # This stream is read before airings, and their state names the account.
        if flat.get("id") is not None:
            self.tap.account = str(flat["id"]) if self.tap.account in {None, str(flat["id"])} else SEVERAL
        return flat


class Users(CatalogStream):
    """Users of the account (personal data)."""

    name = "users"
    path = "/users"
    primary_keys = ("id",)
    selected_by_default = False
    entity = "user"


class Access(CatalogStream):
    """Access rights of the account; the format is not documented."""

    name = "access"
    path = "/access"
    primary_keys = ("access_key",)
    selected_by_default = False
    entity = "access"
    sortable = False
    equal_rows_are_one = True

    @override
    def flat_row(self, row: dict[str, Any], window: DayWindow | None) -> dict[str, Any]:
        # Rows have no id.
        return {**super().flat_row(row, window), "access_key": row_hash(row)}


class Notifications(CatalogStream):
    """Notifications to the account."""

    name = "notifications"
    path = "/notifications"
    primary_keys = ("id",)
    selected_by_default = False
    entity = "notification"


STREAMS = (
    AudienceAirings,
    TVAirings,
    AttentionAirings,
    Airings,
    AiringUpdates,
    Brands,
    Industries,
    Networks,
    NetworkFamilies,
    ExtendedNetworkFamilies,
    Shows,
    Episodes,
    Products,
    ProductCategories,
    Spots,
    NewSpots,
    ActiveSpots,
    SpotUpdates,
    Celebrities,
    Movies,
    Events,
    Account,
    Users,
    Access,
    Notifications,
)
