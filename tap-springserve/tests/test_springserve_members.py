"""Requests for child lists, and their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from vendor_simulators.messages import Response
from vendor_simulators.springserve import SpringServeSimulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from singer_adtech.testing import TapRunner
    from springserve_fixtures import Script
    from vendor_simulators.messages import Request
    from vendor_simulators.pytest_plugin import Simulate

D = "2026-01-04T00:00:00.500Z"


def test_a_child_reads_all_its_parents_from_v0_once(run_tap: TapRunner, simulate: Simulate) -> None:
    # Given three lists of pages of one parent, and a state of the parents' own stream
    vendor = simulate(SpringServeSimulator(days=1, rows_per_day=10))
    state = {"bookmarks": {"domain_lists": {"replication_key": "updated_at", "replication_key_value": D}}}
    # When members are read
    run_tap({**vendor.settings(), "page_size": 4}, "domain_list_domains", state=state)
    # Then the parents' list is read whole, page by page, and each parent's list until it is empty
    parents = [one.param("page") for one in vendor.journal.matching("/api/v0/domain_lists")]
    assert parents == ["1", "2", "3"]
    ids = [entity.id for entity in vendor.inventory.entities["domain_lists"]]
    paths = {request.path for request in vendor.journal.matching("/api/v0/domain_lists/*")}
    assert paths == {f"/api/v0/domain_lists/{number}/domains" for number in ids}


def test_priorities_are_one_call_of_v1_for_each_supply_tag(run_tap: TapRunner, simulate: Simulate) -> None:
    vendor = simulate(SpringServeSimulator(days=1, rows_per_day=10))

    run_tap(vendor.settings(), "demand_tag_priorities")

    calls = vendor.journal.matching("/api/v1/supply_tags/*")
    assert sorted(request.path for request in calls) == sorted(
        f"/api/v1/supply_tags/{entity.id}/demand_tag_priorities" for entity in vendor.inventory.entities["supply_tags"]
    )
    assert {tuple(request.params) for request in calls} == {(("per", "1000"), ("page", "1"))}


def test_children_are_read_side_by_side_up_to_the_setting(run_tap: TapRunner, simulate: Simulate) -> None:
    # Given a vendor that takes a while for each list
    vendor = simulate(SpringServeSimulator(days=1, rows_per_day=30))
    slow = vendor.handle

    def handle(request: Any) -> Response:
        vendor.stopping.wait(0.02)
        return slow(request)

    vendor.handle = handle  # type: ignore[method-assign]  # slower, and nothing else
    # When lists of many parents are read
    run_tap({**vendor.settings(), "parallel_requests": 3}, "demand_tag_priorities")
    # Then so many are in flight at once
    assert vendor.journal.concurrency("/api/v1/*") == 3


def members_of_keys(*, deleted: bool) -> Callable[[Any], Response]:
    """Response for two keys, the values of the first of which are not found."""
    lists = iter(([{"id": 1}, {"id": 2}], [{"id": 2}] if deleted else [{"id": 1}, {"id": 2}]))

    def answer(request: Any) -> Response:
        if request.path == "/api/v0/keys":
            return Response.json(next(lists) if request.param("page") == "1" else [])
        if request.path == "/api/v0/keys/1/values":
            return Response.json({"error": "Not Found"}, 404)
        return Response.json([{"id": 5, "value": "x"}] if request.param("page") == "1" else [])

    return answer


def test_a_parent_that_is_gone_is_skipped_with_a_warning(run_tap: TapRunner, script: Script) -> None:
    run = run_tap(script(members_of_keys(deleted=True)).settings(), "key_values")

    assert [(record["key_id"], record["id"]) for record in run.records("key_values")] == [(2, 5)]
    assert [one for one in run.warnings() if "gone" in one] == ["stream key_values: key_id 1 is gone: skipped"]


def test_members_that_are_not_found_although_their_list_is_there_are_skipped_with_a_warning(
    run_tap: TapRunner, script: Script
) -> None:
    run = run_tap(script(members_of_keys(deleted=False)).settings(), "key_values")

    assert [(record["key_id"], record["id"]) for record in run.records("key_values")] == [(2, 5)]
    assert [one for one in run.warnings() if "key_id" in one] == [
        "stream key_values: key_id 1 was not found twice, although it is still listed: skipped"
    ]


def test_children_leave_nothing_in_the_state(run_tap: TapRunner, springserve: SpringServeSimulator) -> None:
    run = run_tap(springserve.settings(), "key_values")

    assert run.states[-1]["bookmarks"].get("key_values", {}) == {}


def test_members_in_a_field_of_another_name_end_the_stream(run_tap: TapRunner, script: Script) -> None:
    def answer(request: Request) -> Response:
        rows = [{"id": 348}] if request.path == "/api/v0/deal_id_lists" else [{"deal": "deal-abc-123"}]
        return Response.json(rows if request.param("page") == "1" else [])

    run = run_tap(script(answer).settings(), "deal_id_list_deal_ids", fails=True)

    assert run.records("deal_id_list_deal_ids") == []
    assert "deal_id" in run.error
    assert "deal-abc-123" not in run.error


@pytest.mark.parametrize("mode", ["fail", "warn"])
def test_two_positions_of_a_tag_in_one_tier_are_reported(run_tap: TapRunner, script: Script, mode: str) -> None:
    # Given a demand tag in two slots of one tier
    def answer(request: Request) -> Response:
        if request.path == "/api/v0/supply_tags":
            return Response.json([{"id": 1}] if request.param("page") == "1" else [])
        return script.page(*({"demand_tag_id": 5, "tier": 1, "slot_number": slot} for slot in (1, 2)))

    vendor = script(answer)
    # When positions are read
    run = run_tap({**vendor.settings(), "row_count_check": mode}, "demand_tag_priorities", fails=mode == "fail")
    # Then a warning names the key, and no position is lost silently
    slots = {record["slot_number"] for record in run.records("demand_tag_priorities")}
    assert slots == (set() if mode == "fail" else {1, 2})
    assert (
        "stream demand_tag_priorities: different rows have the same supply_tag_id, demand_tag_id, tier: a loader keeps "
        "only one of them. Report this, unless the list was changed during the run"
    ) in run.warnings()
    assert ("1 rows read, and the reported total is 2" in run.error) is (mode == "fail")
