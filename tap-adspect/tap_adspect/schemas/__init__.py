"""JSON Schemas of the streams other than reports, one file per stream."""

from __future__ import annotations
