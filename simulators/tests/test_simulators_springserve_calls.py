"""The SpringServe simulator's rules: logins, lists, reports, limits, violations."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from vendor_simulators.calls import call
from vendor_simulators.limits import Rule
from vendor_simulators.springserve import SpringServeSimulator

if TYPE_CHECKING:
    from vendor_simulators.calls import Reply
    from vendor_simulators.pytest_plugin import Simulate

BODY: dict[str, Any] = {
    "start_date": "2026-02-01",
    "end_date": "2026-02-02",
    "interval": "day",
    "timezone": "UTC",
    "dimensions": ["supply_tag_id"],
    "metrics": ["impressions"],
}


def ask(
    simulator: SpringServeSimulator, path: str, method: str = "GET", params: Any = (), body: Any = None, **headers: str
) -> Reply:
    """Send a request with a token, unless `headers` are given."""
    token = simulator.tokens.issued[-1] if simulator.tokens.issued else simulator.tokens.issue()
    sent = {"Authorization": token, **{name.replace("_", "-"): value for name, value in headers.items()}}
    data = b"" if body is None else json.dumps(body).encode()
    return call(simulator.url, f"/api{path}", method, params=params, headers=sent, body=data)


def log_in(simulator: SpringServeSimulator, body: bytes, kind: str = "application/json", query: str = "") -> Reply:
    return call(simulator.url, f"/api/v0/auth{query}", "POST", headers={"Content-Type": kind}, body=body)


def credentials(simulator: SpringServeSimulator, **changed: str) -> dict[str, str]:
    return {"email": simulator.email, "password": simulator.password, **changed}


# --------------------------------------------------------------------------------------------------------------- logins


@pytest.mark.parametrize(("expiration", "kind"), [("iso", str), ("epoch", int), ("none", type(None))])
def test_a_login_returns_a_token_for_both_versions(simulate: Simulate, expiration: str, kind: type) -> None:
    simulator = simulate(SpringServeSimulator(days=1, rows_per_day=5, expiration=expiration))

    response = log_in(simulator, json.dumps(credentials(simulator)).encode()).json()

    assert isinstance(response.get("expiration"), kind)
    assert ask(simulator, "/v0/campaigns", Authorization=response["token"]).status == 200
    assert ask(simulator, "/v1/supply_tags", Authorization=response["token"]).status == 200
    assert simulator.violations == []


def test_v1_has_a_login_too(springserve: SpringServeSimulator) -> None:
    body = json.dumps(credentials(springserve)).encode()

    token = call(springserve.url, "/api/v1/auth", "POST", body=body).json()["token"]

    assert ask(springserve, "/v0/campaigns", Authorization=token).status == 200


def test_a_login_may_be_a_form(springserve: SpringServeSimulator) -> None:
    body = f"email={springserve.email}&password={springserve.password}".encode()

    assert log_in(springserve, body, "application/x-www-form-urlencoded").status == 200


@pytest.mark.parametrize("status", [400, 401, 403, 422])
def test_wrong_credentials_are_refused(simulate: Simulate, status: int) -> None:
    simulator = simulate(SpringServeSimulator(days=1, rows_per_day=5, wrong_credentials=status))

    reply = log_in(simulator, json.dumps(credentials(simulator, password="wrong")).encode())

    assert (reply.status, reply.json()) == (status, {"error": "Invalid email or password"})
    assert simulator.violations == []


@pytest.mark.parametrize("body", [b"nothing", b"[]", b'{"email": "x"}', b'{"email": "x", "password": "y", "more": 1}'])
def test_an_invalid_login_is_a_violation(springserve: SpringServeSimulator, body: bytes) -> None:
    assert log_in(springserve, body).status == 400
    assert len(springserve.violations) >= 1


def test_a_token_expires_and_an_authentication_scheme_is_a_violation(springserve: SpringServeSimulator) -> None:
    token = springserve.tokens.issue()
    assert ask(springserve, "/v0/campaigns").status == 200

    assert ask(springserve, "/v0/campaigns", Authorization=f"Bearer {token}").status == 401
    assert springserve.violations == ["a token with an authentication scheme"]

    springserve.expire_tokens()
    assert ask(springserve, "/v0/campaigns").status == 401


def test_a_secret_in_a_url_is_a_violation(springserve: SpringServeSimulator) -> None:
    ask(springserve, "/v0/campaigns", params=[("search", springserve.password)])

    assert "a secret in a URL" in springserve.violations


def test_the_account_of_a_request_may_be_ignored(simulate: Simulate) -> None:
    simulator = simulate(SpringServeSimulator(days=1, rows_per_day=5, context="ignored"))

    rows = ask(simulator, "/v0/campaigns", x_auth_context="392").json()

    assert {row["account_id"] for row in rows} == {391}


def test_another_account_is_forbidden(springserve: SpringServeSimulator) -> None:
    assert ask(springserve, "/v0/campaigns", x_auth_context="391").status == 200
    assert ask(springserve, "/v0/campaigns", x_auth_context="392").status == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v0/accounts/391/set_current"),
        ("PATCH", "/v0/supply_tags/25530"),
        ("DELETE", "/v0/supply_tags/25530"),
        ("POST", "/v1/report"),
    ],
)
def test_a_call_that_changes_the_account_is_a_violation(
    springserve: SpringServeSimulator, method: str, path: str
) -> None:
    assert ask(springserve, path, method).status == 405
    assert len(springserve.violations) == 1


# ---------------------------------------------------------------------------------------------------------------- lists


def test_v0_is_a_bare_array_in_pages_up_to_an_empty_one(springserve: SpringServeSimulator) -> None:
    pages = [ask(springserve, "/v0/supply_tags", params=[("page", page), ("per", 40)]).json() for page in (1, 2, 3)]

    assert [len(page) for page in pages] == [40, 20, 0]
    assert len(ask(springserve, "/v0/supply_tags").json()) == 50
    assert springserve.violations == []


def test_v1_is_an_envelope_that_sorts_and_filters(springserve: SpringServeSimulator) -> None:
    whole = ask(springserve, "/v1/supply_tags", params=[("per", 1000), ("sort", "updated_at,id")]).json()
    assert sorted(whole) == [
        *("additional_data_fields", "count", "current_page", "includable_fields", "results"),
        *("total_count", "total_pages"),
    ]
    order = [(row["updated_at"], row["id"]) for row in whole["results"]]
    assert order == sorted(order)

    bound = order[30][0]
    query = [("sort", "-updated_at,id"), ("per", 5), ("page", 2), ("updated_at::gte", bound)]
    part = ask(springserve, "/v1/supply_tags", params=query).json()
    later = [row for row in order if row[0] >= bound]
    assert (part["total_count"], part["current_page"], part["count"]) == (len(later), 2, 5)
    assert part["total_pages"] == -(-len(later) // 5)
    assert [row["updated_at"] for row in part["results"]] == sorted((row[0] for row in later), reverse=True)[5:10]
    assert springserve.violations == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ([("id::in", "25530,1")], 1),
        ([("id::gt", "25530")], 59),
        ([("id::lte", "25530")], 1),
        ([("pod::null", "false"), ("id::lt", "25531")], 1),
        ([("updated_at::gte", "2099-01-01T00:00:00Z")], 0),
    ],
)
def test_filters(springserve: SpringServeSimulator, query: list[tuple[str, str]], found: int) -> None:
    assert ask(springserve, "/v1/supply_tags", params=query).json()["total_count"] == found


def test_timestamps_without_a_zone_may_be_ahead_of_utc(simulate: Simulate) -> None:
    utc, tokyo = (
        simulate(SpringServeSimulator(days=1, rows_per_day=20, zones=hours is None, stamp_hours=hours or 0))
        for hours in (None, 9)
    )

    rows = [ask(simulator, "/v1/supply_tags", params=[("sort", "updated_at,id")]).json() for simulator in (utc, tokyo)]
    first, second = (datetime.fromisoformat(one["results"][-1]["updated_at"].rstrip("Z")) for one in rows)
    assert second - first == timedelta(hours=9)
    # Filters without a zone are too, others are not.
    for bound, found in ((f"{second:%Y-%m-%dT%H:%M:%S}", 1), (f"{second:%Y-%m-%dT%H:%M:%S}Z", 0)):
        reply = ask(tokyo, "/v1/supply_tags", params=[("updated_at::gte", bound)]).json()
        assert (reply["total_count"] > 0) is bool(found)


def test_rows_that_are_equal_in_the_sort_come_in_any_order(springserve: SpringServeSimulator) -> None:
    def ids(sort: str) -> list[list[int]]:
        query = [("per", 1000), ("sort", sort)]
        return [
            [row["id"] for row in ask(springserve, "/v1/supply_tags", params=query).json()["results"]] for _ in "123"
        ]

    first, second, third = ids("updated_at")
    assert not first == second == third
    assert sorted(first) == sorted(second) == sorted(third)
    first, second, third = ids("updated_at,id")
    assert first == second == third


@pytest.mark.parametrize(
    ("path", "query", "status", "violations"),
    [
        ("/v1/supply_tags", [("per", 1001)], 400, 1),
        ("/v1/supply_tags", [("sort", "colour")], 400, 0),
        ("/v1/supply_tags", [("updated_at::gte", "soon")], 400, 0),
        ("/v0/supply_tags", [("page", "x")], 400, 0),
        ("/v0/supply_tags", [("page", "0")], 400, 0),
        ("/v0/supply_tags", [("updated_at::gte", "2026-01-01")], 200, 1),
        ("/v0/geo_lists", [], 404, 0),
        ("/v1/campaigns", [], 404, 0),
        ("/v0/nothing", [], 404, 0),
        ("/v0/supply_tags/1", [], 404, 0),
        ("/v0/keys/1/values", [], 404, 0),
        ("/v1/keys/1/values", [], 404, 0),
    ],
)
def test_missing_resources_and_invalid_requests(
    springserve: SpringServeSimulator, path: str, query: list[tuple[str, Any]], status: int, violations: int
) -> None:
    reply = ask(springserve, path, params=query)

    assert (reply.status, len(springserve.violations)) == (status, violations)
    if status != 200:
        assert set(reply.json()) == {"error"}


def test_the_shape_of_lists_is_an_option(simulate: Simulate) -> None:
    simulator = simulate(
        SpringServeSimulator(days=1, rows_per_day=60, v0_lists="envelope", v1_lists="array", max_rows_v0=50)
    )

    assert len(ask(simulator, "/v0/supply_tags", params=[("per", 100)]).json()["results"]) == 50
    assert isinstance(ask(simulator, "/v1/supply_tags").json(), list)


def test_rows_may_be_edited_between_two_pages(simulate: Simulate) -> None:
    simulator = simulate(SpringServeSimulator(days=1, rows_per_day=30, edits=2, most_edits=3))
    query = [("sort", "updated_at,id"), ("per", 10)]

    def latest(page: int) -> list[str]:
        reply = ask(simulator, "/v1/supply_tags", params=[*query, ("page", page)])
        return [row["updated_at"] for row in reply.json()["results"]]

    before = latest(1)
    assert latest(1) == before
    latest(2)
    assert sum(tag.edits for tag in simulator.inventory.entities["supply_tags"]) == 2
    latest(2)
    latest(3)
    assert sum(tag.edits for tag in simulator.inventory.entities["supply_tags"]) == 3


def test_forbidden_paths_return_403(simulate: Simulate) -> None:
    simulator = simulate(SpringServeSimulator(days=1, rows_per_day=5, forbidden=("/supply_tags", "/report")))

    assert ask(simulator, "/v1/supply_tags").status == 403
    assert ask(simulator, "/v0/report", "POST", body=BODY).json() == {
        "error": "You are not authorized to access this page."
    }
    assert ask(simulator, "/v0/campaigns").status == 200


# -------------------------------------------------------------------------------------------------------------- reports


def test_a_report_is_queued_built_and_returned_page_by_page(simulate: Simulate) -> None:
    # Given a report that needs two polls and has pages of 40 rows
    simulator = simulate(SpringServeSimulator(first_day=date(2026, 2, 1), days=2, rows_per_day=30, report_rows=40))
    body = {**BODY, "async": True, "report_service": True}
    # When it is requested, polled, and read
    first = ask(simulator, "/v0/report", "POST", body=body).json()
    more = {**body, "report_id": first["report_id"]}
    responses = [ask(simulator, "/v0/report", "POST", body=more).json() for _ in "12"]
    second = ask(simulator, "/v0/report", "POST", body={**more, "page": 2}).json()
    # Then it has the documented states and members
    assert (first["status"], len(first["report_id"])) == ("QUEUED", 36)
    assert [response["status"] for response in responses] == ["BUILDING", "COMPLETE"]
    assert sorted(responses[1]) == ["data", "page", "report_id", "status", "total_pages", "total_rows"]
    assert (responses[1]["page"], second["page"], second["total_pages"]) == (1, 2, 2)
    rows = [*responses[1]["data"], *second["data"]]
    assert len(rows) == responses[1]["total_rows"] == len(simulator.truth("x", report=BODY))
    assert set(rows[0]) == {"date", "supply_tag_id", "supply_tag_name", "impressions"}
    assert simulator.violations == []


@pytest.mark.parametrize(
    ("changed", "violation"),
    [
        ({"timezone": None}, "a report without timezone (the default is America/New_York)"),
        ({"filters": {}}, "a report with 'filters' (ignored by the vendor, or overrides the days)"),
        ({"date_range": "Today"}, "a report with 'date_range' (ignored by the vendor, or overrides the days)"),
    ],
)
def test_an_ambiguous_body_is_a_violation(
    springserve: SpringServeSimulator, changed: dict[str, Any], violation: str
) -> None:
    body = {name: value for name, value in {**BODY, **changed}.items() if value is not None}

    assert ask(springserve, "/v0/report", "POST", body=body).status == 200
    assert springserve.violations == [violation]


def test_polls_must_match_the_report(springserve: SpringServeSimulator) -> None:
    body = {**BODY, "async": True}
    name = ask(springserve, "/v0/report", "POST", body=body).json()["report_id"]

    ask(springserve, "/v0/report", "POST", body={**body, "report_id": name, "page": 2})
    ask(springserve, "/v0/report", "POST", body={**body, "report_id": name, "interval": "hour"})

    assert springserve.violations == [
        "a request for a page of an incomplete report",
        "a poll whose body differs from that of the report request",
    ]
    assert ask(springserve, "/v0/report", "POST", body={**body, "report_id": "nobody's"}).status == 404


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"start_date": "soon"}, "start_date"),
        ({"interval": "week"}, "interval"),
        ({"timezone": "Mars/Base"}, "timezone"),
        ({"dimensions": ["colour"]}, "dimensions"),
    ],
)
def test_a_bad_report_is_refused_with_its_fields(
    springserve: SpringServeSimulator, changed: dict[str, Any], field: str
) -> None:
    reply = ask(springserve, "/v0/report", "POST", body={**BODY, **changed})

    assert reply.status == 422
    assert (reply.json()["error"], list(reply.json()["errors"])) == ("Invalid report", [field])


@pytest.mark.parametrize("body", [b"{", b"[]"])
def test_a_body_that_is_not_an_object_is_refused(springserve: SpringServeSimulator, body: bytes) -> None:
    headers = {"Authorization": springserve.tokens.issue()}

    assert call(springserve.url, "/api/v0/report", "POST", headers=headers, body=body).status == 400


@pytest.mark.parametrize(("dates", "tails"), [("plain", {""}), ("tail", {".0"}), ("both", {"", ".0"})])
def test_the_suffix_of_a_date_is_an_option(simulate: Simulate, dates: str, tails: set[str]) -> None:
    simulator = simulate(SpringServeSimulator(first_day=date(2026, 2, 1), days=2, rows_per_day=5, dates=dates))

    rows = ask(simulator, "/v0/report", "POST", body=BODY).json()

    assert {row["date"].partition("00:00:00")[2] for row in rows} == tails


@pytest.mark.parametrize(
    ("option", "sizes"), [("requested", [50, 10, 0]), ("ignored", [60, 60, 60]), ("cut", [50, 50, 50])]
)
def test_a_synchronous_report_has_pages(simulate: Simulate, option: str, sizes: list[int]) -> None:
    simulator = simulate(SpringServeSimulator(first_day=date(2026, 2, 1), days=2, rows_per_day=30, sync_page=option))

    pages = [ask(simulator, "/v0/report", "POST", body={**BODY, "page": page}).json() for page in (1, 2, 3)]

    assert [len(page) for page in pages] == sizes
    assert simulator.violations == []


@pytest.mark.parametrize(("option", "tags"), [("applied", {25530}), ("ignored", {25530, 100003, 100006})])
def test_reports_apply_filters_or_ignore_them(simulate: Simulate, option: str, tags: set[int]) -> None:
    simulator = simulate(
        SpringServeSimulator(first_day=date(2026, 2, 1), days=2, rows_per_day=3, report_filters=option)
    )

    rows = ask(simulator, "/v0/report", "POST", body={**BODY, "supply_tag_ids": [25530]}).json()

    assert {row["supply_tag_id"] for row in rows} == tags


def test_the_last_day_of_a_report_may_be_exclusive(simulate: Simulate) -> None:
    simulator = simulate(SpringServeSimulator(first_day=date(2026, 2, 1), days=2, rows_per_day=5, last_day="exclusive"))

    rows = ask(simulator, "/v0/report", "POST", body=BODY).json()

    assert {row["date"][:10] for row in rows} == {"2026-02-01"}


def test_a_filter_that_is_not_documented_is_ignored(springserve: SpringServeSimulator) -> None:
    rows = ask(springserve, "/v0/report", "POST", body={**BODY, "supply_tag_id": [25530]}).json()

    assert len({row["supply_tag_id"] for row in rows}) > 1
    assert springserve.violations == ["a report with 'supply_tag_id' (ignored by the vendor, or overrides the days)"]


# --------------------------------------------------------------------------------------------------------------- limits


@pytest.mark.parametrize(("wait", "header"), [(None, None), (9, "9")])
def test_above_a_limit_the_response_is_text(simulate: Simulate, wait: int | None, header: str | None) -> None:
    simulator = simulate(SpringServeSimulator(days=1, rows_per_day=5, enforce_limits=True, retry_after=wait))
    simulator.limits.rules["all"] = [Rule(2, 60)]

    replies = [ask(simulator, "/v0/campaigns") for _ in "123"]

    assert [reply.status for reply in replies] == [200, 200, 429]
    assert replies[2].body == b"Retry later\n"
    assert replies[2].headers.get("Retry-After") == header


@pytest.mark.parametrize(("dimension", "allowed"), [("supply_tag_id", 10), ("detected_domain", 3)])
def test_reports_have_their_own_limits(simulate: Simulate, dimension: str, allowed: int) -> None:
    simulator = simulate(SpringServeSimulator(days=1, rows_per_day=5, enforce_limits=True))
    body = {**BODY, "dimensions": [dimension]}

    statuses = [ask(simulator, "/v0/report", "POST", body=body).status for _ in range(12)]

    assert statuses.count(200) == allowed
    assert ask(simulator, "/v0/campaigns").status == 200
