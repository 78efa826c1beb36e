"""One run of one job in this process, for the terminal: `python -m adtech_orchestration.run ispot`.

Progress is printed to stdout as JSON lines, `{"note": "..."}`, and the last line is the result. Exit code 0 if the run
succeeded, 1 if it failed, 143 if it was stopped by SIGTERM.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any, TextIO

import dagster as dg
from typing_extensions import override

from adtech_orchestration.definitions import defs
from adtech_orchestration.loads import PROGRESS

STOPPED = 128 + signal.SIGTERM


class _Notes(logging.Handler):
    """A handler that prints progress as JSON lines."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    @override
    def emit(self, record: logging.LogRecord) -> None:
        print(json.dumps({"note": record.getMessage()}), file=self._stream, flush=True)


def run(name: str, partition: str | None, config: dict[str, Any]) -> dict[str, Any]:
    """Run a job; return its result, rows (of tables) and error.

    Args:
        name: Name of the job.
        partition: Month, for a job with months.
        config: Options of the load.
    """
    job = defs.resolve_job_def(name)
    (node,) = job.nodes
    done = job.execute_in_process(
        instance=dg.DagsterInstance.get(),
        partition_key=partition,
        run_config={"ops": {node.name: {"config": config}}},
        raise_on_error=False,
    )
    events = [event for event in done.all_events if event.is_step_materialization]
    loaded = [event.step_materialization_data.materialization.metadata.get("rows") for event in events]
    counts = [number.value for number in loaded if number and isinstance(number.value, int)]
    failures = [event.step_failure_data for event in done.all_events if event.is_step_failure]
    error = failures[-1].user_failure_data.description if failures and failures[-1].user_failure_data else ""
    return {"success": done.success, "rows": sum(counts) if counts else None, "error": error, "run_id": done.run_id}


def main() -> int:
    """Run one job; return the exit code."""
    parser = argparse.ArgumentParser(description="Run one job in this process.")
    parser.add_argument("job")
    parser.add_argument("--partition", help="month, such as 2025-03")
    parser.add_argument("--full-refresh", action="store_true", help="ignore the bookmarks")
    options = parser.parse_args()
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as out, Path(os.devnull).open("w") as nowhere:
        # Meltano's output is in the log file.
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
        PROGRESS.addHandler(_Notes(out))
        PROGRESS.setLevel(logging.INFO)
        PROGRESS.propagate = False
        result = run(options.job, options.partition, {"full_refresh": options.full_refresh})
        print(json.dumps(result), file=out, flush=True)
    return 0 if result["success"] else 1


if __name__ == "__main__":
    sys.exit(main())
