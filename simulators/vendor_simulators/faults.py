"""The fault plan: which request is answered wrongly, and how."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from vendor_simulators.messages import Answer, Content

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vendor_simulators.messages import Request

Action = Literal["status", "html", "cut", "drop", "slow", "broken_json", "redirect", "expire_token"]

# The name is reserved (RFC 2606): a client that follows it leaves a trace and reaches nobody.
ELSEWHERE = "http://elsewhere.invalid"
HTML = "<!DOCTYPE html>\n<html><head><title>Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>\n"
_STATUS = {"status": 500, "html": 502, "redirect": 302}


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
            `drop`: the connection is closed before any byte.
            `slow`: answered as always, `delay` seconds later.
            `broken_json`: answered as always, but the body is only its first half, with a right Content-Length.
            `redirect`: answered with `status` (302) and a Location on another host, unless `headers` has one.
            `expire_token`: every token or session is made invalid before the request is handled.
        status: See `action`.
        headers: Header fields to add to the answer, whatever the action.
        body: Body for `status` and `html`.
        content_type: Its type; `text/plain` by default, `application/json` when it begins like JSON.
        delay: Seconds to wait before anything else, whatever the action.
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

    def __post_init__(self) -> None:
        if self.action not in get_args(Action):
            raise ValueError(f"action {self.action!r}: allowed are {', '.join(get_args(Action))}")
        if self.nth < 1 or (self.times is not None and self.times < 1):
            raise ValueError("nth and times count from 1")
        if self.action == "slow" and self.delay <= 0:
            raise ValueError("a slow answer needs a delay in seconds")

    def answer(self, handle: Callable[[], Answer], expire: Callable[[], None]) -> Answer:
        """Return the wrong answer.

        Args:
            handle: Gives the right answer; not called by actions that need none.
            expire: Makes every token invalid.
        """
        if self.action == "expire_token":
            expire()
        status = self.status or _STATUS.get(self.action, 0)
        if self.action == "status":
            kind = "application/json" if self.body[:1] in ("{", "[") else "text/plain; charset=utf-8"
            answer = Answer.text(self.body, status, self.content_type or kind)
        elif self.action == "html":
            answer = Answer.text(self.body or HTML, status, self.content_type or "text/html; charset=utf-8")
        elif self.action == "redirect":
            answer = Answer.text("", status)
            if "location" not in {name.lower() for name in self.headers}:
                answer.headers.append(("Location", f"{ELSEWHERE}/"))
        elif self.action == "drop":
            answer = Answer(status=0, delivery="drop")
        else:
            answer = handle()
        if self.action == "cut":
            answer.delivery = "cut"
        elif self.action == "broken_json":
            answer.body = Content(answer.body.plain[: len(answer.body.plain) // 2])
        answer.headers += list(self.headers.items())
        return answer


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
