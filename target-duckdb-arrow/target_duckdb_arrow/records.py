"""Reading Singer messages, and decoding records into rows.

Consecutive RECORD lines of a stream are decoded as a run, each in one step, by a decoder compiled for the stream. A
line that it rejects is read in two steps: first its envelope, without parsing the record, then its content. Numbers
with a point or an exponent become Decimal, and integers may have any size, so no digit is lost.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from contextlib import suppress
from decimal import Decimal
from operator import attrgetter, itemgetter
from typing import IO, TYPE_CHECKING, Any, Literal, TypedDict, get_type_hints

import msgspec
from singer_sdk.io_base import GenericSingerReader
from typing_extensions import override

from target_duckdb_arrow.decimals import parse_number
from target_duckdb_arrow.errors import InputError, RecordError, describe, one_line, shorten

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

# Each unknown property compiles a new decoder. Beyond this number, records are parsed into dicts.
_MOST_COMPILED = 50
# Unknown properties that are remembered. A tap that uses ids as names must not fill the memory.
_MOST_REMEMBERED = 10_000
# Unknown properties that are logged one per line, and the limit of names in the line for the rest.
_MOST_NAMED = 20
_MOST_LISTED = 100
# Characters that msgspec rejects in field names.
_NOT_COMPILED = re.compile(r'["\\\x00-\x1f]')
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff", b"{\x00", b"\x00{")
_SURROGATE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F][0-9a-fA-F]{2}",
)
_NOT_FINITE = re.compile(rb"[:,\[]\s*-?(?:NaN|Infinity)\b")
# Errors on invalid JSON, on nesting beyond Python's limit, and on exponents of more than 18 digits.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
READ_BYTES = 64 * 1024
"""Bytes of a read: what a pipe holds. The lines stay in the CPU's cache until they are decoded."""


class Message(TypedDict, total=False):
    """The envelope of any Singer message. Schemas, records and states stay unparsed."""

    type: str
    stream: str
    record: msgspec.Raw
    schema: msgspec.Raw
    key_properties: list[str] | None
    bookmark_properties: list[str] | None
    value: msgspec.Raw
    version: int | None
    time_extracted: str | None


_RECORD = attrgetter("record")
_decode_message = msgspec.json.Decoder(Message).decode
# Decimal is the faster hook, and fails only on exponents of more than 18 digits.
_decode_json = msgspec.json.Decoder(float_hook=Decimal).decode
_decode_any_number = msgspec.json.Decoder(float_hook=parse_number).decode


def decode_json(text: bytes | msgspec.Raw, part: str) -> Any:
    """Parse a part of a message. Numbers with a point or an exponent become Decimal.

    Args:
        text: the part.
        part: its name and line, for messages.

    Raises:
        InputError: It is not valid JSON.
    """
    try:
        return _parse(text)
    except _UNREADABLE as error:
        raise InputError(f"{part} cannot be read: {explain(bytes(text), error)}. Check the tap.") from error


def _parse(text: bytes | msgspec.Raw) -> Any:
    try:
        return _decode_json(text)
    except ArithmeticError:
        return _decode_any_number(text)


def explain(line: bytes, error: Exception) -> str:
    """Explain why text cannot be read as JSON, without quoting it."""
    if isinstance(error, RecursionError):
        return f"it is nested deeper than about {sys.getrecursionlimit():,} levels"
    if isinstance(error, UnicodeDecodeError) and not line.startswith(_UTF_16):
        return f"it is not valid UTF-8 (byte {len(line) - len(_after_text(line)):,})"
    if found := _SURROGATE.search(line):
        return f"it contains half of a surrogate pair (byte {found.start():,})"
    reasons = {
        "it is UTF-16, and Singer messages are UTF-8": line.startswith(_UTF_16),
        "NaN and Infinity are not JSON": _NOT_FINITE.search(line),
        f"it is cut off after {len(line.rstrip()):,} bytes; the tap may have been stopped": ("truncated" in str(error)),
    }
    return next((reason for reason, applies in reasons.items() if applies), one_line(error))


def _after_text(line: bytes) -> bytes:
    """Return the rest of a line from its first invalid byte. msgspec counts from the start of a string instead."""
    try:
        line.decode()
    except UnicodeDecodeError as error:
        return line[error.start :]
    return b""


class LineReader(GenericSingerReader[bytes]):
    """A reader that passes each Singer message to the handler of its type.

    The callbacks that the SDK passes are private methods of the target. They are not used.

    Args:
        handlers: a function for each type of message.
        receive_run: a function that receives the first of the given lines, as far as it can decode them as a run of
            records, and returns their number.

    Attributes:
        line: number of the last line read, counted from 1.
        size: its number of bytes.
    """

    def __init__(
        self,
        handlers: Mapping[str, Callable[[Message], None]],
        receive_run: Callable[[Sequence[bytes]], int],
    ) -> None:
        super().__init__()
        self.line = 0
        self.size = 0
        self._handlers = handlers
        self._receive_run = receive_run
        self._counts: Counter[str] = Counter()

    @property
    @override
    def default_input(self) -> IO[bytes]:
        if sys.stdin is None:
            raise InputError("Standard input is closed. Pipe a tap into the loader, or name a file with --input.")
        return sys.stdin.buffer

    @override
    def process_lines(
        self,
        file_input: IO[Any] | None,
        callbacks: dict[str, Callable[[dict[str, Any]], None]],
    ) -> Counter[str]:
        """Read all messages and count them by type.

        Raises:
            InputError: A line is not a Singer message.
        """
        source: IO[Any] = file_input or self.default_input
        self._counts = Counter(dict.fromkeys(self._handlers, 0))
        for lines in _read_lines(getattr(source, "buffer", source)):
            start = 0
            while start < len(lines):
                received = self._receive_run(lines[start:])
                self._counts["RECORD"] += received
                self.line += received
                start += received
                if start < len(lines):
                    self._read_line(lines[start])
                    start += 1
        return self._counts

    def _read_line(self, line: bytes) -> None:
        self.line += 1
        self.size = len(line)
        try:
            message = _decode_message(line)
        except _UNREADABLE as error:
            if not line.strip():
                return
            message = self._read_oddity(line, error)
        kind = message.get("type", "")
        handler = self._handlers.get(kind)
        if handler is None:
            raise InputError(
                f"Line {self.line:,} of the input has the unknown message type {shorten(kind)}. Check the tap.",
            )
        handler(message)
        self._counts[kind] += 1

    def _read_oddity(self, line: bytes, error: Exception) -> Message:
        """Read a first line that begins with a byte order mark. Reject everything else."""
        if self.line == 1 and line.startswith(_BYTE_ORDER_MARK):
            line = line.removeprefix(_BYTE_ORDER_MARK)
            try:
                return _decode_message(line)
            except _UNREADABLE as another:
                error = another
        raise InputError(
            f"Line {self.line:,} of the input is not a Singer message: {explain(line, error)}. Check the tap's output.",
        ) from error

    @override
    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        return dict(_decode_message(line))


def _read_lines(source: IO[Any]) -> Iterator[list[bytes]]:
    """Read lines as soon as they arrive, and return those of each read, without line breaks."""
    read = getattr(source, "read1", source.read)
    parts: list[bytes] = []
    while data := read(READ_BYTES):
        lines = (data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data).split(b"\n")
        end = lines.pop()
        if lines:
            lines[0] = b"".join((*parts, lines[0]))
            parts.clear()
            yield lines
        parts.append(end)
    if parts:
        yield [b"".join(parts)]


class UnknownProperties:
    """A log of the properties of records that are not in the schema, each once.

    Args:
        stream: its name, for messages.
        logger: for warnings.
    """

    def __init__(self, stream: str, logger: logging.Logger) -> None:
        self.names: list[str] = []
        self._stream = stream
        self._logger = logger
        self._named = 0

    def add(self, name: str) -> None:
        """Add a name. The first names are logged in a line each."""
        self.names.append(name)
        if len(self.names) <= _MOST_NAMED:
            self._named += 1
            self._logger.warning(
                "Stream %s: property %s is not in the schema and is not loaded",
                shorten(self._stream),
                shorten(name),
            )

    def name_rest(self) -> None:
        """Log the remaining names in one line."""
        rest = self.names[self._named :]
        if not rest:
            return
        self._named = len(self.names)
        self._logger.warning(
            "Stream %s: %d more properties are not in the schema and are not loaded: %s%s",
            shorten(self._stream),
            len(rest),
            ", ".join(map(shorten, rest[:_MOST_LISTED])),
            f" and {len(rest) - _MOST_LISTED:,} more" if len(rest) > _MOST_LISTED else "",
        )


class RecordDecoder:
    """A decoder of the records of one stream into rows.

    Args:
        stream: name of the stream, for messages.
        names: properties of the schema, in the order of the columns.
        logger: for warnings about unknown properties.
    """

    def __init__(self, stream: str, names: Sequence[str], logger: logging.Logger) -> None:
        self._stream = stream
        self._names = list(names)
        self.unknown = UnknownProperties(stream, logger)
        self._known = set(names)
        # None if the names cannot be compiled: records are then parsed into dicts.
        self._decode: Callable[[msgspec.Raw], Any] | None = None
        self._decode_line: Callable[[bytes], Any] | None = None
        self._compile()

    def _compile(self) -> None:
        fields = [*self._names, *self.unknown.names]
        if len(self.unknown.names) > _MOST_COMPILED or any(map(_NOT_COMPILED.search, fields)):
            self._decode = self._decode_line = None
            return
        # Fields are numbered because a property may have any name. `gc=False`: rows of parsed JSON have no cycles.
        row_type = msgspec.defstruct(
            "Row",
            [(f"f{index}", Any, None) for index in range(len(fields))],
            rename={f"f{index}": name for index, name in enumerate(fields)},
            forbid_unknown_fields=True,
            gc=False,
        )
        self._decode = msgspec.json.Decoder(row_type, float_hook=Decimal).decode
        # The other parts of a message have the same types as in `Message`, so that the same lines are rejected.
        parts = {"type": Literal["RECORD"], "stream": Literal[self._stream], "record": row_type}
        others = [(name, kind, None) for name, kind in get_type_hints(Message).items() if name not in parts]
        line_type = msgspec.defstruct("Line", [*parts.items(), *others], gc=False)
        self._decode_line = msgspec.json.Decoder(line_type, float_hook=Decimal).decode if self._names else None

    def decode_run(self, lines: Iterable[bytes]) -> list[tuple[Any, ...]]:
        """Decode lines up to the first that is not a RECORD message of the stream or does not fit the schema's names.

        Returns:
            The rows, as `decode` returns them.
        """
        rows: list[tuple[Any, ...]] = []
        if self._decode_line is not None:
            decoded = map(msgspec.structs.astuple, map(_RECORD, map(self._decode_line, lines)))
            with suppress(*_UNREADABLE, ArithmeticError):
                # On an error, the list keeps the rows before it.
                rows.extend(map(itemgetter(slice(len(self._names))), decoded))
        return rows

    def decode(self, record: msgspec.Raw, line: int) -> tuple[Any, ...]:
        """Parse one record.

        Args:
            record: its JSON.
            line: number of its line in the input.

        Returns:
            The values in the order of the names, and None for properties that are null or missing.

        Raises:
            RecordError: It is not a JSON object.
        """
        try:
            if self._decode is not None:
                return msgspec.structs.astuple(self._decode(record))[: len(self._names)]
        except (msgspec.ValidationError, ArithmeticError):
            pass  # an unknown property, not an object, or an exponent of more than 18 digits
        except _UNREADABLE as error:
            raise self._refusal(line, explain(bytes(record), error)) from error
        return self._decode_dict(record, line)

    def _decode_dict(self, record: msgspec.Raw, line: int) -> tuple[Any, ...]:
        try:
            content = _parse(record)
        except _UNREADABLE as error:
            raise self._refusal(line, explain(bytes(record), error)) from error
        if not isinstance(content, dict):
            raise self._refusal(line, f"it is {describe(content)}, not an object")
        if self.note_unknown(content):
            self._compile()
        return tuple(map(content.get, self._names))

    def note_unknown(self, content: dict[str, Any]) -> bool:
        """Log properties that are not in the schema, each once. Return whether one was new."""
        new = [name for name in content if name not in self._known][: _MOST_REMEMBERED - len(self.unknown.names)]
        for name in new:
            self._known.add(name)
            self.unknown.add(name)
        return bool(new)

    def _refusal(self, line: int, reason: str) -> RecordError:
        return RecordError(
            f"Stream {shorten(self._stream)}: the record of line {line:,} cannot be read: {reason}. Check the tap.",
        )
