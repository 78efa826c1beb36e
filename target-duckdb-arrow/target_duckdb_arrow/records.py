"""Singer lines: reading them fast, and records straight into rows of a stream's columns.

A line is read in two steps: its envelope first, with the record left as bytes, then the record by a decoder compiled
for its stream. Numbers with a point or an exponent become Decimal, integers stay of any size: no digit is lost.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any, TypedDict

import msgspec
from singer_sdk.io_base import GenericSingerReader
from typing_extensions import override

from target_duckdb_arrow.errors import InputError, RecordError, excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Records with ever new unknown properties would compile a decoder for each; past this many they are not told apart.
_MOST_UNKNOWN = 50
# What msgspec refuses in the name of a field.
_NOT_COMPILED = re.compile(r'["\\\x00-\x1f]')


class Message(TypedDict, total=False):
    """The envelope of any Singer message. What belongs to streams and users stays text until it is needed."""

    type: str
    stream: str
    record: msgspec.Raw
    schema: msgspec.Raw
    key_properties: list[str] | None
    value: msgspec.Raw
    version: int | None
    time_extracted: str | None


_decode_message = msgspec.json.Decoder(Message).decode
_decode_json = msgspec.json.Decoder(float_hook=Decimal).decode


def decode_json(text: bytes | msgspec.Raw) -> Any:
    """Parse a part of a message; numbers with a point or an exponent become Decimal.

    Raises:
        InputError: It is no JSON, which shows only now for what was left as text, such as bytes that are no UTF-8.
    """
    try:
        return _decode_json(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"A part of a message is no JSON ({error}): {excerpt(bytes(text))}. Check the tap.") from error


class LineReader(GenericSingerReader[bytes]):
    """Reads Singer messages, passing records on unparsed."""

    @property
    @override
    def default_input(self) -> IO[bytes]:
        return sys.stdin.buffer

    @override
    def process_lines(
        self,
        file_input: IO[Any] | None,
        callbacks: dict[str, Callable[[dict[str, Any]], None]],
    ) -> Counter[str]:
        """Hand each message to the callback of its type.

        Raises:
            InputError: A line is no Singer message.
        """
        source: IO[Any] = file_input or self.default_input
        counts: Counter[str] = Counter()
        # By its number, a user finds the line in the tap's output.
        for number, line in enumerate(getattr(source, "buffer", source), 1):
            try:
                message = self.deserialize_json(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                if not line.strip():
                    continue
                raise InputError(
                    f"Line {number} of the input is no Singer message ({error}): {excerpt(line)}. "
                    "Check what the tap writes, and whether it was stopped in the middle of a line.",
                ) from error
            kind = message.get("type", "")
            callback = callbacks.get(kind)
            if callback is None:
                raise InputError(f"Line {number} of the input has the unknown message type '{kind}'. Check the tap.")
            callback(message)
            counts[kind] += 1
        return counts

    @override
    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        return _decode_message(line)  # type: ignore[return-value]  # a TypedDict is a dict


class RecordDecoder:
    """Parses the records of one stream into rows.

    Args:
        stream: name of the stream, for messages.
        names: properties of the schema, in the order of the columns.
        warn: told each unknown property once.
    """

    def __init__(self, stream: str, names: Sequence[str], warn: Callable[[str], None]) -> None:
        self._stream = stream
        self._names = list(names)
        self._unknown: list[str] = []
        self._known = set(names)
        self._warn = warn
        # None: the names cannot be compiled, and records are parsed into dicts.
        self._decode: Callable[[msgspec.Raw], Any] | None = None
        self._compile()

    def _compile(self) -> None:
        fields = [*self._names, *self._unknown]
        if any(map(_NOT_COMPILED.search, fields)):
            self._decode = None
            return
        # Fields are numbered, as a property may be called anything. `gc=False`: rows of parsed JSON have no cycles.
        row_type = msgspec.defstruct(
            "Row",
            [(f"f{index}", Any, None) for index in range(len(fields))],
            rename={f"f{index}": name for index, name in enumerate(fields)},
            forbid_unknown_fields=len(self._unknown) < _MOST_UNKNOWN,
            gc=False,
        )
        self._decode = msgspec.json.Decoder(row_type, float_hook=Decimal).decode

    def decode(self, record: msgspec.Raw) -> tuple[Any, ...]:
        """Parse one record.

        Returns:
            The values in the order of the names; None for a property that is null or missing.

        Raises:
            RecordError: It is no JSON object.
        """
        try:
            if self._decode is not None:
                return msgspec.structs.astuple(self._decode(record))[: len(self._names)]
        except msgspec.ValidationError:
            pass  # an unknown property, or no object
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._refusal(record, str(error)) from error
        return self._decode_dict(record)

    def _decode_dict(self, record: msgspec.Raw) -> tuple[Any, ...]:
        try:
            content = _decode_json(record)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._refusal(record, str(error)) from error
        if not isinstance(content, dict):
            raise self._refusal(record, "a record is a JSON object")
        if self.tell_unknown(content):
            self._compile()
        return tuple(map(content.get, self._names))

    def tell_unknown(self, content: dict[str, Any]) -> bool:
        """Warn once of each property which the schema does not name, and is not loaded; tell whether there was one."""
        new = [name for name in content if name not in self._known][: _MOST_UNKNOWN - len(self._unknown)]
        for name in new:
            self._known.add(name)
            self._unknown.append(name)
            self._warn(name)
        return bool(new)

    def _refusal(self, record: msgspec.Raw, reason: str) -> RecordError:
        return RecordError(f"Stream '{self._stream}': a record cannot be read ({reason}): {excerpt(bytes(record))}")
