"""Installation of Debian's packages, as root or with sudo."""

from __future__ import annotations

import os
import shutil
import subprocess


class InstallError(RuntimeError):
    """The packages could not be installed; a one-line message with cause and remedy."""


def install_packages(name: str, script: str, remedy: str) -> None:
    """Run a shell script that installs packages. The packages' lists are updated first.

    Requires root, or sudo without a password.

    Args:
        name: Name of the program, for messages.
        script: Commands of `sh`.
        remedy: How to install the program by hand, for messages.

    Raises:
        InstallError: The installation failed.
    """
    if shutil.which("apt-get") is None:
        raise InstallError(f"apt-get is not available on this machine; {remedy}")
    prefix: list[str] = []
    if os.geteuid() != 0:
        sudo = shutil.which("sudo") and subprocess.run(
            ["sudo", "-n", "true"],  # noqa: S607 - the system's sudo
            check=False,
            capture_output=True,
        )
        if not sudo or sudo.returncode:
            raise InstallError(
                f"installing {name} requires root or sudo without a password; run this as root, or {remedy}"
            )
        prefix = ["sudo", "-n"]
    script = f"export DEBIAN_FRONTEND=noninteractive\napt-get update -qq\n{script}"
    done = subprocess.run([*prefix, "sh", "-ec", script], check=False, capture_output=True, text=True)  # noqa: S603 - a constant
    if done.returncode:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise InstallError(f"apt-get failed: {lines[-1] if lines else 'no message'}; {remedy}")
