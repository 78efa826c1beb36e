"""Small files modelled on the test suites of other targets: each is loaded or refused as in those suites.

They follow the names and purposes of the files of singer-sdk, of MeltanoLabs' target-postgres and target-snowflake, and
of PipelineWise's loaders for PostgreSQL and Snowflake. Their content is ours. Rows are compared as text, in all columns
except the SDK's times.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import duckdb
import pytest
from target_duckdb_arrow.errors import LoadError
from target_duckdb_arrow.tables import quote
from target_duckdb_arrow.target import TargetDuckDBArrow

MESSAGES = Path(__file__).parent / "messages"
TIMES = [f"_sdc_{name}" for name in ("extracted_at", "received_at", "batched_at", "sequence", "sync_started_at")]
SETTINGS: dict[str, dict[str, Any]] = {
    "activate_version_empties": {"hard_delete": True},
    "activate_version_first": {"hard_delete": True},
    "activate_version_hard": {"hard_delete": True},
    "activate_version_soft": {"add_record_metadata": True},
    "activate_version_uppercase": {"hard_delete": True},
    "log_based_deleted": {"hard_delete": True},
    "nested_schema_flattened": {"flattening_enabled": True, "flattening_max_depth": 2},
    "three_streams": {"hard_delete": True},
}
LOADED: dict[str, dict[str, list[tuple[str | None, ...]]]] = {
    "activate_version_empties": {"main.emptied": []},
    "activate_version_first": {"main.early": [("1", None, "2")]},
    "activate_version_hard": {"main.continents": [("AF", "Africa", None, "2"), ("EU", "Europe", None, "2")]},
    "activate_version_soft": {
        "main.continents": [("AF", "Africa", None, "2"), ("EU", "Europe", None, "2"), ("XX", "gone", "?", "1")]
    },
    "activate_version_uppercase": {"main.Account": [("AF", None, "2")]},
    "array_data": {"main.carts": [("1", '["apple","pear"]'), ("2", "[]"), ("3", '["fig"]')]},
    "base16_strings": {"main.coded": [("a", "00ff"), ("b", ""), ("c", "not hex")]},
    "binary_as_text": {"main.binary": [("706B34", "b"), ("706b34", "a")]},
    "camelcase_names": {"main.CamelCase": [("1", "Gitter")]},
    "column_order_mismatch": {"main.ordered": [("1", "first", "second"), ("2", "first", "second")]},
    "complex_schema_without_records": {"main.Forecast": []},
    "duplicate_records": {"main.dup": [("1", "100"), ("2", "20")]},
    "edge_types": {
        "main.edges": [
            ("1", '[1,"a"]', "5", "2024-02-29", '[{"a":1}]', "12.5000000000"),
            ("2", '"text"', '"5"', "0001-01-01", '{"a":1}', None),
        ]
    },
    "encoded_strings": {
        "main.strings": [
            ("0", "quote \" ' `", '["quote \\" \' `","quote \\" \' `"]', '{"k":"quote \\" \' `"}'),
            ("1", "back\\slash", '["back\\\\slash","back\\\\slash"]', '{"k":"back\\\\slash"}'),
            ("2", "tab\t line\n", '["tab\\t line\\n","tab\\t line\\n"]', '{"k":"tab\\t line\\n"}'),
            ("3", "\x00", '["\\u0000","\\u0000"]', '{"k":"\\u0000"}'),
            ("4", "水😀", '["水😀","水😀"]', '{"k":"水😀"}'),
            ("5", "</script>", '["</script>","</script>"]', '{"k":"</script>"}'),
            ("6", "%s {0} $1", '["%s {0} $1","%s {0} $1"]', '{"k":"%s {0} $1"}'),
        ]
    },
    "falsy_keys": {"main.falsy": [("0", "", "d"), ("0", "0", "b"), ("1", "", "c")]},
    "key_changes": {"main.rekey": [("2", "b"), ("9", "a")]},
    "key_update": {"main.people": [("1", "Alice II"), ("2", "Bob")]},
    "large_integers": {"main.large": [("1", "-9223372036854775808"), ("2", "18446744073709551615")]},
    "large_numeric_key": {"main.numeric": [("20000000000000000000.0000000000",), ("20000000000000000001.0000000000",)]},
    "log_based_deleted": {"public.logged": [("2", "b", "11", None, "1")]},
    "log_based_kept": {"public.logged": [("1", "a", "2024-01-01 00:00:00.5+00", "12"), ("2", "b", None, "11")]},
    "log_based_without_records": {"public.silent": []},
    "missing_values": {
        "main.missing": [("1", "x", None), ("2", None, "1.5000000000"), ("3", None, None), ("4", None, None)]
    },
    "modified_column_type": {"main.modify": [("1", "5"), ("2", "five")]},
    "multiple_states": {"main.a": [("1",), ("2",)], "main.b": [("1",), ("2",)]},
    "nested_schema": {"main.nested": [("1", '{"a":1,"deep":{"b":"x"}}', '[{"y":1}]')]},
    "nested_schema_flattened": {"main.nested": [("1", "1", "x", '[{"y":1}]')]},
    "new_array_column": {"main.grow": [("1", None), ("2", '["x"]')]},
    "no_key": {"main.unkeyed": [("1", "1"), ("1", "1"), ("2", "3")]},
    "no_key_at_all": {"main.unkeyed": [("1",), ("1",)]},
    "no_type": {
        "main.untyped": [
            ("0", "1"),
            ("1", '"1"'),
            ("2", "true"),
            ("3", None),
            ("4", "[1]"),
            ("5", '{"a":1}'),
            ("6", "1.5"),
        ]
    },
    "only_states": {},
    "optional_attributes": {"main.optional": [("1", "set"), ("2", None), ("3", None)]},
    "record_without_required_property": {"main.required": [("1", None)]},
    "relations": {"main.places": [("1", "1")], "main.users": [("1", "Lyn"), ("2", "Lou")]},
    "reserved_words": {"main.order": [("1", "d", None, None)]},
    "same_schema_many_times": {"main.again": [("0",), ("1",), ("2",)]},
    "schema_updates": {
        "main.update": [
            ("1", "101.5000000000", None, None, None),
            ("2", "102.0000000000", "s", None, None),
            ("3", None, None, "true", None),
            ("4", None, None, None, '{"x":4}'),
        ]
    },
    "schema_without_properties": {"main.object_only": [("1", '{"a":1,"b":[2]}', '{"a":"x","more":1}')]},
    "space_in_table_name": {"db.table with SPACE": [("1",)]},
    "special_characters_in_names": {"main.special:Chars!in?name": [("1", "prod", "x", "y", "z", "w", "v")]},
    "three_streams": {
        "db.one": [("1", "1", None, "1")],
        "db.three": [("1", "04:00:00", None, "2"), ("2", "23:59:59+02:00", None, "2")],
        "db.two": [("1", "2019-02-01 15:12:45+00", None, "3")],
    },
    "unicode": {"main.unicode": [("0", "Hello world, Καλημέρα, コン"), ("1", "אב"), ("2", "🇪🇺"), ("3", "é")]},
}
REFUSED = {
    "batch": "Stream 'batched': BATCH messages are not supported",
    "invalid_json": "Line 3 of the input is not a Singer message",
    "invalid_message_order": "Stream 'two': a RECORD message (line 3) precedes the stream's SCHEMA message.",
    "invalid_record_type": "Stream 'wrong', column 'id', line 2 of the input: a string of 19 characters (aaaa "
    "aaa aa aaaaaaa) is not an integer",
    "invalid_schema": "Stream 'bad': the SCHEMA message of line 1 has no 'properties'. Check the tap.",
    "record_before_schema": "Stream 'early': a RECORD message (line 1) precedes the stream's SCHEMA message.",
    "record_with_null_key": "Stream 'keyless', column 'id': the record of line 3 has no value for this "
    "column of the key ['id']",
    "record_without_key": "Stream 'keyless', column 'id': the record of line 2 has no value for this "
    "column of the key ['id']",
    "unexpected_type": "Stream 'wrong', column 't', line 2 of the input: a number of 6 digits is not a string",
}


def load(name: str, filepath: Path, **settings: Any) -> list[str]:
    """Load a file. Return the STATE lines."""
    target = TargetDuckDBArrow(config={"filepath": str(filepath), **SETTINGS.get(name, {}), **settings})
    with contextlib.redirect_stdout(io.StringIO()) as out, (MESSAGES / f"{name}.singer").open() as file:
        target.listen(file)
    return out.getvalue().splitlines()


def tables(filepath: Path) -> dict[str, list[tuple[str | None, ...]]]:
    """Read all tables as text."""
    found = {}
    with duckdb.connect(str(filepath), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        names = "SELECT schema_name, table_name FROM duckdb_tables() ORDER BY 1, 2"
        for schema, table in connection.execute(names).fetchall():
            described = connection.execute(f'DESCRIBE "{schema}"."{table}"').fetchall()
            # A list as JSON, because versions of DuckDB write its text differently.
            columns = ", ".join(
                f"CAST({'to_json' if kind.endswith('[]') else ''}({quote(name)}) AS VARCHAR)"
                for name, kind, *_ in described
                if name not in TIMES
            )
            rows = connection.execute(f'SELECT {columns} FROM "{schema}"."{table}" ORDER BY ALL').fetchall()  # noqa: S608
            found[f"{schema}.{table}"] = rows
    return found


def alike(found: tuple[str | None, ...], expected: tuple[str | None, ...]) -> bool:
    """Compare rows. A question mark matches any value except NULL."""
    return len(found) == len(expected) and all(
        one == other or (other == "?" and one is not None) for one, other in zip(found, expected, strict=True)
    )


@pytest.mark.parametrize("name", LOADED)
def test_a_file_of_another_targets_suite_is_loaded(filepath: Path, name: str) -> None:
    # given / when
    load(name, filepath, batch_size_rows=2)

    # then
    found = tables(filepath) if filepath.exists() else {}
    assert list(found) == list(LOADED[name])
    for table, rows in LOADED[name].items():
        assert len(found[table]) == len(rows)
        assert [pair for pair in zip(found[table], rows, strict=True) if not alike(*pair)] == []


@pytest.mark.parametrize("name", REFUSED)
def test_an_invalid_file_of_another_targets_suite_is_refused(filepath: Path, name: str) -> None:
    with pytest.raises(LoadError) as error:
        load(name, filepath)
    assert str(error.value).startswith(REFUSED[name])


def test_long_texts_are_kept(filepath: Path) -> None:
    load("long_texts", filepath)
    assert tables(filepath) == {"main.long": [("0", "a" * 5000), ("1", "\u6c34" * 1000)]}


def test_every_file_is_tested() -> None:
    assert {path.stem for path in MESSAGES.iterdir()} == {*LOADED, *REFUSED, "long_texts"}
