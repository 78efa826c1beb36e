"""Snowflake stand-in: fakesnow's server on an in-memory DuckDB. Its data are lost when it stops.

    python -m stand_ins.snowflake install    # creates its environment in .venvs, from PyPI
    python -m stand_ins.snowflake serve      # prints the environment variables to set and runs until Ctrl-C

In a test: `with server(tmp_path) as snowflake:`. The loader and its connector run unmodified: they connect to
`https://<account>.snowflakecomputing.com`, and a proxy set in the environment redirects them to the stand-in.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stand_ins.environments import REQUIREMENTS, EnvironmentFailedError, ensure
from stand_ins.processes import START_SECONDS, close, last_line, serve, wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HOST = "127.0.0.1"
OLDEST_PYTHON = (3, 11)


class SnowflakeError(RuntimeError):
    """The server does not start or cannot run a query; a one-line message with the cause."""


@dataclass(frozen=True)
class Snowflake:
    """A running server.

    Attributes:
        port: HTTPS port on `HOST`, for this class.
        proxy: Port of the proxy, for the loader.
        folder: Keys, certificate, stage and log; contains no data.
        pid: Process id of the server.
        passphrase: Passphrase of the private key.
    """

    port: int
    proxy: int
    folder: Path
    pid: int
    passphrase: str
    account: str = "stand-in"
    user: str = "LOADER"
    role: str = "LOADING"
    warehouse: str = "SMALL"
    database: str = "ADTECH"

    def settings(self) -> dict[str, str]:
        """Return the connection as settings of target-snowflake."""
        return {
            "account": self.account,
            "user": self.user,
            "private_key_path": str(self.folder / "rsa_key.p8"),
            "private_key_passphrase": self.passphrase,
            "role": self.role,
            "warehouse": self.warehouse,
            "database": self.database,
        }

    def environment(self) -> dict[str, str]:
        """Return the environment variables that redirect the loader and turn off the connector's cloud detection."""
        return {
            "HTTPS_PROXY": f"http://{HOST}:{self.proxy}",
            "REQUESTS_CA_BUNDLE": str(self.folder / "tls.pem"),
            "SNOWFLAKE_DISABLE_PLATFORM_DETECTION": "true",
        }

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Run SQL on the server's DuckDB; decimals and instants (UTC) are returned as text."""
        answer = self._request("query", {"sql": sql})
        names = [name for name, _ in answer["columns"]]
        return [dict(zip(names, row, strict=True)) for row in answer["rows"]]

    def types(self, table: str) -> dict[str, str]:
        """Return the columns of `schema.table`, in upper case, with their DuckDB types."""
        answer = self._request("query", {"sql": f"from {self.database}.{table} limit 0"})
        return dict(answer["columns"])

    def seen(self) -> dict[str, Any]:
        """Return `logins`, and the number of `statements` by first word."""
        return self._request("seen")

    def _request(self, path: str, body: dict[str, str] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(
            f"https://{HOST}:{self.port}/stand-in/{path}", data=None if body is None else json.dumps(body).encode()
        )
        trusted = ssl.create_default_context(cafile=str(self.folder / "tls.pem"))
        # Ignore the proxies of the environment: they may point to the stand-in.
        direct = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted)
        )
        try:
            with direct.open(request, timeout=START_SECONDS) as answer:
                read: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            raise SnowflakeError(f"the Snowflake stand-in reported an error: {error.read().decode()}") from None
        return read


def install() -> Path:
    """Create the environment unless it exists, and return its Python.

    Raises:
        EnvironmentFailedError: The environment could not be created.
    """
    if sys.version_info < OLDEST_PYTHON:
        raise EnvironmentFailedError("fakesnow requires Python 3.11 or newer: use such a Python for the project")
    return ensure("stand-in-snowflake", REQUIREMENTS / "snowflake.txt")


@contextlib.contextmanager
def server(folder: Path, port: int = 0) -> Iterator[Snowflake]:
    """Run a server, and always stop it at the end.

    Args:
        folder: Existing folder for keys, stage and log.
        port: Port of the proxy; 0 = any free port.

    Yields:
        The running server.

    Raises:
        EnvironmentFailedError: The environment could not be created.
        SnowflakeError: The server does not start.
    """
    python = install()
    ready, log, passphrase = folder / "ready.json", folder / "snowflake.log", secrets.token_urlsafe(16)
    ready.unlink(missing_ok=True)
    arguments = [str(folder), Snowflake.account, Snowflake.user, str(port)]
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603 - a program of this package
            [str(python), "-m", "stand_ins.snowflake_server", *arguments],
            # Run as a module: as a script, it would shadow the connector's package `snowflake`.
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
            # The server ends with this pipe, and so with this process, even if this process is killed.
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=file,
            # Ctrl-C in a terminal is sent to the test only; the test then stops the server.
            start_new_session=True,
        )
    try:
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it has ended; the wait below reports why
                process.stdin.write(f"{passphrase}\n".encode())
                process.stdin.flush()
        if not wait_until_ready(process, ready):
            raise SnowflakeError(f"the Snowflake stand-in does not start: {last_line(log)}")
        ports = json.loads(ready.read_text())
        yield Snowflake(ports["https"], ports["proxy"], folder, process.pid, passphrase)
    finally:
        close(process)


@contextlib.contextmanager
def _temporary(port: int) -> Iterator[Snowflake]:
    with tempfile.TemporaryDirectory(prefix="stand-in-snowflake-") as folder, server(Path(folder), port) as running:
        yield running


def _announcement(running: Snowflake) -> str:
    settings = {f"TARGET_SNOWFLAKE_{name.upper()}": value for name, value in running.settings().items()}
    return "\n".join(f"export {name}={value}" for name, value in (running.environment() | settings).items())


def main(arguments: Sequence[str] | None = None) -> int:
    """Install fakesnow or run a server; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m stand_ins.snowflake", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="create the environment in .venvs unless it exists")
    serving = commands.add_parser("serve", help="run a server until Ctrl-C")
    serving.add_argument("--port", type=int, default=0, help="port of the proxy; default: any free port")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "install" and sys.version_info < OLDEST_PYTHON:
            # Not an error: the tests that need it are skipped for this reason.
            print("fakesnow is not installed: it requires Python 3.11 or newer")  # noqa: T201 - the command's output
        elif chosen.command == "install":
            print(f"fakesnow is in {install().parents[1]}")  # noqa: T201 - the command's output
        else:
            serve(_temporary(chosen.port), _announcement)
    except (EnvironmentFailedError, SnowflakeError) as error:
        print(f"stand_ins.snowflake: {error}", file=sys.stderr)  # noqa: T201 - the command's error message
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
