"""Singer target that upserts Arrow batches into an embedded DuckDB database, exactly."""
