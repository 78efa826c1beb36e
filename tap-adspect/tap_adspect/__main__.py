"""`python -m tap_adspect` is `tap-adspect`."""

from __future__ import annotations

from tap_adspect.tap import TapAdspect

TapAdspect.cli()
