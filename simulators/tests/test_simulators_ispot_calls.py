"""iSpot tokens and parameters: requests that break a rule are refused and recorded."""

from __future__ import annotations

from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import pytest
from vendor_simulators.calls import Reply, call
from vendor_simulators.ispot import ISpotSimulator

if TYPE_CHECKING:
    from vendor_simulators.pytest_plugin import Simulate

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
AIRINGS = "/v4/metrics/audience/airings"
DAY = {"filter[start_date]": "2024-03-10", "filter[end_date]": "2024-03-10"}


def log_in(simulator: ISpotSimulator, **changes: str) -> Reply:
    fields = {"client_id": simulator.client_id, "client_secret": simulator.client_secret}
    body = urlencode({**fields, "grant_type": "client_credentials", **changes})
    return call(simulator.url, "/v4/oauth2/token", "POST", headers=FORM, body=body)


def get(simulator: ISpotSimulator, path: str, params: dict[str, Any] | None = None, **headers: str) -> Reply:
    authorization = {"Authorization": f"Bearer {simulator.tokens.issue()}"}
    return call(simulator.url, path, params=params, headers={**authorization, **headers})


def airing_ids(reply: Reply) -> list[int]:
    return [int(row["airing"]["data"]["id"]) for row in reply.json()["data"]]


def test_login_takes_a_form_and_returns_a_token(ispot: ISpotSimulator) -> None:
    # Given credentials as long as the vendor's
    assert (len(ispot.client_id), len(ispot.client_secret)) == (20, 40)
    assert (ispot.client_id + ispot.client_secret).isalnum()

    # When they are sent as in the vendor's samples
    reply = log_in(ispot)

    # Then the token gives access to the rest
    assert reply.status == 200
    assert reply.json() == {"token_type": "Bearer", "expires_in": 86400, "access_token": ispot.tokens.issued[0]}
    headers = {"Authorization": f"Bearer {reply.json()['access_token']}"}
    assert call(ispot.url, "/v4/brands", headers=headers).status == 200
    assert ispot.violations == []


def test_settings_are_the_minimum_of_a_tap(ispot: ISpotSimulator) -> None:
    # Then settings are address, credentials and first day
    assert ispot.settings() == {
        "api_url": f"{ispot.url}/v4",
        "client_id": ispot.client_id,
        "client_secret": ispot.client_secret,
        "start_date": "2024-03-08",
    }


@pytest.mark.parametrize("status", [401, 400])
def test_wrong_credentials_are_refused_without_a_violation(simulate: Simulate, status: int) -> None:
    # Given either status
    simulator = simulate(ISpotSimulator(days=1, wrong_credentials=status))

    # When the secret is wrong
    reply = log_in(simulator, client_secret="x" * 40)

    # Then it is refused with a problem body
    assert reply.status == status
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert set(reply.json()) == {"title", "type", "status", "detail", "instance"}
    assert (reply.json()["status"], reply.json()["instance"]) == (status, "/v4/oauth2/token")
    assert (simulator.violations, simulator.tokens.issued) == ([], [])


def test_token_response_may_contain_only_the_token(simulate: Simulate) -> None:
    # Given the other variant, then the response has nothing else
    simulator = simulate(ISpotSimulator(days=1, token_response="token_only"))
    assert list(log_in(simulator).json()) == ["access_token"]


@pytest.mark.parametrize(
    ("method", "query", "headers", "body", "violation"),
    [
        ("GET", {}, {}, "", "the token call is not a POST"),
        ("POST", {}, {"Content-Type": "application/json"}, '{"client_id": "a"}', "the token call has no form body"),
        ("POST", {}, FORM, "grant_type=client_credentials", "has other fields than documented"),
        ("POST", {}, FORM, "client_id=a&client_secret=b&grant_type=password", "has another grant_type"),
        ("POST", {}, FORM, "client_id=a&client_id=a&client_secret=b&grant_type=x", "has other fields"),
        ("POST", {}, FORM, "client_id=a&client_secret=b&grant_type=client_credentials&scope=x", "has other fields"),
        (
            *("POST", {}, {**FORM, "Authorization": "Basic YTpi"}),
            *("client_id=a&client_secret=b&grant_type=client_credentials", "has an Authorization header"),
        ),
        (
            *("POST", {"client_id": "a"}, FORM),
            *("client_id=a&client_secret=b&grant_type=client_credentials", "a credential in the address"),
        ),
        (
            *("POST", {"x": "1"}, FORM, "client_id=a&client_secret=b&grant_type=client_credentials"),
            "has parameters in the address",
        ),
    ],
)
def test_login_in_any_other_form_is_a_violation(  # noqa: PLR0913, PLR0917 - the parts of a request
    ispot: ISpotSimulator, method: str, query: dict[str, str], headers: dict[str, str], body: str, violation: str
) -> None:
    # When the call differs from the vendor's samples
    reply = call(ispot.url, "/v4/oauth2/token", method, params=query, headers=headers, body=body)

    # Then it fails and is recorded
    assert reply.status == 400
    assert violation in ispot.violations[0]
    assert ispot.tokens.issued == []


def test_data_require_a_valid_token(simulate: Simulate) -> None:
    # Given tokens with a lifetime of zero
    simulator = simulate(ISpotSimulator(days=1, token_seconds=0))
    dead = log_in(simulator).json()["access_token"]

    # When requests come with expired, unknown and no tokens
    statuses = [
        call(simulator.url, "/v4/brands", headers=headers).status
        for headers in (
            {"Authorization": f"Bearer {dead}"},
            {"Authorization": "Bearer unknown"},
            {"Authorization": "Basic YTpi"},
            {},
        )
    ]

    # Then all are refused, and only those without a Bearer token are violations
    assert statuses == [401, 401, 401, 401]
    assert simulator.violations == ["no Bearer token: GET /v4/brands"] * 2


def test_secrets_in_a_url_are_violations(ispot: ISpotSimulator) -> None:
    # When a URL contains a token or credential, under any name
    token = ispot.tokens.issue()
    get(ispot, "/v4/brands", {"access_token": "x"})
    get(ispot, "/v4/brands", {"q": token})
    get(ispot, f"/v4/{ispot.client_secret}")

    # Then each is recorded
    found = [violation for violation in ispot.violations if "a credential in the address" in violation]
    assert len(found) == 3


@pytest.mark.parametrize(
    ("path", "params", "violation"),
    [
        ("/v4/brands", {"page[size]": "0"}, "page[size]=0 is out of range"),
        ("/v4/brands", {"page[size]": "10001"}, "page[size]=10001 is out of range"),
        ("/v4/brands", {"page[number]": "0"}, "page[number]=0 is out of range"),
        ("/v4/brands", {"page[number]": "two"}, "page[number]=two is out of range"),
        ("/v4/brands", {"page[number]": "2"}, "page[number]=2 of 1 pages"),
        (AIRINGS, {**DAY, "page[number]": "3", "page[size]": "20"}, "page[number]=3 of 2 pages"),
        ("/v4/brands", {"page": "1"}, "no parameter page here"),
        ("/v4/brands", {"filter[brand]": "1"}, "no parameter filter[brand] here"),
        ("/v4/networks", {"include": "brand"}, "no parameter include here"),
        ("/v4/brands", {"include": "industry,colour"}, "include: no colour here"),
        ("/v4/brands", {"include": "industry,"}, "include=industry,: a name is empty or repeated"),
        ("/v4/brands", {"sort": "colour"}, "sort: no colour here"),
        ("/v4/access", {"sort": "id"}, "no parameter sort here"),
        ("/v4/brands", {"filter[access]": "true"}, "filter[access]=true: only 1 is documented"),
        (AIRINGS, {}, "filter end_date, start_date is required"),
        (AIRINGS, {**DAY, "filter[end_date]": "2024-03-09"}, "filter[end_date] is before filter[start_date]"),
        (AIRINGS, {**DAY, "filter[end_date]": "2024-03-10T00:00:00"}, "is not a date (YYYY-MM-DD)"),
        (AIRINGS, {**DAY, "filter[end_date]": "20240310"}, "is not a date (YYYY-MM-DD)"),
        (AIRINGS, {**DAY, "filter[airing_type]": "N,National"}, "filter[airing_type]: no National"),
        (AIRINGS, {**DAY, "filter[national_only]": "true"}, "only 1 is documented"),
        (AIRINGS, {**DAY, "filter[brand]": "x"}, "filter[brand] takes ids"),
        ("/v4/airings/updates", {**DAY, "include": "spot"}, "no parameter include here"),
    ],
)
def test_an_invalid_query_fails_and_is_a_violation(
    ispot: ISpotSimulator, path: str, params: dict[str, str], violation: str
) -> None:
    # When a parameter is wrong
    reply = get(ispot, path, params)

    # Then the call fails and the message names the parameter
    assert reply.status == 400
    assert reply.json()["title"] == "Bad Request"
    assert len(ispot.violations) == 1
    assert f"GET {path}" in ispot.violations[0]
    assert violation in ispot.violations[0]


def test_other_misuse_is_a_violation(ispot: ISpotSimulator) -> None:
    # When a write, an unknown path and an invalid version are sent among valid requests
    token = {"Authorization": f"Bearer {ispot.tokens.issue()}"}
    statuses = [
        call(ispot.url, "/v4/brands", headers=token, params={"sort": "id"}).status,
        call(ispot.url, "/v4/brands", "DELETE", headers=token).status,
        call(ispot.url, "/v4/unknown", headers=token).status,
        call(ispot.url, "/v3/brands", headers=token).status,
        get(ispot, "/v4/brands", {}, **{"iSpot-Version": "2021-01"}).status,
        get(ispot, "/v4/brands", {}, **{"iSpot-Version": "2021-01-01"}).status,
        call(ispot.url, "/v4/brands", "HEAD", headers=token).status,
    ]

    # Then each gets a response and is recorded
    assert statuses == [200, 405, 404, 404, 200, 200, 200]
    assert ispot.violations == [
        "a call that is not read-only: DELETE /v4/brands",
        "unknown path: GET /v4/unknown",
        "unknown path: GET /v3/brands",
        "iSpot-Version is not a date: 2021-01",
    ]


def test_a_parameter_sent_twice_is_a_violation(ispot: ISpotSimulator) -> None:
    # When a call sends its page twice
    connection = HTTPConnection("127.0.0.1", urlsplit(ispot.url).port)
    headers = {"Authorization": f"Bearer {ispot.tokens.issue()}"}
    connection.request("GET", "/v4/brands?page[number]=1&page[number]=1", headers=headers)
    response = connection.getresponse()
    response.read()
    connection.close()

    # Then it fails and is recorded
    assert response.status == 400
    assert ispot.violations == ["GET /v4/brands: a parameter is sent twice"]
