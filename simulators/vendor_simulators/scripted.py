"""A vendor that gives the answers a test makes, for responses that no simulator would give."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from typing_extensions import override

from vendor_simulators.messages import Request, Response
from vendor_simulators.simulator import Restated, Simulator

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from vendor_simulators.pytest_plugin import Simulate

Answer = Callable[[Request], Response]
"""Makes the response to a request."""


class Scripted(Simulator):
    """A vendor that gives a token at a login, and to every other request the answer that a test makes.

    Args:
        answer: Makes an answer of a request.
    """

    name: ClassVar[str] = "scripted"
    time_zone: ClassVar[str] = "UTC"
    base_path: ClassVar[str] = ""
    own_settings: ClassVar[Mapping[str, str]] = {}
    """Settings of the vendor's tap besides `api_url`."""
    login_path: ClassVar[str | None] = None
    """Path of logins; None for a vendor without them."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer
        self.login: Callable[[], Response] = lambda: Response.json({"token": "made-up-token"})
        """Makes the response to a login."""
        self.logins = 0
        """Number of logins so far, with the one being answered."""

    @override
    def settings(self) -> dict[str, str]:
        return {"api_url": self.api_url, **self.own_settings}

    @override
    def handle(self, request: Request) -> Response:
        if request.path == self.login_path:
            self.logins += 1
            return self.login()
        return self.answer(request)

    @override
    def truth(
        self, stream: str, *, first_day: date | None = None, last_day: date | None = None
    ) -> list[dict[str, object]]:
        raise NotImplementedError

    @override
    def restate(self, seed: int = 1, *, days: int = 3) -> Restated:
        raise NotImplementedError

    @property
    def data_requests(self) -> list[Request]:
        """The requests besides logins."""
        return [request for request in self.journal if request.path != self.login_path]


V = TypeVar("V", bound=Scripted)


class Script(Generic[V]):
    """Starts scripted vendors; a subclass adds the answers of one vendor.

    Args:
        simulate: Starts a simulator.
        vendor: Makes a vendor that gives these answers, such as its class.
    """

    def __init__(self, simulate: Simulate, vendor: Callable[[Answer], V]) -> None:
        self._simulate = simulate
        self._vendor = vendor

    def __call__(self, answer: Answer) -> V:
        """Start a vendor that answers like this."""
        return self._simulate(self._vendor(answer))
