"""Simulator options: a dataclass whose validated fields can also be read from text."""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def build(kind: type[T], values: Mapping[str, object]) -> T:
    """Return an options dataclass with these values and defaults for the others.

    A field may be a Literal, str, bool, int, float, date, a tuple of one of these (`tuple[X, ...]`; as text a
    comma-separated list), or one of them or None (as text `none`). Text is converted to the field's type.

    Raises:
        ValueError: Unknown option, or a value that the field does not allow. The message lists the allowed ones.
    """
    hints = get_type_hints(kind)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise ValueError(f"unknown option {', '.join(unknown)}; known options: {', '.join(sorted(hints))}")
    return kind(**{name: _read(name, hints[name], value) for name, value in values.items()})


def describe(kind: type[Any]) -> list[tuple[str, str, str]]:
    """Return the name, allowed values and default of each option as written on the command line."""
    hints = get_type_hints(kind)
    return [(item.name, _allowed(hints[item.name]), _text(item.default)) for item in fields(kind)]


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(_text, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _read(name: str, hint: Any, value: object) -> object:
    arguments = get_args(hint)
    if type(None) in arguments:
        kind = next(choice for choice in arguments if choice is not type(None))
        return None if value in (None, "none") else _read(name, kind, value)
    try:
        if get_origin(hint) is Literal:
            # Equality is not enough: True == 1.
            return next(choice for choice in arguments if value in (choice, str(choice)) and type(value) is not bool)
        if get_origin(hint) is tuple:
            parts = value.split(",") if isinstance(value, str) else value
            return tuple(_read(name, arguments[0], part) for part in parts if part != "")  # type: ignore[attr-defined]  # TypeError if not iterable
        return _single(hint, value)
    except (KeyError, StopIteration, TypeError):
        raise ValueError(f"option {name}: {value!r} is not allowed; allowed: {_allowed(hint)}") from None


def _single(hint: Any, value: object) -> object:
    """Convert a value to bool, int, float, date or str; raise KeyError or TypeError if it is not one."""
    try:
        if isinstance(value, str):
            readers = {bool: lambda text: _BOOLEANS[text.lower()], date: date.fromisoformat}
            return readers.get(hint, hint)(value)
    except ValueError:
        raise TypeError from None
    if hint is float and type(value) is int:
        return float(value)
    # isinstance is not enough: a bool is an int, and a datetime is a date.
    if type(value) is not hint:
        raise TypeError
    return value


def _allowed(hint: Any) -> str:
    arguments = get_args(hint)
    if get_origin(hint) is Literal:
        return " | ".join(str(choice) for choice in arguments)
    if get_origin(hint) is tuple:
        return f"comma-separated list of {_allowed(arguments[0])}"
    if type(None) in arguments:
        return f"{_allowed(next(choice for choice in arguments if choice is not type(None)))} | none"
    return {bool: "true | false", int: "whole number", float: "number", date: "YYYY-MM-DD", str: "text"}[hint]
