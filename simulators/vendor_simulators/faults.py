"""The fault plan: which request is answered wrongly, and how."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal, cast, get_args

from vendor_simulators.alterations import MANY_PAGES, Alteration, alter
from vendor_simulators.messages import Answer, Content

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

# The name is reserved (RFC 2606): a client that follows it leaves a trace and reaches nobody.
ELSEWHERE = "http://elsewhere.invalid"
HTML = "<!DOCTYPE html>\n<html><head><title>Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>\n"
_STATUS = {"status": 500, "html": 502, "redirect": 302, "empty": 200, "no_content": 204}


@dataclass
class Fault:
    """One wrong answer, or several in a row.

    Args:
        path: Path of the requests it counts, exact or an `fnmatch` pattern; all by default.
        method: Their method; any by default.
        params: Query parameters they have, among others.
        nth: The first one that goes wrong, counted from 1 since the fault was added.
        times: How many in a row go wrong; None = all from `nth` on.
        action: What is done.
            `status`: answered with `status` (500), `headers`, `body` and `content_type`.
            `html`: answered with a page of HTML and `status` (502).
            `cut`: answered as always, but the connection is closed half way through the body.
            `cut_chunks`: the same in chunked transfer coding, without the last chunk.
            `cut_gzip`: the body is the first half of its gzip, with a right Content-Length.
            `reset`: the connection is reset half way through the body.
            `drip`: answered as always, but one byte of the body every `delay` seconds (1).
            `drop`: the connection is closed before any byte.
            `slow`: answered as always, `delay` seconds later.
            `broken_json`: answered as always, but the body is only its first half, with a right Content-Length.
            `redirect`: answered with `status` (302) and a Location on another host, unless `headers` has one.
            `expire_token`: every token or session is made invalid before the request is handled.
            `empty`: answered with `status` (200) and no body at all, as a load balancer that fails does.
            `no_content`: the same with 204.
            `previous`: answered as the last request that the fault has counted and that had another query or body, as a
                cache or a gateway does that does not look at them; as always if there was none.
            An alteration: answered as always, but the body is altered; see `alterations`.
        status: See `action`.
        headers: Header fields to add to the answer, whatever the action.
        body: Body for `status` and `html`.
        content_type: Its type; `text/plain` by default, `application/json` when it begins like JSON.
        delay: Seconds to wait before anything else, whatever the action but `drip`.
        changed: How many answers differ from the right one, of alterations and `previous`.
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
    answered: list[tuple[tuple[str, bytes], Answer]] = field(default_factory=list, init=False, repr=False)
    """The last two right answers, each with what was asked; kept for `previous`."""
    _last: tuple[int, str, bytes] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.action not in get_args(Action):
            raise ValueError(f"action {self.action!r}: allowed are {', '.join(get_args(Action))}")
        if self.nth < 1 or (self.times is not None and self.times < 1):
            raise ValueError("nth and times count from 1")
        if self.action == "slow" and self.delay <= 0:
            raise ValueError("a slow answer needs a delay in seconds")

    def answer(self, handle: Callable[[], Answer], expire: Callable[[], None], request: Request) -> Answer:
        """Return the wrong answer.

        Args:
            handle: Gives the right answer; not called by actions that need none.
            expire: Makes every token invalid.
            request: What was asked.
        """
        if self.action == "expire_token":
            expire()
        answer = self._instead(request) or handle()
        self._spoil(answer)
        answer.headers += list(self.headers.items())
        return answer

    def _spoil(self, answer: Answer) -> None:
        """Do to an answer what is done to the right one."""
        if self.action in ("cut", "cut_chunks", "reset", "drip"):
            answer.delivery, answer.pace = self.action, self.delay or 1.0
        elif self.action == "cut_gzip":
            answer.body = Content(answer.body.zipped[: len(answer.body.zipped) // 2])
            answer.headers.append(("Content-Encoding", "gzip"))
        elif self.action == "broken_json":
            # Within a line: a report of lines that ends with a whole one is not broken.
            half = answer.body.plain[: len(answer.body.plain) // 2].rstrip(b"\n")
            answer.body = Content(half[:-1] if answer.body.plain[len(half) :].startswith(b"\n") else half)
        elif self.action in get_args(Alteration):
            self._alter(answer, cast("Alteration", self.action))

    def _alter(self, answer: Answer, alteration: Alteration) -> None:
        plain, headers = answer.body.plain, answer.headers
        if alteration == "endless" and answer.status >= HTTPStatus.BAD_REQUEST and self._last is not None:
            # A page past the end, which a vendor that never ends has too.
            answer.status, answer.content_type, plain = self._last
        answer.body = Content(alter(plain, alteration))
        self._last = answer.status, answer.content_type, plain
        if alteration in ("many_pages", "endless"):
            totals = ("X-Pagination-Total-Count", "X-Pagination-Page-Count")
            answer.headers = [(name, str(MANY_PAGES) if name in totals else value) for name, value in headers]
        self.changed += answer.body.plain != plain or answer.headers != headers

    def _instead(self, request: Request) -> Answer | None:
        """Return what is answered whatever the right answer is; None if that one is needed."""
        status = self.status or _STATUS.get(self.action, 0)
        if self.action == "status":
            kind = "application/json" if self.body[:1] in ("{", "[") else "text/plain; charset=utf-8"
            return Answer.text(self.body, status, self.content_type or kind)
        if self.action == "html":
            return Answer.text(self.body or HTML, status, self.content_type or "text/html; charset=utf-8")
        if self.action in {"empty", "no_content"}:
            return Answer(status)
        if self.action == "drop":
            return Answer(status=0, delivery="drop")
        if self.action == "redirect":
            answer = Answer.text("", status)
            if "location" not in {name.lower() for name in self.headers}:
                answer.headers.append(("Location", f"{ELSEWHERE}/"))
            return answer
        others = [answer for asked, answer in self.answered if asked != _asked(request)]
        self.changed += bool(others)
        return replace(others[-1], headers=list(others[-1].headers)) if others else None


def _asked(request: Request) -> tuple[str, bytes]:
    return request.target, request.body


class FaultPlan:
    """The faults to come; the first one due at a request is applied, though all that match count it."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, *faults: Fault) -> None:
        """Add faults; each counts requests from now on."""
        with self._lock:
            self._faults += faults

    def clear(self) -> None:
        """Forget every fault, past and to come."""
        with self._lock:
            self._faults.clear()

    def note(self, request: Request, answer: Answer) -> None:
        """Take note of a right answer, for faults that give it once more to another request."""
        with self._lock:
            for fault in self._faults:
                if fault.action == "previous" and request.matches(fault.path, fault.method, fault.params):
                    # A copy: the server adds header fields to what it sends.
                    kept = replace(answer, headers=list(answer.headers))
                    fault.answered = [*fault.answered[-1:], (_asked(request), kept)]

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
