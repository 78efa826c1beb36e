"""Statements about the user's stage that target-snowflake sends and fakesnow does not support.

The loader writes each of these in one form, so that a regular expression can parse it. All other statements go to
fakesnow unchanged.
"""
# ruff: noqa: S608 - patterns, and names and types written by the loader; no user input

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

STAGED = "temp.main.staged_rows"
"""Temporary table for the rows of staged files, per session, with the columns `c0`, `c1`, ... and `row_index`."""

_NAME = r'"(?:[^"]|"")*"|\w+'
_STAGE = r"'@~/(?P<folder>[^']+?)/?'"
_PUT = re.compile(rf"put\s+'(?P<file>file://[^']+)'\s+{_STAGE}\s*", re.IGNORECASE)
_REMOVE = re.compile(rf"remove\s+{_STAGE}\s*", re.IGNORECASE)
_CREATE_FORMAT = re.compile(
    r"create or replace file format (?P<name>\S+) type = 'JSON' compression = 'AUTO'", re.IGNORECASE
)
_DROP_FORMAT = re.compile(r"drop file format if exists (?P<name>\S+)", re.IGNORECASE)
_MERGE = re.compile(
    rf"(?P<head>merge into \S+ d using) \(select (?P<columns>.+?) from {_STAGE}\(file_format => (?P<format>\S+)\) "
    r"qualify row_number\(\) over \(partition by (?P<keys>.+?) order by seq8\(\) desc\) = 1\) s (?P<on>on .+?) "
    r"(?P<matched>when matched then update set) (?P<set>.+?) (?P<rest>when not matched then insert .+)",
    re.IGNORECASE | re.DOTALL,
)
_COPY = re.compile(
    rf"copy (?P<head>into \S+ \(.+?\)) from \(select (?P<columns>.+?) from {_STAGE}\)\s*"
    r"file_format = \(format_name='(?P<format>[^']+)'\)",
    re.IGNORECASE | re.DOTALL,
)
_COLUMN = re.compile(rf"\$1:(?P<key>{_NAME})::(?P<type>\w+(?:\([\d, ]+\))?) as (?P<alias>{_NAME})", re.IGNORECASE)
_PRIMARY_KEY = re.compile(r",\s*primary key \([^)]*\)", re.IGNORECASE)
_CREATE_TABLE = re.compile(r"\s*create table ", re.IGNORECASE)
_TEMPORARY = re.compile(r"(create or replace) temporary (?=table|view)", re.IGNORECASE)
_HASH_AGG = re.compile(r"\bhash_agg\((\w+)\.\*\)", re.IGNORECASE)
_TARGET = re.compile(r"(?:(?<=, )|\A)d\.")
_TYPES = {
    "VARIANT": "JSON",
    "DECIMAL": "DECIMAL(38, 0)",
    "NUMBER": "DECIMAL(38, 0)",
    "FLOAT": "DOUBLE",
    "TIMESTAMP_TZ": "TIMESTAMPTZ",
    "TIMESTAMP_LTZ": "TIMESTAMPTZ",
    "TIMESTAMP_NTZ": "TIMESTAMP",
}
"""Snowflake types with a different name or meaning in DuckDB."""

_OFFSET = re.compile(r"(?<=\d)\s*(?:Z|[+-]\d\d:?\d\d)\Z")


@dataclass(frozen=True)
class Put:
    """Copies a file to the user's stage."""

    file: str
    folder: str


@dataclass(frozen=True)
class Remove:
    """Empties a folder of the user's stage."""

    folder: str


@dataclass(frozen=True)
class FileFormat:
    """Creates or drops a file format."""

    name: str
    dropped: bool


@dataclass(frozen=True)
class Column:
    """One selected value of a staged row.

    Attributes:
        key: Key in the staged JSON object.
        type: Snowflake type.
        alias: Alias in SQL, quoted if the loader quoted it.
    """

    key: str
    type: str
    alias: str

    def selected(self, index: int) -> str:
        """Return the DuckDB SQL that reads the value from `STAGED`."""
        return f"cast(c{index} as {_TYPES.get(self.type.upper(), self.type)}) as {self.alias}"


@dataclass(frozen=True)
class Load:
    """A MERGE or COPY of staged files.

    Attributes:
        folder: Folder of the user's stage.
        file_format: Name of the file format, as in the statement.
        columns: The values to read from each row.
        sql: The equivalent DuckDB MERGE or INSERT from the table `STAGED`.
        is_copy: Whether it is a COPY; its result differs from that of a MERGE.
    """

    folder: str
    file_format: str
    columns: tuple[Column, ...]
    sql: str
    is_copy: bool


def parse_statement(sql: str) -> Put | Remove | FileFormat | Load | None:
    """Parse a statement that fakesnow does not support; return None for all others."""
    text = sql.strip().rstrip(";").rstrip()
    for pattern, make in _PARSERS.items():
        if found := pattern.fullmatch(text):
            return make(found)
    return None


def _merge(found: re.Match[str]) -> Load:
    columns = _columns(found["columns"])
    aliases = ", ".join(column.alias for column in columns)
    # SEQ8 numbers rows in the order they are read; the loader uses it to select the last row of each key. In two steps,
    # because DuckDB would resolve the names after QUALIFY in the joined target.
    last = f"qualify row_number() over (partition by {found['keys']} order by row_index desc) = 1"
    rows = f"select {aliases} from ({_selected(columns)}) as r {last}"
    # DuckDB does not allow `d.` before a column in SET.
    update = f"{found['matched']} {_TARGET.sub('', found['set'])}"
    merge = f"{found['head']} ({rows}) s {found['on']} {update} {found['rest']}"
    return Load(found["folder"], found["format"], columns, merge, is_copy=False)


def _copy(found: re.Match[str]) -> Load:
    columns = _columns(found["columns"])
    aliases = ", ".join(column.alias for column in columns)
    rows = f"select {aliases} from ({_selected(columns)}) as r order by row_index"
    return Load(found["folder"], found["format"], columns, f"insert {found['head']} {rows}", is_copy=True)


_PARSERS: dict[re.Pattern[str], Callable[[re.Match[str]], Put | Remove | FileFormat | Load]] = {
    _PUT: lambda found: Put(found["file"], found["folder"]),
    _REMOVE: lambda found: Remove(found["folder"]),
    _CREATE_FORMAT: lambda found: FileFormat(found["name"], dropped=False),
    _DROP_FORMAT: lambda found: FileFormat(found["name"], dropped=True),
    _MERGE: _merge,
    _COPY: _copy,
}


def without_primary_key(sql: str) -> str:
    """Remove the primary key from a CREATE TABLE: DuckDB enforces it, Snowflake does not."""
    return _PRIMARY_KEY.sub("", sql) if _CREATE_TABLE.match(sql) else sql


def for_fakesnow(sql: str) -> str:
    """Return a statement of dbt in a form that fakesnow supports.

    DuckDB's temporary tables are not in a schema, so they are permanent here. HASH_AGG becomes a sum of row hashes.
    """
    return _HASH_AGG.sub(r"sum(cast(hash(\1) as number(38, 0)))", _TEMPORARY.sub(r"\1 ", sql))


def _columns(text: str) -> tuple[Column, ...]:
    found = tuple(Column(_unquoted(one["key"]), one["type"], one["alias"]) for one in _COLUMN.finditer(text))
    if _COLUMN.sub("", text).replace(",", "").strip():
        raise ValueError(f"the stand-in cannot parse a column in {text}")
    return found


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _selected(columns: Sequence[Column]) -> str:
    values = ", ".join(column.selected(index) for index, column in enumerate(columns))
    return f"select {values}, row_index from {STAGED}"


class _Number(str):
    """A number as it is spelled in the staged file, with all digits."""

    __slots__ = ()


def staged_rows(folder: Path, columns: Sequence[Column]) -> Iterator[list[str | None]]:
    """Read staged files in the order of their names, with one text per column; None is SQL's null.

    In VARIANT columns a JSON null is kept as a JSON value, as in Snowflake; in other columns it becomes SQL's null.
    """
    wanted = [(column.key, column.type.upper()) for column in columns]
    for file in sorted(folder.iterdir()):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line, parse_int=_Number, parse_float=_Number)
                yield [_text(row[key], kind) if key in row else None for key, kind in wanted]


def _text(value: Any, kind: str) -> str | None:
    """Render a value as text for its column's type."""
    if kind == "VARIANT":
        return _json(value)
    if value is None:
        return None
    if kind == "TIMESTAMP_NTZ" and isinstance(value, str):
        # Snowflake keeps the wall-clock time and drops the offset; DuckDB would convert it to UTC.
        return _OFFSET.sub("", value)
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    """Write JSON with numbers spelled as in the file."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_json(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_json(item) for item in value) + "]"
    return json.dumps(value)
