"""Singer tap for the Adspect API, version 1."""

from __future__ import annotations
