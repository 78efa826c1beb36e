"""Entry point of a program, which handles Ctrl-C before importing the tap.

This module imports only the standard library, to minimize the time in which a signal would cause a traceback.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType

SIGNAL_BASE = 128
"""Added to the signal number in the exit code, as in shells."""

COLLECTED = 50_000
"""New objects before a collection, 700 by default: a page of rows is many objects without circles."""


def start(program: str, module: str, tap: str) -> None:
    """Import a tap and run its command line.

    `--version` is answered without importing the tap, in the form of singer-sdk's `print_version`.

    Args:
        program: Name of the program and of its package.
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
    if sys.argv[1:] == ["--version"]:
        print(f"{program} v{_version(program)}, Meltano SDK v{_version('singer-sdk')}")  # noqa: T201 - its purpose
        return
    # Collections during the imports would free next to nothing and take a tenth of the time.
    gc.disable()
    command = getattr(importlib.import_module(module), tap).cli
    gc.freeze()
    gc.set_threshold(COLLECTED)
    gc.enable()
    command()


def _version(package: str) -> str:
    from importlib import metadata  # noqa: PLC0415 - after the signals are handled

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "[could not be detected]"
