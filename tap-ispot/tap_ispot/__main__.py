"""`python -m tap_ispot` is `tap-ispot`."""

from __future__ import annotations

from tap_ispot.tap import TapISpot

TapISpot.cli()
