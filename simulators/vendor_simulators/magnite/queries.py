"""Queries as they are run: one at a time, with a ticket that is asked for until it is complete."""

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
    from vendor_simulators.messages import Answer, Content

Status = Literal["CREATED", "RUNNING", "COMPLETED", "ERRORED", "CANCELLED"]
Fate = Literal["completed", "errored", "cancelled", "lost", "results lost"]
NUMBERS = {"CREATED": 1, "RUNNING": 2, "COMPLETED": 3, "ERRORED": 4, "CANCELLED": 5}
SHORT_WORDS = {"ERRORED": "ERROR", "CANCELLED": "CANCELED"}


@dataclass(eq=False)
class Ticket:
    """One query that was accepted."""

    code: str
    query: Query
    session: str
    fate: Fate
    submitted: float
    asked: int = 0
    fetched: int = 0
    status: Status = "CREATED"
    told: list[tuple[Answer, Content]] = field(default_factory=list)
    """Answers that told the code, each with the body it was made with: a fault may put another one in its place."""
    ended: list[tuple[Answer, Content]] = field(default_factory=list)
    """Answers that told the end."""

    @property
    def running(self) -> bool:
        """Whether the query takes the only place."""
        return self.status in {"CREATED", "RUNNING"}

    @property
    def known(self) -> bool:
        """Whether an answer with the code has left whole."""
        return any(_whole(pair) for pair in self.told)

    @property
    def known_to_have_ended(self) -> bool:
        """Whether an answer that told the end has left whole."""
        return any(_whole(pair) for pair in self.ended)


def _whole(told: tuple[Answer, Content]) -> bool:
    answer, body = told
    return answer.delivery == "whole" and answer.body is body


class Queries:
    """The queries so far, of one user.

    Args:
        seed: Codes depend on it.
        polls: Polls that find a query at work.
        seconds: Seconds after which a query is complete however often it was asked for.
        clock: Seconds that only go forward.
    """

    def __init__(self, seed: int, *, polls: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.accepted: list[Ticket] = []
        """All tickets in the order they were given out."""
        self.fates: deque[Fate] = deque()
        """What becomes of the queries to come; complete when none is left."""
        self._seed = seed
        self._polls = polls
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()

    def find(self, code: str) -> Ticket | None:
        """Return the ticket with this code."""
        return next((ticket for ticket in self.accepted if ticket.code == code), None)

    def submit(self, query: Query, session: str) -> Ticket | None:
        """Accept a query and return its ticket; None while another one runs.

        A refusal counts as a look at the running one, as time is counted in requests here: a query that nobody polls
        ends by itself.
        """
        with self._lock:
            if self.running is not None:
                self._look(self.running)
                return None
            fate = self.fates.popleft() if self.fates else "completed"
            ticket = Ticket(self._code(), query, session, fate, self._clock())
            self.accepted.append(ticket)
            return ticket

    @property
    def running(self) -> Ticket | None:
        """The query that runs, if any."""
        for ticket in self.accepted:
            if ticket.running and self._clock() >= ticket.submitted + self._seconds:
                self._end(ticket)
        return next((ticket for ticket in self.accepted if ticket.running), None)

    def poll(self, ticket: Ticket) -> None:
        """Let time pass for a query."""
        with self._lock:
            if ticket.running:
                self._look(ticket)

    def cancel(self, ticket: Ticket) -> None:
        """End a query that runs; one that has ended stays as it is."""
        with self._lock:
            if ticket.running:
                ticket.status = "CANCELLED"

    def _look(self, ticket: Ticket) -> None:
        ticket.asked += 1
        ticket.status = "RUNNING"
        if ticket.asked > self._polls or self._clock() >= ticket.submitted + self._seconds:
            self._end(ticket)

    @staticmethod
    def _end(ticket: Ticket) -> None:
        ends: dict[Fate, Status] = {"errored": "ERRORED", "cancelled": "CANCELLED"}
        ticket.status = ends.get(ticket.fate, "COMPLETED")

    def _code(self) -> str:
        rng = generator("query", self._seed, len(self.accepted))
        return "".join(rng.choices(string.ascii_lowercase + string.digits, k=9))
