"""Temporary PostgreSQL clusters: each with its own folder, port and password.

    python -m stand_ins.postgres install    # installs Debian's package unless PostgreSQL is installed
    python -m stand_ins.postgres serve      # prints the connection URI and runs until Ctrl-C

In a test: `with cluster() as database:`. The server refuses to run as root; if started by root, it runs as the user
`postgres`, or `nobody` if there is no such user.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from stand_ins.debian import InstallError, install_packages
from stand_ins.processes import serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HOST = "127.0.0.1"
USER = "loader"
DATABASE = "postgres"
STARTS = 5
START_SECONDS = 60
STOP_SECONDS = 15

# Where distributions install the server's programs; Debian does not put them on PATH.
FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")

# No fsync, because nothing outlives a test. No Unix socket: its path may be too long, and nothing uses it.
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "jit": "off",
}

# Debian's package creates and starts a cluster `main` on installation unless createcluster.conf prevents it. The
# administrator's file is restored afterwards.
INSTALL = """
apt-get install -qq -y --no-install-recommends postgresql-common
file=/etc/postgresql-common/createcluster.conf
cp -p "$file" "$file.stand-ins"
trap 'mv -f "$file.stand-ins" "$file"' EXIT
echo 'create_main_cluster = false' >> "$file"
apt-get install -qq -y --no-install-recommends postgresql
"""
MANUAL_INSTALL = "install PostgreSQL 13 or newer and put `initdb` and `postgres` on PATH"


class PostgresError(RuntimeError):
    """PostgreSQL is missing, cannot be installed or does not start; a one-line message with cause and remedy."""


@dataclass(frozen=True)
class Cluster:
    """A running server.

    Attributes:
        port: TCP port on `HOST`.
        password: Password of the superuser `USER`, generated for this cluster.
        pid: Process id of the server.
        folder: Data and log; deleted when the cluster stops.
    """

    port: int
    password: str
    pid: int
    folder: Path
    host: str = HOST
    user: str = USER
    database: str = DATABASE

    def uri(self, scheme: str = "postgresql", database: str = "") -> str:
        """Return the connection URI with user and password, for `database` or the default database."""
        secret = quote(self.password, safe="")
        return f"{scheme}://{self.user}:{secret}@{self.host}:{self.port}/{database or self.database}"

    def settings(self) -> dict[str, str | int]:
        """Return the connection as settings of target-postgres."""
        return {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "database": self.database,
        }


def programs() -> Path:
    """Return the folder that contains both `initdb` and `postgres`: the first on PATH, otherwise the newest version.

    Raises:
        PostgresError: PostgreSQL is not installed.
    """
    on_path = [Path(name) for name in os.environ.get("PATH", "").split(os.pathsep) if name]
    known = [path for pattern in FOLDERS for path in Path("/").glob(pattern.lstrip("/"))]
    for folder in [*on_path, *sorted(known, key=_version, reverse=True)]:
        if all(os.access(folder / name, os.X_OK) for name in ("initdb", "postgres")):
            # Resolve the link: unlike `postgres`, initdb looks for its siblings where it is installed.
            return (folder / "initdb").resolve().parent
    raise PostgresError(f"PostgreSQL is not installed: run `python -m stand_ins.postgres install`, or {MANUAL_INSTALL}")


def _version(folder: Path) -> list[int]:
    """Return the numbers in a folder's path, so that 9 sorts before 15."""
    return [int(part) for part in "".join(c if c.isdigit() else " " for c in str(folder)).split()]


def install() -> Path:
    """Install Debian's package unless PostgreSQL is installed, and return the folder of the programs.

    Does not create or start a cluster. Requires root, or sudo without a password.

    Raises:
        InstallError: The installation failed.
        PostgresError: The package has no such programs.
    """
    with contextlib.suppress(PostgresError):
        return programs()
    install_packages("PostgreSQL", INSTALL, MANUAL_INSTALL)
    return programs()


def _last_line(text: str) -> str:
    """Return the last non-empty line, for a one-line message."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no message")


@contextlib.contextmanager
def cluster(folder: Path | None = None, settings: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """Create a cluster, run its server, and delete everything afterwards.

    Args:
        folder: Parent of the temporary folder, by default the system's. If started by root, the server runs as another
            user, who must have access to it.
        settings: Settings of the server, such as `TimeZone`, in addition to those in `SETTINGS`.

    Yields:
        The running server.

    Raises:
        PostgresError: PostgreSQL is not installed or does not start.
    """
    directory = Path(tempfile.mkdtemp(prefix="stand-in-postgres-", dir=folder))
    try:
        password = secrets.token_urlsafe(16)
        _initialise(directory, password)
        process, port = _start(directory, {**SETTINGS, **(settings or {})})
        try:
            yield Cluster(port, password, process.pid, directory)
        finally:
            _stop(process)
    finally:
        shutil.rmtree(directory)


def _initialise(directory: Path, password: str) -> None:
    """Create the files of a cluster in `directory`, owned by the user who will run the server."""
    secret = directory / "password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    name = _server_user()
    if name:
        for path in (directory, secret):
            shutil.chown(path, name, pwd.getpwnam(name).pw_gid)
    options = [f"--username={USER}", f"--pwfile={secret.name}", "--auth=scram-sha-256", "--encoding=UTF8"]
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own program
        # The same sort order on every machine; no fsync, because the files are temporary.
        [str(programs() / "initdb"), "--pgdata=data", *options, "--locale=C", "--no-sync"],
        cwd=directory,
        check=False,
        capture_output=True,
        text=True,
        **_identity(),
    )
    secret.unlink()
    if done.returncode:
        closed = next(
            (parent for parent in directory.resolve().parents if not parent.stat().st_mode & stat.S_IXOTH), None
        )
        if closed and _server_user():
            raise PostgresError(f"the server runs as {_server_user()}, who cannot access {closed}: use another folder")
        raise PostgresError(f"initdb failed in {directory}: {_last_line(done.stderr)}")


def _server_user() -> str | None:
    """Return the user to run the server as if this process is root, otherwise None."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _identity() -> dict[str, Any]:
    """Return the arguments that start a process as the server's user."""
    name = _server_user()
    return {} if name is None else {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}


def _start(directory: Path, settings: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], int]:
    """Start the server on a free port; try another port if a different process takes it in the meantime."""
    log = directory / "log"
    for _ in range(STARTS):
        port = _free_port()
        process = _serve(directory, log, {**settings, "port": str(port)})
        if _wait(process, directory / "data" / "postmaster.pid"):
            return process, port
        if "Address already in use" not in log.read_text(errors="replace"):
            break
    raise PostgresError(f"PostgreSQL does not start: {_last_line(log.read_text(errors='replace'))}")


def _free_port() -> int:
    """Return a port that is currently free."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _serve(directory: Path, log: Path, settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start the server process; it ends with this process, even if this process is killed."""
    # SIGINT is a fast shutdown. Without setpriv (not Linux), the server of a killed test keeps running.
    prefix = ["setpriv", "--pdeathsig=INT"] if shutil.which("setpriv") else []
    options = [f"--{key}={value}" for key, value in settings.items()]
    with log.open("wb") as file:
        return subprocess.Popen(  # noqa: S603 - PostgreSQL's own program
            [*prefix, str(programs() / "postgres"), "-D", "data", *options],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            # Ctrl-C in a terminal is sent to the test only; the test then stops the server.
            start_new_session=True,
            **_identity(),
        )


def _wait(process: subprocess.Popen[bytes], status: Path) -> bool:
    """Wait until the server's status file reports that it is ready; return False if the server ended instead.

    A connection would not do: another server might answer on the port.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return False
        with contextlib.suppress(OSError, IndexError):
            # Since PostgreSQL 10 the eighth line is the state.
            if status.read_text().splitlines()[7].strip() == "ready":
                return True
        time.sleep(0.05)
    _stop(process)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the server with a fast shutdown, then an immediate one, then SIGKILL."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
            return


def main(arguments: Sequence[str] | None = None) -> int:
    """Install PostgreSQL or run a cluster; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m stand_ins.postgres", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="install Debian's package unless PostgreSQL is installed")
    server = commands.add_parser("serve", help="run a cluster until Ctrl-C")
    server.add_argument("--folder", type=Path, help="parent of the temporary folder")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "install":
            print(f"PostgreSQL is in {install()}")  # noqa: T201 - the command's output
        else:
            serve(cluster(chosen.folder), Cluster.uri)
    except (InstallError, PostgresError) as error:
        print(f"stand_ins.postgres: {error}", file=sys.stderr)  # noqa: T201 - the command's error message
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
