"""Fetch the JavaScript that the site needs apart from Zensical, from npm, and check its hash.

`python scripts/site_assets.py FOLDER` writes the files into a folder, unless they are there. The theme would load both
from another host: Mermaid to draw diagrams, and a shim with which the search works in a page opened as a file.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ASSETS = {
    "mermaid.min.js": (
        "mermaid@12.3.0",
        "package/dist/mermaid.min.js",
        "336df803d87a38b70a01e736e666c8f7601d2ce42f5e47c8fafe5d721074b9a3",
    ),
    "iframe-worker.js": (
        "iframe-worker@1.0.4",
        "package/shim/index.js",
        "e8e412dbcfea9b7e31b5ffa288d7b6035915e714c542f4176a0cdbe262fc9609",
    ),
}
"""Name on the site: the npm package, the file in it, and its SHA-256."""


class AssetError(RuntimeError):
    """A file could not be fetched, or is not the expected one; a one-line message."""


def fetched(package: str, member: str, digest: str) -> bytes:
    """Return a file of an npm package.

    Raises:
        AssetError: npm is missing or failed, or the file has another hash.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise AssetError("the site needs npm to fetch Mermaid: install npm, and run make site again")
    with tempfile.TemporaryDirectory() as folder:
        # No scripts of the package run: `npm pack` only downloads it.
        done = subprocess.run(  # noqa: S603 - npm of this machine
            [npm, "pack", "--silent", "--ignore-scripts", package],
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
        )
        archives = list(Path(folder).glob("*.tgz"))
        if done.returncode or not archives:
            raise AssetError(
                f"npm could not fetch {package} (exit code {done.returncode}): {done.stderr.strip()[-200:]}"
            )
        with tarfile.open(archives[0]) as archive:
            stream = archive.extractfile(member)
            content = stream.read() if stream else b""
    if hashlib.sha256(content).hexdigest() != digest:
        raise AssetError(f"{member} of {package} has another hash than expected: do not use it")
    return content


def main(folder: Path) -> int:
    """Write the files; return the exit code."""
    try:
        for name, (package, member, digest) in ASSETS.items():
            path = folder / name
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                path.write_bytes(fetched(package, member, digest))
    except AssetError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
