"""Tables of streams, stream maps and validation, and several streams in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from target_duckdb_arrow.errors import RecordError, SchemaError
from target_duckdb_arrow.names import table_name
from target_duckdb_arrow_fixtures import INTEGER, PAIR, STRING, pairs, record, schema

if TYPE_CHECKING:
    from target_duckdb_arrow_fixtures import Load, Query


@pytest.mark.parametrize(
    ("stream", "default", "name"),
    [
        ("ads", None, "main.ads"),
        ("ads", "ispot", "ispot.ads"),
        ("public-ads", None, "public.ads"),
        ("db-public-ads", None, "public.ads"),
        ("public-ads", "ispot", "ispot.ads"),
        ("a-b-c-d", None, "main.d"),
        ("ads.daily", None, "main.ads.daily"),
        ("Ads Daily", "My Schema", "My Schema.Ads Daily"),
        ("-ads", None, "main.ads"),
        ("ads-", None, "ads.ads-"),
    ],
)
def test_the_table_of_a_stream(stream: str, default: str | None, name: str) -> None:
    assert str(table_name(stream, default)) == name


@pytest.mark.parametrize("name", ["My Schema", "warehouse", "memory", "s"])
def test_tables_are_created_in_the_chosen_schema(load: Load, query: Query, name: str) -> None:
    # given a schema, possibly with the name of the file, of a catalogue of DuckDB, or of the table
    # when it is loaded twice
    load(PAIR, pairs(1, 2), keys=["id"], default_target_schema=name)
    load(PAIR, pairs(2, text="b"), keys=["id"], default_target_schema=name, load_method="upsert")

    # then
    assert query(f'FROM warehouse."{name}".s ORDER BY id') == [(1, "a1"), (2, "b2")]


@pytest.mark.parametrize("other", ["x-s", "S"])
def test_two_streams_with_one_table_stop_the_run(feed: Load, other: str) -> None:
    with pytest.raises(SchemaError, match=rf"^Streams 's' and '{other}' would both be loaded into the table t\."):
        feed([schema(PAIR, ["id"]), schema(PAIR, ["id"], other)], default_target_schema="t")


def test_stream_maps_flattening_and_validation_work_together(feed: Load, query: Query) -> None:
    # given
    properties = {"id": INTEGER, "x": STRING, "o": {"type": "object", "properties": {"n": {"type": "number"}}}}
    maps = {"s": {"x": "x + '!'", "twice": "int(id * 2)", "__alias__": "t"}, "gone": None}

    # when
    states = feed(
        [
            schema(properties, ["id"]),
            schema(PAIR, ["id"], "gone"),
            record(id=1, x="a", o={"n": 0.12345}),
            record("gone", id=1),
            record(id=2, x="b", o={}),
            {"type": "STATE", "value": {"n": 1}},
        ],
        stream_maps=maps,
        flattening_enabled=True,
        flattening_max_depth=1,
        validate_records=True,
        add_record_metadata=True,
        batch_size_rows=1,
    )

    # then
    assert query("SELECT id, x, twice, CAST(o__n AS VARCHAR), _sdc_received_at IS NULL FROM t ORDER BY id") == [
        (1, "a!", 2, "0.1234500000", False),
        (2, "b!", 4, None, False),
    ]
    assert query("SELECT table_name FROM duckdb_tables()") == [("t",)]
    assert states == ['{"n":1}']


def test_validation_refuses_values_that_only_the_schema_forbids(load: Load, query: Query) -> None:
    # given
    properties = {"id": {"type": "integer", "maximum": 5}}

    # when it is off / then
    load(properties, [{"id": 6}])
    assert query("SELECT id FROM s") == [(6,)]

    # when it is on
    with pytest.raises(
        RecordError,
        match=r"^Stream 's': the record of line 2 does not match its schema: property 'id', rule 'maximum' '5'",
    ):
        load(properties, [{"id": 7}], validate_records=True)


def test_many_streams_share_one_transaction_and_the_state_follows_all(feed: Load, query: Query) -> None:
    # given two streams in turns, the first filling its batch
    messages = [schema(PAIR, ["id"]), schema(PAIR, ["id"], "t")]
    for number in range(1, 6):
        messages += [record(id=number), record("t", id=number * 10), {"type": "STATE", "value": {"s": number}}]

    # when
    states = feed(messages, batch_size_rows=2)

    # then a batch ends with the second record of s, then with the third of t, then with the fifth of s
    assert states == ['{"s":1}', '{"s":2}', '{"s":4}', '{"s":5}']
    assert query("SELECT count(*) FROM s") == [(5,)]
    assert query("SELECT count(*) FROM t") == [(5,)]


def test_a_state_is_printed_as_it_was_written(feed: Load) -> None:
    text = '{"a": 1.10, "b":  12345678901234567890123, "c": "\\u00fc"}'
    assert feed([f'{{"type": "STATE", "value": {text}}}']) == [text]
