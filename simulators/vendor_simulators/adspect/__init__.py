"""Simulator of Adspect's REST API, version 1."""

from __future__ import annotations

from vendor_simulators.adspect.options import AdspectOptions
from vendor_simulators.adspect.simulator import AdspectSimulator

__all__ = ["AdspectOptions", "AdspectSimulator"]
