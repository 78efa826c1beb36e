"""Messages on stdout: exact numbers, few flushes, whole lines."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import signal
import sys
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_adtech.records.exact_json import exact_json
from singer_adtech.records.writer import BUFFER_SIZE, MessageWriter, OutputError
from singer_sdk.singerlib import RecordMessage, SchemaMessage, StateMessage
from typing_extensions import override


class Pipe:
    """Stands in for stdout, and notes each write.

    Attributes:
        written: What was written, one item a write.
        events: `write` and `flush`, in order.
        most: Bytes that it takes at once, as a raw stream may.
    """

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.events: list[str] = []
        self.most: int | None = None
        self.buffer = self

    def write(self, data: bytes) -> int:
        """Take a piece."""
        self.events.append("write")
        self.written.append(bytes(data[: self.most]))
        return len(self.written[-1])

    def flush(self) -> None:
        """Note a flush."""
        self.events.append("flush")

    @property
    def lines(self) -> list[Any]:
        """The messages; a line that is cut fails here."""
        whole = b"".join(self.written)
        assert whole.endswith(b"\n")
        return [json.loads(line) for line in whole.splitlines()]


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Pipe:
    stdout = Pipe()
    # pytest sets `sys.stdout` itself between a fixture and its test.
    monkeypatch.setattr("singer_adtech.records.writer.sys", SimpleNamespace(stdout=stdout))
    return stdout


def record(number: int, **fields: Any) -> RecordMessage:
    return RecordMessage(stream="airings", record={"id": number, **fields})


def text(writer: MessageWriter, value: Any) -> str:
    return writer.serialize_message(record(1, v=value)).decode()


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Decimal("845199.10"), "845199.10"),
        (Decimal("0.1000000000000000000000000000001"), "0.1000000000000000000000000000001"),
        (Decimal("1E+2"), "1E+2"),
        (Decimal("-0.0"), "-0.0"),
        (98765432109876543210987654321, "98765432109876543210987654321"),
        ({"nested": [Decimal("1.10")]}, '{"nested":[1.10]}'),
        (None, "null"),
        (True, "true"),
        ("Zürich \u2028", '"Zürich \u2028"'),
        (dt.datetime(2024, 3, 11, tzinfo=dt.timezone.utc), '"2024-03-11T00:00:00Z"'),
        (dt.date(2024, 3, 11), '"2024-03-11"'),
        (1 + 2j, '"(1+2j)"'),
    ],
)
def test_values_go_out_to_the_last_digit(value: Any, written: str) -> None:
    assert text(MessageWriter(), value) == f'{{"type":"RECORD","stream":"airings","record":{{"id":1,"v":{written}}}}}'


@given(st.decimals(allow_nan=False, allow_infinity=False) | st.integers())
def test_a_number_comes_back_as_it_was(number: Decimal | int) -> None:
    # when
    read = exact_json(text(MessageWriter(), number).encode())["record"]["v"]
    # then
    assert read == number


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"845199.10", Decimal("845199.10")),
        (b"1e2", Decimal("1E+2")),
        (b"98765432109876543210", 98765432109876543210),
        (b"7", 7),
        (b'{"a": [0.10, null, true, "1.0"]}', {"a": [Decimal("0.10"), None, True, "1.0"]}),
    ],
)
def test_json_is_read_to_the_last_digit(body: bytes, value: Any) -> None:
    # when
    read = exact_json(body)
    # then
    assert repr(read) == repr(value)


@pytest.mark.parametrize("body", [b"", b'{"a": 1', b"{} {}", b"NaN", b'"\xff"'])
def test_what_is_no_json_is_an_error(body: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        exact_json(body)


def test_records_are_gathered_until_a_state_comes(pipe: Pipe) -> None:
    # given
    writer = MessageWriter()
    # when
    for number in range(100):
        writer.write_message(record(number))
    gathered = list(pipe.events)
    writer.write_message(StateMessage(value={"bookmarks": {}}))
    # then
    assert gathered == []
    assert pipe.events == ["write", "flush"]
    assert [line["type"] for line in pipe.lines] == ["RECORD"] * 100 + ["STATE"]
    assert writer.states_written == 1


def schema(stream: str) -> SchemaMessage:
    return SchemaMessage(stream=stream, schema={"properties": {}}, key_properties=["id"])


def test_a_schema_goes_out_before_what_follows_it(pipe: Pipe) -> None:
    # given
    writer = MessageWriter()
    # when
    writer.write_message(schema("airings"))
    assert pipe.events == []
    writer.write_message(record(1))
    writer.write_message(schema("spots"))
    writer.flush()
    # then
    assert [line["type"] for line in pipe.lines] == ["SCHEMA", "RECORD", "SCHEMA"]


def test_a_loader_never_sees_the_schema_of_a_stream_that_could_not_be_read(pipe: Pipe) -> None:
    # given: loaders that overwrite empty a table at its SCHEMA
    writer = MessageWriter()
    writer.write_message(schema("airings"))
    # when
    writer.drop_schemas()
    writer.write_message(schema("spots"))
    writer.write_message(record(1))
    writer.flush()
    # then
    assert [line["type"] for line in pipe.lines] == ["SCHEMA", "RECORD"]
    assert pipe.lines[0]["stream"] == "spots"


def test_a_full_buffer_is_written_and_memory_is_bounded(pipe: Pipe) -> None:
    # given
    writer = MessageWriter()
    # when: about four buffers of records
    for number in range(40):
        writer.write_message(record(number, filler="x" * (BUFFER_SIZE // 10)))
    writer.flush()
    # then
    assert [line["record"]["id"] for line in pipe.lines] == list(range(40))
    assert 4 <= len(pipe.written) <= 5
    assert max(map(len, pipe.written)) < BUFFER_SIZE * 1.2


def test_a_stream_that_takes_a_part_only_gets_the_rest(pipe: Pipe) -> None:
    # given: stdout as PYTHONUNBUFFERED makes it
    pipe.most = 1000
    writer = MessageWriter()
    # when
    for number in range(100):
        writer.write_message(record(number))
    writer.write_message(StateMessage(value={}))
    # then
    assert len(pipe.written) > 5
    assert [line["type"] for line in pipe.lines] == ["RECORD"] * 100 + ["STATE"]


def test_a_text_stream_gets_text(monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    stdout = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stdout)
    # when
    writer = MessageWriter()
    writer.write_message(record(1, name="Zürich"))
    writer.flush()
    # then
    assert stdout.getvalue() == '{"type":"RECORD","stream":"airings","record":{"id":1,"name":"Zürich"}}\n'


def test_a_signal_while_a_line_is_written_stops_after_the_line(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    # given: a handler as the tap's, and a signal that comes in the middle of a write
    writer = MessageWriter()

    def handle(*_: object) -> None:
        assert writer.writing
        writer.stop_after_writing = 143

    before = signal.signal(signal.SIGTERM, handle)
    write = pipe.write

    def interrupted(data: bytes) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        return write(data)

    monkeypatch.setattr(pipe, "write", interrupted)
    # when
    writer.write_message(record(1))
    with pytest.raises(SystemExit) as caught:
        writer.write_message(StateMessage(value={}))
    signal.signal(signal.SIGTERM, before)
    # then
    assert caught.value.code == 143
    assert [line["type"] for line in pipe.lines] == ["RECORD", "STATE"]
    assert not writer.writing


class FullDisk(Pipe):
    """A stdout that takes nothing; what the writer does to its descriptor is visible in a file."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    @override
    def flush(self) -> None:
        raise OSError(28, "No space left on device")

    def fileno(self) -> int:
        """Give the descriptor of a file."""
        return self._descriptor


def test_a_stdout_that_takes_nothing_is_one_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    # given
    file = (tmp_path / "out").open("wb", buffering=0)
    monkeypatch.setattr(sys, "stdout", FullDisk(file.fileno()))
    # when
    with pytest.raises(OutputError) as caught:
        MessageWriter().write_message(StateMessage(value={}))
    # then: and Python's own flush at the end goes nowhere, so that it does not fail once more
    file.write(b"more")
    file.close()
    assert str(caught.value) == (
        "stdout: No space left on device: check the program that reads this output, or the disk"
    )
    assert (tmp_path / "out").read_bytes() == b""
