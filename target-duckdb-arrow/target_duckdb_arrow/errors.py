"""What ends a run, each told in one line: which setting or stream, what is wrong, what to do."""

from __future__ import annotations

from singer_sdk.exceptions import MissingKeyPropertiesError, RecordsWithoutSchemaException
from singer_sdk.singerlib.exceptions import InvalidInputLine

_EXCERPT_LENGTH = 60


class LoadError(Exception):
    """A foreseeable end of a run. Its text is one line for the user; nothing after the last commit was written."""


class SettingError(LoadError):
    """A setting that cannot work."""


class DatabaseError(LoadError):
    """DuckDB or the file system refused: the file is locked, damaged, not writable, or the disk is full."""


class SchemaError(LoadError):
    """A schema which the table cannot follow."""


class RecordError(LoadError):
    """A record that does not fit its schema."""


class InputError(LoadError, InvalidInputLine):
    """A line which is no Singer message."""


class UnknownStreamError(LoadError, RecordsWithoutSchemaException):
    """A message about a stream that has had no SCHEMA message."""


class MissingKeyError(RecordError, MissingKeyPropertiesError):
    """A record without a value for a property of its key."""


class RefusedValueError(ValueError):
    """A value that its column cannot hold. The caller adds the stream and the column."""


def excerpt(value: object) -> str:
    """Show a value in a message: on one line, cut to 60 characters, with the name of its JSON type."""
    names = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}
    try:
        text = str(value) if not isinstance(value, str) else repr(value)
    except ValueError:  # Python refuses to print integers of more than 4,300 digits
        text = "of thousands of digits"
    text = " ".join(text.split())
    if len(text) > _EXCERPT_LENGTH:
        text = f"{text[:_EXCERPT_LENGTH]}..."
    return f"{names.get(type(value), 'number')} {text}"
