"""Headless Chromium for tests of pages, driven over its debugging pipe.

    python -m stand_ins.chromium install                   # installs Debian's package unless Chromium is installed
    python -m stand_ins.chromium picture PAGE PNG [WIDTH [HEIGHT]]  # writes the top of a page, in light mode

In a test: `with browser() as chromium: chromium.open(path, width=390, dark=True)`.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stand_ins.debian import InstallError, install_packages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL = "apt-get install -qq -y --no-install-recommends chromium fonts-dejavu-core"
MANUAL_INSTALL = "install Chromium and put `chromium` on PATH"
DRAWN = "document.readyState === 'complete' && document.body.dataset.drawn !== 'no'"
"""True when a page is loaded, and has drawn its charts if it uses `data-drawn`."""

SECONDS = 60
STOP_SECONDS = 10
PHONE_WIDTH = 600
"""Narrower pages are shown as on a phone: scroll bars take no space."""

# The browser reads commands from descriptor 3 and writes to descriptor 4. The pipes are copied first, because they may
# have these numbers.
WITH_PIPES = """
import fcntl, os, sys
commands, events = (fcntl.fcntl(int(number), fcntl.F_DUPFD_CLOEXEC, 10) for number in sys.argv[1:3])
os.dup2(commands, 3)
os.dup2(events, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""

# The sandbox does not work as root and in containers; the pages are our own. No requests of the browser itself.
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--remote-debugging-pipe",
)


class ChromiumError(RuntimeError):
    """Chromium is missing or does not respond; a one-line message with cause and remedy."""


@dataclass
class Chromium:
    """A running browser with one page.

    Attributes:
        messages: Text of the errors, warnings and failed requests since the page was opened.
        requests: URLs requested since the page was opened, its own included.
    """

    process: subprocess.Popen[bytes]
    writer: int
    reader: int
    session: str = ""
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    _number: int = 0
    _buffer: bytes = b""

    def open(self, path: Path, *, width: int = 1400, height: int = 1000, dark: bool = False) -> None:
        """Open a file at a width in CSS pixels, in light or dark mode."""
        self.messages.clear()
        self.requests.clear()
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < PHONE_WIDTH,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media="", features=[scheme])
        self.call("Page.navigate", url=path.resolve().as_uri())

    def wait(self, expression: str) -> None:
        """Wait until a JavaScript expression is true.

        Raises:
            ChromiumError: It was not true within `SECONDS`.
        """
        deadline = time.monotonic() + SECONDS
        while self.evaluate(expression) is not True:
            if time.monotonic() > deadline:
                raise ChromiumError(f"{expression} is not true after {SECONDS} s; console: {self.messages}")
            time.sleep(0.1)

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def screenshot(self, path: Path) -> None:
        """Write a PNG of the visible part of the page."""
        shot = self.call("Page.captureScreenshot")
        path.write_bytes(base64.b64decode(shot["data"]))

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the Chrome DevTools Protocol and return its result.

        Raises:
            ChromiumError: The browser reported an error, ended, or did not respond.
        """
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.writer, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + SECONDS
        while True:
            received = self._read(deadline)
            if received.get("id") == self._number:
                break
            self._note(received)
        if "error" in received:
            raise ChromiumError(f"{method}: {received['error']['message']}")
        result: dict[str, Any] = received["result"]
        return result

    def _read(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self.reader], [], [], max(0, deadline - time.monotonic()))[0]:
                raise ChromiumError(f"Chromium did not respond within {SECONDS} s")
            part = os.read(self.reader, 1 << 16)
            if not part:
                raise ChromiumError("Chromium has ended")
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def _note(self, event: dict[str, Any]) -> None:
        parameters = event.get("params", {})
        method = event.get("method")
        if method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.messages.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in {"error", "warning", "assert"}:
            self.messages.append(" ".join(str(one.get("value", one.get("description"))) for one in parameters["args"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in {"error", "warning"}:
            self.messages.append(parameters["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])


def program() -> str:
    """Return the path of the browser.

    Raises:
        ChromiumError: It is not installed.
    """
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        raise ChromiumError(
            f"Chromium is not installed: run `python -m stand_ins.chromium install`, or {MANUAL_INSTALL}"
        )
    return found


def install() -> str:
    """Install Debian's package unless Chromium is installed, and return the path of the browser.

    Requires root, or sudo without a password.

    Raises:
        InstallError: The installation failed.
        ChromiumError: The package has no such program.
    """
    with contextlib.suppress(ChromiumError):
        return program()
    install_packages("Chromium", INSTALL, MANUAL_INSTALL)
    return program()


@contextlib.contextmanager
def browser() -> Iterator[Chromium]:
    """Run a browser with an empty profile, and always stop it at the end.

    Yields:
        The browser, with one empty page.

    Raises:
        ChromiumError: It is not installed or does not start.
    """
    with tempfile.TemporaryDirectory(prefix="stand-in-chromium-", ignore_cleanup_errors=True) as profile:
        command = [program(), *OPTIONS, f"--user-data-dir={profile}"]
        (commands, writer), (reader, events) = os.pipe(), os.pipe()
        process = subprocess.Popen(  # noqa: S603 - the browser and our options
            [sys.executable, "-c", WITH_PIPES, str(commands), str(events), *command],
            pass_fds=(commands, events),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # Its processes are stopped together.
            start_new_session=True,
        )
        os.close(commands)
        os.close(events)
        try:
            chromium = Chromium(process, writer, reader)
            target = chromium.call("Target.createTarget", url="about:blank")["targetId"]
            chromium.session = chromium.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                chromium.call(f"{domain}.enable")
            yield chromium
        finally:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(STOP_SECONDS)
                    break
            os.close(writer)
            os.close(reader)


def main(arguments: Sequence[str] | None = None) -> int:
    """Install Chromium or take a picture; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m stand_ins.chromium", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="install Debian's package unless Chromium is installed")
    picture = commands.add_parser("picture", help="write a picture of a page in light mode")
    picture.add_argument("page", type=Path)
    picture.add_argument("png", type=Path)
    picture.add_argument("width", type=int, nargs="?", default=1400, help="in CSS pixels")
    picture.add_argument("height", type=int, nargs="?", default=1000, help="in CSS pixels")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "install":
            print(f"Chromium is {install()}")  # noqa: T201 - the command's output
            return 0
        with browser() as chromium:
            chromium.open(chosen.page, width=chosen.width, height=chosen.height)
            chromium.wait(DRAWN)
            chromium.screenshot(chosen.png)
    except (ChromiumError, InstallError) as error:
        print(f"stand_ins.chromium: {error}", file=sys.stderr)  # noqa: T201 - the command's error message
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
