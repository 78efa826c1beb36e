"""Entry point of the program."""

from __future__ import annotations

import os
import signal

_SIGNAL_EXIT = 128  # shells add it to the number of the signal that ended a program


def _stop(number: int, _: object) -> None:
    # An exception would print a traceback from the imports. Nothing has been read or written yet.
    os.write(2, f"target-duckdb-arrow: stopped by signal {number} while it started\n".encode())
    os._exit(_SIGNAL_EXIT + number)


def main() -> None:
    """Run the target. Its imports take most of a second, during which signals are handled here."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    from target_duckdb_arrow.target import TargetDuckDBArrow  # noqa: PLC0415 - after the signals

    TargetDuckDBArrow.cli()


if __name__ == "__main__":
    main()
