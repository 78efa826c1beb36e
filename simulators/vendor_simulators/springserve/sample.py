"""The supply tag of the wiki page "Supply Tag API", with the example value of each field."""

from __future__ import annotations

from typing import Any

SAMPLE_ID = 25530
ACCOUNT_ID = 391

SAMPLE: dict[str, Any] = {
    "id": SAMPLE_ID,
    "account_id": ACCOUNT_ID,
    "name": "API Example Router",
    "rate": 10.2,
    "payment_terms": "Rev-Share",
    "rpm_floor": 12.24,
    "rpm_floor_openrtb": True,
    "rpm_floor_hb": False,
    "openrtb_floor": 13.24,
    "environment": "desktop",
    "domain_targeting": "Allowlist",
    "domain_list_ids": [211852, 123456],
    "app_name_list_ids": [527, 5352],
    "app_bundle_list_ids": [250761, 247375],
    "ip_list_ids": [164, 907],
    "advertiser_domain_list_ids": [433, 484],
    "pod": {
        "id": 67830,
        "max_duration": 300,
        "custom_ad_slot_duration": False,
        "unfilled_slot_opt_out_enabled": True,
        "max_unfilled_slots": 2,
        "duplicate_creatives": True,
        "duplicate_adomains": True,
        "ad_slots": [
            {"id": 36713, "position": 3, "min_duration": 10, "max_duration": 30},
            {"id": 36712, "position": 2, "min_duration": 10, "max_duration": 30},
            {"id": 36711, "position": 1, "min_duration": 10, "max_duration": 30},
        ],
    },
    "pre_bid_blocking_components": ["springserve", "whiteops", "protected"],
    "key_ids": [2102, 3124],
    "note": "notes about router",
    "min_aspect_ratio": "0.563",
    "max_aspect_ratio": "1.777",
    "format": "video",
    "player_sizes": ["xs", "s", "m", "l", "xl", "u"],
    "user_agent_devices": [
        *("Computer", "Mobile Web", "Mobile In-app", "Tablet Web", "Tablet In-app", "Games Console", "CTV"),
        *("Set-top Box", "Other"),
    ],
    "segment_groups": [
        {
            "id": 28839,
            "group": "1",
            "white_list": True,
            "segment_group_type": "segments",
            "segment_ids": [10869, 10004],
            "partner_segment_ids": [],
        }
    ],
    "media_file_mime_types": ["application/dash+xml", "application/javascript", "video/mp4"],
    "media_file_min_duration": 10,
    "media_file_max_duration": 30,
    "media_file_min_bit_rate": 1000,
    "media_file_max_bit_rate": 5000,
    "targeted_macros": [
        {
            "id": 20135,
            "macro_param": "{{CHANNEL_NAME}}",
            "list_type": "white_list",
            "source_type": "values",
            "targeted_values": ["12345"],
            "parameter_list_ids": [],
            "param_required": False,
            "created_at": "2023-07-18T11:41:40.835Z",
        }
    ],
    "media_file_media_containers": ["MPEG-41", "MPEG-42"],
    "media_file_audio_volume_mean": -17,
    "country_source": "list",
    "country_list_ids": [184],
    "country_codes": ["UK", "US", "IT"],
    "dma_list_ids": [199],
    "dma_codes": [525],
    "postal_codes": ["10001", "GB:SW1A", "FR:75001", "AR:B1228"],
    "postal_code_list_ids": [1235],
    "creative_language_allow_list": " ",
    "creative_language_codes": ["en-GB", "en-US", "fr-FR"],
    "supply_partner_id": 66463,
    "supply_label_ids": [1051],
    "supply_type": None,
    "supply_class": 2,
    "direct_connect": True,
    "targeted_iab_category_white_list": None,
    "targeted_iab_categories": ["Automotive"],
    "targeted_iab_tier2_category": ["Auto Body Styles", "Automotive"],
    "dnt_values": ["true", "false", "empty"],
    "lmt_values": ["true", "false", "empty"],
    "us_privacy_values": ["1yyy"],
    "gdpr_supply_values": ["true", "false", "empty"],
    "gdpr_consent_string_values": ["valid", "invalid", "empty"],
    "audited_creative_statuses": ["pending", "approved", "rejected"],
    "optimization": {
        "active": True,
        "version": "",
        "learn_pct": "1.0",
        "mode": "black_box",
        "settings": {"metric": "rpm", "lookback_minutes": "60"},
    },
    "timeout": 3000,
    "vast_version": "3.0",
    "obf_ip_flags": ["coppa", "gdpr", "dnt"],
    "budget_timezone": "America/New_York",
    "day_parting": [[True] * 8 + [False] * 16 for _ in range(7)],
    "tag_pixels": [
        {
            "id": 244,
            "pixel_type": "AdImpression",
            "pixel_url": "https://springserve.com/",
            "pixel_format": "image",
            "created_at": "2021-03-19T14:30:06.675Z",
        }
    ],
}
"""As in the wiki, except for three shortened lists of names; of two example numbers, the decimal one."""
