"""Temporary Redis servers: each with its own folder, port and password.

    python -m stand_ins.redis install    # installs Debian's package unless Redis is installed
    python -m stand_ins.redis serve      # prints the URL and runs until Ctrl-C

In a test: `with server() as url:`. Data is kept in memory only.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from stand_ins.processes import START_SECONDS, last_line, serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HOST = "127.0.0.1"
STARTS = 5

# Debian's package starts a server on the default port unless the administrator's policy forbids it.
INSTALL = """
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\\nexit 101\\n' > "$policy"
  chmod 755 "$policy"
fi
apt-get install -qq -y --no-install-recommends redis-server
"""
MANUAL_INSTALL = "install Redis 6 or newer and put `redis-server` on PATH"


class RedisError(RuntimeError):
    """Redis is missing, cannot be installed or does not start; a one-line message with cause and remedy."""


def install() -> str:
    """Install Debian's package unless Redis is installed, and return the path of the program.

    Does not start a service. Requires root, or sudo without a password.

    Raises:
        RedisError: The installation failed.
    """
    if program := shutil.which("redis-server"):
        return program
    if shutil.which("apt-get") is None:
        raise RedisError(f"apt-get is not available on this machine; {MANUAL_INSTALL}")
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    try:
        done = subprocess.run([*prefix, "sh", "-ec", INSTALL], check=False, capture_output=True, text=True)  # noqa: S603 - a constant
    except FileNotFoundError as error:
        raise RedisError(f"installing Redis requires root or sudo; {MANUAL_INSTALL}") from error
    if done.returncode:
        reason = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise RedisError(f"apt-get failed: {reason[-1]}; {MANUAL_INSTALL}")
    return install()


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Run a server, and delete everything afterwards.

    Yields:
        The URL, with the password.

    Raises:
        RedisError: Redis is not installed or does not start.
    """
    program = shutil.which("redis-server")
    if program is None:
        raise RedisError(f"Redis is not installed: run `python -m stand_ins.redis install`, or {MANUAL_INSTALL}")
    with tempfile.TemporaryDirectory(prefix="stand-in-redis-") as name:
        folder = Path(name)
        password = secrets.token_urlsafe(16)
        process, port = _start(program, folder, password)
        try:
            yield f"redis://:{password}@{HOST}:{port}/0"
        finally:
            process.kill()  # it has no data to save
            process.wait()


def _start(program: str, folder: Path, password: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start the server on a free port; try another port if a different process takes it in the meantime."""
    log = folder / "log"
    settings = folder / "redis.conf"
    for _ in range(STARTS):
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
        lines = [f"bind {HOST}", f"port {port}", f"requirepass {password}", 'save ""', f"dir {folder}"]
        # In a file that only its owner can read: arguments are visible to every user.
        settings.touch(mode=0o600)
        settings.write_text("\n".join(lines))
        # The server ends with this process, even if this process is killed.
        prefix = ["setpriv", "--pdeathsig=KILL"] if shutil.which("setpriv") else []
        with log.open("wb") as file:
            process = subprocess.Popen(  # noqa: S603 - Redis
                [*prefix, program, str(settings)],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        until = time.monotonic() + START_SECONDS
        # A connection would not do: another server might answer on the port.
        while process.poll() is None and time.monotonic() < until:
            if b"Ready to accept connections" in log.read_bytes():
                return process, port
            time.sleep(0.05)
        process.kill()
        process.wait()
        if "Address already in use" not in log.read_text(errors="replace"):
            break
    raise RedisError(f"Redis does not start: {last_line(log)}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Install Redis or run a server; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m stand_ins.redis", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="install Debian's package unless Redis is installed")
    commands.add_parser("serve", help="run a server until Ctrl-C")
    try:
        if parser.parse_args(arguments).command == "install":
            print(f"Redis is {install()}")  # noqa: T201 - the command's output
        else:
            serve(server(), str)
    except RedisError as error:
        print(f"stand_ins.redis: {error}", file=sys.stderr)  # noqa: T201 - the command's error message
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
