"""DuckDB tables: reading, creating and changing them, and merging a batch into one.

Tables have no PRIMARY KEY. An upsert is a DELETE of the batch's keys and an INSERT, in one transaction. With 100,000
rows of 40 columns on duckdb 2.0, DELETE and INSERT, MERGE, and ON CONFLICT over an index all took 1.0 to 1.4 s. An
index grows the file by half, forbids ALTER on its table within the transaction, and rejects some legal sequences of
changes: https://duckdb.org/docs/stable/sql/indexes
"""

# ruff: noqa: S608  # names go through quote(), values are parameters

from __future__ import annotations

import string
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from target_duckdb_arrow.database import CATALOG
from target_duckdb_arrow.decimals import BEYOND_DECIMAL, Profile, choose_scale, profile_of
from target_duckdb_arrow.errors import SchemaError
from target_duckdb_arrow.metadata import DELETED_AT
from target_duckdb_arrow.types import BIGINT, cast, decimal_type, type_from_sql, widen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import duckdb

    from target_duckdb_arrow.types import ColumnType

RELOAD = "reload the whole stream: load_method overwrite with `meltano run --full-refresh`"
"""The remedy if a table cannot follow. Overwriting without a full refresh would keep only the new rows."""

# In the session's temporary schema. Long names avoid hiding the user's tables.
_KEYS = "target_duckdb_arrow_keys"
_COPIES = "target_duckdb_arrow_copies"
_SEGMENT = "target_duckdb_arrow_segment"
ORDINAL = "target_duckdb_arrow_ordinal"
"""Column of a segment with the order in which its records arrived."""


@dataclass(frozen=True)
class TableName:
    """The schema and table of a stream."""

    schema: str
    table: str

    @property
    def sql(self) -> str:
        """The full name. DuckDB may take the first of two parts for a catalogue."""
        return f"{CATALOG}.{quote(self.schema)}.{quote(self.table)}"

    @property
    def folded(self) -> tuple[str, str]:
        """The name as DuckDB compares it."""
        return fold(self.schema), fold(self.table)

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True)
class Segment:
    """Rows of one Arrow schema.

    Attributes:
        table: columns c0, c1, ..., and the order of the rows.
        types: the column types of c0, c1, ...
    """

    table: object
    types: tuple[ColumnType, ...]


def quote(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


_FOLDING = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def fold(name: str) -> str:
    """Fold a name as DuckDB does: only the case of ASCII letters is ignored."""
    return name.translate(_FOLDING)


def read_columns(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], dict[str, str]]:
    """Read the SQL types of all columns, by folded table name and folded column name."""
    rows = connection.execute(
        "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() "
        "SEMI JOIN duckdb_tables() USING (table_oid) "
        "WHERE NOT internal AND database_name = ? ORDER BY column_index",
        [CATALOG],
    ).fetchall()
    tables: dict[tuple[str, str], dict[str, str]] = {}
    for schema, table, column, data_type in rows:
        tables.setdefault(TableName(schema, table).folded, {})[fold(column)] = data_type
    return tables


def merge_types(table: str | None, wanted: ColumnType, where: str) -> ColumnType:
    """Decide the type of a column from the table's type (None if the column is missing) and the schema's.

    Raises:
        SchemaError: No type holds both.
    """
    if table is None:
        return wanted
    present = type_from_sql(table)
    merged = widen(present, wanted) if present else None
    if merged is None:
        raise SchemaError(
            f"{where}: the table has {table}, the schema requires {wanted.sql}, and no type holds both without loss. "
            f"Rename or drop the column in DuckDB, or {RELOAD}.",
        )
    return merged


class TableLoader:
    """A loader of batches of one stream into one table, inside the connection's transaction.

    Args:
        connection: open, with a transaction begun.
        name: the table, created if missing.
        stream: for messages.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, name: TableName, stream: str) -> None:
        self._connection = connection
        self._name = name
        self._stream = stream

    def _run(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        # Always fetched completely: from 2.0 on, DuckDB rejects a statement while another has rows left.
        return self._connection.execute(sql, parameters).fetchall()

    def prepare(self, columns: Mapping[str, ColumnType], segments: Sequence[Segment]) -> dict[str, ColumnType]:
        """Create the table, or add and widen its columns, to hold the segments. Columns are never dropped.

        Args:
            columns: names and types that the schema requires.
            segments: the rows to load.

        Returns:
            The resulting types of the columns.

        Raises:
            SchemaError: A column cannot change as needed.
        """
        present = read_columns(self._connection).get(self._name.folded)
        merged = {}
        for index, (column, required) in enumerate(columns.items()):
            where = f"Stream '{self._stream}', column '{column}'"
            known = (present or {}).get(fold(column))
            wanted = merge_types(known, required, where)
            for one in {segment.types[index] for segment in segments} - {wanted}:
                # An integer beyond 64 bits widens. Between number types the values decide, below.
                wanted = merge_types(wanted.sql, one, where)
            if wanted.is_number:
                present_type = type_from_sql(known) if known else None
                decided = self._decide_number(column, index, present_type, segments, where)
                wanted = decided or required.with_base(BIGINT.base)
            merged[column] = wanted
        if present is None:
            self._create(merged)
        else:
            self._alter(merged, present)
        return merged

    def _decide_number(
        self,
        column: str,
        index: int,
        known: ColumnType | None,
        segments: Sequence[Segment],
        where: str,
    ) -> ColumnType | None:
        """Apply the number rule to the values of the table and the segments."""
        kinds = {segment.types[index] for segment in segments}
        if known and (kinds <= {known} or (known.is_integer and all(kind.is_integer for kind in kinds))):
            return known
        if known is None and len(kinds) <= 1:
            return next(iter(kinds), None)
        profile = Profile()
        for segment in segments:
            profile |= self._profile_of_segment(segment, index)
        if known and known.is_number:
            fits = profile.double if known.scale is None else profile.fits_scale(known.scale)
            if fits:
                return known
        if known:
            profile |= self._profile(self._name.sql, quote(column), known)
        try:
            base = decimal_type(choose_scale(profile)).base
        except ArithmeticError:
            raise SchemaError(
                f"{where}: no DuckDB number type holds the old and new values exactly ({profile.whole} whole digits, "
                f"{profile.fraction} decimals). Declare the column as a string in the tap or with a stream map, and "
                f"{RELOAD}.",
            ) from None
        return (known or next(iter(kinds))).with_base(base)

    def _profile_of_segment(self, segment: Segment, index: int) -> Profile:
        self._connection.register(_SEGMENT, segment.table)
        try:
            return self._profile(_SEGMENT, f"c{index}", segment.types[index])
        finally:
            self._connection.unregister(_SEGMENT)

    def _profile(self, relation: str, expression: str, column_type: ColumnType) -> Profile:
        """Measure the numbers of a column, including those in lists."""
        if column_type.base == "DOUBLE":
            return BEYOND_DECIMAL
        scalar = type(column_type)(column_type.base)
        values = f"unnest({expression}, recursive := true)" if column_type.depth else expression
        back = f"TRY_CAST(CAST({cast('x', scalar, decimal_type(None))} AS VARCHAR) AS {scalar.sql})"
        # abs() would fail on the lowest HUGEINT.
        ((low, high, fraction, double),) = self._run(
            "SELECT min(x), max(x), max(length(rtrim(split_part(CAST(x AS VARCHAR), '.', 2), '0'))), "
            f"coalesce(bool_and(coalesce({back} = x, false)), true) "
            f"FROM (SELECT CAST({values} AS {scalar.sql}) AS x FROM {relation}) WHERE x IS NOT NULL",
        )
        ends = profile_of(Decimal(value) for value in (low, high) if value is not None)
        return Profile(ends.whole, fraction or 0, double)

    def refuse_view(self) -> None:
        """Check that the table's name is not that of a view.

        Raises:
            SchemaError: It is.
        """
        views = self._run(
            "SELECT schema_name, view_name FROM duckdb_views() WHERE database_name = ?",
            [CATALOG],
        )
        if self._name.folded in {TableName(*view).folded for view in views}:
            raise SchemaError(
                f"Stream '{self._stream}': {self._name} is a view. Drop or rename it, or load into another schema.",
            )

    def _refuse_unfilled(self, columns: Mapping[str, ColumnType]) -> None:
        """Reject a table with NOT NULL columns that the stream does not fill."""
        filled = set(map(fold, columns))
        for schema, table, column in self._run(
            "SELECT schema_name, table_name, column_name FROM duckdb_columns() WHERE database_name = ? "
            "AND NOT is_nullable AND column_default IS NULL",
            [CATALOG],
        ):
            if TableName(schema, table).folded == self._name.folded and fold(column) not in filled:
                raise SchemaError(
                    f"Stream '{self._stream}': the column '{column}' of {self._name} is NOT NULL and missing from the "
                    "stream. Drop the constraint in DuckDB, or load into another schema.",
                )

    def _create(self, columns: Mapping[str, ColumnType]) -> None:
        self.refuse_view()
        self._run(f"CREATE SCHEMA IF NOT EXISTS {CATALOG}.{quote(self._name.schema)}")
        definitions = ", ".join(f"{quote(column)} {column_type.sql}" for column, column_type in columns.items())
        self._run(f"CREATE TABLE {self._name.sql} ({definitions})")

    def _alter(self, columns: Mapping[str, ColumnType], present: Mapping[str, str]) -> None:
        self._refuse_unfilled(columns)
        for column, column_type in columns.items():
            known = present.get(fold(column))
            change = f"ALTER TABLE {self._name.sql}"
            if known is None:
                self._run(f"{change} ADD COLUMN {quote(column)} {column_type.sql}")
            elif (old := type_from_sql(known)) and old != column_type:
                using = cast(quote(column), old, column_type)
                self._run(f"{change} ALTER {quote(column)} SET DATA TYPE {column_type.sql} USING {using}")

    def load(
        self,
        columns: Mapping[str, ColumnType],
        segments: Sequence[Segment],
        keys: Sequence[str],
        *,
        drop_deleted: bool = False,
    ) -> int:
        """Insert the segments. With keys, rows of the same key are replaced, and the last one in the batch wins.

        Args:
            columns: names and types of the table.
            segments: rows to insert.
            keys: columns of the key, without NULLs. Empty to append.
            drop_deleted: whether a record with a value in `_sdc_deleted_at` only deletes the row of its key.

        Returns:
            The number of rows that later rows of the batch replaced.
        """
        names = [f"{_SEGMENT}_{number}" for number in range(len(segments))]
        for name, segment in zip(names, segments, strict=True):
            self._connection.register(name, segment.table)
        source = " UNION ALL ".join(
            _select(name, segment, columns) for name, segment in zip(names, segments, strict=True)
        )
        dropped = 0
        conditions = [f"{quote(DELETED_AT)} IS NULL"] if drop_deleted else []
        if keys:
            dropped = self._replace_keys(source, keys)
            if dropped:
                conditions.append(f"{ORDINAL} IN (SELECT {ORDINAL} FROM temp.{_KEYS})")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        into = _list(columns)
        self._run(f"INSERT INTO {self._name.sql} ({into}) SELECT {into} FROM ({source}){where}")
        if keys:
            self._run(f"DROP TABLE temp.{_KEYS}")
        for name in names:
            self._connection.unregister(name)
        return dropped

    def _replace_keys(self, source: str, keys: Sequence[str]) -> int:
        """Delete the table's rows that the batch replaces. Count the batch's rows that later rows replace."""
        listed = _list(keys)
        self._run(
            f"CREATE TEMP TABLE {_KEYS} AS SELECT {listed}, max({ORDINAL}) AS {ORDINAL}, count(*) AS {_COPIES} "
            f"FROM ({source}) GROUP BY {listed}",
        )
        match = " AND ".join(f"old.{quote(key)} = new.{quote(key)}" for key in keys)
        self._run(f"DELETE FROM {self._name.sql} AS old USING temp.{_KEYS} AS new WHERE {match}")
        ((dropped,),) = self._run(f"SELECT coalesce(sum({_COPIES} - 1), 0) FROM temp.{_KEYS}")
        return int(dropped)

    def drop(self) -> None:
        """Drop the table if it exists."""
        self._run(f"DROP TABLE IF EXISTS {self._name.sql}")

    def replace_with(self, staged: TableName, previous: TableName) -> tuple[int, int]:
        """Replace this table with another one of the same schema, and keep it under a third name.

        Returns:
            The row counts of the replaced table and its successor.
        """
        old = 0
        if self._name.folded in read_columns(self._connection):
            ((old,),) = self._run(f"SELECT count(*) FROM {self._name.sql}")
            self._run(f"DROP TABLE IF EXISTS {previous.sql}")
            # DuckDB does not rename a table that has indexes.
            for schema, table, index in self._run(
                "SELECT schema_name, table_name, index_name FROM duckdb_indexes() WHERE database_name = ?",
                [CATALOG],
            ):
                if TableName(schema, table).folded == self._name.folded:
                    self._run(f"DROP INDEX {TableName(schema, index).sql}")
            self._run(f"ALTER TABLE {self._name.sql} RENAME TO {quote(previous.table)}")
        ((new,),) = self._run(f"SELECT count(*) FROM {staged.sql}")
        self._run(f"ALTER TABLE {staged.sql} RENAME TO {quote(self._name.table)}")
        return int(old), int(new)

    def newest_version(self) -> int | None:
        """Return the newest version of the rows."""
        ((version,),) = self._run(f"SELECT max(_sdc_table_version) FROM {self._name.sql}")
        return None if version is None else int(version)

    def delete_versions_before(self, version: int, started: int) -> None:
        """Delete rows of older versions, and rows without a version from before this run.

        Args:
            version: the active version.
            started: start of this run in milliseconds since 1970, as in `_sdc_sync_started_at`.
        """
        self._run(f"DELETE FROM {self._name.sql} WHERE {_OUTDATED}", [started, version])

    def flag_versions_before(self, version: int, started: int) -> None:
        """Set an empty `_sdc_deleted_at` in the rows that `delete_versions_before` would delete."""
        self._run(
            f"UPDATE {self._name.sql} SET {DELETED_AT} = now() WHERE {DELETED_AT} IS NULL AND ({_OUTDATED})",
            [started, version],
        )


# Rows of this run without a version belong to the activated one: some taps omit it from their records.
_OUTDATED = (
    "CASE WHEN _sdc_table_version IS NULL THEN coalesce(_sdc_sync_started_at, 0) < ? ELSE _sdc_table_version < ? END"
)


def _list(names: Iterable[str]) -> str:
    return ", ".join(map(quote, names))


def _select(relation: str, segment: Segment, columns: Mapping[str, ColumnType]) -> str:
    """Select a segment with the table's names and types."""
    items = [
        f"{cast(f'CAST(c{index} AS {source.sql})', source, wanted)} AS {quote(column)}"
        for index, (source, (column, wanted)) in enumerate(zip(segment.types, columns.items(), strict=True))
    ]
    return f"SELECT {', '.join(items)}, {ORDINAL} FROM {relation}"
