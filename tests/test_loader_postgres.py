"""target-postgres with the settings of meltano.yml: how each kind of value is stored."""

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

# As written by a tap. Read from the table in UTC, JSON with all digits.
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
    # Both are 01:30 in New York.
    "a repeated hour": ("at", "2024-11-03T05:30:00Z"),
    "a repeated hour, again": ("at", "2024-11-03T06:30:00Z"),
}
CHANGED = {
    "NUL": "a\ufffdb",
    "a decimal as text": Decimal("1234567890123456789012345678.0123456789"),
    "a leap day": dt.date(2024, 2, 29),
    "east": dt.datetime(2024, 3, 9, 23, 30),  # noqa: DTZ001 - the column has no zone
    "west": dt.datetime(2024, 3, 10, 6, 30),  # noqa: DTZ001 - the column has no zone
    "UTC": dt.datetime(2024, 3, 10, 7, 30),  # noqa: DTZ001 - the column has no zone
    "half an hour and microseconds": dt.datetime(2024, 3, 9, 20, 0, 0, 123456),  # noqa: DTZ001 - the column has no zone
    "a repeated hour": dt.datetime(2024, 11, 3, 5, 30),  # noqa: DTZ001 - the column has no zone
    "a repeated hour, again": dt.datetime(2024, 11, 3, 6, 30),  # noqa: DTZ001 - the column has no zone
}
RIGHT: dict[str, Any] = {name: CHANGED.get(name, value) for name, (_, value) in VALUES.items()}

# From docs/loaders.md: generates the statement that changes a column.
TO_INSTANTS = """
select format('alter table %I.%I alter column %I type timestamptz using %I at time zone ''UTC''',
              table_schema, table_name, column_name, column_name)
from information_schema.columns
where data_type = 'timestamp without time zone' and table_schema like 'tap\\_%'
"""


@pytest.fixture(scope="module")
def database() -> Iterator[Cluster]:
    # In a zone with clock changes: stored values must not depend on the server's zone.
    with cluster(settings={"TimeZone": "America/New_York"}) as running:
        yield running


def dumps(value: Any) -> str:
    """Write JSON with all digits of decimals."""
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
    """Load messages into a schema with the project's settings."""
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
    """Run a query in UTC, and return JSON with all digits."""
    with psycopg.connect(database.uri(), options="-c TimeZone=UTC") as connection:
        set_json_loads(functools.partial(json.loads, parse_float=Decimal), connection)
        cursor = connection.execute(text.encode(), values or None)
        return cursor.fetchall() if cursor.description else []


def stored(database: Cluster, schema: str) -> dict[str, Any]:
    """Return the stored value for each of `VALUES`."""
    found = {}
    for number, (name, (column, _)) in enumerate(VALUES.items()):
        ((found[name],),) = query(database, f'select "{column}" from {schema}.rows where id = {number}')  # noqa: S608 - names above
    return found


def wrong(found: dict[str, Any]) -> set[str]:
    """Return the names of values that differ from those sent, also by a single digit."""
    return {name for name, value in found.items() if exactly(value) != exactly(RIGHT[name])}


def exactly(value: Any) -> str:
    """Write a value so that the number of digits matters and the order of keys does not."""
    return dumps(value) if isinstance(value, (dict, list)) else repr(value)


def types(database: Cluster, schema: str) -> dict[str, str]:
    kind = "case data_type when 'ARRAY' then udt_name else data_type end"
    columns = f"select column_name, {kind} from information_schema.columns where table_schema = %(schema)s"  # noqa: S608 - the line above
    return dict(query(database, columns, schema=schema))


def test_every_value_is_in_the_table_to_the_last_digit(database: Cluster) -> None:
    # when every kind of value is loaded
    run = load(database, "exact", *ALL_VALUES)

    # then all are stored, and each column has the documented type
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

    # and a null object is stored as JSON null, as documented; other nulls are SQL nulls
    nulls = "select object is null, object = 'null', objects is null, text is null from exact.rows where id = 0"
    assert query(database, nulls) == [(False, True, True, True)]


def test_copy_is_off_because_it_stores_wrong_values(database: Cluster) -> None:
    # given the setting that meltano.yml turns off, when the same values are loaded
    assert SETTINGS["use_copy"] is False
    run = load(database, "copied", *ALL_VALUES, use_copy=True)

    # then decimals are rounded to floats and offsets dropped, without an error
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
    # when the stream's schema declares a type that the loader does not convert to float
    declared = schema_of({**identifier, "v": {**NUMBER, "x-sql-datatype": "bigint"}})
    copied = load(database, "declared", declared, row(id=1, v=amount), use_copy=True)
    inserted = load(database, "declared", declared, row(id=2, v=amount))
    # then COPY is exact, and INSERT fails
    assert copied.returncode == 0, copied.stderr
    assert query(database, "select id, v from declared.rows") == [(1, amount)]
    assert inserted.returncode != 0
    assert "bigint out of range" in inserted.stderr


def test_without_a_session_time_zone_two_instants_become_one(database: Cluster) -> None:
    # given the variable of meltano.yml, when it is not set
    assert PLUGIN["env"] == {"PGTZ": "UTC"}
    run = load(database, "local", *ALL_VALUES, environment={})

    # then date-times are in the server's zone, and the repeated hour is ambiguous
    assert run.returncode == 0, run.stderr
    found = stored(database, "local")
    assert found["UTC"] == dt.datetime(2024, 3, 10, 3, 30)  # noqa: DTZ001 - the column has no zone
    assert found["a repeated hour"] == found["a repeated hour, again"]


@pytest.mark.parametrize("use_copy", [False, True])
def test_columns_with_a_time_zone_are_kept_and_filled_correctly(database: Cluster, use_copy: bool) -> None:  # noqa: FBT001 - a parameter
    # given a table with date-times converted to instants as documented
    schema = f"tap_zoned_{use_copy}".lower()
    assert load(database, schema, *ALL_VALUES).returncode == 0
    for (statement,) in query(database, TO_INSTANTS):
        query(database, statement)
    query(database, f"update {schema}.rows set at = null")  # noqa: S608 - a name above

    # when it is loaded again with an additional column
    grown = schema_of({**COLUMNS, "updated_at": INSTANT})
    run = load(database, schema, grown, *ALL_VALUES[1:], use_copy=use_copy)

    # then the stored instants are those sent, and the new column has the loader's default type
    assert run.returncode == 0, run.stderr
    instants = {name: value for name, value in stored(database, schema).items() if VALUES[name][0] == "at"}
    assert instants == {name: RIGHT[name].replace(tzinfo=dt.timezone.utc) for name in instants}
    found = types(database, schema)
    assert (found["at"], found["updated_at"]) == ("timestamp with time zone", "timestamp without time zone")


def test_restated_rows_replace_and_duplicates_are_stored_once(database: Cluster) -> None:
    # given three batches with keys repeated within a batch and across batches
    columns = {"id": {"type": "integer"}, "amount": NUMBER}
    sent = [row(id=number, amount=Decimal(number)) for number in (1, 2, 2, 3, 4, 1)]
    first = load(database, "upsert", schema_of(columns), *sent, STATE, batch_size_rows=2)
    assert first.returncode == 0, first.stderr

    # when some rows are restated and one becomes null
    second = load(database, "upsert", schema_of(columns), row(id=2, amount=Decimal("2.50")), row(id=3, amount=None))

    # then each row is stored once, with the last values sent
    assert second.returncode == 0, second.stderr
    rows = query(database, "select id, amount::text from upsert.rows order by id")
    assert rows == [(1, "1"), (2, "2.50"), (3, None), (4, "4")]
    assert json.loads(first.stdout.strip().split("\n")[-1]) == {"at": 1}


def test_new_columns_are_added_and_missing_columns_kept(database: Cluster) -> None:
    # given a table
    identifier = {"id": {"type": "integer"}}
    load(database, "grown", schema_of({**identifier, "old": TEXT}), row(id=1, old="a"), row(id=2, old="b"))
    # when the stream has a new column and misses an old one
    run = load(database, "grown", schema_of({**identifier, "new": OBJECT}), row(id=2, new={"a": 1}), row(id=3))
    # then the old column keeps its values
    assert run.returncode == 0, run.stderr
    rows = query(database, "select id, old, new from grown.rows order by id")
    assert rows == [(1, "a", None), (2, "b", {"a": 1}), (3, None, None)]


def test_a_column_of_integers_that_becomes_another_type_has_to_be_altered_by_hand(database: Cluster) -> None:
    # given an integer column, when the stream's schema changes to number
    identifier = {"id": {"type": "integer"}}
    load(database, "widened", schema_of({**identifier, "v": INTEGER}), row(id=1, v=1))
    numbers = [schema_of({**identifier, "v": NUMBER}), row(id=1, v=Decimal("1.25"))]
    run = load(database, "widened", *numbers)
    # then the loader rounds without an error
    assert run.returncode == 0, run.stderr
    assert query(database, "select v from widened.rows") == [(1,)]

    # when it changes to text, then the run fails and names the column
    other = load(database, "widened", schema_of({**identifier, "v": TEXT}), row(id=1, v="a"))
    assert other.returncode != 0
    assert "Could not convert column 'widened.rows.v' from 'BIGINT' to 'TEXT'" in other.stderr

    # given the remedy of docs/loaders.md, when it is loaded again, then the value is exact
    query(database, "alter table widened.rows alter column v type numeric")
    assert load(database, "widened", *numbers).returncode == 0
    assert query(database, "select v from widened.rows") == [(Decimal("1.25"),)]


@pytest.mark.parametrize(
    ("column", "value", "error"),
    [
        ("count", 2**63, "bigint out of range"),
        ("object", {"a": {"b": "x\x00y"}}, "unsupported Unicode escape sequence"),
        ("hours", [[True], [True, False]], "malformed array literal"),
        ("at", "no date", "Could not parse value 'no date' for field 'at'"),
    ],
)
def test_a_value_that_does_not_fit_fails_the_whole_batch(
    database: Cluster, column: str, value: Any, error: str
) -> None:
    # given a value between good ones that PostgreSQL or the loader cannot store
    schema = f"unfit_{column}"
    run = load(database, schema, ALL_VALUES[0], row(id=1), row(id=2, **{column: value}), row(id=3), STATE)
    # then the run fails, no row of the batch is stored, and no bookmark is written
    assert run.returncode != 0
    assert error in run.stderr
    assert query(database, f"select count(*) from {schema}.rows") == [(0,)]  # noqa: S608 - a name above
    assert run.stdout.strip() == ""


def test_a_wrong_password_fails_and_is_not_printed(database: Cluster) -> None:
    # given a user with a single schema and a password with every character reserved in URLs
    password = "p@ss:/%?#[]é &="
    query(database, f"create role narrow login password '{password}'")
    query(database, "create schema narrow authorization narrow")
    rows = [schema_of({"id": {"type": "integer"}}), row(id=1)]
    # when the password is correct, and when it is not
    right = load(database, "narrow", *rows, user="narrow", password=password)
    other = load(database, "narrow", *rows, user="narrow", password=password + "x")
    # then
    assert right.returncode == 0, right.stderr
    assert query(database, "select id from narrow.rows") == [(1,)]
    assert other.returncode != 0
    assert 'password authentication failed for user "narrow"' in other.stderr
    assert password not in other.stderr + other.stdout
