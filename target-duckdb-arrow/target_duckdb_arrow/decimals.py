"""The column type that holds a set of numbers exactly.

The rule, for every column of type `number`:

1. BIGINT, while every value is a whole number of at most 64 bits: counts are often declared as `number`.
2. DECIMAL(38, s). s starts at 10, grows up to 28 with the decimals of the values, and shrinks below 10 only if the
   whole digits need the room.
3. If no such DECIMAL holds every value, old and new: DOUBLE, if each value equals the text of its double, so that all
   digits can be restored. This is true of up to 15 significant digits, and of values that were doubles at the source.
4. If that would lose a digit: a DECIMAL(38, s) with s above 28.
5. Otherwise the run stops and names the column.

Only the digits and exponents of the numbers are used. Arrow receives numbers with exactly the decimals of their column,
because its rescaling reads past a table of powers of ten if it moves the point by more than 38 digits
(https://github.com/apache/arrow/issues/50964): wrong values, or a segmentation fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, Inexact, InvalidOperation
from itertools import repeat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PRECISION = 38
"""Digits of the widest DECIMAL of DuckDB: https://duckdb.org/docs/stable/sql/data_types/numeric"""

DEFAULT_SCALE = 10
"""Decimals of a new column. The remaining 28 whole digits keep sums of money from overflowing.

Equal scales matter: a UNION or CASE of DECIMAL(38, 0) and DECIMAL(38, 10) rounds to DECIMAL(38, 0) in DuckDB.
"""

# At least 10 whole digits remain for sums: SUM of a DECIMAL(38, s) has the same type, and fails on overflow.
_LARGEST_USUAL_SCALE = 28

# Raises if a number would lose a digit or needs more than 38.
_EXACT = Context(prec=PRECISION, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[Inexact, InvalidOperation])

# Integers with more bits exceed every type here. Python does not print integers of more than 4,300 digits.
_LARGEST_COUNTED_BITS = 4096
_BEYOND = 10_000


class BeyondNumber:
    """A JSON number with an exponent of more than 18 digits, too many for Python's Decimal."""


BEYOND_NUMBER = BeyondNumber()


def parse_number(text: str) -> Decimal | BeyondNumber:
    """Parse the text of a JSON number with any exponent."""
    try:
        return Decimal(text)
    except InvalidOperation:
        mantissa = text.lower().partition("e")[0]
        return BEYOND_NUMBER if mantissa.strip("-0.") else Decimal(0)


def to_scale(values: Sequence[int | Decimal | None], scale: int) -> list[Decimal | None]:
    """Write numbers with exactly `scale` decimals.

    Raises:
        ArithmeticError: A number has more nonzero decimals, or more than 38 digits.
    """
    quantize, quantum = _EXACT.quantize, Decimal((0, (1,), -scale))
    try:
        return list(map(quantize, values, repeat(quantum)))  # type: ignore[arg-type]
    except TypeError:
        pass  # a value is None
    return [None if value is None else quantize(value, quantum) for value in values]


@dataclass(frozen=True)
class Profile:
    """The digits that a set of numbers needs.

    Attributes:
        whole: largest number of digits before the point, without leading zeros.
        fraction: largest number of digits after the point, without trailing zeros.
        double: whether each value equals the text of its nearest double.
    """

    whole: int = 0
    fraction: int = 0
    double: bool = True

    def __or__(self, other: Profile) -> Profile:
        return Profile(
            max(self.whole, other.whole),
            max(self.fraction, other.fraction),
            self.double and other.double,
        )

    def fits_scale(self, scale: int) -> bool:
        """Return whether a DECIMAL(38, scale) holds every value exactly."""
        return self.fraction <= scale and self.whole <= PRECISION - scale


BEYOND_DECIMAL = Profile(whole=_BEYOND)
"""The profile of a DOUBLE column. It may hold any double."""


def profile_of(values: Iterable[int | Decimal]) -> Profile:
    """Measure finite numbers."""
    whole = fraction = 0
    double = True
    for value in values:
        value_whole, value_fraction = _digits(value)
        whole = max(whole, value_whole)
        fraction = max(fraction, value_fraction)
        double = double and is_exact_double(value)
    return Profile(whole, fraction, double)


def choose_scale(profile: Profile) -> int | None:
    """Apply the rule above.

    Returns:
        The scale s of DECIMAL(38, s), or None for DOUBLE.

    Raises:
        ArithmeticError: Neither holds the values.
    """
    fits = profile.whole + profile.fraction <= PRECISION
    if fits and (profile.fraction <= _LARGEST_USUAL_SCALE or not profile.double):
        return max(profile.fraction, min(DEFAULT_SCALE, PRECISION - profile.whole))
    if profile.double:
        return None
    raise ArithmeticError


def is_exact_double(value: int | Decimal) -> bool:
    """Return whether the nearest double has the value as its text, so that no digit is lost."""
    try:
        return Decimal(repr(float(value))) == value
    except OverflowError:
        return False


def _digits(value: int | Decimal) -> tuple[int, int]:
    """Count the digits before and after the point, without zeros at either end."""
    if isinstance(value, int):
        if value.bit_length() > _LARGEST_COUNTED_BITS:
            return _BEYOND, 0
        return (len(str(abs(value))) if value else 0), 0
    _, digits, exponent = value.as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    if not text:
        return 0, 0
    # Decimal.normalize() would round to the 28 digits of the default context.
    stripped = text.rstrip("0")
    places = int(exponent) + len(text) - len(stripped)
    return max(0, len(stripped) + places), max(0, -places)
