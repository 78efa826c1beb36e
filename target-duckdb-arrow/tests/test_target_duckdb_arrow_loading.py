"""Load methods, keys, growing schemas, versions and metadata."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from target_duckdb_arrow.errors import LoadError, RecordError, SchemaError
from target_duckdb_arrow_fixtures import INTEGER, PAIR, STATE, STRING, pairs, record, schema

if TYPE_CHECKING:
    from pathlib import Path

    from target_duckdb_arrow_fixtures import Load, Query

KEPT = "__target_duckdb_arrow_previous"


@pytest.mark.parametrize("settings", [{}, {"batch_size_rows": 1}, {"batch_size_rows": 2}, {"max_batch_bytes": 1}])
def test_upsert_replaces_rows_with_the_same_key_and_the_last_wins(
    load: Load,
    query: Query,
    settings: dict[str, int],
) -> None:
    # given a table
    load(PAIR, pairs(1, 2, 3), keys=["id"], **settings)

    # when some keys are sent again, one of them three times
    records = [*pairs(2, text="b"), *pairs(4), *pairs(2, text="c"), *pairs(4, text="d"), *pairs(2, text="e")]
    load(PAIR, records, keys=["id"], **settings)

    # then
    assert query("SELECT * FROM s ORDER BY id") == [(1, "a1"), (2, "e2"), (3, "a3"), (4, "d4")]


def test_upsert_replaces_the_whole_row(load: Load, query: Query) -> None:
    load(PAIR, [{"id": 1, "x": "a"}], keys=["id"])
    load(PAIR, [{"id": 1}], keys=["id"])
    assert query("SELECT * FROM s") == [(1, None)]


def test_keys_of_several_columns_and_kinds(load: Load, query: Query) -> None:
    # given a key of a number, a date-time, a text and a list
    properties = {
        "n": {"type": "number"},
        "at": {"type": "string", "format": "date-time"},
        "t": STRING,
        "l": {"type": "array", "items": INTEGER},
        "x": INTEGER,
    }
    one = {"n": 1.5, "at": "2024-01-01T00:00:00Z", "t": "", "l": [1], "x": 1}

    # when the same instant is sent with another offset, and a row differs only in the text
    load(properties, [one], keys=["n", "at", "t", "l"])
    load(properties, [{**one, "at": "2024-01-01T01:00:00+01:00", "x": 2}], keys=["n", "at", "t", "l"])
    load(properties, [{**one, "t": " ", "x": 3}], keys=["n", "at", "t", "l"])

    # then
    assert query("SELECT t, x FROM s ORDER BY x") == [("", 2), (" ", 3)]


def test_keys_widen_with_their_column(load: Load, query: Query) -> None:
    load(PAIR, pairs(1, 2), keys=["id"])
    load(PAIR, [{"id": 2**70, "x": "big"}, {"id": 2, "x": "new"}], keys=["id"])
    assert query("SELECT * FROM s ORDER BY id") == [(1, "a1"), (2, "new"), (2**70, "big")]


def test_streams_without_a_key_append(load: Load, query: Query) -> None:
    load(PAIR, pairs(1))
    load(PAIR, pairs(1))
    assert query("SELECT * FROM s") == [(1, "a1"), (1, "a1")]


def test_append_only_keeps_every_record(load: Load, query: Query) -> None:
    load(PAIR, pairs(1, 1), keys=["id"], load_method="append-only")
    load(PAIR, [*pairs(1), {"x": "no key"}], keys=["id"], load_method="append-only")
    assert query("SELECT id, count(*) FROM s GROUP BY id ORDER BY id") == [(1, 3), (None, 1)]


@pytest.mark.parametrize("settings", [{}, {"batch_size_rows": 1}])
def test_overwrite_replaces_the_table_at_the_end(
    feed: Load,
    load: Load,
    query: Query,
    settings: dict[str, int],
) -> None:
    # given a table with a column and a type that are not in the new schema
    load({"id": STRING, "old": STRING}, [{"id": "a", "old": "b"}], keys=["id"])

    # when it is overwritten with a repeated key and a changing schema, and a second stream has no records
    wider = {**PAIR, "y": INTEGER}
    messages = [
        schema(PAIR, ["id"]),
        schema(PAIR, ["id"], "empty"),
        record(id=1, x="a"),
        {"type": "STATE", "value": {"at": 1}},
        record(id=1, x="b"),
        schema(wider, ["id"]),
        record(id=2, x="c", y=5),
        {"type": "STATE", "value": {"at": 2}},
    ]
    states = feed(messages, load_method="overwrite", **settings)

    # then the STATE was printed at the end
    assert query("SELECT id, x, y FROM s ORDER BY id") == [(1, "b", None), (2, "c", 5)]
    assert query("SELECT * FROM empty") == []
    assert query("SELECT table_name FROM duckdb_tables() ORDER BY 1") == [("empty",), ("s",), (f"s{KEPT}",)]
    assert query(f"SELECT id, old FROM s{KEPT}") == [("a", "b")]  # noqa: S608 - a name of this file
    assert states == ['{"at":2}']


def test_overwrite_that_fails_leaves_the_old_table_and_the_next_one_works(
    load: Load,
    feed: Load,
    query: Query,
) -> None:
    # given
    load(PAIR, pairs(1), keys=["id"])

    # when a run stops in its third batch
    bad = [schema(PAIR, ["id"]), *(record(id=number, x="new") for number in range(4)), record(id="x")]
    with pytest.raises(RecordError):
        feed(bad, load_method="overwrite", batch_size_rows=2)

    # then
    assert query("SELECT * FROM s") == [(1, "a1")]

    # when the next one succeeds / then it has no rows of the failed one
    feed([schema(PAIR, ["id"]), record(id=9, x="a9"), STATE], load_method="overwrite")
    assert query("SELECT * FROM s") == [(9, "a9")]
    assert query("SELECT table_name FROM duckdb_tables() ORDER BY 1") == [("s",), (f"s{KEPT}",)]


def test_columns_are_added_and_kept_as_schemas_change_in_a_run(feed: Load, query: Query) -> None:
    # given / when a column is added, one is removed, and a type widens
    feed(
        [
            schema({"id": INTEGER, "a": STRING}, ["id"]),
            record(id=1, a="x"),
            schema({"id": INTEGER, "b": INTEGER}, ["id"]),
            record(id=2, b=2),
            schema({"id": INTEGER, "b": {"type": "number"}, "c": {"type": "object"}}, ["id"]),
            record(id=3, b=2.5, c={"k": 1}),
        ]
    )

    # then
    assert query("SELECT id, a, CAST(b AS VARCHAR), c FROM s ORDER BY id") == [
        (1, "x", None, None),
        (2, None, "2.0000000000", None),
        (3, None, "2.5000000000", '{"k":1}'),
    ]


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        (({"type": "integer"}, 5), ({"type": "string"}, "five"), ["5", "five"]),
        (({"type": "string"}, "five"), ({"type": "integer"}, 6), ["6", "five"]),
        (({"type": "string"}, "five"), ({"type": ["string", "integer"]}, 5), ['"five"', "5"]),
        (({"type": "integer"}, 5), ({}, {"a": 1}), ["5", '{"a":1}']),
        (({"type": "number"}, 0.1), ({"type": ["number", "string"]}, "x"), ['"x"', "0.1000000000"]),
        (({"type": "object"}, {}), ({"type": "string", "format": "date"}, "2024-01-01"), ['"2024-01-01"', "{}"]),
        (({"type": "object"}, {}), ({"type": "array", "items": {"type": "number"}}, [1.1]), ["[1.1]", "{}"]),
        (
            ({"type": "string", "format": "date"}, "2024-01-01"),
            ({"type": "string", "format": "date-time"}, "2024-01-01T12:00:00Z"),
            ["2024-01-01 00:00:00+00", "2024-01-01 12:00:00+00"],
        ),
        (
            ({"type": "string", "format": "date-time"}, "2024-01-01T12:00:00Z"),
            ({"type": "string", "format": "date"}, "2024-01-01"),
            ["2024-01-01 00:00:00+00", "2024-01-01 12:00:00+00"],
        ),
    ],
)
@pytest.mark.parametrize("runs", [1, 2])
def test_columns_widen_without_loss(  # noqa: PLR0913, PLR0917 - four are parameters of the table
    feed: Load,
    query: Query,
    first: tuple[dict[str, Any], object],
    second: tuple[dict[str, Any], object],
    found: list[str],
    runs: int,
) -> None:
    # given / when
    before = [schema({"x": first[0]}, []), record(x=first[1])]
    after = [schema({"x": second[0]}, []), record(x=second[1])]
    if runs == 1:
        feed(before + after)
    else:
        feed(before)
        feed(after)

    # then
    assert sorted(text for (text,) in query("SELECT CAST(x AS VARCHAR) FROM s")) == found


@pytest.mark.parametrize(
    ("first", "second", "types"),
    [
        ({"type": "string"}, {"type": "boolean"}, "has VARCHAR, the schema requires BOOLEAN,"),
        ({"type": "string"}, {"type": "number"}, r"has VARCHAR, the schema requires DECIMAL\(38,10\),"),
        ({"type": "array", "items": INTEGER}, INTEGER, r"has BIGINT\[\], the schema requires BIGINT,"),
        ({"type": "string", "format": "date"}, {"type": "object"}, "has DATE, the schema requires JSON,"),
    ],
)
def test_an_impossible_change_stops_the_run(
    load: Load,
    query: Query,
    first: dict[str, Any],
    second: dict[str, Any],
    types: str,
) -> None:
    load({"id": INTEGER, "x": first}, [{"id": 1}])
    with pytest.raises(
        SchemaError,
        match=f"^Stream 's', column 'x': the table {types}.* load_method overwrite with `meltano run --full-refresh`.$",
    ):
        load({"id": INTEGER, "x": second}, [{"id": 2}])
    assert query("SELECT id FROM s") == [(1,)]


def test_tables_made_by_hand_are_filled_if_their_types_are_known(filepath: Path, load: Load, query: Query) -> None:
    # given a table with names in another case, an unknown type and a default
    filepath.parent.mkdir()
    with duckdb.connect(str(filepath)) as connection:
        connection.execute("CREATE TABLE S (ID BIGINT PRIMARY KEY, note BLOB, x VARCHAR DEFAULT 'd')").fetchall()

    # when
    load(PAIR, pairs(1, 2), keys=["id"])
    load(PAIR, pairs(2, text="b"), keys=["id"])

    # then
    assert query("SELECT * FROM s ORDER BY id") == [(1, None, "a1"), (2, None, "b2")]
    with pytest.raises(SchemaError, match="column 'note': the table has BLOB"):
        load({"note": STRING}, [])


def test_a_view_with_the_name_of_the_table_stops_the_run(filepath: Path, load: Load) -> None:
    filepath.parent.mkdir()
    with duckdb.connect(str(filepath)) as connection:
        connection.execute("CREATE VIEW s AS SELECT 1 AS id, 'a' AS x").fetchall()
    with pytest.raises(LoadError, match=r"^Stream 's': main\.s is a view"):
        load(PAIR, pairs(1))


def test_metadata_columns(feed: Load, query: Query) -> None:
    # given / when
    before = dt.datetime.now(tz=dt.timezone.utc)
    feed([schema(PAIR, ["id"]), record(id=1, x="a", version=7)], add_record_metadata=True)

    # then
    columns = query("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 's' ORDER BY column_index")
    moment = "TIMESTAMP WITH TIME ZONE"
    assert columns[2:] == [
        ("_sdc_extracted_at", moment),
        ("_sdc_received_at", moment),
        ("_sdc_batched_at", moment),
        ("_sdc_deleted_at", moment),
        ("_sdc_sequence", "BIGINT"),
        ("_sdc_table_version", "BIGINT"),
        ("_sdc_sync_started_at", "BIGINT"),
    ]
    ((extracted, received, batched, deleted, sequence, version, started),) = query("SELECT COLUMNS('_sdc_.*') FROM s")
    assert extracted == dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc)
    assert before <= received <= dt.datetime.now(tz=dt.timezone.utc)
    assert before <= batched <= dt.datetime.now(tz=dt.timezone.utc)
    assert (deleted, version) == (None, 7)
    assert int(before.timestamp() * 1000) <= started <= sequence
