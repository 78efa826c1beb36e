"""JSON Schema of each stream, one file a stream."""

from __future__ import annotations
