"""Which column type holds a set of numbers digit for digit.

The rule, for every column of type `number`:

1. DECIMAL(38, s). s is 10 at first; it grows to the decimals that the values need, up to 28, and shrinks below 10 only
   where the whole digits need the room.
2. Where no such DECIMAL holds every value, old and new: DOUBLE, provided that each value is what its double prints, so
   that all its digits can be had back. Fifteen significant digits always can, and so can what was a double at its
   source.
3. Where that would lose a digit: a DECIMAL(38, s) with s above 28.
4. Otherwise the run stops and names the column.

All of it is decided by the numbers' own digits and exponents. Arrow is only handed numbers that have exactly the
decimals of their column, because its own rescaling reads past a table of powers of ten when it has to move the point by
more than 38 digits (https://github.com/apache/arrow/issues/50964): wrong values, or a segmentation fault.
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
"""Decimals of a new column: 28 whole digits are left, so that sums of money do not overflow."""

# At least 10 whole digits are kept for sums: SUM of DECIMAL(38, s) is DECIMAL(38, s) in DuckDB, and stops on overflow.
_LARGEST_USUAL_SCALE = 28

# Raises where a number would lose a digit or needs more than 38.
_EXACT = Context(prec=PRECISION, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[Inexact, InvalidOperation])

# Integers of more bits than this are far beyond every type here. Python does not print those of over 4,300 digits.
_LARGEST_COUNTED_BITS = 4096
_BEYOND = 10_000


class BeyondNumber:
    """A number of JSON whose exponent has more than 18 digits: not even Python's Decimal holds it."""


BEYOND_NUMBER = BeyondNumber()


def parse_number(text: str) -> Decimal | BeyondNumber:
    """Parse the text of a JSON number, whatever its exponent."""
    try:
        return Decimal(text)
    except InvalidOperation:
        mantissa = text.lower().partition("e")[0]
        return BEYOND_NUMBER if mantissa.strip("-0.") else Decimal(0)


def to_scale(values: Sequence[int | Decimal | None], scale: int) -> list[Decimal | None]:
    """Write numbers with exactly `scale` decimals, as a DECIMAL(38, scale) has them.

    Raises:
        ArithmeticError: A number has more decimals that are not zero, or more than 38 digits.
    """
    quantize, quantum = _EXACT.quantize, Decimal((0, (1,), -scale))
    try:
        return list(map(quantize, values, repeat(quantum)))  # type: ignore[arg-type]
    except TypeError:
        pass  # there is a None among them
    return [None if value is None else quantize(value, quantum) for value in values]


@dataclass(frozen=True)
class Profile:
    """What a set of numbers needs of a column.

    Attributes:
        whole: most digits before the point, leading zeros not counted.
        fraction: most digits after the point, trailing zeros not counted.
        double: whether each value is exactly what its nearest double prints.
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
        """Tell whether a DECIMAL(38, scale) holds every value exactly."""
        return self.fraction <= scale and self.whole <= PRECISION - scale


BEYOND_DECIMAL = Profile(whole=_BEYOND)
"""A column that is DOUBLE already: it may hold anything a double may."""


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
    """Tell whether the double nearest to the value prints as the value, so that no digit is lost in it."""
    try:
        return Decimal(repr(float(value))) == value
    except OverflowError:
        return False


def _digits(value: int | Decimal) -> tuple[int, int]:
    """Count the digits before and after the point, zeros at either end left out."""
    if isinstance(value, int):
        if value.bit_length() > _LARGEST_COUNTED_BITS:
            return _BEYOND, 0
        return (len(str(abs(value))) if value else 0), 0
    _, digits, exponent = value.as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    if not text:
        return 0, 0
    # Not Decimal.normalize(): it rounds to the 28 digits of the default context.
    stripped = text.rstrip("0")
    places = int(exponent) + len(text) - len(stripped)
    return max(0, len(stripped) + places), max(0, -places)
