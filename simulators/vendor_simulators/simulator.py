"""Base class of the simulators: journal, faults, violations, and how a request is handled."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from vendor_simulators.faults import FaultPlan
from vendor_simulators.journal import Journal
from vendor_simulators.messages import Refused, Response

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vendor_simulators.messages import Request

FIRST_DAY = date(2024, 3, 1)


@dataclass(frozen=True)
class NoOptions:
    """Options of a simulator without any."""


class SimulatorError(Exception):
    """An error inside a simulator; errors of the imitated API are responses."""


class Restated:
    """Result of `restate`: ids of changed rows and ids of new rows."""

    def __init__(self, changed: Sequence[str | int], added: Sequence[str | int]) -> None:
        self.changed = list(changed)
        self.added = list(added)

    def as_json(self) -> dict[str, list[str | int]]:
        """Return both lists by name."""
        return {"changed": self.changed, "added": self.added}


class Simulator(ABC):
    """A simulator of one vendor's API with generated data.

    A subclass sets the class attributes and implements the abstract methods; `vendor_simulators.server.serve` puts it
    on a port. Methods are called from several threads in parallel.

    Args:
        seed: Seed of the data; nothing else but the days and sizes affects them.
        first_day: First day with data, in the vendor's time zone.
        days: Number of days with data.
        rows_per_day: Rows of the largest stream per day.
        enforce_limits: Whether requests above the vendor's limits are refused.
    """

    name: ClassVar[str]
    """Name on the command line."""
    time_zone: ClassVar[str]
    """IANA time zone of the vendor's days."""
    base_path: ClassVar[str]
    """Path of `api_url`, such as `/v4`."""
    option_type: ClassVar[type[Any]] = NoOptions
    """Dataclass of the details that the vendor does not document; see `vendor_simulators.options`."""

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
        """Unexpected errors while handling requests; `serve` raises an error for them when it ends."""
        self.violations: list[str] = []
        """The client's violations of the vendor's rules, one line each."""
        self.stopping = threading.Event()
        """Set when the server stops; ends waits inside requests."""
        self._url: str | None = None

    @property
    def url(self) -> str:
        """Address of the server, without a trailing slash.

        Raises:
            RuntimeError: The simulator is not being served.
        """
        if self._url is None:
            raise RuntimeError(f"the {self.name} simulator is not being served")
        return self._url

    @property
    def api_url(self) -> str:
        """Base address, as in a tap's `api_url` setting."""
        return f"{self.url}{self.base_path}"

    @abstractmethod
    def settings(self) -> dict[str, str]:
        """Return the minimum settings of a tap: api_url, accepted credentials, start_date."""

    @abstractmethod
    def handle(self, request: Request) -> Response:
        """Respond to a request as the vendor would; may raise `Refused` instead of returning a response."""

    @abstractmethod
    def truth(
        self, stream: str, *, first_day: date | None = None, last_day: date | None = None
    ) -> list[dict[str, object]]:
        """Return the exact records that a correct tap emits for a stream, sorted by its primary key.

        Args:
            stream: Name of the stream.
            first_day: First day of an incremental stream; by default the first day of the data.
            last_day: Last day, inclusive; by default the last day of the data.

        Raises:
            ValueError: The vendor's tap has no such stream.
        """

    @abstractmethod
    def restate(self, seed: int = 1, *, days: int = 3) -> Restated:
        """Change figures of some rows of the last days and add late rows, as the vendor does between two runs.

        Args:
            seed: Selects the changes; each seed restates the data again.
            days: Number of days to restate, counted back from the last one.
        """

    def expire_tokens(self) -> None:  # noqa: B027 - optional: not every vendor has tokens
        """Invalidate all tokens or sessions; does nothing for vendors without them."""

    def decorate(self, request: Request, response: Response) -> None:  # noqa: B027 - optional
        """Add headers that the vendor sends with every response, including faults; headers already set are kept."""

    def flag(self, violation: str) -> None:
        """Record that the client broke one of the vendor's rules."""
        self.violations.append(violation)

    def started(self, url: str) -> None:
        """Store the address of the server that has just started."""
        self._url = url
        self.stopping.clear()

    def stopped(self) -> None:
        """End waits inside requests, because the server stops."""
        self.stopping.set()
        self._url = None

    def respond(self, request: Request) -> Response:
        """Journal a request, apply the fault plan and return the response; never raises.

        The journal has the status before the response is sent, so a client that has read the response finds it there.
        """
        self.journal.add(request)
        fault = self.faults.take(request)
        if fault is not None and fault.action != "drip" and fault.delay:
            self.stopping.wait(fault.delay)
        try:
            if fault is None:
                response = self._handle(request)
                self.faults.note(request, response)
            else:
                response = fault.response(lambda: self._handle(request), self.expire_tokens, request)
            self.decorate(request, response)
        except Exception as error:  # noqa: BLE001 - reported to the test by `serve`, rather than lost with the thread
            self.errors.append(error)
            response = Response.text(f"the simulator failed: {error!r}", 500)
        return response

    def _handle(self, request: Request) -> Response:
        try:
            return self.handle(request)
        except Refused as refused:
            return refused.response
