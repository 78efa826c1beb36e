"""`python -m tap_spotwatch` is `tap-spotwatch`."""

from __future__ import annotations

from tap_spotwatch.tap import TapSpotwatch

TapSpotwatch.cli()
