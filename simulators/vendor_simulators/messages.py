"""HTTP messages: requests as received, responses as sent."""

from __future__ import annotations

import base64
import binascii
import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl

from typing_extensions import Self, override

if TYPE_CHECKING:
    from collections.abc import Sequence

Pairs = list[tuple[str, str]]

# Smaller bodies are sent uncompressed even to clients that accept gzip: compression gains nothing there.
GZIP_FROM_BYTES = 4096


class Headers(Mapping[str, str]):
    """Request headers with case-insensitive names; repeated fields are joined with a comma."""

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._items = list(items)

    @override
    def __getitem__(self, name: str) -> str:
        values = self.all(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name.lower() for name, _ in self._items))

    @override
    def __len__(self) -> int:
        return len({name.lower() for name, _ in self._items})

    @override
    def __repr__(self) -> str:
        return f"Headers({self._items!r})"

    def all(self, name: str) -> list[str]:
        """Return the values of all fields with this name, in the order sent."""
        wanted = name.lower()
        return [value for key, value in self._items if key.lower() == wanted]


@dataclass(eq=False)
class Request:
    """A received request and the status of its response.

    `path` is percent-decoded and has no query. `params` holds the decoded (name, value) pairs of the query in order,
    including blank values. `target` is the target of the request line as sent. `at` and `finished` are times of
    `time.monotonic()`: when the body had been read, and when the response was ready to be sent. `status` is 0 until the
    response is ready, and stays 0 if the connection is dropped.
    """

    method: str
    target: str
    path: str
    params: Pairs
    headers: Headers
    body: bytes = b""
    at: float = 0.0
    status: int = 0
    finished: float = 0.0

    def param(self, name: str) -> str | None:
        """Return the first value of a query parameter, or None if it was not sent."""
        return next((value for key, value in self.params if key == name), None)

    def json(self) -> Any:
        """Return the body parsed as JSON.

        Raises:
            ValueError: The body is not valid JSON.
        """
        return json.loads(self.body)

    def form_items(self) -> Pairs:
        """Return the fields of an `application/x-www-form-urlencoded` body in order, including blank values."""
        return parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True)

    def form(self) -> dict[str, str]:
        """Return the fields of a form body by name; the last value of a repeated field."""
        return dict(self.form_items())

    def cookies(self) -> Pairs:
        """Return the (name, value) pairs of all Cookie headers, including repeated names."""
        pairs = [part.partition("=") for line in self.headers.all("Cookie") for part in line.split(";")]
        return [(name.strip(), value.strip()) for name, _, value in pairs if name.strip()]

    def basic(self) -> tuple[str, str] | None:
        """Return the user name and password of HTTP Basic, or None if the header is missing or malformed."""
        scheme, _, encoded = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            user, colon, password = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return (user, password) if colon else None

    def matches(self, path: str | None, method: str | None, params: Mapping[str, object]) -> bool:
        """Return whether the request has this method, this path and at least these parameters.

        `path` may be an `fnmatch` pattern (`*`, `?`); None matches any path. Values are compared as text.
        """
        return (
            (method is None or self.method == method.upper())
            and (path is None or self.path == path or fnmatchcase(self.path, path))
            and all((name, str(value)) in self.params for name, value in params.items())
        )

    def as_json(self) -> dict[str, object]:
        """Return the request as JSON values, with the body as text."""
        return {
            "method": self.method,
            "path": self.path,
            "params": [list(pair) for pair in self.params],
            "headers": dict(self.headers),
            "body": self.body.decode("utf-8", "replace"),
            "status": self.status,
            "at": self.at,
            "finished": self.finished,
        }


class Content:
    """The bytes of a body, compressed at most once."""

    def __init__(self, plain: bytes) -> None:
        self.plain = plain
        self._zipped: bytes | None = None

    @property
    def zipped(self) -> bytes:
        """The gzipped bytes. Two threads may both compress the body, with the same result."""
        if self._zipped is None:
            # Level 1, so that the simulator is not the bottleneck; mtime 0, so that the bytes are reproducible.
            self._zipped = gzip.compress(self.plain, compresslevel=1, mtime=0)
        return self._zipped


@dataclass
class Response:
    """A response to be sent.

    `delivery` is one of `whole`; `cut`: Content-Length is the full size, but the connection is closed halfway
    through the body; `cut_chunks`: the same in chunks; `reset`: the connection is reset halfway through the body;
    `drip`: one byte of the body every `pace` seconds; `drop`: the connection is closed before any byte is sent.
    """

    status: int = 200
    body: Content = field(default_factory=lambda: Content(b""))
    content_type: str = "application/json"
    headers: Pairs = field(default_factory=list)
    delivery: Literal["whole", "cut", "cut_chunks", "reset", "drip", "drop"] = "whole"
    pace: float = 0.0

    @classmethod
    def json(cls, value: object, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> Self:
        """Return a response with this value as compact JSON in UTF-8."""
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return cls(status, Content(text.encode("utf-8")), headers=list(headers))

    @classmethod
    def lines(cls, values: Iterable[object], status: int = 200, content_type: str = "application/x-ndjson") -> Self:
        """Return a response of newline-delimited JSON, one value per line, each line terminated."""
        text = "".join(f"{json.dumps(value, ensure_ascii=False, separators=(',', ':'))}\n" for value in values)
        return cls(status, Content(text.encode("utf-8")), content_type)

    @classmethod
    def text(cls, text: str, status: int = 200, content_type: str = "text/plain; charset=utf-8") -> Self:
        """Return a response with this text in UTF-8."""
        return cls(status, Content(text.encode("utf-8")), content_type)

    def has(self, name: str) -> bool:
        """Return whether a header with this name is set, in any case."""
        return any(key.lower() == name.lower() for key, _ in self.headers)

    def default(self, name: str, value: str) -> None:
        """Set a header unless it is already set."""
        if not self.has(name):
            self.headers.append((name, value))


class Refused(Exception):  # noqa: N818 - a response, not an error of the simulator
    """Raised anywhere while handling a request to send this response immediately."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"refused with status {response.status}")
        self.response = response
