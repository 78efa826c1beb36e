"""Query execution: one query at a time, with a ticket to poll until the query is complete."""

from __future__ import annotations

import string
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from vendor_simulators.seeded import generator

if TYPE_CHECKING:
    from collections.abc import Callable

    from vendor_simulators.magnite.definitions import Query
    from vendor_simulators.messages import Content, Response

Status = Literal["CREATED", "RUNNING", "COMPLETED", "ERRORED", "CANCELLED"]
Outcome = Literal["completed", "errored", "cancelled", "lost", "results lost"]
NUMBERS = {"CREATED": 1, "RUNNING": 2, "COMPLETED": 3, "ERRORED": 4, "CANCELLED": 5}
SHORT_WORDS = {"ERRORED": "ERROR", "CANCELLED": "CANCELED"}


@dataclass(eq=False)
class Ticket:
    """An accepted query."""

    code: str
    query: Query
    session: str
    outcome: Outcome
    submitted: float
    polls: int = 0
    fetched: int = 0
    status: Status = "CREATED"
    code_responses: list[tuple[Response, Content]] = field(default_factory=list)
    """Responses with the code, each with its original body, because a fault may replace the body."""
    final_responses: list[tuple[Response, Content]] = field(default_factory=list)
    """Responses with a final status, likewise."""

    @property
    def running(self) -> bool:
        """Whether the query occupies the only slot."""
        return self.status in {"CREATED", "RUNNING"}

    @property
    def code_delivered(self) -> bool:
        """Whether a response with the code has been delivered whole."""
        return any(_is_whole(pair) for pair in self.code_responses)

    @property
    def end_delivered(self) -> bool:
        """Whether a response with a final status has been delivered whole."""
        return any(_is_whole(pair) for pair in self.final_responses)


def _is_whole(sent: tuple[Response, Content]) -> bool:
    response, body = sent
    return response.delivery == "whole" and response.body is body


class Queries:
    """All queries so far, of one user.

    Args:
        seed: Seed of the codes.
        polls: Number of polls before a query is complete.
        seconds: Seconds after which a query is complete regardless of polls.
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, seed: int, *, polls: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.accepted: list[Ticket] = []
        """All tickets in the order they were issued."""
        self.outcomes: deque[Outcome] = deque()
        """Outcomes of the next queries; further queries complete."""
        self._seed = seed
        self._polls = polls
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()

    def find(self, code: str) -> Ticket | None:
        """Return the ticket with this code; None if there is none."""
        return next((ticket for ticket in self.accepted if ticket.code == code), None)

    def submit(self, query: Query, session: str) -> Ticket | None:
        """Accept a query and return its ticket; None while another query is running.

        A refusal counts as a poll of the running query, so that a query which nobody polls still ends: time is measured
        in requests here.
        """
        with self._lock:
            if self.running is not None:
                self._advance(self.running)
                return None
            outcome = self.outcomes.popleft() if self.outcomes else "completed"
            ticket = Ticket(self._code(), query, session, outcome, self._clock())
            self.accepted.append(ticket)
            return ticket

    @property
    def running(self) -> Ticket | None:
        """The running query, if any."""
        for ticket in self.accepted:
            if ticket.running and self._clock() >= ticket.submitted + self._seconds:
                self._end(ticket)
        return next((ticket for ticket in self.accepted if ticket.running), None)

    def poll(self, ticket: Ticket) -> None:
        """Advance a running query by one poll."""
        with self._lock:
            if ticket.running:
                self._advance(ticket)

    def cancel(self, ticket: Ticket) -> None:
        """Cancel a running query; a finished query does not change."""
        with self._lock:
            if ticket.running:
                ticket.status = "CANCELLED"

    def _advance(self, ticket: Ticket) -> None:
        ticket.polls += 1
        ticket.status = "RUNNING"
        if ticket.polls > self._polls or self._clock() >= ticket.submitted + self._seconds:
            self._end(ticket)

    @staticmethod
    def _end(ticket: Ticket) -> None:
        ends: dict[Outcome, Status] = {"errored": "ERRORED", "cancelled": "CANCELLED"}
        ticket.status = ends.get(ticket.outcome, "COMPLETED")

    def _code(self) -> str:
        rng = generator("query", self._seed, len(self.accepted))
        return "".join(rng.choices(string.ascii_lowercase + string.digits, k=9))
