"""target-postgres with the settings of meltano.yml, fed by hand: what becomes of each kind of value."""

from __future__ import annotations

import datetime as dt
import functools
import json
import os
import subprocess
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import yaml
from psycopg.types.json import set_json_loads
from stand_ins.postgres import cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stand_ins.postgres import Cluster

pytestmark = pytest.mark.meltano

ROOT = Path(__file__).resolve().parent.parent
LOADER = ROOT / ".meltano" / "loaders" / "target-postgres" / "venv" / "bin" / "target-postgres"
PLUGIN = next(
    plugin
    for plugin in yaml.safe_load((ROOT / "meltano.yml").read_text())["plugins"]["loaders"]
    if plugin["name"] == "target-postgres"
)
SETTINGS = {name: value for name, value in PLUGIN["config"].items() if "$" not in str(value)}

INTEGER = {"type": ["integer", "null"]}
NUMBER = {"type": ["number", "null"]}
TEXT = {"type": ["string", "null"]}
INSTANT = {"type": ["string", "null"], "format": "date-time"}
OBJECT = {"type": ["object", "null"]}

COLUMNS: dict[str, Any] = {
    "id": {"type": "integer"},
    "amount": NUMBER,
    "text_amount": {"type": ["string", "null"], "format": "x-singer.decimal", "precision": 38, "scale": 10},
    "at": INSTANT,
    "day": {"type": ["string", "null"], "format": "date"},
    "count": INTEGER,
    "flag": {"type": ["boolean", "null"]},
    "text": TEXT,
    "object": OBJECT,
    "texts": {"type": ["array", "null"], "items": {"type": ["string", "null"]}},
    "numbers": {"type": ["array", "null"], "items": {"type": "integer"}},
    "objects": {"type": ["array", "null"], "items": {"type": "object"}},
    "anything": {"type": ["array", "null"]},
    "hours": {"type": ["array", "null"], "items": {"type": ["array", "null"], "items": {"type": "boolean"}}},
}

# As a tap writes it, and as it stands in the table: read in UTC, JSON with all digits.
ODD = "tab\t quote\" ' backslash\\ line\r\n \\N \\. , {} é 😀"
VALUES: dict[str, tuple[str, Any]] = {
    "38 digits": ("amount", Decimal("12345678901234567890.123456789012345678")),
    "38 digits before the point": ("amount", Decimal(10**38 - 1)),
    "no binary fraction": ("amount", Decimal("0.1")),
    "trailing zeros": ("amount", Decimal("1234.5600")),
    "20 places": ("amount", Decimal("0.00000000000000000001")),
    "a decimal as text": ("text_amount", "1234567890123456789012345678.0123456789"),
    "the largest integer": ("count", 2**63 - 1),
    "the smallest integer": ("count", -(2**63)),
    "true": ("flag", True),
    "false": ("flag", False),
    "a leap day": ("day", "2024-02-29"),
    "no text": ("text", ""),
    "null": ("text", None),
    "odd text": ("text", ODD),
    "COPY's null": ("text", "\\N"),
    "COPY's end": ("text", "\\."),
    "NUL": ("text", "a\x00b"),
    "object": (
        "object",
        {ODD: [ODD, None, True], "n": Decimal("12345678901234567890.12345678901234567890"), "i": 10**30},
    ),
    "empty object": ("object", {}),
    "texts": ("texts", ["a,b", 'c"d', "e\\f", "{g}", "", None, "NULL", "x\ny"]),
    "empty list": ("texts", []),
    "integers": ("numbers", [1, -2]),
    "objects": ("objects", [{"a": Decimal("1.10")}, {"a": [None, {}]}]),
    "a list of anything": ("anything", [1, "a", {"b": [1, [2]]}, [1, 2], None]),
    "hours of days": ("hours", [[True, False], [False, False]]),
    "east": ("at", "2024-03-10T01:30:00+02:00"),
    "west": ("at", "2024-03-10T01:30:00-05:00"),
    "UTC": ("at", "2024-03-10T07:30:00Z"),
    "half an hour and microseconds": ("at", "2024-03-10T01:30:00.123456+05:30"),
    # Both are half past one in New York.
    "an hour that is there twice": ("at", "2024-11-03T05:30:00Z"),
    "an hour that is there twice, again": ("at", "2024-11-03T06:30:00Z"),
}
CHANGED = {
    "NUL": "a\ufffdb",
    "a decimal as text": Decimal("1234567890123456789012345678.0123456789"),
    "a leap day": dt.date(2024, 2, 29),
    "east": dt.datetime(2024, 3, 9, 23, 30),  # noqa: DTZ001 - the column has no zone
    "west": dt.datetime(2024, 3, 10, 6, 30),  # noqa: DTZ001 - the column has no zone
    "UTC": dt.datetime(2024, 3, 10, 7, 30),  # noqa: DTZ001 - the column has no zone
    "half an hour and microseconds": dt.datetime(2024, 3, 9, 20, 0, 0, 123456),  # noqa: DTZ001 - the column has no zone
    "an hour that is there twice": dt.datetime(2024, 11, 3, 5, 30),  # noqa: DTZ001 - the column has no zone
    "an hour that is there twice, again": dt.datetime(2024, 11, 3, 6, 30),  # noqa: DTZ001 - the column has no zone
}
RIGHT: dict[str, Any] = {name: CHANGED.get(name, value) for name, (_, value) in VALUES.items()}

# docs/loaders.md gives this statement; it makes the one that changes a column.
TO_INSTANTS = """
select format('alter table %I.%I alter column %I type timestamptz using %I at time zone ''UTC''',
              table_schema, table_name, column_name, column_name)
from information_schema.columns
where data_type = 'timestamp without time zone' and table_schema like 'tap\\_%'
"""


@pytest.fixture(scope="module")
def database() -> Iterator[Cluster]:
    # In a zone that has clock changes: what is stored must not depend on where the server stands.
    with cluster(settings={"TimeZone": "America/New_York"}) as running:
        yield running


def dumps(value: Any) -> str:
    """Write JSON with every digit of a decimal."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{dumps(item)}" for key, item in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dumps, value)) + "]"
    return json.dumps(value)


def schema_of(columns: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": columns}
    return {"type": "SCHEMA", "stream": "rows", "key_properties": ["id"], "schema": schema}


def row(**record: Any) -> dict[str, Any]:
    return {"type": "RECORD", "stream": "rows", "record": record}


STATE = {"type": "STATE", "value": {"at": 1}}
ALL_VALUES = [
    schema_of(COLUMNS),
    *(row(id=number, **{column: value}) for number, (column, value) in enumerate(VALUES.values())),
]


def load(
    database: Cluster,
    schema: str,
    *messages: dict[str, Any],
    environment: dict[str, str] = PLUGIN["env"],
    **settings: Any,
) -> subprocess.CompletedProcess[str]:
    """Run the loader over messages with the project's settings, into one schema."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.json"
        path.write_text(json.dumps({**SETTINGS, **database.settings(), "default_target_schema": schema, **settings}))
        return subprocess.run(
            [str(LOADER), "--config", str(path)],
            input="".join(dumps(message) + "\n" for message in messages),
            env={**os.environ, **environment},
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )


def query(database: Cluster, text: str, **values: Any) -> list[tuple[Any, ...]]:
    """Ask the database, in UTC, JSON with all digits."""
    with psycopg.connect(database.uri(), options="-c TimeZone=UTC") as connection:
        set_json_loads(functools.partial(json.loads, parse_float=Decimal), connection)
        cursor = connection.execute(text.encode(), values or None)
        return cursor.fetchall() if cursor.description else []


def stored(database: Cluster, schema: str) -> dict[str, Any]:
    """Return what is in the table for each of `VALUES`."""
    found = {}
    for number, (name, (column, _)) in enumerate(VALUES.items()):
        ((found[name],),) = query(database, f'select "{column}" from {schema}.rows where id = {number}')  # noqa: S608 - names above
    return found


def wrong(found: dict[str, Any]) -> set[str]:
    """Return the names of the values that are not what was sent; a digit that is missing or more counts."""
    return {name for name, value in found.items() if exactly(value) != exactly(RIGHT[name])}


def exactly(value: Any) -> str:
    """Write a value so that equal numbers of different digits differ, and the order of an object's keys does not."""
    return dumps(value) if isinstance(value, (dict, list)) else repr(value)


def types(database: Cluster, schema: str) -> dict[str, str]:
    kind = "case data_type when 'ARRAY' then udt_name else data_type end"
    columns = f"select column_name, {kind} from information_schema.columns where table_schema = %(schema)s"  # noqa: S608 - the line above
    return dict(query(database, columns, schema=schema))


def test_every_value_is_in_the_table_to_the_last_digit(database: Cluster) -> None:
    # when every kind of value is loaded
    run = load(database, "exact", *ALL_VALUES)

    # then all are there, and each column has a type of its own
    assert run.returncode == 0, run.stderr
    assert wrong(stored(database, "exact")) == set()
    assert types(database, "exact") == {
        "id": "bigint",
        "amount": "numeric",
        "text_amount": "numeric",
        "at": "timestamp without time zone",
        "day": "date",
        "count": "bigint",
        "flag": "boolean",
        "text": "text",
        "object": "jsonb",
        "texts": "_text",
        "numbers": "_int8",
        "objects": "_jsonb",
        "anything": "jsonb",
        "hours": "_jsonb",
    }
    key = "select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)"
    assert query(database, f"{key} where i.indrelid = 'exact.rows'::regclass and i.indisprimary") == [("id",)]

    # and an object that is null is the null of JSON, as docs/loaders.md says; everything else is null to SQL
    nulls = "select object is null, object = 'null', objects is null, text is null from exact.rows where id = 0"
    assert query(database, nulls) == [(False, True, True, True)]


def test_copy_is_wrong_and_therefore_off(database: Cluster) -> None:
    # given the setting that is off, when the same is loaded
    assert SETTINGS["use_copy"] is False
    run = load(database, "copied", *ALL_VALUES, use_copy=True)

    # then decimals went through a float, offsets were dropped, and the run says nothing of it
    assert run.returncode == 0, run.stderr
    found = stored(database, "copied")
    assert wrong(found) == {
        "38 digits",
        "38 digits before the point",
        "trailing zeros",
        "a decimal as text",
        "east",
        "west",
        "half an hour and microseconds",
    }
    assert found["38 digits"] == Decimal(12345678901234567000)
    assert found["east"] == dt.datetime(2024, 3, 10, 1, 30)  # noqa: DTZ001 - the column has no zone


def test_a_number_that_is_declared_bigint_is_copied_exactly_into_a_numeric_column(database: Cluster) -> None:
    # given a table with a decimal
    identifier = {"id": {"type": "integer"}}
    amount = Decimal("12345678901234567890.123456789012345678")
    assert load(database, "declared", schema_of({**identifier, "v": NUMBER}), row(id=1, v=0)).returncode == 0
    # when the stream's schema names another type, for which the loader makes no float
    declared = schema_of({**identifier, "v": {**NUMBER, "x-sql-datatype": "bigint"}})
    copied = load(database, "declared", declared, row(id=1, v=amount), use_copy=True)
    inserted = load(database, "declared", declared, row(id=2, v=amount))
    # then COPY is exact, and INSERT fails
    assert copied.returncode == 0, copied.stderr
    assert query(database, "select id, v from declared.rows") == [(1, amount)]
    assert inserted.returncode != 0
    assert "bigint out of range" in inserted.stderr


def test_without_the_zone_of_the_session_two_instants_become_one(database: Cluster) -> None:
    # given the variable that meltano.yml sets, when it is not set
    assert PLUGIN["env"] == {"PGTZ": "UTC"}
    run = load(database, "local", *ALL_VALUES, environment={})

    # then date-times are in the zone of the server, and the hour that is there twice is lost
    assert run.returncode == 0, run.stderr
    found = stored(database, "local")
    assert found["UTC"] == dt.datetime(2024, 3, 10, 3, 30)  # noqa: DTZ001 - the column has no zone
    assert found["an hour that is there twice"] == found["an hour that is there twice, again"]


@pytest.mark.parametrize("use_copy", [False, True])
def test_columns_with_a_zone_stay_and_are_right(database: Cluster, use_copy: bool) -> None:  # noqa: FBT001 - a parameter
    # given a table whose date-times were made instants, as docs/loaders.md says
    schema = f"tap_zoned_{use_copy}".lower()
    assert load(database, schema, *ALL_VALUES).returncode == 0
    for (statement,) in query(database, TO_INSTANTS):
        query(database, statement)
    query(database, f"update {schema}.rows set at = null")  # noqa: S608 - a name above

    # when it is loaded again, with a column more
    grown = schema_of({**COLUMNS, "updated_at": INSTANT})
    run = load(database, schema, grown, *ALL_VALUES[1:], use_copy=use_copy)

    # then the instants are the ones that were sent, whatever sends them; the new column is as it always is
    assert run.returncode == 0, run.stderr
    instants = {name: value for name, value in stored(database, schema).items() if VALUES[name][0] == "at"}
    assert instants == {name: RIGHT[name].replace(tzinfo=dt.timezone.utc) for name in instants}
    found = types(database, schema)
    assert (found["at"], found["updated_at"]) == ("timestamp with time zone", "timestamp without time zone")


def test_restated_rows_replace_and_a_row_sent_twice_is_there_once(database: Cluster) -> None:
    # given rows of three batches, and keys that come again in the same batch and in another one
    columns = {"id": {"type": "integer"}, "amount": NUMBER}
    sent = [row(id=number, amount=Decimal(number)) for number in (1, 2, 2, 3, 4, 1)]
    first = load(database, "upsert", schema_of(columns), *sent, STATE, batch_size_rows=2)
    assert first.returncode == 0, first.stderr

    # when some are restated, and one is set to null
    second = load(database, "upsert", schema_of(columns), row(id=2, amount=Decimal("2.50")), row(id=3, amount=None))

    # then each row is there once, as it was sent last
    assert second.returncode == 0, second.stderr
    rows = query(database, "select id, amount::text from upsert.rows order by id")
    assert rows == [(1, "1"), (2, "2.50"), (3, None), (4, "4")]
    assert json.loads(first.stdout.strip().split("\n")[-1]) == {"at": 1}


def test_a_column_more_is_added_and_a_column_less_is_kept(database: Cluster) -> None:
    # given a table
    identifier = {"id": {"type": "integer"}}
    load(database, "grown", schema_of({**identifier, "old": TEXT}), row(id=1, old="a"), row(id=2, old="b"))
    # when the stream has one column more and one less
    run = load(database, "grown", schema_of({**identifier, "new": OBJECT}), row(id=2, new={"a": 1}), row(id=3))
    # then the old column keeps what it has
    assert run.returncode == 0, run.stderr
    rows = query(database, "select id, old, new from grown.rows order by id")
    assert rows == [(1, "a", None), (2, "b", {"a": 1}), (3, None, None)]


def test_a_column_of_integers_that_becomes_another_type_has_to_be_altered_by_hand(database: Cluster) -> None:
    # given a column of integers, when the stream's schema says number
    identifier = {"id": {"type": "integer"}}
    load(database, "widened", schema_of({**identifier, "v": INTEGER}), row(id=1, v=1))
    numbers = [schema_of({**identifier, "v": NUMBER}), row(id=1, v=Decimal("1.25"))]
    run = load(database, "widened", *numbers)
    # then the loader rounds, and does not say so
    assert run.returncode == 0, run.stderr
    assert query(database, "select v from widened.rows") == [(1,)]

    # when it says text, then the run fails and names the column
    other = load(database, "widened", schema_of({**identifier, "v": TEXT}), row(id=1, v="a"))
    assert other.returncode != 0
    assert "Could not convert column 'widened.rows.v' from 'BIGINT' to 'TEXT'" in other.stderr

    # given the remedy of docs/loaders.md, when it is loaded again, then it is right
    query(database, "alter table widened.rows alter column v type numeric")
    assert load(database, "widened", *numbers).returncode == 0
    assert query(database, "select v from widened.rows") == [(Decimal("1.25"),)]


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("count", 2**63, "bigint out of range"),
        ("object", {"a": {"b": "x\x00y"}}, "unsupported Unicode escape sequence"),
        ("hours", [[True], [True, False]], "malformed array literal"),
        ("at", "no date", "Could not parse value 'no date' for field 'at'"),
    ],
)
def test_what_does_not_fit_fails_the_run_and_its_whole_batch(
    database: Cluster, column: str, value: Any, said: str
) -> None:
    # given a value that PostgreSQL or the loader cannot hold, between good ones
    schema = f"unfit_{column}"
    run = load(database, schema, ALL_VALUES[0], row(id=1), row(id=2, **{column: value}), row(id=3), STATE)
    # then the run fails, nothing of the batch is in, and no bookmark is given out
    assert run.returncode != 0
    assert said in run.stderr
    assert query(database, f"select count(*) from {schema}.rows") == [(0,)]  # noqa: S608 - a name above
    assert run.stdout.strip() == ""


def test_a_wrong_password_fails_and_is_not_printed(database: Cluster) -> None:
    # given a password with every character that an address would misread, of a user who has but one schema
    password = "p@ss:/%?#[]é &="
    query(database, f"create role narrow login password '{password}'")
    query(database, "create schema narrow authorization narrow")
    rows = [schema_of({"id": {"type": "integer"}}), row(id=1)]
    # when it is right, and when it is not
    right = load(database, "narrow", *rows, user="narrow", password=password)
    other = load(database, "narrow", *rows, user="narrow", password=password + "x")
    # then
    assert right.returncode == 0, right.stderr
    assert query(database, "select id from narrow.rows") == [(1,)]
    assert other.returncode != 0
    assert 'password authentication failed for user "narrow"' in other.stderr
    assert password not in other.stderr + other.stdout
