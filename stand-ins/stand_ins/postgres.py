"""PostgreSQL of the machine, in a cluster of its own: a temporary folder, a free port, a password.

    python -m stand_ins.postgres install    # Debian's package, where no PostgreSQL is
    python -m stand_ins.postgres serve      # prints the connection, runs until Ctrl-C

In a test: `with cluster() as database:`. The server refuses to run as root; started by root it runs as the user
`postgres`, or `nobody` where there is no such user.
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

from stand_ins.processes import serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HOST = "127.0.0.1"
USER = "loader"
DATABASE = "postgres"
STARTS = 5
START_SECONDS = 60
STOP_SECONDS = 15

# Where distributions keep the server's programs, which Debian does not put on PATH.
FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")

# Nothing here outlives a test: no fsync. No socket in a folder: its path may be too long, and nobody asked for it.
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

# Debian's package makes and starts a cluster `main` when it is installed, unless createcluster.conf says no.
# The file is put back, as it is the administrator's.
INSTALL = """
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq -y --no-install-recommends postgresql-common
file=/etc/postgresql-common/createcluster.conf
cp -p "$file" "$file.stand-ins"
trap 'mv -f "$file.stand-ins" "$file"' EXIT
echo 'create_main_cluster = false' >> "$file"
apt-get install -qq -y --no-install-recommends postgresql
"""
BY_HAND = "install PostgreSQL 13 or newer by hand, so that `initdb` and `postgres` are on PATH"


class PostgresError(RuntimeError):
    """PostgreSQL is not there, cannot be installed, or does not start; one line says which and what to do."""


@dataclass(frozen=True)
class Cluster:
    """A running server.

    Attributes:
        port: of `HOST`, over TCP.
        password: of the superuser `USER`, made for this cluster.
        pid: the server's process.
        folder: data and log; gone when the cluster is stopped.
    """

    port: int
    password: str
    pid: int
    folder: Path
    host: str = HOST
    user: str = USER
    database: str = DATABASE

    def uri(self, scheme: str = "postgresql", database: str = "") -> str:
        """Return the address with user and password, of `database` or of the one that is always there."""
        secret = quote(self.password, safe="")
        return f"{scheme}://{self.user}:{secret}@{self.host}:{self.port}/{database or self.database}"

    def settings(self) -> dict[str, str | int]:
        """Return the connection as target-postgres names it."""
        return {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "database": self.database,
        }


def programs() -> Path:
    """Return the folder that has both `initdb` and `postgres`: the first of PATH, else the newest version's.

    Raises:
        PostgresError: There is none.
    """
    on_path = [Path(name) for name in os.environ.get("PATH", "").split(os.pathsep) if name]
    known = [path for pattern in FOLDERS for path in Path("/").glob(pattern.lstrip("/"))]
    for folder in [*on_path, *sorted(known, key=_version, reverse=True)]:
        if all(os.access(folder / name, os.X_OK) for name in ("initdb", "postgres")):
            # A link on PATH would do for `postgres`, but initdb looks for its neighbour where it really is.
            return (folder / "initdb").resolve().parent
    raise PostgresError(f"PostgreSQL is not installed: run `python -m stand_ins.postgres install`, or {BY_HAND}")


def _version(folder: Path) -> list[int]:
    """Return the numbers in a folder's path, so that 9 comes before 15."""
    return [int(part) for part in "".join(c if c.isdigit() else " " for c in str(folder)).split()]


def install() -> Path:
    """Install Debian's package where no PostgreSQL is; return the folder of the programs.

    No cluster is made or started. Needs root, or sudo without a password.

    Raises:
        PostgresError: It could not be installed.
    """
    with contextlib.suppress(PostgresError):
        return programs()
    if shutil.which("apt-get") is None:
        raise PostgresError(f"there is no apt-get on this machine; {BY_HAND}")
    prefix: list[str] = []
    if os.geteuid() != 0:
        asked = shutil.which("sudo") and subprocess.run(
            ["sudo", "-n", "true"],  # noqa: S607 - the machine's own
            check=False,
            capture_output=True,
        )
        if not asked or asked.returncode:
            raise PostgresError(
                f"installing needs root, or sudo without a password; as root run this again, or {BY_HAND}"
            )
        prefix = ["sudo", "-n"]
    done = subprocess.run([*prefix, "sh", "-ec", INSTALL], check=False, capture_output=True, text=True)  # noqa: S603 - a constant
    if done.returncode:
        raise PostgresError(f"apt-get failed: {_last_line(done.stderr or done.stdout)}; {BY_HAND}")
    return programs()


def _last_line(text: str) -> str:
    """Return the last line that says something, for a message of one line."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no message")


@contextlib.contextmanager
def cluster(folder: Path | None = None, settings: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """Make a cluster, run its server, and leave nothing of it behind.

    Args:
        folder: where the temporary folder is made, the system's by default. Started by root, the server is another
            user, who must be able to reach it.
        settings: of the server, beside those that make it quick and forgetful, such as `TimeZone`.

    Yields:
        The running server.

    Raises:
        PostgresError: There is no PostgreSQL, or it does not start.
    """
    place = Path(tempfile.mkdtemp(prefix="stand-in-postgres-", dir=folder))
    try:
        password = secrets.token_urlsafe(16)
        _initialise(place, password)
        process, port = _start(place, {**SETTINGS, **(settings or {})})
        try:
            yield Cluster(port, password, process.pid, place)
        finally:
            _stop(process)
    finally:
        shutil.rmtree(place)


def _initialise(place: Path, password: str) -> None:
    """Make the files of a cluster below `place`, owned by the user who will serve it."""
    secret = place / "password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    name = _server_user()
    if name:
        for path in (place, secret):
            shutil.chown(path, name, pwd.getpwnam(name).pw_gid)
    options = [f"--username={USER}", f"--pwfile={secret.name}", "--auth=scram-sha-256", "--encoding=UTF8"]
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own program
        # The same sort order on every machine; no fsync of files that nobody will keep.
        [str(programs() / "initdb"), "--pgdata=data", *options, "--locale=C", "--no-sync"],
        cwd=place,
        check=False,
        capture_output=True,
        text=True,
        **_identity(),
    )
    secret.unlink()
    if done.returncode:
        closed = next((parent for parent in place.resolve().parents if not parent.stat().st_mode & stat.S_IXOTH), None)
        if closed and _server_user():
            raise PostgresError(f"the server runs as {_server_user()}, who cannot enter {closed}: give another folder")
        raise PostgresError(f"initdb failed in {place}: {_last_line(done.stderr)}")


def _server_user() -> str | None:
    """Return the name of the user to serve as, where this process is root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _identity() -> dict[str, Any]:
    """Return what makes a process started by root be another user's."""
    name = _server_user()
    return {} if name is None else {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}


def _start(place: Path, settings: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], int]:
    """Start the server on a free port; another process may take the port meanwhile, then on another one."""
    log = place / "log"
    for _ in range(STARTS):
        port = _free_port()
        process = _serve(place, log, {**settings, "port": str(port)})
        if _wait(process, place / "data" / "postmaster.pid"):
            return process, port
        if "Address already in use" not in log.read_text(errors="replace"):
            break
    raise PostgresError(f"PostgreSQL does not start: {_last_line(log.read_text(errors='replace'))}")


def _free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _serve(place: Path, log: Path, settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start the server's process, which ends with this one, even where this one is killed."""
    # SIGINT is a fast shutdown. Without setpriv (not Linux) a killed test leaves the server behind.
    prefix = ["setpriv", "--pdeathsig=INT"] if shutil.which("setpriv") else []
    options = [f"--{key}={value}" for key, value in settings.items()]
    with log.open("wb") as file:
        return subprocess.Popen(  # noqa: S603 - PostgreSQL's own program
            [*prefix, str(programs() / "postgres"), "-D", "data", *options],
            cwd=place,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            # Ctrl-C at a terminal goes to the test, which then stops the server.
            start_new_session=True,
            **_identity(),
        )


def _wait(process: subprocess.Popen[bytes], status: Path) -> bool:
    """Wait until the server says in its own file that it is ready; False where it ended instead.

    A connection would not tell whose server answers.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return False
        with contextlib.suppress(OSError, IndexError):
            # The eighth line is the state, since PostgreSQL 10.
            if status.read_text().splitlines()[7].strip() == "ready":
                return True
        time.sleep(0.05)
    _stop(process)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the server: quickly, at once if that takes too long, by force in the end."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
            return


def main(arguments: Sequence[str] | None = None) -> int:
    """Install or serve; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m stand_ins.postgres", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="install Debian's package, where no PostgreSQL is")
    server = commands.add_parser("serve", help="run a cluster until Ctrl-C")
    server.add_argument("--folder", type=Path, help="where the temporary folder is made")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "install":
            print(f"PostgreSQL is in {install()}")  # noqa: T201 - what the command is for
        else:
            serve(cluster(chosen.folder), Cluster.uri)
    except PostgresError as error:
        print(f"stand_ins.postgres: {error}", file=sys.stderr)  # noqa: T201 - one line for the user
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
