"""`python -m tap_springserve` is `tap-springserve`."""

from __future__ import annotations

from tap_springserve.tap import TapSpringServe

TapSpringServe.cli()
