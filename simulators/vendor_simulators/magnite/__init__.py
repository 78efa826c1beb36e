"""Simulator of Magnite Streaming's Seller Platform API, version 1."""

from __future__ import annotations

from vendor_simulators.magnite.options import MagniteOptions
from vendor_simulators.magnite.simulator import MagniteSimulator

__all__ = ["MagniteOptions", "MagniteSimulator"]
