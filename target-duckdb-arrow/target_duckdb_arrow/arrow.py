"""Conversion of columns of JSON values to Arrow arrays. Values that would change are rejected.

Each converter first checks the types of the values, because Arrow would truncate 1.5 to 1 in an integer column. A set
of types costs a tenth of a check per value. Most columns then need a single call into Arrow, and values are inspected
one by one only if Arrow rejects the column.

HUGEINT and JSON have no Arrow type that DuckDB reads. They are sent as text and cast by DuckDB.
"""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from itertools import accumulate, chain
from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pyarrow as pa

from target_duckdb_arrow.decimals import (
    DEFAULT_SCALE,
    PRECISION,
    BeyondNumber,
    choose_scale,
    parse_number,
    profile_of,
    to_scale,
)
from target_duckdb_arrow.errors import RefusedValueError, describe
from target_duckdb_arrow.types import BIGINT, BOOLEAN, DATE, HUGEINT, JSON, TIMESTAMPTZ, VARCHAR, decimal_type

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_duckdb_arrow.types import ColumnType

_HUGEINT_LIMIT = 2**127
# Exponents of Decimal are unbounded: int(Decimal("1E+999999999")) would exhaust memory.
_MOST_INTEGER_DIGITS = 39

_NUMBER_TEXT = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_DATE_TEXT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ]00:00(?::00(?:[.,]0+)?)?(?:[Zz]|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)
_TIMESTAMP_TEXT = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)"
    r"(?:[Tt ](?P<minute>\d\d:\d\d)(?P<second>:\d\d)?(?:[.,](?P<fraction>\d+))?)?"
    r" ?(?P<offset>[Zz]|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)
_TIMESTAMP = pa.timestamp("us", "UTC")
_MICROSECOND_DIGITS = 6


def _refuse_unknown(value: object) -> None:
    raise RefusedValueError(f"{describe(value)} cannot be written as JSON")


_encode = msgspec.json.Encoder(decimal_format="number", enc_hook=_refuse_unknown).encode


class Converted(NamedTuple):
    """One column of one chunk.

    Attributes:
        array: its values.
        column_type: their type, possibly wider than requested.
        cut: whether a date-time was truncated to microseconds.
    """

    array: pa.Array
    column_type: ColumnType
    cut: bool = False


def convert(values: Sequence[Any], wanted: ColumnType) -> Converted:
    """Convert parsed JSON values to an array. Numbers with a point are Decimal.

    Args:
        values: None is NULL.
        wanted: the type of the column. BIGINT may become HUGEINT, and a number type another DECIMAL, DOUBLE or BIGINT.

    Raises:
        RefusedValueError: A value does not fit. The message describes it.
    """
    if wanted.depth:
        return _convert_lists(values, wanted)
    if wanted.is_number:
        return _convert_numbers(values, wanted)
    return _CONVERTERS[wanted.base](values)


def _kinds(values: Sequence[Any]) -> set[type]:
    return set(map(type, values)) - {NoneType}


def _refuse_others(values: Sequence[Any], kinds: tuple[type, ...], name: str) -> None:
    for value in values:
        if value is not None and type(value) not in kinds:
            raise RefusedValueError(f"{describe(value)} is not {name}")


def _convert_booleans(values: Sequence[Any]) -> Converted:
    return Converted(_array(values, pa.bool_(), bool, "a boolean"), BOOLEAN)


def _array(values: Sequence[Any], wanted: Any, kind: type, name: str) -> pa.Array:
    """Create an array of a type for which Arrow accepts only one Python type, so that values need no check."""
    try:
        return pa.array(values, wanted)
    except (TypeError, pa.ArrowInvalid, pa.ArrowNotImplementedError):
        _refuse_others(values, (kind,), name)
        raise
    except UnicodeEncodeError:  # only from a stream map: the JSON parser rejects it
        raise RefusedValueError("a string contains half of a surrogate pair") from None


def _refuse_others_if(values: Sequence[Any], kinds: set[type], name: str) -> None:
    if not _kinds(values) <= kinds:
        _refuse_others(values, tuple(kinds), name)


def _convert_strings(values: Sequence[Any]) -> Converted:
    return Converted(_array(values, pa.string(), str, "a string"), VARCHAR)


def _convert_json(values: Sequence[Any]) -> Converted:
    try:
        texts = [None if value is None else _encode(value) for value in values]
    except RecursionError:
        raise RefusedValueError("a value is nested too deeply for JSON") from None
    except (TypeError, UnicodeEncodeError) as error:  # a stream map may compute anything
        raise RefusedValueError(f"a computed value cannot be written as JSON ({type(error).__name__})") from None
    return Converted(pa.array(texts, pa.string()), JSON)


def _convert_integers(values: Sequence[Any]) -> Converted:
    if not _kinds(values) <= {int}:
        values = [_integer(value) for value in values]
    try:
        return Converted(pa.array(values, pa.int64()), BIGINT)
    except (OverflowError, pa.ArrowInvalid):
        pass
    for value in values:
        if value is not None and not -_HUGEINT_LIMIT <= value < _HUGEINT_LIMIT:
            raise RefusedValueError(f"{describe(value)} exceeds 128 bits, the widest integer of DuckDB")
    return Converted(pa.array([None if value is None else str(value) for value in values], pa.string()), HUGEINT)


def _integer(value: Any) -> int | None:
    """Convert a value to an integer. 1.0 and 1e3 are integers in JSON Schema."""
    if value is None or type(value) is int:
        return value
    number = _finite(value, from_text=False, name="an integer")
    if isinstance(number, Decimal):
        if not number:
            return 0  # also 0e999999999, for which int() would compute all zeros
        if number.adjusted() > _MOST_INTEGER_DIGITS:
            raise RefusedValueError(f"{describe(value)} exceeds 128 bits, the widest integer of DuckDB")
        if number != int(number):
            raise RefusedValueError(f"{describe(value)} is not an integer")
    return int(number)


def _finite(value: Any, *, from_text: bool, name: str) -> int | Decimal:
    if type(value) is int or (type(value) is Decimal and value.is_finite()):
        return value
    if type(value) is float:  # stream maps compute with floats
        number = Decimal(repr(value))
        if number.is_finite():
            return number
    if from_text and type(value) is str and _NUMBER_TEXT.fullmatch(value):
        value = parse_number(value)
        if isinstance(value, Decimal):
            return value
    if isinstance(value, BeyondNumber):
        raise RefusedValueError(f"{describe(value)} exceeds every number type")
    raise RefusedValueError(f"{describe(value)} is not {name}")


def _convert_numbers(values: Sequence[Any], wanted: ColumnType) -> Converted:
    if not _kinds(values) <= {int, Decimal}:
        values = [
            None if value is None else _finite(value, from_text=wanted.from_text, name="a number") for value in values
        ]
    if wanted.maybe_whole:
        try:
            return Converted(pa.array(values if _kinds(values) <= {int} else _whole(values), pa.int64()), BIGINT)
        except (ArithmeticError, pa.ArrowInvalid):
            pass
    scale = DEFAULT_SCALE if wanted.scale is None else wanted.scale
    if wanted.scale is not None:
        try:
            return Converted(_decimals(values, scale), wanted)
        except ArithmeticError:
            pass
    profile = profile_of(value for value in values if value is not None)
    if wanted.scale is None and profile.double:
        return Converted(_doubles(values), wanted)
    try:
        chosen = choose_scale(profile)
    except ArithmeticError:
        raise RefusedValueError(_beyond_all(values)) from None
    if chosen is None:
        return Converted(_doubles(values), decimal_type(None))
    return Converted(_decimals(values, chosen), decimal_type(chosen))


def _whole(values: Sequence[Any]) -> list[int | None]:
    return [None if value is None else int(value) for value in to_scale(values, 0)]


def _decimals(values: Sequence[Any], scale: int) -> pa.Array:
    return pa.array(to_scale(values, scale), pa.decimal128(PRECISION, scale))


def _doubles(values: Sequence[Any]) -> pa.Array:
    # Plus 0.0, because minus zero becomes zero in a DECIMAL as well.
    return pa.array([None if value is None else float(value) + 0.0 for value in values], pa.float64())


def _length(value: int | Decimal) -> int:
    profile = profile_of([value])
    return profile.whole + profile.fraction


def _beyond_all(values: Sequence[Any]) -> str:
    present = [value for value in values if value is not None]
    longest = max(present, key=_length)
    return (
        f"no DuckDB number type holds all values exactly: {describe(longest)} does not fit in a DECIMAL({PRECISION}) "
        "with the others, and a DOUBLE would round it"
    )


def _convert_dates(values: Sequence[Any]) -> Converted:
    try:
        return Converted(pa.array(values, pa.string()).cast(pa.date32()), DATE)
    except (TypeError, ValueError):  # including Arrow's errors
        values = _texts(values, "a date")
    normal = [None if value is None else _date(value) for value in values]
    return Converted(_cast_texts(values, normal, pa.date32(), "a date"), DATE)


def _date(value: str) -> str:
    match = _DATE_TEXT.fullmatch(value)
    if match is None:
        raise RefusedValueError(f"{describe(value)} is not a date")
    return match[1]


def _convert_timestamps(values: Sequence[Any]) -> Converted:
    try:
        return Converted(pa.array(values, pa.string()).cast(_TIMESTAMP), TIMESTAMPTZ)
    except (TypeError, ValueError):  # including Arrow's errors
        values = _texts(values, "a date-time")
    normal: list[str | None] = []
    cut = False
    for value in values:
        if value is None:
            normal.append(None)
            continue
        text, value_cut = _timestamp(value)
        normal.append(text)
        cut = cut or value_cut
    return Converted(_cast_texts(values, normal, _TIMESTAMP, "a date-time"), TIMESTAMPTZ, cut)


def _timestamp(value: str) -> tuple[str, bool]:
    """Rewrite a date-time for Arrow: UTC if it has no offset, and at most six decimals."""
    match = _TIMESTAMP_TEXT.fullmatch(value)
    if match is None:
        raise RefusedValueError(f"{describe(value)} is not a date-time")
    fraction = match["fraction"] or "0"
    kept = fraction[:_MICROSECOND_DIGITS]
    offset = (match["offset"] or "Z").upper()
    text = f"{match['date']}T{match['minute'] or '00:00'}{match['second'] or ':00'}.{kept}{offset}"
    return text, bool(fraction[_MICROSECOND_DIGITS:].strip("0"))


def _texts(values: Sequence[Any], name: str) -> Sequence[str | None]:
    if _kinds(values) <= {str}:
        return values
    # Stream maps may compute dates.
    values = [value.isoformat() if hasattr(value, "isoformat") else value for value in values]
    _refuse_others(values, (str,), name)
    return values


def _cast_texts(values: Sequence[str | None], normal: Sequence[str | None], wanted: Any, name: str) -> pa.Array:
    """Cast text. Describe the first value that Arrow rejects, such as 30 February or an offset of 25 hours."""
    try:
        return pa.array(normal, pa.string()).cast(wanted)
    except pa.ArrowInvalid:
        refused = next(value for value, text in zip(values, normal, strict=True) if not _casts(text, wanted))
        raise RefusedValueError(f"{describe(refused)} is not {name}") from None


def _casts(text: str | None, wanted: Any) -> bool:
    try:
        pa.array([text], pa.string()).cast(wanted)
    except pa.ArrowInvalid:
        return False
    return True


def _convert_lists(values: Sequence[Any], wanted: ColumnType) -> Converted:
    _refuse_others_if(values, {list}, "an array")
    flat = list(chain.from_iterable(value for value in values if value is not None))
    inner = convert(flat, replace(wanted, depth=wanted.depth - 1))
    offsets = pa.array(accumulate((len(value or ()) for value in values), initial=0), pa.int32())
    missing = pa.array([value is None for value in values], pa.bool_())
    array = pa.ListArray.from_arrays(offsets, inner.array, mask=missing)
    column_type = type(wanted)(inner.column_type.base, wanted.depth, wanted.from_text)
    return Converted(array, column_type, inner.cut)


_CONVERTERS: dict[str, Callable[[Sequence[Any]], Converted]] = {
    BOOLEAN.base: _convert_booleans,
    BIGINT.base: _convert_integers,
    HUGEINT.base: _convert_integers,
    VARCHAR.base: _convert_strings,
    DATE.base: _convert_dates,
    TIMESTAMPTZ.base: _convert_timestamps,
    JSON.base: _convert_json,
}
