"""Values are stored exactly as they were sent, or refused with the name of the column."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from target_duckdb_arrow.errors import LoadError, MissingKeyError, RecordError, SchemaError
from target_duckdb_arrow_fixtures import INTEGER, MOMENT, STRING

if TYPE_CHECKING:
    from target_duckdb_arrow_fixtures import Load, Query

DAY = {"type": ["string", "null"], "format": "date"}
UTC = dt.timezone.utc


def messages(schema: dict[str, Any], *values: str) -> list[Any]:
    """Return messages with values exactly as written."""
    first = {"type": "SCHEMA", "stream": "s", "schema": {"properties": {"x": schema}}, "key_properties": []}
    return [first, *(f'{{"type": "RECORD", "stream": "s", "record": {{"x": {value}}}}}' for value in values)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "null",
        "\x00",
        "a\x00b",
        "😀",
        "e\u0301",
        "\u2028",
        'quote " and \\',
        "x" * 3_000_000,
        "'; DROP TABLE s; --",
    ],
    ids=["empty", "space", "null", "nul", "inner nul", "emoji", "combining", "separator", "quotes", "long", "sql"],
)
def test_text_is_stored_exactly(load: Load, query: Query, text: str) -> None:
    # given text in a column, in a list, and inside JSON
    properties = {"x": STRING, "l": {"type": "array", "items": STRING}, "j": {"type": "object"}}

    # when
    load(properties, [{"x": text, "l": [text], "j": {"k": text}}])

    # then
    ((x, values, document),) = query("SELECT x, l, j FROM s")
    assert (x, values, json.loads(document)) == (text, [text], {"k": text})


@pytest.mark.parametrize(
    ("numbers", "sql"),
    [
        ([0, -1, 2**63 - 1, -(2**63)], "BIGINT"),
        ([1, 2**63], "HUGEINT"),
        ([2**127 - 1, -(2**127)], "HUGEINT"),
    ],
)
def test_integers_are_stored_exactly(load: Load, query: Query, numbers: list[int], sql: str) -> None:
    load({"x": INTEGER}, [{"x": number} for number in numbers])
    assert query("SELECT x, typeof(x) FROM s ORDER BY x") == [(number, sql) for number in sorted(numbers)]


def test_an_integer_column_widens_when_a_later_value_needs_it(load: Load, query: Query) -> None:
    load({"x": INTEGER}, [{"x": 1}])
    load({"x": INTEGER}, [{"x": 2**100}])
    load({"x": INTEGER}, [{"x": 3}])
    assert query("SELECT x, typeof(x) FROM s ORDER BY x") == [(1, "HUGEINT"), (3, "HUGEINT"), (2**100, "HUGEINT")]


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("2024-03-31T01:30:00+02:00", dt.datetime(2024, 3, 30, 23, 30, tzinfo=UTC)),
        ("2024-03-31T01:30:00Z", dt.datetime(2024, 3, 31, 1, 30, tzinfo=UTC)),
        ("2024-03-31t01:30:00z", dt.datetime(2024, 3, 31, 1, 30, tzinfo=UTC)),
        ("2024-03-31T01:30:00.123456-0500", dt.datetime(2024, 3, 31, 6, 30, 0, 123456, tzinfo=UTC)),
        ("2024-03-31 01:30:00", dt.datetime(2024, 3, 31, 1, 30, tzinfo=UTC)),
        ("2024-03-31T01:30", dt.datetime(2024, 3, 31, 1, 30, tzinfo=UTC)),
        ("2024-03-31", dt.datetime(2024, 3, 31, tzinfo=UTC)),
        ("2024-03-31T01:30:00.1234569Z", dt.datetime(2024, 3, 31, 1, 30, 0, 123456, tzinfo=UTC)),
        ("1969-12-31T23:59:59.9999999Z", dt.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", dt.datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
    ],
)
def test_date_times_keep_their_instant(load: Load, query: Query, sent: str, stored: dt.datetime) -> None:
    load({"x": MOMENT}, [{"x": sent}, {"x": None}])
    assert query("SELECT x FROM s ORDER BY x") == [(stored,), (None,)]


def test_truncation_to_microseconds_is_logged_once(load: Load, caplog: pytest.LogCaptureFixture) -> None:
    # given / when zeros are cut / then nothing is lost or logged
    load({"x": MOMENT}, [{"x": "2024-01-01T00:00:00.1230000000Z"}])
    assert [one for one in caplog.records if one.levelname == "WARNING"] == []

    # when digits are cut, in two batches
    load({"x": MOMENT}, [{"x": "2024-01-01T00:00:00.1234567Z"}] * 2, batch_size_rows=1)

    # then
    told = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert told == ["Stream 's', column 'x': date-times are truncated to microseconds"]


@pytest.mark.parametrize("sent", ["2024-02-29", "2024-02-29T00:00:00Z", "2024-02-29 00:00:00.000+02:00"])
def test_dates_are_stored_exactly(load: Load, query: Query, sent: str) -> None:
    load({"x": DAY}, [{"x": sent}])
    assert query("SELECT x FROM s") == [(dt.date(2024, 2, 29),)]


@pytest.mark.parametrize(
    ("schema", "value", "reason"),
    [
        (INTEGER, "5", "a string of 1 character \\(9\\) is not an integer"),
        (INTEGER, True, "a boolean is not an integer"),
        (INTEGER, 1.5, "a number with the exponent 0 and 1 decimal is not an integer"),
        (INTEGER, 2**127, "a number of 39 digits exceeds 128 bits"),
        (INTEGER, -(2**127) - 1, "exceeds 128 bits"),
        (INTEGER, 1e60, "a number with the exponent 60 and 0 decimals exceeds 128 bits"),
        (INTEGER, [1], "an array of 1 element is not an integer"),
        ({"type": "number"}, "1.5", r"a string of 3 characters \(9\.9\) is not a number"),
        ({"type": "number"}, True, "a boolean is not a number"),
        ({"type": "boolean"}, 1, "a number of 1 digit is not a boolean"),
        (STRING, 5, "a number of 1 digit is not a string"),
        (STRING, {"a": 1}, "an object of 1 property is not a string"),
        (STRING, False, "a boolean is not a string"),
        (MOMENT, "yesterday", r"a string of 9 characters \(aaaaaaaaa\) is not a date-time"),
        (MOMENT, "2024-02-30T00:00:00Z", r"a string of 20 characters \(9999-99-99a99:99:99a\) is not a date-time"),
        (MOMENT, "2024-01-01T24:00:00Z", "is not a date-time"),
        (MOMENT, "2024-01-01T00:00:00+25:00", "is not a date-time"),
        (MOMENT, "12024-01-01T00:00:00Z", "is not a date-time"),
        (MOMENT, 1704067200, "a number of 10 digits is not a date-time"),
        (MOMENT, "", "a string of 0 characters is not a date-time"),
        (DAY, "2024-01-01T10:00:00Z", "a string of 20 characters .* is not a date"),
        (DAY, "2023-02-29", r"a string of 10 characters \(9999-99-99\) is not a date"),
        ({"type": "array", "items": INTEGER}, {"a": 1}, "an object of 1 property is not an array"),
        ({"type": "array", "items": INTEGER}, [1, "x"], "a string of 1 character .* is not an integer"),
        (
            {"type": "array", "items": {"type": "array", "items": STRING}},
            [["a"], "b"],
            "a string of 1 character .* is not an array",
        ),
    ],
)
def test_values_that_do_not_fit_are_refused(
    load: Load,
    query: Query,
    schema: dict[str, Any],
    value: object,
    reason: str,
) -> None:
    # given a good record before the bad one
    good = {"i": 1}

    # when / then
    with pytest.raises(
        RecordError, match=f"^Stream 's', column 'x', line 3 of the input: .*{reason}.*Correct the stream's schema"
    ):
        load({"i": INTEGER, "x": schema}, [good, {"i": 2, "x": value}])
    # then nothing of the batch is there
    assert query("SELECT count(*) FROM duckdb_tables()") == [(0,)]


@pytest.mark.parametrize("schema", [INTEGER, {"type": "number"}])
def test_integers_of_thousands_of_digits_are_refused(feed: Load, schema: dict[str, Any]) -> None:
    with pytest.raises(LoadError, match=r"^Stream 's'"):
        feed(messages(schema, "9" * 5000))


def test_integral_decimals_are_integers(feed: Load, query: Query) -> None:
    feed(messages(INTEGER, "1.0", "1e3"))
    assert query("SELECT x, typeof(x) FROM s ORDER BY x") == [(1, "BIGINT"), (1000, "BIGINT")]


def test_lists_keep_nulls_and_nesting(load: Load, query: Query) -> None:
    # given
    properties = {
        "i": INTEGER,
        "a": {"type": ["array", "null"], "items": {"type": ["array", "null"], "items": INTEGER}},
        "m": {"type": ["array", "null"], "items": MOMENT},
        "h": {"type": ["array", "null"], "items": INTEGER},
    }

    # when
    load(
        properties,
        [
            {"i": 1, "a": [[1, None], [], None], "m": ["2024-01-01T00:00:00+01:00", None], "h": [2**64, 1]},
            {"i": 2, "a": [], "m": None, "h": []},
            {"i": 3},
        ],
    )

    # then
    assert query("SELECT a, m, h FROM s ORDER BY i") == [
        ([[1, None], [], None], [dt.datetime(2023, 12, 31, 23, tzinfo=UTC), None], [2**64, 1]),
        ([], None, []),
        (None, None, None),
    ]
    assert query("SELECT typeof(a), typeof(m), typeof(h) FROM s LIMIT 1") == [
        ("BIGINT[][]", "TIMESTAMP WITH TIME ZONE[]", "HUGEINT[]"),
    ]


def test_json_keeps_every_digit_and_the_order(feed: Load, query: Query) -> None:
    # given
    document = '{"z":1.10,"a":[123456789012345678901234567890,null,"x",true,{}],"e":[]}'

    # when
    feed(messages({"type": "object"}, document))

    # then
    assert query("SELECT typeof(x), CAST(x AS VARCHAR), x->>'a'->>0 FROM s") == [
        ("JSON", document, "123456789012345678901234567890"),
    ]


def test_mixed_scalars_stay_apart_in_json(load: Load, query: Query) -> None:
    load({"x": {"type": ["string", "integer", "null"]}}, [{"x": "1"}, {"x": 1}, {"x": None}])
    assert query("SELECT x FROM s ORDER BY x NULLS LAST") == [('"1"',), ("1",), (None,)]


def test_names_are_unchanged(load: Load, query: Query) -> None:
    # given
    names = ["id", "camelCase", "with space", 'quo"te', "select", "ünïcode", "a.b", "x-y", "rowid", "1st", "c0"]

    # when
    load(dict.fromkeys(names, INTEGER), [{name: index for index, name in enumerate(names)}], keys=["id", 'quo"te'])

    # then
    assert [name for (name, *_) in query("DESCRIBE s")] == names
    assert query("SELECT * FROM s") == [tuple(range(len(names)))]


def test_properties_that_differ_only_by_case_stop_the_run(load: Load) -> None:
    with pytest.raises(SchemaError, match=r"^Stream 's': the properties 'Id' and 'ID' differ only by case"):
        load({"Id": INTEGER, "ID": INTEGER}, [])


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_a_property_with_an_impossible_name_stops_the_run(load: Load, name: str) -> None:
    with pytest.raises(SchemaError, match=r"^Stream 's': a property name is empty or contains a NUL"):
        load({name: INTEGER}, [])


def test_a_stream_without_properties_is_logged_and_its_records_are_refused(
    load: Load,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # when there are no records / then
    load({}, [])
    assert "Stream 's': no properties, so no table is created" in caplog.messages

    # when there are
    with pytest.raises(SchemaError, match=r"^Stream 's': the stream has records but no properties"):
        load({}, [{}])


def test_properties_that_are_not_in_the_schema_are_logged_once(
    load: Load,
    query: Query,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # given
    records = [{"i": 1, "new": 2}, {"i": 2, "new": 3, "other": 4}, {"i": 3, "other": 1}]

    # when
    load({"i": INTEGER}, records)

    # then
    assert query("SELECT * FROM s ORDER BY i") == [(1,), (2,), (3,)]
    assert [one.getMessage() for one in caplog.records if one.levelname == "WARNING"] == [
        f"Stream 's': property '{name}' is not in the schema and is not loaded" for name in ("new", "other")
    ]


@pytest.mark.parametrize("record", [{"x": 1}, {"id": None, "x": 1}], ids=["missing", "null"])
@pytest.mark.parametrize("validate", [False, True])
def test_a_record_without_its_key_stops_the_run(load: Load, record: dict[str, Any], validate: bool) -> None:  # noqa: FBT001 - a parameter of the test
    with pytest.raises(
        MissingKeyError, match=r"^Stream 's', column 'id': the record of line 3 has no value .* key \['id'\]"
    ):
        load({"id": INTEGER, "x": INTEGER}, [{"id": 1, "x": 1}, record], keys=["id"], validate_records=validate)


def test_a_key_that_is_not_a_property_stops_the_run(load: Load) -> None:
    with pytest.raises(SchemaError, match=r"^Stream 's': the key property 'id' is not in the schema"):
        load({"x": INTEGER}, [], keys=["id"])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "Line 3 of the input is not a Singer message: it is cut off after 1 bytes"),
        ("[]", "Line 3 of the input is not a Singer message: Expected `object`"),
        (
            '{"type": "RECORD", "stream": "s", "record": {"x": "\\ud800"}}',
            "Line 3 of the input is not a Singer message: it contains half of a surrogate pair .byte 51.",
        ),
        (
            '{"type": "RECORD", "stream": "s", "record": [1]}',
            "Stream 's': the record of line 3 cannot be read: it is an array of 1 element",
        ),
        ('{"type": "RECORD", "stream": "s"}', "Stream 's': the RECORD message of line 3 has no 'record'"),
        ('{"type": "SPAM"}', "Line 3 of the input has the unknown message type 'SPAM'"),
        ('{"stream": "s"}', "Line 3 of the input has the unknown message type ''"),
        ('{"type": "STATE"}', "The STATE message of line 3 has no object in 'value'"),
        ('{"type": "STATE", "value": [1]}', "The STATE message of line 3 has no object in 'value'"),
        (
            '{"type": "SCHEMA", "stream": "t", "schema": {}}',
            "Stream 't': the SCHEMA message of line 3 has no 'properties'",
        ),
        (
            '{"type": "RECORD", "stream": "t", "record": {}}',
            "Stream 't': a RECORD message .line 3. precedes the stream's SCHEMA",
        ),
        ('{"type": "ACTIVATE_VERSION", "stream": "s"}', "Stream 's': ACTIVATE_VERSION has no 64-bit 'version'"),
        ("\\ufeff{}", "Line 3 of the input is not a Singer message"),
        ('{"type": "STATE", "value": {"a": NaN}}', "Line 3 of the input is not a Singer message: NaN and Infinity are"),
        ('{"type": "BATCH", "stream": "s"}', "Stream 's': BATCH messages are not supported"),
    ],
)
def test_bad_lines_are_refused(feed: Load, line: str, reason: str) -> None:
    with pytest.raises(LoadError, match=f"^{reason}"):
        feed([*messages(STRING, '"a"'), line])


def test_empty_lines_are_skipped(feed: Load, query: Query) -> None:
    schema, record = messages(STRING, '"a"')
    feed(["", schema, "  ", record, ""])
    assert query("SELECT x FROM s") == [("a",)]
