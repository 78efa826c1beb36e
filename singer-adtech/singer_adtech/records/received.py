"""The fields of the rows received so far, and the columns of their values.

A stream is asked for the columns by means of placeholders: it names the values of a row that has one for every field.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from typing_extensions import override

from singer_adtech.records.shapes import WRAPPER_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_FIELDS = 2_000
"""Maximum fields to note: field names that are data, such as ids, would add fields without end."""

Path: TypeAlias = "tuple[str, ...]"
"""The names of a field and of the objects around it, from the outside."""


class UncompilableError(Exception):
    """The columns of values depend on the values."""


@dataclass
class Field:
    """A field of the rows received so far.

    Args:
        kinds: Types of its values, except null and objects with columns of their own.
        fields: The fields of such an object; None if there was none.
        wrapper: Whether the object is a wrapper; see `shapes.unwrap`.
        decisive: Whether columns of other fields depend on the presence of this one.
    """

    kinds: set[type] = field(default_factory=set)
    fields: dict[str, Field] | None = None
    wrapper: bool = False
    decisive: bool = False


class Value:
    """A placeholder for the values of a field, to find their column."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __eq__(self, other: object) -> bool:
        if other is None or isinstance(other, (Value, ListValue)):
            # `flatten` compares the values of two fields if both have the same column.
            raise UncompilableError
        return False

    def __hash__(self) -> int:
        return hash(self.path)


class ListValue(list[Any]):
    """A placeholder for the lists of a field."""

    def __init__(self, path: Path) -> None:
        super().__init__([Value(path)])
        self.path = path

    __eq__ = Value.__eq__
    __hash__ = Value.__hash__  # type: ignore[assignment]


class ObjectValue(dict[str, Any]):
    """A placeholder for an object. A field that is looked up in it is decisive."""

    def __init__(self, path: Path, fields: Mapping[str, Field], values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.path = path
        self._fields = fields

    def _look_up(self, name: Any) -> None:
        if name in self._fields:
            self._fields[name].decisive = True

    def __contains__(self, name: object) -> bool:
        self._look_up(name)
        return super().__contains__(name)

    @override
    def get(self, name: str, default: Any = None) -> Any:
        self._look_up(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> Any:
        self._look_up(name)
        return super().__getitem__(name)


class ReceivedFields:
    """The fields of the rows received so far.

    Args:
        nested: Whether fields of objects are columns; otherwise objects are values.
    """

    def __init__(self, *, nested: bool) -> None:
        self._nested = nested
        self.row = Field(fields={})
        self._size = 0

    def learn(self, row: Mapping[str, Any]) -> bool:
        """Note the fields of a row; return whether something is new."""
        before = self._size
        self._learn_fields(self.row, row)
        return self._size > before

    def placeholder(self) -> Any:
        """Return a row of placeholders."""
        return _placeholder((), self.row)

    def _learn_fields(self, known: Field, row: Mapping[str, Any]) -> None:
        fields = known.fields = {} if known.fields is None else known.fields
        for name, value in row.items():
            if name not in fields:
                if self._size >= MOST_FIELDS or not is_allowed(name):
                    continue
                fields[name] = Field()
                self._size += 1
            if value is not None:
                self._learn_value(fields[name], value)

    def _learn_value(self, known: Field, value: Any) -> None:
        kind = type(value)
        if self._nested and kind is dict:
            wrapper = "data" in value and value.keys() <= WRAPPER_NAMES
            # A list is a missing object if it is empty, and needs the careful way otherwise.
            new = known.fields is None and known.kinds <= {list}
            if ("data" in value and not wrapper) or (not new and (known.fields is None or known.wrapper != wrapper)):
                return
            if new:
                known.fields, known.wrapper, known.kinds = {}, wrapper, set()
                self._size += 1
            self._learn_fields(known, {"data": value["data"]} if wrapper else value)
        elif known.fields is None and kind not in known.kinds:
            # A stream may name lists in another way than other values.
            mixed = self._nested and known.kinds and (kind is list or list in known.kinds)
            if not mixed:
                known.kinds.add(kind)
                self._size += 1


def is_allowed(name: str) -> bool:
    """Return whether msgspec accepts a name of a field."""
    return '"' not in name and "\\" not in name and name.isprintable()


def _placeholder(path: Path, known: Field) -> Any:
    """Return a placeholder for the values of a field."""
    if known.fields is None:
        return None if not known.kinds else ListValue(path) if known.kinds == {list} else Value(path)
    values = {name: _placeholder((*path, name), one) for name, one in known.fields.items()}
    return values if known.wrapper else ObjectValue(path, known.fields, values)


PLACEHOLDERS = (Value, ListValue, ObjectValue)
