"""The fault plan: which request is answered wrongly, and how."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, get_args

from vendor_simulators.messages import Answer, Content

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vendor_simulators.messages import Request

Action = Literal[
    "status", "html", "cut", "drop", "slow", "broken_json", "redirect", "expire_token",
    "empty", "no_content", "half_rows", "previous",
]  # fmt: skip

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
            `drop`: the connection is closed before any byte.
            `slow`: answered as always, `delay` seconds later.
            `broken_json`: answered as always, but the body is only its first half, with a right Content-Length.
            `redirect`: answered with `status` (302) and a Location on another host, unless `headers` has one.
            `expire_token`: every token or session is made invalid before the request is handled.
            `empty`: answered with `status` (200) and no body at all, as a load balancer that fails does.
            `no_content`: the same with 204.
            `half_rows`: answered as always, but every second row is missing, the first of two; totals stay.
            `previous`: answered as the last request that the fault has counted and that had another query or body, as a
                cache or a gateway does that does not look at them; as always if there was none.
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
    answered: list[tuple[tuple[str, bytes], Answer]] = field(default_factory=list, init=False, repr=False)
    """The last two right answers, each with what was asked; kept for `previous`."""

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
        if self.action == "cut":
            answer.delivery = "cut"
        elif self.action == "broken_json":
            answer.body = Content(answer.body.plain[: len(answer.body.plain) // 2])
        elif self.action == "half_rows":
            answer.body = Content(_half(answer.body.plain))
        answer.headers += list(self.headers.items())
        return answer

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
        return replace(others[-1], headers=list(others[-1].headers)) if others else None


def _asked(request: Request) -> tuple[str, bytes]:
    return request.target, request.body


def _half(body: bytes) -> bytes:
    """Leave out every second row: of the longest list in a JSON body, or of its lines."""
    try:
        # Numbers keep their digits, as texts that no vendor sends.
        value = json.loads(body, parse_float=lambda digits: f"\0{digits}")
    except ValueError:
        value = None
    members = value.values() if isinstance(value, dict) else [value]
    lists = [one for one in members if isinstance(one, list) and all(isinstance(row, dict | list) for row in one)]
    if not lists:
        return b"".join(body.splitlines(keepends=True)[1::2])
    del max(lists, key=len)[::2]
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return re.sub(r'"\\u0000([^"]+)"', r"\1", text).encode()


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
                    fault.answered = [*fault.answered[-1:], (_asked(request), answer)]

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
