"""Meltano as a subprocess that never outlives its Dagster run.

Meltano, the tap and the loader share one process group. A termination reaches the whole group, and what remains after
a grace period is killed. If the Dagster process itself is killed, Linux sends SIGTERM to Meltano, which stops the
others.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from adtech_orchestration.project import ProjectError, root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

GRACE = 20.0
"""Seconds from a termination to the kill of the remaining processes."""

# `execv` keeps the process id, and file descriptors that are inheritable.
_FOLLOW = """
import ctypes, os, signal, sys
parent, *command = sys.argv[1:]
prctl = getattr(ctypes.CDLL(None), "prctl", None)
if prctl is not None:
    prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    if os.getppid() != int(parent):
        sys.exit(128 + signal.SIGTERM)
os.execv(command[0], command)
"""


def run(
    command: Sequence[str],
    variables: Mapping[str, str],
    on_line: Callable[[str], None],
    lock: Path,
) -> int:
    """Run a Meltano command to its end; no process is left when this returns or raises.

    Args:
        command: Program and arguments.
        variables: Environment variables in addition to this process's.
        on_line: Called with each line of output.
        lock: File that is locked as long as Meltano lives, so that `--force` cannot start a second run of a state.

    Returns:
        Meltano's exit code, negative for a signal.

    Raises:
        ProjectError: Another run of this state is alive on this machine, or Meltano is not installed.
    """
    if not os.access(command[0], os.X_OK):
        raise ProjectError(f"{command[0]} is not installed: run `make setup`")
    with _exclusive(lock) as held:
        process = subprocess.Popen(  # noqa: S603 - Meltano
            [sys.executable, "-ISc", _FOLLOW, str(os.getpid()), *command],
            cwd=root(),
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            # Meltano keeps the lock if this process is killed.
            pass_fds=(held,),
        )
        try:
            for line in process.stdout or ():
                on_line(line)
            return process.wait()
        finally:
            _end(process)


@contextmanager
def _exclusive(lock: Path) -> Iterator[int]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"another run of {lock.stem} is alive on this machine: wait for it or stop it"
            raise ProjectError(message) from error
        yield file.fileno()


def _end(process: subprocess.Popen[Any]) -> None:
    """End the process group: SIGTERM, then SIGKILL after the grace period."""
    until = time.monotonic() + GRACE
    _signal(process, signal.SIGTERM)
    # A full pipe would keep Meltano from ending.
    drain = threading.Thread(target=lambda: deque(process.stdout or (), maxlen=0), daemon=True)
    drain.start()
    while time.monotonic() < until and _alive(process):
        time.sleep(0.1)
    _signal(process, signal.SIGKILL)
    process.wait()
    drain.join()
    if process.stdout is not None:
        process.stdout.close()


def _alive(process: subprocess.Popen[Any]) -> bool:
    process.poll()  # a dead leader that nobody has waited for would stay in the group
    return _signal(process, 0)


def _signal(process: subprocess.Popen[Any], number: int) -> bool:
    with suppress(ProcessLookupError, PermissionError):  # macOS: only dead processes are left in the group
        os.killpg(process.pid, number)
        return True
    return False
