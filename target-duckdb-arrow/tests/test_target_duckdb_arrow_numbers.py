"""The number rule: no digit is lost within a batch, between batches, or between runs."""

from __future__ import annotations

import contextlib
import random
import struct
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_duckdb_arrow.decimals import Profile, choose_scale, is_exact_double, profile_of
from target_duckdb_arrow.errors import LoadError, RecordError, SchemaError
from target_duckdb_arrow_fixtures import INTEGER

if TYPE_CHECKING:
    from target_duckdb_arrow_fixtures import Load, Query

NUMBER = {"type": ["number", "null"]}


def raw(*numbers: str, stream: str = "s", schema: dict[str, Any] = NUMBER) -> list[Any]:
    """Return messages with numbers exactly as written."""
    properties = {"i": INTEGER, "x": schema}
    records = [
        f'{{"type": "RECORD", "stream": "{stream}", "record": {{"i": {index}, "x": {number}}}}}'
        for index, number in enumerate(numbers)
    ]
    return [{"type": "SCHEMA", "stream": stream, "schema": {"properties": properties}, "key_properties": []}, *records]


@pytest.mark.parametrize(
    ("numbers", "sql"),
    [
        (["160881", "-7.0", "1e3"], "BIGINT"),
        (["845199.10", "1", "-0.5", "1e3"], "DECIMAL(38,10)"),
        (["9223372036854775808"], "DECIMAL(38,10)"),
        (["12345678901234567.891"], "DECIMAL(38,10)"),
        (["1234567890123456789012345678"], "DECIMAL(38,10)"),
        (["12345678901234567890123456789", "0.5"], "DECIMAL(38,9)"),
        (["99999999999999999999999999999999999999"], "DECIMAL(38,0)"),
        (["0.30000000000000004"], "DECIMAL(38,17)"),
        (["3.3333333333333335e-05", "100"], "DECIMAL(38,21)"),
        (["1e300", "0.1"], "DOUBLE"),
        (["1e-35", "0.1"], "DOUBLE"),
        (["0.123456789012345678901234567891"], "DECIMAL(38,30)"),
        (["1e-30", "0.12345678901234567890"], "DECIMAL(38,30)"),
    ],
)
def test_numbers_are_stored_exactly(
    feed: Load,
    query: Query,
    numbers: list[str],
    sql: str,
) -> None:
    # given / when
    feed(raw(*numbers))

    # then
    assert query("SELECT DISTINCT typeof(x) FROM s") == [(sql,)]
    found = query("SELECT CAST(x AS VARCHAR) FROM s ORDER BY i")
    assert [Decimal(text) for (text,) in found] == [Decimal(number) for number in numbers]


@pytest.mark.parametrize(
    ("batches", "sql"),
    [
        ([["5"], ["6.0"]], "BIGINT"),
        ([["5"], ["0.5"], ["6"]], "DECIMAL(38,10)"),
        ([["5"], ["9223372036854775808"]], "DECIMAL(38,10)"),
        ([["5"], ["0.30000000000000004"]], "DECIMAL(38,17)"),
        ([["5"], ["1e300"]], "DOUBLE"),
        ([["1.5"], ["0.30000000000000004"]], "DECIMAL(38,17)"),
        ([["0.30000000000000004"], ["1.5"]], "DECIMAL(38,17)"),
        ([["1.5"], ["1e300"]], "DOUBLE"),
        ([["1e300"], ["1.5"]], "DOUBLE"),
        ([["1.5"], ["12345678901234567890123456789012"]], "DECIMAL(38,6)"),
        ([["12345678901234567890123456789012"], ["1.5"]], "DECIMAL(38,6)"),
        ([["1.5"], ["1e-30"], ["2.5"]], "DOUBLE"),
        ([["12345678901234567890"], ["0.00000000000000001"]], "DECIMAL(38,17)"),
    ],
)
@pytest.mark.parametrize("settings", [{}, {"batch_size_rows": 1}], ids=["by run", "by batch"])
def test_a_number_column_widens_as_values_need(
    feed: Load,
    query: Query,
    batches: list[list[str]],
    sql: str,
    settings: dict[str, int],
) -> None:
    # given / when the numbers are sent in several runs, or in several batches of one run
    if settings:
        feed(raw(*[number for batch in batches for number in batch]), **settings)
    else:
        for batch in batches:
            feed(raw(*batch))

    # then
    assert query("SELECT DISTINCT typeof(x) FROM s") == [(sql,)]
    found = sorted(Decimal(text) for (text,) in query("SELECT CAST(x AS VARCHAR) FROM s"))
    assert found == sorted(Decimal(number) for batch in batches for number in batch)


def test_numbers_that_no_type_holds_stop_the_run(feed: Load) -> None:
    with pytest.raises(RecordError, match=r"^Stream 's', column 'x': no DuckDB number type holds all values exactly"):
        feed(raw("1e300", "0.12345678901234567890"))


def test_a_value_that_does_not_fit_with_the_old_ones_stops_the_run_and_keeps_them(
    feed: Load,
    query: Query,
) -> None:
    # given a table with a 20-digit decimal, which no double holds
    feed(raw("0.12345678901234567891"))

    # when a value is sent that only a double holds / then
    with pytest.raises(SchemaError, match=r"^Stream 's', column 'x': no DuckDB number type holds the old and new"):
        feed(raw("1e300"))
    assert query("SELECT CAST(x AS VARCHAR) FROM s") == [("0.12345678901234567891",)]


def test_integer_columns_become_numbers_with_the_schema(
    feed: Load,
    query: Query,
) -> None:
    # given integers of 19 and 39 digits
    feed(raw("9223372036854775807", schema=INTEGER))
    feed(raw("0.5"))
    assert query("SELECT CAST(x AS VARCHAR) FROM s ORDER BY x") == [
        ("0.5000000000",),
        ("9223372036854775807.0000000000",),
    ]

    # when the schema goes back to integer / then the column stays
    feed(raw("7", schema=INTEGER))
    assert query("SELECT typeof(x), sum(x) FROM s GROUP BY 1") == [("DECIMAL(38,10)", Decimal("9223372036854775814.5"))]


def test_an_integer_of_39_digits_cannot_become_a_number(feed: Load) -> None:
    feed(raw(str(2**127 - 1), schema=INTEGER))
    with pytest.raises(SchemaError, match="39 whole digits, 1 decimals"):
        feed(raw("0.5"))


def test_lists_of_numbers_widen_too(
    feed: Load,
    query: Query,
) -> None:
    # given
    schema = {"type": "array", "items": {"type": "number"}}

    # when
    feed(raw("[2, null]", schema=schema))
    assert query("SELECT typeof(x) FROM s") == [("BIGINT[]",)]
    feed(raw("[1.5, null]", "[]", schema=schema))
    feed(raw("[0.30000000000000004]", "null", schema=schema))

    # then
    assert query("SELECT typeof(x), count(*) FROM s GROUP BY 1") == [("DECIMAL(38,17)[]", 5)]
    assert query("SELECT x FROM s ORDER BY len(x) NULLS FIRST, x") == [
        (None,),
        ([],),
        ([Decimal("0.30000000000000004")],),
        ([Decimal("1.5"), None],),
        ([Decimal(2), None],),
    ]


def test_sums_of_money_are_exact(
    feed: Load,
    query: Query,
) -> None:
    feed(raw("0.1", "0.2", "845199.10", "845199.10"))
    assert query("SELECT sum(x) FROM s") == [(Decimal("1690398.50"),)]


def test_decimals_sent_as_text_become_numbers(
    feed: Load,
    query: Query,
) -> None:
    # given
    schema = {"type": ["string", "null"], "format": "singer.decimal"}

    # when two runs load them, because the second finds a table
    feed(raw('"12345678901234567.891"', "null", schema=schema))
    feed(raw('"-1e2"', schema=schema))

    # then
    assert query("SELECT x FROM s ORDER BY x") == [(Decimal(-100),), (Decimal("12345678901234567.891"),), (None,)]
    with pytest.raises(RecordError, match=r"a string of 3 characters \(9,9\) is not a number"):
        feed(raw('"1,5"', schema=schema))


def random_doubles(count: int) -> list[float]:
    """Generate doubles with random digits and exponents over the whole range, including subnormal ones."""
    chance = random.Random(20261129)  # noqa: S311 - no secret
    bits = (chance.getrandbits(1) << 63 | chance.randrange(2047) << 52 | chance.getrandbits(52) for _ in range(count))
    return [struct.unpack("<d", struct.pack("<Q", one))[0] for one in bits]


def test_doubles_of_all_exponents_are_stored_exactly_and_stay_distinct_as_keys(
    load: Load,
    query: Query,
) -> None:
    # given doubles from 1e-323 to 1e308
    numbers = random_doubles(20_000)
    assert min(map(abs, numbers)) < 1e-300
    assert max(numbers) > 1e300

    # when they are the key
    load({"x": NUMBER}, [{"x": number} for number in numbers], keys=["x"], batch_size_rows=5000)

    # then none is wrong or missing
    assert query("SELECT DISTINCT typeof(x) FROM s") == [("DOUBLE",)]
    assert [x for (x,) in query("SELECT x FROM s ORDER BY x")] == sorted(set(numbers))


@pytest.mark.parametrize("exponent", range(-345, 310, 5))
def test_a_number_of_any_exponent_is_stored_exactly_or_refused(
    feed: Load,
    query: Query,
    exponent: int,
) -> None:
    # given a number that Arrow's rescaling may get wrong
    number = f"8.374156524782137e{exponent}"

    value = Decimal(number)
    is_double = Decimal(repr(float(number))) == value
    is_decimal = value.adjusted() < 38 and int(value.as_tuple().exponent) >= -38
    if not (is_double or is_decimal):
        # when / then
        with pytest.raises(RecordError, match=r"^Stream 's', column 'x', line 2 of the input: no DuckDB number type"):
            feed(raw(number))
        return

    # when / then it is not 0
    feed(raw(number))
    assert [Decimal(x) for (x,) in query("SELECT CAST(x AS VARCHAR) FROM s")] == [value]


@pytest.mark.parametrize(
    ("number", "stored"),
    [
        ("1." + "0" * 49, 1),
        ("-12.5" + "0" * 5000, Decimal("-12.5")),
        ("0." + "0" * 60, 0),
        ("0e999999999", 0),
        ("0e-999999999", 0),
        ("-0.0e99999999999999999999", 0),
        ("1" + "0" * 27 + "e-27", 1),
    ],
)
@pytest.mark.parametrize("schema", [NUMBER, {"type": "array", "items": NUMBER}], ids=["alone", "list"])
def test_trailing_zeros_and_zeros_of_any_exponent_need_no_digits(
    feed: Load,
    query: Query,
    number: str,
    stored: Decimal | int,
    schema: dict[str, Any],
) -> None:
    feed(raw(f"[{number}]" if "items" in schema else number, schema=schema))
    assert query("SELECT x FROM s") == [([Decimal(stored)] if "items" in schema else Decimal(stored),)]


@pytest.mark.parametrize(
    "number", ["1e-999999999", "1e999999999", "-1e-99999999999999999999", "7e99999999999999999999"]
)
@pytest.mark.parametrize(
    "schema",
    [NUMBER, INTEGER, {"type": "string", "format": "singer.decimal"}, {"type": "array", "items": NUMBER}],
    ids=["number", "integer", "text", "list"],
)
def test_huge_exponents_end_the_run_with_one_line(
    feed: Load,
    number: str,
    schema: dict[str, Any],
) -> None:
    text = f'"{number}"' if "format" in schema else f"[{number}]" if "items" in schema else number
    with pytest.raises(RecordError, match=r"^Stream 's', column 'x', line 2 of the input: "):
        feed(raw(text, schema=schema))


@pytest.mark.parametrize("number", ["1e-999999999", "1e99999999999999999999", "0e99999999999999999999"])
def test_huge_exponents_in_unknown_properties_are_ignored(
    feed: Load,
    query: Query,
    number: str,
) -> None:
    messages = raw("1")
    feed([messages[0], f'{{"type": "RECORD", "stream": "s", "record": {{"i": 1, "unknown": {number}}}}}'])
    assert query("SELECT i FROM s") == [(1,)]


@pytest.mark.parametrize("number", ["1e-999999999", "8.37e-70", "1e400", "-0.0"])
def test_json_keeps_numbers_of_any_exponent(
    feed: Load,
    query: Query,
    number: str,
) -> None:
    feed(raw(f'{{"n": {number}}}', schema={"type": "object"}))
    ((text,),) = query("SELECT CAST(x AS VARCHAR) FROM s")
    assert Decimal(text.removeprefix('{"n":').removesuffix("}")).compare_total(Decimal(number)) == 0


def test_minus_zero_is_zero_in_every_column(
    feed: Load,
    query: Query,
) -> None:
    # given a DECIMAL and a DOUBLE
    feed(raw("-0.0", "0.5"))
    feed(
        [one.replace('"s"', '"t"') if isinstance(one, str) else {**one, "stream": "t"} for one in raw("-0.0", "1e300")]
    )
    assert query("SELECT typeof(x), CAST(x AS VARCHAR) FROM t WHERE x < 1") == [("DOUBLE", "0.0")]
    assert query("SELECT typeof(x), CAST(x AS VARCHAR) FROM s WHERE i = 0") == [("DECIMAL(38,10)", "0.0000000000")]


@pytest.mark.parametrize("step", ["1e-999999999", "1e99999999999999999999", "0.1"])
def test_multiple_of_with_any_exponent_ends_with_at_most_one_line(feed: Load, step: str) -> None:
    definition = f'{{"type": "number", "multipleOf": {step}, "default": {step}}}'
    messages = [
        f'{{"type": "SCHEMA", "stream": "s", "schema": {{"properties": {{"x": {definition}}}}}}}',
        '{"type": "RECORD", "stream": "s", "record": {"x": 12345678901234567890.1}}',
    ]
    feed(messages)
    with contextlib.suppress(LoadError):
        feed(messages, validate_records=True)


FINITE = st.decimals(allow_nan=False, allow_infinity=False)


@given(st.lists(st.one_of(st.integers(), FINITE)))
def test_the_chosen_type_holds_every_value(numbers: list[int | Decimal]) -> None:
    # given
    profile = profile_of(numbers)

    # when
    try:
        scale = choose_scale(profile)
    except ArithmeticError:
        # then no type fits: the values need more than 38 digits together, and one of them is not a double
        assert profile.whole + profile.fraction > 38
        assert not all(map(is_exact_double, numbers))
        return

    # then
    for number in numbers:
        if scale is None:
            assert Decimal(repr(float(number))) == number
        else:
            exact = Decimal(number)
            assert abs(exact) < Decimal(10) ** (38 - scale)
            assert exact.as_tuple().digits == (0,) or profile_of([exact]).fraction <= scale


def test_profiles_add_up() -> None:
    assert profile_of([Decimal("12.50"), 7]) | profile_of([Decimal("0.123")]) == Profile(2, 3, double=True)
    assert profile_of([Decimal("1E+3"), Decimal("0.0"), 0]) == Profile(4, 0, double=True)
    assert profile_of([2**5000]).whole > 38
