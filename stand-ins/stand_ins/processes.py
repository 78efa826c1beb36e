"""Servers in processes of their own: waited for, stopped whatever happens, and served by hand until a signal."""

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
    """Return the last line of what a server said, which is why it did not start."""
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no message"


def is_ready(process: subprocess.Popen[bytes], sign: Path) -> bool:
    """Wait until a server has made a file by which it tells that it is ready.

    Args:
        process: The server.
        sign: The file.

    Returns:
        Whether it is there; if not, the server has ended, or took more than a minute.
    """
    deadline = time.monotonic() + START_SECONDS
    while not sign.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def close(process: subprocess.Popen[bytes]) -> None:
    """Stop a server that ends with its standard input, by force in the end."""
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
        server: Runs while it is entered.
        announce: What is printed once it runs.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    # SIGINT too: a shell starts what it puts into the background with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    with contextlib.suppress(KeyboardInterrupt), server as running:
        print(announce(running), flush=True)  # noqa: T201 - what the command is for
        while True:
            signal.pause()
