"""Debian's Chromium for tests of pages, headless, driven by Playwright.

    python -m stand_ins.chromium install                   # installs Debian's package unless Chromium is installed
    python -m stand_ins.chromium picture PAGE PNG [WIDTH [HEIGHT [SCHEME]]]  # writes the top of a page

In a test: `with browser() as chromium, opened(chromium, path, width=390, dark=True) as shown: ...`.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import Error, sync_playwright

from stand_ins.debian import InstallError, install_packages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from playwright.sync_api import Browser, ConsoleMessage, Page

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL = "apt-get install -qq -y --no-install-recommends chromium fonts-dejavu-core"
MANUAL_INSTALL = "install Chromium and put `chromium` on PATH"
MILLISECONDS = 60_000
PHONE_WIDTH = 600
"""Narrower pages are shown as on a phone: scroll bars take no space."""

# The sandbox does not work as root and in containers; the pages are our own.
OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")


class ChromiumError(RuntimeError):
    """Chromium is missing; a one-line message with the remedy."""


@dataclass
class Shown:
    """An open page.

    Attributes:
        page: Playwright's page.
        messages: Text of errors, warnings and failed requests.
        requests: URLs requested, its own included.
    """

    page: Page
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


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
def browser() -> Iterator[Browser]:
    """Run a browser with an empty profile, and always stop it at the end.

    Raises:
        ChromiumError: It is not installed.
    """
    path = program()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=OPTIONS, timeout=MILLISECONDS)
        try:
            yield chromium
        finally:
            chromium.close()


@contextlib.contextmanager
def opened(
    chromium: Browser, path: Path, *, width: int = 1400, height: int = 1000, dark: bool = False
) -> Iterator[Shown]:
    """Open a file in an empty profile, and wait until it has drawn its charts, if it uses `data-drawn`.

    Args:
        chromium: The browser.
        path: The file.
        width: Width in CSS pixels.
        height: Height in CSS pixels.
        dark: Whether the page is shown in dark mode.
    """
    context = chromium.new_context(
        viewport={"width": width, "height": height},
        is_mobile=width < PHONE_WIDTH,
        color_scheme="dark" if dark else "light",
    )
    context.set_default_timeout(MILLISECONDS)
    shown = Shown(context.new_page())

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning", "assert"}:
            shown.messages.append(message.text)

    shown.page.on("console", note)
    shown.page.on("pageerror", lambda error: shown.messages.append(str(error)))
    shown.page.on("request", lambda request: shown.requests.append(request.url))
    try:
        shown.page.goto(path.resolve().as_uri())
        shown.page.locator("body:not([data-drawn='no'])").wait_for(state="attached")
        yield shown
    finally:
        context.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Install Chromium or take a picture; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m stand_ins.chromium", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="install Debian's package unless Chromium is installed")
    picture = commands.add_parser("picture", help="write a picture of a page")
    picture.add_argument("page", type=Path)
    picture.add_argument("png", type=Path)
    picture.add_argument("width", type=int, nargs="?", default=1400, help="in CSS pixels")
    picture.add_argument("height", type=int, nargs="?", default=1000, help="in CSS pixels")
    picture.add_argument("scheme", choices=["light", "dark"], nargs="?", default="light")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "install":
            print(f"Chromium is {install()}")  # noqa: T201 - the command's output
            return 0
        size = {"width": chosen.width, "height": chosen.height}
        with browser() as chromium, opened(chromium, chosen.page, **size, dark=chosen.scheme == "dark") as shown:
            shown.page.screenshot(path=chosen.png)
    except (ChromiumError, InstallError, Error) as error:
        line = str(error).partition("\n")[0]
        print(f"stand_ins.chromium: {line}", file=sys.stderr)  # noqa: T201 - the command's error message
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
