"""The fault plan: which requests fail, and how."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal, cast, get_args

from vendor_simulators.alterations import MANY_PAGES, Alteration, alter
from vendor_simulators.messages import Content, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vendor_simulators.messages import Request

Action = Literal[
    "status",
    "html",
    "cut",
    "cut_chunks",
    "cut_gzip",
    "reset",
    "drip",
    "drop",
    "slow",
    "broken_json",
    "redirect",
    "expire_token",
    "empty",
    "no_content",
    "previous",
    Alteration,
]

# A reserved name (RFC 2606): a client that follows the redirect reaches no real host.
ELSEWHERE = "http://elsewhere.invalid"
HTML = "<!DOCTYPE html>\n<html><head><title>Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>\n"
_STATUS = {"status": 500, "html": 502, "redirect": 302, "empty": 200, "no_content": 204}


@dataclass
class Fault:
    """A faulty response, or several in a row.

    Args:
        path: Path of the requests to count, exact or an `fnmatch` pattern; all by default.
        method: Their method; any by default.
        params: Query parameters that they have, among others.
        nth: The first request to fail, counted from 1 since the fault was added.
        times: Number of consecutive failures; None = all from `nth` on.
        action: The kind of fault.
            `status`: respond with `status` (500), `headers`, `body` and `content_type`.
            `html`: respond with an HTML page and `status` (502).
            `cut`: the right response, but the connection is closed halfway through the body.
            `cut_chunks`: the same in chunked transfer coding, without the last chunk.
            `cut_gzip`: the body is the first half of the gzipped body, with a correct Content-Length.
            `reset`: the connection is reset halfway through the body.
            `drip`: the right response, but one byte of the body every `delay` seconds (1).
            `drop`: the connection is closed before any byte is sent.
            `slow`: the right response, `delay` seconds later.
            `broken_json`: the right response, but only the first half of the body, with a correct Content-Length.
            `redirect`: respond with `status` (302) and a Location on another host, unless `headers` has one.
            `expire_token`: invalidate every token and session before the request is handled.
            `empty`: respond with `status` (200) and no body, like a failing load balancer.
            `no_content`: the same with 204.
            `previous`: repeat the response to the last counted request with another query or body, like a cache that
                ignores both; the right response if there was no such request.
            An alteration: the right response with an altered body; see `alterations`.
        status: See `action`.
        headers: Header fields to add to the response, for every action.
        body: Body for `status` and `html`.
        content_type: Content type of `body`; by default `text/plain`, or `application/json` if it starts like JSON.
        delay: Seconds to wait before responding, for every action except `drip`.
        changed: Number of responses that differ from the right one, for alterations and `previous`.
    """

    path: str = "*"
    method: str | None = None
    params: Mapping[str, object] = field(default_factory=dict)
    nth: int = 1
    times: int | None = 1
    action: Action = "status"
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    content_type: str | None = None
    delay: float = 0.0
    seen: int = field(default=0, init=False)
    fired: int = field(default=0, init=False)
    changed: int = field(default=0, init=False)
    recent: list[tuple[tuple[str, bytes], Response]] = field(default_factory=list, init=False, repr=False)
    """The last two right responses, each with its request; kept for `previous`."""
    _last: tuple[int, str, bytes] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.action not in get_args(Action):
            raise ValueError(f"action {self.action!r}: allowed are {', '.join(get_args(Action))}")
        if self.nth < 1 or (self.times is not None and self.times < 1):
            raise ValueError("nth and times count from 1")
        if self.action == "slow" and self.delay <= 0:
            raise ValueError("a slow response needs a delay in seconds")

    def response(self, handle: Callable[[], Response], expire: Callable[[], None], request: Request) -> Response:
        """Return the faulty response.

        Args:
            handle: Returns the right response; not called by actions that do not need it.
            expire: Invalidates every token.
            request: The request to respond to.
        """
        if self.action == "expire_token":
            expire()
        response = self._instead(request) or handle()
        self._spoil(response)
        response.headers += list(self.headers.items())
        return response

    def _spoil(self, response: Response) -> None:
        """Apply the action to the right response."""
        if self.action in ("cut", "cut_chunks", "reset", "drip"):
            response.delivery, response.pace = self.action, self.delay or 1.0
        elif self.action == "cut_gzip":
            response.body = Content(response.body.zipped[: len(response.body.zipped) // 2])
            response.headers.append(("Content-Encoding", "gzip"))
        elif self.action == "broken_json":
            # Cut within a line: a body of lines is not broken if its last line is complete.
            half = response.body.plain[: len(response.body.plain) // 2].rstrip(b"\n")
            response.body = Content(half[:-1] if response.body.plain[len(half) :].startswith(b"\n") else half)
        elif self.action in get_args(Alteration):
            self._alter(response, cast("Alteration", self.action))

    def _alter(self, response: Response, alteration: Alteration) -> None:
        plain, headers = response.body.plain, response.headers
        if alteration == "endless" and response.status >= HTTPStatus.BAD_REQUEST and self._last is not None:
            # A page past the end: an endless list has rows there too.
            response.status, response.content_type, plain = self._last
        response.body = Content(alter(plain, alteration))
        self._last = response.status, response.content_type, plain
        if alteration in ("many_pages", "endless"):
            totals = ("X-Pagination-Total-Count", "X-Pagination-Page-Count")
            response.headers = [(name, str(MANY_PAGES) if name in totals else value) for name, value in headers]
        self.changed += response.body.plain != plain or response.headers != headers

    def _instead(self, request: Request) -> Response | None:
        """Return a response that does not depend on the right one; None if the right one is needed."""
        status = self.status or _STATUS.get(self.action, 0)
        if self.action == "status":
            kind = "application/json" if self.body[:1] in ("{", "[") else "text/plain; charset=utf-8"
            return Response.text(self.body, status, self.content_type or kind)
        if self.action == "html":
            return Response.text(self.body or HTML, status, self.content_type or "text/html; charset=utf-8")
        if self.action in {"empty", "no_content"}:
            return Response(status)
        if self.action == "drop":
            return Response(status=0, delivery="drop")
        if self.action == "redirect":
            response = Response.text("", status)
            if "location" not in {name.lower() for name in self.headers}:
                response.headers.append(("Location", f"{ELSEWHERE}/"))
            return response
        others = [response for key, response in self.recent if key != _request_key(request)]
        self.changed += bool(others)
        return replace(others[-1], headers=list(others[-1].headers)) if others else None


def _request_key(request: Request) -> tuple[str, bytes]:
    return request.target, request.body


class FaultPlan:
    """The pending faults; the first one due is applied to a request, and all that match count the request."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, *faults: Fault) -> None:
        """Add faults; each counts requests from now on."""
        with self._lock:
            self._faults += faults

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._faults.clear()

    def note(self, request: Request, response: Response) -> None:
        """Keep a right response for `previous` faults."""
        with self._lock:
            for fault in self._faults:
                if fault.action == "previous" and request.matches(fault.path, fault.method, fault.params):
                    # A copy: the server adds header fields to what it sends.
                    kept = replace(response, headers=list(response.headers))
                    fault.recent = [*fault.recent[-1:], (_request_key(request), kept)]

    def take(self, request: Request) -> Fault | None:
        """Count the request and return the fault to apply to it, if any."""
        with self._lock:
            due: Fault | None = None
            for fault in self._faults:
                if not request.matches(fault.path, fault.method, fault.params):
                    continue
                fault.seen += 1
                over = fault.times is not None and fault.seen >= fault.nth + fault.times
                if due is None and fault.seen >= fault.nth and not over:
                    due = fault
                    fault.fired += 1
            return due
