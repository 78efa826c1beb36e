"""Snowflake as fakesnow's server answers it, from DuckDB in memory: a stand-in. What it holds is gone when it stops.

    python -m stand_ins.snowflake install    # an environment of its own below .venvs, from PyPI
    python -m stand_ins.snowflake serve      # prints what to put into the environment, runs until Ctrl-C

In a test: `with server(tmp_path) as snowflake:`. The loader and its connector run as they are published: they speak to
`https://<account>.snowflakecomputing.com`, and a proxy named in the environment takes them to the stand-in instead.
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
from stand_ins.processes import START_SECONDS, close, is_ready, last_line, serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HOST = "127.0.0.1"
OLDEST_PYTHON = (3, 11)


class SnowflakeError(RuntimeError):
    """The server does not start, or does not understand what was asked; one line says what happened."""


@dataclass(frozen=True)
class Snowflake:
    """A running server.

    Attributes:
        port: of `HOST`, HTTPS, for this class.
        proxy: the port of the proxy, for the loader.
        folder: keys, certificate, stage and log; nothing of the data.
        pid: the server's process.
        passphrase: of the private key.
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
        """Return the connection as target-snowflake names it."""
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
        """Return what takes the loader here: a proxy and its certificate. The connector looks for a cloud otherwise."""
        return {
            "HTTPS_PROXY": f"http://{HOST}:{self.proxy}",
            "REQUESTS_CA_BUNDLE": str(self.folder / "tls.pem"),
            "SNOWFLAKE_DISABLE_PLATFORM_DETECTION": "true",
        }

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Run SQL of DuckDB on what the server holds; decimals and instants (UTC) come as text."""
        answer = self._ask("query", {"sql": sql})
        names = [name for name, _ in answer["columns"]]
        return [dict(zip(names, row, strict=True)) for row in answer["rows"]]

    def types(self, table: str) -> dict[str, str]:
        """Return the columns of `schema.table` in capitals, and the types by which DuckDB keeps them."""
        answer = self._ask("query", {"sql": f"from {self.database}.{table} limit 0"})
        return dict(answer["columns"])

    def seen(self) -> dict[str, Any]:
        """Return `logins`, and how many `statements` there were by their first word."""
        return self._ask("seen")

    def _ask(self, path: str, body: dict[str, str] | None = None) -> dict[str, Any]:
        asked = urllib.request.Request(
            f"https://{HOST}:{self.port}/stand-in/{path}", data=None if body is None else json.dumps(body).encode()
        )
        trusted = ssl.create_default_context(cafile=str(self.folder / "tls.pem"))
        # Without the environment's proxies: this may run where they point to the stand-in.
        direct = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted)
        )
        try:
            with direct.open(asked, timeout=START_SECONDS) as answer:
                read: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            raise SnowflakeError(f"the stand-in for Snowflake says: {error.read().decode()}") from None
        return read


def install() -> Path:
    """Make the environment, unless it is there; return its Python.

    Raises:
        EnvironmentFailedError: It could not be made.
    """
    if sys.version_info < OLDEST_PYTHON:
        raise EnvironmentFailedError("fakesnow needs Python 3.11 or newer: use one for the project")
    return ensure("stand-in-snowflake", REQUIREMENTS / "snowflake.txt")


@contextlib.contextmanager
def server(folder: Path, port: int = 0) -> Iterator[Snowflake]:
    """Run a server, and stop it whatever happens.

    Args:
        folder: one that exists, for keys, stage and log.
        port: for the proxy; 0 for a free one.

    Yields:
        The running server.

    Raises:
        EnvironmentFailedError: The environment could not be made.
        SnowflakeError: It does not start.
    """
    python = install()
    ready, log, passphrase = folder / "ready.json", folder / "snowflake.log", secrets.token_urlsafe(16)
    ready.unlink(missing_ok=True)
    arguments = [str(folder), Snowflake.account, Snowflake.user, str(port)]
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603 - the program beside this module
            [str(python), "-m", "stand_ins.snowflake_server", *arguments],
            # By the package's name: as a script, this module would hide the connector's package `snowflake`.
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
            # It ends with this pipe, and so with this process, even where this process is killed.
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=file,
            # Ctrl-C at a terminal goes to the test, which then stops the server.
            start_new_session=True,
        )
    try:
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it has ended: waiting says why
                process.stdin.write(f"{passphrase}\n".encode())
                process.stdin.flush()
        if not is_ready(process, ready):
            raise SnowflakeError(f"the stand-in for Snowflake does not start: {last_line(log)}")
        ports = json.loads(ready.read_text())
        yield Snowflake(ports["https"], ports["proxy"], folder, process.pid, passphrase)
    finally:
        close(process)


@contextlib.contextmanager
def _temporary(port: int) -> Iterator[Snowflake]:
    with tempfile.TemporaryDirectory(prefix="stand-in-snowflake-") as folder, server(Path(folder), port) as running:
        yield running


def _announced(running: Snowflake) -> str:
    settings = {f"TARGET_SNOWFLAKE_{name.upper()}": value for name, value in running.settings().items()}
    return "\n".join(f"export {name}={value}" for name, value in (running.environment() | settings).items())


def main(arguments: Sequence[str] | None = None) -> int:
    """Install or serve; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m stand_ins.snowflake", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="make the environment below .venvs, unless it is there")
    by_hand = commands.add_parser("serve", help="run a server until Ctrl-C")
    by_hand.add_argument("--port", type=int, default=0, help="of the proxy; a free one by default")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "install" and sys.version_info < OLDEST_PYTHON:
            # Not an error: the tests that need it are skipped, with this reason.
            print("fakesnow is not installed: it needs Python 3.11 or newer")  # noqa: T201 - what the command is for
        elif chosen.command == "install":
            print(f"fakesnow is in {install().parents[1]}")  # noqa: T201 - what the command is for
        else:
            serve(_temporary(chosen.port), _announced)
    except (EnvironmentFailedError, SnowflakeError) as error:
        print(f"stand_ins.snowflake: {error}", file=sys.stderr)  # noqa: T201 - one line for the user
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
