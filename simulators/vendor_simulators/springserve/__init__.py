"""Simulator of SpringServe v0 and v1."""

from __future__ import annotations

from vendor_simulators.springserve.options import SpringServeOptions
from vendor_simulators.springserve.simulator import SpringServeSimulator

__all__ = ["SpringServeOptions", "SpringServeSimulator"]
