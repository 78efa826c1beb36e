"""What is written around the records of a stream: SCHEMA, STATE, and ACTIVATE_VERSION only for what was read whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from acme_vendor import AcmeVendor
    from adtech_fixtures import Run
    from click.testing import Result

FULL_TABLE = {"emit_activate_version_messages": True, "page_size": 2}


def kinds(run: Run) -> list[tuple[str, str]]:
    """Return type and stream of each message that belongs to a stream."""
    return [(one["type"], one["stream"]) for one in run.messages if "stream" in one]


def test_a_version_is_activated_after_the_last_record_and_not_before_the_first(
    acme: AcmeVendor, run_tap: Callable[..., Run]
) -> None:
    # when
    run = run_tap("airings", "spots", **FULL_TABLE)
    # then: the records carry it, and the stream with a bookmark has none
    assert run.error is None
    assert kinds(run)[-5:] == [
        ("SCHEMA", "spots"),
        ("RECORD", "spots"),
        ("RECORD", "spots"),
        ("RECORD", "spots"),
        ("ACTIVATE_VERSION", "spots"),
    ]
    versions = {one.get("version") for one in run.messages if one.get("stream") == "spots" and one["type"] != "SCHEMA"}
    assert len(versions) == 1
    assert None not in versions
    assert {one["type"] for one in run.messages if one.get("stream") == "airings"} == {"SCHEMA", "RECORD"}
    assert acme.server.paths().count("/v1/spots") == 2


def test_a_stream_that_fails_half_way_is_not_activated(acme: AcmeVendor, run_tap: Callable[..., Run]) -> None:
    # given: a second page that is refused
    acme.before = lambda call: acme.server.json({"title": "No"}, 400) if call.query["page"] == "2" else None
    # when
    run = run_tap("spots", **FULL_TABLE, parallel_requests=1)
    # then
    assert run.error is not None
    assert ("ACTIVATE_VERSION", "spots") not in kinds(run)


@pytest.mark.parametrize("on_forbidden", ["skip", "fail"])
def test_a_stream_that_is_forbidden_is_not_activated(
    acme: AcmeVendor, run_tap: Callable[..., Run], on_forbidden: str
) -> None:
    # given
    acme.before = lambda call: acme.server.json({"title": "No"}, 403) if call.path == "/v1/spots" else None
    # when
    run = run_tap("events", "spots", **FULL_TABLE, on_forbidden=on_forbidden)
    # then
    assert ("ACTIVATE_VERSION", "events") in kinds(run)
    assert [one for one in kinds(run) if one[1] == "spots"] == []


def test_a_stream_of_which_something_was_passed_over_is_not_activated(
    acme: AcmeVendor, run_tap: Callable[..., Run]
) -> None:
    # given: a stream that notes that it left something out
    def patch(tap: Any) -> None:
        tap.streams["spots"].counts.read_whole = False

    # when
    run = run_tap("spots", **FULL_TABLE, patch=patch)
    # then
    assert len(run.records("spots")) == len(acme.spots)
    assert ("ACTIVATE_VERSION", "spots") not in kinds(run)


def test_a_connection_test_activates_nothing(acme: AcmeVendor, invoke: Callable[..., Result]) -> None:
    # given: a list that a test reads to its end
    acme.spots = acme.spots[:1]
    # when
    result = invoke("--test", **FULL_TABLE)
    # then
    assert result.exit_code == 0
    assert "ACTIVATE_VERSION" not in result.output


def test_no_version_unless_the_setting_asks_for_it(acme: AcmeVendor, run_tap: Callable[..., Run]) -> None:
    # when
    run = run_tap("spots")
    # then
    assert len(run.records("spots")) == len(acme.spots)
    assert {one["type"] for one in run.messages if "stream" in one} == {"SCHEMA", "RECORD"}
    assert [one for one in run.messages if one.get("version") is not None] == []
