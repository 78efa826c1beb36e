"""Singer tap for the iSpot.tv API, version 4."""

from __future__ import annotations
