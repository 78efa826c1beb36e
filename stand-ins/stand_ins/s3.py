"""S3 as moto's server answers it, from memory: a stand-in. What it holds is gone when it stops.

    python -m stand_ins.s3 install    # an environment of its own below .venvs, from PyPI
    python -m stand_ins.s3 serve      # prints what to put into the environment, runs until Ctrl-C

In a test: `with server(tmp_path) as s3:`. What moto does not show: whether credentials and rights suffice (it takes
any), how fast S3 is, and how it behaves when it is busy.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from stand_ins.environments import REQUIREMENTS, EnvironmentFailedError, ensure
from stand_ins.processes import START_SECONDS, close, is_ready, last_line, serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HOST = "127.0.0.1"
REGION = "us-east-1"


class S3Error(RuntimeError):
    """The server does not start, or the bucket cannot be made; one line says what happened."""


@dataclass(frozen=True)
class S3:
    """A running server.

    Attributes:
        port: of `HOST`, plain HTTP.
        bucket: the one bucket that is there from the beginning.
        folder: its log, and nothing of the data.
        pid: the server's process.
    """

    port: int
    bucket: str
    folder: Path
    pid: int
    access_key: str = "stand-in"
    secret_key: str = "stand-in-secret"  # noqa: S105 - moto takes any
    region: str = REGION

    @property
    def endpoint(self) -> str:
        """The address, for clients that can be told one."""
        return f"http://{HOST}:{self.port}"

    def environment(self) -> dict[str, str]:
        """Return what AWS's own clients read: credentials, region, address."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL": self.endpoint,
        }

    def with_bucket(self, name: str) -> S3:
        """Make another bucket; return this server with it in place of the first.

        Raises:
            S3Error: It cannot be made.
        """
        # Any signature will do for moto, so that this package needs no client of S3.
        signed = f"AWS4-HMAC-SHA256 Credential={self.access_key}/20240101/{self.region}/s3/aws4_request"
        asked = urllib.request.Request(  # noqa: S310 - the server started here
            f"{self.endpoint}/{name}", method="PUT", headers={"Authorization": signed}
        )
        try:
            urllib.request.urlopen(asked, timeout=START_SECONDS).close()  # noqa: S310 - the server started here
        except urllib.error.URLError as error:
            raise S3Error(f"the bucket {name} cannot be made: {error}") from None
        return replace(self, bucket=name)

    @contextlib.contextmanager
    def refusing(self, pattern: str) -> Iterator[None]:
        """Answer AccessDenied to the requests that match, as when rights were taken away or a quota is full.

        Args:
            pattern: a regular expression, matched from the start of `METHOD path?query`.

        Yields:
            While requests are refused.
        """
        file = self.folder / "refuse"
        file.write_text(pattern)
        try:
            yield
        finally:
            file.unlink()


def install() -> Path:
    """Make the environment, unless it is there; return its Python.

    Raises:
        EnvironmentFailedError: It could not be made.
    """
    return ensure("stand-in-s3", REQUIREMENTS / "s3.txt")


@contextlib.contextmanager
def server(folder: Path, bucket: str = "warehouse", port: int = 0) -> Iterator[S3]:
    """Run a server with one bucket, and stop it whatever happens.

    Args:
        folder: one that exists, for the log and the port file.
        bucket: to make.
        port: to listen on; 0 for a free one.

    Yields:
        The running server.

    Raises:
        EnvironmentFailedError: The environment could not be made.
        S3Error: It does not start.
    """
    python = install()
    port_file, log = folder / "port", folder / "s3.log"
    port_file.unlink(missing_ok=True)
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603 - the program beside this module
            [str(python), str(Path(__file__).with_name("s3_server.py")), str(folder), str(port)],
            # It ends with this pipe, and so with this process, even where this process is killed.
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=file,
            # Ctrl-C at a terminal goes to the test, which then stops the server.
            start_new_session=True,
        )
    try:
        if not is_ready(process, port_file):
            raise S3Error(f"moto's server does not start: {last_line(log)}")
        yield S3(int(port_file.read_text()), bucket, folder, process.pid).with_bucket(bucket)
    finally:
        close(process)


@contextlib.contextmanager
def _temporary(bucket: str, port: int) -> Iterator[S3]:
    with (
        tempfile.TemporaryDirectory(prefix="stand-in-s3-") as folder,
        server(Path(folder), bucket, port) as running,
    ):
        yield running


def _announced(running: S3) -> str:
    lines = [f"export {name}={value}" for name, value in running.environment().items()]
    return "\n".join([*lines, f"# bucket: {running.bucket}"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Install or serve; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m stand_ins.s3", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="make the environment below .venvs, unless it is there")
    by_hand = commands.add_parser("serve", help="run a server until Ctrl-C")
    by_hand.add_argument("--bucket", default="warehouse", help="made at the start")
    by_hand.add_argument("--port", type=int, default=0, help="a free one by default")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "install":
            print(f"moto is in {install().parents[1]}")  # noqa: T201 - what the command is for
        else:
            serve(_temporary(chosen.bucket, chosen.port), _announced)
    except (EnvironmentFailedError, S3Error) as error:
        print(f"stand_ins.s3: {error}", file=sys.stderr)  # noqa: T201 - one line for the user
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
