"""Settings of this tap alone: paths and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from singer_adtech.testing import TapRunner
    from vendor_simulators.magnite import MagniteSimulator


PATH = "give a path that begins with one `/`, without `?`, `#` and `..`"


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
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
        ({"name": "Own"}, "report Own: `name` 'Own' is not allowed: use at most 63 lower-case letters"),
        ({"name": "9own"}, "report 9own: `name` '9own' is not allowed: "),
        ({"name": "seats"}, "report seats: `name` 'seats' is the name of another stream of this tap"),
        ({"name": "other"}, "report other: `name` 'other' is the name of another stream of this tap"),
        (
            {"range": "nextWeek"},
            "report own: `range` 'nextWeek' is not allowed: one of today, yesterday, thisWeek, lastWeek, thisMonth,",
        ),
        (
            {"orderings": [{"field": "day", "direction": "up"}]},
            "report own: `orderings`: `direction` 'up' is not allowed: asc or desc",
        ),
        ({"conversions": [{"field": "currency"}]}, "report own: `conversions`: `value` None is not allowed"),
        ({"parent": {"value": 1}}, "report own: `parent`: `field` None is not allowed: give a field id"),
        ({"definition": {"range": {}}}, "report own: `definition` has 'range': the report has its own members for it"),
        ({"definition": [1]}, "report own: `definition` [1] is not allowed: give an object of members of a query"),
        ({"selected": "no"}, "report own: `selected` 'no' is not allowed: true or false"),
        ({"metrics": []}, "report own: `metrics` is empty"),
        ({"dimensions": ["day", "day"]}, "report own: `dimensions` has 'day' twice"),
        ({"metrics": ["requests", "requests"]}, "report own: `metrics` has 'requests' twice"),
        ({"metrics": ["requests", "adUnit"]}, "report own: 'adUnit' is in both `dimensions` and `metrics`"),
        ({"time_zone": "Nowhere/City"}, "report own: `time_zone`: 'Nowhere/City' is not a time zone"),
        ({"window_days": 46}, "report own: `window_days` 46 is not allowed: an integer from 1 to 45"),
        ({"lookback_days": 46}, "report own: `lookback_days` 46 is not allowed: an integer from 0 to 45"),
        (
            {"primary_keys": ["adUnit"]},
            "report own: `primary_keys` ['adUnit'] is not allowed: day or row_key must be among them",
        ),
        (
            {"dimensions": ["adUnit"], "primary_keys": ["row_key"]},
            "report own: `primary_keys` ['row_key'] is not allowed: from_date must be among them",
        ),
        (
            {"primary_keys": ["day", "adunit"]},
            "report own: `primary_keys` has 'adunit': the columns of the report are day",
        ),
        ({"source": ""}, "report own: `source` '' is not allowed"),
        ({"fields": ["day"]}, "report own: 'fields' is not a member of a report: allowed are name, "),
        ({"filters": {"adUnit": 1}}, "report own: `filters` {'adUnit': 1} is not allowed: give objects with"),
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
    assert run.error.endswith("against the streams query_dimensions and query_metrics")


def test_no_reports_at_all(run_tap: TapRunner, magnite: MagniteSimulator) -> None:
    run = run_tap({**magnite.settings(), "reports": []})
    assert magnite.journal.matching("*/queries") == []
    assert len(run.records("seats")) == 2
