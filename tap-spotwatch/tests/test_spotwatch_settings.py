"""Settings: defaults and limits against the specification's table, and what a bad value gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.dates import ALLOWED
from tap_spotwatch.tap import TapSpotwatch

if TYPE_CHECKING:
    from singer_adtech.testing import TapRunner
    from vendor_simulators.spotwatch import SpotwatchSimulator

NONE = object()

# name: type, default, lowest, highest
SETTINGS: dict[str, tuple[str, Any, int | None, int | None]] = {
    "api_key": ("string", NONE, None, None),
    "api_url": ("string", "https://api.spotwatch.io", None, None),
    "allow_http": ("boolean", False, None, None),
    "start_date": ("string", NONE, None, None),
    "end_date": ("string", NONE, None, None),
    "regions": ("array", [], None, None),
    "channels": ("array", [], None, None),
    "page_size": ("integer", 10_000, 1, 100_000),
    "window_days": ("integer", 1, 1, 366),
    "ads_lookback_days": ("integer", 7, 0, 366),
    "broadcasts_lookback_days": ("integer", 3, 0, 366),
    "blocks_lookback_minutes": ("integer", 60, 0, 44_640),
    "parallel_requests": ("integer", 2, 1, 8),
    "budget_folder": ("string", NONE, None, None),
    "request_timeout": ("integer", 300, 1, 3600),
    "max_response_mb": ("integer", 512, 1, 16_384),
    "include_media": ("boolean", False, None, None),
    "include_user_payload": ("boolean", False, None, None),
    "message_queue": ("boolean", False, None, None),
    "row_count_check": ("string", "fail", None, None),
    "on_forbidden": ("string", "skip", None, None),
    "extra_fields": ("string", "keep", None, None),
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
DECLARED = TapSpotwatch.config_jsonschema["properties"]


def test_settings_are_those_of_the_table() -> None:
    assert DECLARED.keys() - BUILT_IN == SETTINGS.keys()
    assert set(TapSpotwatch.config_jsonschema["required"]) == {"api_key", "start_date"}
    assert {name for name, declared in DECLARED.items() if declared.get("secret")} == {"api_key"}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_as_the_table_says(name: str) -> None:
    declared = DECLARED[name]
    kind, default, lowest, highest = SETTINGS[name]
    assert [one for one in declared["type"] if one != "null"] == [kind]
    assert declared.get("default", NONE) == default
    assert (declared.get("minimum"), declared.get("maximum")) == (lowest, highest)
    assert declared["description"]


def out_of_range(name: str) -> list[tuple[str, Any, str]]:
    """Return values just beyond both limits of a number, and what they get."""
    _, _, lowest, highest = SETTINGS[name]
    assert lowest is not None
    assert highest is not None
    said = f"is not allowed: an integer from {lowest} to {highest}"
    return [(name, value, f"setting `{name}`: {value} {said}") for value in (lowest - 1, highest + 1)]


BAD: list[tuple[str, Any, str]] = [
    *[case for name, (_, _, lowest, _) in SETTINGS.items() if lowest is not None for case in out_of_range(name)],
    ("api_key", None, "setting `api_key` is missing"),
    ("api_key", "", "setting `api_key`: the value is not allowed: a string that is not empty"),
    (
        "api_key",
        "two\nlines-of-it",
        (
            "setting `api_key`: the value is not allowed: use the key as issued: printable ASCII without leading or "
            "trailing spaces"
        ),
    ),
    ("start_date", None, "setting `start_date` is missing"),
    ("start_date", "soon", f"setting `start_date`: 'soon' is not allowed: {ALLOWED}"),
    ("end_date", "2024-13-01", f"setting `end_date`: '2024-13-01' is not allowed: {ALLOWED}"),
    *[
        (
            "end_date",
            end,
            (
                f"setting `end_date`: {end!r} is before `start_date` '2024-06-08': give a later day, or leave it "
                "out to read up to today"
            ),
        )
        for end in ("2024-06-07", "2024-06-07T23:59:59Z", "2024-06-08T01:00:00+02:00")
    ],
    *[
        (name, [good, bad], f"setting `{name}`: {bad!r} is not allowed: use one name per entry, without commas")
        for name, good in (("regions", "de"), ("channels", "vox"))
        for bad in ("at,fr", "", " ")
    ],
    ("regions", "de", "setting `regions`: 'de' is not allowed: a list, each item a string"),
    ("channels", [1], "setting `channels[0]`: 1 is not allowed: a string"),
    ("row_count_check", "maybe", "setting `row_count_check`: 'maybe' is not allowed: one of fail, warn, off"),
    ("extra_fields", "eat", "setting `extra_fields`: 'eat' is not allowed: one of keep, drop, fail"),
    ("include_media", "perhaps", "setting `include_media`: 'perhaps' is not allowed: a boolean"),
    ("message_queue", 2, "setting `message_queue`: 2 is not allowed: a boolean"),
    *[
        ("api_url", url, f"setting `api_url`: the value is not allowed: {why}")
        for url, why in (
            ("ftp://api.spotwatch.io", "it does not begin with https:// and a host"),
            ("https://me@host", "it contains user information"),
            ("https://host/?key=1", "it contains a query or a fragment"),
            ("http://api.spotwatch.io", "http would send the credentials to api.spotwatch.io unencrypted"),
        )
    ],
]


@pytest.mark.parametrize(("setting", "value", "said"), BAD, ids=lambda value: str(value)[:30])
def test_a_bad_value_gets_one_line_and_no_request(
    run_tap: TapRunner, spotwatch: SpotwatchSimulator, setting: str, value: Any, said: str
) -> None:
    # given
    settings = {**spotwatch.settings(), setting: value}
    # when
    run = run_tap(settings, fails=True)
    # then
    assert run.error == said or (setting == "api_url" and run.error.startswith(f"{said}: g"))
    assert list(spotwatch.journal) == []
    assert run.messages == []


@pytest.mark.parametrize("name", [name for name, (_, _, lowest, _) in SETTINGS.items() if lowest is not None])
def test_both_limits_are_allowed(name: str) -> None:
    _, _, lowest, highest = SETTINGS[name]
    for value in (lowest, highest):
        TapSpotwatch(config={"api_key": "made-up", "start_date": "2024-06-01", name: value})


def test_a_slash_at_the_end_of_the_address_is_dropped(run_tap: TapRunner, spotwatch: SpotwatchSimulator) -> None:
    run_tap({**spotwatch.settings(), "api_url": f"{spotwatch.url}/"}, "regions")
    assert [request.target for request in spotwatch.journal] == ["/get-all-regions"]
