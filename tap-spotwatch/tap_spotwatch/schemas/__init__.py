"""JSON Schema of each stream, one file per stream."""

from __future__ import annotations
