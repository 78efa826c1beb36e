"""The child streams: members of lists, and what belongs to a tag, a key or a bill."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from typing_extensions import override

from tap_springserve.client import MemberStream

if TYPE_CHECKING:
    from singer_sdk.helpers.types import Record

_ENCODER = msgspec.json.Encoder(decimal_format="number")


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
    """Positions of demand tags in the waterfalls of supply tags; one request per supply tag.

    Assumed: a demand tag occurs once per tier of a supply tag, and not in two slots of a pod. If wrong, a warning names
    the key, and the stream ends because fewer keys than reported rows were read; with `row_count_check: warn` all rows
    are emitted.
    """

    name = "demand_tag_priorities"
    path = "/supply_tags/{}/demand_tag_priorities"
    parent_path = "/supply_tags"
    parent_key = "supply_tag_id"
    primary_keys = ("supply_tag_id", "demand_tag_id", "tier")
    selected_by_default = False
    version = "v1"

    @override
    def digest(self, record: Record) -> int:
        return hash(_ENCODER.encode(record))

    _warned_of_key = False

    @override
    def on_duplicate(self, record: Record, *, same: bool) -> bool:
        if same:
            return super().on_duplicate(record, same=same)
        self.counts.read_whole = False
        if not self._warned_of_key:
            self._warned_of_key = True
            self.log_lines.warning(
                "different rows have the same %s: a loader keeps only one of them. Report this, unless the list was "
                "changed during the run",
                ", ".join(self.primary_keys),
            )
        return True


class AdvertiserDomainListAdvertiserDomains(MemberStream):
    """Members of advertiser domain lists: may be millions of rows."""

    name = "advertiser_domain_list_advertiser_domains"
    path = "/advertiser_domain_lists/{}/advertiser_domains"
    parent_path = "/advertiser_domain_lists"
    parent_key = "advertiser_domain_list_id"
    primary_keys = ("advertiser_domain_list_id", "name")
    selected_by_default = False


class IpListIps(MemberStream):
    """Members of IP lists: may be millions of rows."""

    name = "ip_list_ips"
    path = "/ip_lists/{}/ips"
    parent_path = "/ip_lists"
    parent_key = "ip_list_id"
    primary_keys = ("ip_list_id", "ip")
    selected_by_default = False


class SegmentItems(MemberStream):
    """Members of segments, device ids or cookies: personal data; may be millions of rows."""

    name = "segment_items"
    path = "/segments/{}/items"
    parent_path = "/segments"
    parent_key = "segment_id"
    primary_keys = ("segment_id", "item")
    selected_by_default = False


class DealListDeals(MemberStream):
    """Members of deal lists."""

    name = "deal_list_deals"
    path = "/deal_lists/{}/deals"
    parent_path = "/deal_lists"
    parent_key = "deal_list_id"
    primary_keys = ("deal_list_id", "id")
    selected_by_default = False


class ChannelIdListChannelIds(MemberStream):
    """Members of channel id lists."""

    name = "channel_id_list_channel_ids"
    path = "/channel_id_lists/{}/channel_ids"
    parent_path = "/channel_id_lists"
    parent_key = "channel_id_list_id"
    primary_keys = ("channel_id_list_id", "channel_id")
    selected_by_default = False
    member = "channel_id"


class DealIdListDealIds(MemberStream):
    """Members of deal id lists."""

    name = "deal_id_list_deal_ids"
    path = "/deal_id_lists/{}/deal_ids"
    parent_path = "/deal_id_lists"
    parent_key = "deal_id_list_id"
    primary_keys = ("deal_id_list_id", "deal_id")
    selected_by_default = False
    member = "deal_id"


class PlacementIdListPlacementIds(MemberStream):
    """Members of placement id lists."""

    name = "placement_id_list_placement_ids"
    path = "/placement_id_lists/{}/placement_ids"
    parent_path = "/placement_id_lists"
    parent_key = "placement_id_list_id"
    primary_keys = ("placement_id_list_id", "placement_id")
    selected_by_default = False
    member = "placement_id"


class PublisherIdListPublisherIds(MemberStream):
    """Members of publisher id lists."""

    name = "publisher_id_list_publisher_ids"
    path = "/publisher_id_lists/{}/publisher_ids"
    parent_path = "/publisher_id_lists"
    parent_key = "publisher_id_list_id"
    primary_keys = ("publisher_id_list_id", "publisher_id")
    selected_by_default = False
    member = "publisher_id"


class ParameterListValues(MemberStream):
    """Members of parameter lists."""

    name = "parameter_list_values"
    path = "/parameter_lists/{}/values"
    parent_path = "/parameter_lists"
    parent_key = "parameter_list_id"
    primary_keys = ("parameter_list_id", "value")
    selected_by_default = False
    member = "value"


class DemandTagKeys(MemberStream):
    """Reporting keys that demand tags target; up to two requests per demand tag.

    Assumed: `/demand_tags` lists the tags of all classes, connected and programmatic guaranteed ones included. If
    wrong, their keys are missing: compare the parents' ids with those in connected_demand and programmatic_guaranteed.
    """

    name = "demand_tag_keys"
    path = "/demand_tags/{}/demand_tag_keys"
    parent_path = "/demand_tags"
    parent_key = "demand_tag_id"
    primary_keys = ("demand_tag_id", "id")
    selected_by_default = False


MEMBERS = (
    DomainListDomains,
    AppBundleListAppBundles,
    AppNameListAppNames,
    KeyValues,
    BillItems,
    DemandTagPriorities,
    AdvertiserDomainListAdvertiserDomains,
    IpListIps,
    SegmentItems,
    DealListDeals,
    ChannelIdListChannelIds,
    DealIdListDealIds,
    PlacementIdListPlacementIds,
    PublisherIdListPublisherIds,
    ParameterListValues,
    DemandTagKeys,
)
"""All child streams."""
