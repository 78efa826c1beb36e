"""`load_method: overwrite` replaces a table only if the input shows that the tap finished the stream."""

# ruff: noqa: S608  # queries name tables of this file

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from target_duckdb_arrow.errors import LoadError, SchemaError, UnfinishedError

if TYPE_CHECKING:
    from pathlib import Path

    from target_duckdb_arrow_fixtures import Load, Query

KEPT = "__target_duckdb_arrow_previous"
STAGED = "__target_duckdb_arrow_new"
PAIR = {"id": {"type": "integer"}, "moment": {"type": "string", "format": "date-time"}}


def schema(stream: str = "s", bookmarks: list[str] | None = None) -> dict[str, Any]:
    """Make a SCHEMA message."""
    message = {"type": "SCHEMA", "stream": stream, "schema": {"properties": PAIR}, "key_properties": ["id"]}
    return message if bookmarks is None else {**message, "bookmark_properties": bookmarks}


def records(*ids: int, stream: str = "s") -> list[dict[str, Any]]:
    """Make RECORD messages."""
    return [{"type": "RECORD", "stream": stream, "record": {"id": one}} for one in ids]


def state(**value: object) -> dict[str, Any]:
    """Make a STATE message."""
    return {"type": "STATE", "value": value}


@pytest.fixture
def full(feed: Load, query: Query) -> None:
    """Create a table of five rows."""
    feed([schema(), *records(1, 2, 3, 4, 5), state(n=1)])
    assert query("SELECT count(*) FROM s") == [(5,)]


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize(
    "messages",
    [
        [schema(), *records(6, 7)],
        [schema(), *records(6, 7), state(n=1), *records(8)],
        [schema(), *records(6), state(currently_syncing="s")],
        [schema(), *records(6), state(bookmarks={"s": {"progress_markers": {"replication_key_value": 6}}})],
        [schema(), *records(6), state(bookmarks={"s": {"partitions": [{"progress_markers": {"Note": "..."}}]}})],
        [state(n=1), schema()],
        [schema(), *records(6), state(n=1), schema()],
    ],
    ids=["no state", "rows after it", "under way", "progress markers", "in a partition", "no rows", "begun again"],
)
@pytest.mark.parametrize("settings", [{}, {"batch_size_rows": 1}], ids=["one batch", "batches"])
def test_an_unfinished_stream_does_not_replace_its_table(
    feed: Load,
    query: Query,
    messages: list[dict[str, Any]],
    settings: dict[str, int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    # given an input that ends like that of a failed tap under Meltano / when / then the run fails
    with pytest.raises(UnfinishedError, match=r"^Stream 's': the input .* load_method overwrite left the table"):
        feed(messages, load_method="overwrite", **settings)
    # and the table is complete, no STATE is printed, and no other table is left
    assert query("SELECT id FROM s ORDER BY id") == [(1,), (2,), (3,), (4,), (5,)]
    assert query("SELECT table_name FROM duckdb_tables()") == [("s",)]
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("full")
def test_only_finished_streams_are_replaced(feed: Load, query: Query) -> None:
    # given a tap that fails in its second stream
    feed([schema("t"), *records(1, stream="t"), state(n=1)])
    messages = [schema(), *records(9), state(n=1), schema("t"), *records(9, stream="t")]

    # when
    with pytest.raises(UnfinishedError, match=r"^Stream 't': the input ended without a STATE after the last record"):
        feed(messages, load_method="overwrite")

    # then
    assert query("SELECT id FROM s") == [(9,)]
    assert query("SELECT id FROM t") == [(1,)]


@pytest.mark.usefixtures("full")
def test_an_input_without_any_state_replaces_tables_if_a_setting_allows_it(feed: Load, query: Query) -> None:
    with pytest.raises(UnfinishedError, match=r"If it never sends STATE, set overwrite_without_state\.$"):
        feed([schema(), *records(6)], load_method="overwrite")

    feed([schema(), *records(6)], load_method="overwrite", overwrite_without_state=True)
    assert query("SELECT id FROM s") == [(6,)]

    # a STATE shows that this tap sends them
    with pytest.raises(UnfinishedError, match=r"^Stream 's': the input ended without a STATE after the last record"):
        feed([schema(), state(n=1), *records(7)], load_method="overwrite", overwrite_without_state=True)


@pytest.mark.usefixtures("full")
def test_the_replaced_table_is_kept_until_the_next_successful_run(feed: Load, query: Query) -> None:
    # when one run replaces it / then
    feed([schema(), *records(6), state(n=1)], load_method="overwrite")
    assert query(f"SELECT count(*) FROM s{KEPT}") == [(5,)]

    # when the next fails / then
    with pytest.raises(UnfinishedError):
        feed([schema(), *records(7)], load_method="overwrite")
    assert query(f"SELECT count(*) FROM s{KEPT}") == [(5,)]

    # when the next succeeds / then
    feed([schema(), *records(8), state(n=1)], load_method="overwrite")
    assert query(f"SELECT id FROM s{KEPT}") == [(6,)]
    assert query("SELECT id FROM s") == [(8,)]


@pytest.mark.parametrize("method", ["upsert", "append-only", "overwrite"])
def test_the_next_run_removes_the_table_of_a_killed_overwrite(
    filepath: Path, feed: Load, query: Query, method: str
) -> None:
    # given
    filepath.parent.mkdir()
    with duckdb.connect(str(filepath)) as connection:
        connection.execute(f"CREATE TABLE s{STAGED} (id BIGINT, old VARCHAR)").fetchall()

    # when / then
    feed([schema(), *records(6), state(n=1)], load_method=method)
    assert query("SELECT table_name FROM duckdb_tables()") == [("s",)]


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize(
    ("first", "bookmarks"),
    [
        ({"s": {"replication_key": "moment", "replication_key_value": "2024-01-01T00:00:00Z"}}, None),
        ({"s": {"replication_key": "id", "replication_key_value": 5}}, ["id"]),
        ({"s": {"partitions": [{"context": {}, "replication_key_value": "2024-01-01"}]}}, None),
        ({"s": {"moment": "2024-01-01T00:00:00Z"}}, None),
        ({"s": {"id": 5}}, ["id"]),
        ({"s": "2024-01-01T00:00:00Z"}, None),
    ],
)
def test_the_new_rows_of_a_resumed_run_do_not_replace_the_history(
    feed: Load,
    query: Query,
    first: dict[str, Any],
    bookmarks: list[str] | None,
) -> None:
    # given a tap that first writes the state from which it resumes, as with singer-sdk
    messages = [state(bookmarks=first), schema(bookmarks=bookmarks), *records(6), state(bookmarks=first)]

    # when / then
    with pytest.raises(UnfinishedError, match=r"^Stream 's': the tap resumes from a state, .* run --full-refresh`"):
        feed(messages, load_method="overwrite")
    assert query("SELECT count(*) FROM s") == [(5,)]


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize(
    "messages",
    [
        [state(bookmarks={"s": {}, "t": {"replication_key_value": 5}}), schema(), *records(6)],
        [state(bookmarks={"s": {"replication_key_value": None, "account_id": 7}}), schema(), *records(6)],
        [state(bookmarks="?"), schema(), *records(6)],
        [schema(), state(bookmarks={"s": {"replication_key_value": 5}}), *records(6)],
    ],
    ids=["other streams", "a signature", "not bookmarks", "a first window without rows"],
)
def test_a_full_run_replaces_the_table(feed: Load, query: Query, messages: list[dict[str, Any]]) -> None:
    feed([*messages, state(n=2)], load_method="overwrite")
    assert query("SELECT id FROM s") == [(6,)]


@pytest.mark.usefixtures("full")
def test_replacing_the_table_of_a_stream_with_a_bookmark_logs_a_warning(
    feed: Load, caplog: pytest.LogCaptureFixture
) -> None:
    feed([schema(), *records(6), state(bookmarks={"s": {"replication_key_value": 6}})], load_method="overwrite")
    (warning,) = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert warning == (
        "load_method overwrite replaced main.s (5 rows with 1). If the tap resumed from a state, older rows are now "
        "missing: run again with `meltano run --full-refresh`. The replaced tables are kept with the suffix "
        "__target_duckdb_arrow_previous"
    )


def test_a_table_with_indexes_and_a_key_is_replaced(filepath: Path, feed: Load, query: Query) -> None:
    # given
    filepath.parent.mkdir()
    with duckdb.connect(str(filepath)) as connection:
        connection.execute("CREATE TABLE s (id BIGINT PRIMARY KEY, moment TIMESTAMPTZ UNIQUE)").fetchall()
        connection.execute("CREATE INDEX by_moment ON s (moment)").fetchall()
        connection.execute("INSERT INTO s VALUES (1, now())").fetchall()

    # when, twice / then
    for number in (6, 7):
        feed([schema(), *records(number), state(n=1)], load_method="overwrite")
    assert query("SELECT id FROM s") == [(7,)]
    assert query(f"SELECT id FROM s{KEPT}") == [(6,)]


def test_a_view_is_not_replaced(filepath: Path, feed: Load, query: Query) -> None:
    filepath.parent.mkdir()
    with duckdb.connect(str(filepath)) as connection:
        connection.execute("CREATE VIEW s AS SELECT 1 AS id").fetchall()
    with pytest.raises(SchemaError, match=r"^Stream 's': main\.s is a view\. Drop or rename it"):
        feed([schema(), *records(6), state(n=1)], load_method="overwrite")
    assert query("SELECT id FROM s") == [(1,)]


@pytest.mark.parametrize("name", ["information_schema", "PG_Catalog"])
def test_reserved_schemas_of_duckdb_are_refused(feed: Load, name: str) -> None:
    with pytest.raises(LoadError, match=rf"^Stream 's': the schema '{name}' is reserved by DuckDB"):
        feed([schema(), *records(6), state(n=1)], default_target_schema=name)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            "id BIGINT, moment TIMESTAMPTZ, x VARCHAR NOT NULL",
            "the column 'x' of main.s is NOT NULL and missing from the stream",
        ),
        (
            "id BIGINT, moment TIMESTAMPTZ NOT NULL",
            "DuckDB cannot write to the table main.s: .* NOT NULL constraint failed",
        ),
        (
            "id BIGINT, moment TIMESTAMPTZ AS (to_timestamp(id))",
            "DuckDB cannot write to the table main.s: .* into a generated column",
        ),
        (
            "id BIGINT CHECK (id > 10), moment TIMESTAMPTZ",
            "DuckDB cannot write to the table main.s: .* CHECK constraint",
        ),
    ],
)
def test_the_error_of_a_table_made_by_hand_does_not_blame_the_disk(
    filepath: Path, feed: Load, columns: str, message: str
) -> None:
    filepath.parent.mkdir()
    with duckdb.connect(str(filepath)) as connection:
        connection.execute(f"CREATE TABLE s ({columns})").fetchall()
    with pytest.raises(SchemaError, match=f"^Stream 's': {message}") as error:
        feed([schema(), *records(6), state(n=1)])
    assert "disk" not in str(error.value)
