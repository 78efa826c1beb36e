"""ACTIVATE_VERSION in every order, delete markers, and the `_sdc_` columns of taps."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from target_duckdb_arrow.errors import InputError
from target_duckdb_arrow_fixtures import INTEGER, MOMENT, PAIR, STATE, STRING, record, schema

if TYPE_CHECKING:
    from target_duckdb_arrow_fixtures import Load, Query

LATER = "2024-01-01T00:00:00Z"


def activate(version: object, stream: str = "s") -> dict[str, Any]:
    """Make an ACTIVATE_VERSION message."""
    return {"type": "ACTIVATE_VERSION", "stream": stream, "version": version}


@pytest.mark.parametrize("settings", [{"hard_delete": True}, {"add_record_metadata": True}])
def test_activate_version_removes_or_flags_older_rows(
    feed: Load,
    query: Query,
    settings: dict[str, bool],
) -> None:
    # given rows of version 1, and one loaded before versions were kept
    feed([schema(PAIR, ["id"]), record(id=0, x="old")])
    feed([schema(PAIR, ["id"]), record(id=1, version=1), record(id=2, version=1)], **settings)

    # when version 2 is activated, with one of the keys again
    feed(
        [
            schema(PAIR, ["id"]),
            record(id=2, version=2),
            {"type": "ACTIVATE_VERSION", "stream": "s", "version": 2},
            record(id=3, version=2),
        ],
        **settings,
    )

    # then
    rows = query("SELECT id, _sdc_table_version, _sdc_deleted_at IS NOT NULL FROM s ORDER BY id")
    kept = [(2, 2, False), (3, 2, False)]
    assert rows == (kept if "hard_delete" in settings else [(0, None, True), (1, 1, True), *kept])


def test_activate_version_without_versions_is_logged_and_changes_nothing(
    feed: Load,
    query: Query,
    caplog: pytest.LogCaptureFixture,
) -> None:
    feed([schema(PAIR, ["id"]), record(id=1, version=1), {"type": "ACTIVATE_VERSION", "stream": "s", "version": 2}])
    assert query("SELECT id FROM s") == [(1,)]
    assert any("ACTIVATE_VERSION is ignored" in message for message in caplog.messages)


def test_activate_version_can_be_switched_off(feed: Load, query: Query) -> None:
    messages = [
        schema(PAIR, ["id"]),
        record(id=1, version=1),
        {"type": "ACTIVATE_VERSION", "stream": "s", "version": 2},
    ]
    feed(messages, hard_delete=True, process_activate_version_messages=False)
    assert query("SELECT id FROM s") == [(1,)]


HEAD = schema(PAIR, ["id"])


@pytest.mark.parametrize(
    "messages",
    [
        [HEAD, record(id=2, version=2), activate(2), STATE],
        [HEAD, record(id=2, version=2), STATE, activate(2)],
        [HEAD, activate(2), record(id=2, version=2), STATE],
        [HEAD, activate(2), record(id=2, version=2), activate(2), STATE],
        [activate(2), HEAD, record(id=2, version=2), STATE],
        [activate(2), HEAD, record(id=2, version=2), activate(2)],
        [HEAD, activate(2), record(id=2, version=2)],
        [HEAD, record(id=2), activate(2), STATE],
        [HEAD, activate(2), record(id=2), STATE],
        [HEAD, record(id=1, version=1), record(id=2, version=2), activate(2), STATE],
        [HEAD, record(id=2, version=2), activate(1), activate(2), STATE],
    ],
    ids=[
        "at the end",
        "at the very end",
        "at the start",
        "both",
        "before SCHEMA",
        "both, before SCHEMA",
        "no STATE at all",
        "no versions, at the end",
        "no versions, at the start",
        "older rows in the run",
        "going back and on",
    ],
)
@pytest.mark.parametrize("batch", [1, 1000])
def test_a_version_is_activated_at_any_position_of_its_message(
    feed: Load, query: Query, messages: list[dict[str, Any]], batch: int
) -> None:
    # given rows of version 1
    settings = {"hard_delete": True, "batch_size_rows": batch}
    feed([HEAD, record(id=0, version=1), record(id=1, version=1), activate(1), STATE], **settings)

    # when / then only the rows of this run are left
    feed(messages, **settings)
    assert query("SELECT id FROM s") == [(2,)]


@pytest.mark.parametrize(
    "messages",
    [
        [STATE, HEAD, activate(2)],
        [STATE, HEAD, activate(2), record(id=2, version=2)],
        [STATE, activate(2), HEAD, record(id=2, version=2)],
    ],
    ids=["before the first row", "in the middle", "before SCHEMA"],
)
def test_a_tap_that_fails_after_announcing_a_version_does_not_empty_the_table(
    feed: Load, query: Query, messages: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    # given
    feed([HEAD, record(id=1, version=1), STATE], hard_delete=True)

    # when
    feed(messages, hard_delete=True)

    # then
    assert (1,) in query("SELECT id FROM s")
    assert any("ACTIVATE_VERSION has no effect because the input ended without" in one for one in caplog.messages)


def test_a_finished_stream_without_rows_empties_its_table(feed: Load, query: Query) -> None:
    feed([HEAD, record(id=1, version=1), STATE], hard_delete=True)
    feed([HEAD, activate(2), STATE], hard_delete=True)
    assert query("SELECT id FROM s") == []


def test_an_older_version_deletes_nothing_and_is_logged(
    feed: Load, query: Query, caplog: pytest.LogCaptureFixture
) -> None:
    feed([HEAD, record(id=1, version=7), activate(7), STATE], hard_delete=True)
    feed([HEAD, record(id=2, version=3), activate(3), STATE], hard_delete=True)
    assert query("SELECT id FROM s ORDER BY id") == [(1,), (2,)]
    assert any("ACTIVATE_VERSION 3 is older than version 7 in the table" in one for one in caplog.messages)


def test_an_ignored_version_may_precede_the_schema(feed: Load, query: Query, caplog: pytest.LogCaptureFixture) -> None:
    feed([activate(1), activate(1, "never"), HEAD, record(id=1), activate(1), STATE])
    assert query("SELECT id FROM s") == [(1,)]
    assert "Stream 'never': ACTIVATE_VERSION without a SCHEMA is ignored" in caplog.messages


@pytest.mark.parametrize("version", [None, 2**63, -(2**70)])
def test_an_invalid_version_ends_the_run(feed: Load, version: int | None) -> None:
    with pytest.raises(InputError, match=r"^Stream 's': ACTIVATE_VERSION has no 64-bit 'version'"):
        feed([HEAD, activate(version)], hard_delete=True)


LOGGED = {**PAIR, "_sdc_deleted_at": MOMENT, "_sdc_lsn": INTEGER}
"""The properties that taps for PostgreSQL declare for log-based replication."""


def test_declared_sdc_columns_are_kept(feed: Load, query: Query) -> None:
    feed([schema(LOGGED, ["id"]), record(id=1, _sdc_lsn=5), record(id=2, _sdc_lsn=6, _sdc_deleted_at=LATER), STATE])
    assert query("SELECT id, _sdc_lsn, _sdc_deleted_at FROM s ORDER BY id") == [
        (1, 5, None),
        (2, 6, dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc)),
    ]


def test_undeclared_sdc_properties_are_logged(feed: Load, query: Query, caplog: pytest.LogCaptureFixture) -> None:
    feed([HEAD, record(id=1, _sdc_deleted_at=LATER), STATE])
    assert [name for (name, *_) in query("DESCRIBE s")] == ["id", "x"]
    assert any("property '_sdc_deleted_at' is not in the schema and is not loaded" in one for one in caplog.messages)


def test_the_loaders_sdc_columns_replace_declared_ones_except_a_delete_marker(feed: Load, query: Query) -> None:
    # given a tap that declares three of the SDK's names, two with other types
    properties = {"_sdc_sequence": STRING, "_sdc_extracted_at": STRING, **LOGGED}
    values: dict[str, Any] = {"_sdc_sequence": "a", "_sdc_extracted_at": "b", "_sdc_deleted_at": LATER, "_sdc_lsn": 5}

    # when / then
    feed([schema(properties, ["id"]), record(id=1, **values), STATE], add_record_metadata=True)
    assert query("SELECT id, _sdc_lsn, _sdc_extracted_at, _sdc_sequence > 0, year(_sdc_deleted_at) FROM s") == [
        (1, 5, dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc), True, 2024)
    ]
    assert [name for (name, *_) in query("DESCRIBE s")][:3] == ["id", "x", "_sdc_lsn"]


@pytest.mark.parametrize("declared", [LOGGED, PAIR], ids=["declared", "not declared"])
@pytest.mark.parametrize("settings", [{}, {"batch_size_rows": 1}, {"validate_records": True}])
def test_a_delete_marker_deletes_the_row_with_hard_delete(
    feed: Load, query: Query, declared: dict[str, Any], settings: dict[str, Any]
) -> None:
    # given
    settings = {"hard_delete": True, **settings}
    feed([schema(declared, ["id"]), record(id=1), record(id=2), record(id=3), STATE], **settings)

    # when one is deleted, one is deleted and created again, and one never existed
    messages = [
        record(id=1, _sdc_deleted_at=LATER),
        record(id=2, _sdc_deleted_at=LATER),
        record(id=2, x="again"),
        record(id=4, x="never", _sdc_deleted_at=LATER),
    ]
    feed([schema(declared, ["id"]), *messages, STATE], **settings)

    # then
    assert query("SELECT id, x FROM s ORDER BY id") == [(2, "again"), (3, None)]


@pytest.mark.parametrize("marker", ["2024-01-01T00:00:00.000000+00:00+00:00", True, 1])
def test_a_delete_marker_of_a_deleted_row_need_not_be_a_date_time(feed: Load, query: Query, marker: object) -> None:
    feed([HEAD, record(id=1), record(id=2), record(id=1, _sdc_deleted_at=marker), STATE], hard_delete=True)
    assert query("SELECT id FROM s") == [(2,)]


def test_append_only_keeps_delete_markers(feed: Load, query: Query) -> None:
    settings = {"hard_delete": True, "load_method": "append-only"}
    feed([schema(LOGGED, ["id"]), record(id=1), record(id=1, _sdc_deleted_at=LATER), STATE], **settings)
    assert query("SELECT id, _sdc_deleted_at IS NULL FROM s ORDER BY 2") == [(1, False), (1, True)]
