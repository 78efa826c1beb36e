"""The streams, except reports. To add a list, add a class here, in `STREAMS`, and its schema to `schemas/`."""

from __future__ import annotations

from tap_springserve.client import EntityStream, ListStream, MemberStream


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
    """Lists of deals, for targeting."""

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
    """Lists of advertisers' domains, for targeting."""

    name = "advertiser_domain_lists"
    path = "/advertiser_domain_lists"
    primary_keys = ("id",)
    selected_by_default = False


class IpLists(ListStream):
    """Lists of IP addresses, for targeting."""

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
    """Audience segments of the account."""

    name = "segments"
    path = "/segments"
    primary_keys = ("id",)
    selected_by_default = False


class DomainListDomains(MemberStream):
    """Members of domain lists: may be millions of rows."""

    name = "domain_list_domains"
    path = "/domain_lists/{}/domains"
    parent_path = "/domain_lists"
    parent_key = "domain_list_id"
    primary_keys = ("domain_list_id", "name")
    selected_by_default = False


class AppBundleListAppBundles(MemberStream):
    """Members of app bundle lists: may be millions of rows."""

    name = "app_bundle_list_app_bundles"
    path = "/app_bundle_lists/{}/app_bundles"
    parent_path = "/app_bundle_lists"
    parent_key = "app_bundle_list_id"
    primary_keys = ("app_bundle_list_id", "app_bundle")
    selected_by_default = False


class AppNameListAppNames(MemberStream):
    """Members of app name lists: may be millions of rows."""

    name = "app_name_list_app_names"
    path = "/app_name_lists/{}/app_names"
    parent_path = "/app_name_lists"
    parent_key = "app_name_list_id"
    primary_keys = ("app_name_list_id", "app_name")
    selected_by_default = False


class KeyValues(MemberStream):
    """Values of reporting keys."""

    name = "key_values"
    path = "/keys/{}/values"
    parent_path = "/keys"
    parent_key = "key_id"
    primary_keys = ("key_id", "id")
    selected_by_default = False


class BillItems(MemberStream):
    """Items of bills."""

    name = "bill_items"
    path = "/bills/{}/bill_items"
    parent_path = "/bills"
    parent_key = "bill_id"
    primary_keys = ("bill_id", "id")
    selected_by_default = False


class DemandTagPriorities(MemberStream):
    """Positions of demand tags in the waterfalls of supply tags; one request per supply tag."""

    name = "demand_tag_priorities"
    path = "/supply_tags/{}/demand_tag_priorities"
    parent_path = "/supply_tags"
    parent_key = "supply_tag_id"
    primary_keys = ("supply_tag_id", "demand_tag_id", "tier")
    selected_by_default = False
    version = "v1"


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
    DomainListDomains,
    AppBundleListAppBundles,
    AppNameListAppNames,
    KeyValues,
    BillItems,
    DemandTagPriorities,
)
"""All streams except reports."""
