"""Simulator of Spotwatch."""

from __future__ import annotations

from vendor_simulators.spotwatch.options import SpotwatchOptions
from vendor_simulators.spotwatch.simulator import SpotwatchSimulator

__all__ = ["SpotwatchOptions", "SpotwatchSimulator"]
