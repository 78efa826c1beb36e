"""Rows decoded straight into records, by msgspec types made from the rows received so far.

A stream's schema names columns, and only its rows show their nesting. The first row is therefore converted the careful
way (`RecordShape`), and its nesting becomes a type that decodes later rows in one call, with exact numbers. A row that
does not fit the type is converted the careful way too, so its warnings, errors and `_extra` are the same. Its new
fields are in the next type.

The type of a field is that of the JSON values received for it, so most values need no check: if a column accepts all
of these types, its value is copied, and otherwise it is converted.
"""

from __future__ import annotations

from decimal import Decimal
from functools import reduce
from operator import attrgetter, or_
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import msgspec

from singer_adtech.records.received import PLACEHOLDERS, ReceivedFields, UncompilableError
from singer_adtech.records.shapes import EXTRA, WRAPPER_NAMES, flat_items, unwrap
from singer_adtech.records.values import ConversionError, cached_converter, json_type

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from singer_sdk.helpers.types import Record

    from singer_adtech.records.page import Row
    from singer_adtech.records.received import Field, Path
    from singer_adtech.records.shapes import RecordShape

MOST_TYPES = 100
"""Maximum types per stream, because creating one takes milliseconds."""

PATIENCE = 20
"""Rows that do not fit a type, from the first with a new field on, before the type is replaced."""

_UNCHANGED: Mapping[str, frozenset[type]] = {
    "integer": frozenset({int}),
    "number": frozenset({int, Decimal}),
    "string": frozenset({str}),
    "boolean": frozenset({bool}),
    "array": frozenset({list}),
    "object": frozenset({dict}),
}
"""The types of values that a column accepts without conversion."""


class CompiledRecord(msgspec.Struct):
    """A record of the selected columns; `_extra` is the last."""

    attributes: ClassVar[Mapping[str, str]] = {}
    """Attribute names by column."""

    def __getitem__(self, column: str) -> Any:
        return getattr(self, self.attributes[column])

    def get(self, column: str) -> Any:
        """Return the value of a column; None if it is not selected."""
        return getattr(self, self.attributes[column]) if column in self.attributes else None


class _MisfitError(Exception):
    """A row needs the careful way."""


_MISFITS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ConversionError, _MisfitError)
"""Errors of a row that needs the careful way."""


class RowCompiler:
    """The conversion of one stream's rows to records of the selected columns.

    Args:
        shape: The stream's schema, compiled.
        columns: The selected columns.
        name_values: Returns a row's values by column. It may depend on the presence of fields and on whether a value
            is null, an object, a list or something else, but not on values.
        nested: Whether fields of objects are columns; otherwise objects are values.
        item_names: Names of a row's items, if rows are arrays.
        expected: Fields that every compiled row has, once one was received.
        note_fields: Called with those of `expected` that compiled rows have, for the first of a page.
    """

    def __init__(  # noqa: PLR0913 - the parts of a conversion
        self,
        shape: RecordShape,
        columns: Collection[str],
        name_values: Callable[[dict[str, Any]], Mapping[str, Any]],
        *,
        nested: bool,
        item_names: Sequence[str] = (),
        expected: Collection[str] = (),
        note_fields: Callable[[Collection[str]], None] = lambda _: None,
    ) -> None:
        self.shape = shape
        # `_extra` is the last, because it gathers the values that follow.
        self.columns = [name for name in shape.columns if name in columns and name != EXTRA]
        self.columns += [EXTRA] if EXTRA in columns else []
        self.nested = nested
        self.item_names = item_names
        self.expected = expected
        self._name_values = name_values
        self._note_fields = note_fields
        self._places = {name: place for place, name in enumerate(self.columns)}
        attributes = {name: f"c{place}" for name, place in self._places.items()}
        self._record: Callable[..., Any] = msgspec.defstruct(
            "Record",
            [(attribute, Any) for attribute in attributes.values()],
            bases=(CompiledRecord,),
            namespace={"attributes": attributes},
            rename={attribute: name for name, attribute in attributes.items()},
            gc=False,
        )
        self._filled = [(self._places[name], null) for name, null in shape.nulls.items() if name in attributes]
        self._keys = [self._places[name] for name in shape.keys]
        self._received = ReceivedFields(nested=nested)
        self._types = 0
        self._misfits = 0
        self._type: _RowType | None = None

    def records(  # noqa: C901 - in one function, because it runs for every row
        self,
        rows: Iterable[Row],
        keys: Iterable[Any],
        careful: Callable[[Row, Any], tuple[Any, Record]],
        *,
        added: Mapping[str, Any],
        key_column: str | None = None,
    ) -> Iterator[Record]:
        """Convert the rows of a page.

        Args:
            rows: The rows.
            keys: The value of `key_column` for each row.
            careful: Decodes a row and converts it with its key, the careful way.
            added: Values of columns that are the same for each row, and fit them.
            key_column: A column of strings that are computed; None if there is none.
        """
        fixed = [
            (self._places[name], None if value is None else self.shape.converter(name)(value))
            for name, value in added.items()
            if name in self._places
        ]
        key_place = None if key_column is None else self._places.get(key_column)
        filled, not_null, make, row_type = self._filled, self._keys, self._record, self._type
        noted = False
        for row, key in zip(rows, keys, strict=False):
            try:
                if row_type is None:
                    raise _MisfitError
                values = row_type.values(row)
                for place, value in fixed:
                    values[place] = value
                if key_place is not None:
                    values[key_place] = key
                for place, value in filled:
                    if values[place] is None:
                        values[place] = value
                for place in not_null:
                    if values[place] is None:
                        raise _MisfitError
            except _MISFITS:  # noqa: PERF203 - per row
                sent, record = careful(row, key)
                self._learn(sent)
                row_type = self._type
                yield make(*[record[name] for name in self.columns])
            else:
                if not noted:
                    self._note_fields(row_type.sent)
                    noted = True
                yield make(*values)

    def _learn(self, row: Any) -> None:
        """Note the fields of a row, and make a new type if there are enough new ones."""
        if self._received.learn(row) or self._misfits:
            self._misfits += 1
        if self._types < MOST_TYPES and self._misfits >= (1 if self._type is None else PATIENCE):
            self._misfits = 0
            self._types += 1
            try:
                self._type = self._compile()
            except UncompilableError:
                # An earlier type is still right for the rows that fit it.
                self._types = MOST_TYPES

    def _compile(self) -> _RowType:
        """Make a type of the known fields.

        Raises:
            UncompilableError: The columns of values depend on the values.
        """
        columns: dict[Path, str] = {}
        lists: set[Path] = set()
        for name, value in self._name_values(self._received.placeholder()).items():
            placeholder = value[0] if type(value) is list and value else value
            if not isinstance(placeholder, PLACEHOLDERS):
                if value is not None:
                    raise UncompilableError
                continue
            columns[placeholder.path] = name
            if placeholder is not value:
                lists.add(placeholder.path)
        return _RowType(self, self._received.row, columns, lists)


_Placed: TypeAlias = "tuple[Callable[[Any], Any] | None, str, Any]"
"""An object in rows: a function that finds the object around it, its attribute, and an object of null values."""


class _RowType:
    """A type of rows, and the conversion of its values.

    Args:
        compiler: The compiler.
        row: The known fields of a row.
        columns: Columns by field.
        lists: Fields whose lists have flattened items.
    """

    def __init__(self, compiler: RowCompiler, row: Field, columns: Mapping[Path, str], lists: Collection[Path]) -> None:
        self._compiler = compiler
        self.sent = [name for name in compiler.expected if name in (row.fields or {})]
        """The expected fields that every row of this type has."""
        self._columns = columns
        self._attributes: dict[Path, str] = {}
        self._kinds: dict[Path, set[type]] = {}
        self._objects: list[_Placed] = []
        self._absent: list[_Placed] = []
        row_type, _ = self._object(row, ())
        self._decode = msgspec.json.Decoder(row_type, float_hook=Decimal).decode
        shape, width = compiler.shape, len(compiler.columns)
        fields = {name: path for path, name in columns.items() if name in shape.columns and name != EXTRA}
        extra = sorted((name, path) for path, name in columns.items() if fields.get(name) != path)
        if not shape.keeps_extra or EXTRA not in compiler.columns:
            extra = []
        self._extra = [name for name, _ in extra]
        self._width = width
        sources = [*map(fields.get, compiler.columns), *(path for _, path in extra)]
        values = ", ".join("None" if path is None else f"row.{self._attributes[path]}" for path in sources)
        # Compiled code reads nested attributes in less than half the time of an attrgetter.
        self._get: Callable[[Any], list[Any]] = eval(f"lambda row: [{values}]")  # noqa: S307 - has no text of the vendor
        self._conversions = [
            (place, convert)
            for place, path in enumerate(sources)
            if path is not None
            for convert in [self._conversion(path, None if place >= width else columns[path], path in lists)]
            if convert is not None
        ]

    def _object(self, known: Field, path: Path, prefix: str = "", *, firm: bool = True) -> tuple[Any, Any]:
        """Make the type of an object.

        Args:
            known: The object.
            path: Its names.
            prefix: Its attributes in a row, with a final dot.
            firm: Whether columns of other fields depend on it.

        Returns:
            The type, and an object of null values.
        """
        compiler = self._compiler
        attributes: dict[str, str] = {}
        types: list[Any] = []
        nulls: dict[str, Any] = {}
        for number, (name, one) in enumerate((known.fields or {}).items()):
            attribute, here = f"f{number}", (*path, name)
            attributes[attribute] = name
            must = one.decisive or known.wrapper or (not path and (name in compiler.expected or compiler.item_names))
            if one.fields is None or here in self._columns:
                self._attributes[here] = prefix + attribute
                kind, null = self._value(one, here)
            else:
                place = len(self._objects)
                must_exist = one.decisive or (known.wrapper and bool(path) and firm)
                kind, null = self._object(one, here, f"{prefix}{attribute}.", firm=must_exist)
                self._objects.insert(place, (attrgetter(prefix[:-1]) if prefix else None, attribute, null))
                kind = kind if must_exist else kind | list | None
            nulls[attribute] = null
            types.append(
                (attribute, kind) if must else (attribute, kind, msgspec.Raw() if kind is msgspec.Raw else None)
            )
        if known.wrapper:
            types += [(name, msgspec.Raw, msgspec.Raw()) for name in sorted(WRAPPER_NAMES - {"data"})]
        as_array = bool(compiler.item_names) and not path
        made = msgspec.defstruct(
            "Row",
            types,
            rename=attributes,
            forbid_unknown_fields=True,
            array_like=as_array,
            kw_only=not as_array,
            gc=False,
        )
        return made, made(*nulls.values()) if as_array else made(**nulls)

    def _value(self, known: Field, path: Path) -> tuple[Any, Any]:
        """Return the type of a value, and a null value."""
        kinds = self._kinds[path] = known.kinds if known.fields is None else {dict}
        column, compiler = self._columns.get(path), self._compiler
        if kinds and column is None:
            raise UncompilableError
        if not compiler.nested and column in compiler.shape.columns and column not in {*compiler.columns, EXTRA}:
            return msgspec.Raw, msgspec.Raw()
        return Any if Decimal in kinds else reduce(or_, sorted(kinds, key=str), None) if kinds else None, None

    def _conversion(self, path: Path, column: str | None, items: bool) -> Callable[[Any], Any] | None:  # noqa: FBT001
        """Return the conversion of a field's values; None if there is none.

        Args:
            path: The field.
            column: Its column; None for a member of `_extra`.
            items: Whether it is a list with flattened items.
        """
        kinds, nested, shape = self._kinds[path], self._compiler.nested, self._compiler.shape
        if column is None:
            checks = {list: _extra_list, dict: _bare_object, Decimal: _scalar}
            return next((check for kind, check in checks.items() if nested and kind in kinds), None)
        convert = shape.converter(column)
        if items:
            return lambda value: convert(flat_items(value))
        if dict in kinds and nested:
            return lambda value: convert(_bare_object(value))
        if column in shape.own_converters:
            return convert
        if Decimal not in kinds and kinds <= _UNCHANGED[json_type(shape.columns[column])]:
            return None
        return convert if kinds & {list, dict} else cached_converter(convert, kinds)

    def values(self, row: Row) -> list[Any]:
        """Decode a row.

        Returns:
            Its values in the order of the selected columns.

        Raises:
            msgspec.DecodeError: It is not of this type.
            ConversionError: A value does not fit its column.
            _MisfitError: It has a list instead of an object.
        """
        decoded = self._decode(row)
        try:
            if self._absent:
                self._fill(decoded, self._absent)
            values = self._get(decoded)
        except AttributeError:
            # An object is missing for the first time.
            self._absent = [one for one in self._objects if self._fill(decoded, [one]) or one in self._absent]
            values = self._get(decoded)
        for place, convert in self._conversions:
            value = values[place]
            if value is not None:
                values[place] = convert(value)
        if self._extra:
            width = self._width
            extra = {name: value for name, value in zip(self._extra, values[width:], strict=True) if value is not None}
            values[width - 1] = extra or None
            del values[width:]
        return values

    @staticmethod
    def _fill(row: Any, objects: Iterable[_Placed]) -> bool:
        """Replace missing objects by objects of null values; return whether one was missing."""
        filled = False
        for find, attribute, null in objects:
            holder = row if find is None else find(row)
            value = getattr(holder, attribute)
            if not value:
                setattr(holder, attribute, null)
                filled = True
            elif type(value) is list:
                raise _MisfitError
        return filled


def _extra_list(value: list[Any]) -> list[Any] | None:
    return value or None


def _bare_object(value: Any) -> Any:
    if unwrap(value) is not value:
        raise ConversionError(value)
    return value


def _scalar(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        raise ConversionError(value)
    return value
