"""All simulators by name."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING

import vendor_simulators
from vendor_simulators.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Mapping


def _simulator(package: str) -> type[Simulator]:
    exported = vars(import_module(f"vendor_simulators.{package}")).values()
    return next(one for one in exported if isinstance(one, type) and issubclass(one, Simulator))


SIMULATORS: Mapping[str, type[Simulator]] = {
    one.name: _simulator(one.name) for one in pkgutil.iter_modules(vendor_simulators.__path__) if one.ispkg
}
"""Each package of `vendor_simulators` is a vendor."""
