"""Server processes: waiting for them, stopping them, and running them until a signal."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import FrameType

T = TypeVar("T")

START_SECONDS = 60
STOP_SECONDS = 15


def last_line(log: Path) -> str:
    """Return the last line of a server's log: the reason why it did not start."""
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no message"


def wait_until_ready(process: subprocess.Popen[bytes], ready_file: Path) -> bool:
    """Wait until a server has created a file that signals that it is ready.

    Args:
        process: The server.
        ready_file: The file.

    Returns:
        False if the server has ended or took more than a minute.
    """
    deadline = time.monotonic() + START_SECONDS
    while not ready_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def close(process: subprocess.Popen[bytes]) -> None:
    """Stop a server that ends with its standard input; kill it after a timeout."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def serve(server: AbstractContextManager[T], announce: Callable[[T], str]) -> None:
    """Run a server until SIGINT or SIGTERM.

    Args:
        server: Context manager that runs the server.
        announce: Returns the text to print once the server is running.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    # Set SIGINT too: shells start background processes with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    with contextlib.suppress(KeyboardInterrupt), server as running:
        print(announce(running), flush=True)  # noqa: T201 - the command's output
        while True:
            signal.pause()
