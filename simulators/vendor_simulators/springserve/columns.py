"""The columns of each list and their types, from the vendor's documentation and the specification.

`num` is money or a rate, possibly sent as text; `word` is a text or, as in the OpenAPI file's examples for connected
tags, a boolean; `time` is a timestamp; `ints`, `texts`, `objects` and `hours` are arrays. `+` includes another group of
columns.
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
        int: deal_count
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
    "id_list": """
        + common
        + list
        text: status
        int: ids_count pending_ids_count processed_ids_count
        time: deleted_at
    """,
    "geo_targeting": """
        word: domain_targeting app_name_targeting app_bundle_targeting ip_targeting country_targeting state_targeting
            city_targeting metro_area_targeting postal_code_targeting
        text: country_source state_source city_source metro_area_source postal_code_source budget_timezone
        ints: domain_list_ids app_name_list_ids app_bundle_list_ids ip_list_ids country_list_ids state_list_ids
            city_list_ids metro_area_list_ids postal_code_list_ids
        texts: allowed_player_sizes
    """,
    "channel_id_lists": """
        + id_list
    """,
    "deal_id_lists": """
        + id_list
    """,
    "placement_id_lists": """
        + id_list
    """,
    "publisher_id_lists": """
        + id_list
    """,
    "parameter_lists": """
        + common
        + list
        text: macro_param
    """,
    "value_lists": """
        + common
        text: description
        int: key_id
        texts: free_values
        ints: value_ids
    """,
    "isp_lists": """
        + common
        + list
        texts: isp_names
    """,
    "scanned_creative_lists": """
        + common
        + list
    """,
    "connected_demand": """
        + common
        + geo_targeting
        bool: active is_active key_value_targeting segment_targeting_enabled competitive_exclusions_enabled
            targeted_macros_enabled respect_pod_order device_id_required post_imp_detection_enabled
            realtime_viewability forward_deal_ids_enabled bypass_private_auction_flag_enabled share_eids_enabled
        int: demand_partner_id campaign_id demand_class openrtb_auction_type
        num: rate floor_rate booked_revenue share_of_voice_goal_percent
        text: rate_currency floor_rate_currency deal_id vast_endpoint_url demand_code secondary_code start_date end_date
            flight_dates_timezone isp_source competitive_exclusion_iab_source
        ints: isp_list_ids competitive_exclusion_iab_category_list_ids demand_label_ids
        objects: supply_tag_assignments demand_tag_priorities
    """,
    "connected_supply": """
        + common
        + geo_targeting
        bool: active is_active segment_targeting_enabled targeted_macros_enabled blocking_unknown_advertiser_domains
            pre_bid_blocking_enabled post_imp_detection_enabled
        int: supply_partner_id revenue_model_type
        num: rate
        text: rate_currency environment
        objects: tag_pixels demand_tag_priorities
    """,
    "direct_connections": """
        + common
        bool: active is_active
    """,
    "programmatic_guaranteed": """
        + common
        bool: active is_active post_imp_detection_enabled mediaocean_prisma_enabled
        int: demand_class demand_partner_id campaign_id
        num: rate booked_revenue post_imp_percentage_whiteops post_imp_percentage_ias post_imp_percentage_moat
            post_imp_percentage_protected post_imp_percentage_forensiq
        text: rate_currency code secondary_code note vast_endpoint_url start_date end_date flight_dates_timezone
            budget_timezone mediaocean_prisma_order_id mediaocean_prisma_campaign_id mediaocean_prisma_placement_id
            mediaocean_prisma_campaign_link
        ints: demand_label_ids
        objects: inventory_groups line_item_ratios frequency_caps tag_pixels
    """,
    "clearline_deals": """
        + common
        bool: active is_active pending
        text: note
        object: deal_setting
    """,
    "spotx_connects": """
        + common
        bool: active is_active
        int: demand_partner_id campaign_id demand_class
        num: rate
        text: rate_currency note deal_id
    """,
    "accounts": """
        int: id account_type_id account_manager_id account_owner_id net_payable_term net_receivable_term
            contract_term_months multicall_max daily_impression_goal
        text: name platform_type reporting_view website_url email default_currency support_level
            contract_commencement_date minimum_commencement_date
        bool: active is_active is_test display_in_dropdown direct_connect_enabled multi_currency_enabled tier_a_active
            tier_b_active tier_c_active tier_e_active tier_f_active
        num: credit_limit monthly_minimum
        texts: quickstats_currencies
        time: created_at updated_at
    """,
    "users": """
        + common
        text: email role timezone client_object_type
        bool: active is_active account_contact high_volume_user
        ints: supply_partner_ids demand_partner_ids supply_label_ids demand_label_ids
    """,
    "advertiser_domain_list_advertiser_domains": """
        int: advertiser_domain_list_id
        text: name
    """,
    "ip_list_ips": """
        int: ip_list_id
        text: ip
    """,
    "segment_items": """
        int: segment_id
        text: item
    """,
    "deal_list_deals": """
        + common
        int: deal_list_id deal_setting_id
        bool: is_active
    """,
    "channel_id_list_channel_ids": """
        int: channel_id_list_id
        text: channel_id
    """,
    "deal_id_list_deal_ids": """
        int: deal_id_list_id
        text: deal_id
    """,
    "placement_id_list_placement_ids": """
        int: placement_id_list_id
        text: placement_id
    """,
    "publisher_id_list_publisher_ids": """
        int: publisher_id_list_id
        text: publisher_id
    """,
    "parameter_list_values": """
        int: parameter_list_id
        text: value
    """,
    "demand_tag_keys": """
        int: demand_tag_id id key_id
        text: group list_type demand_tag_key_type targeting_key_type
        bool: key_required
        texts: free_values
        ints: value_ids value_list_ids
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


GROUPS = ("targeting", "more_targeting", "common", "list", "id_list", "geo_targeting")

COLUMNS: dict[str, dict[str, str]] = {name: _read(name) for name in _TABLES if name not in GROUPS}
"""Column types by list."""
