"""Entry point of the program."""

from __future__ import annotations

import gc
import os
import signal
import sys

_SIGNAL_EXIT = 128  # shells add it to the number of the signal that ended a program


def _stop(number: int, _: object) -> None:
    # An exception would print a traceback from the imports. Nothing has been read or written yet.
    os.write(2, f"target-duckdb-arrow: stopped by signal {number} while it started\n".encode())
    os._exit(_SIGNAL_EXIT + number)


def main() -> None:
    """Run the target. Its imports take nearly half a second, during which signals are handled here."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    if sys.argv[1:] == ["--version"]:
        _print_version()
        return
    # Collections during the imports would free almost nothing and take a tenth of the time.
    gc.disable()
    from target_duckdb_arrow.target import TargetDuckDBArrow  # noqa: PLC0415 - after the signals

    # Without `gc.freeze()`: DuckDB's bindings would report the frozen objects at the end.
    gc.enable()
    TargetDuckDBArrow.cli()


def _print_version() -> None:
    """Print the versions as singer-sdk does, without importing it."""
    from importlib.metadata import version  # noqa: PLC0415 - after the signals

    sys.stdout.write(f"target-duckdb-arrow v{version('target-duckdb-arrow')}, Meltano SDK v{version('singer-sdk')}\n")


if __name__ == "__main__":
    main()
