"""Entry point of a program, which handles Ctrl-C before importing the tap.

This module imports only the standard library, to minimize the time in which a signal would cause a traceback.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType

SIGNAL_BASE = 128
"""Added to the signal number in the exit code, as in shells."""


def start(program: str, module: str, tap: str) -> None:
    """Import a tap and run its command line.

    Args:
        program: Name of the program, for messages.
        module: Module of the tap.
        tap: Name of the tap class.
    """

    def stop(number: int, _: FrameType | None) -> NoReturn:
        # Exit directly: no output or file is open yet, and an exception would interrupt an import.
        os.write(2, f"{program}: stopped by signal {number}: run it again to continue from the last STATE\n".encode())
        os._exit(SIGNAL_BASE + number)

    # The tap installs its own handlers later.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    if sys.stdout is None:
        sys.exit(f"{program}: stdout is closed: check the program that starts this one")
    getattr(importlib.import_module(module), tap).cli()
