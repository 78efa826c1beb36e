"""The lists. To add one, add a class here, in `STREAMS`, and its schema to `schemas/`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_adtech.records.values import to_text
from typing_extensions import override

from tap_springserve.client import EntityStream, ListStream
from tap_springserve.members import MEMBERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class SupplyTags(EntityStream):
    """Inventory that a publisher sells."""

    name = "supply_tags"
    path = "/supply_tags"
    primary_keys = ("id",)
    replication_key = "updated_at"


class DemandTags(EntityStream):
    """Tags through which buyers buy, including line items and deals."""

    name = "demand_tags"
    path = "/demand_tags"
    primary_keys = ("id",)
    replication_key = "updated_at"


class Creatives(EntityStream):
    """Creatives of every kind."""

    name = "creatives"
    path = "/creatives"
    primary_keys = ("id",)
    replication_key = "updated_at"


class SupplyLabels(EntityStream):
    """Labels of supply tags."""

    name = "supply_labels"
    path = "/supply_labels"
    primary_keys = ("id",)
    replication_key = "updated_at"


class DemandLabels(EntityStream):
    """Labels of demand tags."""

    name = "demand_labels"
    path = "/demand_labels"
    primary_keys = ("id",)
    replication_key = "updated_at"


class DomainLists(EntityStream):
    """Lists of domains, for targeting; their members are domain_list_domains."""

    name = "domain_lists"
    path = "/domain_lists"
    primary_keys = ("id",)
    replication_key = "updated_at"


class AppBundleLists(EntityStream):
    """Lists of app bundles, for targeting; their members are app_bundle_list_app_bundles."""

    name = "app_bundle_lists"
    path = "/app_bundle_lists"
    primary_keys = ("id",)
    replication_key = "updated_at"


class Campaigns(ListStream):
    """Campaigns of demand partners."""

    name = "campaigns"
    path = "/campaigns"
    primary_keys = ("id",)


class SupplyPartners(ListStream):
    """Sellers of inventory."""

    name = "supply_partners"
    path = "/supply_partners"
    primary_keys = ("id",)


class DemandPartners(ListStream):
    """Buyers of inventory."""

    name = "demand_partners"
    path = "/demand_partners"
    primary_keys = ("id",)


class SupplyRouters(ListStream):
    """Rules that assign requests to supply tags."""

    name = "supply_routers"
    path = "/supply_routers"
    primary_keys = ("id",)


class AppNameLists(EntityStream):
    """Lists of app names, for targeting; their members are app_name_list_app_names."""

    name = "app_name_lists"
    path = "/app_name_lists"
    primary_keys = ("id",)
    replication_key = "updated_at"
    selected_by_default = False


class DealLists(EntityStream):
    """Lists of deals, for targeting; their members are deal_list_deals."""

    name = "deal_lists"
    path = "/deal_lists"
    primary_keys = ("id",)
    replication_key = "updated_at"
    selected_by_default = False


class PartnerSegments(EntityStream):
    """Audience segments of partners."""

    name = "partner_segments"
    path = "/partner_segments"
    primary_keys = ("id",)
    replication_key = "updated_at"
    selected_by_default = False


class Bills(EntityStream):
    """Monthly bills; their items are bill_items."""

    name = "bills"
    path = "/bills"
    primary_keys = ("id",)
    replication_key = "updated_at"
    selected_by_default = False
    declared_array = True


class GeoLists(EntityStream):
    """Lists of places, for targeting; ids are unique within a type only."""

    name = "geo_lists"
    path = "/geo_lists"
    primary_keys = ("type", "id")
    replication_key = "updated_at"
    selected_by_default = False
    declared_array = True
    has_v0 = False
    keyset_remedy = "deselect the stream: v0 does not have this list"


class AdvertiserDomainLists(ListStream):
    """Lists of advertisers' domains, for targeting; their members are advertiser_domain_list_advertiser_domains."""

    name = "advertiser_domain_lists"
    path = "/advertiser_domain_lists"
    primary_keys = ("id",)
    selected_by_default = False


class IpLists(ListStream):
    """Lists of IP addresses, for targeting; their members are ip_list_ips."""

    name = "ip_lists"
    path = "/ip_lists"
    primary_keys = ("id",)
    selected_by_default = False


class Keys(ListStream):
    """Reporting keys; their values are key_values."""

    name = "keys"
    path = "/keys"
    primary_keys = ("id",)
    selected_by_default = False


class Segments(ListStream):
    """Audience segments of the account; their members are segment_items."""

    name = "segments"
    path = "/segments"
    primary_keys = ("id",)
    selected_by_default = False


class ChannelIdLists(ListStream):
    """Lists of channel ids, for targeting; their members are channel_id_list_channel_ids."""

    name = "channel_id_lists"
    path = "/channel_id_lists"
    primary_keys = ("id",)
    selected_by_default = False


class DealIdLists(ListStream):
    """Lists of deal ids, for targeting; their members are deal_id_list_deal_ids."""

    name = "deal_id_lists"
    path = "/deal_id_lists"
    primary_keys = ("id",)
    selected_by_default = False


class PlacementIdLists(ListStream):
    """Lists of placement ids, for targeting; their members are placement_id_list_placement_ids."""

    name = "placement_id_lists"
    path = "/placement_id_lists"
    primary_keys = ("id",)
    selected_by_default = False


class PublisherIdLists(ListStream):
    """Lists of publisher ids, for targeting; their members are publisher_id_list_publisher_ids."""

    name = "publisher_id_lists"
    path = "/publisher_id_lists"
    primary_keys = ("id",)
    selected_by_default = False


class ParameterLists(ListStream):
    """Lists of values of a macro, for targeting; their members are parameter_list_values."""

    name = "parameter_lists"
    path = "/parameter_lists"
    primary_keys = ("id",)
    selected_by_default = False


class ValueLists(ListStream):
    """Lists of values of reporting keys, for targeting."""

    name = "value_lists"
    path = "/value_lists"
    primary_keys = ("id",)
    selected_by_default = False


class IspLists(ListStream):
    """Lists of internet providers, for targeting."""

    name = "isp_lists"
    path = "/isp_lists"
    primary_keys = ("id",)
    selected_by_default = False
    version = "v1"


class ScannedCreativeLists(ListStream):
    """Lists of scanned creatives, for targeting."""

    name = "scanned_creative_lists"
    path = "/scanned_creative_lists"
    primary_keys = ("id",)
    selected_by_default = False
    version = "v1"


class ConnectedStream(ListStream):
    """Tags of connected accounts.

    Their columns `*_targeting` are texts, but booleans in the vendor's examples of requests: `true` becomes a text.
    """

    selected_by_default = False
    shared = True

    @property
    @override
    def converters(self) -> Mapping[str, Callable[[Any], Any]]:
        texts = (name for name, declared in self.schema["properties"].items() if "string" in declared["type"])
        return {**super().converters, **dict.fromkeys((one for one in texts if one.endswith("_targeting")), _word)}


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else to_text(value)


class ConnectedDemand(ConnectedStream):
    """Demand of other accounts that is connected to this one."""

    name = "connected_demand"
    path = "/connected_demand"
    primary_keys = ("id",)


class ConnectedSupply(ConnectedStream):
    """Supply of other accounts that is connected to this one."""

    name = "connected_supply"
    path = "/connected_supply"
    primary_keys = ("id",)


class DirectConnections(ListStream):
    """Direct connections between accounts."""

    name = "direct_connections"
    path = "/direct_connections"
    primary_keys = ("id",)
    selected_by_default = False
    shared = True


class ProgrammaticGuaranteed(ListStream):
    """Programmatic guaranteed deals."""

    name = "programmatic_guaranteed"
    path = "/programmatic_guaranteed"
    primary_keys = ("id",)
    selected_by_default = False


class ClearlineDeals(ListStream):
    """Deals of ClearLine accounts."""

    name = "clearline_deals"
    path = "/clearline_deals"
    primary_keys = ("id",)
    selected_by_default = False
    version = "v1"


class SpotxConnects(ListStream):
    """Demand tags of SpotX."""

    name = "spotx_connects"
    path = "/spotx_connects"
    primary_keys = ("id",)
    selected_by_default = False


class Accounts(ListStream):
    """Accounts that the user may read."""

    name = "accounts"
    path = "/accounts"
    primary_keys = ("id",)
    selected_by_default = False


class Users(ListStream):
    """Users of the console: personal data."""

    name = "users"
    path = "/users"
    primary_keys = ("id",)
    selected_by_default = False
    shared = True


STREAMS = (
    SupplyTags,
    DemandTags,
    Creatives,
    SupplyLabels,
    DemandLabels,
    DomainLists,
    AppBundleLists,
    Campaigns,
    SupplyPartners,
    DemandPartners,
    SupplyRouters,
    AppNameLists,
    DealLists,
    PartnerSegments,
    Bills,
    GeoLists,
    AdvertiserDomainLists,
    IpLists,
    Keys,
    Segments,
    ChannelIdLists,
    DealIdLists,
    PlacementIdLists,
    PublisherIdLists,
    ParameterLists,
    ValueLists,
    IspLists,
    ScannedCreativeLists,
    ConnectedDemand,
    ConnectedSupply,
    DirectConnections,
    ProgrammaticGuaranteed,
    ClearlineDeals,
    SpotxConnects,
    Accounts,
    Users,
    *MEMBERS,
)
"""All streams except reports."""
