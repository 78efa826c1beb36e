"""Conversion of JSON values to the declared type of a column, exact or refused."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping


_MOST_DIGITS = 4000
"""Python refuses longer integers by default, because converting them may take minutes."""

_INTEGER = re.compile(rf"[+-]?[0-9]{{1,{_MOST_DIGITS}}}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


MOST_CACHED = 4_096
"""Converted strings to remember per column: small numbers recur."""


class ConversionError(ValueError):
    """A value that does not fit its column."""


def converter(declared: Mapping[str, Any]) -> Callable[[Any], Any]:
    """Return the converter to a declared type.

    Args:
        declared: A property of a JSON schema with a `type`.

    Returns:
        A function that raises `ConversionError` for a value that does not fit. It is not called with null.
    """
    return _CONVERTERS[json_type(declared)]


def cached_converter(convert: Callable[[Any], Any], kinds: Collection[type]) -> Callable[[Any], Any]:
    """Cache a converter of hashable values, except of `Decimal`: it is fast, and its hash is slow.

    Args:
        convert: The converter.
        kinds: The types of its values.
    """
    cached = lru_cache(MOST_CACHED, typed=True)(convert)
    if Decimal not in kinds:
        return cached
    return (lambda value: cached(value) if type(value) is str else convert(value)) if str in kinds else convert


def json_type(declared: Mapping[str, Any]) -> str:
    """Return the type of a property other than `null`."""
    types = declared["type"]
    return next(name for name in ([types] if isinstance(types, str) else types) if name != "null")


def to_integer(value: Any) -> int | None:
    """Read an integer of any size from an integer, a whole number or a string of digits; `""` is null."""
    if type(value) is int:
        return value
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        if _INTEGER.fullmatch(text):
            return int(text)
    elif isinstance(value, Decimal) and value.adjusted() < _MOST_DIGITS and value == value.to_integral_value():
        return int(value)
    raise ConversionError(value)


def to_number(value: Any) -> int | Decimal | None:
    """Read an exact number from a number or a numeric string; `""` is null."""
    if type(value) is int or type(value) is Decimal:
        return value
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        whole, point, fraction = text.partition(".")
        if point and fraction.isdigit() and whole.isdigit() and text.isascii():
            return Decimal(text)  # the usual case, without a regular expression
        if _INTEGER.fullmatch(text):
            return int(text)
        if _NUMBER.fullmatch(text):
            try:
                return Decimal(text)
            except InvalidOperation:  # an exponent out of range
                pass
    raise ConversionError(value)


def to_text(value: Any) -> str:
    """Convert a string or the digits of a number to text."""
    if type(value) is str:
        return value
    if type(value) is int or type(value) is Decimal:
        return str(value)
    raise ConversionError(value)


def to_boolean(value: Any) -> bool | None:
    """Read a boolean from true, false, 0, 1 or their spelling as text; a blank text is null."""
    if type(value) is bool:
        return value
    if type(value) is int and value in (0, 1):
        return bool(value)
    if isinstance(value, str):
        text = value.strip().lower()
        if not text:
            return None
        if text in {"true", "false", "0", "1"}:
            return text in {"true", "1"}
    raise ConversionError(value)


def to_array(value: Any) -> list[Any]:
    """Return an array unchanged."""
    if isinstance(value, list):
        return value
    raise ConversionError(value)


def to_object(value: Any) -> dict[str, Any]:
    """Return an object unchanged."""
    if isinstance(value, dict):
        return value
    raise ConversionError(value)


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "integer": to_integer,
    "number": to_number,
    "string": to_text,
    "boolean": to_boolean,
    "array": to_array,
    "object": to_object,
}


def json_kind(value: Any) -> str:
    """Return the kind of a JSON value, for messages that must not quote it."""
    kinds = {bool: "boolean", int: "number", Decimal: "number", str: "string", list: "array", dict: "object"}
    return "null" if value is None else kinds.get(type(value), type(value).__name__)
