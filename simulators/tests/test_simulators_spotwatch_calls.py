"""Spotwatch key, arguments, pages, links and errors: requests that break a rule are refused and recorded."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from vendor_simulators.calls import Reply, call
from vendor_simulators.spotwatch import SpotwatchSimulator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vendor_simulators.pytest_plugin import Simulate

JSON = {"Content-Type": "application/json"}
LINK = re.compile(r"/[a-z0-9]{20}")


def get(simulator: SpotwatchSimulator, path: str, params: Mapping[str, Any] | None = None, **headers: str) -> Reply:
    key = {"Authorization": f"key {simulator.api_key}"}
    return call(simulator.url, path, params=params, headers={**key, **headers})


def post(simulator: SpotwatchSimulator, path: str, body: Any, headers: Mapping[str, str] = JSON) -> Reply:
    return call(simulator.url, path, "POST", headers=headers, body=json.dumps(body))


def ids(reply: Reply) -> list[int]:
    return sorted(row["id"] for row in reply.json()["results"])


def chain(simulator: SpotwatchSimulator, path: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Follow a result to its end and return the responses."""
    responses = [get(simulator, path, params).json()]
    while responses[-1]["page"]["next"]:
        responses.append(get(simulator, responses[-1]["page"]["next"]).json())
    return responses


def test_the_key_is_accepted_in_three_places_two_of_which_are_violations(spotwatch: SpotwatchSimulator) -> None:
    # When the key is sent in the header, in the query and in a JSON body
    key = spotwatch.api_key
    replies = [
        get(spotwatch, "/get-all-regions"),
        call(spotwatch.url, "/get-all-regions", params={"key": key}),
        post(spotwatch, "/get-all-regions", {"key": key}),
    ]
    # Then all get a response, and the two that leak are violations
    assert [reply.status for reply in replies] == [200, 200, 200]
    assert spotwatch.violations == [
        "the key is in the query: GET /get-all-regions",
        "the key is in the body: POST /get-all-regions",
    ]


def test_the_other_places_may_be_allowed(simulate: Simulate) -> None:
    simulator = simulate(SpotwatchSimulator(days=1, rows_per_day=1, key_places="any"))
    assert call(simulator.url, "/get-all-regions", params={"key": simulator.api_key}).status == 200
    assert simulator.violations == []


@pytest.mark.parametrize("status", [403, 400])
def test_a_wrong_key_is_refused_in_plain_text(simulate: Simulate, status: int) -> None:
    simulator = simulate(SpotwatchSimulator(days=1, rows_per_day=1, bad_key_status=status))
    reply = get(simulator, "/get-ads", Authorization="key nobody")
    assert (reply.status, reply.headers["Content-Type"]) == (status, "text/plain; charset=utf-8")
    assert simulator.violations == []


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer x"}, {"Authorization": "Key x"}])
def test_no_key_and_another_scheme_are_violations(spotwatch: SpotwatchSimulator, header: dict[str, str]) -> None:
    reply = call(spotwatch.url, "/get-ads", headers=header)
    assert (reply.status, reply.body) == (400, b"Argument(s) missing. Expected [key], got [], missing [key].")
    assert spotwatch.violations == ["no key: GET /get-ads"]


def test_the_documented_errors_are_returned_exactly(spotwatch: SpotwatchSimulator) -> None:
    # "Error response example", and the second response of "Batch Requests"
    missing = get(spotwatch, "/get-ad", {"ad_fields": "categories"})
    assert (missing.status, missing.body.decode()) == (
        400,
        "Argument(s) missing. Expected [key, id], got [key, ad_fields], missing [id].",
    )
    unknown = get(spotwatch, "/get-block", {"id": 14426})
    assert (unknown.status, unknown.body.decode()) == (400, "Block ID [14426] not found.")
    assert spotwatch.violations == []


@pytest.mark.parametrize(
    ("path", "params", "violation"),
    [
        ("/get-ads", {"channel": "vox"}, "Unknown argument(s) [channel]."),
        ("/get-blocks", {"block_fields": "id"}, "Unknown argument(s) [block_fields]."),
        ("/get-broadcasts", {"page": 2}, "Unknown argument(s) [page]."),
        ("/get-all-regions", {"time_fmt": "iso8601"}, "Unknown argument(s) [time_fmt]."),
        ("/get-ads", {"page_lim": 0}, "page_lim 0 is out of range"),
        ("/get-ads", {"page_lim": 100_001}, "page_lim 100001 is out of range"),
        ("/get-ads", {"page_lim": "ten"}, "Argument [page_lim] takes an integer."),
        ("/get-ads", {"time_fmt": "rfc"}, "Argument [time_fmt] takes one of [iso8601, unix, plain]."),
        ("/get-ads", {"unidentified": "maybe"}, "Argument [unidentified] takes true or false."),
        ("/get-ads", {"lastseen_from": "yesterday"}, "Argument [lastseen_from] takes a date."),
        ("/get-ads", {"lastseen_from": "2024-06-08T00:00:00"}, "Argument [lastseen_from] takes a date."),
        ("/get-ads", {"region": "de,,at"}, "Argument [region] takes names."),
        ("/get-ads", {"ids": "1,x"}, "Argument [ids] takes an integer."),
    ],
)
def test_undocumented_arguments_fail_and_are_violations(
    spotwatch: SpotwatchSimulator, path: str, params: dict[str, Any], violation: str
) -> None:
    reply = get(spotwatch, path, params)
    assert (reply.status, reply.body.decode()) == (400, violation)
    assert spotwatch.violations == [f"GET {path}: {violation}"]


@pytest.mark.parametrize(
    ("method", "headers", "body", "violation"),
    [
        ("POST", {"Content-Type": "text/plain"}, '{"page_lim": 1}', "a body needs the content type application/json"),
        ("POST", JSON, "[1]", "the body is not a JSON object"),
        ("POST", JSON, "{", "the body is not a JSON object"),
        ("PUT", JSON, "{}", "the method is not documented"),
    ],
)
def test_bodies_are_json_objects(
    spotwatch: SpotwatchSimulator, method: str, headers: dict[str, str], body: str, violation: str
) -> None:
    key = {"Authorization": f"key {spotwatch.api_key}"}
    assert call(spotwatch.url, "/get-ads", method, headers={**key, **headers}, body=body).status == 400
    assert spotwatch.violations == [f"{method} /get-ads: {violation}"]


def test_a_query_and_a_body_mean_the_same(spotwatch: SpotwatchSimulator) -> None:
    # When the same arguments are sent comma-separated in a query and as arrays in a body
    query = get(spotwatch, "/get-broadcasts", {"region": "de,at", "broadcast_fields": "id,time", "page_lim": 1000})
    body = {"region": ["de", "at"], "broadcast_fields": ["id", "time"], "page_lim": 1000}
    key = {"Authorization": f"key {spotwatch.api_key}"}
    sent = post(spotwatch, "/get-broadcasts", body, {**JSON, **key})
    # Then both return the same rows
    assert ids(query) == ids(sent)
    assert {tuple(row) for row in sent.json()["results"]} == {("id", "time")}
    assert spotwatch.violations == []


@pytest.mark.parametrize(("sent", "size"), [(None, 200), (-1, 100_000), (100_000, 100_000), (7, 7)])
def test_pages_have_the_requested_size(simulate: Simulate, sent: int | None, size: int) -> None:
    simulator = simulate(SpotwatchSimulator(days=2, rows_per_day=150))
    reply = get(simulator, "/get-broadcasts", {} if sent is None else {"page_lim": sent}).json()
    assert len(reply["results"]) == min(size, 300)
    assert reply["page"]["results_total"] == 300
    assert reply["page"]["pages_total"] == -(-300 // min(size, 300))


def test_a_result_is_followed_by_links_to_its_end_and_back(spotwatch: SpotwatchSimulator) -> None:
    # When a result of 301 rows is read in pages of 100
    responses = chain(spotwatch, "/get-broadcasts", {"page_lim": 100, "broadcast_fields": "id"})
    # Then the paging information is as documented
    pages = [response["page"] for response in responses]
    assert [(page["index"], page["results_total"], page["pages_total"]) for page in pages] == [
        (number, 301, 4) for number in range(4)
    ]
    assert (pages[0]["prev"], pages[-1]["next"]) == (None, None)
    assert all(LINK.fullmatch(page["next"]) for page in pages[:-1])
    assert len({row["id"] for response in responses for row in response["results"]}) == 301
    # and a link back returns the previous page
    assert get(spotwatch, pages[1]["prev"]).json()["results"] == responses[0]["results"]
    assert spotwatch.violations == []


def test_a_result_is_frozen_at_its_first_request(spotwatch: SpotwatchSimulator) -> None:
    # Given a first page, after which airings are restated and added
    first = get(spotwatch, "/get-broadcasts", {"page_lim": 200}).json()
    added = spotwatch.restate().added
    # Then the next page is unchanged, and a new request returns the new rows
    second = get(spotwatch, first["page"]["next"]).json()
    seen = {row["id"] for row in [*first["results"], *second["results"]]}
    assert seen.isdisjoint(added)
    assert second["page"]["results_total"] == 301
    assert get(spotwatch, "/get-broadcasts").json()["page"]["results_total"] == 304


@pytest.mark.parametrize("how", ["query", "body", "method"])
def test_a_link_accepts_no_arguments(spotwatch: SpotwatchSimulator, how: str) -> None:
    path = get(spotwatch, "/get-broadcasts").json()["page"]["next"]
    if how == "query":
        reply = get(spotwatch, path, {"page_lim": 100})
    elif how == "body":
        reply = call(spotwatch.url, path, body="{}", headers=JSON)
    else:
        reply = call(spotwatch.url, path, "POST")
    assert reply.status == 400
    assert [one.partition(" ")[2] for one in spotwatch.violations] == ["a page link: a link takes no arguments"]


def test_a_link_needs_no_key_by_default(simulate: Simulate) -> None:
    free = simulate(SpotwatchSimulator(days=2, rows_per_day=150))
    assert call(free.url, get(free, "/get-broadcasts").json()["page"]["next"]).status == 200
    keyed = simulate(SpotwatchSimulator(days=2, rows_per_day=150, links="keyed"))
    path = get(keyed, "/get-broadcasts").json()["page"]["next"]
    assert (call(keyed.url, path).status, get(keyed, path).status) == (403, 200)
    assert keyed.violations == ["GET a page link: this link needs the key"]


@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_expired_links_fail_with_plain_text(simulate: Simulate, status: int) -> None:
    # Given links that work once, and expired links
    simulator = simulate(SpotwatchSimulator(days=2, rows_per_day=150, links="once", lost_link_status=status))
    path = get(simulator, "/get-broadcasts").json()["page"]["next"]
    assert [get(simulator, path).status for _ in range(2)] == [200, status]
    other = get(simulator, "/get-broadcasts").json()["page"]["next"]
    simulator.expire_tokens()
    reply = get(simulator, other)
    assert (reply.status, reply.body.decode()) == (status, f"Link [{other}] not found.")
    assert simulator.violations == []


def test_links_may_expire(simulate: Simulate) -> None:
    simulator = simulate(SpotwatchSimulator(days=2, rows_per_day=150, link_seconds=0.0))
    assert get(simulator, get(simulator, "/get-broadcasts").json()["page"]["next"]).status == 400


@pytest.mark.parametrize(
    "path",
    [
        "/set-push-broadcast",
        "/delete-push-broadcast",
        "/set-timezone-for-api-key",
        "/get-api-key",
        "/mask",
        "/batch",
        "/klwc7ilp41lgb8kiopye",
        "/",
    ],
)
def test_forbidden_calls_are_violations(spotwatch: SpotwatchSimulator, path: str) -> None:
    assert get(spotwatch, path).status == 400
    assert len(spotwatch.violations) == 1
    assert path in spotwatch.violations[0]


@pytest.mark.parametrize("choice", ["refused", "ignored"])
def test_unknown_fields(simulate: Simulate, choice: str) -> None:
    simulator = simulate(SpotwatchSimulator(days=1, rows_per_day=5, unknown_field=choice))
    reply = get(simulator, "/get-ads", {"ad_fields": "id,colour"})
    assert reply.status == (400 if choice == "refused" else 200)
    assert simulator.violations == (["ad_fields: no field colour"] if choice == "refused" else [])


def test_the_queue_removes_returned_messages(simulate: Simulate) -> None:
    # Given seven messages
    simulator = simulate(SpotwatchSimulator(days=1, rows_per_day=20, queue_messages=7))
    before = simulator.truth("broadcast_messages")
    # When five, and then all are requested
    sizes = [
        len(get(simulator, "/get-message-queue", params).json()["messages"])
        for params in ({"num_messages": 5}, {}, {}, {"num_messages": -1})
    ]
    # Then each is returned once, and the truth is the rest of the queue
    assert sizes == [5, 2, 0, 0]
    assert len(before) == 7
    assert simulator.truth("broadcast_messages") == []


def test_the_queue_keeps_a_thousand_and_may_return_an_array(simulate: Simulate) -> None:
    simulator = simulate(SpotwatchSimulator(days=1, rows_per_day=1200, queue_messages=1500, queue_response="array"))
    assert len(get(simulator, "/get-message-queue").json()) == 1000


def test_brands_may_require_their_filters(simulate: Simulate) -> None:
    simulator = simulate(SpotwatchSimulator(days=2, rows_per_day=100, brand_filters="required"))
    refused = get(simulator, "/get-all-brands", {"region": "de"})
    assert refused.body.decode() == (
        "Argument(s) missing. Expected [key, region, channel, time_seen_from, time_seen_to], got [key, region], "
        "missing [channel, time_seen_from, time_seen_to]."
    )
    filters = {"region": "de", "channel": "vox,rtl", "time_seen_from": "2024-03-01", "time_seen_to": "1709337600"}
    found = get(simulator, "/get-all-brands", filters)
    assert found.status == 200
    assert set(filter(None, found.json())) < {row["brand"] for row in simulator.truth("brands")}
    assert simulator.violations == []
