"""Settings: defaults and limits against the specification's table, and what a bad value gets."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.dates import ALLOWED
from tap_adspect.tap import TapAdspect

if TYPE_CHECKING:
    from singer_adtech.testing import TapRunner
    from vendor_simulators.adspect import AdspectSimulator

NONE = object()
BASE_METRICS = [
    "clicks",
    "uniques",
    "fingerprints",
    "money_hits",
    "money_uniques",
    "safe_hits",
    "givt",
    "sivt",
    "mia",
    "quality",
    "expenses",
    "conversions",
    "revenue",
    "profit",
]
REPORTS = [{"name": "funnel_daily", "dimensions": ["date", "stream_id"], "metrics": BASE_METRICS}]

# name: type, default, lowest, highest
SETTINGS: dict[str, tuple[str, Any, int | None, int | None]] = {
    "api_key": ("string", NONE, None, None),
    "start_date": ("string", NONE, None, None),
    "end_date": ("string", NONE, None, None),
    "time_zone": ("string", "UTC", None, None),
    "lookback_days": ("integer", 7, 0, 90),
    "window_days": ("integer", 7, 1, 31),
    "reports": ("array", REPORTS, None, None),
    "stream_ids": ("array", NONE, None, None),
    "log_window_minutes": ("integer", 60, 1, 1440),
    "log_lookback_hours": ("integer", 24, 0, 720),
    "log_lag_minutes": ("integer", 15, 0, 1440),
    "log_row_limit": ("integer", NONE, 2, None),
    "log_count_check": ("boolean", True, None, None),
    "ip_addresses": ("string", "raw", None, None),
    "ip_salt": ("string", NONE, None, None),
    "page_size": ("integer", 100, 1, 100),
    "parallel_requests": ("integer", 1, 1, 4),
    "budget_folder": ("string", NONE, None, None),
    "request_timeout": ("integer", 300, 1, 3600),
    "max_response_mb": ("integer", 512, 1, 16_384),
    "extra_fields": ("string", "keep", None, None),
    "row_count_check": ("string", "fail", None, None),
    "on_forbidden": ("string", "skip", None, None),
    "api_url": ("string", "https://api.adspect.net/v1", None, None),
    "allow_http": ("boolean", False, None, None),
    "user_agent": ("string", NONE, None, None),
}
GOOD: dict[str, Any] = {"api_key": "SEbMw152aoe2ArffS7yjEJzJ_MFnd33e", "start_date": "2025-03-28"}
BUILT_IN = ("stream_map", "faker", "flattening", "emit_")


def test_settings_are_those_of_the_table() -> None:
    declared = TapAdspect.config_jsonschema["properties"]
    own = {name: one for name, one in declared.items() if not name.startswith(BUILT_IN)}
    assert own.keys() == SETTINGS.keys()
    for name, (kind, default, low, high) in SETTINGS.items():
        types = own[name]["type"]
        assert kind in ([types] if isinstance(types, str) else types)
        assert own[name].get("default", NONE) == default
        assert (own[name].get("minimum"), own[name].get("maximum")) == (low, high)
        assert len(own[name]["description"]) > 10
    assert TapAdspect.config_jsonschema["required"] == ["api_key", "start_date"]
    assert {name for name, one in own.items() if one.get("secret")} == {"api_key", "ip_salt"}


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("api_key", None, "setting `api_key` is missing"),
        ("api_key", "", "setting `api_key`: the value is not allowed: a string that is not empty"),
        ("start_date", None, "setting `start_date` is missing"),
        ("start_date", "soon", f"setting `start_date`: 'soon' is not allowed: {ALLOWED}"),
        ("end_date", "2025-13-01", f"setting `end_date`: '2025-13-01' is not allowed: {ALLOWED}"),
        (
            "end_date",
            "2025-03-27",
            (
                "setting `end_date`: '2025-03-27' is before `start_date` '2025-03-28': give a later day, or leave it "
                "out to read up to today"
            ),
        ),
        (
            "time_zone",
            "Mars/Base",
            "setting `time_zone`: 'Mars/Base' is not a time zone: give an IANA name such as `Europe/Berlin`",
        ),
        ("lookback_days", -1, "setting `lookback_days`: -1 is not allowed: an integer from 0 to 90"),
        ("lookback_days", 91, "setting `lookback_days`: 91 is not allowed: an integer from 0 to 90"),
        ("window_days", 0, "setting `window_days`: 0 is not allowed: an integer from 1 to 31"),
        ("window_days", 32, "setting `window_days`: 32 is not allowed: an integer from 1 to 31"),
        ("page_size", 101, "setting `page_size`: 101 is not allowed: an integer from 1 to 100"),
        ("page_size", 0, "setting `page_size`: 0 is not allowed: an integer from 1 to 100"),
        ("parallel_requests", 5, "setting `parallel_requests`: 5 is not allowed: an integer from 1 to 4"),
        ("parallel_requests", 0, "setting `parallel_requests`: 0 is not allowed: an integer from 1 to 4"),
        ("log_window_minutes", 0, "setting `log_window_minutes`: 0 is not allowed: an integer from 1 to 1440"),
        ("log_window_minutes", 1441, "setting `log_window_minutes`: 1441 is not allowed: an integer from 1 to 1440"),
        ("log_lookback_hours", 721, "setting `log_lookback_hours`: 721 is not allowed: an integer from 0 to 720"),
        ("log_lag_minutes", -1, "setting `log_lag_minutes`: -1 is not allowed: an integer from 0 to 1440"),
        ("log_row_limit", 1, "setting `log_row_limit`: 1 is not allowed: an integer of at least 2"),
        ("log_count_check", "perhaps", "setting `log_count_check`: 'perhaps' is not allowed: a boolean"),
        ("ip_addresses", "none", "setting `ip_addresses`: 'none' is not allowed: one of raw, hash, omit"),
        ("ip_addresses", "hash", "setting `ip_salt` is missing: `ip_addresses: hash` needs it"),
        ("ip_salt", "fifteen letters", "setting `ip_salt`: the value is not allowed: at least 16 characters"),
        ("stream_ids", ["a", ""], "setting `stream_ids[1]`: '' is not allowed: a string that is not empty"),
        ("extra_fields", "hide", "setting `extra_fields`: 'hide' is not allowed: one of keep, drop, fail"),
        ("row_count_check", "yes", "setting `row_count_check`: 'yes' is not allowed: one of fail, warn, off"),
    ],
)
def test_a_bad_value_is_refused_in_one_line_before_the_first_request(
    run_tap: TapRunner, adspect: AdspectSimulator, setting: str, value: Any, said: str
) -> None:
    settings = {**GOOD, "api_url": adspect.api_url, setting: value}
    run = run_tap({name: one for name, one in settings.items() if one is not None}, fails=True)
    assert run.error == said
    assert len(adspect.journal) == 0
    assert run.output == ""


def test_more_than_a_hundred_streams_are_refused(run_tap: TapRunner) -> None:
    run = run_tap({**GOOD, "stream_ids": [str(number) for number in range(101)]}, fails=True)
    assert run.error.startswith("setting `stream_ids`: ['0', '1', ")
    assert run.error.endswith(" is not allowed: a list, of at most 100, each item a string that is not empty")


@pytest.mark.parametrize(
    "key",
    [
        base64.b64encode(b"SEbMw152aoe2ArffS7yjEJzJ_MFnd33e:").decode(),
        base64.b64encode(b"k:").decode(),
        "Basic " + base64.b64encode(b"some key:").decode(),
        base64.b64encode(b"some key:").decode() + "\n",
    ],
)
def test_the_ready_made_header_value_is_refused(run_tap: TapRunner, adspect: AdspectSimulator, key: str) -> None:
    run = run_tap({**adspect.settings(), "api_key": key}, fails=True)
    assert run.error == "setting `api_key`: this is the Authorization header; use the raw API key"
    assert len(adspect.journal) == 0


@pytest.mark.parametrize(
    "key",
    [
        "SEbMw152aoe2ArffS7yjEJzJ_MFnd33e",
        base64.b64encode(b"no colon").decode(),
        base64.b64encode(b"\xff\xfe:").decode(),
        base64.b64encode(b"a\x00:").decode(),
        "abcd",
    ],
)
def test_a_raw_key_is_taken_whatever_it_looks_like(run_tap: TapRunner, key: str) -> None:
    # When nothing is selected, which is judged after the settings
    run = run_tap({**GOOD, "api_key": key, "reports": []}, "nothing", fails=True)
    assert run.error.startswith("no stream is selected")


@pytest.mark.parametrize("name", ["end_date", "time_zone", "reports", "stream_ids", "log_row_limit", "ip_salt"])
def test_a_setting_that_is_null_has_its_default(run_tap: TapRunner, adspect: AdspectSimulator, name: str) -> None:
    run = run_tap({**adspect.settings(), name: None}, "funnel_daily")
    assert run.by_key("funnel_daily", "date", "stream_id") == adspect.truth("funnel_daily")
