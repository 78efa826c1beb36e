"""Response bodies: JSON validation and repair of single invalid characters.

Bodies are only repaired after parsing fails, so valid ones cost nothing. JavaScript and PHP send half an emoji when
they truncate a title; C and Python write NaN. One such character must not block a stream permanently.
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from singer_adtech.http.retries import TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import requests

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

HALF, BYTES, NO_NUMBER, CONTROL = (
    "half of a surrogate pair, replaced by U+FFFD",
    "bytes that are not UTF-8, replaced by U+FFFD",
    "NaN or Infinity, read as null",
    "unescaped control characters, kept",
)
"""Kinds of invalid characters and their replacements."""

CUT_OFF = "cut off"

_PIECE = 1024 * 1024
_MOST_DIGITS = 4000
_WRAPPERS = frozenset({"data", "meta", "links", "results", "items", "messages"})

check_syntax = msgspec.json.Decoder(type=msgspec.Raw).decode
_utf8 = getincrementaldecoder("utf-8")

_AT_BYTE = re.compile(r"(?:JSON is malformed: )?(.*) \(byte (\d+)\)")
_STRING = rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)'
_TOKEN = re.compile(_STRING + rb"|[\[\]{}:,]|[-+]?\b(?:nan|inf(?:inity)?)\b", re.DOTALL | re.IGNORECASE)
_LONG_INTEGER = re.compile(_STRING + rb"|(-?[0-9]{%d,})(?![0-9.eE])" % _MOST_DIGITS, re.DOTALL)
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)
_CONTROL = re.compile(rb"[\x00-\x1f]")
_ROW_OF_ROWS = re.compile(rb"\s*\[\s*\[")


class InvalidBodyError(TransientError):
    """A body that is empty, truncated or malformed. Another request may return a valid one.

    Args:
        problem: The problem found.
        response: The response.
        columns: Column names, if rows are arrays.
    """

    def __init__(self, problem: Problem, response: requests.Response, *, columns: Sequence[str] = ()) -> None:
        remedy = "try again later; report it to the vendor if it persists"
        super().__init__(_describe(problem, response), response, remedy=remedy)
        self.columns = columns
        # Excludes truncated responses and responses from a load balancer.
        self.made_so = problem.words != CUT_OFF and looks_like_json(response.content)
        """Whether the application produced this body, so another request would return the same."""


class Problem(NamedTuple):
    """The reason that a text is not JSON.

    Args:
        position: Byte offset from 0, or None for the whole text.
        words: Description of the problem.
    """

    position: int | None
    words: str


class Repaired(NamedTuple):
    """A body after the repair of invalid characters.

    Args:
        body: The repaired body, or the same object if unchanged.
        found: Pairs of problem and column name.
    """

    body: bytes
    found: frozenset[tuple[str, str]]


def json_problem(text: bytes, decode: Callable[[bytes], object] = check_syntax) -> Problem | None:
    """Return the reason that a text is not JSON in UTF-8, or None.

    Args:
        text: A whole body or one line of it.
        decode: A decoder whose result the caller needs too, so that the text is read once.
    """
    try:
        decode(text)
    except RecursionError:
        return Problem(None, "nested too deep")
    except msgspec.DecodeError as error:
        if decode is not check_syntax:
            return json_problem(text)
        found = _AT_BYTE.fullmatch(str(error))
        if found is not None:
            return Problem(int(found[2]), found[1])
        return Problem(len(text), CUT_OFF) if "truncated" in str(error) else Problem(None, "malformed")
    if not text.isascii():
        # msgspec does not validate skipped strings. Decoded in chunks because a full copy may be four times as large.
        decoder, view = _utf8(), memoryview(text)
        try:
            for start in range(0, len(text), _PIECE):
                decoder.decode(view[start : start + _PIECE])
        except UnicodeDecodeError as error:
            return Problem(start + error.start, "not UTF-8")
    return None


def _describe(problem: Problem, response: requests.Response) -> str:
    """Describe the problem with a body without quoting it."""
    body = response.content
    if not body.strip():
        return f"HTTP {response.status_code} with an empty body"
    if body.lstrip()[:1] == b"<":
        return f"HTTP {response.status_code} with an HTML page"
    if problem.position is None:
        return f"the response body is not valid JSON: {problem.words}"
    if problem.words == CUT_OFF:
        return f"the response body is not valid JSON (cut off at byte {problem.position:,})"
    return f"the response body is not valid JSON at byte {problem.position:,}: {problem.words}"


def looks_like_json(body: bytes) -> bool:
    """Return whether a body was meant to be JSON."""
    return body.removeprefix(BYTE_ORDER_MARK).lstrip()[:1] in {b"{", b"[", b'"'}


def repair(body: bytes, columns: Sequence[str] = ()) -> Repaired:
    """Repair single invalid characters in a JSON value or JSON Lines.

    Lone surrogates and bytes that are not UTF-8 become U+FFFD, NaN and Infinity become null, and control characters in
    strings are escaped. A byte order mark is removed. Other errors remain.

    Args:
        body: The invalid body.
        columns: Column names, if rows are arrays.
    """
    begin = len(BYTE_ORDER_MARK) if body.startswith(BYTE_ORDER_MARK) else 0
    names = _Names(columns, 1 if _ROW_OF_ROWS.match(body, begin) else 0)
    parts: list[bytes | memoryview] = []
    found: set[tuple[str, str]] = set()
    view, copied = memoryview(body), begin
    for token in _TOKEN.finditer(body, begin):
        text = token.group()
        repaired, kinds = text, frozenset[str]()
        if text[:1] == b'"':
            repaired, kinds = _repair_string(text)
        elif len(text) > 1:
            repaired, kinds = b"null", frozenset((NO_NUMBER,))
        names.pass_by(repaired)
        if kinds:
            found.update((kind, names.column()) for kind in kinds)
            parts += [view[copied : token.start()], repaired]
            copied = token.end()
    if not parts and begin == 0:
        return Repaired(body, frozenset())
    return Repaired(b"".join([*parts, view[copied:]]), frozenset(found))


def quote_long_integers(body: bytes) -> bytes:
    """Quote integers with more digits than Python can parse, to keep the other rows of a body."""
    return _LONG_INTEGER.sub(lambda token: b'"' + token[1] + b'"' if token[1] else token[0], body)


def _repair_string(text: bytes) -> tuple[bytes, frozenset[str]]:
    kinds: set[str] = set()
    if b"\\u" in text or b"\\U" in text:
        whole = _ESCAPE.sub(lambda escape: rb"\ufffd" if escape[1] else escape[0], text)
        if whole != text:
            text = whole
            kinds.add(HALF)
    if not text.isascii():
        valid = text.decode("utf-8", "replace").encode()
        if valid != text:
            text = valid
            kinds.add(BYTES)
    if _CONTROL.search(text):
        text = _CONTROL.sub(lambda one: rb"\u%04x" % one[0][0], text)
        kinds.add(CONTROL)
    return text, frozenset(kinds)


class _Names:
    """The path of the current token in a body and its column name.

    Args:
        columns: Column names, if rows are arrays.
        depth: Number of arrays around such a row.
    """

    def __init__(self, columns: Sequence[str], depth: int) -> None:
        self._columns = columns
        self._depth = depth
        # Key (in an object) or index (in an array) of the next value at each level.
        self._path: list[str | int] = []
        self._last = b'""'

    def pass_by(self, token: bytes) -> None:
        """Update the path with a token."""
        if token == b"{":
            self._path.append("")
        elif token == b"[":
            self._path.append(0)
        elif token in {b"}", b"]"}:
            del self._path[-1:]
        elif token == b":" and self._path:
            self._path[-1] = self._last[1:-1].decode("utf-8", "replace")
        elif token == b"," and self._path:
            here = self._path[-1]
            self._path[-1] = here + 1 if isinstance(here, int) else ""
        elif token[:1] == b'"':
            self._last = token

    def column(self) -> str:
        """Return the column name for the last token, which may be a key or a value."""
        path = [*self._path]
        if path and path[-1] == "":
            path[-1] = self._last[1:-1].decode("utf-8", "replace")
        named = [name for name in path if isinstance(name, str) and name not in _WRAPPERS]
        if named:
            return "_".join(named)
        position = path[self._depth] if len(path) > self._depth else 0
        if isinstance(position, int) and position < len(self._columns):
            return self._columns[position]
        return f"value {position + 1 if isinstance(position, int) else 1}"
