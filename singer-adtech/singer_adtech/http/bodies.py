"""Bodies of responses: whether one is whole, and the repair of single characters that JSON does not allow.

A body is repaired only after it was refused, so that a good one costs nothing. JavaScript and PHP send half of an emoji
where they cut a title, C and Python write NaN: one such character must not stop a stream for ever.
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from singer_adtech.http.retries import TransientError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import requests

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

HALF, BYTES, NO_NUMBER, CONTROL = (
    "half of a surrogate pair, replaced by U+FFFD",
    "bytes that are not UTF-8, replaced by U+FFFD",
    "NaN or Infinity, read as null",
    "unescaped control characters, kept",
)
"""What was found in a body, and what was made of it."""

CUT_OFF = "cut off"

_PIECE = 1024 * 1024
_MOST_DIGITS = 4000
_WRAPPERS = frozenset({"data", "meta", "links", "results", "items", "messages"})

_check_syntax = msgspec.json.Decoder(type=msgspec.Raw).decode
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
    """A body that is empty, cut off, or not what its format says; it may come right when it is requested again.

    Args:
        problem: What is wrong.
        response: The response.
        columns: Names of the values of a row, for bodies whose rows are arrays.
    """

    def __init__(self, problem: Problem, response: requests.Response, *, columns: Sequence[str] = ()) -> None:
        remedy = "try again later; report it to the vendor if it persists"
        super().__init__(_describe(problem, response), response, remedy=remedy)
        self.columns = columns
        # Neither a vendor that broke off nor a load balancer that answered in its place.
        self.made_so = problem.words != CUT_OFF and looks_like_json(response.content)
        """Whether the application made the body as it is, and so would make the same again."""


class Problem(NamedTuple):
    """Why a text is not JSON.

    Args:
        position: The byte, from 0; None where the whole text counts.
        words: What is wrong there.
    """

    position: int | None
    words: str


class Repaired(NamedTuple):
    """A body without the characters that JSON does not allow.

    Args:
        body: The repaired body; the same object if there was nothing to repair.
        found: What was found, with the name of its column.
    """

    body: bytes
    found: frozenset[tuple[str, str]]


def json_problem(text: bytes) -> Problem | None:
    """Return why a text is not JSON in UTF-8; None if it is.

    Args:
        text: A whole body, or a line of one.
    """
    try:
        _check_syntax(text)
    except RecursionError:
        return Problem(None, "nested too deep")
    except msgspec.DecodeError as error:
        found = _AT_BYTE.fullmatch(str(error))
        if found is not None:
            return Problem(int(found[2]), found[1])
        return Problem(len(text), CUT_OFF) if "truncated" in str(error) else Problem(None, "malformed")
    if not text.isascii():
        # msgspec does not look into strings that it passes over. In pieces: a decoded copy may be four times as large.
        decoder, view = _utf8(), memoryview(text)
        try:
            for start in range(0, len(text), _PIECE):
                decoder.decode(view[start : start + _PIECE])
        except UnicodeDecodeError as error:
            return Problem(start + error.start, "not UTF-8")
    return None


def _describe(problem: Problem, response: requests.Response) -> str:
    """Say in words what is wrong with a body, without quoting it."""
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
    """Tell whether a body was meant to be JSON."""
    return body.removeprefix(BYTE_ORDER_MARK).lstrip()[:1] in {b"{", b"[", b'"'}


def repair(body: bytes, columns: Sequence[str] = ()) -> Repaired:
    """Replace single characters that JSON does not allow, in one value or in several lines of them.

    Half characters and bytes that are not UTF-8 become U+FFFD, NaN and Infinity null, and control characters in texts
    are escaped. A byte order mark is left out. What else is wrong stays.

    Args:
        body: What was refused.
        columns: Names of the values of a row, where rows are arrays.
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
    """Make texts of integers with more digits than Python reads, so that the other rows of a body are not lost."""
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
    """Where in a body a token stands, and what the column there is called.

    Args:
        columns: Names of the values of a row, where rows are arrays.
        depth: How many arrays are around such a row.
    """

    def __init__(self, columns: Sequence[str], depth: int) -> None:
        self._columns = columns
        self._depth = depth
        # The name (in an object) or the position (in an array) of what comes next, at each level.
        self._path: list[str | int] = []
        self._last = b'""'

    def pass_by(self, token: bytes) -> None:
        """Note a token."""
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
        """Return the name of the column in which the last token is, or of which it is the name."""
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
