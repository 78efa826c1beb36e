"""Fixtures that start simulators for a test and stop them at its end."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import date
from typing import TYPE_CHECKING, Protocol, TypeVar

import pytest

from vendor_simulators.ispot import ISpotSimulator
from vendor_simulators.server import serve
from vendor_simulators.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

S = TypeVar("S", bound=Simulator)


class Simulate(Protocol):
    """Starts a simulator on a free port and returns it; it stops when the test ends."""

    def __call__(self, simulator: S, /) -> S: ...  # noqa: D102 - the class says it


@pytest.fixture
def simulate() -> Iterator[Simulate]:
    """Return what starts any simulator, such as `simulate(ISpotSimulator(days=2, ties="stable"))`.

    The end of the test fails when a simulator itself failed while answering.
    """
    with ExitStack() as servers:

        def start(simulator: S, /) -> S:
            servers.enter_context(serve(simulator))
            return simulator

        yield start


@pytest.fixture
def ispot(simulate: Simulate) -> ISpotSimulator:
    """Return a running iSpot simulator: five days around a clock change (2024-03-08 to 12), 40 airings each."""
    return simulate(ISpotSimulator(first_day=date(2024, 3, 8), days=5, rows_per_day=40))
