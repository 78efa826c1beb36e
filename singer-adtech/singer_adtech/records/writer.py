"""Singer messages on stdout.

`RowReader.read_records` decodes a page and converts its rows, singer-sdk applies the selection and stream maps, and
`MessageWriter` encodes the line.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET
from singer_sdk.singerlib.encoding.base import GenericSingerWriter
from singer_sdk.singerlib.encoding.simple import Message, RecordMessage, SchemaMessage
from typing_extensions import override

from singer_adtech.errors import TapError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from singer_adtech.records.compiled import CompiledRecord

BUFFER_SIZE = 64 * 1024
"""Bytes of RECORD lines gathered before they are written: the size of a pipe."""


MOST_RECORDS = 100
"""Compiled records encoded at a time: larger buffers leave the processor's cache, and are allocated page by page."""


class _Line(msgspec.Struct, tag_field="type", tag="RECORD", gc=False):
    """A RECORD message."""

    stream: str
    record: CompiledRecord
    version: int | msgspec.UnsetType = UNSET
    time_extracted: dt.datetime | msgspec.UnsetType = UNSET


def _encode_other(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.datetime) else str(value)


class OutputError(TapError):
    """stdout is closed or full."""


class MessageWriter(GenericSingerWriter[bytes, Message]):
    """A writer with exact decimals that flushes after each message other than RECORD, and when its buffer is full.

    `Decimal` and `int` are written with all digits. singer-sdk's writer flushes after every record, but only STATE
    needs it.

    A SCHEMA is held back until the next message, because some loaders empty a table when they receive it and would lose
    the rows of a stream that cannot be read.
    """

    def __init__(self) -> None:
        super().__init__()
        encoder = msgspec.json.Encoder(enc_hook=_encode_other, decimal_format="number")
        self._encode, self._encode_lines = encoder.encode, encoder.encode_lines
        self._records: list[CompiledRecord] = []
        self._stream: tuple[str, int | None] = "", None
        self._buffer = bytearray()
        self._schemas = bytearray()
        self.states_written = 0
        self.writing = False
        self.stop_after_writing: int | None = None

    @override
    def serialize_message(self, message: Message) -> bytes:
        return self._encode(message.to_dict())

    @override
    def write_message(self, message: Message) -> None:
        if isinstance(message, SchemaMessage):
            self._schemas += self.format_message(message) + b"\n"
            return
        self._take_records()
        self._take_schemas()
        self._buffer += self.format_message(message)
        self._buffer += b"\n"
        if not isinstance(message, RecordMessage):
            self.flush()
            self.states_written += message.type == "STATE"
        elif len(self._buffer) >= BUFFER_SIZE:
            self.flush()

    def compiled_writer(self, stream: str, version: int | None) -> Callable[[CompiledRecord], None]:
        """Return a function that writes the RECORD message of a compiled record, together with others."""
        self._take_records()
        self._stream = stream, version
        records = self._records
        append = records.append

        def write(record: CompiledRecord) -> None:
            append(record)
            if len(records) >= MOST_RECORDS:
                self._take_records()
                if len(self._buffer) >= BUFFER_SIZE:
                    self.flush()

        return write

    def _take_records(self) -> None:
        """Encode the compiled records."""
        if self._records:
            self._take_schemas()
            stream, version = self._stream
            now, sent = dt.datetime.now(dt.timezone.utc), UNSET if version is None else version
            self._buffer += self._encode_lines([_Line(stream, record, sent, now) for record in self._records])
            self._records.clear()

    def drop_schemas(self) -> None:
        """Drop the SCHEMA messages held back for a stream that could not be read."""
        self._schemas.clear()

    def _take_schemas(self) -> None:
        self._buffer += self._schemas
        self._schemas.clear()

    def flush(self) -> None:
        """Write the buffer.

        Raises:
            OutputError: stdout is closed or full.
            SystemExit: A signal arrived in the meantime. Lines are never truncated.
        """
        self._take_records()
        self._take_schemas()
        self.writing = True
        try:
            stdout = sys.stdout
            if hasattr(stdout, "buffer"):
                # With PYTHONUNBUFFERED, a write may be partial after a signal or on a full disk.
                left = bytes(self._buffer)
                while left:
                    left = left[stdout.buffer.write(left) :]
            else:  # a test's text buffer
                stdout.write(self._buffer.decode())
            stdout.flush()
        except OSError as error:
            self._give_up(error)
        finally:
            self._buffer.clear()
            self.writing = False
        if self.stop_after_writing is not None:
            raise SystemExit(self.stop_after_writing)

    def _give_up(self, error: OSError) -> NoReturn:
        # Otherwise Python's own buffer would fail again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputError(
            f"stdout: {error.strerror or error}",
            "check the program that reads this output, or the disk",
        ) from error
