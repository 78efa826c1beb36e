"""Errors that end a run. Each is one line: the setting or stream, the problem, and the remedy.

No message quotes a value of a record, because records may contain personal data. A value is described by its JSON type,
length and shape, and is found by the number of its line in the input.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import MissingKeyPropertiesError, RecordsWithoutSchemaException
from singer_sdk.singerlib.exceptions import InvalidInputLine

if TYPE_CHECKING:
    from singer_sdk.exceptions import InvalidRecord

_LONGEST_SHAPE = 40
_LONGEST_NAME = 60
_MOST_COUNTED_BITS = 4096


class LoadError(Exception):
    """An expected failure. Its text is one line for the user. Nothing after the last commit was written."""


class SettingError(LoadError):
    """A setting that cannot work."""


class DatabaseError(LoadError):
    """A failure of DuckDB or the file system: the file is locked, damaged or not writable, or the disk is full."""


class SchemaError(LoadError):
    """A schema that the table cannot follow."""


class RecordError(LoadError):
    """A record that does not fit its schema."""


class InputError(LoadError, InvalidInputLine):
    """A line that is not a Singer message."""


class UnfinishedError(LoadError):
    """An input that ended before the tap finished."""


class UnknownStreamError(LoadError, RecordsWithoutSchemaException):
    """A message that precedes the SCHEMA message of its stream."""


class MissingKeyError(RecordError, MissingKeyPropertiesError):
    """A record without a value for a property of its key."""


class RefusedValueError(ValueError):
    """A value that its column cannot hold. The caller adds the stream, the column and the line."""


def describe(value: object) -> str:
    """Describe a value by its JSON type and size, and a short string by its shape as well.

    In a shape, every letter is an `a` and every digit a `9`: `99.99.9999` shows the format of a date.
    """
    if isinstance(value, str):
        return f"a string of {_count(len(value), 'character')}{_shape(value)}"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, list):
        return f"an array of {_count(len(value), 'element')}"
    if isinstance(value, dict):
        return f"an object of {_count(len(value), 'property', 'properties')}"
    return f"a number {_number(value)}"


def broken_rule(error: InvalidRecord) -> str:
    """Name the property and the rule that a record breaks. jsonschema's own message quotes the value."""
    cause = error.__cause__
    rule, limit = getattr(cause, "validator", None), getattr(cause, "validator_value", None)
    if rule is None:
        return ""
    path = ".".join(map(str, getattr(cause, "absolute_path", ())))
    return f": {f'property {shorten(path)}, ' if path else ''}rule '{rule}' {shorten(limit)}"


def shorten(name: object) -> str:
    """Quote a name from the input, on one line and cut to 60 characters."""
    text = " ".join(str(name).split())
    return f"'{text}'" if len(text) <= _LONGEST_NAME else f"'{text[:_LONGEST_NAME]}...'"


def one_line(error: BaseException) -> str:
    """Format an error on one line, without a final full stop."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def _shape(text: str) -> str:
    if not 0 < len(text) <= _LONGEST_SHAPE or not text.isprintable():
        return ""
    return " (" + "".join("a" if one.isalpha() else "9" if one.isdigit() else one for one in text) + ")"


def _number(value: Any) -> str:
    if isinstance(value, int):
        if value.bit_length() > _MOST_COUNTED_BITS:  # Python does not print integers of over 4,300 digits
            return "of more than 1,000 digits"
        return f"of {_count(len(str(abs(value))), 'digit')}"
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, Decimal):
        if not value.is_finite():
            return "that is not finite"
        exponent = int(value.as_tuple().exponent)
        return f"with the exponent {value.adjusted()} and {_count(max(0, -exponent), 'decimal')}"
    return "with an exponent of more than 18 digits"
