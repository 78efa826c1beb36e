"""Random records are stored exactly as they were sent, also if they are decoded in runs."""

from __future__ import annotations

import datetime as dt
import io
import json
import logging
import tempfile
from contextlib import ExitStack, redirect_stdout
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from target_duckdb_arrow import records, sinks
from target_duckdb_arrow.errors import LoadError
from target_duckdb_arrow.records import RecordDecoder
from target_duckdb_arrow.target import TargetDuckDBArrow

encode = msgspec.json.Encoder(decimal_format="number").encode
decode = msgspec.json.Decoder(float_hook=Decimal).decode

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda name: "\0" not in name)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
INTEGERS = st.integers(-(2**127), 2**127 - 1) | st.integers(-10, 10) | st.integers(-(2**63), 2**63 - 1)
# At most 16 digits before the point and 22 after it, so that a DECIMAL(38) holds any set of values.
DECIMALS = st.builds(
    lambda digits, places: Decimal(f"{digits}E-{places}"),
    st.integers(-(10**16) + 1, 10**16 - 1),
    st.integers(0, 22),
)
NUMBERS = DECIMALS | st.integers(-(10**16) + 1, 10**16 - 1)
DATES = st.dates()
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))
MOMENTS = st.datetimes(dt.datetime(2, 1, 1), dt.datetime(9998, 12, 31), timezones=ZONES)  # noqa: DTZ001 - bounds have no zone here
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | INTEGERS | DECIMALS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)

# For each kind of property: its JSON Schema, and values.
KINDS: dict[str, tuple[dict[str, Any], st.SearchStrategy[Any]]] = {
    "integer": ({"type": ["integer", "null"]}, INTEGERS),
    "number": ({"type": ["number", "null"]}, NUMBERS),
    "boolean": ({"type": ["boolean", "null"]}, st.booleans()),
    "text": ({"type": ["string", "null"]}, TEXT),
    "date": ({"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}, DATES),
    "moment": ({"type": ["string", "null"], "format": "date-time"}, MOMENTS),
    "object": ({"type": ["object", "null"]}, st.dictionaries(TEXT, DOCUMENTS, max_size=4)),
    "mixed": ({"type": ["string", "integer", "boolean", "null"]}, TEXT | INTEGERS | st.booleans()),
    "any": ({}, DOCUMENTS),
}
LISTS = {
    f"{name} list": ({"type": ["array", "null"], "items": schema}, st.lists(values | st.none(), max_size=4))
    for name, (schema, values) in KINDS.items()
    if name not in {"object", "mixed", "any"}
}
NESTED = {
    "nested": (
        {"type": ["array", "null"], "items": LISTS["moment list"][0]},
        st.lists(LISTS["moment list"][1] | st.none(), max_size=3),
    ),
}
ALL = {**KINDS, **LISTS, **NESTED}
JSON_KINDS = {"object", "mixed", "any"}


@st.composite
def streams(draw: st.DrawFn) -> tuple[dict[str, str], list[dict[str, Any]], int]:
    """Draw properties with their kinds, records with a key, and a batch size."""
    names = draw(
        st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), max_size=8, unique_by=str.lower)
    )
    kinds = {name: draw(st.sampled_from(sorted(ALL))) for name in names if name.lower() != "id"}
    record = st.fixed_dictionaries(
        {"id": st.integers(0, 5)},
        optional={name: ALL[kind][1] | st.none() for name, kind in kinds.items()},
    )
    return kinds, draw(st.lists(record, max_size=12)), draw(st.integers(1, 5))


def sent(value: object) -> object:
    """Convert dates to JSON."""
    if isinstance(value, (dt.date, dt.datetime)):
        return value.isoformat()
    if isinstance(value, list):
        return [sent(one) for one in value]
    return value


def back(value: object, kind: str) -> object:
    """Convert a value that was read from DuckDB."""
    return decode(value) if kind in JSON_KINDS and isinstance(value, str) else value


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(streams())
def test_records_are_stored_exactly(stream: tuple[dict[str, str], list[dict[str, Any]], int]) -> None:
    # given
    kinds, records, batch = stream
    properties = {"id": {"type": "integer"}, **{name: ALL[kind][0] for name, kind in kinds.items()}}
    messages: list[dict[str, Any]] = [
        {"type": "SCHEMA", "stream": "s", "schema": {"properties": properties}, "key_properties": ["id"]},
        *(
            {"type": "RECORD", "stream": "s", "record": {name: sent(value) for name, value in record.items()}}
            for record in records
        ),
    ]

    # when
    with tempfile.TemporaryDirectory() as folder:
        filepath = str(Path(folder) / "file.duckdb")
        target = TargetDuckDBArrow(config={"filepath": filepath, "batch_size_rows": batch})
        with redirect_stdout(io.StringIO()):
            target.listen(io.StringIO("".join(f"{encode(message).decode()}\n" for message in messages)))
        with duckdb.connect(filepath, read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'").fetchall()
            found = connection.execute("SELECT * FROM s ORDER BY id").fetchall()

    # then the last record of each key has equal values, and NULL for missing ones
    last = {record["id"]: record for record in records}
    assert len(found) == len(last)
    for key, *values in found:
        read = [back(value, kind) for value, kind in zip(values, kinds.values(), strict=True)]
        assert read == [last[key].get(name) for name in kinds]


# Values that do not fit most columns, or that only the careful decoder reads.
MISFITS = [
    '"x"',
    "1.5",
    "true",
    "{}",
    "[1]",
    "1e-99999999999999999999",
    "1e400",
    "0.1e1",
    "-0.0",
    '"\\ud800"',
    "01",
    "",
    "[" * 2000,
]
# Parts of a RECORD message besides those that every one has.
EXTRAS = [
    *('"time_extracted": "2024-01-01T00:00:00Z"', '"time_extracted": null', '"time_extracted": 5', '"version": 7'),
    *('"version": 1.0', '"version": "x"', '"key_properties": ["id"]', '"key_properties": 5', '"extra": {"a": [1]}'),
    *(
        '"schema": 5',
        '"value": [}',
        '"stream": "s"',
        '"stream": "t"',
        '"type": "STATE"',
        '"record": {"id": 9}',
        '"record": 5',
    ),
]
LINES_BETWEEN = [
    *(
        "",
        "  ",
        '{"type": "STATE", "value": {"n": 1}}',
        '{"type": "STATE", "stream": "s", "record": {"id": 9}, "value": {"n": 2}}',
        "[]",
        "x",
    ),
    *('{"type": "ACTIVATE_VERSION", "stream": "s", "version": 7}', '{"type": "SPAM"}', '{"type": "STATE", "value": 5}'),
]


@st.composite
def inputs(draw: st.DrawFn) -> tuple[bytes, dict[str, Any], int, int]:
    """Draw an input of two streams, settings, the rows of a chunk and the bytes of a read."""
    odd = draw(st.sampled_from([0, 0, 0, 1, 3]))
    rarely = st.integers(0, 30).map(lambda number: number < odd)
    kinds = {
        name: draw(st.sampled_from(sorted(ALL))) for name in draw(st.lists(NAMES, max_size=4, unique_by=str.lower))
    }
    kinds = {"id": "integer", **{name: kind for name, kind in kinds.items() if name.lower() != "id"}}
    names = [*kinds]
    found = [_schema("s", kinds), _schema("t", {"id": "integer"})]
    for _ in range(draw(st.integers(0, 25))):
        if draw(st.integers(0, 9)) == 0:
            changed = {name: kind for name, kind in kinds.items() if name == "id" or draw(st.booleans())}
            between = [*LINES_BETWEEN[2:4], _schema("s", draw(st.sampled_from([kinds, changed])))]
            found.append(draw(st.sampled_from(LINES_BETWEEN if draw(rarely) else between)))
        known = [name for name in names if (not draw(rarely) if name == "id" else draw(st.integers(0, 9)))]
        values = {
            name: draw(st.sampled_from(MISFITS))
            if draw(rarely)
            else encode(sent(draw(ALL[kinds[name]][1] | st.none()))).decode()
            for name in draw(st.permutations(known))
        }
        if "id" in values and not draw(rarely):
            values["id"] = str(draw(st.integers(0, 9)))
        if draw(st.integers(0, 9)) == 0:
            values[draw(st.sampled_from(["new", "newer", "ID", 'q"']))] = draw(st.sampled_from(MISFITS[:6]))
        record = ", ".join(f"{json.dumps(name)}: {value}" for name, value in values.items())
        stream = "t" if draw(st.integers(0, 5)) == 0 else "s"
        parts = ['"type": "RECORD"', f'"stream": "{stream}"', f'"record": {{{record}}}']
        parts += draw(st.lists(st.sampled_from(EXTRAS if draw(rarely) else EXTRAS[:1]), max_size=2))
        found.append(f"{{{', '.join(draw(st.permutations(parts)))}}}")
    text = draw(st.sampled_from(["\n", "\r\n"])).join([*found, ""]).encode("utf-8", "surrogatepass")
    if draw(rarely):
        text = text[: draw(st.integers(0, len(text)))]
    settings = {
        "batch_size_rows": draw(st.sampled_from([3, 7, 1000, 1000])),
        "load_method": draw(st.sampled_from(["upsert", "append-only"])),
        "max_batch_bytes": draw(st.sampled_from([70_000, 10**8])),
    }
    return text, settings, draw(st.sampled_from([2, 7, 4096])), draw(st.sampled_from([10, 300, 65536]))


def _schema(stream: str, kinds: dict[str, str]) -> str:
    properties = {name: ALL[kind][0] for name, kind in kinds.items()}
    return json.dumps(
        {"type": "SCHEMA", "stream": stream, "schema": {"properties": properties}, "key_properties": ["id"]}
    )


def outcome(text: bytes, config: dict[str, Any], chunk: int, size: int, *, in_runs: bool) -> tuple[object, ...]:
    """Load an input, and return its error, its output, its warnings, and the tables with their rows."""
    out, warnings, error = io.StringIO(), logging.Handler(logging.WARNING), ""
    logged: list[logging.LogRecord] = []
    warnings.emit = logged.append  # type: ignore[method-assign, assignment]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        stack.enter_context(redirect_stdout(out))
        stack.enter_context(patch.object(sinks, "_CHUNK_ROWS", chunk))
        stack.enter_context(patch.object(records, "READ_BYTES", size))
        if not in_runs:
            stack.enter_context(patch.object(RecordDecoder, "decode_run", return_value=[]))
        filepath = str(Path(folder) / "file.duckdb")
        target = TargetDuckDBArrow(config={"filepath": filepath, **config})
        target.logger.addHandler(warnings)
        try:
            target.listen(io.BytesIO(text))  # type: ignore[arg-type]  # as standard input's buffer
        except LoadError as failure:
            error = str(failure)
        target.logger.removeHandler(warnings)
        tables = {}
        if Path(filepath).exists():
            with duckdb.connect(filepath, read_only=True) as connection:
                connection.execute("SET TimeZone = 'UTC'").fetchall()
                for (name,) in connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall():
                    types = connection.execute(f'DESCRIBE "{name}"').fetchall()
                    tables[name] = types, connection.execute(f'SELECT * FROM "{name}" ORDER BY rowid').fetchall()  # noqa: S608 - "s" or "t"
    return error, out.getvalue(), [one.getMessage() for one in logged], tables


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(inputs())
def test_runs_of_records_load_like_single_records(drawn: tuple[bytes, dict[str, Any], int, int]) -> None:
    text, config, chunk, size = drawn
    assert outcome(text, config, chunk, size, in_runs=True) == outcome(text, config, chunk, size, in_runs=False)
