"""Random records are stored exactly as they were sent."""

from __future__ import annotations

import datetime as dt
import io
import tempfile
from contextlib import redirect_stdout
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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
