"""Speed of each loader of meltano.yml, with its settings there, on the same records.

Loads records of 40 columns into an empty table with the program that Meltano installed (`make loaders stand-ins`).
PostgreSQL is a real server; Snowflake and S3 are stand-ins, so only the CPU seconds of their loaders are meaningful.

    python benchmarks/loaders.py [--rows 20000]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loader_duckdb import SEED, Cost, properties, run, write_input
from stand_ins import postgres, s3, snowflake

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = "benchmark"


@contextlib.contextmanager
def loaders(folder: Path) -> Iterator[dict[str, tuple[str, dict[str, Any]]]]:
    """Start the servers that the loaders need; yield plugin and settings by loader."""
    with (
        postgres.cluster() as database,
        s3.server(_folder(folder, "s3")) as store,
        snowflake.server(_folder(folder, "snowflake")) as warehouse,
    ):
        # Redirects Snowflake's connector to the stand-in; the other loaders connect to local addresses.
        os.environ.update(warehouse.environment())
        cloud = {
            "aws_access_key_id": store.access_key,
            "aws_secret_access_key": store.secret_key,
            "aws_region": store.region,
            "aws_bucket": store.bucket,
            "aws_endpoint_override": store.endpoint,
        }
        bucket = {
            "cloud_provider": {"cloud_provider_type": "aws", "aws": cloud},
            "prefix": SCHEMA,
            "datetime_error_treatment": "error",
            "max_batch_size": 100_000,
            "add_record_metadata": True,
        }
        yield {
            "target-duckdb": (
                "target-duckdb/venv/bin/target-duckdb-arrow",
                {"filepath": str(folder / "benchmark.duckdb")},
            ),
            "target-postgres": (
                "target-postgres/venv/bin/target-postgres",
                {
                    **database.settings(),
                    "default_target_schema": SCHEMA,
                    "use_copy": False,
                    "validate_records": False,
                    "sanitize_null_text_characters": True,
                    "add_record_metadata": False,
                    "activate_version": False,
                },
            ),
            "target-snowflake": (
                "target-snowflake/venv/bin/target-snowflake",
                {
                    **warehouse.settings(),
                    "default_target_schema": SCHEMA,
                    "load_method": "upsert",
                    "timestamp_type": "TIMESTAMP_TZ",
                    "batch_size_rows": 20_000,
                    "validate_records": False,
                    "add_record_metadata": True,
                },
            ),
            "target-s3, Parquet": (
                "target-s3/venv/bin/target-s3-strict",
                {**bucket, "format": {"format_type": "parquet"}},
            ),
            "target-s3, lines": ("target-s3/venv/bin/target-s3-strict", {**bucket, "format": {"format_type": "jsonl"}}),
            "target-jsonl": ("target-jsonl/venv/bin/target-jsonl", {"destination_path": str(folder)}),
        }


def _folder(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=20_000, help="records in each run")
    rows: int = parser.parse_args().rows
    costs: dict[str, Cost] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, config = folder / "input.singer", folder / "config.json"
        write_input(source, rows, SEED)
        with loaders(folder) as chosen:
            for loader, (program, settings) in chosen.items():
                config.write_text(json.dumps(settings))
                costs[loader] = run([str(ROOT / ".meltano" / "loaders" / program), "--config", str(config)], source)
    ours = costs["target-duckdb"]
    print(f"{rows:,} records of {len(properties())} columns\n")
    print("| loader | seconds | CPU s | rows a second | rows a CPU second | CPU, times ours |")
    print("| --- | --- | --- | --- | --- | --- |")
    for loader, cost in costs.items():
        print(
            f"| {loader} | {cost.wall:.1f} | {cost.cpu:.1f} | {rows / cost.wall:,.0f} | {rows / cost.cpu:,.0f} | "
            f"{cost.cpu / ours.cpu:.1f} |"
        )


if __name__ == "__main__":
    main()
