"""Catalogs: selection of streams and columns, stream maps, flattening; what a loader gets is what a user chose."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tap_ispot.tap import TapISpot

if TYPE_CHECKING:
    from ispot_fixtures import RunTap
    from vendor_simulators.ispot import ISpotSimulator


def catalog(*streams: str, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Make a catalog that selects these streams, and no column of `without`."""
    found: dict[str, Any] = json.loads(TapISpot(validate_config=False).catalog_json_text)
    for entry in found["streams"]:
        for one in entry["metadata"]:
            if one["breadcrumb"] == []:
                one["metadata"]["selected"] = entry["tap_stream_id"] in streams
            elif one["breadcrumb"][1] in without:
                one["metadata"]["selected"] = False
    return found


def one_day(simulator: ISpotSimulator, **more: Any) -> dict[str, Any]:
    """Return settings that read the first day."""
    return {**simulator.settings(), "end_date": simulator.first_day.isoformat(), **more}


def test_without_a_catalog_the_streams_selected_by_default_are_read(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    run = run_tap(one_day(ispot))
    streams = TapISpot(validate_config=False).streams.values()
    assert {one["stream"] for one in run.messages if one["type"] == "SCHEMA"} == {
        stream.name for stream in streams if stream.selected_by_default
    }


def test_only_selected_streams_are_asked_for(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    run = run_tap(one_day(ispot), catalog=catalog("tv_airings", "users"))
    assert [request.path for request in ispot.journal] == ["/v4/oauth2/token", "/v4/metrics/tv/airings", "/v4/users"]
    assert run.by_key("tv_airings") == ispot.truth("tv_airings", last_day=ispot.first_day)
    assert run.by_key("users", "id") == ispot.truth("users")


def test_deselected_columns_are_left_out(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    run = run_tap(one_day(ispot), catalog=catalog("users", without=("email", "_extra")))
    schema = next(one for one in run.messages if one["type"] == "SCHEMA")
    assert set(schema["schema"]["properties"]) == {"id", "name"}
    assert run.by_key("users", "id") == [{"id": one["id"], "name": one["name"]} for one in ispot.truth("users")]


def test_a_key_is_read_even_if_it_is_deselected(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    run = run_tap(one_day(ispot), catalog=catalog("users", without=("id",)))
    assert run.by_key("users", "id") == ispot.truth("users")


def test_stream_maps_rename_drop_and_compute(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    maps = {
        "users": {"email": None, "domain": "email.split('@')[1]", "__alias__": "people"},
        "movies": None,
    }
    run = run_tap(one_day(ispot, stream_maps=maps), catalog=catalog("users", "movies"))
    assert run.records("movies") == []
    assert run.by_key("people", "id") == [
        {"id": one["id"], "name": one["name"], "_extra": None, "domain": "example.com"} for one in ispot.truth("users")
    ]


def test_the_schema_message_says_keys_and_bookmark(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    run = run_tap(one_day(ispot), "audience_airings")
    schema = run.messages[0]
    assert schema["type"] == "SCHEMA"
    assert schema["key_properties"] == ["airing_id"]
    assert schema["bookmark_properties"] == ["airing_aired_at_et"]
    assert {tuple(record) for record in run.records()} == {tuple(schema["schema"]["properties"])}
