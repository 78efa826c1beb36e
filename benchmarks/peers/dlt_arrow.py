"""dlt with Arrow tables made by hand: one table per page, of rows flattened like those of the loop."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import dlt
from loop import tables


def main(config: dict[str, Any]) -> None:
    """Load all pages: files of Parquet, or DuckDB with a merge by key."""
    database = config.get("database")
    pipeline = dlt.pipeline(
        "benchmark",
        pipelines_dir=config["folder"],
        dataset_name="airings",
        destination=dlt.destinations.duckdb(database)
        if database
        else dlt.destinations.filesystem(config["destination"]),
    )
    resource = dlt.resource(
        tables(config),
        name="audience_airings",
        primary_key="airing_id",
        write_disposition="merge" if database else "append",
    )
    pipeline.run(resource, loader_file_format="parquet").raise_on_failed_jobs()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
