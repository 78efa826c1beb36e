"""Settings: defaults and limits against the specification's table, and what a bad value gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.dates import ALLOWED
from tap_ispot.tap import TapISpot

if TYPE_CHECKING:
    from ispot_fixtures import RunTap
    from vendor_simulators.ispot import ISpotSimulator

NONE = object()
AIRING_INCLUDES = [
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

# name: type, default, lowest, highest
SETTINGS: dict[str, tuple[str, Any, int | None, int | None]] = {
    "client_id": ("string", NONE, None, None),
    "client_secret": ("string", NONE, None, None),
    "start_date": ("string", NONE, None, None),
    "end_date": ("string", NONE, None, None),
    "lookback_days": ("integer", 30, 0, 365),
    "window_days": ("integer", 1, 1, 31),
    "airing_types": ("array", ["N", "R"], None, None),
    "national_only": ("boolean", True, None, None),
    "brand_ids": ("array", [], None, None),
    "industry_ids": ("array", [], None, None),
    "network_ids": ("array", [], None, None),
    "airing_includes": ("array", AIRING_INCLUDES, None, None),
    "spot_includes": ("array", ["brand", "parent", "type", "children", "products", "events"], None, None),
    "airing_sort": ("string", "airing_date_et,id", None, None),
    "accessible_only": ("boolean", True, None, None),
    "api_version": ("string", NONE, None, None),
    "page_size": ("integer", 10_000, 1, 10_000),
    "catalog_page_size": ("integer", 1000, 1, 10_000),
    "parallel_requests": ("integer", 4, 1, 10),
    "budget_folder": ("string", NONE, None, None),
    "request_timeout": ("integer", 300, 1, 3600),
    "max_response_mb": ("integer", 512, 1, 16_384),
    "extra_fields": ("string", "keep", None, None),
    "row_count_check": ("string", "fail", None, None),
    "on_forbidden": ("string", "skip", None, None),
    "api_url": ("string", "https://api.ispot.tv/v4", None, None),
    "allow_http": ("boolean", False, None, None),
    "user_agent": ("string", NONE, None, None),
}
# What singer-sdk adds to every tap
BUILT_IN = {
    "stream_maps",
    "stream_map_config",
    "faker_config",
    "flattening_enabled",
    "flattening_max_depth",
    "flattening_max_key_length",
    "flattening_separator",
}
DECLARED = TapISpot.config_jsonschema["properties"]


def test_settings_are_those_of_the_table() -> None:
    assert DECLARED.keys() - BUILT_IN == SETTINGS.keys()
    assert set(TapISpot.config_jsonschema["required"]) == {"client_id", "client_secret", "start_date"}
    assert {name for name, declared in DECLARED.items() if declared.get("secret")} == {"client_id", "client_secret"}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_as_the_table_says(name: str) -> None:
    declared = DECLARED[name]
    kind, default, lowest, highest = SETTINGS[name]
    assert [one for one in declared["type"] if one != "null"] == [kind]
    assert declared.get("default", NONE) == default
    assert (declared.get("minimum"), declared.get("maximum")) == (lowest, highest)
    assert declared["description"]


GOOD = {"client_id": "abcd", "client_secret": "efgh", "start_date": "2024-03-08"}


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("client_id", None, "setting `client_id` is missing"),
        ("client_secret", None, "setting `client_secret` is missing"),
        ("client_id", "", "setting `client_id`: the value is not allowed: a string that is not empty"),
        ("client_secret", "", "setting `client_secret`: the value is not allowed: a string that is not empty"),
        ("start_date", None, "setting `start_date` is missing"),
        (
            "start_date",
            "soon",
            f"setting `start_date`: 'soon' is not allowed: {ALLOWED}",
        ),
        (
            "end_date",
            "2024-13-01",
            f"setting `end_date`: '2024-13-01' is not allowed: {ALLOWED}",
        ),
        (
            "end_date",
            "2024-03-07",
            (
                "setting `end_date`: '2024-03-07' is before `start_date` '2024-03-08': give a later day, or leave it "
                "out to read up to today"
            ),
        ),
        ("page_size", 20_000, "setting `page_size`: 20000 is not allowed: an integer from 1 to 10000"),
        ("page_size", 0, "setting `page_size`: 0 is not allowed: an integer from 1 to 10000"),
        ("catalog_page_size", 10_001, "setting `catalog_page_size`: 10001 is not allowed: an integer from 1 to 10000"),
        ("lookback_days", -1, "setting `lookback_days`: -1 is not allowed: an integer from 0 to 365"),
        ("lookback_days", 366, "setting `lookback_days`: 366 is not allowed: an integer from 0 to 365"),
        ("window_days", 0, "setting `window_days`: 0 is not allowed: an integer from 1 to 31"),
        ("window_days", 32, "setting `window_days`: 32 is not allowed: an integer from 1 to 31"),
        ("parallel_requests", 11, "setting `parallel_requests`: 11 is not allowed: an integer from 1 to 10"),
        ("airing_types", ["X"], "setting `airing_types[0]`: 'X' is not allowed: one of N, R, L, SC, NS"),
        ("national_only", "perhaps", "setting `national_only`: 'perhaps' is not allowed: a boolean"),
        ("brand_ids", [1, "two"], "setting `brand_ids[1]`: 'two' is not allowed: an integer of at least 1"),
        (
            "airing_includes",
            [],
            "setting `airing_includes`: [] is not allowed: a list, not empty, each item a string that is not empty",
        ),
        ("airing_sort", 5, "setting `airing_sort`: 5 is not allowed: a string that is not empty"),
        ("extra_fields", "hide", "setting `extra_fields`: 'hide' is not allowed: one of keep, drop, fail"),
        ("row_count_check", "yes", "setting `row_count_check`: 'yes' is not allowed: one of fail, warn, off"),
    ],
)
def test_a_bad_value_is_refused_in_one_line_before_the_first_request(
    run_tap: RunTap, ispot: ISpotSimulator, setting: str, value: Any, said: str
) -> None:
    # Given good settings but for one
    settings = {**GOOD, "api_url": ispot.api_url, setting: value}
    # When
    run = run_tap(settings, fails=True)
    # Then
    assert run.error == said
    assert "\n" not in run.error
    assert len(ispot.journal) == 0
    assert run.output == ""


@pytest.mark.parametrize(
    ("setting", "value"),
    [("api_version", "2024-3-1"), ("api_url", "ftp://api.ispot.tv/v4"), ("api_url", "http://api.ispot.tv/v4")],
)
def test_a_value_of_another_form_is_refused_with_its_name(run_tap: RunTap, setting: str, value: str) -> None:
    run = run_tap({**GOOD, setting: value}, fails=True)
    # An address is not shown, because it may hold credentials
    shown = "the value" if setting == "api_url" else repr(value)
    assert run.error.startswith(f"setting `{setting}`: {shown} is not allowed: ")


def test_several_bad_values_are_all_named(run_tap: RunTap) -> None:
    run = run_tap({**GOOD, "page_size": 0, "window_days": 99}, fails=True)
    assert sorted(run.error.split("; ")) == [
        "setting `page_size`: 0 is not allowed: an integer from 1 to 10000",
        "setting `window_days`: 99 is not allowed: an integer from 1 to 31",
    ]


def test_a_secret_is_never_shown(run_tap: RunTap) -> None:
    run = run_tap({**GOOD, "client_secret": ["Tr1f3k6PzStGh0cWLu"]}, fails=True)
    assert run.error == "setting `client_secret`: the value is not allowed: a string that is not empty"


@pytest.mark.parametrize("name", ["lookback_days", "end_date", "api_version", "airing_types"])
def test_a_setting_that_is_null_has_its_default(run_tap: RunTap, ispot: ISpotSimulator, name: str) -> None:
    run = run_tap({**ispot.settings(), "start_date": "2024-03-12", name: None}, "audience_airings")
    assert run.by_key() == ispot.truth("audience_airings", first_day=ispot.last_day)
