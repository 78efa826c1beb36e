"""The simulators there are, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vendor_simulators.ispot import ISpotSimulator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vendor_simulators.simulator import Simulator

SIMULATORS: Mapping[str, type[Simulator]] = {simulator.name: simulator for simulator in (ISpotSimulator,)}
