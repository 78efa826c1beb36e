"""The columns of each list and their types, from the vendor's documentation and the specification.

`num` is money or a rate, possibly sent as text; `time` is a timestamp; `ints`, `texts`, `objects` and `hours` are
arrays. `+` includes another group of columns.
"""

from __future__ import annotations

_TABLES = {
    "targeting": """
        text: domain_targeting app_name_targeting app_bundle_targeting ip_targeting advertiser_domain_targeting
            country_source postal_code_targeting postal_code_source budget_timezone
        ints: domain_list_ids app_name_list_ids app_bundle_list_ids ip_list_ids advertiser_domain_list_ids
            country_list_ids postal_code_list_ids
        bool: blocking_unknown_advertiser_domains post_imp_detection_enabled pre_bid_blocking_enabled
            segment_targeting_enabled media_file_mime_type_targeting blocking_unknown_media_file_mime_type
            media_file_duration_targeting blocking_unknown_media_file_duration media_file_bit_rate_targeting
            blocking_unknown_media_file_bit_rate media_file_media_container_targeting
            blocking_unknown_media_containers media_file_audio_volume_targeting
            blocking_unknown_media_file_audio_volume targeted_macros_enabled country_white_list
            creative_language_allow_list creative_language_block_unknown dnt_param_required lmt_param_required
            us_privacy_supply_white_list us_privacy_param_required gdpr_supply_param_required
            gdpr_consent_param_required coppa_param_required
        int: post_imp_percentage_whiteops post_imp_percentage_ias post_imp_percentage_moat
            post_imp_percentage_protected post_imp_percentage_forensiq media_file_min_duration media_file_max_duration
            media_file_min_bit_rate media_file_max_bit_rate media_file_audio_volume_mean
        texts: pre_bid_blocking_components user_agent_devices user_agent_brands user_agent_operating_systems
            user_agent_browsers media_file_mime_types media_file_media_containers country_codes postal_codes
            creative_language_codes dnt_values lmt_values us_privacy_values gdpr_supply_values
            gdpr_consent_string_values coppa_values
        objects: segment_groups targeted_macros budgets tag_pixels
        hours: day_parting
    """,
    "more_targeting": """
        text: dma_source
        ints: dma_list_ids dma_codes
        bool: dma_white_list targeted_iab_category_white_list targeted_iab_tier2_categories_white_list
            targeted_iab_tier2_category_white_list
        texts: targeted_iab_categories targeted_iab_tier2_category targeted_iab_tier2_categories player_sizes
    """,
    "common": """
        int: id account_id
        text: name
        time: created_at updated_at
    """,
    "list": """
        text: description
        bool: active is_active
    """,
    "supply_tags": """
        + targeting
        + more_targeting
        + common
        int: supply_partner_id supply_class timeout
        bool: active is_active rpm_floor_openrtb rpm_floor_hb direct_connect tracking_player_cost
            ignore_advertiser_domain_targeting ignore_iab_targeting allow_duplicate_creatives allow_duplicate_adomains
            waterfall_slot_build creative_brandsafe_override creative_allow_objectionable third_party_overrides
            blocking_vast_containing_companion_ads removing_companion_ads_from_vast js_vpaid_enabled
            vpaid_none_allow_vpaid_demand obfuscate_ip_address_enabled
        num: rate rpm_floor openrtb_floor
        text: payment_terms environment format note supply_type min_aspect_ratio max_aspect_ratio vast_version
        ints: supply_label_ids key_ids
        object: pod optimization
        texts: audited_creative_statuses obf_ip_flags
    """,
    "demand_tags": """
        + targeting
        + common
        bool: active is_active is_new direct_connect guaranteed_delivery is_reserved
        int: demand_partner_id campaign_id demand_forecast_id spring_serve_deal_id creative_id demand_class
            cost_model_type campaign_tier multi_call_maximum skip_offset timeout line_item_creatives_count
            supply_tags_count
        text: type format environment bidder_type bid_platform ad_server auction_type buying_model demand_code
            secondary_code note deal_id tier_name guaranteed_tier partner_tier_override vast_endpoint_url
            creative_landing_page_url rate_currency floor_rate_currency curator_fee_currency curator_fee_type
            bid_floor_type start_date end_date flight_dates_timezone
        num: rate floor_rate booked_revenue bid_margin breakout_bid min_bid_price max_bid_price
            share_of_voice_goal_percent
        ints: demand_label_ids targeting_demand_ids isp_list_ids bid_modifier_ids rtd_signals
        objects: demand_labels demand_tag_keys demand_tag_priorities frequency_caps line_item_ratios budget_caps
            curator_fees non_billable_fees macro_overrides
        object: campaign creative demand_partner spring_serve_deal bid_params bid_optional_params
    """,
    "campaigns": """
        + common
        bool: is_active is_managed has_rate guaranteed_delivery demand_tiering partner_tier_override_enabled
            third_party_fee_net_revenue
        int: demand_partner_id cost_model_type third_party_fee_metric
        num: rate booked_revenue third_party_fee
        text: rate_currency code secondary_code note guaranteed_tier partner_tier_override third_party_fee_currency
        ints: demand_tag_ids
        objects: campaign_tiers tag_pixels non_billable_fees budget_data
        texts: audited_creative_statuses
        object: demand_partner targeting_spend_profile targeting_time_profile targeting_geo_profile
            targeting_page_attribute_profile
    """,
    "supply_partners": """
        + common
        text: code tiles_response_type
        bool: direct_connect optimization_active_default optimization_custom_defaults iris_tv_active
            nielsen_dar_active wrap_tracking_pixels ssb_return_bid_price fire_nurl_upstream_enabled
        object: optimization_settings_default targeting_geo_profile targeting_page_attribute_profile
        int: default_open_market_tier supply_allocation_default
        objects: tag_pixels
        texts: audited_creative_statuses
    """,
    "demand_partners": """
        + common
        text: code secondary_code note third_party_fee_currency creative_landing_page_url
        num: third_party_fee
        int: third_party_fee_metric direct_connect_account_id default_tier
        bool: third_party_fee_net_revenue direct_connect buy_flagged_supply nielsen_dar_active
        texts: audited_creative_statuses
        ints: account_manager_ids
        objects: account_managers tag_pixels non_billable_fees budget_data
        object: targeting_spend_profile targeting_time_profile targeting_geo_profile targeting_page_attribute_profile
    """,
    "supply_routers": """
        + targeting
        + more_targeting
        + common
        bool: active third_party_override
        int: supply_partner_id
        text: code note custom_response
        ints: key_ids
        objects: supply_router_ratios
    """,
    "creatives": """
        + common
        text: type creative_format code secondary_code creative_file_name creative_content_type creative_remote_url
            vast_endpoint_url filepath_value advertiser_domain creative_landing_page_url custom_code overlay_text
            tiles_template start_date end_date flight_dates_timezone
        bool: is_active clickable custom
        int: demand_partner_id width height creative_file_size
        num: duration_seconds
        texts: creative_remote_urls iab_tier_1_category_codes iab_tier_2_category_codes
        time: creative_updated_at
        ints: line_item_demand_tag_ids
        objects: budgets tag_pixels frequency_caps
    """,
    "supply_labels": """
        + common
        ints: supply_tag_ids
    """,
    "demand_labels": """
        + common
        ints: demand_tag_ids
        int: tags_count users_count
    """,
    "domain_lists": """
        + common
        + list
    """,
    "app_bundle_lists": """
        + common
        + list
        bool: partial_match
    """,
    "app_name_lists": """
        + common
        + list
        bool: partial_match
    """,
    "deal_lists": """
        + common
        + list
    """,
    "advertiser_domain_lists": """
        + common
        + list
    """,
    "ip_lists": """
        + common
        + list
    """,
    "domain_list_domains": """
        int: domain_list_id
        text: name
    """,
    "app_bundle_list_app_bundles": """
        int: app_bundle_list_id
        text: app_bundle
    """,
    "app_name_list_app_names": """
        int: app_name_list_id
        text: app_name
    """,
    "demand_tag_priorities": """
        + common
        int: supply_tag_id demand_tag_id tier priority slot_number
        num: ratio
        text: slot_order demand_tag_name
    """,
    "keys": """
        + common
        text: key definition_type description
        bool: log_level_reporting_only supply_client_reporting_enabled demand_client_reporting_enabled
            key_sharing_enabled
    """,
    "key_values": """
        + common
        int: key_id
        text: value
    """,
    "segments": """
        + common
        text: description segment_type segment_list_type segment_pixel_type
        bool: active
        int: user_expiration_value
    """,
    "bills": """
        + common
        text: month currency
        bool: is_finalized is_invoice is_direct_connect is_openrtb
        num: total_bill_amount total_amount_collected
        int: bill_items_count
    """,
    "bill_items": """
        + common
        int: bill_id
        text: label
        num: units unit_cost total_cost
    """,
    "partner_segments": """
        + common
        text: code description
        num: cpm
        int: vendor_id size
        bool: is_active
        object: vendor account_partner_segment
    """,
    "geo_lists": """
        + common
        text: type description
        bool: active
    """,
}


def _read(name: str) -> dict[str, str]:
    columns: dict[str, str] = {}
    kind = ""
    for word in _TABLES[name].replace("+ ", "+").split():
        if word.startswith("+"):
            columns.update(_read(word[1:]))
        elif word.endswith(":"):
            kind = word[:-1]
        else:
            columns[word] = kind
    return columns


GROUPS = ("targeting", "more_targeting", "common", "list")

COLUMNS: dict[str, dict[str, str]] = {name: _read(name) for name in _TABLES if name not in GROUPS}
"""Column types by list."""
