"""Streams beside what singer-sdk does: selection, stream maps, state, tests of one record; and what a run shares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from acme_vendor import AcmeVendor
    from adtech_fixtures import Run
    from local_server import Call, Reply
    from singer_adtech.testing import FakeClock

MIDNIGHTS = ["2024-03-09T00:00:00-05:00", "2024-03-10T00:00:00-05:00", "2024-03-11T00:00:00-04:00"]


def finished(run: Run) -> Run:
    if run.error is not None:
        raise run.error
    return run


@pytest.mark.usefixtures("acme")
def test_records_are_all_written_even_if_the_state_has_not_changed(run_tap: Callable[..., Run]) -> None:
    # given: a state in which the list has an entry already, so that singer-sdk writes no STATE at the end
    state = {"bookmarks": {"spots": {"replication_key_value": "of an earlier version"}}}
    # when
    run = finished(run_tap("spots", state=state))
    # then
    assert [record["id"] for record in run.records("spots")] == [1, 2, 3]


@pytest.mark.usefixtures("acme")
def test_deselected_columns_are_left_out(run_tap: Callable[..., Run], acme_module: Any, acme_config: Any) -> None:
    # given
    catalog = acme_module.TapAcme(config=acme_config).catalog_dict
    (entry,) = (stream for stream in catalog["streams"] if stream["tap_stream_id"] == "airings")
    for one in entry["metadata"]:
        one["metadata"]["selected"] = one["breadcrumb"] not in (
            ["properties", "airing_spend"],
            ["properties", "_extra"],
        )
    # when
    run = finished(run_tap("airings", catalog=catalog, end_date="2024-03-08"))
    # then
    assert run.records("airings")[0] == {"airing_id": "1", "airing_day": "2024-03-08", "spot_id": 10}
    assert list(run.messages[0]["schema"]["properties"]) == ["airing_id", "airing_day", "spot_id"]


@pytest.mark.usefixtures("acme")
def test_stream_maps_see_exact_numbers_and_may_rename_filter_and_add(run_tap: Callable[..., Run]) -> None:
    # given
    maps = {
        "airings": {
            "__alias__": "tv",
            "__filter__": "spot_id > 20",
            "twice": "airing_spend * 2",
            "_extra": "__NULL__",
        }
    }
    # when
    run = finished(run_tap("airings", stream_maps=maps, end_date="2024-03-08"))
    # then
    assert [record["airing_id"] for record in run.records("tv")] == ["3", "4", "5"]
    assert '"airing_spend":845199.10,"spot_id":30,"twice":1690398.20' in run.output
    assert run.bookmarks("airings") == MIDNIGHTS[:1]


def test_a_test_of_one_record_fetches_nothing_ahead(acme: AcmeVendor, acme_module: Any, acme_config: Any) -> None:
    # given
    tap = acme_module.TapAcme(config=acme_config | {"parallel_requests": 4, "parallel_windows": 3})
    # when
    tap.run_sync_dry_run(1, [tap.streams["airings"], tap.streams["spots"]])
    tap.session.close()
    # then
    assert acme.data_calls() == [("2024-03-08", "1"), ("/v1/spots", "1")]


def test_one_session_one_token_and_one_user_agent_serve_all_streams(
    acme: AcmeVendor, run_tap: Callable[..., Run]
) -> None:
    # when
    finished(run_tap(parallel_requests=2, user_agent="acme-pipelines/2"))
    # then
    assert acme.tokens == 1
    assert acme.server.paths().count("/v1/login") == 1
    assert len({call.port for call in acme.server.calls}) <= 2
    assert {call.headers["User-Agent"] for call in acme.server.calls} == {"acme-pipelines/2"}


def test_a_token_that_dies_in_mid_read_costs_one_login(acme: AcmeVendor, run_tap: Callable[..., Run]) -> None:
    # given: the vendor forgets the token once, at page 2
    def forget(call: Call) -> Reply | None:
        if call.query.get("page") == "2" and acme.tokens == 1:
            return acme.server.json({"title": "expired"}, 401)
        return None

    acme.before = forget
    # when
    run = finished(run_tap("airings", end_date="2024-03-08", parallel_requests=1))
    # then
    assert acme.tokens == 2
    assert len(run.records("airings")) == 5


def test_a_token_that_runs_out_is_renewed_before_it_does(
    acme: AcmeVendor, run_tap: Callable[..., Run], clock: FakeClock, acme_module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: a token of 600 s, and requests of 200 s
    monkeypatch.setattr(acme_module.TapAcme, "clock", clock)
    acme.lifetime = 600
    acme.before = lambda _: clock.pass_by(200)
    # when: five requests
    finished(run_tap("airings", parallel_requests=1, end_date="2024-03-10"))
    # then: at 300 s or later before its end, that is before the third and the fifth request
    logins = [number for number, path in enumerate(acme.server.paths()) if path == "/v1/login"]
    assert logins == [0, 3, 6]
    assert all(call.headers.get("Authorization", "Bearer").startswith("Bearer") for call in acme.server.calls)
