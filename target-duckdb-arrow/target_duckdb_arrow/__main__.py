"""Runs the target by `python -m target_duckdb_arrow`."""

from __future__ import annotations

from target_duckdb_arrow.target import TargetDuckDBArrow

TargetDuckDBArrow.cli()
