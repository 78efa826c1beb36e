"""Simulator of iSpot.tv v4."""

from __future__ import annotations

from vendor_simulators.ispot.options import ISpotOptions
from vendor_simulators.ispot.simulator import ISpotSimulator

__all__ = ["ISpotOptions", "ISpotSimulator"]
