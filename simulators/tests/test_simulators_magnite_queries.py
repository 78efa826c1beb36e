"""Magnite query definitions, tickets and results: responses and violations."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from vendor_simulators.calls import Reply, call
from vendor_simulators.faults import Fault
from vendor_simulators.magnite import MagniteSimulator

if TYPE_CHECKING:
    from vendor_simulators.pytest_plugin import Simulate

BASE = "/v1/resources"
JSON = {"Content-Type": "application/json", "Accept": "application/json"}
DEFINITION: dict[str, Any] = {
    "source": "adstats-publisher",
    "fields": ["day", "requests"],
    "range": {"fromDate": "2025-03-01", "toDate": "2025-03-02", "timeZone": "UTC"},
}


def start(simulate: Simulate, **options: Any) -> MagniteSimulator:
    """Start a simulator with three days."""
    return simulate(MagniteSimulator(first_day=date(2025, 3, 1), days=3, rows_per_day=20, **options))


def login(simulator: MagniteSimulator) -> dict[str, str]:
    """Log in and return the headers of later calls."""
    body = json.dumps({"accessKey": simulator.access_key, "secretKey": simulator.secret_key})
    reply = call(simulator.url, f"{BASE}/sessions", "POST", headers=JSON, body=body)
    assert reply.status == 201
    return {"Cookie": f"ApiSession={simulator.sessions.issued[-1]}"}


def get(simulator: MagniteSimulator, path: str, headers: dict[str, str], **params: Any) -> Reply:
    """Get a path below the base."""
    return call(simulator.url, f"{BASE}{path}", headers=headers, params=params)


def submit(simulator: MagniteSimulator, headers: dict[str, str], **changed: Any) -> Reply:
    """Submit a query."""
    body = json.dumps({**DEFINITION, **changed})
    return call(simulator.url, f"{BASE}/queries", "POST", headers={**JSON, **headers}, body=body)


def test_the_documented_query_and_its_rows(simulate: Simulate) -> None:
    # Given the day of the guide's sample
    simulator = simulate(MagniteSimulator(first_day=date(2016, 4, 25), days=1, rows_per_day=20))
    headers = login(simulator)
    # When its definition is sent, for the sample's ad unit and with the hour of its result
    reply = submit(
        simulator,
        headers,
        fields=["day", "hour", "adUnit", "requests", "impressions", "fillRate", "useRate"],
        filters=[{"field": "adUnit", "negate": "false", "value": [1000]}],
        constraints=[{"field": "requests", "operator": ">", "value": 0}],
        orderings=[{"direction": "asc", "field": "day"}, {"direction": "asc", "field": "adUnit"}],
        range={"range": "today", "timeZone": "UTC"},
    )
    code = reply.json()["code"]
    assert [get(simulator, f"/queries/{code}", headers).json()["status"] for _ in range(2)] == [2, 3]
    rows = get(simulator, f"/queries/{code}/results", headers, fmt="json").json()
    # Then its rows are returned, in any order
    common = {"adUnit": "My Monkey Unit", "adUnitIdLink": 1000, "day": "2016-04-25"}
    printed = [
        {**common, "fillRate": 0.79, "hour": 14, "impressions": 267, "requests": 2386, "useRate": 0.142},
        {**common, "fillRate": 0.904, "hour": 10, "impressions": 109, "requests": 415, "useRate": 0.291},
        {**common, "fillRate": 0.79, "hour": 1, "impressions": 273, "requests": 877, "useRate": 0.394},
        {**common, "fillRate": 0.656, "hour": 3, "impressions": 445, "requests": 1714, "useRate": 0.396},
    ]
    by_hour = {row.pop("hour"): {**row, "dataVersion": None} for row in rows}
    assert by_hour.keys() == {14, 10, 1, 3}
    for row in printed:
        got = by_hour[row["hour"]]
        assert {name: float(got[name]) for name in ("fillRate", "useRate")} == {
            name: row[name] for name in ("fillRate", "useRate")
        }
        assert {name: int(got[name]) for name in ("impressions", "requests")} == {
            name: row[name] for name in ("impressions", "requests")
        }
        assert {name: got[name] for name in common} == common
    assert simulator.violations == []
    text = get(simulator, f"/queries/{code}/results", headers, fmt="csv").body.decode()
    assert text.splitlines()[0] == "Day,Hour,Ad Unit,Requests,Impressions,Fill Rate,Use Rate"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"source": "nowhere"}, "no such source"),
        ({"fields": []}, "fields is not a list"),
        ({"fields": ["day", "day"]}, "fields is not a list of unique ids"),
        ({"fields": ["day", "nothing"]}, "has no field nothing"),
        ({"filters": [{"field": "requests", "negate": False, "value": [1]}]}, "not a dimension"),
        ({"filters": [{"field": "publisher", "negate": "no", "value": [1]}]}, "negate is no"),
        ({"filters": [{"field": "publisher", "value": [1]}]}, "filters need field, negate, value"),
        ({"constraints": [{"field": "day", "operator": ">", "value": 1}]}, "not a metric"),
        ({"constraints": [{"field": "requests", "operator": "!=", "value": 1}]}, "no such operator"),
        ({"constraints": [{"field": "requests", "operator": ">", "value": "1"}]}, "is not a number"),
        ({"orderings": [{"field": "day", "direction": "up"}]}, "no such direction"),
        ({"range": {"fromDate": "2025-03-02", "toDate": "2025-03-01"}}, "is after"),
        ({"range": {"fromDate": "2025-01-01", "toDate": "2025-02-15"}}, "46 days; the maximum is 45"),
        ({"range": {"fromDate": "20250101", "toDate": "2025-02-15"}}, "is not a date (YYYY-MM-DD)"),
        ({"range": {"range": "nextWeek"}}, "no such range"),
        ({"range": {"range": "today", "fromDate": "2025-01-01"}}, "either a name or two dates"),
        ({"range": {"fromDate": "2025-01-01", "toDate": "2025-01-01", "timeZone": "Mars"}}, "no such timeZone"),
        ({"limit": 10}, "no such part"),
        ({"conversions": [{"field": "currency", "value": 9}]}, "no conversion of currency to 9"),
        ({"parent": {"field": "publisher", "value": 1}}, "no parent publisher 1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_invalid_definition(simulate: Simulate, changed: dict[str, Any], message: str) -> None:
    simulator = start(simulate)
    reply = submit(simulator, login(simulator), **changed)
    assert reply.status == 400
    assert message in reply.json()["errorDescription"]
    assert message in simulator.violations[0]


def test_45_days_are_allowed(simulate: Simulate) -> None:
    simulator = start(simulate)
    reply = submit(simulator, login(simulator), range={"fromDate": "2025-01-01", "toDate": "2025-02-14"})
    assert reply.status == 200


def test_one_query_at_a_time(simulate: Simulate) -> None:
    simulator = start(simulate)
    headers = login(simulator)
    code = submit(simulator, headers).json()["code"]
    assert submit(simulator, headers).status == 412
    assert simulator.violations == ["a second query while another is running"]
    assert call(simulator.url, f"{BASE}/queries/{code}", "DELETE", headers=headers).json()["status"] == 5
    assert submit(simulator, headers).status == 200


def test_queries_unknown_to_the_client_are_not_violations(simulate: Simulate) -> None:
    simulator = start(simulate, foreign_query=1, polls=0)
    headers = login(simulator)
    # Another user's query
    assert submit(simulator, headers).status == 412
    # A query whose ticket was lost in transit; it ends by itself
    simulator.faults.add(Fault(path=f"{BASE}/queries", action="broken_json"))
    submit(simulator, headers)
    assert [submit(simulator, headers).status for _ in range(2)] == [412, 200]
    # A query of an earlier session
    assert submit(simulator, login(simulator)).status == 412
    assert simulator.violations == []


@pytest.mark.parametrize(
    ("option", "statuses"),
    [
        ("number", [1, 2, 3]),
        ("digits", ["1", "2", "3"]),
        ("word", ["CREATED", "RUNNING", "COMPLETED"]),
        ("short_word", ["created", "running", "completed"]),
        ("object", [{"id": n, "name": w} for n, w in ((1, "CREATED"), (2, "RUNNING"), (3, "COMPLETED"))]),
    ],
)
def test_shapes_of_a_status(simulate: Simulate, option: str, statuses: list[Any]) -> None:
    simulator = start(simulate, status=option)
    headers = login(simulator)
    ticket = submit(simulator, headers).json()
    polls = [get(simulator, f"/queries/{ticket['code']}", headers).json()["status"] for _ in range(2)]
    assert [ticket["status"], *polls] == statuses


def test_outcomes(simulate: Simulate) -> None:
    simulator = start(simulate, polls=0)
    headers = login(simulator)
    simulator.queries.outcomes.extend(["errored", "cancelled", "lost", "results lost"])
    outcomes = []
    for _ in range(4):
        code = submit(simulator, headers).json()["code"]
        poll = get(simulator, f"/queries/{code}", headers)
        outcomes.append(poll.json()["status"] if poll.status == 200 else poll.status)
    assert outcomes == [4, 5, 404, 3]
    assert get(simulator, f"/queries/{code}/results", headers, fmt="json").status == 404
    assert simulator.violations == []


def test_results_and_codes_may_be_gone(simulate: Simulate) -> None:
    simulator = start(simulate, polls=0, results_once=True, codes_survive_login=False)
    headers = login(simulator)
    code = submit(simulator, headers).json()["code"]
    get(simulator, f"/queries/{code}", headers)
    results = [get(simulator, f"/queries/{code}/results", headers, fmt="json").status for _ in range(2)]
    assert results == [200, 404]
    assert get(simulator, f"/queries/{code}", login(simulator)).status == 404


def test_a_query_ends_after_some_time(simulate: Simulate) -> None:
    simulator = start(simulate, polls=1000, query_seconds=0)
    headers = login(simulator)
    code = submit(simulator, headers).json()["code"]
    assert get(simulator, f"/queries/{code}", headers).json()["status"] == 3


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("GET", "/seats?page=1", "parameter page"),
        ("POST", "/seats", "not read-only"),
        ("PUT", "/adUnits/1000", "not read-only"),
        ("DELETE", "/adUnits/1000", "not read-only"),
        ("PATCH", "/queries/{code}", "unknown call"),
        ("GET", "/queries/{code}/results?fmt=json", "results requested while the query is CREATED"),
        ("GET", "/queries/{code}/results?fmt=json&page=2", "parameter page"),
        ("GET", "/seats/{session}", "a key or session code in the URL"),
        ("GET", "/seats?key=MKmxH7scxxKACcs3BjZd", "a key or session code in the URL"),
    ],
)
def test_violations(simulate: Simulate, method: str, path: str, message: str) -> None:
    simulator = start(simulate)
    headers = login(simulator)
    code = submit(simulator, headers).json()["code"]
    address, _, query = path.format(code=code, session=simulator.sessions.issued[0]).partition("?")
    params = dict(part.split("=") for part in query.split("&") if part)
    call(simulator.url, f"{BASE}{address}", method, params=params, headers=headers)
    assert [one for one in simulator.violations if message in one]


def test_polling_after_the_end_is_a_violation(simulate: Simulate) -> None:
    simulator = start(simulate, polls=0)
    headers = login(simulator)
    code = submit(simulator, headers).json()["code"]
    for _ in range(2):
        get(simulator, f"/queries/{code}", headers)
    assert simulator.violations == ["a poll of a query whose end has been reported"]


@pytest.mark.parametrize(
    ("options", "days", "publishers"),
    [
        ({}, {"2025-03-01", "2025-03-02"}, 1),
        ({"to_date": "exclusive"}, {"2025-03-01"}, 1),
        ({"filters": "ignored"}, {"2025-03-01", "2025-03-02"}, 4),
        ({"row_limit": 1}, {"2025-03-01"}, 1),
    ],
)
def test_parts_of_a_definition_may_be_ignored(
    simulate: Simulate, options: dict[str, Any], days: set[str], publishers: int
) -> None:
    simulator = start(simulate, polls=0, order="requested", **options)
    headers = login(simulator)
    fields, filters = ["day", "publisher", "requests"], [{"field": "publisher", "negate": "false", "value": [4000]}]
    order = [{"field": "day", "direction": "asc"}]
    code = submit(simulator, headers, fields=fields, filters=filters, orderings=order).json()["code"]
    get(simulator, f"/queries/{code}", headers)

    rows = get(simulator, f"/queries/{code}/results", headers, fmt="json").json()

    assert {row["day"] for row in rows} == days
    assert len({row["publisherIdLink"] for row in rows}) == publishers
