"""Compiled rows: equal to rows converted one by one, message for message, for any rows, schema and catalog."""

from __future__ import annotations

import copy
import io
import json
import logging
from collections import Counter
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import requests
from adtech_fixtures import load
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from singer_adtech.records import compiled, received
from singer_adtech.records.compiled import CompiledRecord, RowCompiler
from singer_adtech.records.exact_json import exact_json
from singer_adtech.records.rows import RowStream
from singer_adtech.records.shapes import RecordShape, flatten
from singer_adtech.records.values import ConversionError
from singer_adtech.streams.windowed import DayWindowStream
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from singer_adtech.progress.windows import DayWindow
    from singer_adtech.records.page import Row
    from singer_sdk.helpers.types import Context

DAYS = ("2024-01-01", "2024-01-02")
TYPES = ("integer", "number", "string", "boolean", "array", "object")
NAMES = ("a", "b", "c", "a_x", "a_y", "b_x", "b_x_y")
"""Names of columns; `a`, `b`, `x` and `y` are also names of fields, so some columns have several fields."""

TapAcme = load("madeup_tap").TapAcme


class _Body(msgspec.Struct):
    data: list[msgspec.Raw]
    total: int | None = None


@dataclass
class Case:
    """A stream, and the pages of its two windows."""

    columns: dict[str, str]
    pages: list[list[list[dict[str, Any]]]]
    deselected: list[str] = field(default_factory=list)
    extra: bool = True
    extra_fields: str = "keep"
    nested: bool = True
    totals: bool = True
    added: dict[str, Any] = field(default_factory=dict)
    nulls: dict[str, Any] = field(default_factory=dict)
    converted: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    keyed: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] | None = None

    @property
    def schema(self) -> dict[str, Any]:
        """The schema, with the key and the day."""
        types = {"id": "string", "day": "string", **self.columns}
        properties: dict[str, Any] = {name: {"type": [kind, "null"]} for name, kind in types.items()}
        if self.extra:
            properties["_extra"] = {"type": ["object", "null"]}
        return {"type": "object", "properties": properties}


class Rows(DayWindowStream):
    """The stream of a case."""

    name = "rows"
    path = "/rows"
    primary_keys = ("id",)
    replication_key = "day"
    case: Case

    def __init__(self, tap: Any, case: Case) -> None:
        self.case = case
        self.noted: Counter[str] = Counter()
        self.nested = case.nested  # type: ignore[misc]
        self.key_column = "c" if case.keyed and case.columns.get("c") == "string" else None  # type: ignore[misc]
        super().__init__(tap, schema=case.schema)

    @override
    def pages(self, context: Context | None, part: DayWindow | None = None) -> Iterator[requests.Response]:
        assert part is not None
        for page in self.case.pages[DAYS.index(part.first.isoformat())]:
            response = requests.Response()
            total = sum(map(len, self.case.pages[DAYS.index(part.first.isoformat())])) if self.case.totals else None
            response._content = _ENCODE({"data": page, "total": total})  # noqa: SLF001 - as requests reads it
            yield response

    @override
    def response_rows(self, response: requests.Response) -> Sequence[Row]:
        return _DECODE(response.content).data

    @override
    def total_rows(self, response: requests.Response) -> int | None:
        return _DECODE(response.content).total

    @override
    def page(self, response: requests.Response) -> Any:
        page = super().page(response)
        keys = [f"key {number}" for number in range(len(list(page.rows)))]
        return page if self.key_column is None else type(page)(page.rows, page.total, keys)

    @override
    def added(self, part: DayWindow | None) -> Mapping[str, Any]:
        return self.case.added

    @property
    @override
    def nulls(self) -> Mapping[str, Any]:
        return self.case.nulls

    @property
    @override
    def converters(self) -> Mapping[str, Callable[[Any], Any]]:
        return dict.fromkeys(self.case.converted, _shout)

    @property
    @override
    def expected_fields(self) -> Collection[str]:
        return self.case.expected

    @override
    def note_fields(self, names: Collection[str]) -> None:
        self.noted.update(dict.fromkeys(set(self.case.expected).intersection(names), 1))


class CarefulRows(Rows):
    """The same stream, with each row converted alone."""

    @property
    @override
    def row_compiler(self) -> RowCompiler | None:
        return None


def _shout(value: Any) -> str:
    if not isinstance(value, str):
        raise ConversionError(value)
    return value.upper()


_ENCODE = msgspec.json.Encoder(decimal_format="number").encode
_DECODE = msgspec.json.Decoder(_Body).decode


@dataclass
class Outcome:
    """The messages of a run, its warnings, its error, and the expected fields that it noted."""

    messages: list[dict[str, Any]]
    warnings: list[str]
    error: str
    noted: set[str]


class _Warnings(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def run(case: Case, stream_class: type[Rows]) -> Outcome:
    """Run a tap with the stream of a case in this process."""

    class Tap(TapAcme):  # type: ignore[misc, valid-type]
        @override
        def discover_streams(self) -> list[Rows]:
            return [stream_class(self, case)]

    config = {
        "client_id": "a",
        "client_secret": "b" * 8,
        "start_date": DAYS[0],
        "end_date": DAYS[1],
        "row_count_check": "warn",
        "extra_fields": case.extra_fields,
        **case.settings,
    }
    catalog = copy.deepcopy(Tap(config=config).catalog_dict)
    for entry in catalog["streams"][0]["metadata"]:
        name = entry["breadcrumb"][-1] if entry["breadcrumb"] else None
        entry["metadata"]["selected"] = name not in case.deselected
    notes, output, error = _Warnings(), io.StringIO(), ""
    logging.getLogger().addHandler(notes)
    tap = Tap(config=config, catalog=catalog, state=copy.deepcopy(case.state))
    try:
        with redirect_stdout(output):
            tap.sync_all()
    except Exception as caught:  # noqa: BLE001 - compared
        error = f"{type(caught).__name__}: {caught}"
    finally:
        logging.getLogger().removeHandler(notes)
        tap.session.close()
    messages = [json.loads(line, parse_float=Decimal) for line in output.getvalue().split("\n") if line]
    for message in messages:
        message.pop("time_extracted", None)
    return Outcome(messages, notes.lines, error, set(tap.streams["rows"].noted))


numbers = st.one_of(
    st.integers(-5, 5),
    st.sampled_from(
        [0, 1, 10**18, 10**30, -(10**19), Decimal("1.50"), Decimal("0.1"), Decimal("1E+30"), Decimal("-0.0")]
    ),
)
texts = st.sampled_from(
    ["", " ", "1", "007", "-2", "1.50", " 3 ", "1e5", "+4", "NaN", "1_000", "true", "ÀÉ", "\u2028", "x"]
)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
names = st.sampled_from(["a", "b", "c", "d", "x", "y", "a_x", "b_x", "new", 'odd"', "é", "_extra"])
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(names, inner, max_size=3),
        st.builds(lambda value: {"data": value}, inner),
        st.builds(lambda value: {"data": value, "meta": {"n": 1}}, inner),
    ),
    max_leaves=4,
)
templates = st.dictionaries(names, values, max_size=6)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    columns = {name: draw(st.sampled_from(TYPES)) for name in NAMES if draw(st.booleans())}
    known = draw(st.lists(templates, min_size=1, max_size=4))
    pages: list[list[list[dict[str, Any]]]] = []
    number = 0
    for day in DAYS:
        window = []
        for _ in range(draw(st.integers(1, 2))):
            page = []
            for choice in draw(st.lists(st.integers(0, len(known) - 1), max_size=12)):
                number += draw(st.sampled_from([1, 1, 1, 1, 0]))
                identifier = draw(st.sampled_from([str(number), str(number), str(number), number, None]))
                row = {"id": identifier or str(number), "day": day, **known[choice]}
                if draw(st.integers(0, 60)) == 0:
                    row[draw(st.sampled_from(["id", "day"]))] = draw(st.sampled_from([None, "2023-05-05", {}]))
                page.append(row)
            window.append(page)
        pages.append(window)
    some = st.lists(st.sampled_from(sorted(columns)), max_size=2, unique=True) if columns else st.just([])
    maps = [
        {},
        {},
        {},
        {"stream_maps": {"rows": {"twice": "str(id) * 2"}}},
        {"flattening_enabled": True, "flattening_max_depth": 1},
    ]
    added = {name: 1 if columns[name] == "integer" else "1" for name in draw(some) if columns[name] in TYPES[:3]}
    return Case(
        columns,
        pages,
        deselected=draw(st.one_of(some, st.just(["_extra"]))),
        extra=draw(st.sampled_from([True, True, False])),
        extra_fields=draw(st.sampled_from(["keep", "keep", "keep", "drop", "fail"])),
        nested=draw(st.booleans()),
        totals=draw(st.booleans()),
        added=added,
        nulls=dict.fromkeys(draw(some), "null"),
        converted=[name for name in draw(some) if name not in {"c", *added}],
        expected=draw(st.lists(st.sampled_from(["a", "b"]), max_size=1)),
        keyed=draw(st.booleans()),
        settings=draw(st.sampled_from(maps)),
        state=draw(st.sampled_from([None, None, {"bookmarks": {"rows": {"replication_key_value": "2024-01-02"}}}])),
    )


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    # Types are replaced often, so that every way between them is tried.
    monkeypatch.setattr(compiled, "PATIENCE", 1)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_compiled_rows_are_equal_to_rows_converted_one_by_one(case: Case) -> None:
    # when
    fast, careful = run(case, Rows), run(case, CarefulRows)
    # then
    assert fast.error == careful.error
    assert fast.messages == careful.messages
    assert fast.warnings == careful.warnings
    assert fast.noted == careful.noted


class Counted:
    """A compiler of a schema, with a count of the rows converted the careful way."""

    def __init__(self, columns: Mapping[str, str], *, nested: bool = True, item_names: Sequence[str] = ()) -> None:
        schema = {"properties": {name: {"type": [kind, "null"]} for name, kind in columns.items()}}
        self.shape = RecordShape(
            schema, primary_keys=("id",), extra_fields="keep", logger=logging.getLogger("tap-test")
        )
        self._nested = nested
        self._item_names = item_names
        self.compiler = RowCompiler(self.shape, columns, self._flat, nested=nested, item_names=item_names)
        self.careful = 0

    def _flat(self, row: dict[str, Any]) -> dict[str, Any]:
        return flatten(row, objects=self.shape.objects, arrays=self.shape.arrays) if self._nested else row

    def careful_record(self, row: Row, _: object) -> tuple[Any, Any]:
        """Convert a row the careful way."""
        self.careful += 1
        decoded = exact_json(bytes(row))
        decoded = dict(zip(self._item_names, decoded, strict=True)) if self._item_names else decoded
        return decoded, self.shape.record(self._flat(decoded))

    def __call__(self, *rows: str) -> list[dict[str, Any]]:
        """Convert rows."""
        records = self.compiler.records(
            [row.encode() for row in rows], [None] * len(rows), self.careful_record, added={}
        )
        return [exact_json(_ENCODE(record)) for record in records]


AIRING = {"id": "string", "brand_id": "integer", "brand_parent_name": "string", "spend": "number", "_extra": "object"}


def test_after_the_first_row_rows_are_compiled() -> None:
    # given rows as iSpot sends them: wrapped objects, one of them missing, and numbers as strings
    convert = Counted(AIRING)
    rows = [
        '{"id": "1", "brand": {"data": {"id": 5, "parent": {"data": {"name": "P"}}}}, "spend": "845199.10"}',
        '{"id": "2", "brand": {"data": {"id": 6, "parent": {"data": []}}}, "spend": "0.00"}',
        '{"id": "3", "brand": {"data": null}, "spend": ""}',
        '{"id": "4", "brand": null, "spend": "12345678901234567890.123456789"}',
        '{"id": "5"}',
    ]
    # when
    records = convert(*rows)
    # then
    assert convert.careful == 1
    assert [list(record.values()) for record in records] == [
        ["1", 5, "P", Decimal("845199.10"), None],
        ["2", 6, None, Decimal("0.00"), None],
        ["3", None, None, None, None],
        ["4", None, None, Decimal("12345678901234567890.123456789"), None],
        ["5", None, None, None, None],
    ]


def test_a_field_that_keeps_coming_is_compiled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    monkeypatch.setattr(compiled, "PATIENCE", 20)
    convert = Counted(AIRING)
    # when a field is new from the second row on
    records = convert('{"id": "1"}', *(f'{{"id": "{number}", "new": {number}.5}}' for number in range(2, 100)))
    # then it is in `_extra` from its first row on, and most rows are compiled
    assert convert.careful == 1 + 20
    assert [record["_extra"] for record in records[1:]] == [{"new": Decimal(f"{number}.5")} for number in range(2, 100)]


@pytest.mark.parametrize(
    "row",
    [
        '{"id": "3", "brand": {"data": {"id": "six"}}}',
        '{"id": "3", "brand": [{"id": 6}]}',
        '{"id": "3", "brand": {"id": 6}}',
        '{"id": "3", "brand": {"data": {"id": 6}, "more": 1}}',
        '{"id": "3", "spend": {"data": 1}}',
        '{"id": 3, "brand": {"data": {"id": 1.5}}}',
    ],
)
def test_a_row_of_another_form_is_converted_the_careful_way(row: str) -> None:
    # given
    convert, alone = Counted(AIRING), Counted(AIRING)
    usual = '{"id": "1", "brand": {"data": {"id": 5}}, "spend": 1}'
    # when
    records = convert(usual, usual, row, usual)
    # then
    assert convert.careful == 2
    assert records[2:] == [*alone(row), records[0]]


def test_rows_may_be_arrays() -> None:
    # given
    convert = Counted({"id": "string", "cost": "number"}, nested=False, item_names=("id", "cost"))
    # when
    records = convert('["1", "0.5"]', '["2", "1.50"]', '["3", null]')
    # then
    assert convert.careful == 1
    assert [list(record.values()) for record in records] == [["1", Decimal("0.5")], ["2", Decimal("1.50")], ["3", None]]


def test_field_names_that_are_data_do_not_grow_the_type_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    monkeypatch.setattr(received, "MOST_FIELDS", 50)
    convert = Counted(AIRING)
    # when each row has a name of its own, twice
    own = [f'{{"id": "{number}", "n{number}": 1}}' for number in range(200)]
    records = convert(*own, *own)
    # then only the first 50 fields, with `id`, are compiled in
    assert [record["_extra"] for record in records] == [{f"n{number}": 1} for number in range(200)] * 2
    assert convert.careful == 200 + 200 - 24


def test_a_compiled_record_is_read_by_columns() -> None:
    # given
    convert = Counted(AIRING)
    row = b'{"id": "1", "spend": 2}'
    # when
    (record,) = convert.compiler.records([row], [None], convert.careful_record, added={})
    # then
    assert isinstance(record, CompiledRecord)
    assert (record["id"], record.get("spend"), record.get("not_selected")) == ("1", 2, None)


def test_a_stream_that_looks_at_values_is_not_compiled() -> None:
    # given
    class Looking(Rows):
        @override
        def flat_row(self, row: dict[str, Any], part: DayWindow | None) -> dict[str, Any]:
            return {**super().flat_row(row, part), "a": str(row["id"])}

    case = Case({"a": "string"}, [[[{"id": "1", "day": DAYS[0]}] * 3], []])
    # then
    assert Looking.flat_row is not RowStream.flat_row
    assert run(case, Looking).messages[1]["record"] == {"id": "1", "day": DAYS[0], "a": "1", "_extra": None}
