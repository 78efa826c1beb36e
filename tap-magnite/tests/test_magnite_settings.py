"""Settings: defaults and limits against the specification's table, and what a bad value gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.dates import ALLOWED
from tap_magnite.tap import TapMagnite

if TYPE_CHECKING:
    from singer_adtech.testing import TapRunner
    from vendor_simulators.magnite import MagniteSimulator

NONE = object()
BUILT_IN = {
    "name": "adstats_daily",
    "dimensions": ["day", "publisher", "supply", "adUnit", "currency"],
    "metrics": ["requests", "impressions", "fillRate", "useRate", "netRevenue", "grossRevenue"],
}

# name: type, default, lowest, highest
SETTINGS: dict[str, tuple[str, Any, float | None, float | None]] = {
    "access_key": ("string", NONE, None, None),
    "secret_key": ("string", NONE, None, None),
    "api_url": ("string", "https://api.tremorhub.com/v1/resources", None, None),
    "allow_http": ("boolean", False, None, None),
    "start_date": ("string", NONE, None, None),
    "end_date": ("string", NONE, None, None),
    "time_zone": ("string", "UTC", None, None),
    "lookback_days": ("integer", 3, 0, 45),
    "window_days": ("integer", 7, 1, 45),
    "reports": ("array", [BUILT_IN], None, None),
    "poll_interval": ("number", 10, 0.1, 60),
    "query_timeout": ("number", 1800, 1, 86400),
    "busy_wait": ("number", 60, 0.1, 600),
    "busy_timeout": ("number", 5400, 1, 86400),
    "include_details": ("boolean", False, None, None),
    "parallel_requests": ("integer", 4, 1, 10),
    "budget_folder": ("string", NONE, None, None),
    "resource_paths": ("object", NONE, None, None),
    "query_sources_path": ("string", NONE, None, None),
    "discover_fields": ("boolean", False, None, None),
    "request_timeout": ("integer", 300, 1, 3600),
    "max_response_mb": ("integer", 512, 1, 16_384),
    "extra_fields": ("string", "keep", None, None),
    "on_forbidden": ("string", "skip", None, None),
    "user_agent": ("string", NONE, None, None),
}
# What singer-sdk adds to every tap
ADDED = {
    "stream_maps",
    "stream_map_config",
    "faker_config",
    "flattening_enabled",
    "flattening_max_depth",
    "flattening_max_key_length",
    "flattening_separator",
}
DECLARED = TapMagnite.config_jsonschema["properties"]


def test_settings_are_those_of_the_table() -> None:
    assert DECLARED.keys() - ADDED == SETTINGS.keys()
    assert set(TapMagnite.config_jsonschema["required"]) == {"access_key", "secret_key", "start_date"}
    assert {name for name, declared in DECLARED.items() if declared.get("secret")} == {"access_key", "secret_key"}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_as_the_table_says(name: str) -> None:
    declared = DECLARED[name]
    kind, default, lowest, highest = SETTINGS[name]
    assert [one for one in declared["type"] if one != "null"] == [kind]
    assert declared.get("default", NONE) == default
    assert (declared.get("minimum"), declared.get("maximum")) == (lowest, highest)
    assert declared["description"]


PATH = "give a path that begins with one `/`, without `?`, `#` and `..`"


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("access_key", None, "setting `access_key` is missing"),
        ("secret_key", None, "setting `secret_key` is missing"),
        ("access_key", "", "setting `access_key`: the value is not allowed: a string that is not empty"),
        ("secret_key", "", "setting `secret_key`: the value is not allowed: a string that is not empty"),
        ("start_date", None, "setting `start_date` is missing"),
        ("start_date", "soon", f"setting `start_date`: 'soon' is not allowed: {ALLOWED}"),
        ("start_date", "2025-02-30", f"setting `start_date`: '2025-02-30' is not allowed: {ALLOWED}"),
        ("end_date", "2025-13-01", f"setting `end_date`: '2025-13-01' is not allowed: {ALLOWED}"),
        (
            "time_zone",
            "Mars/Olympus",
            ("setting `time_zone`: 'Mars/Olympus' is not a time zone: give an IANA name such as `Europe/Berlin`"),
        ),
        ("lookback_days", -1, "setting `lookback_days`: -1 is not allowed: an integer from 0 to 45"),
        ("lookback_days", 46, "setting `lookback_days`: 46 is not allowed: an integer from 0 to 45"),
        ("window_days", 0, "setting `window_days`: 0 is not allowed: an integer from 1 to 45"),
        ("window_days", 46, "setting `window_days`: 46 is not allowed: an integer from 1 to 45"),
        ("poll_interval", 0.05, "setting `poll_interval`: 0.05 is not allowed: a number from 0.1 to 60"),
        ("poll_interval", 61, "setting `poll_interval`: 61 is not allowed: a number from 0.1 to 60"),
        ("query_timeout", 0, "setting `query_timeout`: 0 is not allowed: a number from 1 to 86400"),
        ("query_timeout", 86401, "setting `query_timeout`: 86401 is not allowed: a number from 1 to 86400"),
        ("busy_wait", 0, "setting `busy_wait`: 0 is not allowed: a number from 0.1 to 600"),
        ("busy_wait", 601, "setting `busy_wait`: 601 is not allowed: a number from 0.1 to 600"),
        ("busy_timeout", 0, "setting `busy_timeout`: 0 is not allowed: a number from 1 to 86400"),
        ("busy_timeout", 86401, "setting `busy_timeout`: 86401 is not allowed: a number from 1 to 86400"),
        ("parallel_requests", 0, "setting `parallel_requests`: 0 is not allowed: an integer from 1 to 10"),
        ("parallel_requests", 11, "setting `parallel_requests`: 11 is not allowed: an integer from 1 to 10"),
        ("include_details", "perhaps", "setting `include_details`: 'perhaps' is not allowed: a boolean"),
        ("resource_paths", "/seats", "setting `resource_paths`: '/seats' is not allowed: an object"),
        (
            "resource_paths",
            {"adUnits": "/adunits"},
            (
                "setting `resource_paths`: 'adUnits' is not allowed: give paths for seats, publishers, brands, supply, "
                "ad_units"
            ),
        ),
        *(
            ("resource_paths", {"supply": path}, f"setting `resource_paths.supply`: {path!r} is not allowed: {PATH}")
            for path in ("supplies", "//supplies", "/supplies?x=1", "/supplies#x", "/../supplies", "", 7, None)
        ),
        *(
            ("query_sources_path", path, f"setting `query_sources_path`: {path!r} is not allowed: {PATH}")
            for path in ("query/sources", "//query", "/query?x", "/query#x", "/../query")
        ),
        ("extra_fields", "hide", "setting `extra_fields`: 'hide' is not allowed: one of keep, drop, fail"),
        ("request_timeout", 0, "setting `request_timeout`: 0 is not allowed: an integer from 1 to 3600"),
    ],
    ids=str,
)
def test_a_bad_value_is_refused_in_one_line_before_the_first_request(
    run_tap: TapRunner, magnite: MagniteSimulator, setting: str, value: Any, said: str
) -> None:
    run = run_tap({**magnite.settings(), setting: value}, fails=True)
    assert run.error == said
    assert "\n" not in run.error
    assert len(magnite.journal) == 0
    assert run.output == ""


OWN: dict[str, Any] = {"name": "own", "dimensions": ["day", "adUnit"], "metrics": ["requests"]}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": None}, "report 1: `name` None is not allowed: use at most 63 lower-case letters, digits and `_`"),
        ({"name": "Own"}, "report Own: `name` 'Own' is not allowed: lower-case letters, digits and `_`"),
        ({"name": "9own"}, "report 9own: `name` '9own' is not allowed: "),
        ({"name": "seats"}, "report seats: `name` 'seats' is the name of another stream of this tap"),
        ({"name": "other"}, "report other: `name` 'other' is the name of another stream of this tap"),
        (
            {"dimensions": ["adUnit"]},
            "report own: `dimensions` ['adUnit'] is not allowed: day must be among them, because without it the",
        ),
        ({"dimensions": []}, "report own: `dimensions` [] is not allowed: day must be among them"),
        ({"metrics": []}, "report own: `metrics` is empty"),
        ({"dimensions": ["day", "day"]}, "report own: `dimensions` has 'day' twice"),
        ({"metrics": ["requests", "requests"]}, "report own: `metrics` has 'requests' twice"),
        ({"metrics": ["requests", "adUnit"]}, "report own: 'adUnit' is in both `dimensions` and `metrics`"),
        ({"time_zone": "Nowhere/City"}, "report own: `time_zone`: 'Nowhere/City' is not a time zone"),
        ({"window_days": 46}, "report own: `window_days` 46 is not allowed: an integer from 1 to 45"),
        ({"lookback_days": 46}, "report own: `lookback_days` 46 is not allowed: an integer from 0 to 45"),
        (
            {"primary_keys": ["day", "adunit"]},
            "report own: `primary_keys` has 'adunit': the columns of the report are day",
        ),
        ({"source": ""}, "report own: `source` '' is not allowed"),
        ({"fields": ["day"]}, "report own: 'fields' is not a member of a report: allowed are name, "),
        ({"filters": {"adUnit": 1}}, "report own: `filters` {'adUnit': 1} is not allowed: give a list of"),
        ({"filters": [{"field": "adUnit", "values": 1}]}, "report own: `filters` has 'values': allowed are"),
        ({"filters": [{"value": 1}]}, "report own: `filters`: `field` None is not allowed"),
        ({"filters": [{"field": "adUnit", "value": []}]}, "report own: `filters`: `value` [] is not allowed"),
        ({"filters": [{"field": "adUnit"}]}, "report own: `filters`: `value` None is not allowed"),
        (
            {"filters": [{"field": "adUnit", "value": 1, "negate": "no"}]},
            "report own: `filters`: `negate` 'no' is not allowed: true or false",
        ),
        ({"filters": [{"field": "requests", "value": 1}]}, "report own: `filters` has 'requests', a metric"),
        (
            {"constraints": [{"field": "adUnit", "operator": ">", "value": 1}]},
            "report own: `constraints` has 'adUnit', a dimension",
        ),
        (
            {"constraints": [{"field": "requests", "operator": "!=", "value": 1}]},
            "report own: `constraints`: `operator` '!=' is not allowed: one of < <= = >= >",
        ),
        *(
            (
                {"constraints": [{"field": "requests", "operator": ">", "value": value}]},
                f"report own: `constraints`: `value` {value!r} is not allowed: give a number",
            )
            for value in ("1", True, None, [1])
        ),
    ],
    ids=str,
)
def test_a_bad_report_is_refused_in_one_line_before_the_first_request(
    run_tap: TapRunner, magnite: MagniteSimulator, changed: dict[str, Any], said: str
) -> None:
    reports = [{**OWN, "name": "other"}, {**OWN, **changed}]
    if changed.get("name") is None and "name" in changed:
        reports = [{**OWN, **changed}]
    run = run_tap({**magnite.settings(), "reports": reports}, fails=True)
    assert run.error.startswith(f"setting `reports`, {said}")
    assert "\n" not in run.error
    assert len(magnite.journal) == 0


@pytest.mark.parametrize("operator", ["<", "<=", "=", ">=", ">"])
def test_every_operator_is_taken(run_tap: TapRunner, magnite: MagniteSimulator, operator: str) -> None:
    constraint = {"field": "requests", "operator": operator, "value": 100.5}
    settings = {**magnite.settings(), "end_date": "2025-03-02", "reports": [{**OWN, "constraints": [constraint]}]}
    run = run_tap(settings, "own")
    truth = magnite.truth(
        "own",
        dimensions=["day", "adUnit"],
        metrics=["requests"],
        constraints=[constraint],
        last_day=magnite.first_day.replace(day=2),
    )
    assert run.by_key("own", "row_key") == truth


def test_ids_that_the_tap_does_not_know_are_asked_for(run_tap: TapRunner, magnite: MagniteSimulator) -> None:
    run = run_tap({**magnite.settings(), "reports": [{**OWN, "metrics": ["brandNew"]}]}, "own", fails=True)
    assert "adstats-publisher has no field brandNew" in run.error
    assert run.error.endswith("report own of source adstats-publisher: check dimensions, metrics, filters")


def test_no_reports_at_all(run_tap: TapRunner, magnite: MagniteSimulator) -> None:
    run = run_tap({**magnite.settings(), "reports": []})
    assert magnite.journal.matching("*/queries") == []
    assert len(run.records("seats")) == 2


def test_a_slash_at_the_end_of_the_address_is_dropped(run_tap: TapRunner, magnite: MagniteSimulator) -> None:
    run_tap({**magnite.settings(), "api_url": f"{magnite.api_url}/"}, "seats")
    assert {one.path.count("//") for one in magnite.journal} == {0}


@pytest.mark.parametrize("name", ["lookback_days", "end_date", "time_zone", "resource_paths", "query_sources_path"])
def test_a_setting_that_is_null_has_its_default(run_tap: TapRunner, magnite: MagniteSimulator, name: str) -> None:
    run = run_tap({**magnite.settings(), name: None}, "adstats_daily", "seats")
    assert run.by_key("adstats_daily", "row_key") == magnite.truth("adstats_daily")
