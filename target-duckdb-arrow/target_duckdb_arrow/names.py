"""Names: which table a stream goes to, and which names of columns DuckDB can tell apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_duckdb_arrow.errors import SchemaError
from target_duckdb_arrow.tables import TableName, fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_DEFAULT_SCHEMA = "main"
# Schemas of DuckDB itself, in which nothing can be made.
_RESERVED = frozenset({"information_schema", "pg_catalog"})


def table_name(stream: str, default_schema: str | None) -> TableName:
    """Name the table of a stream, as singer-sdk's SQL targets do, but with names left as they are.

    The table is what follows the last hyphen of the stream's name. The schema is `default_target_schema`; without it,
    what stands before that hyphen in `schema-table` and `database-schema-table`, else `main`.

    Raises:
        SchemaError: The schema is DuckDB's own, or a name has a NUL in it.
    """
    parts = stream.split("-")
    schema = default_schema or (parts[-2] if len(parts) in {2, 3} and parts[-2] else _DEFAULT_SCHEMA)
    table = parts[-1] or stream
    if fold(schema) in _RESERVED:
        raise SchemaError(
            f"Stream '{stream}' would go to the schema '{schema}', which is DuckDB's own. Set default_target_schema to "
            "another.",
        )
    if "\0" in schema or "\0" in table:
        raise SchemaError(f"Stream {stream!r} would go to a schema or table with a NUL in its name. Rename it.")
    return TableName(schema, table)


def check_names(stream: str, names: Iterable[str], keys: Sequence[str]) -> None:
    """Refuse what cannot be a table's columns.

    Raises:
        SchemaError: A property has no name, two differ by case only, or a key is no property.
    """
    seen: dict[str, str] = {}
    for name in names:
        if not name or "\0" in name:
            raise SchemaError(
                f"Stream '{stream}' has a property without a name, or with a NUL in it ({name!r}). Deselect it.",
            )
        if fold(name) in seen:
            raise SchemaError(
                f"Stream '{stream}' has the properties '{seen[fold(name)]}' and '{name}'. DuckDB's column names "
                "ignore the case of ASCII letters: deselect one, or rename it by a stream map.",
            )
        seen[fold(name)] = name
    for key in keys:
        if key not in seen.values():
            raise SchemaError(
                f"Stream '{stream}': its key '{key}' is not a property of its schema. Select that property in the tap.",
            )
