"""Conversion of vendors' rows to the records that a schema declares.

`flatten` removes wrappers and joins names. A `RecordShape`, compiled once per stream, gives every declared column a
value of its type and collects undeclared fields in `_extra`. Numbers stay exact: a numeric string becomes the `int` or
`decimal.Decimal` of the same digits, without a float in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from singer_adtech.errors import DataError, shorten
from singer_adtech.records.values import ConversionError, converter, json_kind, json_type

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Collection, Iterable

    from singer_sdk.helpers.types import Record

ExtraFields = Literal["keep", "drop", "fail"]

EXTRA = "_extra"
"""The column of undeclared fields: an object, or null."""

EXTRA_DESCRIPTION = (
    "Fields that this schema does not contain, and values that do not fit their column, as received; null if there are "
    "none."
)
"""Description of the column `EXTRA` in schemas made by code."""

WRAPPER_NAMES = frozenset({"data", "meta", "links"})

MOST_NAMED = 20
"""Maximum undeclared fields per stream to name in warnings; the others are counted."""

MOST_COUNTED = 10_000
"""Maximum undeclared fields per stream to remember, so that each is counted once."""


def unwrap(value: Any) -> Any:
    """Remove wrappers: an object with `data` and at most `meta` and `links` is replaced by its `data`."""
    while isinstance(value, dict) and "data" in value and value.keys() <= WRAPPER_NAMES:
        value = value["data"]
    return value


def flatten(
    row: Mapping[str, Any] | Iterable[tuple[str, Any]],
    *,
    objects: Collection[str] = (),
    arrays: Collection[str] = (),
) -> dict[str, Any]:
    """Flatten a nested row to one level; names are joined with `_`.

    Args:
        row: A row as sent, or its names and values; nested objects may be wrapped.
        objects: Columns with an object that is not flattened.
        arrays: Columns with an array; its items are unwrapped and flattened one by one.

    Returns:
        Flat names to values. An empty list under any other name is left out; a non-empty one is kept. If two different
        values have the same name, the less nested (or else the first) keeps it. The other is kept under its dotted
        path, never a column name.
    """
    flat: dict[str, Any] = {}
    fields = row.items() if isinstance(row, Mapping) else row
    _flatten(fields, (), frozenset(objects), frozenset(arrays), flat, {})
    return flat


def _flatten(  # noqa: PLR0913, PLR0917 - the state of the recursion
    fields: Iterable[tuple[str, Any]],
    path: tuple[str, ...],
    objects: frozenset[str],
    arrays: frozenset[str],
    flat: dict[str, Any],
    paths: dict[str, tuple[str, ...]],
) -> None:
    for name, sent in fields:
        value = unwrap(sent)
        here = (*path, name)
        column = "_".join(here)
        if column in arrays:
            value = flat_items(value) if isinstance(value, list) else value
        elif isinstance(value, dict) and column not in objects:
            _flatten(value.items(), here, objects, arrays, flat, paths)
            continue
        elif value == []:
            continue
        taken = paths.get(column)
        if taken is None or flat[column] == value:
            flat[column] = value
            paths[column] = here if taken is None or len(here) < len(taken) else taken
        elif len(here) < len(taken):
            flat[".".join(taken)] = flat[column]
            flat[column] = value
            paths[column] = here
        else:
            flat[".".join(here)] = value


def flat_items(items: list[Any]) -> list[Any]:
    """Unwrap and flatten the items of an array."""
    return [_item(item) for item in items]


def _item(item: Any) -> Any:
    item = unwrap(item)
    return flatten(item) if isinstance(item, dict) else item


class RecordShape:
    """The conversion of one stream's rows to records, compiled once from its schema.

    Args:
        schema: The stream's JSON schema; its top-level properties are the columns.
        primary_keys: Columns that are never null.
        extra_fields: Whether undeclared fields are kept, dropped or refused.
        logger: Receives one warning per undeclared field (the first 20) and per column with values that do not fit.
        private: Columns with values that are never quoted in messages.
        converters: Converters of some columns, instead of those of their types.
        nulls: Values of some columns in place of null.
        deselected: Columns whose values are neither needed nor converted.
    """

    def __init__(  # noqa: PLR0913 - the settings of one conversion
        self,
        schema: Mapping[str, Any],
        *,
        primary_keys: Collection[str],
        extra_fields: ExtraFields,
        logger: logging.Logger | logging.LoggerAdapter[logging.Logger],
        private: Collection[str] = (),
        converters: Mapping[str, Callable[[Any], Any]] | None = None,
        nulls: Mapping[str, Any] = MappingProxyType({}),
        deselected: Collection[str] = (),
    ) -> None:
        self.columns: Mapping[str, Any] = schema["properties"]
        self.own_converters = converters or {}
        self._converters = {name: converter(declared) for name, declared in self.columns.items() if name != EXTRA}
        self._converters.update(self.own_converters)
        kinds = {name: json_type(declared) for name, declared in self.columns.items()}
        self.objects = frozenset(name for name, kind in kinds.items() if kind == "object")
        self.arrays = frozenset(name for name, kind in kinds.items() if kind == "array")
        self.nulls = nulls
        self.keys = tuple(dict.fromkeys(primary_keys))
        self._empty = {**dict.fromkeys(self.columns), **nulls}
        self._deselected = frozenset(deselected).difference(self.keys)
        # Without the column they cannot be kept.
        self._extra_fields = "drop" if extra_fields == "keep" and EXTRA not in self.columns else extra_fields
        self._logger = logger
        self._fate = _fate(self._extra_fields, selected=EXTRA not in deselected)
        self._unconverted: set[str] = set()
        # Hashes, because a name may be as long as a response body.
        self._undeclared: set[int] = set()
        self._private = frozenset(private)

    @property
    def keeps_extra(self) -> bool:
        """Whether undeclared fields are kept in `_extra`."""
        return self._extra_fields == "keep"

    def converter(self, column: str) -> Callable[[Any], Any]:
        """Return the converter of a column."""
        return self._converters[column]

    def record(self, flat: Mapping[str, Any]) -> Record:
        """Convert a flat row to a record.

        Args:
            flat: Flat names to values as sent.

        Returns:
            A record with every declared column; those that were not sent or are deselected are null.

        Raises:
            DataError: A key is missing or null, or a field is undeclared and `extra_fields` is `fail`.
        """
        record: Record = self._empty.copy()
        extra: dict[str, Any] = {}
        for name, value in flat.items():
            if value is None or name in self._deselected:
                continue
            convert = self._converters.get(name)
            if convert is None:
                self._note_undeclared(name)
                extra[name] = value
            else:
                try:
                    converted = convert(value)
                except ConversionError:
                    self._note_unconverted(name, value)
                    extra[name] = value
                    record[name] = None
                else:
                    if converted is not None:
                        record[name] = converted
        if self.keeps_extra:
            # Sorted, so that the same fields make the same text in any order.
            record[EXTRA] = dict(sorted(extra.items())) or None
        for key in self.keys:
            if record.get(key) is None:
                sent = self._quoted(key, flat[key]) if flat.get(key) is not None else "no value"
                raise DataError(f"a row has {sent} for its key `{key}`", "report this with the request's time")
        return record

    def _quoted(self, name: str, value: Any) -> str:
        return "a value" if name in self._private else f"the value {shorten(repr(value), 80)}"

    def _note_undeclared(self, name: str) -> None:
        if self._extra_fields == "fail":
            raise DataError(
                f"the vendor sent the field `{shorten(name, 80)}`, which the schema does not declare",
                "set `extra_fields` to `keep` or `drop`",
            )
        known = hash(name)
        if known in self._undeclared or self.undeclared >= MOST_COUNTED:
            return
        self._undeclared.add(known)
        if self.undeclared <= MOST_NAMED:
            self._logger.warning("The field `%s` is not in the schema: %s", shorten(name, 80), self._fate)

    @property
    def undeclared(self) -> int:
        """The number of undeclared fields received, at most 10,000."""
        return len(self._undeclared)

    def warn_of_rest(self) -> None:
        """Warn about the undeclared fields not named yet; called when a stream ends."""
        if self.undeclared > MOST_NAMED:
            least = "at least " if self.undeclared >= MOST_COUNTED else ""
            self._logger.warning(
                "%s%s more fields are not in the schema: %s", least, f"{self.undeclared - MOST_NAMED:,}", self._fate
            )

    def _note_unconverted(self, name: str, value: Any) -> None:
        if self._extra_fields == "fail":
            raise DataError(
                f"the field `{name}` has a value that does not fit the schema (a JSON {json_kind(value)})",
                "set `extra_fields` to `keep` or `drop`",
            ) from None  # the cause quotes the value
        if name not in self._unconverted:
            self._unconverted.add(name)
            self._logger.warning(
                "The field `%s` has a value that does not fit the schema (a JSON %s): null, and the value is %s",
                name,
                json_kind(value),
                self._fate,
            )


def _fate(extra_fields: ExtraFields, *, selected: bool) -> str:
    """Describe the treatment of an undeclared field."""
    if extra_fields != "keep":
        return "dropped"
    return "kept in `_extra`" if selected else "dropped, because `_extra` is deselected: select it to keep the field"


def same_columns(schema: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two schemas have the same columns of the same types."""
    one, two = (
        {name: declared.get("type") for name, declared in each["properties"].items()} for each in (schema, other)
    )
    return one == two
