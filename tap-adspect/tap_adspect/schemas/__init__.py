"""JSON Schema of each stream that no report makes, one file a stream."""

from __future__ import annotations
