"""All simulators by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vendor_simulators.adspect import AdspectSimulator
from vendor_simulators.ispot import ISpotSimulator
from vendor_simulators.magnite import MagniteSimulator
from vendor_simulators.spotwatch import SpotwatchSimulator
from vendor_simulators.springserve import SpringServeSimulator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vendor_simulators.simulator import Simulator

SIMULATORS: Mapping[str, type[Simulator]] = {
    simulator.name: simulator
    for simulator in (AdspectSimulator, ISpotSimulator, MagniteSimulator, SpotwatchSimulator, SpringServeSimulator)
}
