"""What target-snowflake says to Snowflake and fakesnow does not know: statements about the user's stage.

The loader writes these in one form each, so a pattern takes them apart. Every other statement goes to fakesnow as it
is.
"""
# ruff: noqa: S608 - patterns, and names and types that the loader wrote; nothing of a user

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
"""The table that rows of a staged file are put into, of one session: `c0`, `c1` and so on, and `place`."""

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
"""Types of Snowflake that DuckDB calls otherwise, or takes for something else."""

_OFFSET = re.compile(r"(?<=\d)\s*(?:Z|[+-]\d\d:?\d\d)\Z")


@dataclass(frozen=True)
class Put:
    """A file to be copied to the user's stage."""

    file: str
    folder: str


@dataclass(frozen=True)
class Remove:
    """A folder of the user's stage to be emptied."""

    folder: str


@dataclass(frozen=True)
class FileFormat:
    """A file format to be made, or dropped."""

    name: str
    dropped: bool


@dataclass(frozen=True)
class Column:
    """One selected value of a staged row.

    Attributes:
        key: of the staged JSON object, as it is spelled there.
        type: in Snowflake's spelling.
        alias: in SQL, quoted where the loader quoted it.
    """

    key: str
    type: str
    alias: str

    def selected(self, place: int) -> str:
        """Return the SQL of DuckDB that reads it from `STAGED`."""
        return f"cast(c{place} as {_TYPES.get(self.type.upper(), self.type)}) as {self.alias}"


@dataclass(frozen=True)
class Load:
    """A MERGE or COPY of staged files.

    Attributes:
        folder: of the user's stage.
        file_format: its name, as the statement has it.
        columns: what is read of each row.
        sql: the same from the table `STAGED`, a MERGE or an INSERT of DuckDB.
        copies: whether it was a COPY, which answers otherwise than a MERGE.
    """

    folder: str
    file_format: str
    columns: tuple[Column, ...]
    sql: str
    copies: bool


def understood(sql: str) -> Put | Remove | FileFormat | Load | None:
    """Take a statement apart that fakesnow does not know; None for all others."""
    text = sql.strip().rstrip(";").rstrip()
    for pattern, make in _UNDERSTOOD.items():
        if found := pattern.fullmatch(text):
            return make(found)
    return None


def _merge(found: re.Match[str]) -> Load:
    columns = _columns(found["columns"])
    aliases = ", ".join(column.alias for column in columns)
    # SEQ8 numbers rows as they are read, and the loader takes the last one of each key by it. In two steps: DuckDB
    # would take the names after QUALIFY for the target's, as the two are joined.
    last = f"qualify row_number() over (partition by {found['keys']} order by place desc) = 1"
    rows = f"select {aliases} from ({_selected(columns)}) as r {last}"
    # DuckDB has no `d.` before a column that is set.
    update = f"{found['matched']} {_TARGET.sub('', found['set'])}"
    merge = f"{found['head']} ({rows}) s {found['on']} {update} {found['rest']}"
    return Load(found["folder"], found["format"], columns, merge, copies=False)


def _copy(found: re.Match[str]) -> Load:
    columns = _columns(found["columns"])
    aliases = ", ".join(column.alias for column in columns)
    rows = f"select {aliases} from ({_selected(columns)}) as r order by place"
    return Load(found["folder"], found["format"], columns, f"insert {found['head']} {rows}", copies=True)


_UNDERSTOOD: dict[re.Pattern[str], Callable[[re.Match[str]], Put | Remove | FileFormat | Load]] = {
    _PUT: lambda found: Put(found["file"], found["folder"]),
    _REMOVE: lambda found: Remove(found["folder"]),
    _CREATE_FORMAT: lambda found: FileFormat(found["name"], dropped=False),
    _DROP_FORMAT: lambda found: FileFormat(found["name"], dropped=True),
    _MERGE: _merge,
    _COPY: _copy,
}


def without_primary_key(sql: str) -> str:
    """Leave the primary key out of a CREATE TABLE: DuckDB enforces it, and Snowflake does not."""
    return _PRIMARY_KEY.sub("", sql) if _CREATE_TABLE.match(sql) else sql


def _columns(text: str) -> tuple[Column, ...]:
    found = tuple(Column(_unquoted(one["key"]), one["type"], one["alias"]) for one in _COLUMN.finditer(text))
    if _COLUMN.sub("", text).replace(",", "").strip():
        raise ValueError(f"a column that the stand-in does not understand, in {text}")
    return found


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _selected(columns: Sequence[Column]) -> str:
    values = ", ".join(column.selected(place) for place, column in enumerate(columns))
    return f"select {values}, place from {STAGED}"


class _Number(str):
    """A number as it is written in the staged file, to the last digit."""

    __slots__ = ()


def staged_rows(folder: Path, columns: Sequence[Column]) -> Iterator[list[str | None]]:
    """Read staged files in the order of their names: a text for each column, None for SQL's null.

    A JSON null of a VARIANT column stays the JSON value null, as in Snowflake; elsewhere it is SQL's.
    """
    wanted = [(column.key, column.type.upper()) for column in columns]
    for file in sorted(folder.iterdir()):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line, parse_int=_Number, parse_float=_Number)
                yield [_text(row[key], kind) if key in row else None for key, kind in wanted]


def _text(value: Any, kind: str) -> str | None:
    """Write a value as its column's type reads it."""
    if kind == "VARIANT":
        return _json(value)
    if value is None:
        return None
    if kind == "TIMESTAMP_NTZ" and isinstance(value, str):
        # Snowflake keeps the clock's time and drops the offset; DuckDB would turn it into UTC.
        return _OFFSET.sub("", value)
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    """Write JSON, with numbers as they were."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_json(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_json(item) for item in value) + "]"
    return json.dumps(value)
