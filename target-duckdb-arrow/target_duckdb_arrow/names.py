"""The table of a stream, and checks of column names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_duckdb_arrow.errors import SchemaError
from target_duckdb_arrow.tables import TableName, fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_DEFAULT_SCHEMA = "main"
# DuckDB's own schemas, in which tables cannot be created.
_RESERVED = frozenset({"information_schema", "pg_catalog"})


def table_name(stream: str, default_schema: str | None) -> TableName:
    """Name the table of a stream, as singer-sdk's SQL targets do, but keep the names unchanged.

    The table is named by the part after the last hyphen of the stream's name. The schema is `default_target_schema`,
    or else the part before that hyphen in `schema-table` and `database-schema-table`, or else `main`.

    Raises:
        SchemaError: The schema is reserved by DuckDB, or a name contains a NUL.
    """
    parts = stream.split("-")
    schema = default_schema or (parts[-2] if len(parts) in {2, 3} and parts[-2] else _DEFAULT_SCHEMA)
    table = parts[-1] or stream
    if fold(schema) in _RESERVED:
        raise SchemaError(
            f"Stream '{stream}': the schema '{schema}' is reserved by DuckDB. Set default_target_schema to another.",
        )
    if "\0" in schema or "\0" in table:
        raise SchemaError(f"Stream {stream!r}: the name of its schema or table contains a NUL. Rename it.")
    return TableName(schema, table)


def check_names(stream: str, names: Iterable[str], keys: Sequence[str]) -> None:
    """Check that properties can be columns of one table.

    Raises:
        SchemaError: A name is empty, two differ only by case, or a key is not a property.
    """
    seen: dict[str, str] = {}
    for name in names:
        if not name or "\0" in name:
            raise SchemaError(
                f"Stream '{stream}': a property name is empty or contains a NUL ({name!r}). Deselect it.",
            )
        if fold(name) in seen:
            raise SchemaError(
                f"Stream '{stream}': the properties '{seen[fold(name)]}' and '{name}' differ only by case, which "
                "DuckDB ignores in column names. Deselect one, or rename it with a stream map.",
            )
        seen[fold(name)] = name
    for key in keys:
        if key not in seen.values():
            raise SchemaError(
                f"Stream '{stream}': the key property '{key}' is not in the schema. Select it in the tap.",
            )
