"""Singer tap for the Magnite Streaming Seller Platform API, version 1."""

from __future__ import annotations
