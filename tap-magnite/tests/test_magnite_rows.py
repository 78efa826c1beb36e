"""Rows of query results: types, keys, days, and what fails the run rather than lose a row."""

from __future__ import annotations

import hashlib
import itertools
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from singer_adtech.records.exact_json import exact_json
from tap_magnite.rows import RowKeys
from vendor_simulators.faults import Fault
from vendor_simulators.messages import Content, Response

if TYPE_CHECKING:
    from magnite_fixtures import Script
    from singer_adtech.testing import Run, TapRunner
    from vendor_simulators.magnite import MagniteSimulator
    from vendor_simulators.messages import Request

BASE = "/v1/resources"
QUERIES = f"{BASE}/queries"


def read(run_tap: TapRunner, script: Script, rows: str | list[Any], fails: bool = False, **report: Any) -> Run:  # noqa: FBT001, FBT002 - as the runner has it
    """Read a report over 1 and 2 March 2025 whose result is this."""

    def answer(request: Request) -> Response:
        if request.method == "POST":
            return Response.json({"code": "q1", "status": 3, "error": None})
        return Response(body=Content(rows.encode())) if isinstance(rows, str) else Response.json(rows)

    vendor = script(answer)
    own = {"name": "units", "dimensions": ["day", "adUnit"], "metrics": ["requests", "netRevenue"], **report}
    return run_tap({**vendor.settings(), "end_date": "2025-03-02", "reports": [own]}, "units", fails=fails)


def key(text: str) -> str:
    """Return the digest of a key's JSON."""
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_row_with_everything_and_a_row_with_little(run_tap: TapRunner, script: Script) -> None:
    rows = [
        {
            "day": "2025-03-01",
            "adUnit": "Mönkey",
            "adUnitIdLink": 9007199254740993,
            "requests": 5,
            "netRevenue": "1234.50",
            "note": 1,
        },
        {"day": "2025-03-02"},
    ]
    run = read(run_tap, script, rows)
    assert run.records("units") == [
        {
            "day": "2025-03-01",
            "adUnit": "Mönkey",
            "adUnitIdLink": 9007199254740993,
            "requests": 5,
            "netRevenue": Decimal("1234.50"),
            "row_key": key('[["adUnit","id","9007199254740993"],["day","value","2025-03-01"]]'),
            "_extra": {"note": 1},
        },
        {
            "day": "2025-03-02",
            "adUnit": None,
            "adUnitIdLink": None,
            "requests": None,
            "netRevenue": None,
            "row_key": key('[["adUnit","value",null],["day","value","2025-03-02"]]'),
            "_extra": None,
        },
    ]
    assert '"netRevenue":1234.50' in run.output


@pytest.mark.parametrize(
    ("dimensions", "row", "expected"),
    [
        (
            ["day", "adUnit"],
            {"adUnit": "Ü", "adUnitIdLink": None},
            '[["adUnit","value","Ü"],["day","value","2025-03-01"]]',
        ),
        (
            ["adUnit", "day"],
            {"adUnit": "B", "adUnitIdLink": "12"},
            '[["adUnit","id","12"],["day","value","2025-03-01"]]',
        ),
        (
            ["day", "currency"],
            {"currency": "USD", "currencyId": 1},
            '[["currency","id","1"],["day","value","2025-03-01"]]',
        ),
        (
            ["day", "supplySeat"],
            {"supplySeat": "S", "supplySeatId": 7},
            '[["day","value","2025-03-01"],["supplySeat","id","7"]]',
        ),
        (
            ["day", "supplySeat", "supplySeatId"],
            {"supplySeat": "S", "supplySeatId": 7},
            '[["day","value","2025-03-01"],["supplySeat","value","S"],["supplySeatId","value","7"]]',
        ),
        (
            ["day", "hour", "live", "rate"],
            {"hour": 0, "live": False, "rate": 1.50},
            '[["day","value","2025-03-01"],["hour","value","0"],["live","value","false"],["rate","value","1.5"]]',
        ),
        (
            ["day", "deal"],
            {"deal": 'a"\\ñ\n', "dealIdLink": None, "dealId": None},
            '[["day","value","2025-03-01"],["deal","value","a\\"\\\\ñ\\n"]]',
        ),
        (
            ["day", "deal"],
            {"deal": "/\x01\x7f\u2028 %s", "dealIdLink": None},
            '[["day","value","2025-03-01"],["deal","value","/\\u0001\x7f\u2028 %s"]]',
        ),
        (
            ["day", "100%", 'de"al'],
            {"100%": "%d", 'de"al': 5},
            '[["100%","value","%d"],["day","value","2025-03-01"],["de\\"al","value","5"]]',
        ),
        (
            ["day"],
            {},
            '[["day","value","2025-03-01"]]',
        ),
        (
            ["day", "deal"],
            {"deal": "x", "dealIdLink": "l", "dealId": "i"},
            '[["day","value","2025-03-01"],["deal","id","l"]]',
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_the_key_of_a_row(
    run_tap: TapRunner, script: Script, dimensions: list[str], row: dict[str, Any], expected: str
) -> None:
    # given two rows: with equal identifiers, the second key is computed faster
    days = ["2025-03-01", "2025-03-02"]
    run = read(run_tap, script, [{"day": day, **row} for day in days], dimensions=dimensions)
    keys = [record["row_key"] for record in run.records("units")]
    assert keys == [key(expected), key(expected.replace(days[0], days[1]))]


def test_the_keys_of_rows_with_other_identifiers() -> None:
    # given all pairs of values of a dimension and its identifiers, after each other
    values: list[dict[str, Any]] = [
        {},
        *({"deal": value} for value in (None, "x", "ö", '"', "\\", "\t", "\x7f", "\u2028", "", "1", 1, 1.0, True)),
    ]
    ids: list[dict[str, Any]] = [
        {},
        *({"dealIdLink": value} for value in (None, "i", "", "\n", 2**70, False, 1e30)),
        {"dealId": 7},
    ]
    numbers: list[dict[str, Any]] = [{"adUnitIdLink": 1}, {"adUnitIdLink": "01"}, {"adUnitIdLink": ""}, {"adUnit": "A"}]
    rows = [
        msgspec.json.encode({"day": "2025-03-01", **one, **two, **three})
        for one, two, three in itertools.product(values, ids, numbers)
    ]
    dimensions = ["deal", "day", "adUnit"]
    # when
    keys = list(RowKeys(dimensions).keys([*rows, *reversed(rows)], exact_json, lambda _: None))
    # then each is as of a row without others
    single = [next(RowKeys(dimensions).keys([row], exact_json, lambda _: None)) for row in rows]
    assert keys == [*single, *reversed(single)]


def test_types_of_dimensions_and_their_twins(run_tap: TapRunner, script: Script) -> None:
    names = ["day", "hour", "year", "network", "platform", "live", "currency", "season"]
    row = {
        "day": "2025-03-01",
        "hour": "7",
        "year": 2025,
        "network": 12,
        "networkIdLink": "71",
        "platform": "iOS",
        "platformIdLink": 11,
        "live": True,
        "liveIdLink": False,
        "currency": "USD",
        "currencyId": 1,
        "season": 2.5,
    }
    run = read(run_tap, script, [row], dimensions=names, metrics=["fillRate"])
    record = run.records("units")[0]
    del record["row_key"]
    assert record == {
        "day": "2025-03-01",
        "hour": 7,
        "year": 2025,
        "network": "12",
        "networkIdLink": 71,
        "platform": "iOS",
        "platformIdLink": "11",
        "live": "true",
        "liveIdLink": "false",
        "currency": "USD",
        "currencyId": 1,
        "season": "2.5",
        "seasonIdLink": None,
        "fillRate": None,
        "_extra": None,
    }
    schema = next(one["schema"] for one in run.messages if one["type"] == "SCHEMA" and one["stream"] == "units")
    kinds = {name: declared["type"][0] for name, declared in schema["properties"].items()}
    assert kinds == {
        **dict.fromkeys(("hour", "year", "networkIdLink", "currencyId"), "integer"),
        **dict.fromkeys(("day", "network", "platform", "platformIdLink", "live", "liveIdLink", "row_key"), "string"),
        **dict.fromkeys(("currency", "season", "seasonIdLink"), "string"),
        "fillRate": "number",
        "_extra": "object",
    }
    assert schema["properties"]["day"]["format"] == "date"
    assert [name for name, declared in schema["properties"].items() if "null" not in declared["type"]] == [
        "day",
        "row_key",
    ]


def test_metrics_as_text_are_numbers(run_tap: TapRunner, script: Script) -> None:
    run = read(run_tap, script, [{"day": "2025-03-01", "requests": "9007199254740993", "netRevenue": ""}])
    record = run.records("units")[0]
    assert (record["requests"], record["netRevenue"], record["_extra"]) == (9007199254740993, None, None)


def test_a_metric_that_is_no_number_is_fatal(run_tap: TapRunner, script: Script) -> None:
    run = read(run_tap, script, [{"day": "2025-03-01", "netRevenue": "$ 12.50"}], fails=True)
    assert run.error.startswith(
        "stream units, window 2025-03-01..2025-03-02: report units: the metric netRevenue has a string that is not a "
        "number"
    )
    assert run.states == []


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({}, "report units: a row has no day (window 2025-03-01..2025-03-02)"),
        ({"day": None}, "report units: a row has no day (window 2025-03-01..2025-03-02)"),
        (
            {"day": "2025-02-28"},
            "the response has a row of 2025-02-28, outside of the requested window",
        ),
        (
            {"day": "2025-03-03"},
            "the response has a row of 2025-03-03, outside of the requested window",
        ),
        ({"day": "03/01/2025"}, "report units: a row has a day that is not a date such as 2025-03-01 (a JSON string)"),
        ({"day": 20250301}, "report units: a row has a day that is not a date such as 2025-03-01 (a JSON number)"),
    ],
    ids=str,
)
def test_a_row_of_no_day_of_the_window_is_fatal(
    run_tap: TapRunner, script: Script, row: dict[str, Any], said: str
) -> None:
    run = read(run_tap, script, [{"adUnit": "A", **row}], fails=True)
    assert run.error.startswith(f"stream units, window 2025-03-01..2025-03-02: {said}: ")


@pytest.mark.parametrize("second", [{"requests": 2}, {"requests": 1}], ids=["other", "same"])
def test_two_rows_with_one_key_are_fatal(run_tap: TapRunner, script: Script, second: dict[str, Any]) -> None:
    row = {"day": "2025-03-01", "adUnit": "A", "adUnitIdLink": 1, "requests": 1}
    run = read(run_tap, script, [row, {**row, **second}], fails=True)
    assert run.error.startswith(
        "stream units, window 2025-03-01..2025-03-02: report units: two rows of one window have the same key "
        "(day '2025-03-01', adUnit 'A')"
    )
    assert run.states == []


def test_namesakes_stay_apart(run_tap: TapRunner, script: Script) -> None:
    rows = [{"day": "2025-03-01", "adUnit": "A", "adUnitIdLink": number} for number in (1, 2, None)]
    assert len({record["row_key"] for record in read(run_tap, script, rows).records("units")}) == 3


def test_a_key_of_ones_own(run_tap: TapRunner, script: Script) -> None:
    rows = [{"day": "2025-03-01", "adUnit": "A", "adUnitIdLink": number} for number in (1, 2)]
    run = read(run_tap, script, rows, primary_keys=["day", "adUnitIdLink"])
    schema = next(one for one in run.messages if one["type"] == "SCHEMA" and one["stream"] == "units")
    assert schema["key_properties"] == ["day", "adUnitIdLink"]
    assert len({record["row_key"] for record in run.records("units")}) == 2
    # And what would be lost with it is noticed
    assert "the same key" in read(run_tap, script, rows, fails=True, primary_keys=["day", "adUnit"]).error
    no_twin = [{"day": "2025-03-01", "adUnit": "A"}]
    assert (
        "a row has no value for its key `adUnitIdLink`"
        in read(run_tap, script, no_twin, fails=True, primary_keys=["day", "adUnitIdLink"]).error
    )


@pytest.mark.parametrize("body", ['{"rows": []}', "null", '"text"', "[1]", "[[]]"])
def test_a_result_that_is_no_array_is_fatal(run_tap: TapRunner, script: Script, body: str) -> None:
    run = read(run_tap, script, body, fails=True)
    assert ": the response " in run.error
    assert run.states == []


def test_nothing_is_written_of_a_window_that_is_not_whole(run_tap: TapRunner, magnite: MagniteSimulator) -> None:
    magnite.faults.add(Fault(path=f"{QUERIES}/*/results", action="cut", times=None))
    run = run_tap(magnite.settings(), "adstats_daily", fails=True)
    assert " was cut off (tried 6 times)" in run.error
    assert run.records("adstats_daily") == []
    assert run.clock.waits == [1, 2, 4, 8, 16]
