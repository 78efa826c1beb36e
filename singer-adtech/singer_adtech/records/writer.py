"""Singer messages on stdout: the last stretch of a record's way.

A page of records travels like this, and nothing else stands in the way: `AdTechStream.read_records` decodes the page's
bytes and conforms each row (`records`), singer-sdk applies selection, stream maps and state, and `MessageWriter`
encodes the line.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
from typing import TYPE_CHECKING, Any

import msgspec
from singer_sdk.singerlib.encoding.base import GenericSingerWriter
from singer_sdk.singerlib.encoding.simple import Message, RecordMessage, SchemaMessage
from typing_extensions import override

from singer_adtech.errors import TapError

if TYPE_CHECKING:
    from typing import NoReturn

BUFFER_SIZE = 64 * 1024
"""Bytes of RECORD lines that are gathered before they are written; a pipe takes as much at once."""


def _encode_other(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.datetime) else str(value)


class OutputError(TapError):
    """Nothing can be written to stdout any more."""


class MessageWriter(GenericSingerWriter[bytes, Message]):
    """Writes messages with exact decimals, and flushes when a message is no RECORD or the buffer is full.

    Numbers go out as `Decimal` and `int` hold them, to the last digit. singer-sdk's writer flushes after every record,
    which only STATE needs.

    A SCHEMA is held until the message after it: some loaders empty a table when they read one, and so would lose the
    rows of a stream that cannot be read.
    """

    def __init__(self) -> None:
        super().__init__()
        self._encode = msgspec.json.Encoder(enc_hook=_encode_other, decimal_format="number").encode
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
        if self._schemas:
            self._take_schemas()
        self._buffer += self.format_message(message)
        self._buffer += b"\n"
        if not isinstance(message, RecordMessage):
            self.flush()
            self.states_written += message.type == "STATE"
        elif len(self._buffer) >= BUFFER_SIZE:
            self.flush()

    def drop_schemas(self) -> None:
        """Forget the SCHEMA messages that nothing has followed: their stream could not be read."""
        self._schemas.clear()

    def _take_schemas(self) -> None:
        self._buffer += self._schemas
        self._schemas.clear()

    def flush(self) -> None:
        """Write what has been gathered.

        Raises:
            OutputError: stdout is closed or full.
            SystemExit: A signal asked to stop meanwhile; lines are never cut.
        """
        self._take_schemas()
        self.writing = True
        try:
            stdout = sys.stdout
            if hasattr(stdout, "buffer"):
                # A raw stream, as PYTHONUNBUFFERED makes it, may take a part only, at a signal or on a full disk.
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
        # What is left in Python's own buffer would fail once more when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputError(
            f"stdout: {error.strerror or error}",
            "look at the program that reads this output, or at the disk it is written to",
        ) from error
