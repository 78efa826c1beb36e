"""S3 stand-in: moto's server. Its data are in memory and lost when it stops.

    python -m stand_ins.s3 install    # creates its environment in .venvs, from PyPI
    python -m stand_ins.s3 serve      # prints the environment variables to set and runs until Ctrl-C

In a test: `with server(tmp_path) as s3:`. moto accepts any credentials and knows no permissions, and it does not show
how fast S3 is or how it behaves under load.
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
from stand_ins.processes import START_SECONDS, close, last_line, serve, wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HOST = "127.0.0.1"
REGION = "us-east-1"


class S3Error(RuntimeError):
    """The server does not start, or the bucket cannot be created; a one-line message with the cause."""


@dataclass(frozen=True)
class S3:
    """A running server.

    Attributes:
        port: Port on `HOST`, plain HTTP.
        bucket: The bucket, created at the start.
        folder: Folder of the log; contains no data.
        pid: Process id of the server.
    """

    port: int
    bucket: str
    folder: Path
    pid: int
    access_key: str = "stand-in"
    secret_key: str = "stand-in-secret"  # noqa: S105 - moto accepts any
    region: str = REGION

    @property
    def endpoint(self) -> str:
        """The endpoint URL, for clients that have a setting for it."""
        return f"http://{HOST}:{self.port}"

    def environment(self) -> dict[str, str]:
        """Return the environment variables of AWS clients: credentials, region, endpoint."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL": self.endpoint,
        }

    def with_bucket(self, name: str) -> S3:
        """Create another bucket and return this server with it in place of the first.

        Raises:
            S3Error: The bucket cannot be created.
        """
        # moto accepts any signature, so this package needs no S3 client.
        signed = f"AWS4-HMAC-SHA256 Credential={self.access_key}/20240101/{self.region}/s3/aws4_request"
        request = urllib.request.Request(  # noqa: S310 - the server started here
            f"{self.endpoint}/{name}", method="PUT", headers={"Authorization": signed}
        )
        try:
            urllib.request.urlopen(request, timeout=START_SECONDS).close()  # noqa: S310 - the server started here
        except urllib.error.URLError as error:
            raise S3Error(f"cannot create the bucket {name}: {error}") from None
        return replace(self, bucket=name)

    @contextlib.contextmanager
    def refusing(self, pattern: str) -> Iterator[None]:
        """Respond with AccessDenied to matching requests, as after a revoked permission or an exceeded quota.

        Args:
            pattern: Regular expression, matched from the start of `METHOD path?query`.

        Yields:
            While matching requests are refused.
        """
        file = self.folder / "refuse"
        file.write_text(pattern)
        try:
            yield
        finally:
            file.unlink()


def install() -> Path:
    """Create the environment unless it exists, and return its Python.

    Raises:
        EnvironmentFailedError: The environment could not be created.
    """
    return ensure("stand-in-s3", REQUIREMENTS / "s3.txt")


@contextlib.contextmanager
def server(folder: Path, bucket: str = "warehouse", port: int = 0) -> Iterator[S3]:
    """Run a server with one bucket, and always stop it at the end.

    Args:
        folder: Existing folder for the log and the port file.
        bucket: Name of the bucket to create.
        port: Port to listen on; 0 = any free port.

    Yields:
        The running server.

    Raises:
        EnvironmentFailedError: The environment could not be created.
        S3Error: The server does not start.
    """
    python = install()
    port_file, log = folder / "port", folder / "s3.log"
    port_file.unlink(missing_ok=True)
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603 - a program of this package
            [str(python), str(Path(__file__).with_name("s3_server.py")), str(folder), str(port)],
            # The server ends with this pipe, and so with this process, even if this process is killed.
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=file,
            # Ctrl-C in a terminal is sent to the test only; the test then stops the server.
            start_new_session=True,
        )
    try:
        if not wait_until_ready(process, port_file):
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


def _announcement(running: S3) -> str:
    lines = [f"export {name}={value}" for name, value in running.environment().items()]
    return "\n".join([*lines, f"# bucket: {running.bucket}"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Install moto or run a server; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m stand_ins.s3", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="create the environment in .venvs unless it exists")
    serving = commands.add_parser("serve", help="run a server until Ctrl-C")
    serving.add_argument("--bucket", default="warehouse", help="bucket to create at the start")
    serving.add_argument("--port", type=int, default=0, help="default: any free port")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "install":
            print(f"moto is in {install().parents[1]}")  # noqa: T201 - the command's output
        else:
            serve(_temporary(chosen.bucket, chosen.port), _announcement)
    except (EnvironmentFailedError, S3Error) as error:
        print(f"stand_ins.s3: {error}", file=sys.stderr)  # noqa: T201 - the command's error message
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
