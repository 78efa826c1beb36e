"""What every vendor's simulator has: journal, faults, limits, violations, and the way a request takes through them."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from vendor_simulators.faults import FaultPlan
from vendor_simulators.journal import Journal
from vendor_simulators.messages import Answer, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vendor_simulators.messages import Request

FIRST_DAY = date(2024, 3, 1)


@dataclass(frozen=True)
class NoOptions:
    """The options of a simulator that has none."""


class SimulatorError(Exception):
    """A simulator met an error of its own; the vendor's errors are answers."""


class Restated:
    """What `restate` did: ids of rows whose values changed, and of rows that are new."""

    def __init__(self, changed: Sequence[str | int], added: Sequence[str | int]) -> None:
        self.changed = list(changed)
        self.added = list(added)

    def as_json(self) -> dict[str, list[str | int]]:
        """Return both lists by name."""
        return {"changed": self.changed, "added": self.added}


class Simulator(ABC):
    """One vendor's API over made-up data.

    A subclass sets the class attributes and the abstract methods; `vendor_simulators.server.serve` puts it on a port.
    Methods are called by several threads at once.

    Args:
        seed: The data depend on it, the days and the sizes alone.
        first_day: First day with data, in the vendor's time zone.
        days: Number of days with data.
        rows_per_day: Rows of the largest stream on each of these days.
        enforce_limits: Whether requests above the vendor's limits are refused.
    """

    name: ClassVar[str]
    """Name on the command line."""
    time_zone: ClassVar[str]
    """IANA zone in which the vendor's days are cut."""
    base_path: ClassVar[str]
    """What `api_url` has after the host, such as `/v4`."""
    option_type: ClassVar[type[Any]] = NoOptions
    """Dataclass of the choices the vendor does not document; see `vendor_simulators.options`."""

    def __init__(
        self,
        *,
        seed: int = 7,
        first_day: date = FIRST_DAY,
        days: int = 30,
        rows_per_day: int = 200,
        enforce_limits: bool = False,
    ) -> None:
        if days < 1 or rows_per_day < 1:
            raise ValueError("days and rows_per_day count from 1")
        self.seed = seed
        self.first_day = first_day
        self.last_day = first_day + timedelta(days=days - 1)
        self.rows_per_day = rows_per_day
        self.enforce_limits = enforce_limits
        self.journal = Journal()
        self.faults = FaultPlan()
        self.errors: list[BaseException] = []
        """Unexpected errors while answering; `serve` raises them at its end."""
        self.violations: list[str] = []
        """What the client did against the vendor's rules, one readable line each."""
        self.stopping = threading.Event()
        """Set when the server stops: waits inside a request end with it."""
        self._url: str | None = None

    @property
    def url(self) -> str:
        """Address of the server, without a slash at the end.

        Raises:
            RuntimeError: When no server runs.
        """
        if self._url is None:
            raise RuntimeError(f"the {self.name} simulator is not being served")
        return self._url

    @property
    def api_url(self) -> str:
        """Base address as a tap's setting `api_url` takes it."""
        return f"{self.url}{self.base_path}"

    @abstractmethod
    def settings(self) -> dict[str, str]:
        """Return the least a tap needs: api_url, the credentials accepted, start_date."""

    @abstractmethod
    def handle(self, request: Request) -> Answer:
        """Answer a request as the vendor does; `Refused` may be raised instead."""

    @abstractmethod
    def truth(
        self, stream: str, *, first_day: date | None = None, last_day: date | None = None
    ) -> list[dict[str, object]]:
        """Return exactly the records a right tap emits for a stream, sorted by its primary key.

        Args:
            stream: Name of the stream.
            first_day: First day of an incremental stream; that of the data by default.
            last_day: Last day, included; that of the data by default.

        Raises:
            ValueError: For a stream the vendor's tap has not.
        """

    @abstractmethod
    def restate(self, seed: int = 1, *, days: int = 3) -> Restated:
        """Change figures of some rows of the last days and add late rows, as the vendor does between two runs.

        Args:
            seed: What is changed depends on it; another seed restates once more.
            days: How many of the last days are touched.
        """

    def expire_tokens(self) -> None:  # noqa: B027 - optional: not every vendor has tokens
        """Make every token or session invalid; a vendor without them has nothing to do."""

    def decorate(self, request: Request, answer: Answer) -> None:  # noqa: B027 - optional
        """Add what the vendor sends with every answer, faults included; the answer's own header fields stay."""

    def flag(self, violation: str) -> None:
        """Note that the client broke one of the vendor's rules."""
        self.violations.append(violation)

    def started(self, url: str) -> None:
        """Take the address of the server that has just started."""
        self._url = url
        self.stopping.clear()

    def stopped(self) -> None:
        """Let waits inside requests end, as the server stops."""
        self.stopping.set()
        self._url = None

    def respond(self, request: Request) -> Answer:
        """Journal a request, apply the fault plan and return the answer; never raises.

        The entry has its status before the answer leaves, so that a client which has read the answer finds it.
        """
        self.journal.add(request)
        fault = self.faults.take(request)
        if fault is not None and fault.delay:
            self.stopping.wait(fault.delay)
        try:
            answer = (
                self._handle(request)
                if fault is None
                else fault.answer(lambda: self._handle(request), self.expire_tokens)
            )
            self.decorate(request, answer)
        except Exception as error:  # noqa: BLE001 - kept for the test, which shall see it instead of a dead thread
            self.errors.append(error)
            answer = Answer.text(f"the simulator failed: {error!r}", 500)
        return answer

    def _handle(self, request: Request) -> Answer:
        try:
            return self.handle(request)
        except Refused as refused:
            return refused.answer
