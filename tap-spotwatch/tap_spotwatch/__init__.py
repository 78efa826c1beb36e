"""Singer tap for the Spotwatch API (https://api.spotwatch.io)."""

from __future__ import annotations
