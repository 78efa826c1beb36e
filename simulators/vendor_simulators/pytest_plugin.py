"""Fixtures that run simulators for the duration of a test."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from datetime import date
from typing import TYPE_CHECKING, Protocol, TypeVar

import pytest

from vendor_simulators.adspect import AdspectSimulator
from vendor_simulators.ispot import ISpotSimulator
from vendor_simulators.magnite import MagniteSimulator
from vendor_simulators.server import serve
from vendor_simulators.simulator import Simulator
from vendor_simulators.spotwatch import SpotwatchSimulator
from vendor_simulators.springserve import SpringServeSimulator

if TYPE_CHECKING:
    from collections.abc import Iterator

S = TypeVar("S", bound=Simulator)


class Simulate(Protocol):
    """Callable that starts a simulator on a free port and returns it; the simulator stops when the test ends."""

    def __call__(self, simulator: S, /) -> S: ...  # noqa: D102 - documented on the class


@contextmanager
def _starting() -> Iterator[Simulate]:
    with ExitStack() as servers:

        def start(simulator: S, /) -> S:
            servers.enter_context(serve(simulator))
            return simulator

        yield start


@pytest.fixture
def simulate() -> Iterator[Simulate]:
    """Return a function that starts a simulator, for example `simulate(ISpotSimulator(days=2, ties="stable"))`.

    The test fails at its end if a simulator raised an unexpected error.
    """
    with _starting() as start:
        yield start


@pytest.fixture(scope="class")
def simulate_for_class() -> Iterator[Simulate]:
    """Return a function like `simulate`, whose simulators stop after the last test of a class."""
    with _starting() as start:
        yield start


@pytest.fixture
def ispot(simulate: Simulate) -> ISpotSimulator:
    """Return a running iSpot simulator: 40 airings on each of five days around a clock change (2024-03-08 to 12)."""
    return simulate(ISpotSimulator(first_day=date(2024, 3, 8), days=5, rows_per_day=40))


@pytest.fixture
def magnite(simulate: Simulate) -> MagniteSimulator:
    """Return a running Magnite simulator: ten days from 2025-03-01 with 30 rows each."""
    return simulate(MagniteSimulator(first_day=date(2025, 3, 1), days=10, rows_per_day=30))


@pytest.fixture
def spotwatch(simulate: Simulate) -> SpotwatchSimulator:
    """Return a running Spotwatch simulator: 60 airings on each of five days (2024-06-08 to 12), and documented rows."""
    return simulate(SpotwatchSimulator(first_day=date(2024, 6, 8), days=5, rows_per_day=60))


@pytest.fixture
def adspect(simulate: Simulate) -> AdspectSimulator:
    """Return a running Adspect simulator: 60 rows on each of five days around a clock change (2025-03-28 to 04-01)."""
    return simulate(AdspectSimulator(first_day=date(2025, 3, 28), days=5, rows_per_day=60, streams=25))


@pytest.fixture
def springserve(simulate: Simulate) -> SpringServeSimulator:
    """Return a running SpringServe simulator: ten days of reports from 2026-02-01, 60 supply tags."""
    return simulate(SpringServeSimulator(first_day=date(2026, 2, 1), days=10, rows_per_day=60))
