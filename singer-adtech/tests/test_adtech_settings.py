"""Settings, and the one line that a bad value gets."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from singer_adtech import settings
from singer_adtech.dates import ALLOWED
from singer_adtech.errors import SettingError
from singer_sdk import typing as th
from singer_sdk.plugin_base import JSONSchemaValidator

NEW_YORK = ZoneInfo("America/New_York")

SCHEMA: dict[str, Any] = th.PropertiesList(
    th.Property("client_secret", th.StringType(pattern="^.{8,}$"), required=True, secret=True),
    settings.api_url("https://api.example/v1"),
    settings.start_date("UTC"),
    settings.end_date("UTC"),
    settings.lookback_days(3, 30, "as rows change"),
    settings.window_days(1, 31),
    settings.page_size(100, 1000, "a list"),
    settings.parallel_requests(2, 10, "pages"),
    settings.request_timeout(),
    settings.extra_fields(),
    settings.row_count_check(),
    settings.user_agent("tap-x"),
    th.Property("types", th.ArrayType(th.StringType(allowed_values=["N", "R"]))),
    th.Property("includes", th.CustomType({"type": "array", "minItems": 1, "items": {"type": "string"}})),
    th.Property("ids", th.CustomType({"type": "array", "maxItems": 2, "items": {"type": "integer"}})),
    th.Property("factor", th.NumberType(minimum=0)),
    th.Property("flag", th.BooleanType),
    th.Property("name", th.StringType(min_length=1)),
    th.Property("code", th.StringType(pattern="^[A-Z]+$")),
).to_dict()


def problems(**config: Any) -> list[str]:
    """Return what is wrong with these settings, beside which all is well."""
    whole = {"client_secret": "long enough", "start_date": "2024-03-01"} | config
    whole = {name: value for name, value in whole.items() if value is not ...}
    errors = JSONSchemaValidator(SCHEMA).iter_errors(whole)
    return [settings.explain(error, SCHEMA["properties"], "TAP_X_") for error in errors]


def test_defaults_are_those_of_every_tap() -> None:
    # given
    config = {"client_secret": "long enough", "start_date": "2024-03-01"}
    # when
    errors = list(JSONSchemaValidator(SCHEMA).iter_errors(config))
    # then
    assert errors == []
    assert config == {
        "client_secret": "long enough",
        "start_date": "2024-03-01",
        "api_url": "https://api.example/v1",
        "lookback_days": 3,
        "window_days": 1,
        "page_size": 100,
        "parallel_requests": 2,
        "request_timeout": 300,
        "extra_fields": "keep",
        "row_count_check": "fail",
    }


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ({"start_date": ...}, "setting `start_date` is missing: set it, with Meltano as `TAP_X_START_DATE` in .env"),
        ({"page_size": 20000}, "setting `page_size`: 20000 is not allowed: an integer from 1 to 1000"),
        ({"page_size": "10"}, "setting `page_size`: '10' is not allowed: an integer from 1 to 1000"),
        ({"lookback_days": -1}, "setting `lookback_days`: -1 is not allowed: an integer from 0 to 30"),
        ({"window_days": 0}, "setting `window_days`: 0 is not allowed: an integer from 1 to 31"),
        ({"parallel_requests": 11}, "setting `parallel_requests`: 11 is not allowed: an integer from 1 to 10"),
        ({"request_timeout": 0}, "setting `request_timeout`: 0 is not allowed: an integer from 1 to 3600"),
        ({"factor": -0.5}, "setting `factor`: -0.5 is not allowed: a number of at least 0"),
        ({"extra_fields": "hide"}, "setting `extra_fields`: 'hide' is not allowed: one of keep, drop, fail"),
        ({"row_count_check": "no"}, "setting `row_count_check`: 'no' is not allowed: one of fail, warn, off"),
        ({"types": ["N", "X"]}, "setting `types[1]`: 'X' is not allowed: one of N, R"),
        ({"types": "N"}, "setting `types`: 'N' is not allowed: a list, each item one of N, R"),
        ({"includes": []}, "setting `includes`: [] is not allowed: a list, not empty, each item a string"),
        ({"flag": "yes"}, "setting `flag`: 'yes' is not allowed: a boolean"),
        ({"name": ""}, "setting `name`: '' is not allowed: a string that is not empty"),
        ({"code": "a"}, "setting `code`: 'a' is not allowed: a string like ^[A-Z]+$"),
        ({"start_date": 20240301}, f"setting `start_date`: 20240301 is not allowed: {ALLOWED}"),
        # Not quoted: it looks like an address, and people paste credentials into any setting.
        ({"name": ["https://a:b@c"]}, "setting `name`: the value is not allowed: a string that is not empty"),
    ],
)
def test_a_bad_value_gets_one_line_with_what_is_allowed(config: dict[str, Any], line: str) -> None:
    assert problems(**config) == [line]


def test_a_user_agent_is_one_line_of_plain_characters() -> None:
    assert len(problems(user_agent="a\r\nX-Evil: 1")) == 1
    assert problems(user_agent="acme-pipelines/2 (ops@acme.example)") == []


def test_a_list_that_is_too_long_is_told_how_long_it_may_be() -> None:
    assert problems(ids=[1, 2, 3]) == [
        "setting `ids`: [1, 2, 3] is not allowed: a list, of at most 2, each item an integer"
    ]


def test_a_secret_is_not_shown() -> None:
    assert problems(client_secret="") == ["setting `client_secret`: '' is not allowed: a string like ^.{8,}$"]
    assert problems(client_secret="s3cret") == [
        "setting `client_secret`: the value is not allowed: a string like ^.{8,}$"
    ]


def test_a_schema_that_is_a_boolean_is_described_too() -> None:
    assert (settings.allowed(declared=True), settings.allowed(declared=False)) == ("anything", "nothing")


def test_a_zone_is_an_iana_name() -> None:
    assert settings.zone("America/New_York") == NEW_YORK


@pytest.mark.parametrize("name", ["Eastern", "../../etc/passwd", "", "America/"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    # when
    with pytest.raises(SettingError) as caught:
        settings.zone(name, "reports[0].time_zone")
    # then
    assert str(caught.value) == (
        f"setting `reports[0].time_zone`: {name!r} is not a time zone: give an IANA name such as `Europe/Berlin`"
    )
