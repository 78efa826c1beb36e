"""Settings of this tap alone: credentials, accounts, reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.exceptions import ConfigValidationError
from tap_springserve.tap import TapSpringServe

if TYPE_CHECKING:
    from singer_adtech.testing import TapRunner
    from springserve_fixtures import Script

GOOD: dict[str, Any] = {"email": "a@b.example", "password": "made-up-password", "start_date": "2026-02-01"}
MINE: dict[str, Any] = {"name": "mine", "dimensions": ["supply_tag_id"], "metrics": ["revenue"]}


def complaint(**changed: Any) -> str:
    """Return the one line that settings get."""
    settings = {name: value for name, value in {**GOOD, **changed}.items() if value is not None}
    with pytest.raises(ConfigValidationError) as caught:
        TapSpringServe(config=settings)
    (line,) = caught.value.errors
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"email": None, "password": None}, "settings `email` and `password` are missing: give `email` and `password`"),
        ({"email": None}, "setting `email` is missing: give `email` and `password`, or `auth_token`"),
        ({"password": None}, "setting `password` is missing: give `email` and `password`, or `auth_token`"),
        ({"password": ""}, "setting `password` is missing: give `email` and `password`, or `auth_token`"),
        ({"auth_token": "two\nlines"}, "setting `auth_token`: the value is not allowed"),
        (
            {"timestamp_zone": "Mars/Base"},
            "setting `timestamp_zone`: 'Mars/Base' is not a time zone: give an IANA name",
        ),
        ({"overlap_minutes": -1}, "setting `overlap_minutes`: -1 is not allowed: an integer from 0 to 10080"),
        ({"account_id": 0}, "setting `account_id`: 0 is not allowed: an integer of at least 1"),
        ({"account_id": "mine"}, "setting `account_id`: 'mine' is not allowed: an integer of at least 1"),
    ],
)
def test_a_bad_setting_gets_one_line(changed: dict[str, Any], said: str) -> None:
    assert complaint(**changed).startswith(said)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": "Mine"}, "`name` 'Mine' is not allowed"),
        ({"name": "1st"}, "`name` '1st' is not allowed"),
        ({"name": None}, "`name` None is not allowed"),
        ({"name": "supply_tags"}, "`name` 'supply_tags' is the name of another stream"),
        ({"dimensions": "supply_tag_id"}, "`dimensions` 'supply_tag_id' is not allowed"),
        ({"dimensions": ["a", "a"]}, "`dimensions` has 'a' twice"),
        ({"metrics": [1]}, "`metrics` [1] is not allowed"),
        ({"metrics": ["supply_tag_id"]}, "'supply_tag_id' is in both `dimensions` and `metrics`"),
        ({"dimensions": ["date"]}, "'date' is a column that the tap adds to each report"),
        ({"interval": "week"}, "`interval` 'week' is not allowed: one of hour, day, cumulative"),
        ({"filters": ["x"]}, "`filters` ['x'] is not allowed"),
        ({"filters": {"supply_tag_ids": 3}}, "`filters` has 'supply_tag_ids' with 3: give a list"),
        ({"filters": {"supply_tag_ids": [None]}}, "`filters` has 'supply_tag_ids' with [None]: give a list"),
        ({"filters": {"date_range": ["Today"]}}, "`filters` has 'date_range': the request itself uses this name"),
        ({"filters": {"timezone": ["UTC"]}}, "`filters` has 'timezone': the request itself uses this name"),
        ({"currency": "Euro"}, "`currency` 'Euro' is not allowed: three letters"),
        ({"async": "yes"}, "`async` 'yes' is not allowed: true or false"),
        ({"time_zone": "Mars/Base"}, "`time_zone`: 'Mars/Base' is not a time zone"),
        ({"interval": "hour", "time_zone": "Europe/Berlin"}, "`time_zone` 'Europe/Berlin' is not allowed with"),
        ({"lookback_days": 400}, "`lookback_days` 400 is not allowed: an integer from 0 to 365"),
        ({"window_days": 0}, "`window_days` 0 is not allowed: an integer from 1 to 366"),
        ({"window_days": 367}, "`window_days` 367 is not allowed: an integer from 1 to 366"),
        ({"primary_keys": ["supply_tag_id"]}, "`primary_keys` ['supply_tag_id'] is not allowed: date must be among"),
        ({"primary_keys": ["date", "colour"]}, "`primary_keys` has 'colour': allowed are date, supply_tag_id"),
        ({"colour": "red"}, "'colour' is not a member of a report"),
    ],
)
def test_a_bad_report_gets_one_line_that_names_report_and_field(changed: dict[str, Any], field: str) -> None:
    report = {**MINE, **changed}
    line = complaint(reports=[report])

    name = report["name"]
    assert line.startswith(f"setting `reports`, report {name or 1}: {field}")


def test_two_reports_of_one_name_are_refused() -> None:
    assert "report mine: `name` 'mine' is the name of another stream" in complaint(reports=[MINE, MINE])


@pytest.mark.parametrize("reports", ["all", [3], {"name": "x"}])
def test_reports_that_are_no_list_of_objects_are_refused(reports: Any) -> None:
    assert "`reports" in complaint(reports=reports)


def test_a_zone_of_the_settings_does_not_fit_an_hourly_report() -> None:
    line = complaint(time_zone="America/New_York", reports=[{**MINE, "interval": "hour"}])

    assert "`time_zone` 'America/New_York' is not allowed with the interval hour: it must be UTC" in line


def test_no_reports_switches_them_off() -> None:
    streams = TapSpringServe(config={**GOOD, "reports": []}).streams

    every = TapSpringServe(validate_config=False).streams
    assert streams.keys() == every.keys() - {"supply_daily", "demand_daily"}


def test_numbers_from_the_environment_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**GOOD, "report_poll_interval": "0.5", "account_id": "7"}.items():
        monkeypatch.setenv(f"TAP_SPRINGSERVE_{name.upper()}", value)

    config = TapSpringServe(parse_env_config=True).config

    assert (config["report_poll_interval"], config["account_id"]) == (0.5, 7)


def test_the_user_agent_is_sent(run_tap: TapRunner, script: Script) -> None:
    vendor = script.answers([], [])
    run_tap(vendor.settings(), "campaigns")
    run_tap({**vendor.settings(), "user_agent": "mine/1"}, "campaigns")

    assert [one.headers["User-Agent"].split("/")[0] for one in vendor.data_requests] == ["tap-springserve", "mine"]
