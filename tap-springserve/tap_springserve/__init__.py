"""Singer tap for the SpringServe API, versions 0 and 1."""

from __future__ import annotations
