"""The first second of a program: a tap is imported where Ctrl-C is heard already.

This module imports nothing but the standard library, so that little time is left in which a signal would end in a
traceback of whatever is being imported.
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
"""What shells add to the number of the signal that ended a program."""


def start(program: str, module: str, tap: str) -> None:
    """Import a tap and run its command line.

    Args:
        program: Its name, for messages.
        module: Where it is.
        tap: Its class.
    """

    def stop(number: int, _: FrameType | None) -> NoReturn:
        # Nothing was written or opened yet, and an exception would pass through the middle of an import.
        os.write(2, f"{program}: stopped by signal {number}: run it again to continue from the last STATE\n".encode())
        os._exit(SIGNAL_BASE + number)

    # The tap has handlers of its own once it is made.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    if sys.stdout is None:
        sys.exit(f"{program}: stdout is closed: check the program that starts this one")
    getattr(importlib.import_module(module), tap).cli()
