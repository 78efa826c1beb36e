"""`python -m tap_magnite` is `tap-magnite`."""

from __future__ import annotations

from tap_magnite.tap import TapMagnite

TapMagnite.cli()
