"""Dagster code location of this repository: nightly loads and backfills of every account, through Meltano."""
